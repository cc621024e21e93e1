"""The one training job, whatever the network: an order becomes a run in the bucket."""

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from cluster.object_store import open_store
from cluster.ray_runtime import connected
from cluster.settings import Settings
from training import recipe, runs
from training.arguments import Order
from training.errors import TrainingError
from training.runs import RunRecord
from training.sources import local_source

if TYPE_CHECKING:
    from training.worker import Outcome


def train(order: Order, settings: Settings, *, console: Console) -> RunRecord:
    """Train as ordered, or go on with it; the finished run's record, also where there was nothing left to do.

    On the Ray that this process is connected to, or else on that of the settings. Raises TrainingError,
    DataError, StoreError, RayUnavailable.
    """
    store = open_store(settings.bucket_url, settings)
    known = runs.read(store, order.run)
    if known is not None:
        runs.check(order, known)
        if runs.is_complete(known, order.config.steps):
            return known
    which = recipe.find(order.network)
    record = runs.begin(order, which.summary(which.open(local_source(order, settings), order.config)), known)
    runs.write(store, record)
    try:
        record = concluded(record, on_ray(order, settings, console))
    except TrainingError as error:
        runs.write(store, replace(record, state="failed", reason=str(error), ended=runs.now()))
        raise
    runs.write(store, record)
    if record.state != "finished":
        raise TrainingError(f"run {order.run!r} diverged at step {record.step}: {record.reason}")
    return record


def on_ray(order: Order, settings: Settings, console: Console) -> "Outcome":
    """The order's loop on Ray, which is imported only now: whatever is wrong before that is told without it."""
    with connected(settings, log_to_driver=False):
        from training.ray_train import run

        return run(order, settings, console=console)


def concluded(record: RunRecord, outcome: "Outcome") -> RunRecord:
    """The record of a run whose loop has ended."""
    finished = outcome.state == "finished"
    return replace(
        record,
        state=outcome.state,
        step=outcome.step,
        checkpoint=runs.key(record.run, runs.checkpoint_name(outcome.step)) if finished else record.checkpoint,
        metrics=outcome.metrics,
        reason=outcome.reason,
        ended=runs.now(),
    )
