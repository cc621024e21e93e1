"""`python -m benchmarks.serving`: what the service costs around its networks, and what it does when too much is asked.

Every call beside a bare deployment of Ray Serve that answers a constant, over HTTP and gRPC, in turns, with the same
ingress for both: Serve's own proxy, and HAProxy. Then three times as many designs a second as can be done. It serves
the current release of the bucket that the settings name, as the demonstration has left it.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.serving.load import Ask, Grpc, Http, Seen, closed, opened
from cluster.ray_runtime import SERVING

INGRESSES: dict[str, dict[str, str]] = {
    "default": {},
    "haproxy": {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    },
}
QUIET = {
    **SERVING,
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_prestart_worker_first_driver": "0",
}
MANY = 16  # callers at once, for requests a second
SHOPPER, CATEGORY = {"user_id": "u000000"}, "women-tops"
RECOMMEND = {"shopper": SHOPPER, "k": 10}
DESIGN = {"shopper": SHOPPER, "category": CATEGORY, "k": 1, "restarts": 1, "steps": 1, "seed": 1}
HEAVY = {"shopper": SHOPPER, "category": CATEGORY, "k": 1, "restarts": 8, "steps": 20, "starts": "blind", "seed": 1}
TIMES, PATIENCE_S = 3.0, 4.0  # how many times more than can be done is asked for, by callers who wait so long


def main() -> None:
    words = report.arguments(__doc__)
    words.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    words.add_argument("--ingress", choices=list(INGRESSES), nargs="*", default=list(INGRESSES))
    words.add_argument("--inside", help="one of them, in this process")
    options = words.parse_args()
    if options.inside is not None:
        found = inside(options.inside, runs=options.runs, seconds=options.seconds)
        return report.emit(report.report("serving", found))
    rows: list[dict[str, Any]] = []
    for ingress in options.ingress:
        told = ["--inside", ingress, "--runs", str(options.runs), "--seconds", str(options.seconds)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving", *told],
            env={**os.environ, **QUIET, **INGRESSES[ingress]},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        rows += json.loads(done.stdout.splitlines()[-1])["rows"]
    report.emit({**report.report("serving", []), "rows": rows})


def inside(ingress: str, *, runs: int, seconds: float) -> list[report.Row]:
    """All of it with one ingress, on a Ray of our own."""
    with served() as (http, rpc, key):
        rows: list[report.Row] = []
        for face, subjects in subjects_over(http, rpc, key).items():
            rows += compared(f"{ingress}/{face}", subjects, runs=runs, seconds=seconds)
        return rows + overload(ingress, http, key, seconds=5 * seconds)


@contextmanager
def served() -> Iterator[tuple[str, str, str]]:
    """The service and the bare one. Yields the URL, the address of gRPC, and a key."""
    import ray
    from ray import serve

    from benchmarks.serving.bare import NAME, PREFIX, Bare
    from cluster.keys import SCOPES, KeyStore
    from cluster.local_s3 import bucket_at_hand
    from cluster.object_store import open_store
    from cluster.settings import Settings
    from services import application, ingress

    folder = Path(tempfile.mkdtemp(prefix="serving-", dir="/tmp"))  # sockets need a short path
    own = Settings().with_updates(http_port=free_port(), grpc_port=free_port(), designer_precision="fp32")
    try:
        with bucket_at_hand(own) as settings:
            _, key = KeyStore(open_store(settings.bucket_url, settings)).issue("bench", SCOPES)
            ray.init(
                address="local",
                num_cpus=8,
                object_store_memory=100 * 2**20,
                include_dashboard=False,
                log_to_driver=False,
                runtime_env={"env_vars": settings.environment()},
                _temp_dir=str(folder / "r"),
            )
            ingress.start(settings)
            serve.run(application.build(settings), name=application.NAME, route_prefix="/")
            http, rpc = f"http://127.0.0.1:{settings.http_port}", f"127.0.0.1:{settings.grpc_port}"
            told, told_over_grpc = asyncio.run(answers(http, rpc, key))
            serve.run(Bare.bind(told, told_over_grpc), name=NAME, route_prefix=PREFIX)
            yield http, rpc, key
            ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(http: str, rpc: str, key: str) -> tuple[bytes, bytes]:
    """What the service recommends, over both faces, once it does: the constants of the bare one."""
    from services.protos.atelier_pb2 import RecommendRequest

    asked = RecommendRequest(**RECOMMEND).SerializeToString()
    faces = (
        Http(http, "/v1/recommend", json.dumps(RECOMMEND).encode(), bearer(key)),
        Grpc(rpc, "Recommend", asked, {**bearer(key), "application": "atelier"}),
    )
    for face in faces:
        for _ in range(300):
            if (status := await face()) == 200:
                break
            await asyncio.sleep(1)
        else:
            raise TimeoutError(f"the service does not answer: {status}")
    return faces[0].last, faces[1].last


def subjects_over(http: str, rpc: str, key: str) -> dict[str, dict[str, Any]]:
    """For each face, what makes one request of each subject."""
    from services.protos.atelier_pb2 import DesignRequest, RecommendRequest

    recommend, design = json.dumps(RECOMMEND).encode(), json.dumps(DESIGN).encode()
    ours, bare = {**bearer(key), "application": "atelier"}, {"application": "bare"}
    asked, designed = RecommendRequest(**RECOMMEND), DesignRequest(**DESIGN)
    return {
        "http": {
            "bare": lambda: Http(http, "/bare", recommend, {}),
            "recommend": lambda: Http(http, "/v1/recommend", recommend, bearer(key)),
            "design": lambda: Http(http, "/v1/design", design, bearer(key)),
        },
        "grpc": {
            "bare": lambda: Grpc(rpc, "Recommend", asked.SerializeToString(), bare),
            "recommend": lambda: Grpc(rpc, "Recommend", asked.SerializeToString(), ours),
            "design": lambda: Grpc(rpc, "Design", designed.SerializeToString(), ours),
        },
    }


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"authorization": f"Bearer {key}"}


def compared(place: str, subjects: dict[str, Any], *, runs: int, seconds: float) -> list[report.Row]:
    """Requests a second of many callers, and the latency of one, of each subject in turns."""
    many: dict[str, list[float]] = {name: [] for name in subjects}
    alone: dict[str, list[Seen]] = {name: [] for name in subjects}
    for turn in range(1, runs + 1):
        for name, make in subjects.items():
            one, crowd = asyncio.run(measured(make, seconds))
            for seen in (one, crowd):
                if set(seen.statuses()) != {200}:
                    raise RuntimeError(f"{place}/{name}: {seen.statuses()}")
            alone[name].append(one)
            many[name].append(crowd.rate())
            told = f"{crowd.rate():.0f} 1/s, p50 of one {one.quantile(0.5):.2f} ms"
            report.progress(f"run {turn} of {runs}: {place}/{name} {told}")
    rows = []
    for name in subjects:
        against = {} if name == "bare" else {"baseline": "bare", "baseline_values": many["bare"]}
        rows.append(report.row(f"requests_per_second/{place}/{name}", many[name], unit="1/s", **against))
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            took = [seen.quantile(share) for seen in alone[name]]
            bare = [seen.quantile(share) for seen in alone["bare"]]
            against = {} if name == "bare" else {"baseline": "bare", "baseline_values": bare}
            rows.append(report.row(f"latency_{label}/{place}/{name}", took, unit="ms", **against))
    added = [
        ours.quantile(0.5) - bare.quantile(0.5) for ours, bare in zip(alone["recommend"], alone["bare"], strict=True)
    ]
    return [*rows, report.row(f"added_p50/{place}/recommend", added, unit="ms")]


async def measured(make: Any, seconds: float) -> tuple[Seen, Seen]:
    """One caller, then many."""
    ask: Ask = make()
    await closed(ask, callers=MANY, seconds=seconds / 8)  # warm
    return await closed(ask, callers=1, seconds=seconds / 2), await closed(ask, callers=MANY, seconds=seconds)


def overload(ingress: str, http: str, key: str, *, seconds: float) -> list[report.Row]:
    """Three times as many designs a second as can be done, by callers who wait only so long."""
    headers = {**bearer(key), "x-timeout-s": f"{PATIENCE_S:g}"}

    async def tried() -> tuple[Seen, Seen]:
        ask = Http(http, "/v1/design", json.dumps(HEAVY).encode(), headers)
        capacity = await closed(ask, callers=MANY, seconds=seconds)
        return capacity, await opened(ask, rate=TIMES * capacity.rate(), seconds=seconds)

    capacity, crowd = asyncio.run(tried())
    report.progress(f"{ingress}: capacity {capacity.rate():.1f} 1/s; overloaded {crowd.statuses()}")
    accepted = [(took, status) for took, status in crowd.answers if status not in (429, 503, 0)]
    kept = sum(status == 200 and took <= PATIENCE_S for took, status in accepted) / max(1, len(accepted))
    goodput = crowd.rate(PATIENCE_S)
    return [
        report.row(
            f"overload/{ingress}/goodput",
            [goodput],
            unit="1/s",
            baseline="capacity",
            baseline_values=[capacity.rate(PATIENCE_S)],
        ),
        report.row(f"overload/{ingress}/accepted_that_kept_their_deadline", [kept], unit="1"),
        report.row(f"overload/{ingress}/turned_away", [len(crowd.answers) - len(accepted)], unit="requests"),
    ]


if __name__ == "__main__":
    main()
