"""How much generated items of one category differ among themselves."""

from __future__ import annotations

import numpy as np
import torch

from fashion_nn.metrics.similarity import ssim


def opposite_mean_ssim(
    pictures: torch.Tensor, category: torch.Tensor | np.ndarray, *, seed: int, pairs: int = 200
) -> dict[int, float]:
    """Category -> 1 - mean SSIM over pairs of its pictures: 0 when all are alike, more is more diverse.

    After the diversity measure that Kang et al. 2017 name, whose exact form we could not source. `pairs` a
    category, drawn from `seed`, or all of them where they are fewer. Pictures [N, C, H, W] in [-1, 1],
    category int [N]. Categories with fewer than two pictures are left out.
    """
    rng = np.random.default_rng(seed)
    classes = np.asarray(category)
    diversity = {}
    for one in np.unique(classes):
        members = np.flatnonzero(classes == one)
        first, second = np.triu_indices(len(members), k=1)
        if len(first) == 0:
            continue
        drawn = rng.permutation(len(first))[:pairs]
        alike = ssim(pictures[members[first[drawn]]], pictures[members[second[drawn]]])
        diversity[int(one)] = 1.0 - float(alike.mean())
    return diversity
