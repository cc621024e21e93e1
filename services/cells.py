"""Maximum inner product search over many rows that change: the rows of near cells instead of all.

Rows lie in inverted lists by their nearest centroid (Sivic & Zisserman, ICCV 2003; Jégou et al., PAMI 2011), with
8 bits a number; faiss keeps and searches them. A row that has changed since lies in a small buffer that is searched
whole, until it is filed again. What is found is scored exactly.
"""

import math

import faiss
import numpy as np
from numpy.typing import NDArray

from fashion_nn import checks

Floats = NDArray[np.float32]
CELLS = 4  # times the square root of the number of rows
TRAINING_ROWS = 64  # a cell, by which the centroids are found
FRESH = 1024  # changed rows that are searched whole before they are filed
MORE = 2  # candidates for every row that is wanted
LEAST = 20_000  # allowed rows below which all of them are looked at
K = 100  # of the recall that is measured


class Cells:
    """Rows of an array [n, D] that its owner holds, changes and lets grow; row numbers are its positions.

    recall: of the best K rows, measured when it was made, with which `probes` cells are searched.
    """

    def __init__(self, rows: Floats, queries: Floats, *, recall: float = 0.95, seed: int = 0) -> None:
        """queries: [m, D] as they will come, by which the number of cells to search is chosen."""
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
        self.probes, self.recall = self._tuned(rows, queries, recall)

    def put(self, at: int, rows: Floats) -> None:
        """Row `at` of the array has another value, or is new."""
        self._fresh.add(at)
        if len(self._fresh) >= FRESH:
            self._file(rows)

    def best(self, query: Floats, k: int, rows: Floats, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The k rows of [n, D] with the largest products among those `allowed` [n], the largest first."""
        count = int(np.count_nonzero(allowed))
        probes = math.ceil(self.probes * len(rows) / max(1, count))  # as many allowed rows are met as without a filter
        if count <= LEAST or 4 * probes >= self.cells:
            candidates = np.flatnonzero(allowed)
        else:
            candidates = self._candidates(query, MORE * k, probes, allowed)
        scores = rows[candidates] @ query
        return candidates[largest(scores, k)]

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

    def _tuned(self, rows: Floats, queries: Floats, wanted: float) -> tuple[int, float]:
        """The fewest cells, by doubling, whose rows hold the share that is wanted, and that share."""
        best = [set(largest(rows @ query, K)) for query in queries]
        probes = 1
        while True:
            parameters = faiss.SearchParametersIVF(nprobe=probes)
            _, found = self._lists.search(queries, MORE * K, params=parameters)
            recall = float(
                np.mean([len(each & set(near)) / K for each, near in zip(best, found.tolist(), strict=True)])
            )
            if recall >= wanted or probes >= self.cells:
                return probes, recall
            probes = min(self.cells, 2 * probes)


def largest(values: NDArray[np.floating], k: int) -> list[int]:
    """Positions of the k largest values, the largest first; equal ones in their order."""
    k = min(k, len(values))
    near = np.argpartition(-values, k - 1)[:k] if k else np.empty(0, dtype=np.int64)
    return [int(at) for at in near[np.lexsort((near, -values[near]))]]
