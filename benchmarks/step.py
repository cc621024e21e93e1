"""Training steps a second of each network, bf16 against fp32: what `precision="auto"` stands on."""

import dataclasses
import importlib
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from benchmarks import report
from fashion_nn.cagan.step import CAGANData, CAGANStep
from fashion_nn.cgan.step import CGANData, CGANStep
from fashion_nn.dvbpr.step import DVBPRData, DVBPRStep

ITEMS, SHOPPERS, BOUGHT, CATEGORIES = 512, 64, 8, 6
WARM_UP, TIMED = 2, 5  # steps of one measurement


def pixels(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (ITEMS, 3, height, width), dtype=torch.uint8)


def dvbpr(config: Any, device: str) -> DVBPRStep:
    random = np.random.default_rng(0)
    train = [random.choice(ITEMS, BOUGHT, replace=False) for _ in range(SHOPPERS)]
    pictures = pixels(config.picture_size, config.picture_size)
    data = DVBPRData(pictures, train, category=np.arange(ITEMS) % CATEGORIES, n_categories=CATEGORIES)
    return DVBPRStep(config, data, device)


def cgan(config: Any, device: str) -> CGANStep:
    names = [f"category {number}" for number in range(CATEGORIES)]
    data = CGANData(pixels(config.picture_size, config.picture_size), np.arange(ITEMS) % len(names), names)
    return CGANStep(config, data, device)


def cagan(config: Any, device: str) -> CAGANStep:
    data = CAGANData(pixels(config.height, config.width), pixels(config.height, config.width))
    return CAGANStep(config, data, device)


def speed_of(step: Any, device: str) -> Callable[[], float]:
    """Steps a second, batches drawn beforehand."""
    numbers = count()

    def measure() -> float:
        batches = [step.draw(next(numbers)) for _ in range(WARM_UP + TIMED)]
        for batch in batches[:WARM_UP]:
            step(batch)
        report.settle(device)
        began = time.perf_counter()
        for batch in batches[WARM_UP:]:
            step(batch)
        report.settle(device)
        return TIMED / (time.perf_counter() - began)

    return measure


def main() -> None:
    options = report.arguments(__doc__).parse_args()
    rows = []
    for build in (dvbpr, cgan, cagan):
        name = build.__name__
        config = getattr(importlib.import_module(f"fashion_nn.{name}.config"), options.size)()
        subjects = {
            precision: speed_of(build(dataclasses.replace(config, precision=precision), options.device), options.device)
            for precision in ("bf16", "fp32")
        }
        found = report.in_turns(subjects, runs=options.runs)
        rows.append(
            report.row(
                f"steps_per_second/{name}/bf16",
                found["bf16"],
                unit="1/s",
                baseline="fp32",
                baseline_values=found["fp32"],
            )
        )
    report.emit(report.report("step", rows))


if __name__ == "__main__":
    main()
