"""Who may run when: slots for rows, given out anew between any two steps. No tensors: slots are numbers.

Work is counted in row-steps, and so is time: `served` is the work done so far. A request that asks for `work` row-steps
is due once STRETCH times as much has been served since it came, and half of that for each point of its priority. Slots
go by the time due, the soonest first, to whoever fits beside those before it. A request that loses its slots to one
that is due sooner is suspended, and goes on from where it was. So a small request runs at once beside or before a large
one, as under shortest-job-first, but only for as long as the large one is not due.

Nobody starves: what is due first of all runs; and once a request's time has come, whatever arrives is due later.
"""

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from fashion_nn import checks

STRETCH = 16  # times its own work: how much may be served before a request is due
HIGHEST_PRIORITY = 9


class State(Enum):
    """A request's life: it moves on, but for going back from running to waiting when it is suspended."""

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

    deadline: seconds on the clock that `late` is told.
    """

    rows: int
    steps: int
    priority: int = 0
    deadline: float = math.inf
    state: State = State.NEW
    ending: Ending | None = None
    slots: tuple[int, ...] = ()
    due: tuple[float, int] = field(default=(0.0, 0), init=False)  # row-steps served; the arrival breaks a tie

    def __post_init__(self) -> None:
        checks.at_least("rows", self.rows, 1)
        checks.at_least("steps", self.steps, 1)
        checks.within("priority", self.priority, 0, HIGHEST_PRIORITY)


AnyRequest = TypeVar("AnyRequest", bound=Request)


class Schedule(NamedTuple, Generic[AnyRequest]):
    """What changes between two steps."""

    suspended: list[tuple[AnyRequest, tuple[int, ...]]]  # with the slots that each has lost
    admitted: list[AnyRequest]


class Scheduler(Generic[AnyRequest]):
    """`slots` rows may run at once, and `max_waiting` rows may wait for slots that are not free."""

    def __init__(self, slots: int, *, max_waiting: int) -> None:
        checks.at_least("slots", slots, 1)
        checks.at_least("max_waiting", max_waiting, 0)
        self.slots, self.max_waiting = slots, max_waiting
        self.waiting: list[AnyRequest] = []
        self.running: list[AnyRequest] = []
        self.served = 0  # row-steps
        self._free = list(range(slots))  # a heap: low numbers first, so that the rows that run lie close together
        self._arrivals = count()

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return len(self._free)

    @property
    def running_rows(self) -> int:
        """Rows of all that run."""
        return self.slots - self.free

    @property
    def waiting_rows(self) -> int:
        """Rows of all that wait."""
        return sum(request.rows for request in self.waiting)

    def add(self, request: AnyRequest) -> None:
        """Let a request wait for its slots. Raises Full; ValueError for one that could never run."""
        if request.rows > self.slots:
            raise ValueError(f"rows is {request.rows}, but there are {self.slots} slots")
        if request.state is not State.NEW:
            raise ValueError(f"the request is {request.state.value} already")
        waiting = self.waiting_rows
        if waiting + request.rows > self.max_waiting + self.free:
            raise Full(waiting, request.rows, self.max_waiting)
        patience = STRETCH * request.rows * request.steps / 2**request.priority
        request.due = (self.served + patience, next(self._arrivals))
        request.state = State.WAITING
        self.waiting.append(request)

    def late(self, now: float) -> list[AnyRequest]:
        """Those whose deadline has passed while they waited."""
        return [request for request in self.waiting if request.deadline <= now]

    def schedule(self) -> Schedule[AnyRequest]:
        """Between two steps: give the slots to those that are due soonest."""
        chosen = set(self._soonest()) if self.waiting else set(self.running)
        changes = Schedule(
            [(request, request.slots) for request in self.running if request not in chosen],
            [request for request in self.waiting if request in chosen],
        )
        for request, _ in changes.suspended:
            self._move(request, State.WAITING)
        for request in changes.admitted:
            self._move(request, State.RUNNING)
        return changes

    def stepped(self) -> None:
        """One step of all that run has been taken."""
        for request in self.running:
            request.steps = max(0, request.steps - 1)
            self.served += request.rows

    def narrow(self, request: AnyRequest, rows: int) -> None:
        """A running request goes on with its first `rows` slots."""
        checks.within("rows", rows, 1, request.rows)
        self._release(request.slots[rows:])
        request.slots, request.rows = request.slots[:rows], rows

    def end(self, request: AnyRequest, ending: Ending) -> None:
        """A request leaves, waiting or running; its slots are free. One that has ended stays as it is."""
        if request.state in (State.WAITING, State.RUNNING):
            self._move(request, State.ENDED)
            request.ending = ending

    def _soonest(self) -> Iterator[AnyRequest]:
        """Who may run: whoever fits beside those that are due before it."""
        free = self.slots
        for request in sorted([*self.running, *self.waiting], key=lambda each: each.due):
            if request.rows <= free:
                free -= request.rows
                yield request

    def _move(self, request: AnyRequest, state: State) -> None:
        if request.state is State.WAITING:
            self.waiting.remove(request)
        else:
            self.running.remove(request)
            self._release(request.slots)
            request.slots = ()
        request.state = state
        if state is State.WAITING:
            self.waiting.append(request)
        elif state is State.RUNNING:
            self.running.append(request)
            request.slots = tuple(heapq.heappop(self._free) for _ in range(request.rows))

    def _release(self, slots: tuple[int, ...]) -> None:
        for slot in slots:
            heapq.heappush(self._free, slot)
