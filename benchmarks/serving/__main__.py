"""`python -m benchmarks.serving`: what the service costs around its networks, and what it does when too much is asked.

Every call beside a bare deployment of Ray Serve that answers a constant, and beside two of which one asks the other
for it, over HTTP and gRPC, in turns, with the same ingress for all: Serve's own proxy, and HAProxy. Then three times
as many designs a second as can be done. It serves the current release of the bucket that the settings name, as the
demonstration has left it.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.serving.load import Ask, Grpc, Http, Seen, closed, opened
from benchmarks.serving.stage import QUIET, Stage, served

INGRESSES: dict[str, dict[str, str]] = {
    "default": {},
    "haproxy": {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    },
}
MANY = 16  # callers at once, for requests a second
SHOPPER, CATEGORY = {"user_id": "u000000"}, "women-tops"
RECOMMEND = {"shopper": SHOPPER, "k": 10}
DESIGN = {"shopper": SHOPPER, "category": CATEGORY, "k": 1, "restarts": 1, "steps": 1, "seed": 1}
HEAVY = {"shopper": SHOPPER, "category": CATEGORY, "k": 1, "restarts": 8, "steps": 20, "starts": "blind", "seed": 1}
TRY_ON = {"worn": {"item_id": "i000000"}, "wanted": {"item_id": "i000003"}}
PERSON_HEIGHT = 512  # pixels
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
    with beside_a_bare_one() as stage:
        rows: list[report.Row] = []
        for face, subjects in subjects_over(stage).items():
            rows += compared(f"{ingress}/{face}", subjects, runs=runs, seconds=seconds)
        return rows + overload(ingress, stage, seconds=5 * seconds)


@contextmanager
def beside_a_bare_one() -> Iterator[Stage]:
    """The service, and deployments that answer what it recommends, bare and composed."""
    from ray import serve

    from benchmarks.serving.bare import BARE, COMPOSED, Bare, Composed

    with served() as stage:
        known = asyncio.run(answers(stage))
        serve.run(Bare.bind(known), name=BARE, route_prefix=f"/{BARE}")
        serve.run(Composed.bind(Bare.bind(known)), name=COMPOSED, route_prefix=f"/{COMPOSED}")
        yield stage


async def answers(stage: Stage) -> dict[str, bytes]:
    """What the service recommends, over both faces, once it does: the constants of the bare ones."""
    from services.protos.atelier_pb2 import RecommendRequest

    asked = RecommendRequest(**RECOMMEND).SerializeToString()
    faces = (
        Http(stage.http, "/v1/recommend", json.dumps(RECOMMEND).encode(), stage.bearer),
        Grpc(stage.rpc, "Recommend", asked, {**stage.bearer, "application": "atelier"}),
    )
    for face in faces:
        for _ in range(300):
            if (status := await face()) == 200:
                break
            await asyncio.sleep(1)
        else:
            raise TimeoutError(f"the service does not answer: {status}")
    return {"http": faces[0].last, "grpc": faces[1].last}


def subjects_over(stage: Stage) -> dict[str, dict[str, Any]]:
    """For each face, what makes one request of each subject."""
    from services.protos import atelier_pb2

    ours, person = {**stage.bearer, "application": "atelier"}, somebody()
    try_on = {"person": {"data": base64.b64encode(person).decode()}, **TRY_ON}
    paths = {"recommend": RECOMMEND, "design": DESIGN, "try_on": try_on}
    bodies = {name: json.dumps(fields).encode() for name, fields in paths.items()}
    messages = {
        "recommend": atelier_pb2.RecommendRequest(**RECOMMEND),
        "design": atelier_pb2.DesignRequest(**DESIGN),
        "try_on": atelier_pb2.TryOnRequest(person={"data": person}, **TRY_ON),
    }

    def over_http(name: str) -> Any:
        return lambda: Http(stage.http, f"/v1/{name.replace('_', '-')}", bodies[name], stage.bearer)

    def over_grpc(name: str) -> Any:
        method = name.title().replace("_", "")
        return lambda: Grpc(stage.rpc, method, messages[name].SerializeToString(), ours)

    asked = messages["recommend"].SerializeToString()
    return {
        "http": {
            "bare": lambda: Http(stage.http, "/bare", bodies["recommend"], {}),
            "composed": lambda: Http(stage.http, "/composed", bodies["recommend"], {}),
            **{name: over_http(name) for name in paths},
        },
        "grpc": {
            "bare": lambda: Grpc(stage.rpc, "Recommend", asked, {"application": "bare"}),
            "composed": lambda: Grpc(stage.rpc, "Recommend", asked, {"application": "composed"}),
            **{name: over_grpc(name) for name in paths},
        },
    }


def somebody() -> bytes:
    """A drawn person's picture, as a JPEG of a telephone's shape."""
    from fashion_nn import pictures
    from fashion_nn.world.persons import draw_person, sample_person
    from fashion_nn.world.specs import sample_garment

    dice = np.random.default_rng(0)
    drawn, _ = draw_person(sample_person(dice, "women"), sample_garment(dice, CATEGORY), height=PERSON_HEIGHT)
    return pictures.encode(drawn, format="JPEG")


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
    for name in ("composed", "recommend"):
        added = [ours.quantile(0.5) - bare.quantile(0.5) for ours, bare in zip(alone[name], alone["bare"], strict=True)]
        rows.append(report.row(f"added_p50/{place}/{name}", added, unit="ms"))
    return rows


async def measured(make: Any, seconds: float) -> tuple[Seen, Seen]:
    """One caller, then many."""
    ask: Ask = make()
    await closed(ask, callers=MANY, seconds=seconds / 8)  # warm
    return await closed(ask, callers=1, seconds=seconds / 2), await closed(ask, callers=MANY, seconds=seconds)


def overload(ingress: str, stage: Stage, *, seconds: float) -> list[report.Row]:
    """Three times as many designs a second as can be done, by callers who wait only so long."""
    headers = {**stage.bearer, "x-timeout-s": f"{PATIENCE_S:g}"}

    async def tried() -> tuple[Seen, Seen]:
        ask = Http(stage.http, "/v1/design", json.dumps(HEAVY).encode(), headers)
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
