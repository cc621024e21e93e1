"""One release of random weights, and one Ray with the application on it, for every test of the service."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cluster.settings import Settings
from tests.services import tiny_release

STARTUP_S = 90.0
RAY_FOLDER = Path(f"/tmp/atelier-{os.getpid()}-services")  # sockets need a short path


@pytest.fixture(scope="session")
def settings(local_s3_settings: Settings) -> Settings:
    """A part of the embedded bucket for these tests alone, and small limits for uploads and for the Designer."""
    return local_s3_settings.with_updates(
        bucket_url=f"{local_s3_settings.bucket_url}/services",
        http_port=free_port(),
        max_picture_bytes=300_000,
        max_picture_pixels=1_000_000,
        request_timeout_s=60.0,
        designer_slots=32,
        designer_max_waiting_rows=96,
        designer_precision="fp32",  # the faster one may be another one at the next start
    )


@pytest.fixture(scope="session")
def release(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the release that serves at first."""
    return tiny_release.publish(settings, tmp_path_factory.mktemp("release"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """The running application."""

    http: httpx.Client
    release: str
    settings: Settings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End Ray after the last test of this folder: other folders start one of their own."""
    yield
    here = Path(__file__).parent
    if nextitem is None or here not in nextitem.path.parents:
        ray = sys.modules.get("ray")
        if ray is not None and ray.is_initialized():
            ray.shutdown()
            shutil.rmtree(RAY_FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def local_ray(settings: Settings) -> Iterator[None]:
    """A private Ray for this folder's tests."""
    os.environ.update(
        RAY_AUTH_MODE="disabled",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_SERVE_LOG_TO_STDERR="0",
        RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="60",  # 5 by default: too short for a busy machine
        RAY_prestart_worker_first_driver="0",  # replicas start in processes with an environment of their own
    )
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=100 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": settings.environment()},
        _temp_dir=str(RAY_FOLDER),
    )
    yield


@pytest.fixture(scope="session")
def served(local_ray: None, release: str, settings: Settings) -> Iterator[Served]:
    """The application as `build` makes it, over HTTP, ready."""
    from ray import serve

    from services.application import NAME, build

    serve.start(http_options={"host": settings.http_host, "port": settings.http_port})
    serve.run(build(settings), name=NAME, route_prefix="/")
    url = f"http://{settings.http_host}:{settings.http_port}"
    with httpx.Client(base_url=url, timeout=STARTUP_S) as http:
        assert http.get("/readyz").status_code == 200
        yield Served(http=http, release=release, settings=settings)


@pytest.fixture
def http(served: Served) -> httpx.Client:
    """A client of the running application."""
    return served.http


@pytest.fixture(scope="session")
def person(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Somebody in a picture of 120×80, as PNG."""
    return picture_of_somebody(80, 120)


def picture_of_somebody(width: int, height: int, *, format: str = "PNG") -> bytes:
    from fashion_nn import pictures

    image = tiny_release.garment(200).resize((width, height))
    return pictures.encode(image, format=format)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
