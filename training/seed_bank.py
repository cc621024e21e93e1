"""The seed bank of a release, computed ahead on Ray: a task for every range of a category's codes.

Codes are a pure function of the seed, and ranges are cut between two passes of the networks: the bank is the same by
however many tasks and workers it is computed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import ray
import torch
from ray import ObjectRef
from ray.exceptions import RayError
from torch import Tensor

from fashion_nn import checks
from fashion_nn.latent.bank import ROWS, Bank, draw, judge
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks
from training.errors import TrainingError, last_line
from training.progress import Listener

SHARD = 16 * ROWS  # codes of a task: seconds on one core
CPUS = 2  # logical, for a task: a core of most machines, and few enough processes beside what is being served


@dataclass(frozen=True, slots=True)
class Shard:
    """The codes [begin, end) of one category."""

    category: int
    begin: int
    end: int


def compute(
    networks: Networks,
    *,
    n_categories: int,
    codes: int,
    seed: int,
    shard: int = SHARD,
    listen: Listener = lambda done, total: None,
) -> Bank:
    """The bank of so many `codes` a category, on the Ray that this process is connected to; `shard` codes a task.

    `listen` is told how many codes are done. Raises TrainingError.
    """
    shards = list(shards_of(n_categories, codes, shard))
    shared = ray.put(folded(networks))
    task = ray.remote(**resources(ray.cluster_resources(), ray.available_resources()))(judged)
    tasks = {task.remote(shared, each, codes, seed): each for each in shards}
    try:
        looks, realism = zip(*gathered(tasks, listen), strict=True)
    except RayError as error:
        raise TrainingError(f"the seed bank could not be computed: {last_line(error)}") from error
    dimensions = networks.generator.latent_dimensions
    return Bank(
        codes=torch.stack([draw(seed, category, codes, dimensions) for category in range(n_categories)]),
        looks=torch.cat(looks).unflatten(0, (n_categories, codes)),
        realism=torch.cat(realism).unflatten(0, (n_categories, codes)),
    )


def shards_of(n_categories: int, codes: int, size: int) -> Iterator[Shard]:
    """All categories' codes in ranges of `size`, in order; the last one of each category may be shorter."""
    checks.multiple_of("shard", size, ROWS)
    for category in range(n_categories):
        yield from (Shard(category, begin, min(begin + size, codes)) for begin in range(0, codes, size))


def resources(cluster: Mapping[str, float], free: Mapping[str, float]) -> dict[str, float]:
    """What Ray sets aside for a task: a core, and a GPU where one is free."""
    return {"num_cpus": min(CPUS, cluster.get("CPU", 0)), "num_gpus": 1 if free.get("GPU", 0) >= 1 else 0}


def judged(networks: Networks, shard: Shard, codes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Looks [n, K] and realism [n] of the codes of a shard, on the device that Ray has set aside."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
    there = Networks(*(network.to(device) for network in networks))
    whole = draw(seed, shard.category, codes, networks.generator.latent_dimensions)
    return judge(there, whole[shard.begin : shard.end], shard.category)


def gathered(tasks: Mapping[ObjectRef, Shard], listen: Listener) -> Sequence[tuple[Tensor, Tensor]]:
    """What the tasks return, in their order. The first one that fails ends the others. Raises RayError."""
    waiting = list(tasks)
    total, left = (sum(each.end - each.begin for each in tasks.values()) for _ in range(2))
    try:
        while waiting:
            (done,), waiting = ray.wait(waiting)
            ray.get(done)
            left -= tasks[done].end - tasks[done].begin
            listen(total - left, total)
    finally:
        for task in waiting:
            ray.cancel(task)
    return ray.get(list(tasks))
