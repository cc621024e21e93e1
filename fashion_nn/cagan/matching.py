"""Where in its picture is the part of the garment that is worn here? Looked up, instead of felt for.

A garment's picture and its person are not aligned, so that a flow of convolutions alone has to be carried from pixel to
pixel. Here each place of the person is compared with every place of the garment (attention: Vaswani et al., 2017), and
is taken from the mean of those that are like it (Xu et al., *GMFlow*, CVPR 2022). What "like" means is learnt: the same
place of a body, of which one side sees the pose and the other the cut.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fashion_nn.cagan.layers import InstanceNorm
from fashion_nn.cagan.warp import places

COMPARED = 32  # numbers by which two places are compared
SHARP = 2.0  # logarithm of how much likeness counts, at the start


class Residual(nn.Module):
    """Two convolutions that add to features [N, channels, h, w]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        convolution = [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)]
        self.added = nn.Sequential(convolution[0], InstanceNorm(), nn.ReLU(), convolution[1], InstanceNorm())

    def forward(self, features: Tensor) -> Tensor:
        return F.relu_(features + self.added(features))


class Cut(nn.Module):
    """A garment's picture [N, 3, H, W] → what there is of it [N, 2·width, H/4, W/4] and [N, width, H/2, W/2]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), InstanceNorm(), nn.ReLU(), Residual(o))
            for i, o in ((3 + 2, width), (width, 2 * width))  # colours and places; then what was found
        )

    def forward(self, garment: Tensor) -> tuple[Tensor, Tensor]:
        half = self.first(_with_places(garment))
        return self.second(half), half


class Match(nn.Module):
    """Features of a person [N, person, h, w] and of a garment [N, garment, a, b] → a flow [N, 2, h, w], float32."""

    def __init__(self, person: int, garment: int) -> None:
        super().__init__()
        self.person, self.garment = _told(person), _told(garment)
        self.sharp = nn.Parameter(torch.tensor(SHARP))

    def forward(self, person: Tensor, garment: Tensor) -> Tensor:
        asked = F.normalize(self.person(_with_places(person)).float().flatten(2), dim=1)
        known = F.normalize(self.garment(_with_places(garment)).float().flatten(2), dim=1)
        with torch.autocast(person.device.type, enabled=False):  # bfloat16 has eight bits for a place
            alike = torch.softmax(self.sharp.float().exp() * asked.mT @ known, dim=2)
            found = _here(garment).flatten(2) @ alike.mT
        here = _here(person)
        return found.reshape(here.shape) - here


def _with_places(features: Tensor) -> Tensor:
    """Features [N, C, h, w], joined by where each of them is: [N, C + 2, h, w]."""
    here = _here(features).to(features.dtype, memory_format=torch.channels_last)
    return torch.cat([features, here], 1)


def _here(features: Tensor) -> Tensor:
    """The place of each feature [N, 2, h, w], across and down, -1 and 1 at the borders: float32."""
    height, width = features.shape[2:]
    return places(torch.zeros(len(features), 2, height, width, device=features.device))


def _told(features: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(features + 2, 2 * COMPARED, 3, padding=1), nn.ReLU(), nn.Conv2d(2 * COMPARED, COMPARED, 1)
    )
