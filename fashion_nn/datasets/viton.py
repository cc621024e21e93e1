"""Pairs of a person picture and the garment worn on it, in the layout of VITON.

{part}_pairs.txt             "person garment" a line: two file names
{part}/image/                persons
{part}/cloth/                garments
{part}/image-mask/           optional: where the garment is on the person, to measure and to learn by
{part}/truth/                optional: persons again, in a garment of another pair
{part}_truth.csv             optional: person,wanted,truth; file names in image/, cloth/ and truth/
{part}/origins/              optional: of each pixel of a truth, where it comes from in the wanted garment's picture
{part}_labels.csv            optional: name,group,label; name is the person's file name without its ending
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from fashion_nn.datasets.problems import OnProblem, Problem, ProblemList, fatal
from fashion_nn.datasets.rows import csv_rows, headless_csv_rows, text_lines
from fashion_nn.datasets.sources import NoPicture, PictureSource, find_picture

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True)
class Truth:
    """How a person really looks in another garment.

    origins: red and green are places across and down the garment's picture, from border to border; blue is 255 where
    the garment is seen, and only there they count. Named as the truth is, and of the same proportions as all three.
    """

    wanted: PictureSource
    picture: PictureSource
    origins: PictureSource | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pairs:
    """Parallel lists, one entry a pair."""

    names: list[str]  # the persons' file names without their endings
    persons: list[PictureSource]
    garments: list[PictureSource]
    masks: list[PictureSource | None]  # None where there is no mask
    truths: list[Truth | None]  # None where nobody knows
    groups: list[str] | None  # None without a labels file; "" for a pair that it leaves out
    labels: list[str] | None
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def without(self, pairs: Sequence[int] | np.ndarray) -> Pairs:
        """These pairs but for those at the given places, for pictures that turned out not to decode."""
        dropped = {int(place) for place in pairs}

        def rest(values: list) -> list:
            return [value for place, value in enumerate(values) if place not in dropped]

        return Pairs(
            names=rest(self.names),
            persons=rest(self.persons),
            garments=rest(self.garments),
            masks=rest(self.masks),
            truths=rest(self.truths),
            groups=None if self.groups is None else rest(self.groups),
            labels=None if self.labels is None else rest(self.labels),
            problems=self.problems,
        )


def read_pairs(folder: Path | str, *, part: str = "train", on_problem: OnProblem = "skip") -> Pairs:
    """Reads one part of the layout above. Pictures must exist; they are not decoded here.

    Malformed lines, pairs given twice, missing pictures and pictures outside of the folder are listed in
    `problems` and passed by, or refused together under "refuse" (DataError). A pair that lacks only its mask,
    its truth or its label is listed too, and stays. Raises DataError either way where the pairs file or every single
    pair is missing.
    """
    folder = Path(folder)
    problems = ProblemList(on_problem)
    listed = _read_pair_names(folder / f"{part}_pairs.txt", problems)
    found = _find_pictures(folder, part, listed, problems)
    if not found:
        reason = f"no usable pair; the first problem: {problems.found[0]}" if problems.found else "no pair"
        raise fatal(folder / f"{part}_pairs.txt", None, reason)
    names = [_stem(person.name) for person, _, _ in found]
    described = _read_labels(folder / f"{part}_labels.csv", {_stem(p) for p, _ in listed}, problems)
    truths = _read_truths(folder, part, {_stem(p) for p, _ in listed}, problems)
    return Pairs(
        names=names,
        persons=[person for person, _, _ in found],
        garments=[garment for _, garment, _ in found],
        masks=[mask for _, _, mask in found],
        truths=[truths.get(name) for name in names],
        groups=None if described is None else [described.get(name, ("", ""))[0] for name in names],
        labels=None if described is None else [described.get(name, ("", ""))[1] for name in names],
        problems=problems.settle(),
    )


def _read_pair_names(path: Path, problems: ProblemList) -> dict[tuple[str, str], int]:
    """(person, garment) -> line, in the order of the file."""
    listed: dict[tuple[str, str], int] = {}
    for line, text in text_lines(path, problems):
        match text.split():
            case [person, garment] if (person, garment) in listed:
                first = listed[person, garment]
                problems.add(path, line, f"the pair {person} {garment} stands on line {first} already")
            case [person, garment]:
                listed[person, garment] = line
            case words:
                problems.add(path, line, f"{len(words)} names instead of a person and a garment")
    return listed


def _find_pictures(
    folder: Path, part: str, listed: dict[tuple[str, str], int], problems: ProblemList
) -> list[tuple[PictureSource, PictureSource, PictureSource | None]]:
    path, base = folder / f"{part}_pairs.txt", folder / part
    masks = base / "image-mask"
    has_masks = masks.is_dir()
    found = []
    for (person, garment), line in listed.items():
        try:
            pair = find_picture(base / "image", person), find_picture(base / "cloth", garment)
        except NoPicture as error:
            problems.add(path, line, str(error))
            continue
        mask = _find_beside(masks, person) if has_masks else None
        if has_masks and mask is None:
            problems.add(path, line, f"no mask for {person} in {masks}; the pair stays without one")
        found.append((*pair, mask))
    return found


def _find_beside(folder: Path, picture: str) -> PictureSource | None:
    """What is called as a picture is, whatever its ending."""
    stem = PurePosixPath(picture).with_suffix("")
    for name in (picture, *(f"{stem}{ending}" for ending in _ENDINGS)):
        try:
            return find_picture(folder, name)
        except NoPicture:
            continue
    return None


def _read_labels(path: Path, names: set[str], problems: ProblemList) -> dict[str, tuple[str, str]] | None:
    """name -> (group, label); None where there is no such file."""
    if not path.exists():
        return None
    described: dict[str, tuple[str, str]] = {}
    for line, (name, group, label) in headless_csv_rows(path, ("name", "group", "label"), problems):
        if name not in names:
            problems.add(path, line, f"no pair is called {name!r}")
        elif name in described:
            problems.add(path, line, f"{name!r} is labelled twice; the first label stays")
        else:
            described[name] = (group, label)
    for name in sorted(names - described.keys()):
        problems.add(path, None, f"no label for {name!r}; the pair stays without one")
    return described


def _read_truths(folder: Path, part: str, names: set[str], problems: ProblemList) -> dict[str, Truth]:
    """name -> truth; none where there is no such file."""
    path, base = folder / f"{part}_truth.csv", folder / part
    truths: dict[str, Truth] = {}
    if not path.exists():
        return truths
    for line, (person, wanted, truth) in csv_rows(path, ("person", "wanted", "truth"), problems):
        if (name := _stem(person)) not in names:
            problems.add(path, line, f"no pair is called {name!r}")
        elif name in truths:
            problems.add(path, line, f"{name!r} has a truth already; the first one stays")
        else:
            try:
                garment, picture = find_picture(base / "cloth", wanted), find_picture(base / "truth", truth)
                truths[name] = Truth(garment, picture, _find_beside(base / "origins", truth))
            except NoPicture as error:
                problems.add(path, line, str(error))
    return truths


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
