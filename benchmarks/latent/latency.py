"""3. Latency under load: Poisson arrivals at 80 % of capacity, many short requests among some long ones.

The engine against the same work in static batches, as `@serve.batch` makes them: whatever has gathered runs until its
longest request is done, while the next ones gather. Both step the same networks over only those rows that still climb.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import report
from benchmarks.latent.subjects import Subjects
from fashion_nn.latent import Ascent, Engine, Plan
from fashion_nn.latent.loop import Loop

SHORT, LONG = (4, 10), (16, 200)  # rows, steps
LONG_SHARE = 0.03  # of the requests
LOAD = 0.8
SECONDS = 120.0
BATCH, WAIT_S = 32, 0.02

Ask = Callable[[Ascent], Awaitable[Any]]


def measure(subjects: Subjects, engine: Engine, *, seconds: float = SECONDS) -> list[report.Row]:
    """The short requests' p50 and p99, and the throughput, of both, under the same arrivals."""
    rate = LOAD * capacity(subjects, engine) / work_of_one()
    report.progress(f"{rate:.2f} requests a second for {seconds:.0f} s")
    arrivals = drawn(rate, seconds)
    engine.scheduler.max_waiting = 10**9
    loop = Loop(engine)

    async def continuous(ascent: Ascent) -> Any:
        return await asyncio.wrap_future(loop.submit(Plan.of(ascent)))

    ours = asyncio.run(replay(subjects, arrivals, continuous))
    loop.stop()
    theirs = asyncio.run(replay(subjects, arrivals, Batches(engine)))
    return [
        report.row(name, [value], unit=unit, baseline="static_batches", baseline_values=[against])
        for (name, unit, value), (_, _, against) in zip(figures(ours), figures(theirs), strict=True)
    ]


class Batches:
    """Static batches over the same engine, gathered as `@serve.batch` gathers them, which runs in replicas alone.

    The first of a batch waits WAIT_S for company of up to BATCH requests; the next batch gathers while this one runs.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._waiting: asyncio.Queue[tuple[Ascent, asyncio.Future[Any]]] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None

    async def __call__(self, ascent: Ascent) -> Any:
        self._work = self._work or asyncio.create_task(self._run())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((ascent, answer))
        return await answer

    async def _run(self) -> None:
        while True:
            batch = await self._gathered()
            found = await asyncio.to_thread(self.engine.ascend, [ascent for ascent, _ in batch])
            for (_, answer), each in zip(batch, found, strict=True):
                answer.set_result(each)

    async def _gathered(self) -> list[tuple[Ascent, asyncio.Future[Any]]]:
        batch = [await self._waiting.get()]
        until = asyncio.get_running_loop().time() + WAIT_S
        while len(batch) < BATCH:
            try:
                async with asyncio.timeout_at(until):
                    batch.append(await self._waiting.get())
            except TimeoutError:
                break
        return batch


def capacity(subjects: Subjects, engine: Engine) -> float:
    """Row-steps a second with every slot taken."""
    rows, steps = engine.scheduler.slots, 20
    engine.ascend([subjects.blind(0, rows, steps=2)])
    began = time.perf_counter()
    engine.ascend([subjects.blind(0, rows, steps=steps)])
    return rows * (steps + 1) / (time.perf_counter() - began)


def work_of_one() -> float:
    """Row-steps of a request, on average."""
    short, long = (rows * (steps + 1) for rows, steps in (SHORT, LONG))
    return (1 - LONG_SHARE) * short + LONG_SHARE * long


def drawn(rate: float, seconds: float) -> list[tuple[float, tuple[int, int]]]:
    """When who arrives: one of each kind, and then a Poisson process, the same every time."""
    source, now, arrivals = random.Random(0), 0.0, [(0.0, LONG), (0.0, SHORT)]
    while (now := now + source.expovariate(rate)) < seconds:
        arrivals.append((now, LONG if source.random() < LONG_SHARE else SHORT))
    return arrivals


async def replay(subjects: Subjects, arrivals: list[tuple[float, tuple[int, int]]], ask: Ask) -> dict[str, list[float]]:
    """Latencies of the short and of the long requests, and how long it took until all were answered."""
    latencies: dict[str, list[float]] = {"short": [], "long": []}
    began = time.perf_counter()

    async def one(number: int, at: float, shape: tuple[int, int]) -> None:
        rows, steps = shape
        ascent = subjects.blind(number, rows, steps=steps)
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        await ask(ascent)
        latencies["short" if shape == SHORT else "long"].append(time.perf_counter() - began - at)

    await asyncio.gather(*(one(number, *arrival) for number, arrival in enumerate(arrivals)))
    return latencies | {"all": [time.perf_counter() - began]}


def figures(found: dict[str, list[float]]) -> list[tuple[str, str, float]]:
    """Names, units and values of one side."""
    count = len(found["short"]) + len(found["long"])
    return [
        (f"latency_short_p50/{len(found['short'])}_requests", "s", statistics.median(found["short"])),
        (f"latency_short_p99/{len(found['short'])}_requests", "s", percentile(found["short"], 0.99)),
        (f"latency_long_p50/{len(found['long'])}_requests", "s", statistics.median(found["long"])),
        ("throughput", "1/s", count / found["all"][0]),
    ]


def percentile(values: list[float], share: float) -> float:
    """The value that a share of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
