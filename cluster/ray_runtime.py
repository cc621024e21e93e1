"""Bringing Ray up: joining the cluster of the settings, or a local one of our own.

    with connected(settings):
        ray.get(task.remote())

A local cluster is a process beside ours (see `companion`): `atelier up`, a training started in another
terminal and `ray job submit` all find it by the settings' home. Ray listens on every address of the
machine, so that ours asks for a token, generated once and kept in the home.
"""

import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError

from cluster.companion import Companion
from cluster.ports import agent_ports, free_port
from cluster.settings import Settings

_READY_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 20.0
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_LOG_TO_STDERR": "0", "RAY_COLOR_PREFIX": "0"}
SERVING = {"RAY_SERVE_USE_GRPC_BY_DEFAULT": "1"}  # from replica to replica: half the work of a task of Ray's
STEADY = {  # for a cluster of several nodes: what is gone is noticed within seconds
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # 10 by default: so long a dead proxy stays dead
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_health_check_period_ms": "500",  # 3000 by default, of nodes
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    **SERVING,
}
_HEAD = {
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # 5 by default: too short for a busy machine
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # there is no other node to move to
    **SERVING,
}


class RayUnavailable(Exception):
    """No Ray cluster could be reached or started; says which and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How to get at a running cluster."""

    address: str  # host:port, for ray.init
    dashboard: str  # http://…, for jobs
    environment: Mapping[str, str]  # for any other program of Ray's, as `ray job submit` and `ray status`


class LocalRay:
    """One local cluster for one home folder: the first to start it owns it, others are guests.

    It ends with its owner, however that ends, and leaves nothing behind but the logs in `home/ray/logs`. An owner that
    is done waits for its guests, if it `outlasts` them; one that fails or is interrupted does not.
    """

    def __init__(self, settings: Settings, *, outlasts: bool = True) -> None:
        self._settings = settings
        self._folder = settings.home / "ray"
        self._companion = Companion(self._folder, stop_timeout_s=_STOP_TIMEOUT_S, outlasts=outlasts)

    @property
    def owned(self) -> bool:
        """Whether this object started the cluster and will end it."""
        return self._companion.owned

    def find(self) -> Reach | None:
        """The cluster that runs on this home, if one does."""
        running = self._companion.find()
        return self._wait_until_ready(running) if running else None

    def start(self) -> Reach:
        """Start the cluster, or find it; returns when jobs can be submitted. Raises RayUnavailable."""
        with self._companion.starting():
            return self._wait_until_ready(self._companion.find_or(self._spawn))

    def stop(self) -> None:
        """End the cluster if this object started it; a guest leaves it."""
        self._companion.stop()

    def __enter__(self) -> Reach:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._companion.leave(done=kind is None)

    def _spawn(self) -> dict[str, Any]:
        private = tempfile.mkdtemp(prefix="atelier-ray-", dir="/tmp")  # sockets need a short path
        temp_dir = f"{private}/r"  # Ray opens its own folder to everybody
        port = free_port()
        command = [sys.executable, "-m", "cluster.ray_head", str(self._folder), private]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # jobs call `python`
        return self._companion.start(
            [*command, *_ray_start(self._settings, temp_dir, port)],
            record={"temp_dir": temp_dir, "dashboard": f"http://127.0.0.1:{port}"},
            environment={
                **_QUIET,
                **_HEAD,
                **self._token_environment(),
                **self._settings.environment(),
                "PATH": path,
            },
        )

    def _wait_until_ready(self, running: Mapping[str, Any]) -> Reach:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        token = self._token()
        address_file = Path(running["temp_dir"]) / "ray_current_cluster"  # written when all of it is up
        while not (address_file.exists() and _answers(running["dashboard"], token)):
            if not self._companion.is_alive(running) or time.monotonic() > deadline:
                self.stop()
                raise RayUnavailable(
                    f"the local Ray of {self._folder}, process {running['pid']} started by process "
                    f"{running['owner']}, does not answer at {running['dashboard']}; see "
                    f"{self._folder / 'process.log'}"
                )
            time.sleep(0.1)
        address = address_file.read_text().strip()
        programs = {"RAY_ADDRESS": address, "RAY_API_SERVER_ADDRESS": running["dashboard"]}
        return Reach(
            address=address,
            dashboard=running["dashboard"],
            environment={**_QUIET, **programs, **self._token_environment()},
        )

    def _token_environment(self) -> dict[str, str]:
        self._token()
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self._folder / "auth_token")}

    def _token(self) -> str:
        path = self._folder / "auth_token"
        if not path.exists():
            made = path.with_name(f".auth_token.{os.getpid()}")
            made.touch(mode=0o600)
            made.write_text(secrets.token_hex(32))
            os.replace(made, path)
        return path.read_text()


def metrics_urls() -> list[str]:
    """Where each node of the cluster that this process is connected to tells its metrics, for Prometheus."""
    import ray

    return [
        f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        for node in ray.nodes()
        if node["Alive"]
    ]


@contextmanager
def connected(settings: Settings, *, log_to_driver: bool = True) -> Iterator[str]:
    """Be a driver of a cluster meanwhile: tasks and actors see `settings` as their environment.

    Which one: `settings.ray_address`; else RAY_ADDRESS, as inside a submitted job; else the local one that
    runs on this home; else a local one that is started now and ended at the end. Where this process is
    connected already, that stays as it is. Yields the address. Raises RayUnavailable.
    """
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    with _cluster_for(settings) as (address, environment), _ray_variables({**_QUIET, **environment}), _own_sigterm():
        _join(address, settings, log_to_driver)
        try:
            yield address
        finally:
            sys.modules["ray"].shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """SIGTERM is heard in the end as it was before. A driver has Ray's handler, and none once Ray is shut down."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _cluster_for(settings: Settings) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The address to join, and what must stand in the environment for it."""
    local = LocalRay(settings)
    known = settings.ray_address or os.environ.get("RAY_ADDRESS")
    if known:
        ours = local.find()
        yield known, ours.environment if ours is not None and ours.address == known else {}
        return
    with local as reach:
        yield reach.address, reach.environment


def _join(address: str, settings: Settings, log_to_driver: bool) -> None:
    import ray

    try:
        ray.init(
            address=address,
            log_to_driver=log_to_driver,
            logging_level="WARNING",
            runtime_env={"env_vars": _for_workers(settings)},
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayUnavailable(f"cannot join the Ray cluster at {address}: {error}") from error


def _for_workers(settings: Settings) -> dict[str, str]:
    """The settings as variables, without those that a submitted job's workers are given anyway."""
    wanted = settings.environment(same_machine=settings.ray_address is None)
    in_a_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    return {k: v for k, v in wanted.items() if not (in_a_job and os.environ.get(k) == v)}


@contextmanager
def _ray_variables(changes: Mapping[str, str]) -> Iterator[None]:
    """Environment variables of this process that Ray is to see, as they were again afterwards."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    _have_ray_read_them()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _have_ray_read_them()


def _have_ray_read_them() -> None:
    """Ray reads its variables while it is imported; again, as ray.init itself does it for a late change."""
    if "ray" in sys.modules:
        from ray._raylet import AuthenticationTokenLoader, Config

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def _ray_start(settings: Settings, temp_dir: str, dashboard_port: int) -> list[str]:
    ray = shutil.which("ray", path=str(Path(sys.executable).parent)) or shutil.which("ray") or "ray"
    return [
        ray,
        "start",
        "--head",
        "--block",
        "--port=0",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={dashboard_port}",
        *agent_ports(settings.metrics_port),
        f"--num-cpus={settings.ray_cpus}",
        f"--object-store-memory={settings.ray_object_store_bytes}",
        f"--temp-dir={temp_dir}",
        "--disable-usage-stats",
        "--log-color=false",
    ]


def _answers(dashboard: str, token: str) -> bool:
    request = urllib.request.Request(f"{dashboard}/api/version", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False
