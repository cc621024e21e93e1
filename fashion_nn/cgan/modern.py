"""The generator and the discriminator of R3GAN (Huang et al., NeurIPS 2024), conditional on a category.

Residual blocks without normalisation layers: 1×1 to twice the channels, grouped 3×3, 1×1 back, biased leaky ReLUs
between them, and a last convolution that starts at zero (as in Fixup, Zhang et al., ICLR 2019). A resolution is doubled
and halved through the low-pass filter [1, 3, 3, 1], a 4×4 map is spanned by learnt basis maps. So no picture touches
another one of its batch, and training and evaluation compute the same. D may leave out the stage at the picture's own
resolution, the dearest one, and begin with features of 2×2 pixels each. (G may not: it paints checkerboards then.)

D has no fixed scale of its own: a critic that was trained on differences (`loss.more_real`) says which
of two pictures is more real. `Discriminator.calibrate` turns it into the realism that everything else knows.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.cgan.config import CGANConfig

LEAK = 0.2  # slope of LeakyReLU
GAIN = math.sqrt(2 / (1 + LEAK**2))  # of a leaky ReLU (He et al., ICCV 2015)
EXPANSION = 2  # channels inside of a block, to those outside
LOWEST = 4  # pixels: height and width of the first maps of G and the last ones of D


class Generator(nn.Module):
    """Codes [N, Z] and categories int64 [N] → pictures [N, 3, S, S], in [-1, 1] once trained.

    An embedding of the category is joined to the code. The last layer is linear; in eval mode pictures are clipped.
    """

    def __init__(self, config: CGANConfig, n_categories: int) -> None:
        super().__init__()
        widths, blocks = config.generator_widths, config.blocks
        self.n_categories, self.latent_dimensions = n_categories, config.latent_dimensions
        self.picture_size = config.picture_size
        self.embedding = embedding(n_categories, config.latent_dimensions)
        self.basis = nn.Parameter(torch.randn(widths[0], LOWEST, LOWEST))
        self.amounts = linear(2 * config.latent_dimensions, widths[0])
        depth = blocks * len(widths)
        layers: list[nn.Module] = [*stage(widths[0], blocks, depth, config.group_width)]
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            size = LOWEST * 2**number
            layers += [Resampling(inputs, outputs, size, 2 * size), *stage(outputs, blocks, depth, config.group_width)]
        self.layers = nn.Sequential(*layers)
        self.colours = convolution(widths[-1], 3, 1)

    def forward(self, codes: Tensor, category: Tensor) -> Tensor:
        amounts = self.amounts(torch.cat([codes, self.embedding(category)], 1))
        features = (self.basis * amounts[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        pictures = self.colours(through(self.layers, features).to(self.colours.weight.dtype))
        return pictures if self.training else pictures.clamp(-1, 1)


class Discriminator(nn.Module):
    """Pictures [N, 3, S, S] and categories int64 [N] → realism [N]: about 1 for real and 0 for generated.

    The critic's score on the affine scale of its category, which stays as it was at the last `calibrate`.
    """

    def __init__(self, config: CGANConfig, n_categories: int) -> None:
        super().__init__()
        self.n_categories, self.picture_size = n_categories, config.picture_size
        self.critic = Critic(config, n_categories)
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("offset", torch.zeros(n_categories))

    def forward(self, pictures: Tensor, category: Tensor) -> Tensor:
        return self.slope * self.critic(pictures, category) + self.offset[category]

    @torch.no_grad()
    def calibrate(self, real: Tensor, fake: Tensor) -> None:
        """Set the scale by scores [C, M] of real and of generated pictures of every category.

        It is the one on which realism has the least squared error against 1 for real and 0 for generated: what a
        discriminator of least squares (Mao et al., ICCV 2017) would learn, were this critic its last feature. A
        category has its own offset, since a critic trained on pairs of one category is free to shift all of it, and
        shares the slope with the others. A critic that tells nothing says ½ everywhere.
        """
        gaps = real.mean(1) - fake.mean(1)
        spreads = real.var(1, correction=0) + fake.var(1, correction=0)
        slope = gaps.mean().clamp(min=0) / (2 * spreads + gaps.square()).mean().clamp(min=1e-12)
        self.slope.copy_(slope)
        self.offset.copy_(0.5 - slope * (real.mean(1) + fake.mean(1)) / 2)


class Critic(nn.Module):
    """Pictures [N, 3, S, S] and categories int64 [N] → scores [N], of which only differences have a meaning.

    The last features are projected onto an embedding of the category (Miyato and Koyama, ICLR 2018).
    """

    def __init__(self, config: CGANConfig, n_categories: int) -> None:
        super().__init__()
        widths, blocks = config.discriminator_widths, config.blocks
        depth = blocks * len(widths)
        self.patch = config.discriminator_patch
        self.pixels = convolution(3 * self.patch**2, widths[0], 1)
        self._start_with_means()
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            size = config.picture_size // self.patch // 2**number
            layers += [*stage(inputs, blocks, depth, config.group_width), Resampling(inputs, outputs, size, size // 2)]
        last = widths[-1]
        self.layers = nn.Sequential(*layers, *stage(last, blocks, depth, config.group_width))
        self.basis = nn.Parameter(torch.randn(last, LOWEST, LOWEST) / LOWEST)
        self.projection = linear(last, last)
        self.embedding = embedding(n_categories, last, gain=1 / math.sqrt(last))

    def forward(self, pictures: Tensor, category: Tensor) -> Tensor:
        maps = through(self.layers, self.pixels(F.pixel_unshuffle(pictures, self.patch)))
        features = (maps.to(self.basis.dtype) * self.basis).sum((2, 3))
        return (self.projection(features) * self.embedding(category)).sum(1)

    @torch.no_grad()
    def _start_with_means(self) -> None:
        """All that is seen of a patch at first is its mean colour: a random mixture of its pixels is mostly noise."""
        pixels = self.patch**2
        of_means = convolution(3, len(self.pixels.weight), 1).weight
        self.pixels.weight.copy_(of_means.repeat_interleave(pixels, 1) / pixels)


class Block(nn.Module):
    """Features [N, w, H, W] → the same shape. `depth`: how many blocks the network has, which scales their start."""

    def __init__(self, width: int, group_width: int, depth: int) -> None:
        super().__init__()
        inner, gain = EXPANSION * width, GAIN * depth**-0.25
        self.layers = nn.Sequential(
            convolution(width, inner, 1, gain=gain, bias=True),
            nn.LeakyReLU(LEAK),
            convolution(inner, inner, 3, gain=gain, groups=inner // group_width, bias=True),
            nn.LeakyReLU(LEAK),
            convolution(inner, width, 1, gain=0.0),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


class Resampling(nn.Module):
    """[N, inputs, H, W] → [N, outputs, size, size], where size is 2H or H/2."""

    def __init__(self, inputs: int, outputs: int, before: int, size: int) -> None:
        super().__init__()
        self.change = nn.Identity() if inputs == outputs else convolution(inputs, outputs, 1)
        self.register_buffer("filter", lowpass(before, size), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        if len(self.filter) > features.shape[-1]:  # the 1×1 convolution and the filter commute: first what makes less
            return resampled(self.change(features), self.filter)
        return self.change(resampled(features, self.filter))


def resampled(features: Tensor, matrix: Tensor) -> Tensor:
    """Features [N, C, H, H] with both axes multiplied by `matrix` [S, H] → [N, C, S, S], channels last in memory."""
    n, channels, height, _ = features.shape
    rows = matrix.to(features.dtype) @ features.permute(0, 2, 3, 1).reshape(n, height, -1)
    columns = matrix.to(features.dtype) @ rows.view(-1, height, channels)
    return columns.view(n, len(matrix), -1, channels).permute(0, 3, 1, 2)


def lowpass(before: int, size: int) -> Tensor:
    """The matrix [size, before] that halves or doubles a row of pixels through the filter [1, 3, 3, 1].

    That is bilinear interpolation, and its transpose; at the border the last pixel is repeated.
    """
    large, small = max(before, size), min(before, size)
    matrix = torch.zeros(large, small)
    for pixel in range(large):
        near, far = pixel // 2, pixel // 2 + (1 if pixel % 2 else -1)
        matrix[pixel, near] += 0.75
        matrix[pixel, min(max(far, 0), small - 1)] += 0.25
    return matrix if size > before else matrix.T.contiguous() / 2


def through(layers: nn.Sequential, features: Tensor) -> Tensor:
    """Features through layers that may have been cast to another dtype than what surrounds them."""
    return layers(features.to(next(layers.parameters()).dtype))


def stage(width: int, blocks: int, depth: int, group_width: int) -> list[nn.Module]:
    """The blocks of one resolution."""
    return [Block(width, group_width, depth) for _ in range(blocks)]


def convolution(
    inputs: int, outputs: int, kernel: int, *, gain: float = 1.0, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps height and width, started at N(0, gain/√fan-in)."""
    return started(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias), gain)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer without bias, started at N(0, 1/√fan-in)."""
    return started(nn.Linear(inputs, outputs, bias=False), 1.0)


def embedding(count: int, dimensions: int, *, gain: float = 1.0) -> nn.Embedding:
    """A vector for each of `count` categories, started as a linear layer of one-hot inputs."""
    made = nn.Embedding(count, dimensions)
    nn.init.normal_(made.weight, 0.0, gain / math.sqrt(count))
    return made


def started(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Conv2d | nn.Linear:
    """Weights from N(0, gain/√fan-in), biases 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
