"""What is asked of the latent engine, and what it answers."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor

from fashion_nn import checks
from fashion_nn.latent.objective import Scores, Weights

LEARNING_RATE = 0.05  # of Adam on z′ (authors' code)
ALIKE = 0.02  # mean absolute difference, as a share of the range, below which two pictures are the same design

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ascent:
    """m starts of one shopper in one category, climbing one objective. All tensors are float32 on the host."""

    taste: Tensor  # [K]
    category: int
    starts: Tensor  # z [m, Z] in [-1, 1]
    weights: Weights = field(default_factory=Weights)
    steps: int = 10
    rate: float = LEARNING_RATE
    patience: int | None = None  # a row stays where it is after so many steps without a gain
    gain: float = 1e-3  # of the objective
    keep: int = 1  # how many of the best rows to return
    target: Tensor | None = None  # [3, S, S] in [-1, 1], for reconstruction
    anchor: Tensor | None = None  # z₀ [Z], for closeness; by default every row its own start

    def __post_init__(self) -> None:
        checks.at_least("steps", self.steps, 0)
        checks.at_least("patience", self.patience or 1, 1)
        checks.within("keep", self.keep, 1, len(self.starts))
        if self.weights.reconstruction and self.target is None:
            raise ValueError("target is missing, but weights.reconstruction asks for one")

    @property
    def rows(self) -> int:
        """m."""
        return len(self.starts)

    @property
    def passes(self) -> int:
        """Passes through the networks: the starts are judged, and where each step leads."""
        return self.steps + 1


@dataclass(frozen=True, slots=True)
class Ascended:
    """The best rows of an ascent, best objective first: codes z [k, Z] and their scores at these codes, on the host."""

    codes: Tensor
    scores: Scores
    climb: Tensor  # [k]: how far the objective rose above the row's start
    steps: int  # taken; fewer than asked for where nothing was gained any more, or time was up


@dataclass(frozen=True, slots=True)
class Plan(Generic[Result]):
    """Ascents that follow from each other, as one request: what is sent back for one may decide on the next.

    The first ascent has the most rows; `passes` bounds the passes of all together.
    """

    ascents: Generator[Ascent, Ascended, Result]
    passes: int

    @classmethod
    def of(cls, ascent: Ascent) -> "Plan[Ascended]":
        """One ascent alone."""

        def alone() -> Generator[Ascent, Ascended, Ascended]:
            return (yield ascent)

        return Plan(alone(), ascent.passes)


def differing(pictures: Tensor, objective: Tensor, keep: int, *, distance: float = ALIKE) -> list[int]:
    """The rows of the `keep` best objectives whose pictures differ, best first; look-alikes only fill what is left.

    Two pictures [3, S, S] are the same design when their mean absolute difference is below `distance` of the range.
    """
    chosen: list[int] = []
    alike: list[int] = []
    for row in objective.argsort(descending=True).tolist():
        if len(chosen) == keep:
            break
        apart = (pictures[chosen] - pictures[row]).abs().mean((1, 2, 3)) / 2
        (alike if (apart < distance).any() else chosen).append(row)
    return (chosen + alike)[:keep]
