"""How a picture looks, and how much a shopper likes that: a stated function of the pixels alone.

It can be asked about any picture, whatever its size and whoever made it, so also about one that a network
designed. The foreground is whatever is not white; its pixels are shared out softly among twelve colours;
stripes, checks and prints show as lightness that changes within the foreground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

# hue in turns of the colour wheel, in this order
HUES = {
    "red": 0.985,
    "orange": 0.075,
    "yellow": 0.135,
    "green": 0.36,
    "teal": 0.50,
    "blue": 0.60,
    "purple": 0.76,
    "pink": 0.93,
}
COLOURS = (*HUES, "brown", "dark", "grey", "light")  # brown: dull orange and yellow, from beige to leather
FEATURES = (*COLOURS, "lightness", "chroma", "pattern")
SIDE = 64  # pixels: every picture is looked at in this size


def looks(pictures: Tensor) -> Tensor:
    """What a taste looks at. pictures: [N, 3, H, W] in [-1, 1] -> [N, len(FEATURES)].

    The first twelve are shares of the foreground, in 0..1 and adding up to 1; lightness and chroma are its
    means in 0..1; pattern is near 0 on plain cloth and nears 1 as lightness changes more from place to place.
    """
    rgb = _looked_at(pictures)
    high, low = rgb.amax(1), rgb.amin(1)
    chroma = high - low
    lightness = 0.30 * rgb[:, 0] + 0.59 * rgb[:, 1] + 0.11 * rgb[:, 2]
    weight = _step(1 - low, 0.06, 0.16)
    weight = weight / (weight.sum((1, 2), keepdim=True) + 1e-6)
    shares = _shares(_hue(rgb, high, chroma), chroma, lightness)
    named = (shares * weight[:, None]).sum((2, 3))
    means = torch.stack([(lightness * weight).sum((1, 2)), (chroma * weight).sum((1, 2))], dim=1)
    return torch.cat([named, means, _pattern(lightness, low)[:, None]], dim=1)


def utility(pictures: Tensor, taste: Mapping[str, float] | Sequence[float] | Tensor) -> Tensor:
    """How much the shopper with this `taste` likes each picture.

    pictures: [N, 3, H, W] in [-1, 1]; taste: a weight for each of FEATURES, by name (absent = 0) or in order;
    also [U, len(FEATURES)] for many shoppers at once. Returns [N], or [N, U] for many.
    """
    seen = looks(pictures)
    if isinstance(taste, Mapping):
        unknown = set(taste) - set(FEATURES)
        if unknown:
            raise ValueError(f"taste: no such feature: {', '.join(sorted(unknown))}")
        taste = [float(taste.get(name, 0.0)) for name in FEATURES]
    weights = torch.as_tensor(taste, dtype=seen.dtype, device=seen.device)
    return seen @ weights.T if weights.ndim == 2 else seen @ weights


def _looked_at(pictures: Tensor) -> Tensor:
    """[N, 3, H, W] in [-1, 1] -> [N, 3, SIDE', SIDE'] in 0..1, the longer side SIDE."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(f"pictures: must be [N, 3, H, W], not {tuple(pictures.shape)}")
    height, width = pictures.shape[2:]
    scale = SIDE / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    mode = {"mode": "area"} if scale < 1 else {"mode": "bilinear", "align_corners": False}
    rgb = (pictures.float().clamp(-1, 1) + 1) / 2
    return rgb if scale == 1 else functional.interpolate(rgb, size=size, **mode)


def _step(value: Tensor, low: float, high: float) -> Tensor:
    t = ((value - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _hue(rgb: Tensor, high: Tensor, chroma: Tensor) -> Tensor:
    """Hue in turns, 0 = red: [N, H, W]."""
    red, green, blue = rgb.unbind(1)
    safe = chroma.clamp_min(1e-4)
    hue = torch.where(
        high == red,
        (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return (hue / 6) % 1.0


def _shares(hue: Tensor, chroma: Tensor, lightness: Tensor) -> Tensor:
    """Soft membership of every pixel in the twelve colours: [N, 12, H, W], adding up to 1 at each place."""
    centres = torch.tensor(list(HUES.values()), dtype=hue.dtype, device=hue.device)[None, :, None, None]
    apart = (hue[:, None] - centres + 0.5) % 1.0 - 0.5
    hues = torch.softmax(-((apart / 0.045) ** 2), dim=1)
    dull = hues[:, 1:3] * (1 - _step(chroma, 0.32, 0.52))[:, None]
    hues = torch.cat([hues[:, :1], hues[:, 1:3] - dull, hues[:, 3:], dull.sum(1, keepdim=True)], dim=1)
    vivid = _step(chroma, 0.06, 0.24)[:, None]
    greys = torch.tensor([0.12, 0.52, 0.92], dtype=hue.dtype, device=hue.device)[None, :, None, None]
    neutral = torch.softmax(-(((lightness[:, None] - greys) / 0.16) ** 2), dim=1)
    return torch.cat([vivid * hues, (1 - vivid) * neutral], dim=1)


def _pattern(lightness: Tensor, low: Tensor) -> Tensor:
    """1 - exp(-10 x mean |change of lightness| over two pixels that both lie inside the foreground): [N]."""
    inside = -functional.max_pool2d(-_step(1 - low, 0.06, 0.16)[:, None], 3, stride=1, padding=1)[:, 0]
    total, count = 0.0, 1e-3
    for axis in (1, 2):
        one, other = (
            lightness.narrow(axis, 2, lightness.shape[axis] - 2),
            lightness.narrow(axis, 0, lightness.shape[axis] - 2),
        )
        both = inside.narrow(axis, 2, inside.shape[axis] - 2) * inside.narrow(axis, 0, inside.shape[axis] - 2)
        total = total + ((one - other).abs() * both).sum((1, 2))
        count = count + both.sum((1, 2))
    return 1 - torch.exp(-10 * total / count)
