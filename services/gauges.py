"""What operators see of the Designer: its load as Ray's metrics, which Prometheus scrapes from every node."""

from ray.serve import metrics

from services.replies import Load

PREFIX = "atelier_designer_"


class Gauges:
    """One set for one replica; Serve adds application, deployment and replica to each."""

    def __init__(self) -> None:
        self._now = {
            "waiting_rows": _gauge("waiting_rows", "rows that wait for slots"),
            "running_rows": _gauge("running_rows", "rows that hold slots"),
            "overhead": _gauge("overhead", "share of the engine's time outside the networks"),
        }
        self._counted = {
            "steps": _counter("steps", "steps of the latent engine"),
            "row_steps": _counter("row_steps", "rows of all steps"),
        }
        self._endings = _counter("endings", "requests by how they ended", "ending")
        self._last: dict[str, int] = {}

    def show(self, load: Load) -> None:
        """Bring every metric up to the load. What a new release counts begins anew, and is added."""
        for name, gauge in self._now.items():
            gauge.set(getattr(load, name))
        for name, counter in self._counted.items():
            self._count(counter, name, getattr(load, name), {})
        for ending, count in load.endings.items():
            self._count(self._endings, ending, count, {"ending": ending})

    def _count(self, counter: metrics.Counter, name: str, count: int, tags: dict[str, str]) -> None:
        last = self._last.get(name, 0)
        more = count - last if count >= last else count
        self._last[name] = count
        if more:
            counter.inc(more, tags)


def _gauge(name: str, description: str) -> metrics.Gauge:
    return metrics.Gauge(PREFIX + name, description)


def _counter(name: str, description: str, *tags: str) -> metrics.Counter:
    return metrics.Counter(PREFIX + name, description, tag_keys=tags)
