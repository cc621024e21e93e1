"""One training step of CAGAN: one update of D, one of G. Plain PyTorch on one device."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.adversarial import AdversarialStep, initialise
from fashion_nn.cagan import loss
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Discriminator, Fitting, Generator
from fashion_nn.pictures import normalise


@dataclass(frozen=True, slots=True)
class CAGANData:
    """Pair i is persons[i], who wears garments[i]; both uint8 [n, 3, H, W] by index."""

    persons: steps.Pictures
    garments: steps.Pictures


@dataclass(frozen=True, slots=True)
class Batch:
    """person x_i, worn y_i, wanted y_j: [B, 3, H, W]; worn_known [B, 1, 1, 1]: 0 where y_i is hidden from G."""

    person: Tensor
    worn: Tensor
    wanted: Tensor
    worn_known: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def worn_shown(self) -> Tensor:
        """What G is told of the worn garment: blank white where it is unknown."""
        return self.worn * self.worn_known + (1 - self.worn_known)


class DiscriminatorObjective(nn.Module):
    """D's three terms: real pair → 1, generated → 0, mismatched real pair → 0."""

    def __init__(self, discriminator: Discriminator, config: CAGANConfig) -> None:
        super().__init__()
        self.discriminator, self.config = discriminator, config

    def forward(self, batch: Batch, fitted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        kind, dtype = self.config.adversarial, steps.autocast_dtype(self.config.precision, fitted.device)
        persons = torch.cat([batch.person, fitted, batch.person])
        garments = torch.cat([batch.worn, batch.wanted, batch.wanted])
        with torch.autocast(fitted.device.type, dtype, enabled=dtype is not None):
            real, fake, mismatched = self.discriminator(persons, garments).float().chunk(3)
        terms = {
            "loss/discriminator/real": loss.classified(real, 1.0, kind),
            "loss/discriminator/fake": loss.classified(fake, 0.0, kind),
            "loss/discriminator/mismatched": loss.classified(mismatched, 0.0, kind),
        }
        return sum(terms.values()), terms


class GeneratorObjective(nn.Module):
    """G's terms: adversarial through a D that receives no gradients, identity, and the cycle back."""

    def __init__(self, generator: Generator, discriminator: Discriminator, config: CAGANConfig) -> None:
        super().__init__()
        self.generator, self.config = generator, config
        self.judge = steps.Frozen(discriminator)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        config, dtype = self.config, steps.autocast_dtype(self.config.precision, batch.person.device)
        with torch.autocast(batch.person.device.type, dtype, enabled=dtype is not None):
            fitting = self.generator(batch.person, batch.worn_shown, batch.wanted)
            returned = self.generator(fitting.picture, batch.wanted, batch.worn)
            verdict = self.judge(fitting.picture, batch.wanted).float()
        terms = {
            "loss/generator/adversarial": loss.classified(verdict, 1.0, config.adversarial),
            "loss/generator/identity": config.identity_weight * loss.identity(fitting.mask),
            "loss/generator/cycle": config.cycle_weight * loss.cycle(batch.person, returned.picture),
        }
        return sum(terms.values()), terms | {"mask/mean": fitting.mask.mean()}


class CAGANStep(AdversarialStep):
    """Networks, optimisers and sampler of one run."""

    def __init__(self, config: CAGANConfig, data: CAGANData, device: torch.device | str = "cpu") -> None:
        n, m = len(data.persons), len(data.garments)
        if n < 2 or n != m:
            raise ValueError(f"{n} persons and {m} garments: at least two pairs are needed")
        self.data = data
        torch.manual_seed(config.seed)
        networks = map(initialise, (Generator(config), Discriminator(config)))
        super().__init__(config, *networks, torch.device(device))
        self.on_generator = GeneratorObjective(self.generator, self.discriminator, config)
        self.on_discriminator = DiscriminatorObjective(self.discriminator, config)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Batch:
        """This worker's pairs of `step`, each with the garment of another pair to be put on."""
        config, n = self.config, len(self.data.persons)
        random = steps.generator_of(config.seed, step)
        pairs = steps.epoch_indices(n, config.batch_size, config.seed, step)
        others = (pairs + random.integers(1, n, len(pairs))) % n
        known = (random.random(len(pairs)) >= config.worn_dropout).astype(np.float32)
        pairs, others, known = (steps.share(part, rank, replicas) for part in (pairs, others, known))
        return Batch(
            person=normalise(self.data.persons[pairs]),
            worn=normalise(self.data.garments[pairs]),
            wanted=normalise(self.data.garments[others]),
            worn_known=torch.from_numpy(known)[:, None, None, None],
        )

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One update of D and one of G; returns the named terms, detached."""
        batch = batch.to(self.device)
        return self.update(real=(batch, self._fit(batch).picture), fake=(batch,))

    @torch.no_grad()
    def _fit(self, batch: Batch) -> Fitting:
        dtype = steps.autocast_dtype(self.config.precision, self.device)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            return self.generator(batch.person, batch.worn_shown, batch.wanted)

    @torch.inference_mode()
    def sample(self, rows: int = 8) -> Tensor:
        """A sheet [rows, 5, 3, H, W] of the averaged generator: person, worn, wanted, mask, result."""
        n = len(self.data.persons)
        pairs = np.linspace(0, n - 1, min(rows, n)).astype(np.int64)
        person, worn = normalise(self.data.persons[pairs]), normalise(self.data.garments[pairs])
        wanted = worn.roll(1, 0)
        fitting = self.average.network(*(part.to(self.device) for part in (person, worn, wanted)))
        mask = fitting.mask.cpu().expand(-1, 3, -1, -1) * 2 - 1
        return torch.stack([person, worn, wanted, mask, fitting.picture.float().cpu()], 1)
