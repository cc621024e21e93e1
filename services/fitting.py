"""Painting a garment on a person with one release's CAGAN, and pasting it back into the picture that was sent."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from fashion_nn import pictures
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.configs import from_json
from fashion_nn.state_files import load_weights
from services.errors import Unexpected, bad_input
from services.release_loader import Release

FAINTEST = 5  # of 255: a mask below this is nothing, so that what is not painted on stays as it was sent


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the generator sees: each [3, H, W] in [-1, 1]."""

    person: Tensor
    worn: Tensor
    wanted: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """What it gives: painted [3, H, W] in [-1, 1], mask [1, H, W] in [0, 1]."""

    painted: Tensor
    mask: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitter:
    """The try-on generator of one release."""

    release: Release
    generator: Generator
    config: CAGANConfig
    device: torch.device

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the generator paints at, in pixels."""
        return self.config.height, self.config.width

    def seen(self, image: Image.Image) -> Tensor:
        """A picture as the generator sees it: letterboxed on white to its size, [3, H, W] in [-1, 1]."""
        boxed = pictures.letterbox(image, height=self.config.height, width=self.config.width)
        return pictures.normalise(pictures.to_pixels(boxed))

    def worn(self, image: Image.Image | None) -> Tensor:
        """The worn garment, or the blank white that the generator learnt for one that is not known.

        Raises BadInput where it has learnt no such thing.
        """
        if image is not None:
            return self.seen(image)
        if not self.config.worn_dropout:
            raise bad_input("worn", None, "given, since this release was not trained to do without it")
        return torch.ones(3, *self.size)

    @torch.inference_mode()
    def paint(self, jobs: Sequence[Job]) -> list[Painted | Unexpected]:
        """All jobs in one pass; one that does not stay finite fails alone."""
        persons, worn, wanted = (
            torch.stack([getattr(job, name) for job in jobs]).to(self.device) for name in ("person", "worn", "wanted")
        )
        fitting = self.generator(persons, worn, wanted)
        return [
            Painted(painted=painted, mask=mask)
            if painted.isfinite().all() and mask.isfinite().all()
            else Unexpected("the fitting did not stay finite")
            for painted, mask in zip(fitting.painted.cpu(), fitting.mask.cpu(), strict=True)
        ]

    def probe(self) -> None:
        """One forward pass. Raises RuntimeError where it does not stay finite."""
        blank = torch.ones(3, *self.size)
        (painted,) = self.paint([Job(person=blank, worn=blank, wanted=blank)])
        if isinstance(painted, Unexpected):
            raise RuntimeError(f"release {self.release.id}: {painted}")


def paste(person: Image.Image, painted: Painted) -> tuple[Image.Image, Image.Image]:
    """The person's own picture with the painted part laid over it, and the mask, both of the picture's size.

    The same x = α·x̃ + (1 - α)·x_i as in the network, but with x_i at its full resolution: where the mask is
    black, every pixel is the one that was sent.
    """
    height, width = painted.mask.shape[1:]
    box = letterboxed(person.size, height=height, width=width)
    paint = pictures.to_image(painted.painted).crop(box).resize(person.size, Image.Resampling.BICUBIC)
    mask = pictures.mask_to_image(painted.mask).crop(box).resize(person.size, Image.Resampling.BILINEAR)
    mask = mask.point([0] * FAINTEST + list(range(FAINTEST, 256)))
    return Image.composite(paint, person, mask), mask


def letterboxed(size: tuple[int, int], *, height: int, width: int) -> tuple[int, int, int, int]:
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
    return Fitter(
        release=release,
        generator=generator.to(device).eval().requires_grad_(False),
        config=config,
        device=device,
    )
