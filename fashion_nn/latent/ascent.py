"""Latent optimisation of many requests in one plain batch: every row takes each step, and ends at its own budget.

`LatentOptimiser.run` is the whole of what serving knows of latent optimisation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fashion_nn import checks
from fashion_nn.latent.objective import Networks, Rows, Scores, Weights, scores, unbounded

LEARNING_RATE = 0.05  # of Adam on z′ (authors' code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ascent:
    """A request: m starts of one shopper in one category, climbing one objective."""

    taste: Tensor  # [K]
    category: int
    starts: Tensor  # z [m, Z] in [-1, 1]
    weights: Weights = field(default_factory=Weights)
    steps: int = 10
    keep: int = 1  # how many of the best rows to return
    target: Tensor | None = None  # [3, S, S] in [-1, 1], for reconstruction
    anchor: Tensor | None = None  # z₀ [Z], for closeness; by default every row its own start

    def __post_init__(self) -> None:
        checks.at_least("steps", self.steps, 0)
        checks.within("keep", self.keep, 1, len(self.starts))
        if self.weights.reconstruction and self.target is None:
            raise ValueError("target is missing, but weights.reconstruction asks for one")


@dataclass(frozen=True, slots=True)
class Ascended:
    """The best rows of a request, best objective first: codes z [k, Z] and their scores at these codes."""

    codes: Tensor
    scores: Scores
    climb: Tensor  # [k]: how far the objective rose above the row's start


class LatentOptimiser:
    """Runs ascents over frozen networks; on a CPU no pass is larger than `rows_per_pass`."""

    def __init__(self, networks: Networks, *, rows_per_pass: int = 64) -> None:
        checks.at_least("rows_per_pass", rows_per_pass, 1)
        self.networks = Networks(*(network.eval().requires_grad_(False) for network in networks))
        self.rows_per_pass = rows_per_pass

    def run(self, ascents: Sequence[Ascent]) -> list[Ascended | FloatingPointError]:
        """Ascend all requests together; answers in the order of the requests.

        A request of which no row stayed finite has its FloatingPointError in place of an answer; the others go on.
        """
        rows = concatenated([rows_of(ascent, self.networks) for ascent in ascents])
        starts = torch.cat([ascent.starts for ascent in ascents])
        budgets = torch.cat([torch.full((len(a.starts),), a.steps) for a in ascents]).to(starts.device)
        codes, first = [], []
        for part in torch.arange(len(starts), device=starts.device).split(self.rows_per_pass):
            best, start = self._climb(starts[part], Rows(*(column[part] for column in rows)), budgets[part])
            codes.append(best)
            first.append(start)
        return self._answers(ascents, rows, torch.cat(codes), torch.cat(first))

    def _climb(self, starts: Tensor, rows: Rows, budgets: Tensor) -> tuple[Tensor, Tensor]:
        """The best code met on each row's way [R, Z] and the objective of its start [R]."""
        hidden = unbounded(starts).requires_grad_()
        optimiser = torch.optim.Adam([hidden], lr=LEARNING_RATE)
        best, highest = hidden.detach().tanh(), torch.full((len(starts),), -torch.inf, device=starts.device)
        first = highest.clone()
        for step in range(int(budgets.max()) + 1):
            codes = hidden.tanh()
            objective = scores(self.networks, codes, rows).objective
            value = torch.where(objective.isfinite(), objective, -torch.inf).detach()
            better = (value > highest) & (step <= budgets)
            best = torch.where(better[:, None], codes.detach(), best)
            highest = torch.where(better, value, highest)
            first = value if step == 0 else first
            optimiser.zero_grad()
            (-objective[objective.isfinite()].sum()).backward()
            optimiser.step()
        return best, first

    @torch.no_grad()
    def _answers(
        self, ascents: Sequence[Ascent], rows: Rows, codes: Tensor, first: Tensor
    ) -> list[Ascended | FloatingPointError]:
        parts = torch.arange(len(codes), device=codes.device).split([len(a.starts) for a in ascents])
        answers: list[Ascended | FloatingPointError] = []
        for ascent, part in zip(ascents, parts, strict=True):
            final = scores(self.networks, codes[part], Rows(*(column[part] for column in rows)))
            if not final.objective.isfinite().any():
                answers.append(FloatingPointError(f"none of {len(part)} rows stayed finite"))
                continue
            objective = torch.where(final.objective.isfinite(), final.objective, -torch.inf)
            kept = torch.tensor(differing(final.pictures, objective, ascent.keep), device=codes.device)
            climb = (final.objective - first[part])[kept]
            answers.append(Ascended(codes[part][kept], Scores(*(column[kept] for column in final)), climb))
        return answers


def rows_of(ascent: Ascent, networks: Networks) -> Rows:
    """The rows of one request, one for each start."""
    m, w, like = len(ascent.starts), ascent.weights, ascent.starts
    size = networks.generator.picture_size
    target = like.new_zeros(3, size, size) if ascent.target is None else ascent.target.to(like)
    anchors = ascent.starts if ascent.anchor is None else ascent.anchor.to(like).expand(m, -1)
    return Rows(
        taste=ascent.taste.to(like).expand(m, -1),
        category=torch.full((m,), ascent.category, device=like.device),
        targets=target.expand(m, -1, -1, -1),
        anchors=anchors,
        weights=like.new_tensor([[w.preference, w.realism, w.reconstruction, w.closeness]]).expand(m, -1),
    )


def concatenated(rows: Sequence[Rows]) -> Rows:
    return Rows(*(torch.cat(columns) for columns in zip(*rows, strict=True)))


def differing(pictures: Tensor, objective: Tensor, keep: int, *, distance: float = 0.02) -> list[int]:
    """The rows of the `keep` best objectives whose pictures differ, best first; look-alikes only fill what is left.

    Two pictures [3, S, S] are the same design when their mean absolute difference is below `distance` of the range.
    """
    chosen: list[int] = []
    alike: list[int] = []
    for row in objective.argsort(descending=True).tolist():
        nearest = min(((pictures[row] - pictures[other]).abs().mean().item() / 2 for other in chosen), default=1.0)
        (chosen if nearest >= distance else alike).append(row)
    return (chosen + alike)[:keep]
