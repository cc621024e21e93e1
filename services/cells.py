"""Maximum inner product search over many rows that change: the rows of near cells instead of all.

Rows lie in inverted lists by their nearest centroid (Sivic & Zisserman, ICCV 2003; Jégou et al., PAMI 2011), with
8 bits a number; faiss keeps and searches them. A row that has changed since lies in a small buffer that is searched
whole, until it is filed again. What is found is scored exactly.
"""

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from fashion_nn import checks

Floats = NDArray[np.float32]
CELLS = 4  # times the square root of the number of rows
TRAINING_ROWS = 64  # a cell, by which the centroids are found
FRESH = 1024  # changed rows that are searched whole before they are filed
NEARLY_ALL = 0.9  # of the rows: what is allowed then counts as all
WORTH = 4  # times fewer cells than there are, or else all allowed rows are looked at
MORE = 2  # candidates for every row that is wanted
LEAST = 20_000  # allowed rows below which all of them are looked at
K = 100  # of the recall that is measured
SURE = 2.0  # standard errors of it above what is wanted, for other queries to have that, too


class Cells:
    """Rows of an array [n, D] that its owner holds, changes and lets grow; row numbers are its positions.

    recall: of the best K rows, measured when it was made, the least of all filters. Where LEAST rows
    or fewer are allowed, it is 1.
    """

    def __init__(
        self,
        rows: Floats,
        queries: Floats,
        filters: Iterable[NDArray[np.bool_]] = (),
        *,
        recall: float = 0.95,
        seed: int = 0,
    ) -> None:
        """queries [m, D] and filters [n] as they will come: by them it is chosen how many cells are searched."""
        checks.at_least("rows", len(rows), K)
        checks.at_least("queries", len(queries), 1)
        checks.within("recall", recall, 0.0, 1.0)
        n, dimensions = rows.shape
        cells = max(1, min(n // TRAINING_ROWS, 2 ** round(math.log2(CELLS * math.sqrt(n)))))
        self._lists = faiss.index_factory(dimensions, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(seed).permutation(n)[: cells * TRAINING_ROWS]
        self._lists.train(rows[np.sort(sample)])
        self._lists.add(rows)
        self._filed = n  # rows below this number have been in a list
        self._fresh: set[int] = set()
        self.cells = cells
        many = [allowed for allowed in filters if np.count_nonzero(allowed) > LEAST]
        self._reached = self._tuned(rows, queries, [np.ones(n, dtype=bool), *many], recall)
        self.recall = min(reached.recall for reached in self._reached)

    def probes(self, share: float) -> int:
        """How many cells are searched where a share of the rows is allowed."""
        if share >= NEARLY_ALL:
            return self._reached[0].probes
        as_many_met = (each.probes * max(1.0, each.share / max(share, 1e-9)) for each in self._reached)
        return math.ceil(min(self.cells, max(as_many_met)))

    def put(self, at: int, rows: Floats) -> None:
        """Row `at` of the array has another value, or is new."""
        self._fresh.add(at)
        if len(self._fresh) >= FRESH:
            self._file(rows)

    def best(self, query: Floats, k: int, rows: Floats, allowed: NDArray[np.bool_]) -> list[int]:
        """The k rows of [n, D] with the largest products among those `allowed` [n], the largest first."""
        count = int(np.count_nonzero(allowed))
        probes = self.probes(count / len(rows))
        if count <= LEAST or probes >= self.cells / WORTH:
            candidates = np.flatnonzero(allowed)
        else:
            candidates = self._candidates(query, MORE * k, probes, allowed)
            if len(candidates) < min(k, count):  # the cells that were searched hold too few
                candidates = np.flatnonzero(allowed)
        scores = rows[candidates] @ query
        return candidates[largest(scores, k)].tolist()

    def _candidates(self, query: Floats, count: int, probes: int, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        fresh = np.fromiter(self._fresh, np.int64, len(self._fresh))
        listed = allowed.copy()
        listed[fresh] = False
        chosen = faiss.IDSelectorBitmap(np.packbits(listed, bitorder="little"))
        parameters = faiss.SearchParametersIVF(nprobe=min(probes, self.cells), sel=chosen)
        _, (found,) = self._lists.search(query[None], count, params=parameters)
        return np.concatenate([found[found >= 0], fresh[allowed[fresh]]])

    def _file(self, rows: Floats) -> None:
        fresh = np.sort(np.fromiter(self._fresh, np.int64, len(self._fresh)))
        self._lists.remove_ids(fresh[fresh < self._filed])
        self._lists.add_with_ids(rows[fresh], fresh)
        self._filed = max(self._filed, int(fresh[-1]) + 1)
        self._fresh.clear()

    def _tuned(
        self, rows: Floats, queries: Floats, filters: Sequence[NDArray[np.bool_]], wanted: float
    ) -> list["Reached"]:
        """For each filter the fewest cells in which the share that is wanted of the best rows is met."""
        best: list[list[set[int]]] = [[] for _ in filters]
        for query in queries:
            scores = rows @ query
            for allowed, sets in zip(filters, best, strict=True):
                sets.append(set(largest(np.where(allowed, scores, -np.inf), K)))
        return [self._reach(queries, allowed, sets, wanted) for allowed, sets in zip(filters, best, strict=True)]

    def _reach(self, queries: Floats, allowed: NDArray[np.bool_], best: Sequence[set[int]], wanted: float) -> "Reached":
        chosen = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))

        def shares(probes: int) -> NDArray[np.float64]:
            parameters = faiss.SearchParametersIVF(nprobe=probes, sel=chosen)
            _, found = self._lists.search(queries, MORE * K, params=parameters)
            return np.array([len(each & set(near)) / K for each, near in zip(best, found.tolist(), strict=True)])

        def enough(probes: int) -> bool:
            met = shares(probes)
            return bool(met.mean() - SURE * met.std() / math.sqrt(len(met)) >= wanted)

        probes = 1
        while probes < self.cells and not enough(probes):
            probes = min(self.cells, 2 * probes)
        fewer = range(probes // 2 + 1, probes)
        probes = fewer.start + bisect.bisect_left(fewer, True, key=enough) if probes > 1 else 1
        return Reached(float(np.mean(allowed)), probes, float(shares(probes).mean()))


@dataclass(frozen=True, slots=True)
class Reached:
    """The recall by so many cells where a share of the rows is allowed."""

    share: float
    probes: int
    recall: float


def largest(values: NDArray[np.floating], k: int) -> list[int]:
    """Positions of the k largest values, the largest first; equal ones in their order."""
    k = min(k, len(values))
    near = np.argpartition(-values, k - 1)[:k] if k else np.empty(0, dtype=np.int64)
    return near[np.lexsort((near, -values[near]))].tolist()
