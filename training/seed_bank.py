"""The seed bank of a release, computed ahead on Ray: a task for every range of a category's codes, or of tastes.

Codes are a pure function of the seed, and ranges are cut between two passes of the networks: what is drawn is the same
by however many tasks and workers it is computed. What is climbed is cut into ranges of one size, for the same reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import ray
import torch
from ray import ObjectRef
from ray.exceptions import RayError
from torch import Tensor

from fashion_nn import checks
from fashion_nn.latent.bank import ROWS, Bank, BankConfig, climb, draw, judge, typical
from fashion_nn.latent.engine import Engine, EngineConfig
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks
from fashion_nn.steps import computes_bf16
from training.errors import TrainingError, last_line
from training.progress import Listener

SHARD = 16 * ROWS  # drawn codes of a task: seconds on one core
TASTES = 16  # of a task that climbs
CPUS = 2  # logical, for a task: a core of most machines, and few enough processes beside what is being served


@dataclass(frozen=True, slots=True)
class Shard:
    """The codes, or tastes, [begin, end) of one category."""

    category: int
    begin: int
    end: int


def compute(
    networks: Networks,
    tastes: Tensor,
    config: BankConfig,
    *,
    n_categories: int,
    shard: int = SHARD,
    listen: Listener = lambda done, total: None,
) -> Bank:
    """The bank for the networks and for shoppers of tastes [n, K], on the Ray that this process is connected to.

    shard: drawn codes of a task. `listen` is told how many codes are done. Raises TrainingError.
    """
    checks.multiple_of("shard", shard, ROWS)
    task = ray.remote(**resources(ray.cluster_resources(), ray.available_resources()))
    centres = typical(tastes, config.tastes, seed=config.seed) if config.tastes else tastes[:0]
    drawn = config.codes * n_categories
    climbed = len(centres) * config.rows * n_categories  # in one round

    def told(before: int, each: int) -> Listener:
        return lambda done, total: listen(before + done * each, drawn + climbed * config.rounds)

    try:
        shared, judging = ray.put(folded(networks)), task(judged)
        shards = list(shards_of(n_categories, config.codes, shard))
        parts = gathered({judging.remote(shared, each, config): each for each in shards}, told(0, 1))
        bank = whole = joined(parts, n_categories)
        if not climbed:
            return bank
        climbing, shards = task(ascended), list(shards_of(n_categories, len(centres), TASTES))
        for number in range(config.rounds):
            start = ray.put(whole)
            tasks = [climbing.remote(shared, start, centres[each.begin : each.end], each, config) for each in shards]
            done = told(drawn + number * climbed, config.rows)
            parts = gathered(dict(zip(tasks, shards, strict=True)), done)
            whole = bank + joined(parts, n_categories)
        return whole
    except RayError as error:
        raise TrainingError(f"the seed bank could not be computed: {last_line(error)}") from error


def shards_of(n_categories: int, count: int, size: int) -> Iterator[Shard]:
    """All categories' codes or tastes in ranges of `size`, in order; the last of each category may be shorter."""
    for category in range(n_categories):
        yield from (Shard(category, begin, min(begin + size, count)) for begin in range(0, count, size))


def joined(parts: Sequence[tuple[Tensor, Tensor, Tensor]], n_categories: int) -> Bank:
    """The bank of codes, looks and realism that came back in the order of categories."""
    columns = (torch.cat(column) for column in zip(*parts, strict=True))
    return Bank(*(column.unflatten(0, (n_categories, -1)) for column in columns))


def resources(cluster: Mapping[str, float], free: Mapping[str, float]) -> dict[str, float]:
    """What Ray sets aside for a task: a core, and a GPU where one is free.

    It would end a process after each task with a GPU, and the next one takes seconds to begin: they stay (`max_calls`).
    """
    gpus = 1 if free.get("GPU", 0) >= 1 else 0
    return {"num_cpus": min(CPUS, cluster.get("CPU", 0)), "num_gpus": gpus, "max_calls": 0}


def judged(networks: Networks, shard: Shard, config: BankConfig) -> tuple[Tensor, Tensor, Tensor]:
    """The drawn codes of a shard [n, Z], their looks [n, K] and realism [n]."""
    there, device = on_device(networks)
    whole = draw(config.seed, shard.category, config.codes, networks.generator.latent_dimensions)
    codes = whole[shard.begin : shard.end]
    return codes, *judge(judges(there, device), codes, shard.category)


def ascended(
    networks: Networks, bank: Bank, tastes: Tensor, shard: Shard, config: BankConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of the codes that are climbed for some typical tastes."""
    there, device = on_device(networks)
    precision = "bf16" if computes_bf16(device) else "fp32"
    slots = TASTES * config.rows
    engine = Engine(there, EngineConfig(slots=slots, precision=precision), device=device)
    codes = climb(engine, bank, shard.category, tastes, config)
    return codes, *judge(judges(there, device), codes, shard.category)


def judges(networks: Networks, device: torch.device) -> Networks:
    """Folded networks as codes are judged by: in bf16 on a device that has it, but for Φ, whose looks are kept.

    Not by timing, as the engine chooses: a bank is to be the same every time.
    """
    dtype = torch.bfloat16 if computes_bf16(device) else torch.float32
    return folded(networks, dtype=dtype)._replace(look=networks.look)


def on_device(networks: Networks) -> tuple[Networks, torch.device]:
    """The networks on the device that Ray has set aside for this task, which is kept to one thread."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
    return Networks(*(network.to(device) for network in networks)), device


def gathered(tasks: Mapping[ObjectRef, Shard], listen: Listener) -> Sequence[tuple[Tensor, Tensor, Tensor]]:
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
