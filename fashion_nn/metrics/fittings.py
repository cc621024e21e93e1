"""What is measured of fittings: the learnt mask, the picture inside and outside of it, and what was painted there."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fashion_nn.colour import lab
from fashion_nn.metrics.similarity import mean_error, psnr, ssim

__all__ = [
    "colour_distance",
    "garment_place",
    "lab_error",
    "mask_iou",
    "mean_error",
    "misplaced",
    "psnr",
    "ssim",
    "texture_distance",
]

NEARLY_WHITE = 0.85  # the background of a garment's picture: all of its channels beyond this, of 1
STRIDES = (1, 2, 4)  # pixels between what is compared to tell a texture


def mask_iou(predicted: torch.Tensor, true: torch.Tensor, *, threshold: float = 0.5) -> torch.Tensor:
    """Intersection over union [N] of masks [N, 1, H, W] in [0, 1], both cut at `threshold`.

    1 where both are empty. Raises ValueError for masks of different shapes.
    """
    if predicted.shape != true.shape or predicted.ndim != 4:
        raise ValueError(
            f"masks must be two [N, 1, H, W] of one shape, not {tuple(predicted.shape)}, {tuple(true.shape)}"
        )
    a, b = predicted > threshold, true > threshold
    common = (a & b).sum(dim=(1, 2, 3)).double()
    either = (a | b).sum(dim=(1, 2, 3)).double()
    return torch.where(either > 0, common / either.clamp(min=1), torch.ones_like(either))


def lab_error(first: torch.Tensor, second: torch.Tensor, *, inside: torch.Tensor | None = None) -> torch.Tensor:
    """Mean distance in CIELAB [N] of pictures [N, 3, H, W] in [-1, 1], inside of a mask [N, 1, H, W] where given.

    CIE76: about 2.3 is just noticeable; black and white are 100 apart.
    """
    apart = (lab(first) - lab(second)).double().square().sum(1, keepdim=True).sqrt()
    return mean_error(apart, torch.zeros_like(apart), inside=inside)


def misplaced(where: torch.Tensor, origins: torch.Tensor) -> torch.Tensor:
    """How far off, in pixels across and down, the places are that a garment is taken from: mean [N] over what is seen.

    where [N, 2, H, W]: across and down, -1 and 1 at the picture's borders. origins [N, 3, H, W] in [0, 1]: across and
    down, 0 and 1 at the borders, and 1 where the garment is seen; 0 where nothing of it is.
    """
    height, width = where.shape[2:]
    across, down = (where - (2 * origins[:, :2] - 1)).abs().unbind(1)
    seen = origins[:, 2] == 1
    off = (across * (width / 2) + down * (height / 2)) * seen
    return off.sum((1, 2)) / seen.sum((1, 2)).clamp(min=1)


def garment_place(garments: torch.Tensor) -> torch.Tensor:
    """Where a garment's picture [N, 3, H, W] on white shows the garment: [N, 1, H, W], 0 or 1.

    What is as white as its background is taken for it; where that is all, the whole picture is the garment.
    """
    shown = (garments.amin(1, keepdim=True) < NEARLY_WHITE).float()
    return torch.where(shown.amax((1, 2, 3), keepdim=True) > 0, shown, torch.ones_like(shown))


def colour_distance(
    first: torch.Tensor, first_place: torch.Tensor, second: torch.Tensor, second_place: torch.Tensor
) -> torch.Tensor:
    """How far the colours at two places are from each other [N], in CIELAB; the places need not be alike.

    The 2-Wasserstein distance of the normal distributions with each channel's mean and deviation. Pictures
    [N, 3, H, W] in [-1, 1], places [N, 1, H, W] in [0, 1]; nan where a place is empty.
    """
    (mean, deviation), (other_mean, other_deviation) = (
        _moments(lab(picture).double(), place.double())
        for picture, place in ((first, first_place), (second, second_place))
    )
    return ((mean - other_mean).square() + (deviation - other_deviation).square()).sum(1).sqrt()


def texture_distance(
    first: torch.Tensor, first_place: torch.Tensor, second: torch.Tensor, second_place: torch.Tensor
) -> torch.Tensor:
    """How far the textures at two places are from each other [N], in lightness of CIELAB; as `colour_distance`.

    A texture is told by how much lightness changes over one, two and four pixels, across and down: the mean
    difference of the six.
    """
    ours, theirs = (_changes(*each) for each in ((first, first_place), (second, second_place)))
    return (ours - theirs).abs().mean(1)


def _moments(values: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation [N, C] of values [N, C, H, W], weighed by place [N, 1, H, W]."""
    weight = place.sum((2, 3))
    mean = (values * place).sum((2, 3)) / weight
    variance = ((values - mean[..., None, None]).square() * place).sum((2, 3)) / weight
    return mean, variance.sqrt()


def _changes(pictures: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """[N, 6]: mean change of lightness between two pixels that are both in the place."""
    lightness, place = lab(pictures)[:, :1].double(), place.double()
    found = []
    for stride in STRIDES:
        for pad in ((stride, 0, 0, 0), (0, 0, stride, 0)):  # the same picture, moved right or down
            height, width = lightness.shape[2:]
            apart = (lightness - F.pad(lightness, pad)[..., :height, :width]).abs()
            both = place * F.pad(place, pad)[..., :height, :width]
            found.append((apart * both).sum((1, 2, 3)) / both.sum((1, 2, 3)))
    return torch.stack(found, 1)
