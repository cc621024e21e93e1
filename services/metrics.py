"""Every metric of Atelier: its name, what it counts, its labels and its bounds, in one place.

`services.meters` counts them, docs/watching.md and the dashboard of k8s/dashboards name them, and tests hold these to
this list. Names are those that Prometheus sees, in its base units; labels have few values each, all known beforehand
but for releases, of which a process sees as many as it serves.
"""

from dataclasses import dataclass
from typing import Literal

PREFIX = "ray_"  # Ray's, before every name
ADDED = ("application", "deployment", "replica")  # labels that Ray Serve adds to every metric

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
SCORES = (-20.0, -10.0, -5.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
JOBS = (1.0, 2.0, 4.0, 8.0, 16.0)

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Metric:
    """What is counted, equal to itself alone. Values of the labels are given in the order of the labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()  # upper, of a histogram's buckets; one without an end follows

    @property
    def series(self) -> tuple[str, ...]:
        """The names that Prometheus sees."""
        if self.kind == "histogram":
            return tuple(f"{PREFIX}{self.name}{part}" for part in ("_bucket", "_sum", "_count"))
        return (PREFIX + self.name,)


REQUESTS = Metric(
    name="atelier_requests_total",
    kind="counter",
    help="requests that have ended; outcome: ok, left, or the type of the problem; status: as over HTTP",
    labels=("call", "face", "outcome", "status", "release"),
)
REQUEST_SECONDS = Metric(
    name="atelier_request_seconds",
    kind="histogram",
    help="from the head of a request to the end of its answer, of those answered",
    labels=("call", "release"),
    bounds=SECONDS,
)
STAGE_SECONDS = Metric(
    name="atelier_stage_seconds",
    kind="histogram",
    help="where the time of an answer went; stage: queue, compute, encode",
    labels=("call", "stage"),
    bounds=SECONDS,
)
IN_FLIGHT = Metric(name="atelier_requests_in_flight", kind="gauge", help="requests that hold a permit of their gateway")
PERMITS = Metric(name="atelier_permits", kind="gauge", help="requests that a gateway has permits for")
REFUSED = Metric(
    name="atelier_refused_total",
    kind="counter",
    help="requests turned away; limit: permits, queue, rows, time, rate, bytes, body-time",
    labels=("call", "limit"),
)
RETRIES = Metric(
    name="atelier_retries_total",
    kind="counter",
    help="calls of a deployment made again; reason: replica-lost, release-turning",
    labels=("reason",),
)
BEST_SCORE = Metric(
    name="atelier_best_score",
    kind="histogram",
    help="preference score of the best item or design of an answer",
    labels=("call", "release"),
    bounds=SCORES,
)
ENGINE_ROWS = Metric(
    name="atelier_engine_rows",
    kind="gauge",
    help="rows of the latent engine; state: running, waiting (for slots, never had any), suspended (waiting again)",
    labels=("state",),
)
ENGINE_SLOTS = Metric(name="atelier_engine_slots", kind="gauge", help="rows that can run at once")
ENGINE_STEPS = Metric(name="atelier_engine_steps_total", kind="counter", help="steps of the latent engine")
ENGINE_ROW_STEPS = Metric(
    name="atelier_engine_row_steps_total", kind="counter", help="rows of all steps of the latent engine"
)
ENGINE_SECONDS = Metric(
    name="atelier_engine_seconds_total",
    kind="counter",
    help="time of the latent engine; part: networks, scheduling",
    labels=("part",),
)
ENGINE_ENDINGS = Metric(
    name="atelier_engine_endings_total",
    kind="counter",
    help="ascents that have ended, health checks among them; ending: finished, deadline, cancelled, failed",
    labels=("ending",),
)
BATCH_JOBS = Metric(name="atelier_fitting_batch_jobs", kind="histogram", help="try-ons that shared a pass", bounds=JOBS)
NETWORKS_PENDING = Metric(
    name="atelier_networks_pending", kind="gauge", help="pieces of work that wait for the networks, or are in them"
)
LOOKS = Metric(
    name="atelier_looks_total",
    kind="counter",
    help="looks of items that were put; source: kept (known already), computed",
    labels=("source",),
)
PICTURES = Metric(
    name="atelier_pictures_total",
    kind="counter",
    help="pictures of the bucket that were read; source: cache, store",
    labels=("source",),
)
READS = Metric(
    name="atelier_reads_total",
    kind="counter",
    help="reads of the catalogue by a gateway; source: copy (its own), recommender",
    labels=("source",),
)
CATALOGUE_ITEMS = Metric(name="atelier_catalogue_items", kind="gauge", help="items that are recommended")
CATALOGUE_RECORD = Metric(
    name="atelier_catalogue_record", kind="gauge", help="last record of the live catalogue that was applied"
)
RELEASE_INFO = Metric(
    name="atelier_release_info",
    kind="gauge",
    help="1 for the release that the replica serves; release is none where there is none",
    labels=("release",),
)
RELEASE_PUBLISHED = Metric(
    name="atelier_release_published_timestamp_seconds",
    kind="gauge",
    help="when the release that the replica serves was published, in seconds since 1970",
)
RELEASES_TURNED = Metric(
    name="atelier_releases_turned_total",
    kind="counter",
    help="releases that a replica was to serve; outcome: loaded, refused",
    labels=("outcome",),
)
STORE_ERRORS = Metric(
    name="atelier_store_errors_total",
    kind="counter",
    help="operations on the bucket that have failed for good; reason: as the error says",
    labels=("reason",),
)

METRICS: tuple[Metric, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    IN_FLIGHT,
    PERMITS,
    REFUSED,
    RETRIES,
    BEST_SCORE,
    ENGINE_ROWS,
    ENGINE_SLOTS,
    ENGINE_STEPS,
    ENGINE_ROW_STEPS,
    ENGINE_SECONDS,
    ENGINE_ENDINGS,
    BATCH_JOBS,
    NETWORKS_PENDING,
    LOOKS,
    PICTURES,
    READS,
    CATALOGUE_ITEMS,
    CATALOGUE_RECORD,
    RELEASE_INFO,
    RELEASE_PUBLISHED,
    RELEASES_TURNED,
    STORE_ERRORS,
)
