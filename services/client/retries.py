"""How patient a client is: how long for one call, and how many tries more than calls.

A call is made again for as long as its time allows, with pauses that grow. Where everything fails, tries on top of
tries are what keeps a service down. So every call that is made adds a share of a try to a budget, as does every second;
every further try takes one, and waits where there is none yet.
"""

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.client.failures import Failure

SHORTEST_S = 0.001  # of a try: the service is told thousandths


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Of one client."""

    timeout_s: float = 60.0  # for one call, all its tries and pauses included
    tries: int | None = None  # of one call, the first included; None: as many as its time allows
    pause_s: float = 0.1  # before the second try, on average; doubles from try to try
    longest_pause_s: float = 5.0  # ... and never more, unless the service asks for more
    share: float = 0.2  # of a further try that every call earns
    a_second: float = 10.0  # further tries that are earned by waiting
    most: float = 10.0  # further tries that can be saved up; there are as many at first


class Budget:
    """Further tries that may be made. Safe to share between threads."""

    def __init__(self, patience: Patience, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._left, self._at = patience.most, clock()  # less than none: so many are promised already
        self._turn = threading.Lock()

    def earn(self) -> None:
        """For a call that begins."""
        with self._turn:
            self._add(self._patience.share)

    def spend(self, within_s: float) -> float | None:
        """Take one try: in how many seconds it can be had. None, and nothing is taken, where that is too late."""
        with self._turn:
            self._add(0.0)
            lacking, rate = max(0.0, 1 - self._left), self._patience.a_second
            wait_s = lacking / rate if lacking and rate else math.inf if lacking else 0.0
            if wait_s >= within_s:
                return None
            self._left -= 1
            return wait_s

    def _add(self, tries: float) -> None:
        now = self._clock()
        earned = tries + (now - self._at) * self._patience.a_second
        self._left, self._at = min(self._patience.most, self._left + earned), now


class Tries:
    """Those of one call."""

    def __init__(
        self,
        patience: Patience,
        budget: Budget,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._patience, self._budget, self._clock, self._draw = patience, budget, clock, draw
        self._end = clock() + patience.timeout_s
        self._made = 0
        budget.earn()

    @property
    def left_s(self) -> float:
        """Until nobody waits any more."""
        return self._end - self._clock()

    @property
    def over(self) -> bool:
        """Whether there is no time for another one."""
        return self.left_s < SHORTEST_S

    def pause(self, failure: Failure) -> float | None:
        """In how many seconds to try again after a failure; None where it stands."""
        self._made += 1
        longest = min(self._patience.longest_pause_s, self._patience.pause_s * 2.0 ** min(self._made, 30))
        wait_s = max(longest * self._draw(), failure.retry_after_s or 0.0)  # at random: not all come at once
        left_s = self.left_s
        if not failure.again or self._made == self._patience.tries or wait_s >= left_s:
            return None
        earned_s = self._budget.spend(left_s)
        return None if earned_s is None else max(wait_s, earned_s)
