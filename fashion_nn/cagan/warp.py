"""Appearance flow: the wanted garment's own pixels, carried to where they belong on the person.

A network that paints every pixel anew loses fine texture, the article's stated weak point. A garment's stripes are in
its picture already: what is to be learnt is where each pixel of the result comes from (Zhou et al., *View synthesis by
appearance flow*, 2016). The flow is found from coarse to fine along the generator's way up, each level correcting what
the level before it saw, so that no level has to look far.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PLACED = 0.02  # of the picture: what all features see at once moves it in small steps
LEAST = 0.2  # pixels from one pixel to the next: closer, a garment is being folded


class Placement(nn.Module):
    """The smallest features [N, channels, h, w], seen all at once → where the garment is as a whole.

    [N, 2, 3]: an affine map from where a pixel is to how far from there it is taken.
    """

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(channels * height * width, 6)

    def forward(self, features: Tensor) -> Tensor:
        return PLACED * self.map(features.flatten(1)).float().reshape(-1, 2, 3)


class Bend(nn.Module):
    """One level: a flow [N, 2, h, w], corrected by features [N, channels, h, w].

    Gives the features joined by the garment [N, garment, h, w] as it was placed [N, 2, 3] and bent so far, and the
    flow, which comes on top of the placement.
    """

    def __init__(self, channels: int, garment: int) -> None:
        super().__init__()
        self.correction = nn.Conv2d(channels + garment, 2, 3, padding=1)

    def forward(
        self, features: Tensor, garment: Tensor, placement: Tensor | None, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        carried = bent(garment, placed(placement, flow)).to(features.dtype, memory_format=torch.channels_last)
        features = torch.cat([features, carried], 1)
        return features, corrected(flow, self.correction(features))


def placed(placement: Tensor | None, flow: Tensor) -> Tensor:
    """A flow [N, 2, h, w] on top of a placement [N, 2, 3], if there is one."""
    if placement is None:
        return flow
    here = places(torch.zeros_like(flow))
    across, down = (placement[:, :, at, None, None] * here[:, at : at + 1] for at in (0, 1))
    return flow + across + down + placement[:, :, 2, None, None]


def doubled(flow: Tensor) -> Tensor:
    """A flow at twice the resolution."""
    return F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)


def corrected(flow: Tensor, pixels: Tensor) -> Tensor:
    """A flow moved by `pixels` [N, 2, h, w] of its own resolution, across and down."""
    height, width = flow.shape[2:]
    across, down = pixels.float().unbind(1)
    return flow + torch.stack([across * (2 / width), down * (2 / height)], 1)


def bent(picture: Tensor, flow: Tensor) -> Tensor:
    """[N, C, h, w] whose every pixel is taken from `flow` [N, 2, h, w] away (1: half the picture): float32.

    Beyond the border the border goes on.
    """
    return taken(picture, places(flow))


def finely_bent(garment: Tensor, flow: Tensor) -> Tensor:
    """A garment's picture [N, C, kh, kw] bent by a flow [N, 2, h, w]: [N, C, h, w], float32.

    Each pixel is the mean of k×k, each taken from its own place: what is k times as fine loses nothing to being moved.
    """
    times = garment.shape[2] // flow.shape[2]
    if times == 1:
        return bent(garment, flow)
    fine = F.interpolate(flow, scale_factor=times, mode="bilinear", align_corners=False)
    return F.avg_pool2d(bent(garment, fine), times)


def places(flow: Tensor) -> Tensor:
    """Where a flow takes each pixel from: [N, 2, h, w], across and down, -1 and 1 at the picture's borders."""
    height, width = flow.shape[2:]
    down = (torch.arange(height, device=flow.device) + 0.5) * (2 / height) - 1
    across = (torch.arange(width, device=flow.device) + 0.5) * (2 / width) - 1
    return torch.stack([across.expand(height, -1), down[:, None].expand(-1, width)]) + flow


def taken(picture: Tensor, where: Tensor) -> Tensor:
    """The colours of `picture` [N, C, H, W] at `where` [N, 2, h, w]: [N, C, h, w], float32."""
    return F.grid_sample(picture.float(), where.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


def roughness(flow: Tensor) -> Tensor:
    """How far neighbouring pixels are from moving along a straight line, in pixels: 0 for any affine flow."""
    height, width = flow.shape[2:]
    pixels = torch.stack([flow[:, 0] * (width / 2), flow[:, 1] * (height / 2)], 1)
    across = pixels[..., 2:] - 2 * pixels[..., 1:-1] + pixels[..., :-2]
    down = pixels[..., 2:, :] - 2 * pixels[..., 1:-1, :] + pixels[..., :-2, :]
    return across.abs().mean() + down.abs().mean()


def folding(flow: Tensor) -> Tensor:
    """How far neighbouring pixels are from keeping their order: 0 where nothing is mirrored or pressed together.

    Stripes and checks look alike at many places, and a flow that has turned back on itself finds them all.
    """
    where = places(flow)
    height, width = flow.shape[2:]
    across = (where[:, 0, :, 1:] - where[:, 0, :, :-1]) * (width / 2)
    down = (where[:, 1, 1:] - where[:, 1, :-1]) * (height / 2)
    return F.relu(LEAST - across).mean() + F.relu(LEAST - down).mean()
