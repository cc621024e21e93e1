"""The running application under load, through a killed replica, and from one release to the next."""

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from services.gateway import PERMITS
from services.messages import AlterRequest, Shopper
from services.promotion import Unsound, check
from services.replies import Load
from tests.services import tiny_release
from tests.services.conftest import Served
from tests.services.processes import replicas

KNOWN = {"user_id": "shopper-0"}
DESIGN = {"shopper": KNOWN, "category": "men-tops", "k": 1, "restarts": 4, "steps": 5}
LONG = {"shopper": KNOWN, "picture": {"item_id": "item-00"}, "stages": 10, "steps": 200, "restarts": 16}
PATIENCE_S = 300.0


def handle(deployment: str) -> Any:
    from ray import serve

    return serve.get_deployment_handle(deployment, "atelier")


def load() -> Load:
    return handle("Designer").load.remote().result(timeout_s=PATIENCE_S)


def idle() -> bool:
    now = load()
    return not (now.waiting_rows or now.running_rows)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that takes a while."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def score(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/score", json={"shopper": KNOWN, "items": ["item-00"]})


def test_concurrent_designs_share_steps(served: Served) -> None:
    before = load()
    with ThreadPoolExecutor(20) as pool:
        asked = [{**DESIGN, "seed": seed, "steps": 100} for seed in range(20)]
        answers = list(pool.map(lambda request: served.http.post("/v1/design", json=request), asked))
    assert [answer.status_code for answer in answers] == [200] * 20
    after = load()
    assert after.most_rows > DESIGN["restarts"]
    assert after.row_steps - before.row_steps > DESIGN["restarts"] * (after.steps - before.steps)
    alone = served.http.post("/v1/design", json=asked[3]).json()["designs"][0]["score"]
    assert answers[3].json()["designs"][0]["score"] == pytest.approx(alone, abs=1e-4)


def test_one_bad_request_among_many_fails_alone(served: Served) -> None:
    asked = [{**DESIGN, "category": "hats" if at == 3 else "men-tops"} for at in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda request: served.http.post("/v1/design", json=request), asked))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 400: 1}


def test_who_leaves_is_not_worked_for_any_more(served: Served) -> None:
    before = load().endings["cancelled"]
    body = json.dumps(LONG)
    with socket.create_connection((served.settings.http_host, served.settings.http_port)) as client:
        client.sendall(head(served, "/v1/alter", len(body)) + body.encode())
        until(lambda: load().running_rows > 1)
    until(idle)
    assert load().endings["cancelled"] == before + 1


def head(served: Served, path: str, length: int) -> bytes:
    """How a POST of JSON begins."""
    said = ("Host: test", f"Authorization: Bearer {served.key}", "Content-Type: application/json")
    return "\r\n".join([f"POST {path} HTTP/1.1", *said, f"Content-Length: {length}", "", ""]).encode()


@contextmanager
def under_way(served: Served, request: dict[str, Any]) -> Iterator[httpx.Response]:
    """A request that its client watches for as long as this is entered, and then leaves."""
    events = {"accept": "text/event-stream"}
    with served.http.stream("POST", "/v1/alter", json=request, headers=events, timeout=PATIENCE_S) as response:
        yield response


def test_a_short_request_is_not_held_up_by_a_long_one(served: Served) -> None:
    cancelled = load().endings["cancelled"]
    with under_way(served, LONG) as response:
        assert response.status_code == 200
        assert served.http.post("/v1/design", json=DESIGN).status_code == 200
        assert load().endings["cancelled"] == cancelled
    until(lambda: load().endings["cancelled"] == cancelled + 1)  # so it was still running when the short one had ended
    until(idle)


def test_who_watches_and_leaves_while_waiting_gives_the_place_up(served: Served) -> None:
    cancelled = load().endings["cancelled"]
    with under_way(served, {**LONG, "restarts": 32}):
        until(lambda: load().running_rows == 32)
        with under_way(served, {**LONG, "restarts": 32}):
            assert load().waiting_rows >= 32  # a health check's row may wait among them
        until(lambda: load().waiting_rows < 32)
    until(idle)
    assert load().endings["cancelled"] == cancelled + 2


def test_more_rows_than_may_wait_are_turned_away_with_a_time_to_come_back(served: Served) -> None:
    with ExitStack() as crowd:
        for _ in range(8):
            response = crowd.enter_context(under_way(served, {**LONG, "restarts": 32}))
            if response.status_code != 200:
                break
        assert response.status_code == 429, load()
        assert 1 <= int(response.headers["retry-after"]) <= 60
        problem = json.loads(response.read())
        assert problem["type"] == "urn:atelier:problem:overloaded" and "rows are waiting" in problem["detail"]
    until(idle)
    assert served.http.post("/v1/design", json=DESIGN).status_code == 200


def test_a_replica_that_is_to_end_finishes_what_it_has(served: Served) -> None:
    from ray import serve

    from services.application import OPTIONS
    from services.designer import Designer

    options = {**OPTIONS["Designer"], "user_config": {"release": None}, "graceful_shutdown_timeout_s": PATIENCE_S}
    designer = serve.run(Designer.options(**options).bind(), name="ending", route_prefix=None)
    request = AlterRequest(**{**LONG, "shopper": Shopper(**KNOWN), "stages": 1, "restarts": 8, "steps": 60})
    taste = handle("Recommender").taste.remote(request.shopper).result(timeout_s=PATIENCE_S)
    item = handle("Recommender").item.remote("item-00").result(timeout_s=PATIENCE_S)
    asked = designer.alter.remote(request, taste, item)
    until(lambda: designer.load.remote().result(timeout_s=PATIENCE_S).running_rows > 1)
    serve.delete("ending", _blocking=False)
    assert len(asked.result(timeout_s=PATIENCE_S).stages) == 1
    until(lambda: "ending" not in serve.status().applications)


def test_requests_go_on_after_a_killed_replica(served: Served) -> None:
    (victim,) = replicas("Designer")
    slow = {**DESIGN, "restarts": 16, "steps": 50}
    with ThreadPoolExecutor(4) as pool:
        under_way = [pool.submit(served.http.post, "/v1/design", json=slow) for _ in range(2)]
        until(lambda: load().running_rows > 1)
        os.kill(victim, signal.SIGKILL)
        statuses = Counter(each.result().status_code for each in under_way)
    assert set(statuses) <= {200, 503, 504}, statuses  # asked again, unless the new replica takes too long
    until(lambda: served.http.post("/v1/design", json=DESIGN).status_code == 200)
    assert victim not in replicas("Designer")
    assert score(served.http).status_code == 200


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
    """While one part has turned and the other has not, both use the release that both hold."""
    asked = {**DESIGN, "seed": 1}
    before = served.http.post("/v1/design", json=asked).json()
    reconfigured("Recommender", next_release)
    between = served.http.post("/v1/design", json=asked).json()
    assert between["release"] == served.release
    assert between["designs"][0]["design_id"] == before["designs"][0]["design_id"]
    reconfigured("Designer", next_release)
    assert served.http.post("/v1/design", json=asked).json()["release"] == next_release


def test_a_release_whose_vectors_have_categories_answers_all_that_others_do(served: Served, tmp_path: Path) -> None:
    weighing = tiny_release.publish(served.settings, tmp_path, look=tiny_release.WEIGHING, promote=False)
    try:
        for deployment in ("Recommender", "Designer", "FittingRoom"):
            reconfigured(deployment, weighing)
        assert set(served.http.get("/readyz").json()["deployments"].values()) == {weighing}
        best, few = (
            answered(served, "/v1/recommend", shopper=shopper, k=24)["items"]
            for shopper in (KNOWN, {"likes": ["item-03", "item-07"]})
        )
        assert len(best) == 23 and len(few) == 22
        ends = [best[0], best[-1]]
        scored = answered(served, "/v1/score", shopper=KNOWN, items=[each["item_id"] for each in ends])["scores"]
        assert [each["score"] for each in scored] == pytest.approx([each["score"] for each in ends], rel=1e-4)
        middle = {name: middling(best, name) for name in tiny_release.FITS}
        for name in tiny_release.FITS:  # a design is worth what items of its category are worth
            (design,) = answered(served, "/v1/design", **{**DESIGN, "category": name})["designs"]
            assert min(middle, key=lambda each, score=design["score"]: abs(score - middle[each])) == name
        altered = answered(served, "/v1/alter", **{**LONG, "stages": 1, "steps": 2, "restarts": 2})
        assert altered["release"] == weighing
    finally:
        for deployment in ("Recommender", "Designer", "FittingRoom"):
            reconfigured(deployment, None)


def middling(items: list[dict[str, Any]], category: str) -> float:
    """The mean score of a category's items."""
    scores = [each["score"] for each in items if each["category"] == category]
    return sum(scores) / len(scores)


def answered(served: Served, path: str, **request: Any) -> dict[str, Any]:
    answer = served.http.post(path, json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_release_that_is_not_there_does_not_end_what_serves(served: Served) -> None:
    reconfigured("Designer", "20200101-000000-abcdef012345")
    assert served.http.post("/v1/design", json=DESIGN).json()["release"] == served.release
    reconfigured("Designer", None)


class Crowd:
    """Callers that ask on and on for as long as this is entered: when each call was begun, and what came of it."""

    def __init__(self, served: Served) -> None:
        self._served, self._end = served, Event()
        self._threads = [Thread(target=self._ask, args=call) for call in ASKED_ON]
        self.told: list[tuple[float, float, int, str]] = []  # begun, ended, status, release

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, path: str, request: dict[str, Any]) -> None:
        while not self._end.is_set():
            begun = time.monotonic()
            answer = self._served.http.post(path, json=request)
            told = answer.json().get("release", answer.text)
            self.told.append((begun, time.monotonic(), answer.status_code, told))


ASKED_ON = (
    ("/v1/recommend", {"shopper": KNOWN, "k": 3}),
    ("/v1/design", DESIGN),
    ("/v1/design", {**DESIGN, "category": "women-tops"}),
    ("/v1/score", {"shopper": KNOWN, "items": ["item-00"]}),
)


def test_a_release_is_promoted_and_rolled_back_under_load_without_a_lost_request(
    served: Served, next_release: str
) -> None:
    releases = ReleaseStore(open_store(served.settings.bucket_url, served.settings))
    with Crowd(served) as crowd:
        check(served.settings, next_release)
        releases.promote(next_release)
        until(lambda: deployments(served) == {next_release})
        turned = time.monotonic()
        until(lambda: sum(begun > turned for begun, *_ in crowd.told) > 12)
        going_back = time.monotonic()
        assert releases.roll_back().release == served.release
        until(lambda: deployments(served) == {served.release})
        back = time.monotonic()
        until(lambda: sum(begun > back for begun, *_ in crowd.told) > 12)
    assert Counter(status for *_, status, _ in crowd.told) == {200: len(crowd.told)}
    assert {told for begun, ended, _, told in crowd.told if begun > turned and ended < going_back} == {next_release}
    assert {told for begun, *_, told in crowd.told if begun > back} == {served.release}


def test_a_candidate_is_seen_by_its_shoppers_alone(served: Served, next_release: str) -> None:
    """Every part answers for it, and the trial ends with a rollback."""
    releases = ReleaseStore(open_store(served.settings.bucket_url, served.settings))
    shoppers = [f"shopper-{at}" for at in range(tiny_release.SHOPPERS)]
    places = {who: int.from_bytes(sha256(f"{next_release}\n{who}".encode()).digest()[:8]) / 2**64 for who in shoppers}
    first, second = sorted(places.values())[:2]
    releases.try_out(next_release, (first + second) / 2)  # one of them
    expected = {who: next_release if place == first else served.release for who, place in places.items()}
    try:
        until(lambda: seen_releases(served, "/v1/score", shoppers, items=["item-00"]) == expected)
        assert seen_releases(served, "/v1/recommend", shoppers, k=2) == expected
        until(lambda: seen_releases(served, "/v1/design", shoppers, **PLAIN) == expected)
        assert deployments(served) == {served.release}
    finally:
        releases.roll_back()
    alone = dict.fromkeys(shoppers, served.release)
    until(lambda: seen_releases(served, "/v1/design", shoppers, **PLAIN) == alone)


PLAIN = {"category": "men-tops", "k": 1, "restarts": 1, "steps": 1}


def seen_releases(served: Served, path: str, shoppers: list[str], **fields: Any) -> dict[str, str]:
    """The release that answers each shopper."""
    answers = {who: served.http.post(path, json={"shopper": {"user_id": who}, **fields}) for who in shoppers}
    return {who: answer.json()["release"] for who, answer in answers.items()}


def test_a_broken_release_is_refused_and_one_promoted_all_the_same_does_not_serve(
    served: Served, tmp_path: Path
) -> None:
    releases = ReleaseStore(open_store(served.settings.bucket_url, served.settings))
    broken = tiny_release.publish(served.settings, tmp_path, seed=3, broken=True, promote=False)
    with pytest.raises(Unsound, match=f"{broken} is not promoted, for its designer fails"):
        check(served.settings, broken)
    releases.promote(broken, why="by somebody who did not check")
    try:
        (victim,) = replicas("Designer")
        os.kill(victim, signal.SIGKILL)  # the next one finds the broken release, and the one before it
        until(lambda: bool(replicas("Designer") - {victim}))
        until(lambda: served.http.post("/v1/design", json=DESIGN).status_code == 200)
        assert served.http.post("/v1/design", json=DESIGN).json()["release"] == served.release
    finally:
        releases.roll_back()


def deployments(served: Served) -> set[str]:
    """The releases that are served; none while the machine is too busy to tell."""
    return set(served.http.get("/v1/release").json().get("deployments", {}).values())


def test_more_requests_than_permits_are_turned_away_at_once(served: Served) -> None:
    """Held by bodies that do not arrive: a client that dawdles costs a permit, and nothing else."""
    address = (served.settings.http_host, served.settings.http_port)
    held: list[socket.socket] = []

    def crowded() -> bool:
        """On a slow machine the first of them may have been given up before the last has come: then more come."""
        for _ in range(PERMITS):
            held.append(socket.create_connection(address))
            held[-1].sendall(head(served, "/v1/score", 9))
        return score(served.http).status_code == 429

    try:
        until(crowded)
        refused = score(served.http)
        assert refused.json()["type"] == "urn:atelier:problem:overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert served.http.get("/healthz").status_code == 200
    finally:
        for connection in held:
            connection.close()
    until(lambda: score(served.http).status_code == 200)
