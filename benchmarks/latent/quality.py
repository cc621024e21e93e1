"""2. Quality for compute: the mean best objective against the row-steps spent, each side at its own best rate."""

from collections.abc import Sequence

import torch

from benchmarks import report
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Ascent, Engine

SHOPPERS = 48
TRIED = 8  # of them, on which a way finds its rate
RATES = (0.05, 0.1, 0.2)
BLIND = ((16, 10), (16, 50), (64, 10), (64, 50))  # restarts, steps
BANK_STARTS, BANK_STEPS = (1, 2, 4, 8), (0, 5, 10, 19, 39, 80)


def measure(subjects: Subjects, engine: Engine) -> list[report.Row]:
    """A row for every way, and one for the row-steps by which the bank reaches what 64 restarts of 50 steps reach."""
    ways = {f"blind_{starts}x{steps}": (subjects.blind, starts, steps) for starts, steps in BLIND} | {
        f"bank_{starts}x{steps}": (subjects.from_bank, starts, steps) for starts in BANK_STARTS for steps in BANK_STEPS
    }
    found: dict[str, tuple[float, int]] = {}
    rows = []
    for name, (build, starts, steps) in ways.items():

        def reached(rate: float, shoppers: int, build=build, starts: int = starts, steps: int = steps) -> float:
            return mean_best(engine, [build(shopper, starts, steps=steps, rate=rate) for shopper in range(shoppers)])

        rate = max(RATES, key=lambda rate: reached(rate, TRIED)) if steps else RATES[0]
        value = reached(rate, SHOPPERS)
        found[name] = value, starts * (steps + 1)
        report.progress(f"{name}: {value:.3f} at rate {rate:g}, {found[name][1]} row-steps")
        rows.append(report.row(f"objective/{name}/rate_{rate:g}/row_steps_{found[name][1]}", [value], unit="objective"))
    target, spent = found["blind_64x50"]
    enough = {name: taken for name, (value, taken) in found.items() if name.startswith("bank") and value >= target}
    if enough:
        name = min(enough, key=lambda each: enough[each])
        rows.append(
            report.row(
                f"row_steps_to_reach_blind_64x50/{name}",
                [enough[name]],
                unit="row-steps",
                baseline="blind_64x50",
                baseline_values=[spent],
            )
        )
    return rows


def mean_best(engine: Engine, asked: Sequence[Ascent]) -> float:
    """The mean over requests of the best objective each has reached."""
    found = engine.ascend(asked)
    failed = [each for each in found if isinstance(each, Exception)]
    if failed:
        raise failed[0]
    return torch.stack([each.scores.objective[0] for each in found]).mean().item()
