"""The latent engine: many shoppers' ascents in one pass, joining and leaving between steps.

    step = schedule → run → harvest

Rows that wait join and rows that are done leave between any two steps, so nobody waits for the slowest. The scheduler
decides who runs, the slots hold where each row is, a step is one pass of the networks; this room ties them together.
It is not safe for threads: `loop.Loop` runs it in one.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fashion_nn.latent.ascent import Ascended, Ascent, Plan
from fashion_nn.latent.folding import folded
from fashion_nn.latent.memory import footprint
from fashion_nn.latent.objective import Networks
from fashion_nn.latent.passes import Precision, prepared
from fashion_nn.latent.scheduler import Ending, Request, Scheduler, State
from fashion_nn.latent.slots import Slots

GIB = 2**30
MOST_SLOTS = {"cpu": 64, "cuda": 512}  # unless a number is asked for
CPU = torch.device("cpu")
LOOK_EVERY = 8  # steps between two looks on a device that would have to be waited for
LATELY = 3  # steps of one size
SLACK = 1.25  # of the time that a step took


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineConfig:
    """How large an engine may be."""

    memory_bytes: int = 4 * GIB
    slots: int | None = None  # by default as many as the memory has room for
    max_waiting: int = 512  # rows
    precision: Precision = "auto"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a plan is, and the best so far of the ascent under way, on the host."""

    step: int
    steps: int  # at most, of all ascents together
    objective: float
    preference: float
    realism: float
    picture: Tensor  # [3, S, S] in [-1, 1]


@dataclass(eq=False, kw_only=True, slots=True)
class Task(Request):
    """A plan on its way through the engine; `result` or `error` once it has ended."""

    plan: Plan[Any]
    ascent: Ascent  # under way
    left: int = 0  # passes of it
    rows_kept: Slots | None = None  # where it was when it was suspended
    began: int = 0  # the engine's step count when it was put into its slots
    admitted: float = 0.0  # on the engine's clock
    held_s: float = 0.0  # how long it has held slots
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Stats:
    """What an engine has done, and where its time went."""

    steps: int = 0
    row_steps: int = 0
    most_rows: int = 0  # of one step
    run_s: float = 0.0  # in the networks
    other_s: float = 0.0  # scheduling and harvesting
    endings: dict[Ending, int] = field(default_factory=lambda: dict.fromkeys(Ending, 0))


class NoTime(Exception):
    """A request had no slots in time for a step before its deadline: nothing was done for it."""


class DeadlinePassed(Exception):
    """A request's time was up: thrown into a plan that asks for another ascent; one that gives nothing fails by it."""


class Engine:
    """A fixed number of slots over frozen networks. Warm when it is made. Raises DoesNotFit."""

    def __init__(
        self,
        networks: Networks,
        config: EngineConfig = EngineConfig(),
        *,
        device: torch.device = CPU,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        networks = Networks(*(network.to(device) for network in networks))
        exact = folded(networks)
        needed = footprint(exact, device, max_waiting=config.max_waiting)
        slots = needed.slots(config.memory_bytes, wanted=config.slots, most=MOST_SLOTS[device.type])
        self.memory_bytes = needed.of(slots)
        self.slots = Slots.empty(slots, networks, device)
        self._run, self.dtype = prepared(networks, exact, self.slots, config.precision)
        self._look = None if self.dtype is torch.float32 else exact.look
        self.scheduler: Scheduler[Task] = Scheduler(slots, max_waiting=config.max_waiting)
        self.clock, self.stats = clock, Stats()
        self._paces = Paces()
        self._looks = Looks(self.slots)

    @property
    def busy(self) -> bool:
        """Whether anybody waits or runs."""
        return bool(self.scheduler.waiting or self.scheduler.running)

    def submit(self, plan: Plan[Any], *, priority: int = 0, deadline: float = math.inf) -> Task:
        """Let a plan's first ascent wait for its slots. Raises Full, and ValueError for more rows than slots."""
        ascent = next(plan.ascents)
        task = Task(plan=plan, ascent=ascent, rows=ascent.rows, steps=plan.passes, priority=priority, deadline=deadline)
        self.scheduler.add(task)
        return task

    def cancel(self, task: Task) -> None:
        """Nobody waits for this any more: its slots are free at the next step."""
        self._end(task, Ending.CANCELLED)

    def step(self, lock: AbstractContextManager[Any] | None = None) -> None:
        """Schedule, run, harvest. Tasks may be submitted and cancelled meanwhile by whoever holds the lock."""
        lock = lock or nullcontext()
        began, began_at = time.perf_counter(), self.clock()
        with lock:
            self._schedule()
            running = sorted(slot for task in self.scheduler.running for slot in task.slots)
        ready = time.perf_counter()
        if running:
            self._run(running)
        ran = time.perf_counter()
        with lock:
            if running:
                self._count(len(running))
                self._paces.saw(len(running), self.clock() - began_at)
                self._harvest()
            self.stats.run_s += ran - ready
            self.stats.other_s += ready - began + time.perf_counter() - ran

    def fail(self, error: Exception) -> None:
        """What runs cannot be computed: end it."""
        for task in list(self.scheduler.running):
            self._end(task, Ending.FAILED, error=error)

    def look(self, task: Task) -> Progress | None:
        """The best so far of a task that runs, between two steps. The host waits for the device."""
        slots = task.slots  # none from one moment to the next, where somebody else cancels it
        if not slots or task.left == task.ascent.passes:
            return None
        at = torch.tensor(slots, device=self.slots.hidden.device)
        best = at[self.slots.highest[at].argmax()]
        judged = (self.slots.highest, self.slots.preference, self.slots.realism)
        return Progress(
            task.plan.passes - task.steps - 1,
            task.plan.passes - 1,
            *(float(column[best]) for column in judged),
            self.slots.picture[best].cpu(),
        )

    def complete(self, plans: Iterable[Plan[Any]]) -> list[Any]:
        """Run plans together to their end; each one's result, or the error that it ended with."""
        tasks = [self.submit(plan) for plan in plans]
        while self.busy:
            self.step()
        return [task.result if task.error is None else task.error for task in tasks]

    def ascend(self, ascents: Iterable[Ascent]) -> list[Ascended | Exception]:
        """Run ascents together to their end."""
        return self.complete(Plan.of(ascent) for ascent in ascents)

    def _step_s(self) -> float:
        """Seconds that a step may take with all that want to run: more than it took, for late is lost."""
        wanted = self.scheduler.running_rows + self.scheduler.waiting_rows
        return SLACK * self._paces.of(min(self.scheduler.slots, wanted))

    def _schedule(self) -> None:
        now = self.clock()
        for task in self._late(now):
            if task.rows_kept is None:
                self._turn_away(task)
            else:
                self._advance(task, task.rows_kept, late=True)
        changes = self.scheduler.schedule()
        for task, slots in changes.suspended:
            task.rows_kept = self.slots.taken_out(slots)
            task.held_s += now - task.admitted
        for task in self.scheduler.late(now + 2 * self._step_s()):  # who would begin after this step, and end too late
            if task.rows_kept is None:
                self._turn_away(task)
        for task in changes.admitted:
            task.admitted = now
            if task.rows_kept is None:
                self._begin(task, task.ascent)
            else:
                self._resume(task, task.rows_kept)

    def _turn_away(self, task: Task) -> None:
        self._end(task, Ending.DEADLINE, error=NoTime("no slots were free in time"))

    def _late(self, now: float) -> list[Task]:
        """Who waits and has no time for the next step. One is tried all the same where nobody runs: paces change."""
        late = self.scheduler.late(now + self._step_s())
        if late and not self.scheduler.running and len(late) == len(self.scheduler.waiting):
            late = [task for task in late if task is not late[-1] or task.deadline <= now]
        return late

    def _count(self, rows: int) -> None:
        self.scheduler.stepped()
        for task in self.scheduler.running:
            task.left -= 1
        self.stats.steps += 1
        self.stats.row_steps += rows
        self.stats.most_rows = max(self.stats.most_rows, rows)

    def _harvest(self) -> None:
        """Take what is done out of the slots, and let plans go on.

        Late is also who would be after another step.
        """
        after = self.clock() + self._step_s()
        self._looks.refresh(self.stats.steps)
        for task in list(self.scheduler.running):
            late = task.deadline <= after
            if late or not task.left or self._looks.ends(task.slots, task.began):
                self._advance(task, self.slots.taken_out(task.slots), late=late)

    def _begin(self, task: Task, ascent: Ascent) -> None:
        task.ascent, task.left, task.began = ascent, ascent.passes, self.stats.steps + 1
        self.slots.load(task.slots, ascent)

    def _resume(self, task: Task, rows: Slots) -> None:
        task.rows_kept, task.began = None, self.stats.steps + 1
        self.slots.put_back(task.slots, rows)

    def _advance(self, task: Task, rows: Slots, *, late: bool) -> None:
        """Hand a plan what its ascent has come to, and go on with the next, or end."""
        try:
            found = rows.harvest(task.ascent, look=self._look)
            ascent = task.plan.ascents.send(found)
            if late:
                task.plan.ascents.throw(DeadlinePassed("there was no time for all ascents"))
                raise DeadlinePassed("the plan went on after its deadline")
            if ascent.passes > task.steps:
                raise ValueError(f"an ascent of {ascent.passes} passes, but {task.steps} were left")
            self.scheduler.narrow(task, ascent.rows)
            self._begin(task, ascent)
        except StopIteration as done:
            task.result = done.value
            self._end(task, Ending.DEADLINE if late else Ending.FINISHED)
        except DeadlinePassed as error:
            self._end(task, Ending.DEADLINE, error=error)
        except Exception as error:  # of this request alone: the others go on
            self._end(task, Ending.FAILED, error=error)

    def _end(self, task: Task, ending: Ending, *, error: Exception | None = None) -> None:
        if task.state is State.ENDED:
            return
        task.error = error
        task.rows_kept = None
        task.held_s += self.clock() - task.admitted if task.state is State.RUNNING else 0.0
        self.scheduler.end(task, ending)
        task.plan.ascents.close()
        self.stats.endings[ending] += 1


class Paces:
    """How long steps took lately, by their rows: the longest of a few, for what else is computed comes and goes.

    A row takes no longer in a larger step, so that what was slow once is forgotten when a smaller one was not.
    """

    def __init__(self) -> None:
        self._seen: dict[int, deque[tuple[int, float]]] = {}  # by rows, in eights: rows and seconds of the last steps

    def saw(self, rows: int, seconds: float) -> None:
        """One more step."""
        self._seen.setdefault(_eights(rows), deque(maxlen=LATELY)).append((rows, seconds))

    def of(self, rows: int) -> float:
        """Seconds that a step of so many rows takes; as of fewer where so many have not been seen."""
        size = _eights(rows)
        at_most = {
            known: max(seconds * max(1.0, rows / those) for those, seconds in lately)
            for known, lately in self._seen.items()
            if known <= size
        }
        if at_most and size not in at_most:
            at_most[size] = max(seconds for _, seconds in self._seen[max(at_most)])
        return min(at_most.values(), default=0.0)


def _eights(rows: int) -> int:
    return -(-rows // 8)


class Looks:
    """Which slots are over before their time: settled, or broken.

    On a processor that is read after every step. A GPU is not waited for: every LOOK_EVERY steps a copy is queued, and
    read once it is there. A row that is over gains nothing more, so it ends a little later with the same answer.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.step = 0  # at which what is known was so
        self.settled: list[bool] = [False] * len(slots.settled)
        self.broken: list[bool] = self.settled
        self._queued: tuple[int, Tensor, torch.cuda.Event] | None = None

    def refresh(self, step: int) -> None:
        """After a step, the number of which is told."""
        if not self.slots.settled.is_cuda:
            self._know(step, torch.stack([self.slots.settled, self.slots.broken]))
        elif self._queued is None and step % LOOK_EVERY == 0:
            copy = torch.stack([self.slots.settled, self.slots.broken]).to("cpu", non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._queued = step, copy, event
        elif self._queued is not None and self._queued[2].query():
            self._know(*self._queued[:2])
            self._queued = None

    def ends(self, slots: Sequence[int], since: int) -> bool:
        """Whether a request that has held these slots since a step is over: all rows settled, or one broken."""
        if since > self.step:
            return False
        return all(self.settled[slot] for slot in slots) or any(self.broken[slot] for slot in slots)

    def _know(self, step: int, flags: Tensor) -> None:
        self.step = step
        self.settled, self.broken = flags.tolist()
