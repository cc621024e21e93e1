"""How patient a client is: how long for one call, and how many tries more than calls.

Where everything fails, tries on top of tries are what keeps a service down. So every call that is made adds a share
of a try to a budget, every further try takes one, and where the budget is empty a failure stands as it is.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.client.failures import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Of one client."""

    timeout_s: float = 60.0  # for one call, all its tries and pauses included
    tries: int = 4  # of one call, the first included
    pause_s: float = 0.1  # before the second try, on average; doubles from try to try
    longest_pause_s: float = 5.0  # ... up to this, unless the service asks for more
    share: float = 0.2  # of a further try that every call earns
    most: float = 10.0  # further tries that can be saved up; there are as many at first


class Budget:
    """Further tries that may be made. Safe to share between threads."""

    def __init__(self, patience: Patience) -> None:
        self._share, self._most, self._left = patience.share, patience.most, patience.most
        self._turn = threading.Lock()

    def earn(self) -> None:
        """For a call that begins."""
        with self._turn:
            self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Take one try, if there is one."""
        with self._turn:
            if self._left < 1:
                return False
            self._left -= 1
            return True


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

    def pause(self, failure: Failure) -> float | None:
        """In how many seconds to try again after a failure; None where it stands."""
        self._made += 1
        doubled = self._patience.pause_s * 2**self._made * self._draw()  # at random, so that not all come at once
        wait_s = max(min(self._patience.longest_pause_s, doubled), failure.retry_after_s or 0.0)
        if not failure.again or self._made >= self._patience.tries or wait_s >= self.left_s:
            return None
        return wait_s if self._budget.spend() else None
