"""What a plain eye sees in a picture: the visual features of peers, made by hand and learnt from nothing.

An 8×8 thumbnail (192 numbers), the shares of 64 colours (64), and the strength of edges in six directions on a
4×4 grid (96). Our own Φ would not be fair to anybody: it is trained on the same purchases, through our own loss.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fashion_nn.pictures import normalise
from fashion_nn.steps import Pictures

THUMBNAIL = 8  # cells a side
LEVELS = 4  # of each of red, green and blue
DIRECTIONS, GRID = 6, 4
LENGTH = 3 * THUMBNAIL**2 + LEVELS**3 + DIRECTIONS * GRID**2
ROWS = 256  # pictures looked at at once


def described(pictures: Pictures) -> Tensor:
    """Features float32 [n, LENGTH] of all pictures, each of the same spread around 0 (0 where all agree).

    The spread makes the mean squared length of a picture's features 1.
    """
    cuts = range(0, len(pictures), ROWS)
    features = torch.cat([describe(normalise(pictures[slice(cut, cut + ROWS)])) for cut in cuts])
    deviation, mean = torch.std_mean(features, dim=0, correction=0)
    scaled = (features - mean) / deviation.clamp(min=1e-6) / LENGTH**0.5
    return torch.where(deviation > 1e-6, scaled, 0.0)


def describe(pictures: Tensor) -> Tensor:
    """The same as it comes: [n, 3, H, W] in [-1, 1] → [n, LENGTH]."""
    thumbnail = functional.adaptive_avg_pool2d(pictures, THUMBNAIL)
    return torch.cat([thumbnail.flatten(1), colours(pictures), edges(pictures).flatten(1)], dim=1)


def colours(pictures: Tensor) -> Tensor:
    """Shares [n, LEVELS³] of the pixels in each colour."""
    levels = ((pictures + 1) / 2 * LEVELS).long().clamp(0, LEVELS - 1)
    named = ((levels[:, 0] * LEVELS + levels[:, 1]) * LEVELS + levels[:, 2]).flatten(1)
    share = torch.full(named.shape, 1 / named.shape[1])
    return torch.zeros(len(named), LEVELS**3).scatter_add(1, named, share)


def edges(pictures: Tensor) -> Tensor:
    """Mean strength [n, DIRECTIONS, GRID, GRID] of the change of lightness, by its direction without its sign."""
    lightness = pictures.mean(1, keepdim=True)
    across = functional.pad(lightness[..., 2:] - lightness[..., :-2], (1, 1, 0, 0))
    down = functional.pad(lightness[..., 2:, :] - lightness[..., :-2, :], (0, 0, 1, 1))
    turn = torch.atan2(down, across) / torch.pi % 1.0
    place = (turn * DIRECTIONS).long().clamp(max=DIRECTIONS - 1)
    strength = torch.zeros_like(lightness.expand(-1, DIRECTIONS, -1, -1)).scatter(
        1, place, (across**2 + down**2).sqrt()
    )
    return functional.adaptive_avg_pool2d(strength, GRID)
