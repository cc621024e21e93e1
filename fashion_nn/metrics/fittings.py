"""What is measured of fittings: the learnt mask, and the picture inside and outside of the garment."""

from __future__ import annotations

import torch

from fashion_nn.metrics.similarity import mean_error, psnr, ssim

__all__ = ["mask_iou", "mean_error", "psnr", "ssim"]


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
