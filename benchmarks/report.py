"""What every benchmark prints: one JSON object on its last line, progress on stderr.

A benchmark measures its subjects in turns in the same run, so that a ratio never compares two moods of
the machine. Nothing but PyTorch is needed, so that it runs on any accelerator machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One measured figure. `name` is path-like: `shoppers_per_second/engine`."""

    name: str
    value: float  # the median of the runs
    unit: str
    runs: int
    spread: float  # interquartile range divided by the median
    baseline: str | None = None
    baseline_value: float | None = None
    ratio: float | None = None  # value / baseline_value


def in_turns(
    subjects: Mapping[str, Callable[[], float]], *, runs: int, say: Callable[[str], None] | None = None
) -> dict[str, list[float]]:
    """Ask every subject for its figure `runs` times, one after another in each round."""
    if runs < 1:
        raise ValueError(f"runs must be 1 or more, not {runs}")
    say = say or progress
    values: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(1, runs + 1):
        for name, measure in subjects.items():
            values[name].append(measure())
            say(f"run {turn} of {runs}: {name} {values[name][-1]:.4g}")
    return values


def settle(device: torch.device | str) -> None:
    """Wait for what the device has been given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def row(
    name: str,
    values: Sequence[float],
    *,
    unit: str,
    baseline: str | None = None,
    baseline_values: Sequence[float] | None = None,
) -> Row:
    """The row of one subject's values, beside those of the baseline measured in the same run."""
    value = statistics.median(values)
    against = statistics.median(baseline_values) if baseline_values else None
    return Row(
        name=name,
        value=value,
        unit=unit,
        runs=len(values),
        spread=spread(values),
        baseline=baseline,
        baseline_value=against,
        ratio=value / against if against else None,
    )


def spread(values: Sequence[float]) -> float:
    """Interquartile range over the median; 0 for fewer than two values or a median of 0."""
    median = statistics.median(values)
    if len(values) < 2 or median == 0:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / abs(median)


def report(benchmark: str, rows: Sequence[Row]) -> dict[str, object]:
    """The whole object: what was measured, of which code, on which machine."""
    return {
        "benchmark": benchmark,
        "commit": commit(),
        "machine": machine(),
        "rows": [asdict(each) for each in rows],
    }


def emit(found: Mapping[str, object]) -> None:
    """Print a report as the last line of standard output."""
    print(json.dumps(found), flush=True)


def progress(line: str) -> None:
    """Say on stderr how far the benchmark is."""
    print(line, file=sys.stderr, flush=True)


def arguments(description: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=("debug", "demo", "paper"), default="demo")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--runs", type=int, default=5, help="how often each subject is measured")
    return parser


def machine() -> dict[str, object]:
    """The machine in words: processor, cores this process may use, accelerator, PyTorch."""
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
    }


def processor() -> str:
    """The processor's name, where the system tells it; its architecture elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def commit() -> str:
    """The commit of the code, `+` behind it if the tree differs from it; `unknown` outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
