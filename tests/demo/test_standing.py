"""Ports that are taken, and signals that interrupt."""

import os
import signal
import socket
from pathlib import Path

import pytest

from cluster.settings import Settings
from demo.standing import check_gpus, check_port, interruptible, standing, url_of, wait_to_be_interrupted


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


def test_gpus_that_are_not_there_are_told() -> None:
    wanted = Settings(designer_gpus=0.5, fitting_room_gpus=0.25, designer_replicas="2", fitting_room_replicas="0-3")
    check_gpus(wanted, 1.25)
    check_gpus(Settings(), 0.0)
    told = r"designer_gpus is 0\.5 and fitting_room_gpus 0\.25: their replicas need 1\.25 GPUs, and this machine has 1$"
    with pytest.raises(ValueError, match=told):
        check_gpus(wanted, 1.0)


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
        before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            wait_to_be_interrupted()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_what_the_settings_name_is_not_started(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    named = Settings(bucket_url=bucket.as_uri(), ray_address="10.0.0.1:6379", home=tmp_path / "home")
    with standing(named) as settings:
        assert settings == named
    assert not (tmp_path / "home").exists()
