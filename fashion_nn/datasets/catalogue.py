"""A catalogue with its shoppers' purchases, and the reader of its folder layout.

items.csv          item_id,category,image      image is a path relative to the folder
interactions.csv   user_id,item_id,timestamp   optional
images/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_nn.datasets.problems import OnProblem, Problem, ProblemList, fatal
from fashion_nn.datasets.rows import csv_rows
from fashion_nn.datasets.sources import NoPicture, PictureSource, find_picture

_LONGEST = np.iinfo(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Catalogue:
    """n items in categories, and m interactions of shoppers with them.

    Every category has an item and every user an interaction; a user may have bought an item twice.
    """

    item_ids: list[str]
    categories: list[str]
    item_category: np.ndarray  # int64 [n], indices into `categories`
    pictures: list[PictureSource]
    user_ids: list[str]
    interactions: np.ndarray  # int64 [m, 2]: user, item
    timestamps: np.ndarray  # int64 [m], larger is later
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def without(self, items: Sequence[int] | np.ndarray) -> Catalogue:
        """This catalogue as if `items` had not been listed, for pictures that turned out not to decode."""
        kept = np.setdiff1d(np.arange(len(self)), np.asarray(items, dtype=np.int64))
        present = np.isin(self.interactions[:, 1], kept)
        users, user_places = np.unique(self.interactions[present, 0], return_inverse=True)
        classes, class_places = np.unique(self.item_category[kept], return_inverse=True)
        item_places = np.searchsorted(kept, self.interactions[present, 1])
        return Catalogue(
            item_ids=[self.item_ids[i] for i in kept],
            categories=[self.categories[c] for c in classes],
            item_category=class_places.astype(np.int64),
            pictures=[self.pictures[i] for i in kept],
            user_ids=[self.user_ids[u] for u in users],
            interactions=np.stack([user_places, item_places], axis=1).astype(np.int64),
            timestamps=self.timestamps[present],
            problems=self.problems,
        )


def read_catalogue(folder: Path | str, *, on_problem: OnProblem = "skip") -> Catalogue:
    """Reads the layout above. Pictures must exist; they are not decoded here. Categories come out sorted,
    items in the order of their file, users in the order of their first interaction.

    Malformed rows, ids given twice, missing pictures, pictures outside of the folder and unknown items in the
    interactions are listed in `problems` and passed by, or refused together under "refuse" (DataError).
    Raises DataError either way where items.csv, a header or every single item is missing.
    """
    folder = Path(folder)
    problems = ProblemList(on_problem)
    rows = _read_items(folder, problems)
    if not rows:
        raise fatal(folder / "items.csv", None, _nothing_left(problems))
    item_ids = list(rows)
    names, pictures = zip(*rows.values(), strict=True)
    categories, item_category = np.unique(names, return_inverse=True)
    user_ids, interactions, timestamps = _read_interactions(folder, item_ids, problems)
    return Catalogue(
        item_ids=item_ids,
        categories=categories.tolist(),
        item_category=item_category.astype(np.int64),
        pictures=list(pictures),
        user_ids=user_ids,
        interactions=interactions,
        timestamps=timestamps,
        problems=problems.settle(),
    )


def _read_items(folder: Path, problems: ProblemList) -> dict[str, tuple[str, PictureSource]]:
    """item_id -> (category, picture), in the order of the file."""
    path = folder / "items.csv"
    rows: dict[str, tuple[str, PictureSource]] = {}
    for line, (item_id, category, image) in csv_rows(path, ("item_id", "category", "image"), problems):
        if not item_id or not category:
            problems.add(path, line, "no item_id" if not item_id else "no category")
        elif item_id in rows:
            problems.add(path, line, f"item {item_id!r} is listed twice; the first stays")
        else:
            try:
                rows[item_id] = (category, find_picture(folder, image))
            except NoPicture as error:
                problems.add(path, line, str(error))
    return rows


def _read_interactions(
    folder: Path, item_ids: list[str], problems: ProblemList
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """user_ids, int64 [m, 2] of (user, item), int64 [m] timestamps; all empty where there is no file."""
    path = folder / "interactions.csv"
    items = {item_id: place for place, item_id in enumerate(item_ids)}
    users: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    times: list[int] = []
    rows = csv_rows(path, ("user_id", "item_id", "timestamp"), problems) if path.exists() else ()
    for line, (user_id, item_id, timestamp) in rows:
        when = _timestamp(timestamp)
        if not user_id:
            problems.add(path, line, "no user_id")
        elif item_id not in items:
            problems.add(path, line, f"unknown item {item_id!r}")
        elif when is None:
            problems.add(path, line, f"timestamp {timestamp!r} is not a whole number")
        else:
            pairs.append((users.setdefault(user_id, len(users)), items[item_id]))
            times.append(when)
    return list(users), np.array(pairs, np.int64).reshape(-1, 2), np.array(times, np.int64)


def _timestamp(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if _LONGEST.min <= value <= _LONGEST.max else None


def _nothing_left(problems: ProblemList) -> str:
    first = f"; the first problem: {problems.found[0]}" if problems.found else ""
    return f"no usable item{first}"
