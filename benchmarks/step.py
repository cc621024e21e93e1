"""Training steps a second of each network, bf16 against fp32: what `precision="auto"` stands on.

On a GPU the GANs' steps are captured; NAME/captured is such a step against the same one as it is written.
"""

import dataclasses
import importlib
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from benchmarks import report
from fashion_nn.adversarial import AdversarialStep
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


def as_written(step: AdversarialStep) -> AdversarialStep:
    """The step without a capture, as it is where several workers share it."""
    step.distribute(lambda objective: objective, replicas=1)
    return step


def main() -> None:
    options = report.arguments(__doc__).parse_args()
    rows = []
    for build in (dvbpr, cgan, cagan):
        name = build.__name__
        config = getattr(importlib.import_module(f"fashion_nn.{name}.config"), options.size)()
        built = {
            precision: build(dataclasses.replace(config, precision=precision), options.device)
            for precision in ("bf16", "fp32")
        }
        against = {"bf16": "fp32"}
        if options.device == "cuda" and isinstance(built["bf16"], AdversarialStep):
            built["as written"] = as_written(build(dataclasses.replace(config, precision="bf16"), options.device))
            against["captured"] = "as written"
        found = report.in_turns(
            {which: speed_of(step, options.device) for which, step in built.items()}, runs=options.runs
        )
        rows += [
            report.row(
                f"steps_per_second/{name}/{label}",
                found["bf16"],
                unit="1/s",
                baseline=baseline,
                baseline_values=found[baseline],
            )
            for label, baseline in against.items()
        ]
    report.emit(report.report("step", rows))


if __name__ == "__main__":
    main()
