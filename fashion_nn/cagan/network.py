"""CAGAN's networks (Jetchev & Bergmann, 2017, figure 3), and what the article left open.

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
from torch.nn.utils.parametrizations import spectral_norm

from fashion_nn import colour
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.layers import InstanceNorm
from fashion_nn.cagan.matching import Cut, Match
from fashion_nn.cagan.warp import Bend, Placement, bent, corrected, doubled, finely_bent, placed
from fashion_nn.upsampling import resize_convolution

COPIES = 6  # channels of each intermediate layer that repeat the inputs
SUREST = 0.98  # of a mask given as a prior: what the network may still overrule


class Fitting(NamedTuple):
    """picture: what is shown; mask: α; painted: x̃. [N, 3, H, W] in [-1, 1], [N, 1, H, W] in [0, 1], [N, 3, H, W].

    Where there is a warp: flow [N, 2, H, W]; carried [N, 3, H, W], the wanted garment bent by it; and share
    [N, 1, H, W] in [0, 1], how much of what is painted is carried. logits [N, 1, H, W]: of the mask that is not given.
    """

    picture: Tensor
    mask: Tensor
    painted: Tensor
    flow: Tensor | None = None
    carried: Tensor | None = None
    share: Tensor | None = None
    logits: Tensor | None = None


class Down(nn.Module):
    """A stride-2 convolution whose last six channels are instead `copies` [N, 6, h, w] of the inputs.

    `told` numbers [N, told], where there are any, scale and shift what was learnt.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, norm: bool, told: int = 0) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs - COPIES, kernel, stride=2, padding=kernel // 2)
        self.norm = InstanceNorm() if norm else nn.Identity()
        self.told = nn.Linear(told, 2 * (outputs - COPIES)) if told else None

    def forward(self, features: Tensor, copies: Tensor, code: Tensor | None = None) -> Tensor:
        learnt = self.norm(self.convolution(features))
        if self.told is not None:
            scale, shift = self.told(code)[..., None, None].chunk(2, 1)
            learnt = learnt * (1 + scale) + shift
        return torch.cat([F.relu_(learnt), copies.to(learnt.dtype)], 1)


class Up(nn.Module):
    """A stride-½ convolution, joined to the skip of its resolution."""

    def __init__(self, inputs: int, outputs: int, upsampling: str) -> None:
        super().__init__()
        self.convolution = doubling(inputs, outputs, upsampling)
        self.norm = InstanceNorm()

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([F.relu_(self.norm(self.convolution(features))), skip], 1)


class Finish(nn.Module):
    """Features [N, inputs, h, w] → [N, outputs, 2h, 2w], drawn with the pictures [N, seen, 2h, 2w] in sight."""

    def __init__(self, inputs: int, channels: int, outputs: int, seen: int) -> None:
        super().__init__()
        self.doubled = resize_convolution(inputs, channels, 2)
        self.joined = nn.Conv2d(channels + seen, channels, 3, padding=1)
        self.drawn = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, features: Tensor, pictures: Tensor) -> Tensor:
        features = F.relu_(self.doubled(features))
        return self.drawn(F.relu_(self.joined(torch.cat([features, pictures.to(features.dtype)], 1))))


class Description(nn.Module):
    """What the first layers are told of the wanted garment [N, 3, H, W]: numbers [N, size].

    A U-Net of stride-2 convolutions compares its inputs place by place, but a garment's picture and its person are not
    aligned, and instance normalisation takes away how strong a colour was. Pooled over the picture, neither matters.
    """

    def __init__(self, config: CAGANConfig) -> None:
        super().__init__()
        size, w = config.embedding, config.generator_width
        self.layers = nn.Sequential(
            nn.Conv2d(3, w, 4, stride=4),
            nn.ReLU(),
            nn.Conv2d(w, 2 * w, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * w, size, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.group = nn.Embedding(len(config.groups), size) if len(config.groups) > 1 else None

    def forward(self, wanted: Tensor, group: Tensor | None) -> Tensor:
        code = self.layers(wanted)
        return code if self.group is None else code + self.group(group)


class Generator(nn.Module):
    """person, worn, wanted: [N, 3, H, W] in [-1, 1] → Fitting.

    At 128×96 and width 64: 9×128×96 → 64×64×48 → 128×32×24 → 256×16×12 → 512×8×6 → 512×16×12 → 256×32×24 →
    128×64×48 → 4×128×96. Instance normalisation in all layers but the first and the last.

    The garments may be k times as large: what is carried is then taken from all of it (see `warp.finely_bent`).

    group: int64 [N], of the wanted garments among the config's `groups` where there are several. given: a mask
    [N, 1, H, W] in [0, 1] from elsewhere, which `given_mask` says how to use.
    """

    def __init__(self, config: CAGANConfig) -> None:
        super().__init__()
        w, k, told = config.generator_width, config.kernel, config.embedding
        plan = ((9, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        self.down = nn.ModuleList(Down(i, o, k, norm=layer > 0, told=told) for layer, (i, o) in enumerate(plan))
        features = (8 * w, 8 * w, 4 * w, 2 * w)  # of each level on the way up, and what is carried beside them
        carried = ((0, 0, 3 + w, 3 + w // 2) if config.matched else (3, 3, 3, 3)) if config.warp else (0, 0, 0, 0)
        *joined, inputs = (sum(each) for each in zip(features, carried, strict=True))
        plan = zip(joined, (4 * w, 2 * w, w), strict=True)
        self.up = nn.ModuleList(Up(i, o, config.upsampling) for i, o in plan)
        last, seen = (7, 12) if config.warp else (4, 9)
        self.last = (
            Finish(inputs, config.finish, last, seen)
            if config.finish
            else doubling(inputs, last, config.upsampling, last=True)
        )
        levels = enumerate(zip(features, carried, strict=True))
        self.bend = nn.ModuleDict({str(level): Bend(*each) for level, each in levels if each[1]})
        self.cut, self.match = (Cut(w // 2), Match(4 * w, 3 + w)) if config.matched else (None, None)
        whole = (8 * w, config.height // 16, config.width // 16)
        self.placement = Placement(*whole) if config.placement else None
        self.description = Description(config) if told else None
        self.lab, self.given_mask = config.colours == "lab", config.given_mask

    def forward(
        self,
        person: Tensor,
        worn: Tensor,
        wanted: Tensor,
        *,
        group: Tensor | None = None,
        given: Tensor | None = None,
    ) -> Fitting:
        dtype = next(self.parameters()).dtype  # bfloat16 where the network was cast for serving
        seen = [
            (colour.scaled_lab(each) if self.lab else each).to(dtype, memory_format=torch.channels_last)
            for each in (person, shrunk(worn, person), shrunk(wanted, person))
        ]
        code = None if self.description is None else self.description(seen[2], group)
        copies, features, skips = torch.cat(seen[:2], 1), torch.cat(seen, 1), []
        for layer in self.down:
            copies = F.avg_pool2d(copies, 2)
            features = layer(features, copies, code)
            skips.append(features)
        placement = None if self.placement is None else self.placement(features)
        garments = self._garments(seen[2])
        features, flow = self._bent(0, features, garments, placement, None)
        for level, (layer, skip) in enumerate(zip(self.up, reversed(skips[:-1]), strict=True), start=1):
            features, flow = self._bent(level, layer(features, skip), garments, placement, flow)
        if flow is not None:
            flow = placed(placement, doubled(flow))
        if isinstance(self.last, Finish):
            carried = [] if flow is None else [bent(seen[2], flow).to(dtype, memory_format=torch.channels_last)]
            last = self.last(features, torch.cat([*seen, *carried], 1))
        else:
            last = self.last(features)
        return self._composed(last.float().contiguous(), person, wanted, flow, given)

    def _garments(self, wanted: Tensor) -> dict[str, Tensor]:
        """The wanted garment as each level of the warp carries it."""
        height, width = wanted.shape[2:]
        shrunk = {level: 2 ** (len(self.down) - int(level)) for level in self.bend}
        small = [F.interpolate(wanted, size=(height // by, width // by), mode="area") for by in shrunk.values()]
        if self.cut is not None:
            small = [torch.cat(each, 1) for each in zip(small, self.cut(wanted), strict=True)]
        return dict(zip(shrunk, small, strict=True))

    def _bent(
        self, at: int, features: Tensor, garments: dict[str, Tensor], placement: Tensor | None, flow: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        level = str(at)
        if level not in garments:
            return features, None
        if flow is not None:
            flow = doubled(flow)
        elif self.match is not None:
            flow = self.match(features, garments[level])
        else:
            flow = features.new_zeros(len(features), 2, *features.shape[2:]).float()
        return self.bend[level](features, garments[level], placement, flow)

    def _composed(
        self, last: Tensor, person: Tensor, wanted: Tensor, flow: Tensor | None, given: Tensor | None
    ) -> Fitting:
        mask, painted, carried, share = self._masked(last[:, :1], given), last[:, 1:4].tanh(), None, None
        if self.lab:
            painted = colour.from_scaled_lab(painted)
        if flow is not None:
            flow = corrected(flow, last[:, 5:])
            carried, share = finely_bent(wanted, flow), last[:, 4:5].sigmoid()
            painted = share * carried + (1 - share) * painted
        return Fitting(mask * painted + (1 - mask) * person, mask, painted, flow, carried, share, last[:, :1])

    def _masked(self, logits: Tensor, given: Tensor | None) -> Tensor:
        if given is None:
            return logits.sigmoid()
        match self.given_mask:
            case "override":
                return given.float()
            case "prior":
                return (logits + torch.logit(given.float(), 1 - SUREST)).sigmoid()
        raise ValueError("given is a mask, but this network was configured with given_mask 'refused'")


class Discriminator(nn.Module):
    """person, garment: [N, 3, H, W] in [-1, 1] → logits [N, 1, H/16, W/16]: looks real *and* wears the garment.

    At 128×96 and width 64: 6×128×96 → 64×64×48 → 128×32×24 → 256×16×12 → 512×8×6 → a field of classifications,
    each with a receptive field of 61×61 (article: about 63×63).
    """

    def __init__(self, config: CAGANConfig) -> None:
        super().__init__()
        w, k, spectral = config.discriminator_width, config.kernel, config.discriminator_norm == "spectral"
        plan = ((6, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))
        self.down = nn.ModuleList(Down(i, o, k, norm=layer > 0 and not spectral) for layer, (i, o) in enumerate(plan))
        self.last = nn.Conv2d(8 * w, 1, 1)
        self.lab = config.colours == "lab"
        if spectral:
            for layer in (*(each.convolution for each in self.down), self.last):
                spectral_norm(layer)

    def forward(self, person: Tensor, garment: Tensor) -> Tensor:
        seen = [colour.scaled_lab(each) if self.lab else each for each in (person, shrunk(garment, person))]
        features = copies = torch.cat(seen, 1).contiguous(memory_format=torch.channels_last)
        for layer in self.down:
            copies = F.avg_pool2d(copies, 2)
            features = layer(features, copies)
        return self.last(features)


def shrunk(garment: Tensor, person: Tensor) -> Tensor:
    """A garment's picture at the size of the person's, as the convolutions see both."""
    if garment.shape[2:] == person.shape[2:]:
        return garment
    return F.interpolate(garment, size=person.shape[2:], mode="area")


def doubling(inputs: int, outputs: int, upsampling: str, *, last: bool = False) -> nn.Module:
    """A layer that doubles height and width: a 4×4 transposed convolution, or pixels repeated and convolved.

    "smooth" convolves first, by fewer operations than either, and enlarges without a trace of its grid: fine detail is
    the skips'. The last layer, which has none, repeats pixels instead.
    """
    if upsampling == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    if upsampling == "nearest" or last:
        return resize_convolution(inputs, outputs, 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.Upsample(scale_factor=2, mode="bilinear"))
