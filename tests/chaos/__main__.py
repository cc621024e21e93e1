"""`python -m tests.chaos`: what callers notice while something dies, on a cluster of several nodes on one machine.

Callers ask over HTTP, half of them with the client's retries and half without, before, during and after each fault.
The head has no replicas, and nobody asks it. The workers' proxies share one port, so that the system hands every
new connection to one that lives, as a load balancer would. With `--ingress haproxy` they are HAProxies, which hand
requests straight to gateways, as in production.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from cluster.keys import SCOPES, KeyStore
from cluster.local_s3 import bucket_at_hand
from cluster.object_store import open_store
from cluster.ports import free_port
from cluster.settings import Settings
from fashion_nn import pictures
from services.client import Atelier, Failure, Patience, calls
from tests.chaos import redis
from tests.chaos.bad_store import Way
from tests.chaos.callers import GROUPS, WITHOUT_STORE, Callers
from tests.chaos.faults import AFTER_S, FAULTS, HAPROXY, HEAD, OF_TRAININGS, OF_WORKERS, Scene
from tests.chaos.kept import merged
from tests.chaos.nodes import PROXIES, TWICE, Cluster, running, wait_until
from tests.chaos.training_run import TrainingRun
from tests.services import tiny_release

CALM_S = 5.0
RATE = 200.0  # requests a second that the callers' key may: far more than they make
REPLICAS = {"gateway_replicas": "2", "recommender_replicas": "2"}
REPLICAS |= {"designer_replicas": "2", "fitting_room_replicas": "2"}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--only", nargs="*", choices=list(FAULTS), default=list(FAULTS), help="these faults alone")
    words.add_argument("--ingress", choices=list(PROXIES), default="default", help="haproxy: as in production")
    words.add_argument("--keep", type=Path, metavar="FILE", help="where figures go, in the place of earlier ones")
    options = words.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and nothing is left behind
    with_redis = redis.at_hand()
    left_out = {} if with_redis else {HEAD: f"no {redis.PROGRAM} is on the PATH"}
    left_out |= {HAPROXY: "it is not the ingress"} if options.ingress == "default" else {}
    for name in left_out.keys() & set(options.only):
        report.progress(f"{name} is left out: {left_out[name]}")
    rows: list[report.Row] = []
    failed: list[str] = []
    with ExitStack() as stack:
        trial = begun(stack, with_redis, options.ingress)
        for name in (each for each in options.only if each not in left_out):
            try:
                steady(trial, spread=name in OF_WORKERS)
                rows += tried(name, trial)
            except Exception:
                report.progress(f"{name} could not be tried:\n{traceback.format_exc()}")
                failed.append(name)
                continue
            if options.keep is not None:
                keep(options.keep, rows, options.ingress)
    report.emit({**report.report("chaos", rows), "pivot": True})
    return 1 if failed else 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried, and by whom."""

    cluster: Cluster
    way: Way
    url: str
    key: str
    settings: Settings  # past the way
    folder: Path


def begun(stack: ExitStack, with_redis: bool, ingress: str) -> Trial:
    """A store, a way to it, and a cluster that serves a tiny release; all of it ends with the stack."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # sockets need a short path
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    own = Settings(home=folder / "home", http_port=free_port(), **REPLICAS)
    direct = stack.enter_context(bucket_at_hand(own))
    tiny_release.publish(direct, folder)
    _, key = KeyStore(open_store(direct.bucket_url, direct)).issue("chaos", SCOPES, rate=RATE)
    way = Way(direct.s3_endpoint or "")
    seen = direct.with_updates(s3_endpoint=way.endpoint)
    kept_in = stack.enter_context(redis.serving()) if with_redis else None
    port = free_port()
    cluster = stack.enter_context(
        running(seen.environment(), folder / "ray", workers=2, http_port=port, redis=kept_in, ingress=ingress)
    )
    return Trial(cluster, way, f"http://{seen.http_host}:{port}", key, direct, folder)


def tried(name: str, trial: Trial) -> list[report.Row]:
    """One fault under load: what was noticed of it."""
    picture = pictures.encode(tiny_release.garment(77), format="PNG")
    shoppers = [f"shopper-{at}" for at in range(tiny_release.SHOPPERS)]
    items = [f"item-{at:02}" for at in range(4)]
    callers = Callers(trial.url, trial.key, shoppers=shoppers, items=items, picture=picture)
    with ExitStack() as stack:
        training = None
        if name in OF_TRAININGS:
            run = TrainingRun(name, trial.cluster.environment, trial.settings, trial.folder)
            training = stack.enter_context(run)
        load = os.getloadavg()[0]
        with callers:
            time.sleep(CALM_S)
            FAULTS[name](Scene(trial.cluster, trial.way, training))
            time.sleep(AFTER_S)
        figures = {f"{name}/{figure}": value for figure, value in noticed(name, callers).items()}
        figures[f"{name}/load"] = load
        if training is not None:
            figures |= {f"{name}/run/{figure}": value for figure, value in training.lost().items()}
    report.progress(f"{name}: {figures}")
    return [report.row(each, [value], unit="s" if each.endswith("_s") else "1") for each, value in figures.items()]


def noticed(name: str, callers: Callers) -> dict[str, float]:
    """What the callers noticed, in figures."""
    figures: dict[str, float] = {}
    for kind, those in callers.noticed.items():
        figures[f"sent_{kind}"] = those.sent
        figures[f"failed_{kind}"] = those.failed.total()
        if those.failed:
            report.progress(f"{name} {kind}: {dict(those.failed.most_common(8))}")
    patient = callers.noticed["with_retries"]
    figures["tried_again"] = patient.tries - patient.sent
    figures["longest_gap_without_store_s"] = patient.gap(callers.begun, callers.ended, WITHOUT_STORE)
    figures["longest_gap_s"] = patient.gap(callers.begun, callers.ended, GROUPS)
    figures["wrong_answers"] = sum(those.wrong for those in callers.noticed.values())
    figures["acknowledged_writes"] = sum(len(those.acknowledged) for those in callers.noticed.values())
    figures["writes_lost"] = callers.lost()
    return figures


def steady(trial: Trial, *, spread: bool) -> None:
    """Wait until everything answers, and each deployment has its replicas again, if need be on both workers."""
    cluster = trial.cluster

    def whole() -> bool:
        cluster.mend()
        return cluster.whole()

    wait_until(whole, "each deployment has its replicas")
    if spread and not cluster.spread():
        report.progress(f"placed anew: a worker has both replicas of one of {', '.join(TWICE)}")
        cluster.deploy()
        wait_until(lambda: whole() and cluster.spread(), "each worker has its replicas")

    def answers() -> bool:
        with Atelier(trial.url, key=trial.key, patience=Patience(timeout_s=20.0, tries=1)) as shop:
            try:
                shop.ask(calls.release())
                shop.ask(calls.design("shopper-0", "men-tops", k=1, restarts=1, steps=1))
            except Failure:
                return False
        return True

    wait_until(answers, "everything answers")


def keep(path: Path, rows: list[report.Row], ingress: str) -> None:
    """Write what has been found so far, beside what was found of the others at other times."""
    known = json.loads(path.read_text()) if path.exists() else None
    found = merged(known, report.report("chaos", rows), list(FAULTS), ingress)
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
