"""Writes an exhibition to a folder: composed pictures to look at alone, answers as JSON, and the page of all."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from demo.exhibits import Board, Exhibition, Fitted, Shown, Strip
from demo.progress import duration
from fashion_nn.pictures import encode, sheet

LARGE = 192  # pixels: the height of a picture in a composed sheet
PAGE = "index.html"


def write_gallery(exhibition: Exhibition, folder: Path) -> Path:
    """Write everything to `folder`, in place of an earlier gallery there; returns the page.

    Raises FileExistsError where the folder holds something that is no gallery.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).exists():
        raise FileExistsError(f"{folder} holds other files; name another folder or empty it")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    Hanging(part).hang(exhibition)
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)
    return folder / PAGE


@dataclass(frozen=True, slots=True)
class Hanging:
    """The folder while it is being filled."""

    folder: Path

    def hang(self, exhibition: Exhibition) -> None:
        """Write the composed pictures, the answers, and the page."""
        for shopper in exhibition.shoppers:
            for board in shopper.boards:
                self.save(board_sheet(board), f"boards/{slug(shopper.name, board.category)}.png")
        for strip in exhibition.strips:
            self.save(strip_sheet(strip), f"strips/{slug(strip.shopper, strip.category)}.png")
        for fitted in (*exhibition.fittings, *exhibition.composed):
            self.save(fitting_sheet(fitted), f"fittings/{slug(fitted.name)}.png")
        for name, answer in exhibition.answers.items():
            self.write(json.dumps(answer, indent=2).encode(), f"answers/{slug(name)}.json")
        self.write(self.page(exhibition).encode(), PAGE)

    def page(self, exhibition: Exhibition) -> str:
        """The page; its single pictures are written while it is put together."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            file=self.picture_file, words=in_words, duration=duration, slug=slug, share=share_of_best
        )
        return environment.get_template("page.html").render(show=exhibition)

    def picture_file(self, image: Image.Image, *name: str) -> str:
        """Save one picture under its name; the path as the page refers to it."""
        return self.save(image, f"pictures/{slug(*name)}.png")

    def save(self, image: Image.Image, name: str) -> str:
        """Save a picture as PNG."""
        return self.write(encode(image, format="PNG"), name)

    def write(self, data: bytes, name: str) -> str:
        """Write one file of the gallery; returns its relative path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name


def board_sheet(board: Board) -> Image.Image:
    """Items on the left, designs on the right, scores beneath."""
    cells = [*board.items, None, *board.designs]
    return sheet(
        [[cell and enlarged(cell.picture) for cell in cells]],
        labels=[[caption(cell) if cell else "" for cell in cells]],
        column_labels=["catalogue", *[""] * len(board.items), "designs", *[""] * (len(board.designs) - 1)],
        gap=10,
        text_size=14,
    )


def strip_sheet(strip: Strip) -> Image.Image:
    """The item, its reconstruction, then the stages, with their scores."""
    cells = [strip.item, *strip.stages]
    return sheet(
        [[enlarged(cell.picture) for cell in cells]],
        labels=[[caption(cell) for cell in cells]],
        gap=10,
        text_size=14,
    )


def fitting_sheet(fitted: Fitted) -> Image.Image:
    """Person, worn, wanted, mask, result, and the truth where it is known."""
    named = {
        "person": fitted.person,
        "worn": fitted.worn,
        "wanted": fitted.wanted,
        "mask": fitted.mask,
        "result": fitted.result,
        "truth": fitted.truth,
    }
    there = {name: picture for name, picture in named.items() if picture is not None}
    return sheet(
        [[enlarged(picture) for picture in there.values()]],
        labels=[list(there)],
        gap=10,
        text_size=14,
    )


def enlarged(picture: Image.Image) -> Image.Image:
    """A small picture, smoothly enlarged to the height of a sheet's row."""
    if picture.height >= LARGE:
        return picture
    size = (round(picture.width * LARGE / picture.height), LARGE)
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def caption(shown: Shown) -> str:
    """Label and score, as written under a picture of a sheet."""
    return shown.label if shown.score is None else f"{shown.label}  {shown.score:.2f}"


def in_words(category: str) -> str:
    """`women-tops` as `women's tops`."""
    who, _, what = category.partition("-")
    return f"{who}'s {what}" if what and who in ("men", "women") else category


def share_of_best(shown: Shown, among: Sequence[Shown]) -> float:
    """Where a score lies between the lowest (0) and the highest (1) of its row."""
    scores = [each.score or 0.0 for each in among]
    low, high = min(scores), max(scores)
    return 1.0 if high == low else ((shown.score or 0.0) - low) / (high - low)


def slug(*parts: Any) -> str:
    """A file name of letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(map(str, parts)).lower()).strip("-")
