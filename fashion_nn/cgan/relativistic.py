"""One training step of R3GAN: pairs of a real and a generated picture of one category (Huang et al., NeurIPS 2024)."""

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.cgan import loss
from fashion_nn.cgan.config import CGANConfig
from fashion_nn.cgan.modern import Discriminator, Generator
from fashion_nn.cgan.step import Batch, CGANData, CGANStep, draw_codes
from fashion_nn.pictures import normalise
from fashion_nn.schedule import cosine

CALIBRATED_ON = 64  # real and generated pictures of every category


class DiscriminatorObjective(nn.Module):
    """The critic's loss, and its gradient penalties at every `penalised_every`-th pair."""

    def __init__(self, discriminator: Discriminator, config: CGANConfig) -> None:
        super().__init__()
        self.critic, self.precision, self.every = discriminator.critic, config.precision, config.penalised_every

    def forward(
        self, real: Tensor, fake: Tensor, category: Tensor, penalty_weight: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        (real_watched, *real), (fake_watched, *fake), (watched, *rest) = map(self._dealt, (real, fake, category))
        on_real, on_fake = self._scores(real_watched.requires_grad_(), fake_watched.requires_grad_(), watched)
        terms = {
            "loss/discriminator/real_penalty": penalty_weight * loss.gradient_penalty(on_real, real_watched),
            "loss/discriminator/fake_penalty": penalty_weight * loss.gradient_penalty(on_fake, fake_watched),
        }
        if rest:
            rest_real, rest_fake = self._scores(*map(torch.cat, (real, fake, rest)))
            on_real, on_fake = torch.cat([on_real, rest_real]), torch.cat([on_fake, rest_fake])
        terms["loss/discriminator/pairs"] = loss.more_real(on_real, on_fake)
        return sum(terms.values()), terms

    def _dealt(self, pairs: Tensor) -> list[Tensor]:
        """`every` hands: the first holds each `every`-th pair. By their places alone, so that no GPU is waited for."""
        return [pairs[first :: self.every] for first in range(min(self.every, len(pairs)))]

    def _scores(self, real: Tensor, fake: Tensor, category: Tensor) -> tuple[Tensor, Tensor]:
        dtype = steps.autocast_dtype(self.precision, real.device)
        with torch.autocast(real.device.type, dtype, enabled=dtype is not None):
            scores = self.critic(torch.cat([real, fake]), category.repeat(2)).float()
        return scores.tensor_split(2)


class GeneratorObjective(nn.Module):
    """G's loss through a critic that receives no gradients."""

    def __init__(self, generator: Generator, discriminator: Discriminator, config: CGANConfig) -> None:
        super().__init__()
        self.generator, self.precision = generator, config.precision
        self.judge = steps.Frozen(discriminator.critic)

    def forward(self, codes: Tensor, category: Tensor, real: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        dtype = steps.autocast_dtype(self.precision, codes.device)
        with torch.autocast(codes.device.type, dtype, enabled=dtype is not None):
            on_real = self.judge(real, category).float()
            on_fake = self.judge(self.generator(codes, category), category).float()
        terms = {"loss/generator/pairs": loss.more_real(on_fake, on_real)}
        return sum(terms.values()), terms


class RelativisticStep(CGANStep):
    """Networks, optimisers and sampler of one run of the architecture r3gan."""

    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: CGANConfig, data: CGANData, device: torch.device | str = "cpu") -> None:
        super().__init__(config, data, device)
        self.on_generator = GeneratorObjective(self.generator, self.discriminator, config)
        self.on_discriminator = DiscriminatorObjective(self.discriminator, config)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One update of D and one of G; returns the named terms, detached. Calibrates D whenever a run is saved."""
        config = self.config
        self._schedule()
        real, category, codes = self._ready(batch)
        fake, weight = self._paint(codes[0], category), self._now(config.penalty_weight, config.last_penalty_weight)
        terms = self.update(real=(real, fake, category, weight), fake=(codes[1], category, real))
        if self.updates % config.checkpoint_every == 0 or self.updates == config.steps:
            self.calibrate()
        return terms

    @torch.no_grad()
    def calibrate(self) -> None:
        """Set D's scale by pictures of every category and by what the averaged generator paints of it."""
        real, fake = [], []
        for category in range(len(self.data.categories)):
            random = steps.generator_of(self.config.seed, self.updates, category)
            places = random.choice(np.flatnonzero(self.data.category == category), CALIBRATED_ON)
            codes = draw_codes((CALIBRATED_ON, self.config.latent_dimensions), self.config.latent_prior, random)
            labels = torch.full((CALIBRATED_ON,), category, device=self.device)
            painted = self.average.network(torch.from_numpy(codes).to(self.device), labels)
            real.append(self.discriminator.critic(normalise(self.data.pictures[places].to(self.device)), labels))
            fake.append(self.discriminator.critic(painted, labels))
        self.discriminator.calibrate(torch.stack(real), torch.stack(fake))

    def _schedule(self) -> None:
        config = self.config
        share, beta2 = self._now(1.0, config.last_rate_share), self._now(config.beta2, config.last_beta2)
        for optimiser, rate in (
            (self.generator_optimiser, config.generator_rate),
            (self.discriminator_optimiser, config.discriminator_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"], group["betas"] = rate * share, (config.beta1, beta2)

    def _now(self, first: float, last: float) -> float:
        return cosine(first, last, self.updates, self.config.decay_steps)
