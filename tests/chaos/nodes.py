"""A cluster of several nodes on one machine: each a `ray start` of its own, to be killed with all of its processes."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.ray_runtime import STEADY
from tests.processes import descendants, title

PATIENCE_S = 300.0
HEAD_CPUS, WORKER_CPUS = 0, 4  # no replica is placed on the head
DEPLOY = """
from cluster.settings import Settings
from cluster.ray_runtime import connected
with connected(Settings()):
    from ray import serve
    from services import ingress
    from services.application import NAME, build
    ingress.start(Settings())
    serve.run(build(Settings()), name=NAME, route_prefix="/")
"""


@dataclass(slots=True)
class Node:
    """One node. Its processes are those that `ray start` has begun, and theirs."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin it, or begin it again."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=dict(self.environment), stdout=log, stderr=log, start_new_session=True
            )

    def processes(self, titled: str = "") -> set[int]:
        """Those below it, or those of them that bear such a title."""
        if self.process is None:
            return set()
        return {pid for pid in descendants(self.process.pid) if titled in title(pid)}

    def kill(self) -> None:
        """End all of it at once, as a loss of power would."""
        if self.process is not None:
            for pid in (self.process.pid, *self.processes()):
                _kill(pid)
            self.process.wait()
            self.process = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A head, and workers, which the application is placed on."""

    head: Node
    workers: tuple[Node, ...]

    def processes(self, titled: str) -> set[int]:
        """Those of all workers that bear such a title."""
        return {pid for node in self.workers for pid in node.processes(titled)}

    def kill(self, titled: str) -> None:
        """kill -9 for one such process. Raises LookupError where there is none."""
        found = self.processes(titled)
        if not found:
            raise LookupError(f"no worker has a process {titled!r}")
        _kill(min(found))


@contextmanager
def running(environment: Mapping[str, str], folder: Path, *, workers: int) -> Iterator[Cluster]:
    """A cluster that serves what `environment` names, for as long as this is entered."""
    address = f"127.0.0.1:{_free_port()}"
    folder.mkdir(parents=True)
    known = {**os.environ, **environment, **STEADY, "RAY_USAGE_STATS_ENABLED": "0"}
    known |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # Ray listens on all interfaces
    known["RAY_prestart_worker_first_driver"] = "0"
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--disable-usage-stats"]
    ray += [f"--object-store-memory={100 * 2**20}", "--node-ip-address=127.0.0.1", "--dashboard-agent-listen-port=0"]
    ray += ["--min-worker-port=0", "--max-worker-port=0"]
    first = [*ray, "--head", f"--port={address.rpartition(':')[2]}", f"--num-cpus={HEAD_CPUS}"]
    first += [f"--temp-dir={folder}/r", "--include-dashboard=false"]
    other = [*ray, f"--address={address}", f"--num-cpus={WORKER_CPUS}"]
    head = Node("head", first, known, folder / "head.log")
    cluster = Cluster(head, tuple(Node(f"worker-{at}", other, known, folder / f"{at}.log") for at in range(workers)))
    try:
        for node in (cluster.head, *cluster.workers):
            node.start()
            wait_until(lambda node=node: bool(node.processes("raylet")), f"{node.name} has a raylet")
            wait_until(lambda: _listens(address), "the head listens")
        deploy = {**known, "ATELIER_RAY_ADDRESS": address}
        subprocess.run([sys.executable, "-c", DEPLOY], env=deploy, check=True, timeout=2 * PATIENCE_S)
        yield cluster
    finally:
        for node in (*cluster.workers, cluster.head):
            node.kill()


def wait_until(true: Callable[[], bool], what: str, *, seconds: float = PATIENCE_S) -> float:
    """The seconds that something took. Raises TimeoutError, which says what."""
    began = time.monotonic()
    while not true():
        if time.monotonic() > began + seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - began


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended meanwhile


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
