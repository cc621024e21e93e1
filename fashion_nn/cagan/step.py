"""One training step of CAGAN: one update of G, one of D. Plain PyTorch on one device."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.adversarial import AdversarialStep, initialise
from fashion_nn.cagan import loss
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Discriminator, Fitting, Generator, shrunk
from fashion_nn.cagan.patches import patched, patches
from fashion_nn.cagan.transplants import transplanted
from fashion_nn.cagan.variety import varied
from fashion_nn.cagan.warp import folding, places, roughness
from fashion_nn.metrics.fittings import misplaced
from fashion_nn.pictures import normalise
from fashion_nn.schedule import cosine

PAINTED = 0.2  # of the cycle's weight: what G paints where its mask is not, so that the mask has something to choose
LOOKED_AT = 0.2  # of what is carried, at least, where the mask is: where none of it is shown, it may still come to be
PATCHED = 0.5  # share of a batch that is also patched, where G is taught
AGAIN = 0.25  # ... and that is also asked for in what they wear already


@dataclass(frozen=True, slots=True)
class Shown:
    """Person i wears wanted[i] in truths[i], of which origins[i] says where it is in wanted[i] (see `viton.Truth`).

    All uint8 [n, 3, H, W] by index, wanted garments `detail` times as large.
    """

    wanted: steps.Pictures
    truths: steps.Pictures
    origins: steps.Pictures | None = None  # for a config with `origins_weight`


@dataclass(frozen=True, slots=True)
class CAGANData:
    """Pair i is persons[i], who wears garments[i]; both uint8 [n, 3, H, W] by index, garments `detail` times as large.

    groups: int64 [n], of each garment among the config's `groups`; None where there is one kind alone. A mask that
    is empty is not known, and without any `segmented_weight` counts for nothing.
    """

    persons: steps.Pictures
    garments: steps.Pictures
    groups: np.ndarray | None = None
    shown: Shown | None = None  # for a config with `truths`
    masks: steps.Pictures | None = None  # uint8 [n, 1, H, W], of the garments worn, for `segmented_weight`


@dataclass(frozen=True, slots=True)
class Batch:
    """person x_i, worn y_i, wanted y_j: [B, 3, H, W]; worn_known [B, 1, 1, 1]: 0 where y_i is hidden from G.

    Both garments are `detail` times as large.
    group: int64 [B], of both garments. patch [B, 4, H, W]: of the wanted garment, to be laid over (see `patches`).
    wearer [B, 3, H, W]: who wears the wanted garment, for `transplants`. truth [B, 3, H, W]: x_i in y_j, for `truths`.
    place [B, 1, H, W] in [0, 1]: where y_i is on x_i, for `segmented_weight`, empty where nobody knows; origins
    [B, 3, H, W] in [0, 1]: where the pixels of the truth come from, for `origins_weight`. Each of the four is of
    one pixel where nobody asks.
    """

    person: Tensor
    worn: Tensor
    wanted: Tensor
    worn_known: Tensor
    group: Tensor
    patch: Tensor
    wearer: Tensor
    truth: Tensor
    place: Tensor
    origins: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))

    @property
    def worn_shown(self) -> Tensor:
        """What G is told of the worn garment: blank white where it is unknown."""
        return self.shown(self.worn)

    def shown(self, garment: Tensor) -> Tensor:
        return garment * self.worn_known + (1 - self.worn_known)


class DiscriminatorObjective(nn.Module):
    """D's three terms: real pair → 1, generated → 0, mismatched real pair → 0; at times its penalty."""

    def __init__(self, discriminator: Discriminator, config: CAGANConfig) -> None:
        super().__init__()
        self.discriminator, self.config = discriminator, config

    def forward(self, batch: Batch, fitted: Tensor, penalised: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        kind, dtype = self.config.adversarial, steps.autocast_dtype(self.config.precision, fitted.device)
        worn_by = batch.person.requires_grad_() if penalised else batch.person
        persons = torch.cat([worn_by, fitted, batch.person.detach()])
        garments = torch.cat([batch.worn, batch.wanted, batch.wanted])
        with torch.autocast(fitted.device.type, dtype, enabled=dtype is not None):
            real, fake, mismatched = self.discriminator(persons, garments).float().chunk(3)
        terms = {
            "loss/discriminator/real": loss.classified(real, 1.0, kind),
            "loss/discriminator/fake": loss.classified(fake, 0.0, kind),
            "loss/discriminator/mismatched": loss.classified(mismatched, 0.0, kind),
        }
        total = sum(terms.values())
        if penalised:
            weight = self.config.penalty_weight * self.config.penalised_every
            total = total + weight * loss.gradient_penalty(real, worn_by)
        return total, terms


class GeneratorObjective(nn.Module):
    """G's terms: adversarial through a D that receives no gradients, norms of the mask, and the cycle back.

    Under `taught` the picture that the way back begins with is taken as given, and so are, for a part of the batch,
    a patched picture and the person's own: all end at a person whose picture is known. Under `truths` the fitting does.
    """

    def __init__(self, generator: Generator, discriminator: Discriminator, config: CAGANConfig) -> None:
        super().__init__()
        self.generator, self.config = generator, config
        self.judge = steps.Frozen(discriminator)

    def forward(
        self, batch: Batch, share: float = 1.0, transplants: bool = False
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The total, the terms, and the fittings' pictures [B, 3, H, W] without a gradient, for D.

        share: of the terms that reward and punish a fitting, which `warm_up` lets in by and by. transplants: whether
        the way back begins with them.
        """
        config, dtype = self.config, steps.autocast_dtype(self.config.precision, batch.person.device)
        with torch.autocast(batch.person.device.type, dtype, enabled=dtype is not None):
            fitting = self.generator(batch.person, batch.worn_shown, batch.wanted, group=batch.group)
            known, made = self._known(batch, fitting, transplants=transplants)
            ways = [fitting] if made is fitting else [fitting, made]
            verdict = self.judge(fitting.picture, batch.wanted).float()
        terms = {
            "loss/generator/adversarial": share * loss.fooled(verdict, config.adversarial),
            "loss/generator/identity": share * config.identity_weight * loss.identity(fitting.mask),
            "loss/generator/cycle": config.cycle_weight * loss.cycle(known, made.picture, config.colours),
        }
        if config.taught or config.truths:
            whole = loss.cycle(known, made.painted, config.colours)
            terms["loss/generator/painting"] = config.cycle_weight * PAINTED * whole
        if config.segmented_weight:
            apart = loss.segmented(fitting.mask, batch.place)
            terms["loss/generator/segmented"] = config.segmented_weight * apart
        if config.origins_weight:
            off = misplaced(places(fitting.flow), batch.origins).mean()
            terms["loss/generator/origins"] = config.origins_weight * off
        if config.structure_weight:
            alike = loss.structure(known, made.picture)
            terms["loss/generator/structure"] = config.structure_weight * alike
        if config.total_variation_weight:
            outlines = loss.total_variation(fitting.mask)
            terms["loss/generator/total_variation"] = config.total_variation_weight * outlines
        if config.saturation_weight:
            sure = sum(loss.saturation(each.logits) for each in ways)
            terms["loss/generator/saturation"] = config.saturation_weight * sure
        if config.warp:
            region = made.mask * (LOOKED_AT + (1 - LOOKED_AT) * made.share)
            carried = loss.texture(known, made.carried, region.detach())
            rough = sum(kind(each.flow) for kind in (roughness, folding) for each in ways)
            terms["loss/generator/texture"] = config.texture_weight * carried
            terms["loss/generator/roughness"] = config.roughness_weight * rough
        return sum(terms.values()), terms | {"mask/mean": fitting.mask.mean()}, fitting.picture.detach()

    def _known(self, batch: Batch, fitting: Fitting, *, transplants: bool) -> tuple[Tensor, Fitting]:
        """Pictures that are known, and what G made to be like them: of fittings, by the way back, or the fittings."""
        if self.config.truths:
            return batch.truth, fitting
        if not self.config.taught:
            return batch.person, self.generator(fitting.picture, batch.wanted, batch.worn, group=batch.group)
        some, few = (slice(0, max(1, round(share * len(batch.person)))) for share in (PATCHED, AGAIN))
        fitted = self._transplanted(batch, fitting, some.stop) if transplants else fitting.picture.detach()
        start = torch.cat([fitted, patched(batch.person[some], batch.patch[some]), batch.person[few]])
        shown = torch.cat([(told := batch.shown(batch.wanted)), told[some], batch.worn_shown[few]])
        person, worn, group = (
            torch.cat([each, each[some], each[few]]) for each in (batch.person, batch.worn, batch.group)
        )
        return person, self.generator(start, shown, worn, group=group)

    @torch.no_grad()
    def _transplanted(self, batch: Batch, fitting: Fitting, count: int) -> Tensor:
        """All persons with what is painted where they are to change, the last `count` with their garments' wearers."""
        last = slice(-count, None)
        wearer, group = batch.wearer[last], batch.group[last]
        theirs = self.generator(wearer, batch.wanted[last], batch.worn[last], group=group).mask
        mask = torch.cat([fitting.mask[:-count], torch.maximum(fitting.mask[last], theirs)])
        return transplanted(batch.person, torch.cat([fitting.painted[:-count], wearer]), mask)


class CAGANStep(AdversarialStep):
    """Networks, optimisers and sampler of one run."""

    def __init__(self, config: CAGANConfig, data: CAGANData, device: torch.device | str = "cpu") -> None:
        n, m = len(data.persons), len(data.garments)
        if n < 2 or n != m:
            raise ValueError(f"{n} persons and {m} garments: at least two pairs are needed")
        if config.truths and data.shown is None:
            raise ValueError("truths is True, but the data shows nobody in a second garment")
        if config.origins_weight and data.shown.origins is None:
            raise ValueError(f"origins_weight is {config.origins_weight}, but the data has no origins")
        self.data = data
        self.groups = np.zeros(n, np.int64) if data.groups is None else data.groups
        if (counts := np.bincount(self.groups))[counts > 0].min() < 2:
            raise ValueError("a group of garments has a single pair: another one is needed to be put on")
        torch.manual_seed(config.seed)
        networks = map(initialise, (Generator(config), Discriminator(config)))
        super().__init__(config, *networks, torch.device(device))
        self.on_generator = GeneratorObjective(self.generator, self.discriminator, config)
        self.on_discriminator = DiscriminatorObjective(self.discriminator, config)

    def draw(self, step: int, rank: int = 0, replicas: int = 1) -> Batch:
        """This worker's pairs of `step`, each with the garment of another pair of its group to be put on."""
        config, n = self.config, len(self.data.persons)
        random = steps.generator_of(config.seed, step)
        pairs = steps.epoch_indices(n, config.batch_size, config.seed, step)
        others = others_of(pairs, self.groups, random)
        known = (random.random(len(pairs)) >= config.worn_dropout).astype(np.float32)
        data, shown = self.data, self.data.shown
        wanted = shown.wanted[pairs] if config.truths else data.garments[others]
        person, worn, wanted = map(normalise, (data.persons[pairs], data.garments[pairs], wanted))
        nothing = torch.zeros(len(pairs), 1, 1, 1)
        truth = normalise(shown.truths[pairs]) if config.truths else nothing
        wearer = normalise(data.persons[others]) if config.transplants else nothing
        masked = config.segmented_weight and data.masks is not None
        place = data.masks[pairs].float() / 255 if masked else nothing
        origins = shown.origins[pairs].float() / 255 if config.origins_weight else nothing
        if config.variety:
            persons, garments = (person, wearer), (worn, wanted)
            person, worn, wanted, wearer, place = varied(persons, garments, place, config.variety, random)
        patch = patches(shrunk(wanted, person), random) if config.taught else torch.zeros(len(pairs))
        known, group = torch.from_numpy(known)[:, None, None, None], torch.from_numpy(self.groups[pairs])
        parts = person, worn, wanted, known, group, patch, wearer, truth, place, origins
        return Batch(*(steps.within_reach(steps.share(part, rank, replicas), self.device) for part in parts))

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """One update of G, and one of D on what G painted for its own; returns the named terms, detached."""
        batch = batch.to(self.device)
        penalised = self.config.penalty_weight > 0 and self.updates % self.config.penalised_every == 0
        share = min(1.0, (self.updates + 1) / self.config.warm_up) if self.config.warm_up else 1.0
        self._schedule()
        terms, fitted = self.update_generator(batch, share, self.config.transplants and share == 1.0)
        return terms | self.update_discriminator(batch, fitted, penalised)

    def _schedule(self) -> None:
        config = self.config
        share = cosine(1.0, config.last_rate_share, self.updates, config.steps)
        for optimiser, rate in (
            (self.generator_optimiser, config.generator_rate),
            (self.discriminator_optimiser, config.discriminator_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * share

    @torch.inference_mode()
    def sample(self, rows: int = 8) -> Tensor:
        """A sheet [rows, 5, 3, H, W] of the averaged generator: person, worn, wanted, mask, result."""
        n = len(self.data.persons)
        pairs = np.linspace(0, n - 1, min(rows, n)).astype(np.int64)
        person, worn = normalise(self.data.persons[pairs]), normalise(self.data.garments[pairs])
        others = others_of(pairs, self.groups, steps.generator_of(self.config.seed))
        wanted, group = normalise(self.data.garments[others]), torch.from_numpy(self.groups[pairs])
        seen, group = [part.to(self.device) for part in (person, worn, wanted)], group.to(self.device)
        fitting = self.average.network(*seen, group=group)
        worn, wanted = shrunk(worn, person), shrunk(wanted, person)
        mask = fitting.mask.cpu().expand(-1, 3, -1, -1) * 2 - 1
        return torch.stack([person, worn, wanted, mask, fitting.picture.float().cpu()], 1)


def others_of(pairs: np.ndarray, groups: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """For each of `pairs` [B] another pair of the same group; groups int64 [n], of all pairs."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    first, size = (np.cumsum(counts) - counts)[groups[pairs]], counts[groups[pairs]]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return order[first + (place[pairs] - first + random.integers(1, size)) % size]
