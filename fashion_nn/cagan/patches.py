"""Persons with a patch of another garment laid over them: fittings gone wrong whose right picture is known.

A generator that starts from nothing paints nothing that a discriminator likes, and so learns to paint nowhere: the mask
dies before anything was learnt. To take a patch away again, both must be learnt, where something does not belong and
what belongs there, and every shop's pairs teach it: the person is a photograph, the garment worn is known.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ELLIPSES = 2  # that make up a patch
REACH = (0.5, 0.6)  # of their middles from the picture's, across and down: 1 is its border
RADII = (0.08, 0.55)


def patches(count: int, height: int, width: int, random: np.random.Generator) -> Tensor:
    """Where to lay a patch: [count, 1, height, width] in [0, 1], about a fifth of each picture, soft by a pixel."""
    down, across = np.meshgrid(_middles(height), _middles(width) * (width / height), indexing="ij")
    shape = (count, ELLIPSES, 1, 1)
    x, y = (random.uniform(-reach, reach, shape) for reach in (REACH[0] * width / height, REACH[1]))
    turn, (wide, tall) = random.uniform(0, np.pi, shape), random.uniform(*RADII, (2, *shape))
    along = (across - x) * np.cos(turn) + (down - y) * np.sin(turn)
    aside = (down - y) * np.cos(turn) - (across - x) * np.sin(turn)
    inside = 1 - np.sqrt((along / wide) ** 2 + (aside / tall) ** 2)
    pixels = inside * np.minimum(wide, tall) * (height / 2)
    return torch.from_numpy(np.clip(pixels + 0.5, 0, 1).max(1, keepdims=True).astype(np.float32))


def patched(person: Tensor, garment: Tensor, patch: Tensor) -> Tensor:
    """person [N, 3, H, W] with the middle of another garment's picture, enlarged to all of it, where the patch is."""
    height, width = person.shape[2:]
    middle = garment[..., height // 4 : height - height // 4, width // 4 : width - width // 4]
    fabric = F.interpolate(middle, size=(height, width), mode="bilinear", align_corners=False)
    return patch * fabric + (1 - patch) * person


def _middles(count: int) -> np.ndarray:
    """Where the pixels of a row are, from -1 to 1."""
    return (np.arange(count) + 0.5) * (2 / count) - 1
