"""Ray Train's part of a job: as many workers as ordered, their progress, their end."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow.fs
import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from cluster.settings import Settings
from training import progress
from training.arguments import Order
from training.errors import TrainingError, in_one_line, last_line
from training.worker import Outcome, Task, work

Result = TypeVar("Result")

CPUS_PER_WORKER = 0.5  # logical: a job fits beside what is being served
KEPT = 2  # checkpoints
POLL_VARIABLE, POLL_S = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5"


def run(order: Order, settings: Settings, *, console: Console) -> Outcome:
    """The order's loop on the connected Ray, shown on `console`. Raises TrainingError."""
    os.environ.setdefault(POLL_VARIABLE, POLL_S)  # a report waits for the controller's next look
    gpus = use_gpus(order, ray.cluster_resources())
    board = begin_board()
    trainer = TorchTrainer(
        partial(work, Task(order=order, settings=settings, board=board)),  # not as config: it holds a secret
        scaling_config=ScalingConfig(num_workers=order.workers, use_gpu=gpus, resources_per_worker=resources(gpus)),
        run_config=RunConfig(
            name=order.run,
            **storage(settings),
            failure_config=FailureConfig(max_failures=order.failures),
            checkpoint_config=CheckpointConfig(num_to_keep=KEPT),
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )
    with (
        progress.screen(order.run, console) as screen,
        progress.following(partial(messages, board), screen.show),
    ):
        try:
            return beside(trainer.fit).return_value
        except (TrainingFailedError, RayError) as error:
            again = "the same command goes on from its last checkpoint"
            raise TrainingError(f"run {order.run!r} failed: {cause(error)}; {again}") from error


def begin_board() -> ActorHandle:
    """A board on the driver's own machine, which no worker's end takes away; it ends with its handles."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(progress.Board).remote()


def messages(board: ActorHandle, seen: int) -> list[progress.Message]:
    """What the board holds beyond the first `seen` messages. Raises BoardLost."""
    try:
        return ray.get(board.since.remote(seen))
    except RayError as error:
        raise progress.BoardLost(last_line(error)) from error


def use_gpus(order: Order, cluster: dict[str, float]) -> bool:
    """Whether the workers get a GPU each. Raises TrainingError where the cluster cannot hold the order."""
    gpus, cpus = cluster.get("GPU", 0), cluster.get("CPU", 0)
    wanted = order.device == "gpu" or (order.device == "auto" and gpus > 0)
    if wanted and gpus < order.workers:
        raise TrainingError(f"{order.workers} workers need a GPU each; Ray has {gpus:g} (--device cpu does without)")
    if cpus < order.workers * CPUS_PER_WORKER:
        raise TrainingError(f"{order.workers} workers need {CPUS_PER_WORKER:g} CPUs each; Ray has {cpus:g} in all")
    return wanted


def resources(gpus: bool) -> dict[str, float]:
    """What Ray sets aside for one worker."""
    return {"CPU": CPUS_PER_WORKER} | ({"GPU": 1} if gpus else {})


def storage(settings: Settings) -> dict[str, Any]:
    """Where Ray Train keeps its list of checkpoints: runs/ in the bucket, whatever the environment says."""
    if settings.folder is not None:
        return {"storage_path": str(settings.folder / "runs")}
    parts = urlsplit(settings.bucket_url)
    path = "/".join(filter(None, (parts.netloc, parts.path.strip("/"), "runs")))
    return {"storage_path": path, "storage_filesystem": s3_filesystem(settings)}


def s3_filesystem(settings: Settings) -> pyarrow.fs.S3FileSystem:
    """pyarrow's view of the settings' endpoint."""
    options: dict[str, Any] = {"region": settings.s3_region, "connect_timeout": settings.s3_connect_timeout_s}
    if settings.s3_endpoint:
        endpoint = urlsplit(settings.s3_endpoint)
        options |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
    if settings.s3_access_key and settings.s3_secret_key:
        secret = settings.s3_secret_key.get_secret_value()
        options |= {"access_key": settings.s3_access_key, "secret_key": secret}
    return pyarrow.fs.S3FileSystem(request_timeout=settings.s3_read_timeout_s, **options)


def cause(error: TrainingFailedError | RayError) -> str:
    """What went wrong in a worker, in Ray Train's controller or in Ray itself, in one line."""
    failures = getattr(error, "worker_failures", None)
    if failures:
        rank, failure = min(failures.items())
        return f"worker {rank}: {type(failure).__name__}: {in_one_line(failure)}"
    return last_line(getattr(error, "controller_failure", error))


def beside(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, done in a thread of its own.

    In the main thread Ray Train would take Ctrl-C for itself; so it stays a KeyboardInterrupt here, and the run's
    actors end with the connection to Ray.
    """
    outcome: Future[Result] = Future()

    def carry_out() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=carry_out, name="fit", daemon=True).start()
    return outcome.result()
