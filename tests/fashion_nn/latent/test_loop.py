import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import wait as wait_for

import pytest
import torch

from fashion_nn.latent import Ascent, Engine, EngineConfig, Networks, Plan
from fashion_nn.latent.engine import Progress
from fashion_nn.latent.loop import Loop, Stopped
from fashion_nn.latent.scheduler import Ending, Full

RequestOf = Callable[..., Ascent]
LONG = 100_000  # steps: it does not end by itself within a test
PATIENCE_S = 60


class Held:
    """Holds the engine's thread in the middle of a step."""

    def __init__(self, engine: Engine) -> None:
        self.entered, self.let_go, self._run = threading.Event(), threading.Event(), engine._run
        engine._run = self

    def __call__(self, slots: list[int]) -> None:
        self.entered.set()
        assert self.let_go.wait(PATIENCE_S)
        self._run(slots)


@pytest.fixture
def loop(networks: Networks) -> Iterator[Loop]:
    ours = Loop(Engine(networks, EngineConfig(slots=8, max_waiting=8, precision="fp32")))
    yield ours
    for task in list(ours._asked):
        ours._cancel(task)
    ours.stop(PATIENCE_S)


def test_requests_of_many_threads_share_steps(loop: Loop, networks: Networks, request_of: RequestOf):
    asked = [request_of(seed, steps=20, starts=torch.zeros(1, 8) + seed / 20, keep=1) for seed in range(16)]
    futures: dict[int, object] = {}

    def ask(number: int) -> None:
        futures[number] = loop.submit(Plan.of(asked[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    held = Held(loop.engine)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.let_go.set()
    found = [futures[number].result(PATIENCE_S) for number in range(16)]
    alone = Engine(networks, EngineConfig(slots=8, precision="fp32")).ascend(asked)
    assert loop.stats.most_rows > 1
    for ours, theirs in zip(found, alone, strict=True):
        torch.testing.assert_close(ours.codes, theirs.codes, atol=1e-4, rtol=0)


def test_a_short_request_ends_while_a_long_one_runs(loop: Loop, request_of: RequestOf):
    long = loop.submit(Plan.of(request_of(1, steps=LONG)))
    short = loop.submit(Plan.of(request_of(2, steps=3)))
    assert short.result(PATIENCE_S).steps == 3
    assert not long.done()


def test_a_cancelled_future_frees_its_slots(loop: Loop, request_of: RequestOf):
    long = [loop.submit(Plan.of(request_of(seed, steps=LONG))) for seed in range(2)]
    waits = loop.submit(Plan.of(request_of(3, steps=3)))
    assert long[0].cancel()
    assert waits.result(PATIENCE_S).steps == 3
    with pytest.raises(CancelledError):
        long[0].result()
    assert loop.stats.endings[Ending.CANCELLED] == 1


def test_a_full_queue_refuses_at_once(loop: Loop, request_of: RequestOf):
    held = Held(loop.engine)
    for seed in range(2):
        loop.submit(Plan.of(request_of(seed)))
    assert held.entered.wait(PATIENCE_S)
    waiting = [loop.submit(Plan.of(request_of(seed))) for seed in range(2, 4)] if loop.waiting_rows == 0 else []
    with pytest.raises(Full):
        for seed in range(4, 8):
            waiting.append(loop.submit(Plan.of(request_of(seed))))
    held.let_go.set()
    assert len(wait_for(waiting, PATIENCE_S).done) == len(waiting)


def test_progress_is_told_while_it_runs(loop: Loop, request_of: RequestOf):
    told: list[Progress] = []
    enough = threading.Event()

    def listen(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 3:
            enough.set()

    future = loop.submit(Plan.of(request_of(1, steps=LONG)), listener=listen)
    assert enough.wait(PATIENCE_S)
    future.cancel()
    steps = [each.step for each in told]
    assert steps == sorted(set(steps))
    assert told[0].objective <= told[-1].objective


def test_stopping_finishes_what_is_there_and_takes_no_more(loop: Loop, request_of: RequestOf):
    futures = [loop.submit(Plan.of(request_of(seed, steps=20))) for seed in range(4)]
    loop.stop(PATIENCE_S)
    assert all(future.result(0).steps == 20 for future in futures)
    assert not loop.alive
    with pytest.raises(Stopped):
        loop.submit(Plan.of(request_of(9)))


def test_what_does_not_end_in_time_fails_when_the_loop_is_stopped(loop: Loop, request_of: RequestOf):
    future = loop.submit(Plan.of(request_of(1, steps=LONG)))
    loop.stop(0.1)
    with pytest.raises(Stopped):
        future.result(PATIENCE_S)
    loop.engine.fail(RuntimeError("so that the thread ends"))


def test_a_failed_step_fails_what_runs_and_the_loop_goes_on(loop: Loop, request_of: RequestOf):
    run = loop.engine._run

    def out_of_memory(slots: list[int]) -> None:
        loop.engine._run = run
        raise RuntimeError("out of memory")

    loop.engine._run = out_of_memory
    with pytest.raises(RuntimeError, match="out of memory"):
        loop.submit(Plan.of(request_of(1))).result(PATIENCE_S)
    assert loop.submit(Plan.of(request_of(2, steps=3))).result(PATIENCE_S).steps == 3
    assert loop.failures == 0


def test_a_step_that_hangs_is_seen(loop: Loop, request_of: RequestOf):
    assert loop.stuck_for() == 0.0
    held = Held(loop.engine)
    future = loop.submit(Plan.of(request_of(1)))
    assert held.entered.wait(PATIENCE_S)
    assert loop.stuck_for() > 0.0
    held.let_go.set()
    future.result(PATIENCE_S)
