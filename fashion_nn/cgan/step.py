"""One training step of the conditional GAN: one update of D, one of G. Plain PyTorch on one device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import colour, steps
from fashion_nn.adversarial import AdversarialStep
from fashion_nn.cgan import loss
from fashion_nn.cgan.architecture import networks
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.pictures import normalise


@dataclass(frozen=True, slots=True)
class CGANData:
    """pictures: of all items; category int64 [n_items]; categories: their names."""

    pictures: steps.Pictures
    category: np.ndarray
    categories: list[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """pictures uint8 [B, 3, S, S], category int64 [B], codes [2, B, Z]: one set for D's update, one for G's.

    hues [B]: by how much of the colour wheel each picture is turned; 0: shown as it is.
    """

    pictures: Tensor
    category: Tensor
    codes: Tensor
    hues: Tensor


class DiscriminatorObjective(nn.Module):
    """D's loss; real and generated batches pass D, and so its batch norm, one after the other."""

    def __init__(self, discriminator: Discriminator, config: CGANConfig) -> None:
        super().__init__()
        self.discriminator, self.precision = discriminator, config.precision

    def forward(self, real: Tensor, fake: Tensor, category: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dtype = steps.autocast_dtype(self.precision, real.device)
        with torch.autocast(real.device.type, dtype, enabled=dtype is not None):
            on_real = self.discriminator(real, category).float()
            on_fake = self.discriminator(fake, category).float()
        terms = {
            "loss/discriminator/real": loss.discriminator_real(on_real),
            "loss/discriminator/fake": loss.discriminator_fake(on_fake),
        }
        return sum(terms.values()), terms


class GeneratorObjective(nn.Module):
    """G's loss through a D that receives no gradients."""

    def __init__(self, generator: Generator, discriminator: Discriminator, config: CGANConfig) -> None:
        super().__init__()
        self.generator, self.precision = generator, config.precision
        self.judge = steps.Frozen(discriminator)

    def forward(self, codes: Tensor, category: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dtype = steps.autocast_dtype(self.precision, codes.device)
        with torch.autocast(codes.device.type, dtype, enabled=dtype is not None):
            realism = self.judge(self.generator(codes, category), category).float()
        terms = {"loss/generator/adversarial": loss.generator_adversarial(realism)}
        return sum(terms.values()), terms


class CGANStep(AdversarialStep):
    """Networks, optimisers and sampler of one run."""

    def __init__(self, config: CGANConfig, data: CGANData, device: torch.device | str = "cpu") -> None:
        self.data, n = data, len(data.categories)
        torch.manual_seed(config.seed)
        super().__init__(config, *networks(config, n), torch.device(device), config.weight_decay)
        self.on_generator = GeneratorObjective(self.generator, self.discriminator, config)
        self.on_discriminator = DiscriminatorObjective(self.discriminator, config)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Batch:
        """This worker's share of the pictures and codes of `step`; every epoch sees each picture once."""
        config = self.config
        items = steps.epoch_indices(len(self.data.pictures), config.batch_size, config.seed, step)
        items = steps.share(items, rank, replicas)
        shape = (2, config.batch_size, config.latent_dimensions)
        random = steps.generator_of(config.seed, step)
        codes = draw_codes(shape, config.latent_prior, random)
        codes = np.stack([steps.share(part, rank, replicas) for part in codes])
        hues = steps.share(draw_hues(config.batch_size, config.recoloured, random), rank, replicas)
        category = torch.from_numpy(self.data.category[items])
        return Batch(self.data.pictures[items], category, torch.from_numpy(codes), torch.from_numpy(hues))

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One update of D and one of G; returns the named terms, detached."""
        real, category, codes = self._ready(batch)
        fake = self._paint(codes[0], category)
        return self.update(real=(real, fake, category), fake=(codes[1], category))

    def _ready(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Networks in train mode; real pictures in [-1, 1], category and codes on the device."""
        self.generator.train()
        self.discriminator.train()
        real = normalise(batch.pictures.to(self.device))
        if self.config.recoloured:
            hues = batch.hues.to(self.device)
            real = torch.where((hues != 0)[:, None, None, None], colour.turned(real, hues), real)
        real = real.contiguous(memory_format=torch.channels_last)
        return real, batch.category.to(self.device), batch.codes.to(self.device)

    @torch.no_grad()
    def _paint(self, codes: Tensor, category: Tensor) -> Tensor:
        dtype = steps.autocast_dtype(self.config.precision, self.device)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            return self.generator(codes, category).float()

    @torch.inference_mode()
    def sample(self, columns: int = 8) -> Tensor:
        """A sheet [categories, columns, 3, S, S] of the averaged generator; the codes stay the same over the run."""
        n, config = len(self.data.categories), self.config
        codes = draw_codes((columns, config.latent_dimensions), config.latent_prior, steps.generator_of(config.seed))
        codes = torch.from_numpy(codes).to(self.device).repeat(n, 1)
        category = torch.arange(n, device=self.device).repeat_interleave(columns)
        return self.average.network(codes, category).float().cpu().unflatten(0, (n, columns))


def draw_codes(shape: tuple[int, ...], prior: str, random: np.random.Generator) -> np.ndarray:
    """Latent codes, float32: uniform on [-1, 1] (article) or standard normal (authors' code)."""
    codes = random.uniform(-1, 1, shape) if prior == "uniform" else random.standard_normal(shape)
    return codes.astype(np.float32)


def draw_hues(count: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Turns of the colour wheel [count], float32: uniform for about a `share` of them, 0 for the rest."""
    turns, left = random.random((2, count))
    return np.where(left < share, turns, 0.0).astype(np.float32)
