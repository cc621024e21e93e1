"""Who may run when: slots for rows, given out between steps. No tensors: the clock counts steps, slots are numbers.

Requests are served in the order of their rank, the time of their arrival less a head start of `HEAD_START_S` for each
point of priority. Where the first in the queue does not fit into the free slots, the step at which it will fit at the
latest is known, since every request says how many steps it may still take. Others may go before it only if that does
not put this step off: because they end by then, or because they use slots that it leaves free (EASY backfilling,
Lifka, JSSPP 1995). So small requests fill the gaps, and however many there are, they keep no large one waiting.

Nobody starves: whoever is first starts within the steps that those who run may still take; and every waiting request
becomes first, as a later one outranks it only if it comes within HEAD_START_S times the difference in priority.
"""

import heapq
import math
from bisect import insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Generic, TypeVar

from fashion_nn import checks

HEAD_START_S = 5.0  # that a request goes before others, for each point of its priority
HIGHEST_PRIORITY = 9


class State(Enum):
    """A request's life: it only ever moves on."""

    NEW = "new"
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Ending(Enum):
    """Why a request has ended."""

    FINISHED = "took all its steps, or stopped improving"
    DEADLINE = "its deadline passed"
    CANCELLED = "its caller has gone"
    FAILED = "it could not be computed"


class Full(Exception):
    """More rows are waiting than the queue takes."""

    def __init__(self, waiting: int, rows: int, limit: int) -> None:
        super().__init__(f"{waiting} rows are waiting and {rows} more were asked for, but the limit is {limit}")
        self.waiting, self.rows, self.limit = waiting, rows, limit


@dataclass(eq=False, kw_only=True, slots=True)
class Request:
    """So many rows for at most so many steps.

    deadline: seconds on the clock that `add` and `late` are told.
    """

    rows: int
    steps: int
    priority: int = 0
    deadline: float = math.inf
    state: State = State.NEW
    ending: Ending | None = None
    slots: tuple[int, ...] = ()
    rank: tuple[float, int] = field(default=(0.0, 0), init=False)

    def __post_init__(self) -> None:
        checks.at_least("rows", self.rows, 1)
        checks.at_least("steps", self.steps, 1)
        checks.within("priority", self.priority, 0, HIGHEST_PRIORITY)


AnyRequest = TypeVar("AnyRequest", bound=Request)


class Scheduler(Generic[AnyRequest]):
    """`slots` rows may run at once, and `max_waiting` rows may wait for slots that are not free."""

    def __init__(self, slots: int, *, max_waiting: int) -> None:
        checks.at_least("slots", slots, 1)
        checks.at_least("max_waiting", max_waiting, 0)
        self.slots, self.max_waiting = slots, max_waiting
        self.waiting: deque[AnyRequest] = deque()  # by rank
        self.running: deque[AnyRequest] = deque()  # by admission
        self._free = list(range(slots))  # a heap: low numbers first, so that the rows that run lie close together
        self._arrivals = count()

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return len(self._free)

    @property
    def waiting_rows(self) -> int:
        """Rows of all that wait."""
        return sum(request.rows for request in self.waiting)

    def add(self, request: AnyRequest, now: float) -> None:
        """Let a request wait for its slots. Raises Full; ValueError for one that could never run."""
        if request.rows > self.slots:
            raise ValueError(f"rows is {request.rows}, but there are {self.slots} slots")
        if request.state is not State.NEW:
            raise ValueError(f"the request is {request.state.value} already")
        waiting = self.waiting_rows
        if waiting + request.rows > self.max_waiting + self.free:
            raise Full(waiting, request.rows, self.max_waiting)
        request.rank = (now - HEAD_START_S * request.priority, next(self._arrivals))
        request.state = State.WAITING
        insort(self.waiting, request, key=lambda each: each.rank)

    def late(self, now: float) -> list[AnyRequest]:
        """Those whose deadline has passed while they waited."""
        return [request for request in self.waiting if request.deadline <= now]

    def schedule(self) -> list[AnyRequest]:
        """Between two steps: those admitted now, each with its slots."""
        admitted = list(self._fitting())
        for request in admitted:
            self.waiting.remove(request)
            request.slots = tuple(heapq.heappop(self._free) for _ in range(request.rows))
            request.state = State.RUNNING
            self.running.append(request)
        return admitted

    def stepped(self) -> None:
        """One step of all that run has been taken."""
        for request in self.running:
            request.steps = max(0, request.steps - 1)

    def narrow(self, request: AnyRequest, rows: int) -> None:
        """A running request goes on with its first `rows` slots."""
        checks.within("rows", rows, 1, request.rows)
        self._release(request.slots[rows:])
        request.slots, request.rows = request.slots[:rows], rows

    def end(self, request: AnyRequest, ending: Ending) -> None:
        """A request leaves, waiting or running; its slots are free. One that has ended stays as it is."""
        if request.state is State.WAITING:
            self.waiting.remove(request)
        elif request.state is State.RUNNING:
            self.running.remove(request)
            self._release(request.slots)
            request.slots = ()
        else:
            return
        request.state, request.ending = State.ENDED, ending

    def _release(self, slots: tuple[int, ...]) -> None:
        for slot in slots:
            heapq.heappush(self._free, slot)

    def _fitting(self) -> Iterator[AnyRequest]:
        """Those that may start now, in order of rank."""
        free, first = self.free, None
        running = [(request.steps, request.rows) for request in self.running]
        for request in self.waiting:
            if not free:
                return
            if request.rows > free:
                first = first or Reservation.of(request, free, running)
                continue
            if first is None:
                running.append((request.steps, request.rows))
            elif not first.admits(request):
                continue
            free -= request.rows
            yield request


@dataclass(slots=True)
class Reservation:
    """When the first of the queue will fit at the latest, and how many slots it will then leave free."""

    steps: int
    spare: int

    @classmethod
    def of(cls, request: Request, free: int, running: list[tuple[int, int]]) -> "Reservation":
        """For a request that does not fit into the free slots beside those (steps left, rows) that run."""
        for steps, rows in sorted(running):
            free += rows
            if free >= request.rows:
                return cls(steps, free - request.rows)
        raise AssertionError("a request that fits into all slots fits once nobody runs")

    def admits(self, request: Request) -> bool:
        """Whether a later request may go before; it is counted among the running ones if so."""
        if request.steps <= self.steps:
            return True
        if request.rows > self.spare:
            return False
        self.spare -= request.rows
        return True
