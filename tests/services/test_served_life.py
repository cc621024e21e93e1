"""The running application under load, through a killed replica, and from one release to the next."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from services.designer import Passes
from tests.services import tiny_release
from tests.services.conftest import Served
from tests.services.processes import replicas

KNOWN = {"user_id": "shopper-0"}
DESIGN = {"shopper": KNOWN, "category": "men-tops", "k": 1, "restarts": 4, "steps": 5}
PATIENCE_S = 60.0


def handle(deployment: str) -> Any:
    from ray import serve

    return serve.get_deployment_handle(deployment, "atelier")


def passes() -> Passes:
    return handle("Designer").passes.remote().result(timeout_s=PATIENCE_S)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that takes a while."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def score(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/score", json={"shopper": KNOWN, "items": ["item-00"]})


def test_concurrent_designs_share_passes(served: Served) -> None:
    before = passes()
    with ThreadPoolExecutor(20) as pool:
        asked = [{**DESIGN, "seed": seed} for seed in range(20)]
        answers = list(pool.map(lambda request: served.http.post("/v1/design", json=request), asked))
    assert [answer.status_code for answer in answers] == [200] * 20
    after = passes()
    assert after.ascents - before.ascents == 20
    assert after.passes - before.passes <= 10 and after.largest >= 4
    alone = served.http.post("/v1/design", json=asked[3]).json()["designs"][0]["score"]
    assert answers[3].json()["designs"][0]["score"] == pytest.approx(alone, abs=1e-4)


def test_one_bad_request_among_many_fails_alone(served: Served) -> None:
    asked = [{**DESIGN, "category": "hats" if at == 3 else "men-tops"} for at in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda request: served.http.post("/v1/design", json=request), asked))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 400: 1}


def test_who_leaves_is_not_worked_for_any_more(served: Served) -> None:
    request = {"shopper": KNOWN, "picture": {"item_id": "item-00"}, "stages": 10, "steps": 200, "restarts": 8}
    before = passes()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{served.http.base_url}v1/alter", json=request, timeout=httpx.Timeout(10.0, read=1.0))
    after = passes()
    until_idle(after)
    assert passes().ascents - before.ascents < 10


def until_idle(last: Passes) -> None:
    """Until nothing has been added for a second."""
    while True:
        time.sleep(1.0)
        now = passes()
        if now == last:
            return
        last = now


@pytest.mark.parametrize("deployment", ["Recommender", "Designer"])
def test_requests_go_on_after_a_killed_replica(served: Served, deployment: str) -> None:
    (victim,) = replicas(deployment)
    with ThreadPoolExecutor(4) as pool:
        call = score if deployment == "Recommender" else lambda http: http.post("/v1/design", json=DESIGN)
        under_way = [pool.submit(call, served.http) for _ in range(4)]
        os.kill(victim, signal.SIGKILL)
        statuses = Counter(each.result().status_code for each in under_way)
    assert set(statuses) <= {200, 503}, statuses
    until(lambda: call(served.http).status_code == 200)
    assert replicas(deployment).isdisjoint({victim})


@pytest.fixture
def next_release(served: Served, tmp_path) -> Iterator[str]:
    """Another release, not promoted; afterwards the first one serves again."""
    yield tiny_release.publish(served.settings, tmp_path, seed=1, promote=False)
    for deployment in ("Recommender", "Designer", "FittingRoom"):
        handle(deployment).reconfigure.remote({"release": None}).result(timeout_s=PATIENCE_S)


def reconfigured(deployment: str, release: str | None) -> None:
    handle(deployment).reconfigure.remote({"release": release}).result(timeout_s=PATIENCE_S)


def test_a_release_changes_in_place_while_requests_go_on(served: Served, next_release: str) -> None:
    before = {name: replicas(name) for name in ("Recommender", "Designer", "FittingRoom")}
    with ThreadPoolExecutor(4) as pool:
        under_way = [pool.submit(served.http.post, "/v1/design", json=DESIGN) for _ in range(12)]
        for deployment in before:
            reconfigured(deployment, next_release)
        answers = [each.result() for each in under_way]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["release"] for answer in answers} <= {served.release, next_release}
    assert served.http.get("/v1/release").json()["release"] == next_release
    assert served.http.post("/v1/design", json=DESIGN).json()["release"] == next_release
    assert {name: replicas(name) for name in before} == before


def test_a_taste_is_never_used_with_the_looks_of_another_release(served: Served, next_release: str) -> None:
    reconfigured("Recommender", next_release)
    response = served.http.post("/v1/design", json=DESIGN)
    assert response.status_code == 503 and response.json()["title"] == "Release being changed"
    reconfigured("Designer", next_release)
    assert served.http.post("/v1/design", json=DESIGN).json()["release"] == next_release


def test_a_release_that_is_not_there_does_not_end_what_serves(served: Served) -> None:
    reconfigured("Designer", "20200101-000000-abcdef012345")
    assert served.http.post("/v1/design", json=DESIGN).json()["release"] == served.release
    reconfigured("Designer", None)


def test_a_promoted_release_is_followed(served: Served, next_release: str) -> None:
    releases = ReleaseStore(open_store(served.settings.bucket_url, served.settings))
    try:
        releases.promote(next_release)
        until(lambda: set(deployments(served)) == {next_release})
    finally:
        releases.promote(served.release, why="as before")
    until(lambda: set(deployments(served)) == {served.release})


def deployments(served: Served) -> list[str]:
    return list(served.http.get("/v1/release").json()["deployments"].values())


def test_more_requests_than_permits_are_turned_away_at_once(served: Served) -> None:
    slow = {**DESIGN, "restarts": 64, "steps": 40}

    async def run() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=served.http.base_url, timeout=120, limits=limits) as client:
            return await asyncio.gather(*(client.post("/v1/design", json=slow) for _ in range(80)))

    answers = asyncio.run(run())
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert all(answer.json()["type"] == "urn:atelier:problem:overloaded" for answer in refused)
    assert {answer.status_code for answer in answers} <= {200, 429, 504}
