"""How far a run is: rows from the first worker to the driver, a bar on a terminal, plain lines elsewhere."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

POLL_S = 0.3

Listener = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True, slots=True)
class Row:
    """Terms averaged over the steps since the last row and over all workers."""

    step: int  # done so far
    steps: int  # to be done in all
    terms: dict[str, float]
    seconds_left: float

    def __str__(self) -> str:
        return f"step {self.step}/{self.steps}  {duration(self.seconds_left)} left  {named_values(self.terms)}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line besides the rows."""

    text: str

    def __str__(self) -> str:
        return self.text


Message = Row | Note


class BoardLost(Exception):
    """The board cannot be read any more; the run goes on without it."""


class Board:
    """What the run has said so far, in order: written by the first worker, read by the driver.

    Runs as a Ray actor, so that the two may be on different machines.
    """

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def tell(self, message: Message) -> None:
        self._messages.append(message)

    def since(self, seen: int) -> list[Message]:
        """All but the first `seen` messages."""
        return self._messages[seen:]


class Screen(Protocol):
    """Where a run's messages are shown."""

    def show(self, message: Message) -> None: ...


@dataclass(slots=True)
class Lines:
    """One plain line a message: for logs."""

    name: str
    console: Console

    def show(self, message: Message) -> None:
        self.console.print(f"{self.name}  {message}", soft_wrap=True, markup=False, highlight=False)


class Bar(Progress):
    """A bar with the time left, the newest terms below it; notes scroll by above."""

    def __init__(self, name: str, console: Console) -> None:
        self.name, self.terms = name, Text(style="dim")
        columns = (
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False),
        )
        super().__init__(*columns, console=console)
        self.task = self.add_task(name, total=None, left="")

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield self.terms

    def show(self, message: Message) -> None:
        if isinstance(message, Note):
            self.console.print(f"{self.name}  {message}", markup=False, highlight=False)
            return
        self.terms = Text(named_values(message.terms), style="dim")
        left = f"{duration(message.seconds_left)} left"
        self.update(self.task, completed=message.step, total=message.steps, left=left)


@contextmanager
def screen(name: str, console: Console) -> Iterator[Screen]:
    """A bar where `console` is a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield Lines(name, console)
        return
    with Bar(name, console) as bar:
        yield bar


@contextmanager
def following(read: Callable[[int], list[Message]], show: Callable[[Message], None]) -> Iterator[None]:
    """While inside, shows in a thread what `read(seen)` brings; on the way out, what is still unseen."""
    follower = _Follower(read, show)
    thread = threading.Thread(target=follower.run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        follower.stop.set()
        thread.join()


class _Follower:
    def __init__(self, read: Callable[[int], list[Message]], show: Callable[[Message], None]) -> None:
        self.read, self.show = read, show
        self.stop, self.seen = threading.Event(), 0

    def run(self) -> None:
        try:
            while not self.stop.wait(POLL_S):
                self.catch_up()
            self.catch_up()
        except BoardLost as error:
            self.show(Note(f"no more progress is shown: {error}"))

    def catch_up(self) -> None:
        for message in self.read(self.seen):
            self.show(message)
            self.seen += 1


def by_quarters(say: Callable[[str], object], what: str) -> Listener:
    """A listener that speaks four times, however large the steps are."""
    said = 0

    def listen(done: int, total: int) -> None:
        nonlocal said
        if (quarter := done * 4 // total) > said:
            said = quarter
            say(f"{done:,} of {total:,} {what}")

    return listen


def duration(seconds: float) -> str:
    """Seconds as a reader wants them: 8 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def named_values(terms: Mapping[str, float]) -> str:
    """Terms in one line."""
    return "  ".join(f"{name} {number(value)}" for name, value in terms.items())


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def table(values: Mapping[str, Any]) -> str:
    """Names and values in two columns."""
    width = max(map(len, values), default=0)
    shown = {name: number(value) if isinstance(value, float) else str(value) for name, value in values.items()}
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in shown.items())
