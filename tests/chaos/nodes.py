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
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import report
from cluster.ports import agent_ports, free_port
from cluster.ray_runtime import STEADY
from tests.chaos.redis import Redis
from tests.processes import descendants, title

PATIENCE_S = 300.0
HEAD_CPUS, WORKER_CPUS = 0, 4  # no replica is placed on the head
TWICE = ("Gateway", "Recommender", "Designer", "FittingRoom")  # deployments of two replicas; the Limiter has one
PROXIES = {"default": "ProxyActor", "haproxy": "HAProxyManager"}  # who looks after a node's ingress
BEHIND_HAPROXY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",  # else one of a machine's HAProxies alone would listen
}  # as in production, but for the last two
CONNECTED = """
from cluster.settings import Settings
from cluster.ports import agent_ports, free_port
from cluster.ray_runtime import connected
with connected(Settings(), log_to_driver=False):
    from ray import serve
    from services import ingress
    from services.application import NAME, build
"""
DEPLOY = f"""{CONNECTED}
    ingress.start(Settings())
    if NAME in serve.status().applications:
        serve.delete(NAME)
    serve.run(build(Settings()), name=NAME, route_prefix="/")
"""
WHOLE = f"""{CONNECTED}
    deployments = serve.status().applications[NAME].deployments
    print(*(deployments[name].replica_states.get("RUNNING", 0) for name in {TWICE}))
"""


@dataclass(slots=True)
class Node:
    """One node. Its processes are those that `ray start` has begun, and theirs."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    mark: Path | None = None  # a file by which `ray start` would believe that it runs still, as its workers do
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin it, or begin it again."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=dict(self.environment), stdout=log, stderr=log, start_new_session=True
            )

    @property
    def failed(self) -> bool:
        """Whether it ended by itself: `ray start` gives up where a raylet takes long to come."""
        return self.process is not None and self.process.poll() is not None

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
        if self.mark is not None:
            self.mark.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A head, and workers, which the application is placed on."""

    head: Node
    workers: tuple[Node, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # of a program that is to join it
    proxy: str = PROXIES["default"]

    def processes(self, titled: str) -> set[int]:
        """Those of all workers that bear such a title."""
        return {pid for node in self.workers for pid in node.processes(titled)}

    def kill(self, titled: str) -> None:
        """kill -9 for one such process. Raises LookupError where there is none."""
        _kill(min(self.holder(titled).processes(titled)))

    def holder(self, titled: str) -> Node:
        """A worker that has such a process. Raises LookupError where none has."""
        for node in self.workers:
            if node.processes(titled):
                return node
        raise LookupError(f"no worker has a process {titled!r}")

    def run(self, program: str) -> str:
        """What a program that joins the cluster prints. Raises CalledProcessError, TimeoutExpired."""
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env=dict(self.environment), check=True, timeout=2 * PATIENCE_S, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def deploy(self) -> None:
        """Place the application anew, on all workers."""
        self.run(DEPLOY)

    def mend(self) -> None:
        """Begin the nodes again that ended by themselves, as whoever looks after machines does."""
        for node in (self.head, *self.workers):
            if node.failed:
                report.progress(f"{node.name} is begun again: it did not come up")
                node.kill()
                node.start()

    def whole(self) -> bool:
        """Whether each deployment has its replicas, who has replicas a proxy, and the head who looks after them."""
        there = [self.head.processes("ServeController"), self.processes(replica_of("Limiter"))]
        there += [node.processes(self.proxy) for node in self.workers if node.processes("ServeReplica")]
        if not all(there) or any(len(self.processes(replica_of(each))) < 2 for each in TWICE):
            return False
        try:
            return all(int(each) >= 2 for each in self.run(WHOLE).splitlines()[-1].split())
        except subprocess.CalledProcessError:  # the head, or the controller, is not back yet; it has said so
            return False

    def spread(self) -> bool:
        """Whether no worker has both replicas of a deployment, which Ray does not see to once a worker was gone."""
        return all(node.processes(replica_of(each)) for node in self.workers for each in TWICE)


def replica_of(deployment: str) -> str:
    """What such a replica's process calls itself."""
    return f"ServeReplica:atelier:{deployment}"


@contextmanager
def running(
    environment: Mapping[str, str],
    folder: Path,
    *,
    workers: int,
    http_port: int,
    redis: Redis | None,
    ingress: str = "default",
) -> Iterator[Cluster]:
    """A cluster that serves what `environment` names at a port of all workers, for as long as this is entered.

    With a Redis the head keeps its state there.
    """
    address = f"127.0.0.1:{free_port()}"
    folder.mkdir(parents=True)
    known = {**os.environ, **environment, **STEADY, "RAY_USAGE_STATS_ENABLED": "0"}
    known |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # Ray listens on all interfaces
    known |= {"RAY_prestart_worker_first_driver": "0", "RAY_worker_niceness": "0"}  # callers do not go before replicas
    known |= BEHIND_HAPROXY if ingress == "haproxy" else {}
    known["RAY_SERVE_WORKER_PROXY_HTTP_PORT"] = str(http_port)  # nobody is to ask the head, as in Kubernetes
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--disable-usage-stats"]
    ray += [f"--object-store-memory={100 * 2**20}", "--node-ip-address=127.0.0.1"]
    ray += ["--min-worker-port=0", "--max-worker-port=0"]
    first = [*ray, *agent_ports(), "--head", f"--port={address.rpartition(':')[2]}", f"--num-cpus={HEAD_CPUS}"]
    first += [f"--temp-dir={folder}/r", "--include-dashboard=false"]
    kept = {}
    if redis is not None:
        first.append(f"--redis-password={redis.password}")
        kept["RAY_REDIS_ADDRESS"] = redis.address
    other = [*ray, f"--address={address}", f"--num-cpus={WORKER_CPUS}"]
    own = [known | (haproxy_of(folder) if ingress == "haproxy" else {}) for _ in range(1 + workers)]
    cluster = Cluster(
        Node("head", first, {**own[0], **kept}, folder / "head.log", folder / "r" / "ray_current_cluster"),
        tuple(
            Node(f"worker-{at}", [*other, *agent_ports()], each, folder / f"{at}.log")
            for at, each in enumerate(own[1:])
        ),
        {**known, "ATELIER_RAY_ADDRESS": address},
        PROXIES[ingress],
    )
    try:
        for node in (cluster.head, *cluster.workers):
            node.start()
            wait_until(lambda node=node: bool(node.processes("raylet")), f"{node.name} has a raylet")
            wait_until(lambda: _listens(address), "the head listens")
        cluster.deploy()
        yield cluster
    finally:
        for node in (*cluster.workers, cluster.head):
            node.kill()


def haproxy_of(folder: Path) -> dict[str, str]:
    """What a node's HAProxy is told where another node of the machine has one. A socket's path must be short."""
    ports = ("HAPROXY_METRICS_PORT", "HAPROXY_STATS_PORT", "FALLBACK_PROXY_HTTP_PORT", "FALLBACK_PROXY_GRPC_PORT")
    files = {"CONFIG_FILE_LOC": "cfg", "SOCKET_PATH": "s", "SERVER_STATE_BASE": "", "SERVER_STATE_FILE": "state"}
    return {f"RAY_SERVE_{name}": str(free_port()) for name in ports} | {
        f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in files.items()
    }


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
