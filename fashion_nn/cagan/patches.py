"""Persons with another garment laid over them: fittings gone wrong whose right picture is known.

A generator that starts from nothing paints nothing that a discriminator likes, and so learns to paint nowhere before it
has learnt anything else. To take away again what was laid over, both must be learnt, where something does not belong
and what belongs there, and every shop's pairs teach it: the person is a photograph, the garment worn is known. Half of
what is laid over are garments cut out of their white pictures, with sleeves and necklines; half are ellipses of fabric,
which cover a garment whole.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fashion_nn.cagan.variety import moved

ELLIPSES = 2  # that make up a patch of fabric
REACH = (0.5, 0.6)  # of their middles from the picture's, across and down: 1 is its border
RADII = (0.08, 0.55)
SIZES = (0.45, 1.0)  # of a garment cut out, in shares of its picture
SHIFT = 0.35  # of it from the middle, at most: 1 is the border
WHITE = (0.85, 0.95)  # a channel's lowest value, of 1: a garment's picture is garment below and background beyond


def patches(garments: Tensor, random: np.random.Generator) -> Tensor:
    """What to lay over persons, of garments' pictures [N, 3, H, W] in [-1, 1]: [N, 4, H, W], the last where, in [0, 1].

    Every second one is a garment cut out.
    """
    fabric, cut = fabrics(garments, random), cut_out(garments, random)
    odd = torch.arange(len(garments)).reshape(-1, 1, 1, 1) % 2 == 1
    return torch.where(odd, cut, fabric)


def patched(person: Tensor, patch: Tensor) -> Tensor:
    """person [N, 3, H, W] with a patch [N, 4, H, W] laid over."""
    where = patch[:, 3:]
    return where * patch[:, :3] + (1 - where) * person


def cut_out(garments: Tensor, random: np.random.Generator) -> Tensor:
    """Each garment without its white background, smaller and moved: [N, 4, H, W]."""
    n = len(garments)
    sizes, turned = random.uniform(*SIZES, n), random.choice((-1, 1), n)
    shifts = random.uniform(-SHIFT, SHIFT, (n, 2)) / sizes[:, None]
    laid = moved(garments, sizes, shifts, turned)
    low, high = (2 * value - 1 for value in WHITE)
    return torch.cat([laid, ((high - laid.amin(1, keepdim=True)) / (high - low)).clamp(0, 1)], 1)


def fabrics(garments: Tensor, random: np.random.Generator) -> Tensor:
    """The middle of each garment's picture, enlarged to all of it, in ellipses: [N, 4, H, W]."""
    height, width = garments.shape[2:]
    middle = garments[..., height // 4 : height - height // 4, width // 4 : width - width // 4]
    fabric = F.interpolate(middle, size=(height, width), mode="bilinear", align_corners=False)
    return torch.cat([fabric, ellipses(len(garments), height, width, random)], 1)


def ellipses(count: int, height: int, width: int, random: np.random.Generator) -> Tensor:
    """[count, 1, height, width] in [0, 1], about a fifth of each picture, soft by a pixel."""
    down, across = np.meshgrid(_middles(height), _middles(width) * (width / height), indexing="ij")
    shape = (count, ELLIPSES, 1, 1)
    x, y = (random.uniform(-reach, reach, shape) for reach in (REACH[0] * width / height, REACH[1]))
    turn, (wide, tall) = random.uniform(0, np.pi, shape), random.uniform(*RADII, (2, *shape))
    along = (across - x) * np.cos(turn) + (down - y) * np.sin(turn)
    aside = (down - y) * np.cos(turn) - (across - x) * np.sin(turn)
    inside = 1 - np.sqrt((along / wide) ** 2 + (aside / tall) ** 2)
    pixels = inside * np.minimum(wide, tall) * (height / 2)
    return torch.from_numpy(np.clip(pixels + 0.5, 0, 1).max(1, keepdims=True).astype(np.float32))


def _middles(count: int) -> np.ndarray:
    """Where the pixels of a row are, from -1 to 1."""
    return (np.arange(count) + 0.5) * (2 / count) - 1
