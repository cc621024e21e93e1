"""How one step is run on the device at hand: which precision, which sizes, eagerly or as captured graphs."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from fashion_nn.graphs import captured
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks
from fashion_nn.latent.slots import Slots
from fashion_nn.steps import computes_bf16

Precision = Literal["auto", "bf16", "fp32"]
StepOf = Callable[[Sequence[int]], None]
TRIAL_STEPS = 5  # timed, after one that is not
WORTH = 0.9  # of fp32's time: what bf16 has to stay below to be chosen
AHEAD = 2  # steps that a GPU is given before it has done the ones before


def eager(table: Slots, networks: Networks) -> StepOf:
    """Steps over exactly the rows that run: what a processor takes follows their number."""

    def step(slots: Sequence[int]) -> None:
        table.step(torch.tensor(slots, device=table.hidden.device), networks)

    return step


class Graphs:
    """Steps as CUDA graphs, one for each bucket of slot counts; what a bucket has too many is nobody's slot.

    A GPU is kept busy, but not given all steps at once: who schedules has to see what they take, and what has settled.
    """

    def __init__(self, table: Slots, networks: Networks, buckets: Sequence[int]) -> None:
        self.table, self.networks, self.buckets = table, networks, tuple(buckets)
        self.nobody = len(table.hidden) - 1
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        self._under_way: deque[torch.cuda.Event] = deque()
        pool = None
        for bucket in reversed(self.buckets):  # the largest first: the others fit into its memory
            graph, index = self._capture(bucket, pool)
            pool = pool or graph.pool()
            self._captured[bucket] = graph, index

    def __call__(self, slots: Sequence[int]) -> None:
        bucket = self.buckets[bisect_left(self.buckets, len(slots))]
        graph, index = self._captured[bucket]
        padded = torch.tensor([*slots, *[self.nobody] * (bucket - len(slots))], pin_memory=True)
        if len(self._under_way) == AHEAD:
            self._under_way.popleft().synchronize()
        index.copy_(padded, non_blocking=True)
        graph.replay()
        done = torch.cuda.Event()
        done.record()
        self._under_way.append(done)

    def _capture(self, bucket: int, pool: object) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        index = torch.full((bucket,), self.nobody, device=self.table.hidden.device)
        graph, _ = captured(lambda: self.table.step(index, self.networks), pool)
        return graph, index


def buckets_up_to(slots: int) -> list[int]:
    """Powers of two and what lies half way between them, and `slots` itself: at most a third of a pass is padding."""
    sizes = {size for power in range(slots.bit_length()) for size in (2**power, 3 * 2**power // 2)}
    return sorted({size for size in sizes if size < slots} | {slots})


def prepared(networks: Networks, exact: Networks, table: Slots, precision: Precision) -> tuple[StepOf, torch.dtype]:
    """The step over folded networks, warmed up, in the precision asked for or, for `auto`, in the faster one.

    exact: the networks as `folded` makes them in float32.
    """
    device = table.hidden.device
    made = {torch.float32: exact}
    if precision == "bf16" or (precision == "auto" and computes_bf16(device)):
        made[torch.bfloat16] = folded(networks, dtype=torch.bfloat16)
    if precision == "bf16":
        del made[torch.float32]
    rows = min(16, len(table.hidden) - 1)
    times = {dtype: _trial(table, each, rows) for dtype, each in made.items()}
    chosen = min(times, key=lambda dtype: times[dtype] * (1 if dtype is torch.float32 else 1 / WORTH))
    if device.type == "cuda":
        return Graphs(table, made[chosen], buckets_up_to(len(table.hidden) - 1)), chosen
    step = eager(table, made[chosen])
    step(range(len(table.hidden) - 1))
    return step, chosen


def _trial(table: Slots, networks: Networks, rows: int) -> float:
    """Seconds of the fastest of some steps of so many rows, after one to warm up: what else runs only adds to it."""
    index = torch.full((rows,), len(table.hidden) - 1, device=table.hidden.device)
    times = []
    for _ in range(1 + TRIAL_STEPS):
        _settle(table)
        began = time.perf_counter()
        table.step(index, networks)
        _settle(table)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _settle(table: Slots) -> None:
    if table.hidden.is_cuda:
        torch.cuda.synchronize()
