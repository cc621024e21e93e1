"""Small random data for the training steps, the same for the same seed."""

import numpy as np
import torch
from torch import nn

from fashion_nn.cagan.step import CAGANData
from fashion_nn.cgan.step import CGANData
from fashion_nn.dvbpr.step import DVBPRData


def pixels(n: int, height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=generator)


def shoppers_data(n_items: int = 30, n_users: int = 9, size: int = 32) -> DVBPRData:
    random = np.random.default_rng(0)
    train = [random.choice(n_items, 4, replace=False) for _ in range(n_users)]
    return DVBPRData(pixels(n_items, size, size), train)


def items_data(n_items: int = 24, size: int = 64) -> CGANData:
    return CGANData(pixels(n_items, size, size), np.arange(n_items) % 3, ["tops", "bottoms", "shoes"])


def pairs_data(n_pairs: int = 12, height: int = 32, width: int = 32) -> CAGANData:
    return CAGANData(pixels(n_pairs, height, width), pixels(n_pairs, height, width, seed=1))


def receptive_field(network: nn.Module, inputs: list[torch.Tensor], place: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the region of the first input on which one output place [0, 0, *place] depends."""
    watched = inputs[0].requires_grad_()
    network(*inputs)[0, 0, place[0], place[1]].backward()
    rows, columns = torch.nonzero(watched.grad.abs().sum((0, 1)), as_tuple=True)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


def shapes_of(network: nn.Module, kinds: tuple[type[nn.Module], ...], *inputs: torch.Tensor) -> list[tuple[int, ...]]:
    """Output shapes, without the batch, of the layers of these kinds, in the order in which they ran."""
    shapes: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return shapes
