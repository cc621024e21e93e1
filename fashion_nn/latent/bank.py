"""The seed bank: codes of every category with their looks and realism computed ahead.

With these the objective of every code under any taste is one matrix product, so an ascent begins where many blind
restarts would have ended after many steps. Some codes are drawn; the others are where ascents for typical tastes have
ended, which is where those of most shoppers would pass.
"""

from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fashion_nn import checks
from fashion_nn.dvbpr.network import upsample
from fashion_nn.latent.ascent import Ascent
from fashion_nn.latent.engine import Engine
from fashion_nn.latent.objective import Networks, Weights

RATE = 0.2  # of ascents that begin at a bank's codes: near their end, and few in steps
CANDIDATES = 8  # looked at for every start that is wanted
APART = 0.5  # of the candidates' median distance: looks closer than this are one start
SHARE = 0.5  # of the bank that one seed sees, so that another seed finds other designs
ROWS = 64  # in one pass of the networks


@dataclass(frozen=True, kw_only=True, slots=True)
class BankConfig:
    """How large a bank is, and how long it is climbed ahead."""

    codes: int = 4096  # drawn, a category
    tastes: int = 64  # typical ones, for which it is climbed; 0: none
    rows: int = 2  # climbed codes of each taste and category
    rounds: int = 2  # of climbing: from the second on it begins at what all tastes have come to
    steps: int = 20  # of a round
    seed: int = 0

    def __post_init__(self) -> None:
        checks.within("codes", self.codes, 64, 65_536)
        checks.within("tastes", self.tastes, 0, 4096)
        checks.within("rows", self.rows, 1, 16)
        checks.within("rounds", self.rounds, 1, 10)
        checks.within("steps", self.steps, 1, 1000)


@dataclass(frozen=True, slots=True)
class Bank:
    """codes [C, n, Z], looks [C, n, K] and realism [C, n] of n codes of each of C categories, float32."""

    codes: Tensor
    looks: Tensor
    realism: Tensor

    def starts(self, taste: Tensor, category: int, count: int, weights: Weights, *, seed: int) -> Tensor:
        """The best codes z [count, Z] for a taste [K], best first, whose looks differ; deterministic for a seed."""
        random = torch.Generator().manual_seed(seed)
        seen = torch.randperm(self.codes.shape[1], generator=random)[: max(count, int(SHARE * self.codes.shape[1]))]
        looks = self.looks[category, seen]
        objective = weights.preference * (looks @ taste)
        objective -= weights.realism * (self.realism[category, seen] - 1).square()
        best = objective.topk(min(len(seen), CANDIDATES * count)).indices
        return self.codes[category, seen[best[spread(looks[best], count)]]]

    def __add__(self, other: "Bank") -> "Bank":
        """The codes of both."""
        ours, theirs = (astuple(each) for each in (self, other))
        return Bank(*(torch.cat(columns, 1) for columns in zip(ours, theirs, strict=True)))

    def save(self, path: Path) -> None:
        """As safetensors, in half precision."""
        tensors = {"codes": self.codes, "looks": self.looks, "realism": self.realism}
        save_file({name: tensor.half().contiguous() for name, tensor in tensors.items()}, path)

    @classmethod
    def load(cls, path: Path) -> "Bank":
        """What `save` wrote."""
        return cls(**{name: tensor.float() for name, tensor in load_file(path).items()})


def spread(looks: Tensor, count: int) -> list[int]:
    """`count` rows of looks [n, K], the first ones that are apart from each other; others only fill what is left."""
    distances = torch.cdist(looks, looks)
    least = APART * distances.median()
    chosen: list[int] = []
    close: list[int] = []
    for row in range(len(looks)):
        if len(chosen) == count:
            break
        (close if (distances[row, chosen] < least).any() else chosen).append(row)
    return (chosen + close)[:count]


def draw(seed: int, category: int, count: int, dimensions: int) -> Tensor:
    """Codes z [count, Z] of one category for a bank, uniform on [-1, 1]: a pure function of its arguments.

    They are numbers that half precision has, so that a saved bank keeps the very codes that were judged.
    """
    random = torch.Generator().manual_seed(seed * 1_000_003 + category)
    return (2 * torch.rand(count, dimensions, generator=random) - 1).half().float()


@torch.inference_mode()
def judge(networks: Networks, codes: Tensor, category: int) -> tuple[Tensor, Tensor]:
    """Looks [n, K] and realism [n] of codes [n, Z] of one category, ROWS at a time, on the host."""
    device = next(networks.look.parameters()).device
    looks, realism = [], []
    for part in codes.to(device).split(ROWS):
        labels = torch.full((len(part),), category, device=device)
        pictures = networks.generator(part, labels)
        realism.append(networks.discriminator(pictures, labels).cpu())
        looks.append(networks.look(upsample(pictures, networks.look.picture_size), labels).cpu())
    return torch.cat(looks), torch.cat(realism)


def climb(engine: Engine, bank: Bank, category: int, tastes: Tensor, config: BankConfig) -> Tensor:
    """Where ascents for tastes [n, K] end that begin at the best codes of a bank: codes [n · rows, Z] of a category.

    Raises FloatingPointError.
    """
    asked = [
        Ascent(
            taste=taste,
            category=category,
            starts=bank.starts(taste, category, config.rows, Weights(), seed=config.seed),
            steps=config.steps,
            rate=RATE,
            keep=config.rows,
        )
        for taste in tastes
    ]
    codes = []
    for found in engine.ascend(asked):
        if isinstance(found, Exception):
            raise found
        codes.append(found.codes)
    return torch.cat(codes).half().float()


def typical(tastes: Tensor, count: int, *, seed: int, rounds: int = 20) -> Tensor:
    """The centres [count, K] of tastes [n, K] by k-means (Lloyd, 1982); all of them where there are no more."""
    if count >= len(tastes):
        return tastes
    first = torch.randint(len(tastes), (1,), generator=torch.Generator().manual_seed(seed))
    centres = tastes[first]
    while len(centres) < count:  # from the farthest points (Gonzalez, 1985), so that every group has one
        centres = torch.cat([centres, tastes[torch.cdist(tastes, centres).min(1).values.argmax()][None]])
    for _ in range(rounds):
        nearest = torch.cdist(tastes, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, tastes)
        members = nearest.bincount(minlength=count)
        centres = torch.where(members[:, None] > 0, sums / members.clamp(min=1)[:, None], centres)
    return centres
