"""One release of random weights, and one Ray with the application on it, for every test of the service."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from cluster.keys import SCOPES, KeyStore
from cluster.object_store import open_store
from cluster.ports import free_port
from cluster.ray_runtime import SERVING
from cluster.settings import Settings
from services.protos.atelier_pb2_grpc import AtelierStub
from tests.services import tiny_release
from tests.services.collector import Collector

STARTUP_S = 300.0
RAY_FOLDER = Path(f"/tmp/atelier-{os.getpid()}-services")  # sockets need a short path


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Whom the application sends its spans to, where the exporter is installed."""
    with Collector() as found:
        yield found


@pytest.fixture(scope="session")
def settings(local_s3_settings: Settings, collector: "Collector") -> Settings:
    """A part of the embedded bucket for these tests alone, and small limits for uploads and for the Designer."""
    return local_s3_settings.with_updates(
        bucket_url=f"{local_s3_settings.bucket_url}/services",
        http_port=free_port(),
        grpc_port=free_port(),
        max_picture_bytes=300_000,
        max_picture_pixels=1_000_000,
        request_timeout_s=60.0,
        designer_slots=32,
        designer_max_waiting_rows=96,
        designer_precision="fp32",  # the faster one may be another one at the next start
        log_format="json",
        metrics_port=free_port(),
        otlp_endpoint=collector.url if find_spec("opentelemetry.exporter.otlp") else None,
    )


@pytest.fixture(scope="session")
def release(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the release that serves at first."""
    return tiny_release.publish(settings, tmp_path_factory.mktemp("release"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """The running application."""

    http: httpx.Client  # with a key for everything
    channel: grpc.Channel
    key: str
    release: str
    settings: Settings

    def rpc(self, call: str, request: Any, *, key: str | None = None, **metadata: str) -> Any:
        """A call over gRPC, with the same key or another one."""
        named = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        stub = AtelierStub(self.channel)
        return getattr(stub, call)(request, metadata=[("authorization", f"Bearer {key or self.key}"), *named])


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
        SERVING,
        RAY_AUTH_MODE="disabled",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_SERVE_LOG_TO_STDERR="0",
        RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="60",  # 5 by default: too short for a busy machine
        RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S="0.5",  # 10 by default
        RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S="0.5",
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
        _metrics_export_port=settings.metrics_port,
    )
    yield


@pytest.fixture(scope="session")
def served(local_ray: None, release: str, settings: Settings) -> Iterator[Served]:
    """The application as `build` makes it, over HTTP, ready."""
    from ray import serve

    from services import ingress
    from services.application import NAME, build

    ingress.start(settings)
    serve.run(build(settings), name=NAME, route_prefix="/")
    url = f"http://{settings.http_host}:{settings.http_port}"
    store = open_store(settings.bucket_url, settings)
    _, key = KeyStore(store).issue("tests", SCOPES)
    headers = {"authorization": f"Bearer {key}"}
    with (
        httpx.Client(base_url=url, timeout=STARTUP_S, headers=headers) as http,
        grpc.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel,
    ):
        wait_until_ready(http)
        yield Served(http=http, channel=channel, key=key, release=release, settings=settings)


def wait_until_ready(http: httpx.Client) -> None:
    """Until every deployment says which release it has loaded: on a busy machine not at the first time of asking."""
    end, last = time.monotonic() + STARTUP_S, "no answer yet"
    while time.monotonic() < end:
        try:
            answer = http.get("/readyz")
        except httpx.TransportError as error:
            last = str(error)
        else:
            if answer.status_code == 200:
                return
            last = answer.text
        time.sleep(0.5)
    raise AssertionError(last)


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
