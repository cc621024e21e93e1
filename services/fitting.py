"""Painting a garment on a person with one release's CAGAN, and pasting it back into the picture that was sent.

A network that carries the garment's own pixels says of each pixel where it comes from. That holds at any size: so the
garment is taken from its picture at the size of the person's, however small both were to the network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fashion_nn import pictures
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.cagan.serving import Fit, for_serving
from fashion_nn.cagan.warp import places, taken
from fashion_nn.configs import from_json
from fashion_nn.state_files import load_weights
from services.errors import Unexpected, bad_input
from services.release_loader import Release

DOUBT = 13  # of 255: as near to black or white as this, a mask means it. Training keeps it from being sure
CERTAIN = [min(255, max(0, round(255 * (value - DOUBT) / (255 - 2 * DOUBT)))) for value in range(256)]
MOST_TIMES = 16  # larger than the network saw it, at most, is the garment looked at
LARGEST_DETAIL = 1_500_000  # pixels of a person up to which the garment is laid on in full
MARGIN = 3  # pixels

Box = tuple[int, int, int, int]  # left, upper, right, lower


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the generator sees: each [3, H, W] in [-1, 1]; where to paint [1, H, W] in [0, 1], if somebody says.

    wanted: `detail` times as large. group: of the wanted garment, its place among the config's.
    """

    person: Tensor
    worn: Tensor
    wanted: Tensor
    mask: Tensor | None = None
    group: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """What it gives: painted [3, H, W] in [-1, 1], mask [1, H, W] in [0, 1].

    Where the garment's own pixels are carried: places [2, H, W] in its picture, and share [1, H, W] in [0, 1] of them.
    """

    painted: Tensor
    mask: Tensor
    places: Tensor | None = None
    share: Tensor | None = None
    carried: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitter:
    """The try-on generator of one release."""

    release: Release
    generator: Fit
    config: CAGANConfig
    device: torch.device

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the generator paints at, in pixels."""
        return self.config.height, self.config.width

    def seen(self, image: Image.Image) -> Tensor:
        """A picture as the generator sees it: letterboxed on white to its size, [3, H, W] in [-1, 1]."""
        return boxed(image, *self.size)

    def wanted(self, image: Image.Image) -> Tensor:
        """A garment that is to be put on, as the generator sees it: the same, `detail` times as large."""
        return boxed(image, *(self.config.detail * side for side in self.size))

    def worn(self, image: Image.Image | None) -> Tensor:
        """The worn garment, or the blank white that the generator learnt for one that is not known.

        Raises BadInput where it has learnt no such thing.
        """
        if image is not None:
            return self.seen(image)
        if not self.config.worn_dropout:
            raise bad_input("worn", None, "given, since this release was not trained to do without it")
        return torch.ones(3, *self.size)

    def place(self, image: Image.Image) -> Tensor:
        """Where a mask that was sent, white on black, says to paint: [1, H, W] in [0, 1].

        Raises BadInput where the release's network takes no mask.
        """
        if self.config.given_mask == "refused":
            raise bad_input("mask", "given", "left out, since this release's network finds its own")
        height, width = self.size
        mask = pictures.letterbox(image.convert("L"), height=height, width=width, background=0)
        return torch.from_numpy(pictures.to_pixels(mask)).float() / 255

    def group(self, name: str | None, category: str | None) -> int:
        """The place of a group of garments among those that the network tells apart: the one named, or the category's.

        Raises BadInput for another one, and where neither says though there are several.
        """
        known = self.config.groups
        name = name or (None if category is None else self.release.fits[category])
        if name in known:
            return known.index(name)
        if name is None and len(known) < 2:
            return 0
        raise bad_input("group", name, f"one of {', '.join(known)}" if known else "left out: there is but one")

    def paint(self, jobs: Sequence[Job]) -> list[Painted | Unexpected]:
        """All jobs in one pass, those with a mask in one of their own; one that does not stay finite fails alone."""
        found: dict[int, Painted | Unexpected] = {}
        for given in (False, True):
            mine = [at for at, job in enumerate(jobs) if (job.mask is not None) == given]
            if mine:
                found |= zip(mine, self._painted([jobs[at] for at in mine]), strict=True)
        return [found[at] for at in range(len(jobs))]

    @torch.inference_mode()
    def _painted(self, jobs: Sequence[Job]) -> list[Painted | Unexpected]:
        """Jobs of which all have a mask, or none."""

        def together(name: str) -> Tensor:
            return torch.stack([getattr(job, name) for job in jobs]).to(self.device)

        given = None if jobs[0].mask is None else together("mask")
        group = torch.tensor([job.group for job in jobs], device=self.device)
        pictures_seen = (together(name) for name in ("person", "worn", "wanted"))
        fitting = self.generator(*pictures_seen, group=group, given=given)
        columns = {"painted": fitting.painted, "mask": fitting.mask}
        if fitting.flow is not None:
            columns |= {"places": places(fitting.flow), "share": fitting.share, "carried": fitting.carried}
        rows = zip(*(column.cpu() for column in columns.values()), strict=True)
        return [
            Painted(**dict(zip(columns, row, strict=True)))
            if all(part.isfinite().all() for part in row)
            else Unexpected("the fitting did not stay finite")
            for row in rows
        ]

    def probe(self) -> None:
        """One forward pass. Raises RuntimeError where it does not stay finite."""
        blank = Image.new("RGB", self.size[::-1], pictures.WHITE)
        (painted,) = self.paint([Job(person=self.seen(blank), worn=self.worn(blank), wanted=self.wanted(blank))])
        if isinstance(painted, Unexpected):
            raise RuntimeError(f"release {self.release.id}: {painted}")


def boxed(image: Image.Image, height: int, width: int) -> Tensor:
    """A picture letterboxed on white: [3, height, width] in [-1, 1]."""
    return pictures.normalise(pictures.to_pixels(pictures.letterbox(image, height=height, width=width)))


def paste(person: Image.Image, painted: Painted, garment: Image.Image | None = None) -> tuple[Image.Image, Image.Image]:
    """The person's own picture with the painted part laid over it, and the mask, both of the picture's size.

    The same x = α·x̃ + (1 - α)·x_i as in the network, but with x_i at its full resolution: where the mask is as good
    as black, every pixel is the one that was sent. So is what was carried of the garment, if its picture comes along.
    """
    height, width = painted.mask.shape[1:]
    box = letterboxed(person.size, height=height, width=width)
    mask = pictures.mask_to_image(painted.mask).crop(box).resize(person.size, Image.Resampling.BILINEAR)
    mask = mask.point(CERTAIN)
    part = mask.getbbox()
    if part is None:
        return person, mask
    if garment is None or painted.places is None:
        paint = enlarged(pictures.to_image(painted.painted).crop(box), person.size, part, Image.Resampling.BICUBIC)
    else:
        paint = in_detail(painted, garment, box, person.size, part)
    fitted = person.copy()
    fitted.paste(paint, part, mask.crop(part))
    return fitted, mask


@torch.inference_mode()
def in_detail(painted: Painted, garment: Image.Image, box: Box, size: tuple[int, int], part: Box) -> Image.Image:
    """The `part` of what was painted inside of `box`, at (width, height) `size`: the garment from its own picture.

    The garment is seen as the network saw it, letterboxed, but larger; what else is painted is enlarged.
    """
    left, upper, right, lower = box
    shrunk = min(1.0, math.sqrt(LARGEST_DETAIL / (size[0] * size[1])))
    width, height = (max(1, round(side * shrunk)) for side in size)
    exact = scaled(part, width / size[0], height / size[1])
    near = around(exact, width, height)

    def near_by(column: Tensor, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Tensor:
        planes = [Image.fromarray(plane.numpy()) for plane in column[:, upper:lower, left:right].contiguous()]
        found = np.empty((len(planes), near[3] - near[1], near[2] - near[0]), np.float32)
        for row, plane in zip(found, planes, strict=True):
            row[:] = enlarged(plane, (width, height), near, resampling)
        return torch.from_numpy(found)

    times = max(1, min(MOST_TIMES, round(height / (lower - upper))))
    seen = boxed(garment, *(times * side for side in painted.mask.shape[1:]))
    detailed = near_by(painted.painted - painted.share * painted.carried, Image.Resampling.BICUBIC)
    detailed.addcmul_(near_by(painted.share), taken(seen[None], near_by(painted.places)[None])[0])
    within = tuple(side - origin for side, origin in zip(exact, near[:2] * 2, strict=True))
    return pictures.to_image(detailed).resize(extent(part), Image.Resampling.BICUBIC, box=within)


def enlarged(picture: Image.Image, size: tuple[int, int], part: Box, resampling: Image.Resampling) -> Image.Image:
    """The `part` of a picture that is resized to (width, height) `size`, and nothing of the rest."""
    seen = scaled(part, picture.width / size[0], picture.height / size[1])
    return picture.resize(extent(part), resampling, box=seen)


def scaled(part: Box, across: float, down: float) -> tuple[float, float, float, float]:
    """Where a part of a picture is in the same one of another size."""
    left, upper, right, lower = part
    return left * across, upper * down, right * across, lower * down


def around(part: tuple[float, float, float, float], width: int, height: int) -> Box:
    """The whole pixels of a part of a picture, and those that its resampling looks at beside it."""
    left, upper, right, lower = part
    return (
        max(0, math.floor(left) - MARGIN),
        max(0, math.floor(upper) - MARGIN),
        min(width, math.ceil(right) + MARGIN),
        min(height, math.ceil(lower) + MARGIN),
    )


def extent(part: Box) -> tuple[int, int]:
    """Width and height."""
    return part[2] - part[0], part[3] - part[1]


def letterboxed(size: tuple[int, int], *, height: int, width: int) -> Box:
    """Where `pictures.letterbox` puts a picture of (width, height) `size`: left, upper, right, lower."""
    scale = min(width / size[0], height / size[1])
    inner = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    left, upper = (width - inner[0]) // 2, (height - inner[1]) // 2
    return left, upper, left + inner[0], upper + inner[1]


def load_fitter(release: Release, device: torch.device) -> Fitter:
    """The averaged generator of a release."""
    config = from_json(CAGANConfig, release.manifest["configs"]["cagan"])
    generator = Generator(config)
    load_weights(release.folder / "cagan.safetensors", generator)
    return Fitter(release=release, generator=for_serving(generator, config, device), config=config, device=device)
