"""What is wrong with a data set: listed by file and line, then skipped or refused as the caller chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

OnProblem = Literal["skip", "refuse"]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in which file, on which line (from 1; None where lines make no sense)."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.reason}"


class DataError(ValueError):
    """A data set that cannot be used, or was refused; `problems` lists why."""

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"… and {len(self.problems) - _SHOWN:,} more")
        return "\n".join(lines)


@dataclass(slots=True)
class ProblemList:
    """Collects problems while a data set is read; `settle` hands them over, or refuses the data set."""

    on_problem: OnProblem
    found: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.on_problem not in get_args(OnProblem):
            raise ValueError(f"on_problem {self.on_problem!r} is neither 'skip' nor 'refuse'")

    def add(self, file: Path | str, line: int | None, reason: str) -> None:
        self.found.append(Problem(str(file), line, reason))

    def settle(self) -> tuple[Problem, ...]:
        """All problems found; raises DataError with all of them under "refuse"."""
        if self.found and self.on_problem == "refuse":
            raise DataError(self.found)
        return tuple(self.found)


def fatal(file: Path | str, line: int | None, reason: str) -> DataError:
    """The error for what leaves nothing to go on with, whatever the caller chose."""
    return DataError([Problem(str(file), line, reason)])
