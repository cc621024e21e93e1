"""What the demonstration says: its steps with their times, coloured on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text


class StepFailed(Exception):
    """A step of the demonstration that did not come to its end: which, why, and where its log is."""

    def __init__(self, step: str, reason: str, log: Path | None = None) -> None:
        self.step, self.reason, self.log = step, reason, log
        super().__init__(f"{step}: {reason}" + (f" (log: {log})" if log else ""))


@dataclass(frozen=True, slots=True)
class Timed:
    """A finished step and how long it took."""

    title: str
    seconds: float
    note: str


@dataclass(slots=True)
class Note:
    """What a step found out about itself, shown beside its time."""

    text: str = ""


@dataclass(slots=True)
class Progress:
    """Narrates steps; keeps their times."""

    console: Console
    clock: Callable[[], float] = time.monotonic
    finished: list[Timed] = field(default_factory=list)

    @contextmanager
    def step(self, title: str, *, log: Path | None = None) -> Iterator[Note]:
        """One step. Whatever it raises becomes a StepFailed that names it and its log."""
        note, started = Note(), self.clock()
        self._say("▸", "cyan", title, "")
        try:
            yield note
        except StepFailed:
            raise
        except Exception as error:
            raise StepFailed(title, in_one_line(error), log) from error
        seconds = self.clock() - started
        self.finished.append(Timed(title, seconds, note.text))
        self._say("✓", "green", title, " · ".join(filter(None, [duration(seconds), note.text])))

    def line(self, text: str, *, prefix: str = "", style: str = "") -> None:
        """A line of a step's own, behind a coloured prefix; on a terminal it is cut rather than broken."""
        said = Text("  ")
        said.append(f"{prefix:<8}│ " if prefix else "", style=style or "dim").append(text)
        if self.console.is_terminal:
            self.console.print(said, no_wrap=True, overflow="ellipsis")
        else:
            self.console.print(said, soft_wrap=True)

    def say(self, text: str) -> None:
        """Plain text, just as it is: what is to be copied is not broken."""
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)

    @property
    def seconds(self) -> float:
        """The time that the finished steps took together."""
        return sum(each.seconds for each in self.finished)

    def _say(self, mark: str, style: str, title: str, rest: str) -> None:
        said = Text(f"{mark} ", style=style).append(title, style="bold")
        self.console.print(said.append(f"  {rest}" if rest else "", style="not bold dim"), soft_wrap=True)


def duration(seconds: float) -> str:
    """A time in words as short as its size allows: 0.4 s, 12 s, 3 min 05 s."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def in_one_line(error: BaseException) -> str:
    """An error as one line: its message, or its type's name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
