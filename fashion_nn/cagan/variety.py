"""More pairs than were photographed: mirrored, relit and moved.

A discriminator learns a few hundred pairs by heart. What is changed here is changed before any network sees it, in a
person and in the garment worn alike, so that the pair stays a true one; and the generator is given changed pictures,
so that whoever gives it unchanged ones gets unchanged ones: nothing leaks into what it paints.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LIGHT = 1.5  # pictures are bent by a power between this and its inverse, which leaves black and white as they are
ZOOM = 1.15  # of persons, at most; garments lie between its inverse and 1, on more white


def varied(
    persons: tuple[Tensor, Tensor],
    garments: tuple[Tensor, Tensor],
    place: Tensor,
    share: float,
    random: np.random.Generator,
) -> list[Tensor]:
    """person, worn, wanted, wearer [B, 3, H, W] in [-1, 1], each way of change made to about `share` of the pairs.

    Persons share mirroring and light with what they wear; the other pair has its own. At last the place [B, 1, h, w]
    of what the person wears, which is moved with them.
    """
    (person, wearer), (worn, wanted) = persons, garments
    n = len(person)
    turns, lights = (chosen(random, 2 * n, share) for _ in range(2))
    turned, lit = 1 - 2 * turns, powers(random, lights)
    theirs, others = slice(0, n), slice(n, None)
    zooms = np.where(chosen(random, 4 * n, share), random.uniform(1, ZOOM, 4 * n), 1.0)
    zooms[n : 3 * n] = 1 / zooms[n : 3 * n]
    shifts = random.uniform(-1, 1, (4 * n, 2)) * np.abs(1 - 1 / zooms)[:, None]
    pictures = (person, theirs), (worn, theirs), (wanted, others), (wearer, others)
    changed = [
        moved(relit(picture, lit[of]), zooms[at : at + n], shifts[at : at + n], turned[of])
        for at, (picture, of) in zip(range(0, 4 * n, n), pictures, strict=True)
    ]
    return [*changed, moved(place, zooms[:n], shifts[:n], turned[theirs])]


def chosen(random: np.random.Generator, count: int, share: float) -> np.ndarray:
    """1 with probability `share`, else 0: [count]."""
    return (random.random(count) < share).astype(np.int64)


def powers(random: np.random.Generator, lights: np.ndarray) -> np.ndarray:
    """One exponent for each of red, green and blue: [len(lights), 3]; 1 where lights is 0."""
    return LIGHT ** (random.uniform(-1, 1, (len(lights), 3)) * lights[:, None])


def relit(pictures: Tensor, exponents: np.ndarray) -> Tensor:
    """Colours in [0, 1] raised to exponents [N, 3]."""
    bend = torch.from_numpy(exponents).to(pictures)[:, :, None, None]
    return ((pictures + 1) / 2).clamp(0, 1) ** bend * 2 - 1


def moved(pictures: Tensor, zooms: np.ndarray, shifts: np.ndarray, turned: np.ndarray) -> Tensor:
    """Enlarged by zooms [N], moved by shifts [N, 2] (2: a picture's width or height), mirrored where turned is -1."""
    matrix = torch.zeros(len(pictures), 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = torch.from_numpy(turned / zooms), torch.from_numpy(1 / zooms)
    matrix[:, :, 2] = torch.from_numpy(shifts)
    places = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, places, padding_mode="border", align_corners=False)
