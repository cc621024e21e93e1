"""Networks of debug size whose objective has slopes, but hardly any kinks.

Random weights larger than those that training starts from give slopes. Biases that keep most activations in the linear
part of their ReLU take the kinks away: next to one, rounding alone decides the gradient, and the ascents of the same
row in float32 and in float64 part (by 0.1 within 30 steps, in networks of this size).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fashion_nn.cgan import config as cgan_config
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent import Ascent, Networks, Weights

CATEGORIES = 3
LINEAR = 3.0  # standard deviations of an activation
WEIGHTS = {
    "design": Weights(),
    "inversion": Weights(preference=0.0, realism=0.02, reconstruction=20.0),
    "alteration": Weights(closeness=0.02),
    "variation": Weights(preference=0.0, closeness=0.1),
}


def made(**changes: Any) -> Networks:
    """Networks of one kind, the same ones every time."""
    torch.manual_seed(0)
    config = replace(cgan_config.debug(), **changes)
    generator, discriminator = Generator(config, CATEGORIES), Discriminator(config, CATEGORIES)
    look = Look(dvbpr_config.debug())
    if config.discriminator_norm == "batch":
        for network, last in (
            (generator, generator.layers[-2]),
            (discriminator, discriminator.head),
            (look, look.head[-1]),
        ):
            straighten(network, last)
    for _ in range(20):  # statistics for the batch norms
        category = torch.arange(12) % CATEGORIES
        discriminator(generator(torch.rand(12, 8) * 2 - 1, category), category)
    return Networks(*(network.eval().requires_grad_(False) for network in (generator, discriminator, look)))


def straighten(network: nn.Module, last: nn.Module) -> None:
    """Weights that pass variation on and no mean, and biases that lift all activations but the last above the kink."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(
                module.weight, a=1.0, mode="fan_out" if isinstance(module, nn.ConvTranspose2d) else "fan_in"
            )
            inputs = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            module.weight.data -= module.weight.data.mean(inputs, keepdim=True)
            nn.init.constant_(module.bias, 0.0 if module is last else LINEAR)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, LINEAR)


@pytest.fixture(scope="session")
def networks() -> Networks:
    return made()


@pytest.fixture(scope="session")
def request_of() -> Callable[..., Ascent]:
    """An ascent of four rows that differs by its seed, of some kind."""

    def build(seed: int, kind: str = "design", **changes: Any) -> Ascent:
        random = torch.Generator().manual_seed(seed)
        values: dict[str, Any] = {
            "taste": 3 * torch.randn(8, generator=random),
            "category": seed % CATEGORIES,
            "starts": torch.rand(4, 8, generator=random) * 1.6 - 0.8,
            "weights": WEIGHTS[kind],
            "steps": 8,
            "keep": 4,
        }
        if kind == "inversion":
            values["target"] = torch.randn(3, 64, 64, generator=random).sign()  # |x − t| has no kink inside
        return Ascent(**(values | changes))

    return build
