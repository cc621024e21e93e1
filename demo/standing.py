"""What stands while something is trained or served: the bucket, Ray, the application. Each ends when it is left."""

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from cluster.local_s3 import bucket_at_hand
from cluster.ray_runtime import LocalRay, connected
from cluster.settings import Settings
from demo.backend import Backend

ANSWERS_S = 180.0  # until the application answers, on a busy machine


@contextmanager
def standing(settings: Settings) -> Iterator[Settings]:
    """A bucket and a Ray: those that the settings name, or local ones meanwhile. Yields the settings to use.

    Whoever ends this ends them, whoever else uses them.
    """
    with ExitStack() as stack:
        settings = stack.enter_context(bucket_at_hand(settings, outlasts=False))
        if not ray_is_named(settings):
            stack.enter_context(LocalRay(settings, outlasts=False))
        yield settings


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The application over the current release, and over each one promoted meanwhile. Yields its URL."""
    check_port(settings)
    interrupt, stays = signal.getsignal(signal.SIGTERM), ray_is_named(settings)
    with connected(settings, log_to_driver=False):
        signal.signal(signal.SIGTERM, interrupt)  # Ray has put its own in the place of ours
        import ray
        from ray import serve

        from services import ingress
        from services.application import NAME, build

        logging.getLogger("ray.serve").setLevel(logging.WARNING)  # of this process alone
        if not stays:  # where it does, nodes may come that have them
            check_gpus(settings, ray.cluster_resources().get("GPU", 0.0))
        ingress.start(settings)
        try:
            serve.run(build(settings), name=NAME, route_prefix="/")
            with Backend(url_of(settings)) as backend:
                backend.wait_for("/healthz", seconds=ANSWERS_S)
            yield url_of(settings)
        finally:
            if stays:  # a local one ends with everything on it, and sooner
                serve.shutdown()


def ray_is_named(settings: Settings) -> bool:
    """Whether a Ray is named that is not ours to start."""
    return settings.ray_address is not None or "RAY_ADDRESS" in os.environ


def url_of(settings: Settings) -> str:
    """Where the application answers."""
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{settings.http_host}:{settings.http_port}"


def check_port(settings: Settings) -> None:
    """Raise OSError, in words, where somebody else listens on the port of the application."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http_host, settings.http_port))
        except OSError as error:
            place = f"{settings.http_host}:{settings.http_port}"
            raise OSError(f"{place} is taken ({error.strerror}); ATELIER_HTTP_PORT names another port") from error


def check_gpus(settings: Settings, there: float) -> None:
    """Raise ValueError where replicas are to have more GPUs than there are, and would be waited for for ever."""
    shares = {name: settings.gpus(name) for name in ("Designer", "FittingRoom")}
    needed = sum(share * max(1, settings.replicas(name)[0]) for name, share in shares.items())
    if needed > there:
        told = f"designer_gpus is {settings.designer_gpus:g} and fitting_room_gpus {settings.fitting_room_gpus:g}"
        raise ValueError(f"{told}: their replicas need {needed:g} GPUs, and this machine has {there:g}")


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP interrupt as Ctrl-C does; a second one while things are being ended is not heard."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_to_be_interrupted() -> None:
    """Stay until Ctrl-C, or a signal that stands for it: the end that was asked for."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
