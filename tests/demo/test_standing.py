"""Ports that are taken, and signals that interrupt."""

import os
import signal
import socket
from pathlib import Path

import pytest

from cluster.settings import Settings
from demo.standing import check_port, interruptible, standing, url_of, wait_to_be_interrupted


def test_a_free_port_passes_and_a_taken_one_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        settings = Settings(home=tmp_path, http_port=port)
        holder.listen()
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port} is taken .*ATELIER_HTTP_PORT names another"):
            check_port(settings)
    check_port(settings)
    assert url_of(settings) == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_interrupt_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)  # while things are being ended: not heard
    assert signal.getsignal(number) == before


def test_waiting_ends_with_the_interrupt() -> None:
    with interruptible():
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        try:
            wait_to_be_interrupted()
        finally:
            signal.signal(signal.SIGALRM, before)


def test_what_the_settings_name_is_not_started(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    named = Settings(bucket_url=bucket.as_uri(), ray_address="10.0.0.1:6379", home=tmp_path / "home")
    with standing(named) as settings:
        assert settings == named
    assert not (tmp_path / "home").exists()
