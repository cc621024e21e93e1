"""Steps with their times, in plain lines where there is no terminal."""

import io
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from demo.progress import Progress, StepFailed, duration


def narrate() -> tuple[Progress, io.StringIO]:
    out, clock = io.StringIO(), count(step=4)
    return Progress(Console(file=out, width=40), clock=lambda: float(next(clock))), out


def test_a_step_says_when_it_begins_and_how_long_it_took() -> None:
    progress, out = narrate()
    with progress.step("Draw the world") as note:
        progress.line("half way", prefix="world")
        note.text = "720 items"
    assert out.getvalue().splitlines() == [
        "▸ Draw the world",
        "  world   │ half way",
        "✓ Draw the world  4.0 s · 720 items",
    ]
    assert progress.seconds == 4.0


def test_long_lines_are_not_broken_and_brackets_are_text() -> None:
    progress, out = narrate()
    progress.line("x" * 100 + " [red]")
    assert out.getvalue() == "  " + "x" * 100 + " [red]\n"


def test_what_goes_wrong_names_the_step_and_its_log() -> None:
    progress, _ = narrate()
    with pytest.raises(StepFailed) as failure, progress.step("Serve", log=Path("serve.log")):
        raise OSError("port 8000\nis taken")
    assert str(failure.value) == "Serve: port 8000 is taken (log: serve.log)"
    assert progress.finished == []


def test_a_failure_inside_a_step_keeps_its_own_name() -> None:
    progress, _ = narrate()
    with pytest.raises(StepFailed, match=r"^inner: why$"), progress.step("outer"):
        raise StepFailed("inner", "why")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (12.2, "12 s"), (99.7, "1 min 40 s"), (185.0, "3 min 05 s")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
