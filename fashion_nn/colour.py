"""CIELAB, in which equal distances look about equally large: from sRGB and back, differentiable."""

import torch
from torch import Tensor

# sRGB (IEC 61966-2-1) to CIE XYZ, each row divided by the white D65, so that white is (1, 1, 1)
_TO_WHITE = ((0.433953, 0.376219, 0.189828), (0.212673, 0.715152, 0.072175), (0.017757, 0.109468, 0.872775))
_TO_XYZ = [[share / sum(row) for share in row] for row in _TO_WHITE]  # ... to the last digit
_FROM_XYZ = torch.tensor(_TO_XYZ, dtype=torch.float64).inverse().tolist()
_BEND = 6 / 29  # below its cube the curve of lightness is a line
REACH = 110.0  # of a and b: what sRGB holds lies within


def lab(pictures: Tensor) -> Tensor:
    """sRGB [N, 3, H, W] in [-1, 1] → L in [0, 100], a and b within ±REACH: [N, 3, H, W], float32."""
    rgb = (pictures.float() + 1) / 2
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    xyz = _mixed(linear, _TO_XYZ)
    curve = torch.where(xyz > _BEND**3, xyz.clamp(min=_BEND**3) ** (1 / 3), xyz / (3 * _BEND**2) + 4 / 29)
    x, y, z = curve.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def rgb(values: Tensor) -> Tensor:
    """The inverse of `lab`: sRGB [N, 3, H, W] in [-1, 1]; what sRGB does not hold is clipped."""
    lightness, a, b = values.float().unbind(1)
    y = (lightness + 16) / 116
    curve = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(curve > _BEND, curve.clamp(min=_BEND) ** 3, 3 * _BEND**2 * (curve - 4 / 29))
    linear = _mixed(xyz, _FROM_XYZ)
    bent = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, bent).clamp(0, 1) * 2 - 1


def turned(pictures: Tensor, turns: Tensor) -> Tensor:
    """sRGB [N, 3, H, W] in [-1, 1], all hues turned by turns [N] of Lab's wheel; lightness and greys stay."""
    lightness, a, b = lab(pictures).unbind(1)
    angle = 2 * torch.pi * turns[:, None, None]
    return rgb(torch.stack([lightness, a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], 1))


def scaled_lab(pictures: Tensor) -> Tensor:
    """sRGB in [-1, 1] → Lab with L in [-1, 1] and a, b divided by REACH: what a network sees and paints."""
    lightness, a, b = lab(pictures).unbind(1)
    return torch.stack([lightness / 50 - 1, a / REACH, b / REACH], 1)


def from_scaled_lab(values: Tensor) -> Tensor:
    """The inverse of `scaled_lab`."""
    lightness, a, b = values.float().unbind(1)
    return rgb(torch.stack([50 * (lightness + 1), REACH * a, REACH * b], 1))


def _mixed(channels: Tensor, matrix: list[list[float]]) -> Tensor:
    """By its numbers one by one: autocast has no say in that, and nothing is sent to a GPU."""
    first, second, third = channels.unbind(1)
    return torch.stack([a * first + b * second + c * third for a, b, c in matrix], 1)
