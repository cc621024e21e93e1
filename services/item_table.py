"""Items and their looks in arrays that grow: one more item costs one row, however many there are.

Rows of items that went are used again. A large table is searched by cells. Not safe between threads by itself: the
Ranker holds a lock around it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.cells import Cells, Floats, largest

HEADROOM = 1024  # rows beyond what there is, at least
HEADROOM_SHARE = 8  # ... and an eighth of what there is


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One item. look: its vector [L], which is Φ of its picture and whatever else of it is scored."""

    item_id: str
    category: int  # class id
    picture: str  # key in the bucket
    look: Floats


class ItemTable:
    """One row an item. Rows that hold none are not `shown`."""

    def __init__(
        self, *, item_ids: Sequence[str], category: NDArray[np.int64], pictures: Sequence[str], looks: Floats
    ) -> None:
        """looks: [n, L], the other columns of n."""
        n, dimensions = looks.shape
        self._looks = np.empty((_room(n), dimensions), dtype=np.float32)
        self._category = np.zeros(_room(n), dtype=np.int64)
        self._shown = np.zeros(_room(n), dtype=bool)
        self._looks[:n], self._category[:n], self._shown[:n] = looks, category, True
        self.item_ids, self.pictures = list(item_ids), list(pictures)
        self.position = {item_id: at for at, item_id in enumerate(self.item_ids)}
        self._free: list[int] = []
        self.cells: Cells | None = None

    def divide(self, queries: Floats) -> None:
        """From now on search by cells, the number of which follows from queries [m, L] as they will come."""
        categories = np.unique(self.category[self.shown])
        self.cells = Cells(self.looks, queries, [self.category == each for each in categories])

    def best(self, query: Floats, k: int, allowed: NDArray[np.bool_]) -> tuple[list[int], list[float]]:
        """The k of the rows `allowed` [n] with the largest products with a query [L], best first; and the products."""
        looks = self.looks
        if self.cells is not None:
            rows = self.cells.best(query, k, looks, allowed)
            return rows, (looks[rows] @ query).tolist()
        scores = looks @ query
        scores[~allowed] = -np.inf
        rows = largest(scores, min(k, int(np.count_nonzero(allowed))))
        return rows, scores[rows].tolist()

    @property
    def looks(self) -> Floats:
        """Of every row [n, L]; of one that is not shown it means nothing."""
        return self._looks[: len(self.item_ids)]

    @property
    def category(self) -> NDArray[np.int64]:
        """Class ids of every row [n]."""
        return self._category[: len(self.item_ids)]

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Which rows hold an item [n]."""
        return self._shown[: len(self.item_ids)]

    def put(self, entry: Entry) -> None:
        """Add an item, or replace the one of that id."""
        at = self.position.get(entry.item_id)
        if at is None:
            at = self._free.pop() if self._free else self._new_row()
        self._looks[at], self._category[at], self._shown[at] = entry.look, entry.category, True
        self.item_ids[at], self.pictures[at] = entry.item_id, entry.picture
        self.position[entry.item_id] = at
        if self.cells is not None:
            self.cells.put(at, self.looks)

    def drop(self, item_ids: Iterable[str]) -> None:
        """Take items out; one that is not there is fine."""
        for item_id in item_ids:
            at = self.position.pop(item_id, None)
            if at is not None:
                self._shown[at] = False
                self._free.append(at)

    def _new_row(self) -> int:
        at = len(self.item_ids)
        if at == len(self._shown):
            room = _room(at)
            self._looks, self._category, self._shown = (
                np.concatenate([column, np.zeros((room - at, *column.shape[1:]), dtype=column.dtype)])
                for column in (self._looks, self._category, self._shown)
            )
        self.item_ids.append("")
        self.pictures.append("")
        return at


def _room(rows: int) -> int:
    return rows + max(HEADROOM, rows // HEADROOM_SHARE)
