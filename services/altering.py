"""What becomes of a picture: a code is found that paints it, then altered towards a taste, or varied."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from fashion_nn.latent import Ascended, Ascent, Plan, Weights
from fashion_nn.latent.engine import DeadlinePassed
from services.designing import Studio
from services.messages import AlterRequest, VariationsRequest

Result = TypeVar("Result")
Ascents = Generator[Ascent, Ascended, Result]

FINALISTS = 4  # an inversion goes on with one start in so many
INVERSION_REALISM = 0.02  # costs next to no likeness, and keeps the code where pictures are plausible
RELEASE = 3.0  # by which each stage's pull to the origin is weaker than the former's
INVERSION_STEPS = 30  # of an inversion that nobody asked for with a number of steps
HOLD = 1.0  # weight of a variation's closeness to where it began, against its looking real
TRIES = 2  # ascents of a stage: for looking real as well, and for the taste alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is to be altered, and for whom: a code on record, or a picture the code of which has to be found."""

    studio: Studio
    taste: Tensor  # [K]
    category: int
    realism: float
    code: Tensor | None = None  # z [Z]
    target: Tensor | None = None  # [3, S, S] in [-1, 1]

    @property
    def category_name(self) -> str:
        """As the release calls it."""
        return self.studio.release.categories[self.category]

    def starts(self, count: int, seed: int | None) -> Tensor:
        """Codes z [count, Z] to begin an inversion from: the encoder's, where there is one, and others at random."""
        blind = self.studio.starts(count, seed)
        guess = self.studio.guess(self.target, self.category)
        return blind if guess is None else torch.cat([guess[None], blind[1:]])

    def ascent(
        self,
        starts: Tensor,
        weights: Weights,
        steps: int,
        *,
        target: Tensor | None = None,
        anchor: Tensor | None = None,
        keep: int = 1,
    ) -> Ascent:
        """An ascent for this taste and in this category."""
        return Ascent(
            taste=self.taste,
            category=self.category,
            starts=starts,
            weights=weights,
            steps=steps,
            keep=keep,
            target=target,
            anchor=anchor,
        )

    def recall(self) -> Ascents[Ascended]:
        """The code on record as it is, scored for the shopper."""
        return (yield self.ascent(self.code[None], Weights(realism=self.realism), 0))

    def invert(self, starts: Tensor, steps: int, *, rows: int = 1) -> Ascents[Ascended]:
        """The code whose picture comes closest to the target: several starts, then the best of them for longer.

        rows: that the plan is to go on with; it cannot have more of them later than it has now.
        """
        keep = max(rows, len(starts) // FINALISTS)
        first = yield self._inversion(starts, steps, keep=keep)
        return (yield self._inversion(first.codes, 2 * steps, keep=1))

    def _inversion(self, starts: Tensor, steps: int, *, keep: int) -> Ascent:
        weights = Weights(preference=0.0, realism=INVERSION_REALISM * self.realism, reconstruction=1.0)
        return self.ascent(starts, weights, steps, target=self.target, keep=keep)


def inversion_passes(steps: int) -> int:
    """Passes through the networks of `Subject.invert`."""
    return (steps + 1) + (2 * steps + 1)


def alteration(subject: Subject, request: AlterRequest) -> Plan[list[Ascended]]:
    """The origin and its stages, as one request; fewer stages where time is up before the last. Raises BadInput."""
    if subject.target is None:
        found, passes = subject.recall(), 1
    else:
        subject.studio.check_rows("restarts", request.restarts)
        starts = subject.starts(request.restarts, request.seed)
        found, passes = subject.invert(starts, request.steps), inversion_passes(request.steps)

    def altered() -> Ascents[list[Ascended]]:
        origin = yield from found
        return [origin, *(yield from stages(subject, request, origin))]

    return Plan(altered(), passes + TRIES * request.stages * (request.steps + 1))


def variations(subject: Subject, request: VariationsRequest) -> Plan[Ascended]:
    """Neighbours of a code in latent space, made to look real where they are, as one request. Raises BadInput."""
    inverts = subject.target is not None
    field, rows = ("restarts", request.restarts) if inverts and request.restarts > request.n else ("n", request.n)
    subject.studio.check_rows(field, rows)
    starts = subject.starts(rows, request.seed) if inverts else None

    def varied() -> Ascents[Ascended]:
        code = subject.code
        if starts is not None:
            found = yield from subject.invert(starts, INVERSION_STEPS, rows=request.n)
            code = found.codes[0]
        weights = Weights(preference=0.0, realism=request.realism, closeness=HOLD)
        around = neighbours(code, request.n, request.radius, seed=request.seed or 0)
        return (yield subject.ascent(around, weights, request.steps, keep=request.n))

    return Plan(varied(), (inversion_passes(INVERSION_STEPS) if inverts else 0) + request.steps + 1)


def neighbours(code: Tensor, count: int, radius: float, *, seed: int) -> Tensor:
    """Codes z [count, Z] around a code [Z]: uniform noise of ±radius is added, and what leaves [-1, 1] put back."""
    random = torch.Generator().manual_seed(seed)
    noise = 2 * torch.rand(count, len(code), generator=random) - 1
    return (code + radius * noise).clamp(-1, 1)


def stages(subject: Subject, request: AlterRequest, origin: Ascended) -> Ascents[list[Ascended]]:
    """Ever more personal: each stage starts where the former ended and is held less close to the origin.

    Scores never fall from one stage to the next: where looking real would cost preference, the stage
    climbs without it, and where even that gains nothing it stays.
    """
    former, reached = origin, []
    try:
        for closeness in pulls(request):
            for realism in (request.realism, 0.0):
                weights = Weights(realism=realism, closeness=closeness)
                stage = yield subject.ascent(former.codes, weights, request.steps, anchor=origin.codes[0])
                if stage.scores.preference[0] > former.scores.preference[0]:
                    former = stage
                    break
            reached.append(former)
    except DeadlinePassed:
        if not reached:
            raise
    return reached


def pulls(request: AlterRequest) -> list[float]:
    """The closeness of each stage: falls from the request's by the same factor each time, at last to nothing."""
    falling = [request.closeness / RELEASE**stage for stage in range(request.stages)]
    return falling if len(falling) == 1 else [*falling[:-1], 0.0]
