"""Callers of the benchmark of the service: they wait for their answers, or they do not."""

import asyncio
import socket

import pytest

from benchmarks.serving.load import Http, Seen, closed, opened
from tests.echo import echoing


def test_callers_wait_for_their_answers() -> None:
    with echoing() as url:
        ask = Http(url, "/", b"hello", {})
        seen = asyncio.run(closed(ask, callers=3, seconds=0.2))
    assert set(seen.statuses()) == {200} and ask.last == b"hello"
    assert seen.rate() == len(seen.answers) / seen.seconds > 0
    assert 0 < seen.quantile(0.5) <= seen.quantile(0.99)


def test_a_refusal_is_no_good_answer() -> None:
    with echoing() as url:
        seen = asyncio.run(opened(Http(url, "/", b"full", {}), rate=100, seconds=0.2))
    assert set(seen.statuses()) == {429} and seen.rate() == 0


def test_nobody_there_is_told() -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        ask = Http(f"http://127.0.0.1:{closed_port.getsockname()[1]}", "/", b"", {})
        assert asyncio.run(ask()) == 0


def test_good_answers_that_came_late_count_where_no_limit_is_told() -> None:
    seen = Seen(seconds=2.0, answers=[(0.1, 200), (0.2, 200), (9.0, 200), (0.1, 503)])
    assert (seen.rate(), seen.rate(1.0)) == (1.5, 1.0)
    assert seen.quantile(0.5) == pytest.approx(200.0)
