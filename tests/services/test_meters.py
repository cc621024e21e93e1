"""What a process counts, and how it is handed on."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from services import meters
from services.meters import Meters, Reading, Teller
from services.metrics import Metric

LOGGER = logging.getLogger("meters")
DONE = Metric(name="done_total", kind="counter", help="things done", labels=("kind",))
ROWS = Metric(name="rows", kind="gauge", help="rows", labels=("state",))
SIZE = Metric(name="size", kind="histogram", help="sizes", labels=("call",), bounds=(-1.0, 0.0, 0.5, 2.0))


class Kept:
    """An instrument whose series can be read."""

    series: ClassVar[dict[tuple[str, tuple[tuple[str, str], ...]], float]]

    def __init__(self, name: str, told: str, labels: tuple[str, ...]) -> None:
        self.name, self.labels = name, labels

    def at(self, labels: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
        assert set(labels) == set(self.labels)
        return self.name, tuple(sorted(labels.items()))

    def inc(self, value: float, labels: dict[str, str]) -> None:
        assert value > 0, "a counter only grows"
        self.series[self.at(labels)] = self.series.get(self.at(labels), 0.0) + value

    def set(self, value: float, labels: dict[str, str]) -> None:
        self.series[self.at(labels)] = value


def teller(counted: Meters) -> tuple[Teller, dict[Any, float]]:
    """One whose instruments are read here, and their series."""
    series: dict[Any, float] = {}
    kept = type("OwnKept", (Kept,), {"series": series})
    return Teller(counted, LOGGER, counter=kept, gauge=kept), series


def test_values_fall_into_the_first_bucket_that_holds_them() -> None:
    counted = Meters()
    for value in (-3.0, -1.0, 0.0, 0.1, 0.5, 9.0):
        counted.observe(SIZE, value, "design")
    found = {(name, labels.get("le")): value for name, labels, value in counted.buckets()}
    bounds = [found["size_bucket", bound] for bound in ("-1", "0", "0.5", "2", "+Inf")]
    assert bounds == [2, 3, 5, 5, 6]
    assert found["size_count", None] == 6 and found["size_sum", None] == pytest.approx(5.6)
    assert {labels["call"] for _, labels, _ in counted.buckets()} == {"design"}


def test_threads_lose_no_count() -> None:
    counted = Meters()

    def work(_: int) -> None:
        for _ in range(2000):
            counted.count(DONE, "a")
            counted.observe(SIZE, 1.0, "b")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [reading.value for reading in counted.readings()] == [16_000]
    assert [value for name, _, value in counted.buckets() if name == "size_count"] == [16_000]


def test_counters_are_told_by_what_they_have_grown() -> None:
    counted = Meters()
    told, series = teller(counted)
    steps = [5.0]
    counted.read_from(lambda: [Reading(DONE, steps[0], ("step",))])
    counted.count(DONE, "call", by=2)
    told.tell()
    told.tell()
    assert series == {("done_total", (("kind", "step"),)): 5, ("done_total", (("kind", "call"),)): 2}
    steps[0] = 8.0
    told.tell()
    assert series["done_total", (("kind", "step"),)] == 8
    steps[0] = 3.0  # counted anew, by a new engine: added whole
    told.tell()
    assert series["done_total", (("kind", "step"),)] == 11


def test_a_gauge_that_nobody_tells_any_more_is_nothing() -> None:
    counted = Meters()
    told, series = teller(counted)
    rows = {"running": 4.0, "waiting": 7.0}
    counted.read_from(lambda: [Reading(ROWS, value, (state,)) for state, value in rows.items()])
    told.tell()
    del rows["waiting"]
    told.tell()
    assert series == {("rows", (("state", "running"),)): 4, ("rows", (("state", "waiting"),)): 0}


def test_histograms_are_told_whole_every_time() -> None:
    counted = Meters()
    told, series = teller(counted)
    counted.observe(SIZE, 0.25, "design")
    told.tell()
    told.tell()
    assert series["size_count", (("call", "design"),)] == 1
    assert series["size_bucket", (("call", "design"), ("le", "0"))] == 0
    assert series["size_bucket", (("call", "design"), ("le", "+Inf"))] == 1


def test_a_histogram_of_which_nothing_more_is_seen_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Meters()
    counted.observe(SIZE, 1.0, "old")
    monkeypatch.setattr(meters, "FORGET_S", -math.inf)
    assert counted.buckets() == []


def test_what_is_read_and_what_is_counted_under_one_name_is_one_sum() -> None:
    counted = Meters()
    told, series = teller(counted)
    counted.read_from(lambda: [Reading(DONE, 3.0, ("a",))])
    counted.count(DONE, "a", by=4)
    told.tell()
    told.tell()
    assert series == {("done_total", (("kind", "a"),)): 7}
