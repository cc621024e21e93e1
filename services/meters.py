"""What one process counts, and its way to Ray's metrics, which Prometheus scrapes from every node.

Counting is an addition to a dictionary. A thread hands the sums to Ray every few seconds: a call of Ray's metrics takes
some 20 µs, so that what they cost is so much a series, however many requests there are. Histograms are counted here and
told as three gauges each that only grow: Ray's own know no bounds below zero, guess their sums from the middles of
their buckets, and are taken apart into single observations on the way.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from ray.serve.metrics import Counter, Gauge

from services.metrics import Metric

TELL_S = 2.0  # between two tellings
FORGET_S = 3600.0  # after which a histogram of which nothing is seen any more is not told: that of a release gone by

Labels = tuple[str, ...]


class Reading(NamedTuple):
    """What a counter or a gauge is now; of a counter, its sum since whatever counts it began."""

    metric: Metric
    value: float
    labels: Labels = ()


class Shape:
    """A histogram with some labels."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = self.changed = 0.0

    def add(self, value: float) -> None:
        """One more value: it belongs to the first bucket whose bound is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
        self.changed = time.monotonic()

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Each bucket's bound as Prometheus writes it, and how many values are not above it."""
        yield from zip([*(f"{bound:g}" for bound in self.bounds), "+Inf"], accumulate(self.counts), strict=True)


class Meters:
    """Counts of one process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[Metric, Labels], float] = {}
        self._shapes: dict[tuple[Metric, Labels], Shape] = {}
        self._readers: list[Callable[[], Iterable[Reading]]] = []

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Something has happened."""
        key = (metric, labels)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0.0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """One more value of a histogram."""
        key = (metric, labels)
        with self._lock:
            shape = self._shapes.get(key)
            if shape is None:
                shape = self._shapes[key] = Shape(metric.bounds)
            shape.add(value)

    def read_from(self, reader: Callable[[], Iterable[Reading]]) -> None:
        """Ask somebody at every telling, from whichever thread tells."""
        self._readers.append(reader)

    def readings(self) -> list[Reading]:
        """All counters and gauges."""
        read = [reading for reader in self._readers for reading in reader()]
        with self._lock:
            return read + [Reading(metric, value, labels) for (metric, labels), value in self._counts.items()]

    def buckets(self) -> list[tuple[str, dict[str, str], float]]:
        """All histograms as series: name, labels, value."""
        forgotten = time.monotonic() - FORGET_S
        with self._lock:
            self._shapes = {key: shape for key, shape in self._shapes.items() if shape.changed > forgotten}
            return [each for (metric, labels), shape in self._shapes.items() for each in _series(metric, labels, shape)]


class Teller:
    """Hands what was counted to Ray."""

    def __init__(
        self, meters: Meters, logger: logging.Logger, *, counter: type[Counter] = Counter, gauge: type[Gauge] = Gauge
    ) -> None:
        self._meters, self._logger = meters, logger
        self._counter_kind, self._gauge_kind = counter, gauge
        self._counters: dict[Metric, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._told: dict[tuple[Metric, Labels], float] = {}  # sums of counters
        self._set: set[tuple[Metric, Labels]] = set()  # gauges that are not 0

    def start(self) -> None:
        """Tell from now on, in a thread of its own, for as long as the process lives."""
        threading.Thread(target=self._work, name="metrics", daemon=True).start()

    def tell(self) -> None:
        """Bring Ray's metrics up to what was counted. A gauge that nobody reads any more is 0."""
        sums: dict[tuple[Metric, Labels], float] = {}
        for metric, value, labels in self._meters.readings():
            sums[metric, labels] = sums.get((metric, labels), 0.0) + value
        for (metric, labels), value in sums.items():
            if metric.kind == "counter":
                self._count(metric, value, labels)
        gauges = {key: value for key, value in sums.items() if key[0].kind == "gauge"}
        for metric, labels in self._set | gauges.keys():
            named = dict(zip(metric.labels, labels, strict=True))
            self._gauge(metric.name, metric.help, named, gauges.get((metric, labels), 0.0))
        self._set = set(gauges)
        for name, named, value in self._meters.buckets():
            self._gauge(name, "part of a histogram", named, value)

    def _work(self) -> None:
        failing = False
        while True:
            time.sleep(TELL_S)
            try:
                self.tell()
            except Exception:
                if not failing:
                    self._logger.exception("the metrics could not be told")
                failing = True
            else:
                failing = False

    def _count(self, metric: Metric, total: float, labels: Labels) -> None:
        """What began anew meanwhile is added whole."""
        last = self._told.get((metric, labels), 0.0)
        more = total - last if total >= last else total
        self._told[metric, labels] = total
        if more > 0:
            if metric not in self._counters:
                self._counters[metric] = self._counter_kind(metric.name, metric.help, metric.labels)
            self._counters[metric].inc(more, dict(zip(metric.labels, labels, strict=True)))

    def _gauge(self, name: str, told: str, labels: dict[str, str], value: float) -> None:
        if name not in self._gauges:
            self._gauges[name] = self._gauge_kind(name, told, tuple(labels))
        self._gauges[name].set(value, labels)


def _series(metric: Metric, values: Labels, shape: Shape) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = dict(zip(metric.labels, values, strict=True))
    for bound, below in shape.cumulative():
        yield f"{metric.name}_bucket", {**labels, "le": bound}, below
    yield f"{metric.name}_sum", labels, shape.sum
    yield f"{metric.name}_count", labels, sum(shape.counts)
