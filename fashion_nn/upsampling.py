"""Doubling a resolution without checkerboards."""

from torch import nn


def resize_convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """[N, inputs, H, W] → [N, outputs, stride·H, stride·W]: pixels repeated, then a 3×3 convolution.

    A transposed convolution whose kernel its stride does not divide paints checkerboards (Odena et al., Distill 2016).
    """
    return nn.Sequential(nn.Upsample(scale_factor=stride), nn.Conv2d(inputs, outputs, 3, padding=1))
