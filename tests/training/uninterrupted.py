"""What a run comes to that nothing happens to: a plain loop, without Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from cluster.settings import Settings
from fashion_nn.steps import seed_torch
from tests.training.finished import source_of
from training import recipe
from training.arguments import Order


@contextmanager
def one_thread() -> Iterator[None]:
    """As the workers compute, so that sums come in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def uninterrupted(order: Order, data: Path, settings: Settings) -> Any:
    """The step after all of an order: what every run of it must come to."""
    which = recipe.find(order.network)
    with one_thread():
        step = which.build(order.config, which.open(source_of(data, settings), order.config), torch.device("cpu"))
        for number in range(order.config.steps):
            seed_torch(order.config.seed, number, 0)
            step(step.draw(number))
    return step
