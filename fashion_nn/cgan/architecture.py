"""Which networks a config asks for."""

from typing import NamedTuple

from torch import nn

from fashion_nn.adversarial import initialise
from fashion_nn.cgan import modern, network
from fashion_nn.cgan.config import CGANConfig


class Pair(NamedTuple):
    """G: codes [N, Z], categories [N] → pictures. D: pictures, categories → realism [N]. See `network`."""

    generator: nn.Module
    discriminator: nn.Module


def networks(config: CGANConfig, n_categories: int) -> Pair:
    """The generator and the discriminator of a config, at the start that PyTorch's random state gives them."""
    room = {"paper": network, "r3gan": modern}[config.architecture]
    pair = Pair(room.Generator(config, n_categories), room.Discriminator(config, n_categories))
    return Pair(*map(initialise, pair)) if config.architecture == "paper" else pair
