"""Three times as many requests as can be served, on a clock of its own: who has slots is answered in time."""

import random
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate

import pytest

from fashion_nn.latent import Ascent, Engine, EngineConfig, Networks, Plan
from fashion_nn.latent.engine import NoTime, Paces, Task
from fashion_nn.latent.scheduler import Full
from tests.fashion_nn.latent.test_engine import Clock

RequestOf = Callable[..., Ascent]
SLOTS, ROWS, STEPS = 32, 4, 20
PATIENCE_S = 4.0  # of who asks
CALLERS = 200


class Shop:
    """An engine whose steps take what `cost` says of their rows, and who asks it at random moments, also during one."""

    def __init__(self, networks: Networks, request_of: RequestOf, cost: Callable[[int], float], rate: float) -> None:
        self.clock, self.cost = Clock(), cost
        self.engine = Engine(networks, EngineConfig(slots=SLOTS, precision="fp32"), clock=self.clock)
        self.engine._run = self._pass_time  # what is asked has no part in how long it takes
        self.ascent = request_of(1, steps=STEPS, patience=STEPS + 1)
        dice = random.Random(0)
        self.coming = list(accumulate(dice.expovariate(rate) for _ in range(CALLERS)))
        self.long_s = self.coming[-1]
        self.tasks: list[Task] = []
        self.ended: dict[Task, float] = {}

    def open(self) -> None:
        """Until all who came have their answer."""
        while self.coming or self.engine.busy:
            if not self.engine.busy:
                self._wait_until(self.coming[0])
            self.engine.step()
            for task in self.tasks:
                if task.ending is not None:
                    self.ended.setdefault(task, self.clock.now)

    def _pass_time(self, running: list[int]) -> None:
        end = self.clock.now + self.cost(len(running))
        while self.coming and self.coming[0] <= end:
            self._wait_until(self.coming[0])
        self.clock.now = end

    def _wait_until(self, at: float) -> None:
        self.clock.now = self.coming.pop(0)
        with suppress(Full):  # told at once
            self.tasks.append(self.engine.submit(Plan.of(self.ascent), deadline=at + PATIENCE_S))


@pytest.mark.parametrize(
    ("each_s", "base_s"), [(0.001, 0.01), (0.005, 0.02), (0.02, 0.05), (0.06, 0.0), (0.0, 0.5)], ids=str
)
def test_who_had_slots_is_answered_in_time_and_others_are_told(
    networks: Networks, request_of: RequestOf, each_s: float, base_s: float
) -> None:
    """Steps of all slots take from 0.04 to 1.9 s: a hundred of them fit into a caller's patience, or two."""

    def cost(rows: int) -> float:
        return base_s + each_s * rows

    most = SLOTS / ROWS / cost(SLOTS)  # requests a second that can have one pass each
    shop = Shop(networks, request_of, cost, 3 * most)
    shop.open()
    answered = [task for task in shop.tasks if task.error is None]
    turned_away = [task for task in shop.tasks if task.error is not None]
    late = [task for task in shop.tasks if shop.ended[task] > task.deadline]
    assert len(late) <= 0.05 * len(shop.tasks)  # while it is not known yet how long steps take
    assert turned_away and all(isinstance(task.error, NoTime) and task.held_s == 0 for task in turned_away)
    capacity = most / (STEPS + 1)  # with all the steps that are asked for
    assert len(answered) / max(shop.ended[task] for task in answered) >= 0.9 * capacity


def test_who_had_slots_is_hardly_late_where_steps_vary(networks: Networks, request_of: RequestOf) -> None:
    """By as much as others who compute on the same processors make them: half as long, or half as long again."""
    dice = random.Random(1)
    shop = Shop(networks, request_of, lambda rows: 0.03 * rows * dice.uniform(0.5, 1.5), rate=24)
    shop.open()
    late = [task for task in shop.tasks if shop.ended[task] > task.deadline]
    assert len(late) <= 0.05 * len(shop.tasks)
    assert sum(task.error is None for task in shop.tasks) > 0.2 * len(shop.tasks)


def test_a_step_that_was_slow_once_keeps_nobody_out(networks: Networks, request_of: RequestOf) -> None:
    """As after a hiccup of ten seconds: somebody is tried, and the pace is known anew."""
    slow = iter([10.0])
    shop = Shop(networks, request_of, lambda rows: next(slow, 0.1), rate=0.2)
    shop.open()
    failed = [task for task in shop.tasks if task.error is not None or shop.ended[task] > task.deadline]
    assert 1 <= len(failed) <= 6


def test_a_large_step_that_was_slow_once_is_forgotten_when_smaller_ones_are_not() -> None:
    paces = Paces()
    assert paces.of(64) == 0.0
    paces.saw(16, 10.0)
    assert (paces.of(8), paces.of(16), paces.of(32)) == (0.0, 10.0, 10.0)
    paces.saw(4, 0.1)
    assert paces.of(16) == pytest.approx(0.4) and paces.of(3) == pytest.approx(0.1)
    paces.saw(64, 0.3)
    assert paces.of(64) == pytest.approx(0.3) and paces.of(60) == pytest.approx(0.3)
