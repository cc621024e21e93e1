"""1. Shoppers designed per second, to an equal mean objective: the engine against the paper's procedure."""

import time

import torch

from benchmarks import report
from benchmarks.latent import paper
from benchmarks.latent.quality import BANK_STEPS, SHOPPERS, mean_best
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Engine
from fashion_nn.latent.bank import RATE

PROCEDURES = {
    "paper_16x10": (16, 10, 0.05),
    "paper_64x50": (64, 50, 0.05),
}  # restarts, steps, rate (authors' code: first)
SAMPLE = 2  # shoppers that the paper's procedure is timed on; they take equally long
STARTS = 4


def measure(subjects: Subjects, engine: Engine, device: torch.device, *, runs: int) -> list[report.Row]:
    """One row for each procedure: the fewest steps from the bank that reach its mean objective, timed against it."""
    rows = []
    for name, (restarts, steps, rate) in PROCEDURES.items():
        wanted = mean_best(engine, [subjects.blind(s, restarts, steps=steps, rate=rate) for s in range(SHOPPERS)])
        reached = {
            (starts, taken): mean_best(
                engine, [subjects.from_bank(s, starts, steps=taken, rate=RATE) for s in range(SHOPPERS)]
            )
            for starts in (1, STARTS)
            for taken in BANK_STEPS
        }
        enough = [each for each, value in reached.items() if value >= wanted]
        if not enough:
            report.progress(f"the bank does not reach {name}'s {wanted:.3f}: {reached}")
            continue
        starts, taken = min(enough, key=lambda each: each[0] * (each[1] + 1))
        report.progress(f"{name} reaches {wanted:.3f}; the engine {reached[starts, taken]:.3f} by {starts}x{taken}")

        def ours(starts: int = starts, taken: int = taken) -> float:
            began = time.perf_counter()
            engine.ascend(subjects.from_bank(s, starts, steps=taken, rate=RATE) for s in range(2 * SHOPPERS))
            return 2 * SHOPPERS / (time.perf_counter() - began)

        def theirs(restarts: int = restarts, steps: int = steps, rate: float = rate) -> float:
            began = time.perf_counter()
            for shopper in range(SAMPLE):
                paper.ascend(subjects.networks, subjects.blind(shopper, restarts, steps=steps, rate=rate), device)
            return SAMPLE / (time.perf_counter() - began)

        found = report.in_turns({"engine": ours, name: theirs}, runs=runs)
        rows.append(
            report.row(
                f"shoppers_per_second/bank_{starts}x{taken}",
                found["engine"],
                unit="1/s",
                baseline=name,
                baseline_values=found[name],
            )
        )
    return rows
