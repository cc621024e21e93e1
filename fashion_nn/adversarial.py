"""What the training steps of both GANs share: two networks, two optimisers, the average of G, and their state."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from fashion_nn import steps
from fashion_nn.graphs import Lesson


class AdversarialConfig(Protocol):
    """The fields of a GAN's config that this room reads."""

    generator_rate: float
    discriminator_rate: float
    beta1: float
    beta2: float
    average_decay: float


STATES = ("generator", "discriminator", "generator_optimiser", "discriminator_optimiser")


class AdversarialStep:
    """Networks and optimisers of one run; a subclass sets the two objectives, draws batches and calls `update`.

    The networks come at their start. An objective is a module that owns the network it trains and returns (total,
    named terms, and whatever else): one forward, one backward, so that DistributedDataParallel may wrap it whatever it
    computes inside.
    """

    on_generator: nn.Module
    on_discriminator: nn.Module

    def __init__(
        self,
        config: AdversarialConfig,
        generator: nn.Module,
        discriminator: nn.Module,
        device: torch.device,
        weight_decay: float = 0.0,
    ) -> None:
        self.config, self.device, self.updates = config, device, 0
        self._captures = device.type == "cuda"
        self._lessons: dict[torch.optim.Optimizer, Lesson] = {}
        self.generator = generator.to(device, memory_format=torch.channels_last)
        self.discriminator = discriminator.to(device, memory_format=torch.channels_last)
        self.average = steps.Average(self.generator, config.average_decay)
        self.generator_optimiser, self.discriminator_optimiser = (
            torch.optim.Adam(
                network.parameters(), lr=rate, betas=(config.beta1, config.beta2), weight_decay=weight_decay
            )
            for network, rate in (
                (self.generator, config.generator_rate),
                (self.discriminator, config.discriminator_rate),
            )
        )

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def distribute(self, wrap: steps.Wrap, replicas: int) -> None:
        """Train as one of `replicas` workers; `wrap` is DistributedDataParallel or the like."""
        self.on_generator, self.on_discriminator = wrap(self.on_generator), wrap(self.on_discriminator)
        self._captures = False  # what workers say to each other is no part of a graph

    def update(self, real: tuple[Any, ...], fake: tuple[Any, ...]) -> dict[str, Tensor]:
        """One update of D on its objective's inputs `real`, then one of G on `fake`; returns all terms, detached."""
        terms = self.update_discriminator(*real)
        more, *_ = self.update_generator(*fake)
        return terms | more

    def update_discriminator(self, *inputs: Any) -> dict[str, Tensor]:
        """One update of D on its objective's inputs; returns the terms, detached."""
        (terms,) = self._learn(self.on_discriminator, self.discriminator_optimiser, inputs)
        return _detached(terms)

    def update_generator(self, *inputs: Any) -> tuple[Any, ...]:
        """One update of G, which counts as a step; returns the terms, detached, and what else its objective returns."""
        terms, *rest = self._learn(self.on_generator, self.generator_optimiser, inputs)
        self.average.update(self.generator, self.updates)
        self.updates += 1
        return _detached(terms), *rest

    def _learn(self, objective: nn.Module, optimiser: torch.optim.Optimizer, inputs: tuple[Any, ...]) -> Sequence[Any]:
        """One step on an objective, replayed on a GPU that is this worker's alone; all but the total."""
        if not self._captures:
            total, *rest = objective(*inputs)
            steps.optimiser_step(optimiser, total)
            return rest
        if optimiser not in self._lessons:
            buffers = [buffer for network in self.networks.values() for buffer in network.buffers()]
            self._lessons[optimiser] = Lesson(objective, optimiser.param_groups[0]["params"], buffers)
        rest = self._lessons[optimiser](*inputs)
        optimiser.step()
        return rest

    def state(self) -> dict[str, Any]:
        """All that a later `load` needs to go on: weights, the average, both optimisers."""
        parts = {name: getattr(self, name).state_dict() for name in STATES}
        return parts | {"average": self.average.network.state_dict(), "updates": self.updates}

    def load(self, state: dict[str, Any]) -> None:
        for name in STATES:
            getattr(self, name).load_state_dict(state[name])
        self.average.network.load_state_dict(state["average"])
        steps.lay_out(self.generator_optimiser, self.discriminator_optimiser)
        self.updates = state["updates"]


def _detached(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The terms without what they were computed from."""
    return {name: value.detach() for name, value in terms.items()}


def initialise(network: nn.Module) -> nn.Module:
    """Convolutions and linear layers from N(0, 0.02), biases 0 (DCGAN, Radford et al., 2016).

    Layers under spectral normalisation, which have no scale, keep PyTorch's own start.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and not is_parametrized(module):
            nn.init.normal_(module.weight, 0.0, 0.02)
            nn.init.zeros_(module.bias)
    return network
