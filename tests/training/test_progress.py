"""Rows and notes on a terminal and off it."""

import io
import threading

import pytest
from rich.console import Console

from training.progress import Board, BoardLost, Note, Row, by_quarters, duration, following, number, screen

ROW = Row(step=50, steps=200, terms={"loss/generator/cycle": 0.123456, "mask/mean": 2.0}, seconds_left=75.4)


def shown(*messages: Row | Note, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)
    with screen("first", console) as place:
        for message in messages:
            place.show(message)
    return console.file.getvalue()


def test_off_a_terminal_each_message_is_one_plain_line() -> None:
    text = shown(Note("continues from checkpoint-00000025"), ROW, terminal=False)
    assert text.splitlines() == [
        "first  continues from checkpoint-00000025",
        "first  step 50/200  1 min 15 s left  loss/generator/cycle 0.1235  mask/mean 2",
    ]


def test_on_a_terminal_the_bar_has_steps_time_left_and_terms() -> None:
    text = shown(ROW, Note("[brackets] stay"), terminal=True)
    assert "50/200" in text and "1 min 15 s left" in text and "loss/generator/cycle 0.1235" in text
    assert "[brackets] stay" in text


def test_following_shows_everything_in_order_once() -> None:
    board, seen = Board(), []
    with following(board.since, seen.append):
        for i in range(5):
            board.tell(Note(str(i)))
    assert [note.text for note in seen] == list("01234")


def test_a_lost_board_is_told_and_ends_nothing() -> None:
    def lost(seen: int) -> list:
        raise BoardLost("its node is gone")

    seen, told = [], threading.Event()
    with following(lost, lambda note: (seen.append(note.text), told.set())):
        assert told.wait(30)
    assert seen == ["no more progress is shown: its node is gone"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_have_four_digits() -> None:
    assert [number(value) for value in (0.000012345, 1.0, 12345.6)] == ["1.234e-05", "1", "1.235e+04"]


def test_a_line_a_quarter_however_large_the_steps() -> None:
    said: list[str] = []
    listen = by_quarters(said.append, "pictures")
    for drawn in (10, 20, 35, 60, 70, 100):
        listen(drawn, 100)
    assert said == ["35 of 100 pictures", "60 of 100 pictures", "100 of 100 pictures"]
