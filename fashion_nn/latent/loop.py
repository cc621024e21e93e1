"""The engine's thread: steps for as long as anybody waits, and requests from any thread as futures."""

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from fashion_nn.latent.ascent import Plan
from fashion_nn.latent.engine import Engine, Progress, Stats, Task
from fashion_nn.latent.scheduler import State

Result = TypeVar("Result")
Listener = Callable[[Progress], None]
TELL_S = 0.2  # between two reports to a listener

logger = logging.getLogger(__name__)


class Stopped(RuntimeError):
    """The loop takes no requests any more."""


class Coming(Future[Result]):
    """A plan's result to come. Cancelled, it frees the plan's slots at the next step."""

    task: Task


@dataclass(eq=False, slots=True)
class _Asked:
    future: Coming[Any]
    listener: Listener | None
    told: float = 0.0


class Loop:
    """Owns an engine and the thread that steps it."""

    def __init__(self, engine: Engine, *, name: str = "latent") -> None:
        self.engine = engine
        self._asked: dict[Task, _Asked] = {}
        self._changed = threading.Condition()  # holds what the scheduler and the dictionary above know
        self._stopping = False
        self._stepping_since: float | None = None
        self.failures = 0  # steps that failed, one after another
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(
        self,
        plan: Plan[Result],
        *,
        priority: int = 0,
        deadline: float = math.inf,
        listener: Listener | None = None,
    ) -> Coming[Result]:
        """Let a plan be carried out. `listener` is told how far it is, in the loop's thread.

        deadline: on the engine's clock. Raises Full, Stopped, and ValueError for more rows than slots.
        """
        future: Coming[Result] = Coming()
        with self._changed:
            if self._stopping:
                raise Stopped("the latent engine is being stopped")
            task = future.task = self.engine.submit(plan, priority=priority, deadline=deadline)
            self._asked[task] = _Asked(future, listener)
            self._changed.notify()
        future.add_done_callback(lambda done: self._cancel(task) if done.cancelled() else None)
        return future

    def stuck_for(self) -> float:
        """Seconds that the step under way has taken so far; 0 between steps."""
        since = self._stepping_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    @property
    def stats(self) -> Stats:
        """What has been done."""
        return self.engine.stats

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for slots."""
        with self._changed:
            return self.engine.scheduler.waiting_rows

    @property
    def suspended_rows(self) -> int:
        """Rows of these that have run, and gave way to others."""
        with self._changed:
            return sum(task.rows for task in self.engine.scheduler.waiting if task.rows_kept is not None)

    @property
    def running_rows(self) -> int:
        """Rows that hold slots."""
        with self._changed:
            return self.engine.scheduler.running_rows

    def backlog_s(self) -> float:
        """Seconds that what waits takes at the pace so far, if every row takes all its steps."""
        stats = self.engine.stats
        with self._changed:
            waiting = sum(task.rows * task.steps for task in self.engine.scheduler.waiting)
        return waiting * (stats.run_s + stats.other_s) / max(1, stats.row_steps)

    def stop(self, timeout: float | None = None) -> None:
        """Take nothing more, finish what is there, and end the thread; what has not ended by then fails."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            left, self._asked = self._asked, {}
        for asked in left.values():
            _settle(asked.future, error=Stopped("the latent engine was stopped"))

    def _work(self) -> None:
        while self._wait():
            self._stepping_since = time.monotonic()
            try:
                self.engine.step(self._changed)
                self.failures = 0
            except Exception as error:
                logger.exception("a step of the latent engine failed")
                self.failures += 1
                with self._changed:
                    self.engine.fail(error)
            self._stepping_since = None
            self._tell()
            self._answer()

    def _wait(self) -> bool:
        """Until there is something to do; False once there never will be."""
        with self._changed:
            while not self.engine.busy and not self._stopping:
                self._changed.wait()
            return self.engine.busy

    def _tell(self) -> None:
        now = time.monotonic()
        with self._changed:
            due = [(task, each) for task, each in self._asked.items() if each.listener and now - each.told >= TELL_S]
        for task, each in due:
            progress = self.engine.look(task)
            if progress is not None and each.listener is not None:
                each.told = now
                _inform(each, progress)

    def _answer(self) -> None:
        with self._changed:
            ended = [task for task in self._asked if task.state is State.ENDED]
            asked = [(task, self._asked.pop(task)) for task in ended]
        for task, each in asked:
            _settle(each.future, result=task.result, error=task.error)

    def _cancel(self, task: Task) -> None:
        with self._changed:
            self.engine.cancel(task)
            self._asked.pop(task, None)


def _inform(asked: _Asked, progress: Progress) -> None:
    try:
        asked.listener(progress)
    except Exception:  # its own fault: the loop goes on without it
        logger.exception("a listener failed")
        asked.listener = None


def _settle(future: Future[Any], *, result: Any = None, error: Exception | None = None) -> None:
    try:
        future.set_result(result) if error is None else future.set_exception(error)
    except InvalidStateError:  # cancelled meanwhile
        pass
