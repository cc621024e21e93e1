"""`python -m benchmarks.retrieval`: the best items for a taste among very many, by cells, against faiss's flat index.

Looks are drawn around styles, and a taste is a mixture of a few styles. Both sides search one taste at a time in one
thread. Three ways of asking: among all items, in one of six categories, and among all while another thread puts items.
"""

import threading
import time
from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from services.cells import Cells, Floats

STYLES, CATEGORIES = 2000, 6
SPREAD = 0.7  # of looks around their style
LIKED = 3  # styles of a taste
K = 100
TUNING, ASKED, FLAT_ASKED = 64, 200, 20  # tastes
PUTS_PER_S = 100
TURN = threading.Lock()  # as the Ranker holds around its table


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--items", type=int, default=1_000_000)
    words.add_argument("--dimensions", type=int, default=100)
    options = words.parse_args()
    faiss.omp_set_num_threads(1)
    looks, category, tastes = drawn(options.items, options.dimensions)
    began = time.perf_counter()
    cells = Cells(looks, tastes[:TUNING], [category == each for each in range(CATEGORIES)])
    built = time.perf_counter() - began
    probes = cells.probes(1.0), cells.probes(1 / CATEGORIES)
    report.progress(f"{probes} of {cells.cells} cells, recall {cells.recall:.3f}, built in {built:.0f} s")
    flat = faiss.IndexFlatIP(options.dimensions)
    flat.add(looks)
    asked = tastes[TUNING:]
    everything, one = np.ones(options.items, dtype=bool), category == 0
    rows = [report.row("build/cells", [built], unit="s"), bandwidth_row(looks, runs=options.runs)]
    for name, allowed in (("all", everything), ("category", one)):
        rows += compared(name, cells, flat, looks, allowed, asked, runs=options.runs)
    with Writer(cells, looks):
        rows += compared("all_while_writing", cells, flat, looks, everything, asked, runs=options.runs)
    report.emit(report.report("retrieval", rows))


def compared(
    name: str,
    cells: Cells,
    flat: faiss.IndexFlatIP,
    looks: Floats,
    allowed: NDArray[np.bool_],
    asked: Floats,
    *,
    runs: int,
) -> list[report.Row]:
    """Queries a second of both, and the share of the flat index's answers that the cells give."""
    whole = bool(allowed.all())
    chosen = None if whole else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    parameters = None if whole else faiss.SearchParameters(sel=chosen)

    def by_cells(query: Floats) -> set[int]:
        with TURN:
            return set(cells.best(query, K, looks, allowed))

    def by_flat(query: Floats) -> set[int]:
        return set(flat.search(query[None], K, params=parameters)[1][0].tolist())

    recall = [len(by_cells(query) & by_flat(query)) / K for query in asked[:FLAT_ASKED]]
    ways = {"cells": rate(by_cells, asked[:ASKED]), "flat": rate(by_flat, asked[:FLAT_ASKED])}
    found = report.in_turns(ways, runs=runs)
    return [
        report.row(
            f"queries_per_second/{name}",
            found["cells"],
            unit="1/s",
            baseline="faiss_flat",
            baseline_values=found["flat"],
        ),
        report.row(f"recall_at_{K}/{name}", [float(np.mean(recall))], unit="1"),
    ]


def rate(search: Callable[[Floats], set[int]], asked: Floats) -> Callable[[], float]:
    """Measures queries a second, one after another."""

    def measured() -> float:
        began = time.perf_counter()
        for query in asked:
            search(query)
        return len(asked) / (time.perf_counter() - began)

    return measured


def bandwidth_row(looks: Floats, *, runs: int) -> report.Row:
    """How often a second all looks can be read: what no search that looks at all of them exceeds."""

    def reads() -> float:
        began = time.perf_counter()
        looks.max()
        return 1 / (time.perf_counter() - began)

    return report.row("reads_of_all_looks_per_second", [reads() for _ in range(max(3, runs))], unit="1/s")


class Writer:
    """A thread that gives items new looks for as long as this is entered: the very ones they have."""

    def __init__(self, cells: Cells, looks: Floats) -> None:
        self._cells, self._looks, self._end = cells, looks, threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        random = np.random.default_rng(1)
        while not self._end.wait(1 / PUTS_PER_S):
            with TURN:
                self._cells.put(int(random.integers(len(self._looks))), self._looks)


def drawn(items: int, dimensions: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Looks [items, D], their categories, and tastes [TUNING + ASKED, D]."""
    random = np.random.default_rng(0)
    styles = random.standard_normal((STYLES, dimensions), dtype=np.float32)
    style = random.integers(0, STYLES, items)
    looks = styles[style] + SPREAD * random.standard_normal((items, dimensions), dtype=np.float32)
    liked = random.integers(0, STYLES, (TUNING + ASKED, LIKED))
    return looks, style % CATEGORIES, styles[liked].mean(1)


if __name__ == "__main__":
    main()
