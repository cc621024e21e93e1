"""The DVBPR authors' data sets: `.npy` files that hold a pickle, written by Python 2.

The array is `[user_train, user_validation, user_test, Item, usernum, itemnum]`: for each user a list of dicts
with `productid`, for each item a dict with `imgs` (JPEG bytes) and, where the set has categories, `c` (the
one-hot category). Keys are bytes or text. See https://github.com/kang205/DVBPR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_nn.datasets.catalogue import Catalogue
from fashion_nn.datasets.problems import OnProblem, ProblemList, fatal
from fashion_nn.datasets.restricted_pickle import PickledArray, RefusedPickle, load_object_array
from fashion_nn.datasets.sources import PictureSource
from fashion_nn.datasets.split import Split, drop_items

_ONLY_CATEGORY = "item"  # of a set without categories


def read_dvbpr(
    path: Path | str, *, categories: Sequence[str] | None = None, on_problem: OnProblem = "skip"
) -> tuple[Catalogue, Split]:
    """Catalogue and the authors' own split. Item and user ids are their numbers in the file.

    The file does not name its categories: `categories` does, in the order of the one-hot vectors ("category
    0" and so on unless given; a set without has the one category "item"). Pictures stay JPEG bytes until they
    are read. Times are not read: timestamps are 0.
    Items without a picture or a one-hot category, unknown items, and items that a user has in two places are
    listed in `problems` and passed by, or refused together under "refuse" (DataError). Raises DataError
    either way where the file is missing, of another shape, or asks for a class that is not plain.
    """
    problems = ProblemList(on_problem)
    contents = _load(Path(path))
    pictures, item_category = _read_items(contents, problems)
    split = _read_split(contents, problems)
    interactions = _interactions(split)
    catalogue = Catalogue(
        item_ids=[str(item) for item in range(contents.n_items)],
        categories=_names(contents, item_category, categories),
        item_category=item_category,
        pictures=pictures,
        user_ids=[str(user) for user in range(contents.n_users)],
        interactions=interactions,
        timestamps=np.zeros(len(interactions), np.int64),
        problems=problems.settle(),
    )
    return drop_items(catalogue, split, np.flatnonzero(item_category < 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Contents:
    path: Path
    train: Any  # user -> list of dicts; mappings or sequences, as are the next three
    validation: Any
    test: Any
    items: Any  # item -> dict
    n_users: int
    n_items: int


def _load(path: Path) -> _Contents:
    try:
        elements = load_object_array(path)
    except OSError as error:
        raise fatal(path, None, error.strerror or str(error)) from error
    except RefusedPickle as error:
        raise fatal(path, None, str(error)) from error
    match elements:
        case [train, validation, test, items, int(n_users), int(n_items)] if n_users >= 0 and n_items > 0:
            tables = (train, validation, test, items)
            if all(isinstance(table, Mapping | list | PickledArray) for table in tables):
                return _Contents(
                    path=path,
                    train=train,
                    validation=validation,
                    test=test,
                    items=items,
                    n_users=n_users,
                    n_items=n_items,
                )
    raise fatal(path, None, "not [user_train, user_validation, user_test, Item, usernum, itemnum]")


def _read_items(contents: _Contents, problems: ProblemList) -> tuple[list[PictureSource], np.ndarray]:
    """A picture and a class for every item; class -1 where the item cannot be used."""
    pictures = []
    classes = np.full(contents.n_items, -1, np.int64)
    for place in range(contents.n_items):
        record = _at(contents.items, place)
        data = _field(record, "imgs")
        data = data.encode("latin1", errors="replace") if isinstance(data, str) else data
        usable = isinstance(data, bytes) and len(data) > 0
        pictures.append(PictureSource(f"Item[{place}]", data if usable else b""))
        one_hot = _field(record, "c")
        category = 0 if one_hot is None else _class_of(one_hot)
        if not usable:
            problems.add(contents.path, None, f"Item[{place}] has no picture")
        elif category is None:
            problems.add(contents.path, None, f"Item[{place}] has no one-hot category")
        else:
            classes[place] = category
    return pictures, classes


def _class_of(one_hot: Any) -> int | None:
    try:
        vector = np.asarray(one_hot, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return None
    (ones,) = np.nonzero(vector)
    return int(ones[0]) if len(ones) == 1 and vector[ones[0]] == 1 else None


def _names(contents: _Contents, classes: np.ndarray, given: Sequence[str] | None) -> list[str]:
    """A name for every class up to the largest; DataError where nothing is usable or names are missing."""
    n_classes = int(classes.max()) + 1
    if n_classes == 0:
        raise fatal(contents.path, None, "no usable item")
    if given is None:
        has_categories = any(_field(_at(contents.items, i), "c") is not None for i in range(contents.n_items))
        return [f"category {k}" for k in range(n_classes)] if has_categories else [_ONLY_CATEGORY]
    if len(given) < n_classes:
        raise fatal(contents.path, None, f"{len(given)} category names for {n_classes} categories")
    return list(given)


def _read_split(contents: _Contents, problems: ProblemList) -> Split:
    train = []
    held_out = np.full((2, contents.n_users), -1, np.int64)  # test, validation
    for user in range(contents.n_users):
        taken: set[int] = set()
        for row, part in enumerate(("test", "validation")):
            for item in list(_items_of(contents, part, user, taken, problems))[:1]:
                held_out[row, user] = item
                taken.add(item)
        train.append(np.unique(np.fromiter(_items_of(contents, "train", user, taken, problems), np.int64)))
    return Split(train=train, validation=held_out[1], test=held_out[0])


def _items_of(contents: _Contents, part: str, user: int, taken: set[int], problems: ProblemList) -> Iterator[int]:
    """The items of one user in one part, but for those `taken` by another."""
    records = _at(getattr(contents, part), user)
    place = f"user_{part}[{user}]"
    if records is not None and not isinstance(records, list | PickledArray):
        problems.add(contents.path, None, f"{place} is no list")
        return
    for record in records or ():
        item = _field(record, "productid")
        if not isinstance(item, int) or not 0 <= item < contents.n_items:
            problems.add(contents.path, None, f"{place}: unknown item {item!r}")
        elif item in taken:
            problems.add(contents.path, None, f"{place}: item {item} is held out of it for this user")
        else:
            yield item


def _interactions(split: Split) -> np.ndarray:
    """int64 [m, 2] of (user, item): what trains, then what is held out, user by user."""
    owned = [
        np.concatenate([items, [later for later in (split.validation[user], split.test[user]) if later >= 0]])
        for user, items in enumerate(split.train)
    ]
    users = np.repeat(np.arange(len(owned)), [len(items) for items in owned])
    items = np.concatenate(owned) if owned else []
    return np.stack([users, np.asarray(items)], axis=1).astype(np.int64)


def _at(table: Any, place: int) -> Any:
    if isinstance(table, Mapping):
        return table.get(place)
    return table[place] if place < len(table) else None


def _field(record: Any, name: str) -> Any:
    """The value under a key that Python 2 wrote as bytes and Python 3 as text; None where there is none."""
    if not isinstance(record, Mapping):
        return None
    return record[name] if name in record else record.get(name.encode())
