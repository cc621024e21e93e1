"""Doubling a resolution without checkerboards."""

from itertools import product

import torch
from torch import Tensor, nn

SEEN = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])  # by the first copy of a pixel, and the second


def resize_convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """[N, inputs, H, W] → [N, outputs, stride·H, stride·W]: pixels repeated, then a 3×3 convolution.

    A transposed convolution whose kernel its stride does not divide paints checkerboards (Odena et al., Distill 2016).
    """
    return nn.Sequential(nn.Upsample(scale_factor=stride), nn.Conv2d(inputs, outputs, 3, padding=1))


class Phases(nn.Module):
    """A trained `resize_convolution` of stride 2, the same by fewer operations: for passes without a gradient.

    Of a kernel's nine weights those that fall on copies of one pixel count as their sum, so that each of the four
    pixels that one becomes sees 2×2. They are channels of one convolution. A transposed convolution computes the same,
    and its gradients sooner; but in bf16 on a CPU it takes twice as long.
    """

    @torch.no_grad()
    def __init__(self, layer: nn.Sequential) -> None:
        super().__init__()
        _, convolution = layer
        inputs, self.outputs, weight = convolution.in_channels, convolution.out_channels, convolution.weight
        seen = product(SEEN.to(weight), repeat=2)
        kernels = [torch.einsum("yj,xk,oijk->oiyx", down, across, weight) for down, across in seen]
        self.convolution = nn.Conv2d(inputs, 4 * self.outputs, 2, padding=1)
        self.convolution.weight.data = torch.cat(kernels)
        self.convolution.bias.data = convolution.bias.repeat(4)

    def forward(self, features: Tensor) -> Tensor:
        count, _, height, width = features.shape
        phases = self.convolution(features).split(self.outputs, 1)
        shape = (count, self.outputs, 2 * height, 2 * width)
        doubled = torch.empty(shape, dtype=phases[0].dtype, device=features.device, memory_format=torch.channels_last)
        for (down, across), phase in zip(product((0, 1), repeat=2), phases, strict=True):
            doubled[:, :, down::2, across::2] = phase[..., down : down + height, across : across + width]
        return doubled
