"""The rows that run, one a slot: what each is optimised for, where it is, and the best that it has met.

All of it lies in tensors on the device, in float32, and one step touches the rows of an index. No step asks the device
for a value, so that steps can be queued, or captured as a graph; what the host has to know is read at the harvest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from fashion_nn.dvbpr.network import upsample
from fashion_nn.latent.ascent import Ascended, Ascent, differing
from fashion_nn.latent.objective import Networks, Rows, Scores, scores, unbounded

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # of Adam, as in torch.optim


@dataclass(slots=True)
class Slots:
    """Tensors [slots + 1, …]: the last row is nobody's, and pads an index to the length of its bucket."""

    # what a row is optimised for
    taste: Tensor  # [K]
    category: Tensor  # int64
    target: Tensor  # [3, S, S]
    anchor: Tensor  # [Z]
    weights: Tensor  # [4]
    rate: Tensor  # of Adam
    patience: Tensor  # steps
    gain: Tensor  # of the objective, below which a step is no improvement
    # where it is
    hidden: Tensor  # z′ [Z]
    moment1: Tensor  # [Z]
    moment2: Tensor  # [Z]
    taken: Tensor  # passes through the networks
    # what it has met
    first: Tensor  # objective of the start
    highest: Tensor  # objective
    code: Tensor  # z of the highest [Z]
    preference: Tensor  # there
    realism: Tensor  # there
    picture: Tensor  # there [3, S, S]
    mark: Tensor  # the objective that counts as no improvement until it is exceeded by `gain`
    idle: Tensor  # steps since then
    settled: Tensor  # bool: as many as its patience; stays, and the best with it
    broken: Tensor  # bool: an objective was not finite; stays

    @classmethod
    def empty(cls, count: int, networks: Networks, device: torch.device) -> "Slots":
        """Slots that nobody holds yet."""
        z, k, s = networks.generator.latent_dimensions, networks.look.dimensions, networks.generator.picture_size
        shapes = {
            "taste": (k,),
            "target": (3, s, s),
            "anchor": (z,),
            "weights": (4,),
            "hidden": (z,),
            "moment1": (z,),
            "moment2": (z,),
            "code": (z,),
            "picture": (3, s, s),
        }
        kinds = {"category": torch.int64, "settled": torch.bool, "broken": torch.bool}
        return cls(
            **{
                field.name: torch.zeros(
                    count + 1,
                    *shapes.get(field.name, ()),
                    dtype=kinds.get(field.name, torch.float32),
                    device=device,
                )
                for field in fields(cls)
            }
        )

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def load(self, slots: Sequence[int], ascent: Ascent) -> None:
        """Put the rows of a request into its slots, at their starts."""
        at = torch.tensor(slots, device=self.hidden.device)
        w = ascent.weights
        started = {
            "taste": ascent.taste,
            "category": ascent.category,
            "target": 0.0 if ascent.target is None else ascent.target,
            "anchor": ascent.starts if ascent.anchor is None else ascent.anchor,
            "weights": torch.tensor([w.preference, w.realism, w.reconstruction, w.closeness]),
            "rate": ascent.rate,
            "patience": torch.inf if ascent.patience is None else ascent.patience,
            "gain": ascent.gain,
            "hidden": unbounded(ascent.starts),
            "first": torch.nan,
            "highest": -torch.inf,
            "mark": -torch.inf,
        }
        for field in fields(self):
            column = getattr(self, field.name)
            value = torch.as_tensor(started.get(field.name, 0)).to(column.dtype)
            column[at] = value.to(column.device, non_blocking=True)

    def taken_out(self, slots: Sequence[int]) -> "Slots":
        """A copy of the rows in these slots alone."""
        at = torch.tensor(slots, device=self.hidden.device)
        return Slots(*(getattr(self, field.name)[at] for field in fields(self)))

    def put_back(self, slots: Sequence[int], rows: "Slots") -> None:
        """Let rows that were taken out go on in these slots."""
        at = torch.tensor(slots, device=self.hidden.device)
        for field in fields(self):
            getattr(self, field.name)[at] = getattr(rows, field.name)

    def harvest(self, ascent: Ascent, *, look: nn.Module | None = None) -> Ascended:
        """The best codes that these rows, all of one request, have met, on the host. Raises FloatingPointError.

        Where the steps were taken in rounded networks, the pictures that are kept are looked at again by an exact Φ.
        """
        broken, objective, pictures, taken = (
            column.cpu() for column in (self.broken, self.highest, self.picture, self.taken)
        )
        if broken.any():
            raise FloatingPointError(f"{int(broken.sum())} of {len(broken)} rows did not stay finite")
        at = torch.tensor(differing(pictures, objective, ascent.keep), device=self.hidden.device)
        best = Scores(self.highest[at], self.preference[at], self.realism[at], self.picture[at])
        if look is not None:
            best = self._looked_at(at, best, look)
        order = best.objective.argsort(descending=True)
        codes, climb, *found = (
            column[order].cpu() for column in (self.code[at], best.objective - self.first[at], *best)
        )
        return Ascended(codes, Scores(*found), climb, steps=int(taken[0]) - 1)

    @torch.no_grad()
    def _looked_at(self, at: Tensor, best: Scores, look: nn.Module) -> Scores:
        """The scores of rows `at`, with the preference as Φ has it."""
        looks = look(upsample(best.pictures, look.picture_size), self.category[at])
        preference = (self.taste[at] * looks).sum(1)
        objective = best.objective + self.weights[at, 0] * (preference - best.preference)
        return Scores(objective, preference, best.realism, best.pictures)

    def step(self, at: Tensor, networks: Networks) -> None:
        """One step of the rows `at` int64 [B]: judge where they are, and climb from there by Adam."""
        rows, hidden = self._rows(at), self.hidden[at].requires_grad_()
        with torch.enable_grad():
            codes = hidden.tanh()
            found = scores(networks, codes, rows)
            (gradient,) = torch.autograd.grad(found.objective.sum(), hidden)
        with torch.no_grad():
            self._judge(at, codes.detach(), found)
            self._climb(at, hidden.detach(), gradient)

    def _rows(self, at: Tensor) -> Rows:
        return Rows(*(column[at] for column in (self.taste, self.category, self.target, self.anchor, self.weights)))

    def _judge(self, at: Tensor, codes: Tensor, found: Scores) -> None:
        objective = found.objective.detach()
        finite, settled, highest = objective.isfinite(), self.settled[at], self.highest[at]
        better = finite & ~settled & (objective > highest)
        for column, value in (
            (self.highest, objective),
            (self.code, codes),
            (self.preference, found.preference),
            (self.realism, found.realism),
            (self.picture, found.pictures),
        ):
            kept = better.view(-1, *(1,) * (value.dim() - 1))
            column[at] = torch.where(kept, value.detach(), column[at])
        mark = self.mark[at]
        improved = objective > mark + self.gain[at]
        idle = torch.where(improved, 0, self.idle[at] + 1)
        self.mark[at] = torch.where(improved, objective, mark)
        self.idle[at] = idle
        self.settled[at] = settled | (idle >= self.patience[at])
        self.broken[at] |= ~finite
        self.first[at] = torch.where(self.taken[at] == 0, objective, self.first[at])

    def _climb(self, at: Tensor, hidden: Tensor, gradient: Tensor) -> None:
        taken = self.taken[at] + 1
        moment1 = self.moment1[at].lerp(gradient, 1 - BETA1)
        moment2 = self.moment2[at].lerp(gradient.square(), 1 - BETA2)
        rate = self.rate[at] / (1 - BETA1**taken)
        spread = (moment2 / (1 - BETA2**taken)[:, None]).sqrt() + EPSILON
        self.taken[at], self.moment1[at], self.moment2[at] = taken, moment1, moment2
        self.hidden[at] = hidden + rate[:, None] * moment1 / spread
