"""Every fault that is tried, in the order in which they leave a cluster fit for the next one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.bad_store import Mood, Way
from tests.chaos.nodes import Cluster, Node, replica_of, wait_until
from tests.chaos.training_run import WORKER, TrainingRun

AFTER_S, STORE_S = 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What faults come to."""

    cluster: Cluster
    way: Way  # to the object store
    training: TrainingRun | None = None


Fault = Callable[[Scene], None]


def killed(titled: str) -> Fault:
    """kill -9 of one such process of a worker."""
    return lambda scene: scene.cluster.kill(titled)


def store(mood: Mood) -> Fault:
    """The store in some mood for a while."""

    def fault(scene: Scene) -> None:
        with scene.way.being(mood):
            time.sleep(STORE_S)

    return fault


def gone(node: Node) -> None:
    """A node goes at once, and some time later it, or another one in its place, comes."""
    node.kill()
    time.sleep(AFTER_S)
    node.start()
    wait_until(lambda: bool(node.processes("raylet")), f"{node.name} has a raylet again")


def training_killed(scene: Scene) -> None:
    """kill -9 of a training's worker."""
    scene.training.struck()
    scene.cluster.kill(WORKER)


def training_gone(scene: Scene) -> None:
    """The node that a training's worker is on goes."""
    node = scene.cluster.holder(WORKER)
    scene.training.struck()
    gone(node)


HEAD = "head_killed"  # whose state is in Redis
HAPROXY = "haproxy_killed"  # the program itself, where it is the ingress
OF_TRAININGS = ("training_killed", "training_node_killed")
OF_WORKERS = ("worker_killed", "training_node_killed")
FAULTS: dict[str, Fault] = {
    "nothing": lambda scene: time.sleep(AFTER_S),
    "gateway_killed": killed(replica_of("Gateway")),
    "recommender_killed": killed(replica_of("Recommender")),
    "designer_killed": killed(replica_of("Designer")),
    "fitting_room_killed": killed(replica_of("FittingRoom")),
    "limiter_killed": killed(replica_of("Limiter")),
    "proxy_killed": lambda scene: scene.cluster.kill(scene.cluster.proxy),
    HAPROXY: killed("/haproxy"),
    "store_gone": store(Mood.GONE),
    "store_slow": store(Mood.SLOW),
    "store_failing": store(Mood.FAILING),
    "training_killed": training_killed,
    HEAD: lambda scene: gone(scene.cluster.head),
    "worker_killed": lambda scene: gone(scene.cluster.workers[-1]),
    "training_node_killed": training_gone,
}
