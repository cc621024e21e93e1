"""4. What a step costs against its rows, and its share of the processor's measured matrix peak."""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import report
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Engine
from fashion_nn.latent.folding import folded
from fashion_nn.latent.passes import buckets_up_to, eager
from fashion_nn.latent.slots import Slots

MATRIX = {"cpu": 2048, "cuda": 8192}
STEPS = 5


def measure(subjects: Subjects, engine: Engine, device: torch.device, *, runs: int) -> list[report.Row]:
    """For each bucket: the engine's step against the eager step of the plain networks in float32."""
    slots = engine.scheduler.slots
    plain_slots = Slots.empty(slots, subjects.networks, device)
    plain = eager(plain_slots, subjects.networks)
    for table in (engine.slots, plain_slots):
        table.load(range(slots), subjects.blind(0, slots))
    peak = max(matrix_flops(engine.dtype, device) for _ in range(3))
    report.progress(f"matrix peak in {engine.dtype}: {peak / 1e12:.3f} TFLOP/s")
    each = flops_of_a_row(subjects, device)
    rows = [report.row(f"matrix_peak/{str(engine.dtype).removeprefix('torch.')}", [peak / 1e12], unit="TFLOP/s")]
    for bucket in [size for size in buckets_up_to(slots) if size & (size - 1) == 0 or size == slots]:
        ours = seconds(lambda bucket=bucket: engine._run(range(bucket)), device)
        theirs = seconds(lambda bucket=bucket: plain(range(bucket)), device)
        found = report.in_turns({f"engine/{bucket}": ours, f"plain/{bucket}": theirs}, runs=runs)
        taken = found[f"engine/{bucket}"]
        rows.append(
            report.row(
                f"step_ms/rows_{bucket}",
                [1000 * value for value in taken],
                unit="ms",
                baseline="plain_fp32",
                baseline_values=[1000 * value for value in found[f"plain/{bucket}"]],
            )
        )
        rows.append(
            report.row(f"share_of_peak/rows_{bucket}", [each * bucket / value / peak for value in taken], unit="1")
        )
    return rows


def seconds(step: Callable[[], None], device: torch.device) -> Callable[[], float]:
    """Measures one step, after one to warm up."""

    def timed() -> float:
        step()
        report.settle(device)
        began = time.perf_counter()
        for _ in range(STEPS):
            step()
        report.settle(device)
        return (time.perf_counter() - began) / STEPS

    return timed


def flops_of_a_row(subjects: Subjects, device: torch.device) -> float:
    """Floating-point operations of one row's step through the folded networks, counted."""
    table = Slots.empty(1, subjects.networks, device)
    networks = folded(subjects.networks)
    with FlopCounterMode(display=False) as counter:
        table.step(torch.zeros(1, dtype=torch.int64, device=device), networks)
    return float(counter.get_total_flops())


def matrix_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of a large matrix product."""
    size = MATRIX[device.type]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: torch.mm(left, right), device)()
