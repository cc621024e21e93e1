"""One worker of a training job: the loop around a step. Runs inside of Ray Train."""

import math
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import ray.train
import ray.train.torch
import torch
import torch.distributed
from ray.actor import ActorHandle
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn.pictures import encode, sheet, to_image
from fashion_nn.state_files import save_state
from fashion_nn.steps import seed_torch
from training import checkpoints, recipe, runs
from training.arguments import Order
from training.progress import Message, Note, Row
from training.sources import local_source

Batch = TypeVar("Batch")

DRAWERS = 8  # threads that draw batches for a GPU, at most; each holds one that is ready
SMALL = 96  # pixels: lower pictures are shown at twice their size on a sample sheet


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What every worker is given."""

    order: Order
    settings: Settings
    board: ActorHandle


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the loop ended, as the first worker tells it."""

    state: Literal["finished", "diverged"]
    step: int
    metrics: dict[str, float]
    reason: str | None = None


def work(task: Task) -> Outcome:
    """Train to the end of the order, from the run's last checkpoint where there is one."""
    return Worker(task).run()


class Worker:
    """Holds one replica of the step; the first worker also reports, saves and shows."""

    def __init__(self, task: Task) -> None:
        context = ray.train.get_context()
        self.order, self.config, self.board = task.order, task.order.config, task.board
        self.rank, self.replicas = context.get_world_rank(), context.get_world_size()
        torch.set_num_threads(task.order.threads or threads_of_one(context.get_local_world_size()))
        self.store = open_store(task.settings.bucket_url, task.settings)
        self.recipe = recipe.find(task.order.network)
        self.data = self.recipe.open(local_source(task.order, task.settings), self.config)
        self.device = ray.train.torch.get_device()
        self.step = self.recipe.build(self.config, self.data, self.device)
        if self.replicas > 1:
            self.step.distribute(partial(data_parallel, device=self.device), self.replicas)
        self.averages = Averages(self.replicas)
        self.history: list[dict[str, Any]] = []

    @property
    def first(self) -> bool:
        return self.rank == 0

    def run(self) -> Outcome:
        begin, config = self.resume(), self.config
        self.began, self.begun_at = begin, time.monotonic()
        draw = partial(self.step.draw, rank=self.rank, replicas=self.replicas)
        drawers = min(torch.get_num_threads(), DRAWERS) if self.device.type == "cuda" else 1
        for number, batch in ahead(draw, range(begin, config.steps), drawers):
            seed_torch(config.seed, number, self.rank)
            self.averages.add(self.step(batch))
            if reason := self.after(number + 1):
                return Outcome(state="diverged", step=number + 1, metrics={}, reason=reason)
        return Outcome(state="finished", step=config.steps, metrics=self.evaluated() if self.first else {})

    def evaluated(self) -> dict[str, float]:
        """The recipe's metrics; one that could not be taken, such as a mean over nothing, is left out."""
        metrics = self.recipe.evaluate(self.step, self.data)
        return {name: value for name, value in metrics.items() if math.isfinite(value)}

    def resume(self) -> int:
        """Load the run's last checkpoint, if any; the number of steps already done."""
        checkpoint = ray.train.get_checkpoint()
        done = 0
        if checkpoint is not None:
            name = Path(checkpoint.path).name
            done = runs.checkpoint_step(name)
            state = checkpoints.download(self.store, self.order.run, name)
            self.step.load(state["step"])
            self.history = state["history"]
        crew = f"{self.replicas} worker{'s' * (self.replicas > 1)} on {self.device.type}"
        self.tell(Note(f"continues from step {done}: {crew}" if done else f"begins: {crew}"))
        return done

    def after(self, done: int) -> str | None:
        """What is due after `done` steps; the reason to stop, if the run has diverged."""
        config, last = self.config, done == self.config.steps
        save = last or done % config.checkpoint_every == 0
        if save or done % config.report_every == 0:
            row = Row(done, config.steps, self.averages.settle(), self.seconds_left(done))
            wrong = [f"{name} is {value}" for name, value in row.terms.items() if not math.isfinite(value)]
            if wrong:
                return ", ".join(wrong)
            self.report(row)
        if self.first and (last or done % config.sheet_every == 0):
            self.put_sheet(done)
        if save:
            self.save(done)
        return None

    def seconds_left(self, done: int) -> float:
        each = (time.monotonic() - self.begun_at) / (done - self.began)
        return each * (self.config.steps - done)

    def report(self, row: Row) -> None:
        seconds = round(time.monotonic() - self.begun_at, 3)  # since it began, or went on
        self.history.append({"step": row.step, "seconds": seconds, **row.terms})
        self.tell(row)

    def tell(self, message: Message) -> None:
        if self.first:
            self.board.tell.remote(message)

    def save(self, done: int) -> None:
        """A checkpoint of `done` steps into the bucket, known to Ray Train; all workers come here together."""
        metrics = dict(self.history[-1])
        if not self.first:
            return ray.train.report(metrics)
        with tempfile.TemporaryDirectory(prefix="atelier-") as folder:
            save_state(Path(folder), {"step": self.step.state(), "done": done, "history": self.history})
            ray.train.report(
                metrics,
                checkpoint=ray.train.Checkpoint.from_directory(folder),
                checkpoint_dir_name=runs.checkpoint_name(done),
                checkpoint_upload_fn=self.upload,
            )
        checkpoints.put_history(self.store, self.order.run, self.history)

    def upload(self, checkpoint: ray.train.Checkpoint, name: str) -> ray.train.Checkpoint:
        """Ray Train's way to storage, through our own store: its retries, its errors."""
        checkpoints.upload(self.store, self.order.run, name, Path(checkpoint.path))
        storage = ray.train.get_context().get_storage()
        path = storage.build_checkpoint_path_from_name(name)
        return ray.train.Checkpoint(path=path, filesystem=storage.storage_filesystem)

    def put_sheet(self, done: int) -> None:
        """A sample sheet into the bucket."""
        pictures = [[to_image(picture) for picture in row] for row in self.step.sample()]
        scale = 2 if pictures[0][0].height < SMALL else 1
        labels = {"column_labels": self.recipe.columns, "row_labels": self.recipe.rows(self.data)}
        data = encode(sheet(pictures, scale=scale, **labels))
        target = runs.key(self.order.run, "samples", f"{done:08d}.jpg")
        checkpoints.patiently(lambda: self.store.put(target, data, content_type="image/jpeg"))


class Averages:
    """Named terms averaged over steps and, when settled, over workers."""

    def __init__(self, replicas: int) -> None:
        self.replicas, self.count = replicas, 0
        self.sums: dict[str, Tensor] = {}

    def add(self, terms: dict[str, Tensor]) -> None:
        self.count += 1
        for name, value in terms.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.double()

    def settle(self) -> dict[str, float]:
        """The averages since the last call; all workers must call it together."""
        means = torch.stack(list(self.sums.values())) / (self.count * self.replicas)
        if self.replicas > 1:
            torch.distributed.all_reduce(means)
        settled = dict(zip(self.sums, means.tolist(), strict=True))
        self.sums, self.count = {}, 0
        return settled


def ahead(draw: Callable[[int], Batch], numbers: range, drawers: int = 1) -> Iterator[tuple[int, Batch]]:
    """(number, draw(number)) in order, the next ones drawn by so many threads while the last one is worked on.

    A step on a GPU is done sooner than one thread has drawn the next. Where steps are worked on by processors, one has
    the time, and others would take it from them. PyTorch gives a thread as many more as the step's has, and with more
    than there are processors OpenMP puts all of them to sleep between any two operations: a step by two threads took a
    third longer. So each works alone.
    """
    alone = {"initializer": torch.set_num_threads, "initargs": (1,)}
    with ThreadPoolExecutor(drawers, thread_name_prefix="draw", **alone) as pool:
        coming = deque(pool.submit(draw, number) for number in numbers[:drawers])
        for number in numbers:
            batch = coming.popleft().result()
            if number + drawers in numbers:
                coming.append(pool.submit(draw, number + drawers))
            yield number, batch


def data_parallel(module: nn.Module, device: torch.device) -> nn.Module:
    """Gradients averaged over the workers; batch norm's running averages are those of the first one's shares."""
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


def threads_of_one(workers: int) -> int:
    """PyTorch's threads for one of `workers` on this machine, one processor left to everything else.

    A thread that waits for its turn on a processor holds up all the others of its worker.
    """
    return max(1, (len(os.sched_getaffinity(0)) - 1) // workers)
