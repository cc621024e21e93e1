"""The seed bank: codes of every category with their looks and realism computed ahead.

With these the objective of every code under any taste is one matrix product, so an ascent begins where many blind
restarts would have ended after many steps.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fashion_nn.dvbpr.network import upsample
from fashion_nn.latent.objective import Networks, Weights

CANDIDATES = 8  # looked at for every start that is wanted
APART = 0.5  # of the candidates' median distance: looks closer than this are one start
SHARE = 0.5  # of the bank that one seed sees, so that another seed finds other designs
ROWS = 64  # in one pass of the networks


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
        looks.append(networks.look(upsample(pictures, networks.look.picture_size)).cpu())
    return torch.cat(looks), torch.cat(realism)
