"""`python -m tests.chaos`: what callers notice while something dies, on a cluster of several nodes on one machine.

Callers ask over HTTP, half of them with the client's retries and half without, before, during and after each fault.
The head has no replicas. All nodes' proxies share one port, so that the system hands every
new connection to one that lives, as a load balancer would.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import report
from cluster.keys import SCOPES, KeyStore
from cluster.local_s3 import bucket_at_hand
from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn import pictures
from services.client import Atelier, Failure, Patience, calls
from tests.chaos.bad_store import Mood, Way
from tests.chaos.callers import Callers
from tests.chaos.nodes import Cluster, running, wait_until
from tests.services import tiny_release
from tests.services.conftest import free_port

CALM_S, AFTER_S, STORE_S = 5.0, 10.0, 30.0
WITHOUT_STORE = ("score", "recommend")  # calls that the object store has no part in
TWO_REPLICAS = {f"{name}_replicas": "2" for name in ("gateway", "recommender", "designer", "fitting_room")}
Fault = Callable[[Cluster, Way], None]


def replica(deployment: str) -> Fault:
    """kill -9 of one replica."""
    return lambda cluster, way: cluster.kill(f"ServeReplica:atelier:{deployment}")


def store(mood: Mood) -> Fault:
    """The store in some mood for a while."""

    def fault(cluster: Cluster, way: Way) -> None:
        with way.being(mood):
            time.sleep(STORE_S)

    return fault


def worker(cluster: Cluster, way: Way) -> None:
    """A node goes at once, and another one comes."""
    cluster.workers[-1].kill()
    time.sleep(AFTER_S)
    cluster.workers[-1].start()


FAULTS: dict[str, Fault] = {
    "nothing": lambda cluster, way: time.sleep(AFTER_S),
    "gateway_killed": replica("Gateway"),
    "recommender_killed": replica("Recommender"),
    "designer_killed": replica("Designer"),
    "fitting_room_killed": replica("FittingRoom"),
    "limiter_killed": replica("Limiter"),
    "proxy_killed": lambda cluster, way: cluster.kill("ProxyActor"),
    "worker_killed": worker,
    "store_gone": store(Mood.GONE),
    "store_slow": store(Mood.SLOW),
    "store_failing": store(Mood.FAILING),
}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--only", nargs="*", choices=list(FAULTS), default=list(FAULTS), help="these faults alone")
    options = words.parse_args()
    rows: list[report.Row] = []
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # sockets need a short path
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        own = Settings(home=folder / "home", http_port=free_port(), request_timeout_s=60.0, **TWO_REPLICAS)
        direct = stack.enter_context(bucket_at_hand(own))
        tiny_release.publish(direct, folder)
        _, key = KeyStore(open_store(direct.bucket_url, direct)).issue("chaos", SCOPES)
        way = Way(direct.s3_endpoint or "")
        seen = direct.with_updates(s3_endpoint=way.endpoint, s3_read_timeout_s=5.0, s3_connect_timeout_s=1.0)
        cluster = stack.enter_context(running(seen.environment(), folder / "ray", workers=2))
        url = f"http://{seen.http_host}:{seen.http_port}"
        for name in options.only:
            steady(url, key, cluster)
            rows += tried(name, cluster, way, url, key)
    report.emit({**report.report("chaos", rows), "pivot": True})


def tried(name: str, cluster: Cluster, way: Way, url: str, key: str) -> list[report.Row]:
    """One fault under load: what was noticed of it."""
    callers = Callers(
        url,
        key,
        shoppers=[f"shopper-{at}" for at in range(tiny_release.SHOPPERS)],
        items=[f"item-{at:02}" for at in range(4)],
        picture=pictures.encode(tiny_release.garment(77), format="PNG"),
    )
    with callers:
        time.sleep(CALM_S)
        FAULTS[name](cluster, way)
        time.sleep(AFTER_S)
    figures: dict[str, float] = {}
    for kind, noticed in callers.noticed.items():
        figures[f"sent_{kind}"] = noticed.sent
        figures[f"failed_{kind}"] = noticed.failed.total()
        if noticed.failed:
            report.progress(f"{name} {kind}: {dict(noticed.failed.most_common(8))}")
    patient = callers.noticed["with_retries"]
    figures["tried_again"] = patient.tries - patient.sent
    figures["longest_gap_s"] = patient.gap(callers.begun, callers.ended, WITHOUT_STORE)
    figures["longest_gap_of_all_calls_s"] = max(
        patient.gap(callers.begun, callers.ended, [kind]) for kind in ("design", "put", *WITHOUT_STORE)
    )
    figures["wrong_answers"] = sum(noticed.wrong for noticed in callers.noticed.values())
    figures["acknowledged_writes"] = sum(len(noticed.acknowledged) for noticed in callers.noticed.values())
    figures["writes_lost"] = callers.lost()
    report.progress(f"{name}: {figures}")
    return [report.row(f"{name}/{figure}", [value], unit=unit(figure)) for figure, value in figures.items()]


def steady(url: str, key: str, cluster: Cluster) -> None:
    """Wait until everything answers, and each deployment has its replicas again."""

    def answers() -> bool:
        with Atelier(url, key=key, patience=Patience(timeout_s=20.0, tries=1)) as shop:
            try:
                shop.ask(calls.release())
                shop.ask(calls.design("shopper-0", "men-tops", k=1, restarts=1, steps=1))
            except Failure:
                return False
        placed = {each: len(cluster.processes(f"ServeReplica:atelier:{each}")) for each in ("Gateway", "Recommender")}
        return min(placed.values()) >= 2 and len(cluster.processes("ServeReplica:atelier:Designer")) >= 2

    wait_until(answers, "everything answers")


def unit(figure: str) -> str:
    """Of one figure."""
    return "s" if figure.endswith("_s") else "calls"


if __name__ == "__main__":
    main()
