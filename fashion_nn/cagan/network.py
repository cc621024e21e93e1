"""CAGAN's networks (Jetchev & Bergmann, 2017, figure 3).

G(x_i, y_i, y_j) → (α, x̃): the person of x_i wears y_i and shall wear y_j; the result is α·x̃ + (1 − α)·x_i.
The last six channels of every intermediate layer, in G and D, are downsampled copies of the two inputs x_i and y_i
(in D: the person and the garment that it is asked about).

The article does not say whether the channel counts of G's upward layers (512, 256, 128) include the U-Net skips.
Here they do: each is as many learnt channels as the skip has, then the skip, whose own last six channels are the
copies of the inputs. That makes the counts, and the last six channels, those of the figure.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.upsampling import resize_convolution

COPIES = 6  # channels of each intermediate layer that repeat the inputs


class Fitting(NamedTuple):
    """picture: what is shown; mask: α; painted: x̃. [N, 3, H, W] in [-1, 1], [N, 1, H, W] in [0, 1], [N, 3, H, W]."""

    picture: Tensor
    mask: Tensor
    painted: Tensor


class Down(nn.Module):
    """A stride-2 convolution of which the last six channels are replaced by copies of the inputs [N, 6, H, W]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, norm: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs - COPIES, kernel, stride=2, padding=kernel // 2)
        self.norm = nn.InstanceNorm2d(outputs - COPIES) if norm else nn.Identity()

    def forward(self, features: Tensor, inputs: Tensor) -> Tensor:
        learnt = F.relu(self.norm(self.convolution(features)))
        return torch.cat([learnt, F.interpolate(inputs, size=learnt.shape[2:], mode="area").to(learnt.dtype)], 1)


class Up(nn.Module):
    """A stride-½ convolution, joined to the skip of its resolution."""

    def __init__(self, inputs: int, outputs: int, upsampling: str) -> None:
        super().__init__()
        self.convolution = doubling(inputs, outputs, upsampling)
        self.norm = nn.InstanceNorm2d(outputs)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([F.relu(self.norm(self.convolution(features))), skip], 1)


class Generator(nn.Module):
    """person, worn, wanted: [N, 3, H, W] in [-1, 1] → Fitting.

    At 128×96 and width 64: 9×128×96 → 64×64×48 → 128×32×24 → 256×16×12 → 512×8×6 → 512×16×12 → 256×32×24 →
    128×64×48 → 4×128×96. Instance normalisation in all layers but the first and the last.
    """

    def __init__(self, config: CAGANConfig) -> None:
        super().__init__()
        w, k = config.generator_width, config.kernel
        plan = ((9, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        self.down = nn.ModuleList(Down(i, o, k, norm=layer > 0) for layer, (i, o) in enumerate(plan))
        plan = ((8 * w, 4 * w), (8 * w, 2 * w), (4 * w, w))
        self.up = nn.ModuleList(Up(i, o, config.upsampling) for i, o in plan)
        self.last = doubling(2 * w, 4, config.upsampling)

    def forward(self, person: Tensor, worn: Tensor, wanted: Tensor) -> Fitting:
        inputs, features, skips = torch.cat([person, worn], 1), torch.cat([person, worn, wanted], 1), []
        for layer in self.down:
            features = layer(features, inputs)
            skips.append(features)
        for layer, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            features = layer(features, skip)
        last = self.last(features).float()
        mask, painted = last[:, :1].sigmoid(), last[:, 1:].tanh()
        return Fitting(mask * painted + (1 - mask) * person, mask, painted)


class Discriminator(nn.Module):
    """person, garment: [N, 3, H, W] in [-1, 1] → logits [N, 1, H/16, W/16]: looks real *and* wears the garment.

    At 128×96 and width 64: 6×128×96 → 64×64×48 → 128×32×24 → 256×16×12 → 512×8×6 → a field of classifications,
    each with a receptive field of 61×61 (article: about 63×63).
    """

    def __init__(self, config: CAGANConfig) -> None:
        super().__init__()
        w, k = config.discriminator_width, config.kernel
        plan = ((6, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        self.down = nn.ModuleList(Down(i, o, k, norm=layer > 0) for layer, (i, o) in enumerate(plan))
        self.last = nn.Conv2d(8 * w, 1, 1)

    def forward(self, person: Tensor, garment: Tensor) -> Tensor:
        inputs = features = torch.cat([person, garment], 1)
        for layer in self.down:
            features = layer(features, inputs)
        return self.last(features)


def doubling(inputs: int, outputs: int, upsampling: str) -> nn.Module:
    """A layer that doubles height and width: a 4×4 transposed convolution, or pixels repeated and convolved."""
    if upsampling == "nearest":
        return resize_convolution(inputs, outputs, 2)
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
