"""Doubling a resolution without checkerboards."""

import torch
import torch.nn.functional as F
from torch import nn


def resize_convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """[N, inputs, H, W] → [N, outputs, stride·H, stride·W]: pixels repeated, then a 3×3 convolution.

    A transposed convolution whose kernel its stride does not divide paints checkerboards (Odena et al., Distill 2016).
    """
    return nn.Sequential(nn.Upsample(scale_factor=stride), nn.Conv2d(inputs, outputs, 3, padding=1))


@torch.no_grad()
def in_one(layer: nn.Sequential) -> nn.Module:
    """A trained `resize_convolution` as the one transposed convolution that it equals, by fewer operations.

    Its kernel is the convolution's, flipped, spread over the s×s copies of a pixel: 4×4 with padding 1 for s = 2.
    """
    upsample, convolution = layer
    stride = int(upsample.scale_factor)
    if stride == 1:
        return convolution
    spread = convolution.weight.new_ones(1, 1, stride, stride)
    outputs, inputs = convolution.weight.shape[:2]
    flipped = convolution.weight.flip(2, 3).reshape(outputs * inputs, 1, 3, 3)
    kernel = F.conv2d(flipped, spread, padding=stride - 1).reshape(outputs, inputs, stride + 2, stride + 2)
    made = nn.ConvTranspose2d(inputs, outputs, stride + 2, stride=stride, padding=1)
    made.weight.data, made.bias.data = kernel.transpose(0, 1).contiguous(), convolution.bias.data
    return made.eval()
