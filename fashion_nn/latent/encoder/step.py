"""One training step of the encoder against a frozen generator. Plain PyTorch on one device.

The squared error of codes is taken of z rather than of z′ = artanh(z): G depends on z smoothly, so that errors of z
are errors of the picture wherever they are, while those of z′ would be made up of the codes nearest to ±1.
"""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.network import Generator
from fashion_nn.cgan.step import draw_codes
from fashion_nn.latent.encoder.config import EncoderConfig
from fashion_nn.latent.encoder.network import Encoder
from fashion_nn.latent.folding import folded_generator
from fashion_nn.pictures import normalise
from fashion_nn.schedule import cosine

SHOWN = 3  # items of a category on a sample sheet, beside one generated picture


@dataclass(frozen=True, slots=True)
class EncoderData:
    """pictures: of all items; category int64 [n_items]; categories: their names; the generator and its config."""

    pictures: steps.Pictures
    category: np.ndarray
    categories: list[str]
    generator: Generator
    generator_config: CGANConfig


@dataclass(frozen=True, slots=True)
class Batch:
    """pictures uint8 [B, 3, S, S] of items, category int64 [B], and codes [B, Z] to paint in these categories."""

    pictures: Tensor
    category: Tensor
    codes: Tensor


class InversionObjective(nn.Module):
    """How far codes, and the pictures that G paints of them, are from what they should be."""

    def __init__(self, encoder: Encoder, generator: nn.Module, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self.paint = steps.Frozen(generator)

    def forward(self, codes: Tensor, real: Tensor, category: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        config, n = self.config, len(codes)
        with torch.no_grad():
            generated = self.paint(codes, category)
        pictures, category = torch.cat([generated, real]), category.repeat(2)
        dtype = steps.autocast_dtype(config.precision, pictures.device)
        with torch.autocast(pictures.device.type, dtype, enabled=dtype is not None):
            found = self.encoder(pictures, category).float()
        errors = (self.paint(found, category) - pictures).abs().mean((1, 2, 3))
        terms = {
            "loss/codes": config.code_weight * (found[:n] - codes).square().mean(),
            "loss/generated": config.generated_weight * errors[:n].mean(),
            "loss/real": config.real_weight * errors[n:].mean(),
        }
        return sum(terms.values()), terms


class EncoderStep:
    """Network, its average, optimiser and sampler of one run."""

    def __init__(self, config: EncoderConfig, data: EncoderData, device: torch.device | str = "cpu") -> None:
        self.config, self.data, self.device, self.updates = config, data, torch.device(device), 0
        torch.manual_seed(config.seed)
        encoder = Encoder(config, data.generator_config, len(data.categories))
        self.encoder = encoder.to(self.device, memory_format=torch.channels_last)
        self.average = steps.Average(self.encoder, config.average_decay)
        self.optimiser = torch.optim.Adam(self.encoder.parameters(), lr=config.learning_rate)
        self.generator = frozen(data.generator, steps.autocast_dtype(config.precision, self.device), self.device)
        self.objective: nn.Module = InversionObjective(self.encoder, self.generator, config)

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder}

    def distribute(self, wrap: steps.Wrap, replicas: int) -> None:
        """Train as one of `replicas` workers; `wrap` is DistributedDataParallel or the like."""
        self.objective = wrap(self.objective)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Batch:
        """This worker's share of the items and codes of `step`; every epoch sees each item once."""
        config, data = self.config, self.data
        items = steps.epoch_indices(len(data.pictures), config.batch_size, config.seed, step)
        codes = draw_codes((config.batch_size, self._dimensions), "uniform", steps.generator_of(config.seed, step))
        items, codes = steps.share(items, rank, replicas), steps.share(codes, rank, replicas)
        return Batch(data.pictures[items], torch.from_numpy(data.category[items]), torch.from_numpy(codes))

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser step; returns its named terms, detached."""
        real = normalise(batch.pictures.to(self.device)).contiguous(memory_format=torch.channels_last)
        rate = self.config.learning_rate
        for group in self.optimiser.param_groups:
            group["lr"] = cosine(rate, rate / 100, self.updates, self.config.decay_steps)
        total, terms = self.objective(batch.codes.to(self.device), real, batch.category.to(self.device))
        steps.optimiser_step(self.optimiser, total)
        self.average.update(self.encoder, self.updates)
        self.updates += 1
        return {name: value.detach() for name, value in terms.items()}

    @torch.inference_mode()
    def paint(self, codes: Tensor, category: Tensor) -> Tensor:
        """Pictures [N, 3, S, S] of codes [N, Z], on the CPU."""
        return self.generator(codes.to(self.device), category.to(self.device)).cpu()

    @torch.inference_mode()
    def reconstruct(self, pictures: Tensor, category: Tensor) -> Tensor:
        """Pictures [N, 3, S, S] painted of the codes that the averaged encoder finds, on the CPU."""
        pictures, category = pictures.to(self.device, memory_format=torch.channels_last), category.to(self.device)
        return self.generator(self.average.network(pictures, category), category).cpu()

    def items(self, category: int, count: int) -> Tensor:
        """The first pictures of a category [≤ count, 3, S, S] in [-1, 1]."""
        return normalise(self.data.pictures[np.flatnonzero(self.data.category == category)[:count]])

    def sample(self) -> Tensor:
        """A sheet [categories, 8, 3, S, S]: three items and a generated picture, each beside its reconstruction."""
        random, rows = steps.generator_of(self.config.seed), []
        for category in range(len(self.data.categories)):
            codes = torch.from_numpy(draw_codes((1, self._dimensions), "uniform", random))
            generated = self.paint(codes, torch.tensor([category]))
            items = self.items(category, SHOWN)
            pictures = torch.cat([items[np.resize(np.arange(len(items)), SHOWN)], generated])
            found = self.reconstruct(pictures, torch.full((len(pictures),), category))
            rows.append(torch.stack([pictures, found], 1).flatten(0, 1))
        return torch.stack(rows)

    def state(self) -> dict[str, Any]:
        """All that a later `load` needs to go on: weights, their average, the optimiser's moments."""
        parts = {"encoder": self.encoder, "optimiser": self.optimiser, "average": self.average.network}
        return {name: part.state_dict() for name, part in parts.items()} | {"updates": self.updates}

    def load(self, state: dict[str, Any]) -> None:
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        steps.lay_out(self.optimiser)
        self.average.network.load_state_dict(state["average"])
        self.updates = state["updates"]

    @property
    def _dimensions(self) -> int:
        return self.data.generator_config.latent_dimensions


def frozen(generator: Generator, dtype: torch.dtype | None, device: torch.device) -> nn.Module:
    """A copy of the generator to paint with: folded, and computing in `dtype`, or else in fp32."""
    made = folded_generator(copy.deepcopy(generator).eval().requires_grad_(False), dtype or torch.float32)
    return made.to(device, memory_format=torch.channels_last).requires_grad_(False)
