"""The objective that carries design, inversion and alteration: rows of latent codes, each under its own weights.

    objective(row) = w_pref · θ·Φ(up(G(z, c)))          preference; with the category's part, where Φ has one
                   − w_real · (D(G(z, c), c) − 1)²       realism (η of Kang et al., ICDM 2017, eq. 10)
                   − w_rec  · ‖G(z, c) − target‖₁        reconstruction, for inversion (mean over pixels)
                   − w_near · ‖z − z₀‖²                  closeness to a start, for alteration

with z = tanh(z′). Networks are in eval mode, so rows do not touch each other.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fashion_nn import checks
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.dvbpr.network import Look, upsample

LARGEST = 1 - 1e-4  # |z| of a start is clipped to this before artanh


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What one row is optimised for."""

    preference: float = 1.0
    realism: float = 1.0
    reconstruction: float = 0.0
    closeness: float = 0.0

    def __post_init__(self) -> None:
        for field in self.__slots__:
            checks.within(field, getattr(self, field), 0.0, 1e6)


class Rows(NamedTuple):
    """What R rows are optimised for; z itself is apart. targets and anchors are zeros where their weight is."""

    taste: Tensor  # [R, L]
    category: Tensor  # int64 [R]
    targets: Tensor  # [R, 3, S, S] in [-1, 1]
    anchors: Tensor  # z₀ [R, Z]
    weights: Tensor  # [R, 4]: preference, realism, reconstruction, closeness


class Scores(NamedTuple):
    """objective, preference θ·Φ and realism D, each [R]; pictures [R, 3, S, S] in [-1, 1]."""

    objective: Tensor
    preference: Tensor
    realism: Tensor
    pictures: Tensor


class Networks(NamedTuple):
    """The three networks of the objective, in eval mode and frozen."""

    generator: Generator
    discriminator: Discriminator
    look: Look


def scores(networks: Networks, codes: Tensor, rows: Rows) -> Scores:
    """The objective of every row at `codes` z [R, Z], with its parts."""
    pictures = networks.generator(codes, rows.category)
    looks = networks.look(upsample(pictures, networks.look.picture_size), rows.category)
    preference = (rows.taste * looks).sum(1)
    realism = networks.discriminator(pictures, rows.category)
    parts = torch.stack(
        [
            preference,
            -(realism - 1).square(),
            -(pictures - rows.targets).abs().mean((1, 2, 3)),
            -(codes - rows.anchors).square().sum(1),
        ],
        1,
    )
    return Scores((rows.weights * parts).sum(1), preference, realism, pictures)


def unbounded(codes: Tensor) -> Tensor:
    """z′ of z = tanh(z′), for |z| ≤ 1."""
    return torch.atanh(codes.clamp(-LARGEST, LARGEST))
