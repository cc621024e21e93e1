"""How alike two pictures are: SSIM, PSNR and the mean error, inside of a mask or everywhere."""

from __future__ import annotations

import math

import torch

RANGE = 2.0  # pictures reach from -1 to 1
WINDOW, SIGMA = 11, 1.5  # Wang et al., "Image quality assessment", 2004, section III-C
_C1, _C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2  # same place


def ssim(
    first: torch.Tensor,
    second: torch.Tensor,
    *,
    inside: torch.Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> torch.Tensor:
    """Structural similarity [N] of pictures [N, C, H, W] in [-1, 1]; 1 for equal pictures.

    Gaussian window of 11 pixels, sigma 1.5, only where it fits into the picture, averaged over places and
    channels. Its luminance term is made for light, which is never negative: -1 is taken for none. `inside`
    [N, 1, H, W] in [0, 1] weighs the windows by the mask at their centres; nan where it is empty. It is worked out in
    `dtype`: float32 is 2e-6 off, value and gradient, in a quarter of the time. Raises ValueError for pictures of
    different shapes or smaller than the window.
    """
    _check_alike(first, second)
    if min(first.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW} x {WINDOW} pixels, not {tuple(first.shape[-2:])}")
    a, b = (each.to(dtype) + RANGE / 2 for each in (first, second))
    with torch.autocast(a.device.type, enabled=False):  # a variance of numbers with eight bits is none
        down, across = (_windows(length, a) for length in a.shape[-2:])
        mean_a, mean_b, square_a, square_b, product = (down @ each @ across.T for each in (a, b, a * a, b * b, a * b))
        variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
        covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    edge = WINDOW // 2
    centres = None if inside is None else inside[..., edge:-edge, edge:-edge]
    return _mean(luminance * structure, centres)


def psnr(first: torch.Tensor, second: torch.Tensor, *, inside: torch.Tensor | None = None) -> torch.Tensor:
    """Peak signal-to-noise ratio [N] in dB of pictures [N, C, H, W] in [-1, 1]; inf for equal pictures."""
    _check_alike(first, second)
    squared = _mean((first.double() - second.double()) ** 2, inside)
    return 10 * (math.log10(RANGE**2) - torch.log10(squared))


def mean_error(first: torch.Tensor, second: torch.Tensor, *, inside: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute difference [N] of pictures [N, C, H, W], 0 to 2; `inside` is a mask [N, 1, H, W].

    For the error outside of a mask give 1 - mask. nan where the mask is empty.
    """
    _check_alike(first, second)
    return _mean((first.double() - second.double()).abs(), inside)


def _check_alike(first: torch.Tensor, second: torch.Tensor) -> None:
    if first.shape != second.shape or first.ndim != 4:
        raise ValueError(
            f"pictures must be two [N, C, H, W] of one shape, not {tuple(first.shape)}, {tuple(second.shape)}"
        )


def _mean(values: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """[N, C, H, W] -> [N], over channels and places, weighed by [N, 1, H, W]."""
    if weights is None:
        return values.mean(dim=(1, 2, 3))
    weights = weights.to(values).expand_as(values)
    return (values * weights).sum(dim=(1, 2, 3)) / weights.sum(dim=(1, 2, 3))


def _windows(length: int, like: torch.Tensor) -> torch.Tensor:
    """[length - 10, length]: one row for each window that fits, its Gaussian weights where it lies.

    Matrices, since PyTorch multiplies these as exactly as their dtype allows; a GPU's convolutions round to TF32.
    """
    offsets = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    rows = like.new_zeros(length - WINDOW + 1, length)
    for offset, weight in enumerate(kernel / kernel.sum()):
        rows.diagonal(offset).fill_(weight)
    return rows
