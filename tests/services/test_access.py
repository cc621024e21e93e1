"""Who is let in, for what and how often: over both faces, with a folder for a bucket and a clock of its own."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from cluster.folder_store import FolderStore
from cluster.keys import SCOPES, Key, KeyStore
from cluster.object_store import Unavailable as StoreAway
from services import access, messages
from services.access import Admission, ForKeys, ForThisMachine, KeyRing
from services.allowances import Buckets, Grant, Leases
from services.envelope import Envelope
from services.errors import Forbidden, RateLimited, Unauthenticated, Unavailable
from services.meters import Meters
from services.protos import atelier_pb2 as wire
from tests.services.near import HERE, Face, faced, grpc_served

LOGGER = logging.getLogger("access")
Result = TypeVar("Result")


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(FolderStore(tmp_path))


async def grant_all(key: Key, wanted: int) -> Grant:
    return Grant(wanted, 0.0)


def guard(keys: KeyStore) -> ForKeys:
    return ForKeys(KeyRing(keys, LOGGER, Meters()), Leases(grant_all, LOGGER))


def admitted(guard: Any, key: str | None, operation: str = "score", host: str = "10.0.0.9") -> Awaitable[Admission]:
    return guard.admit(Envelope(request_id="q", key=key), operation, host=host)


def run(work: Callable[[], Awaitable[Result]]) -> Result:
    async def whole() -> Result:
        return await work()

    return asyncio.run(whole())


def test_a_key_opens_what_it_is_for(keys: KeyStore) -> None:
    texts = {scope: keys.issue(scope, [scope])[1] for scope in SCOPES}

    async def opened() -> dict[str, list[str]]:
        door, found = guard(keys), {}
        for scope, text in texts.items():
            found[scope] = []
            for operation in access.NEEDS:
                try:
                    found[scope].append((await admitted(door, text, operation)) and operation)
                except Forbidden as error:
                    assert error.facts["needed"] != scope
        return found

    assert run(opened) == {
        "read": ["score", "recommend", "item", "release"],
        "design": ["design", "alter", "variations"],
        "try-on": ["try_on", "fitting"],
        "catalogue": ["put_item", "delete_item"],
    }


@pytest.mark.parametrize(("source", "scope"), [("recommend", "read"), ("design", "design")])
def test_a_fitting_needs_what_its_source_needs(keys: KeyStore, source: str, scope: str) -> None:
    request = {"shopper": {"user_id": "u"}, "person": {"data": b"p"}, "category": "c", "source": source}
    fitting = messages.FittingRequest.model_validate(request)
    Admission(key=keys.issue("shop", ["try-on", scope])[0]).check(fitting)
    with pytest.raises(Forbidden):
        Admission(key=keys.issue("shop", ["try-on"])[0]).check(fitting)


def test_who_is_not_known_is_told_so(keys: KeyStore) -> None:
    record, text = keys.issue("shop", ["read"])
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    keys.revoke(record.id)

    async def refusals() -> list[str]:
        door, told = guard(keys), []
        for key in (None, "", "nonsense", f"atelier_{'0' * 16}_{'a' * 43}", wrong, text):
            with pytest.raises(Unauthenticated) as caught:
                await admitted(door, key)
            told.append(caught.value.detail)
        return told

    assert run(refusals)[1:] == [
        "what was sent is not a key",
        "what was sent is not a key",
        "the key is not known",
        "the key is not known",
        "the key was revoked",
    ]


def test_keys_are_followed_without_a_restart(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "FOLLOW_S", 0.02)
    monkeypatch.setattr(access, "AGAIN_S", 0.01)
    _, first = keys.issue("first", ["read"])

    async def rotated() -> None:
        door = guard(keys)
        await admitted(door, first)
        record, second = keys.issue("second", ["read"])
        await asyncio.sleep(0.02)
        await admitted(door, second)
        keys.revoke(record.id)
        with pytest.raises(Unauthenticated):
            for _ in range(1000):
                await admitted(door, second)
                await asyncio.sleep(0.01)
        await admitted(door, first)

    run(rotated)


class Away(FolderStore):
    """A bucket that can be away."""

    away = False

    def list(self, prefix: str = "") -> Any:
        if self.away:
            raise StoreAway(self.bucket, prefix, "gone for a while")
        return super().list(prefix)


def test_a_bucket_that_is_away_leaves_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "AGAIN_S", 0.0)
    store = Away(tmp_path)
    _, text = KeyStore(store).issue("shop", ["read"])

    async def known() -> None:
        door = guard(KeyStore(store))
        store.away = True
        with pytest.raises(Unavailable):  # nothing has been read yet: nobody can be told from anybody
            await admitted(door, text)
        store.away = False
        await admitted(door, text)
        store.away = True
        await admitted(door, text)
        with pytest.raises(Unavailable):  # it may have been issued meanwhile
            await admitted(door, f"atelier_{'0' * 16}_{'a' * 43}")

    run(known)


def test_keys_that_nobody_knows_wait_for_one_reading_and_not_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PATIENCE_S", 0.05)
    monkeypatch.setattr(access, "AGAIN_S", 0.0)
    hanging, read = threading.Event(), []

    class Hanging(FolderStore):
        def list(self, prefix: str = "") -> Any:
            read.append(prefix)
            if hanging.is_set():
                time.sleep(1.0)
                raise StoreAway(self.bucket, prefix, "no answer")
            return super().list(prefix)

    store = Hanging(tmp_path)
    _, text = KeyStore(store).issue("shop", ["read"])

    async def crowd() -> None:
        door = guard(KeyStore(store))
        await admitted(door, text)
        hanging.set()
        read.clear()
        unknown = [admitted(door, f"atelier_{at:016x}_{'a' * 43}") for at in range(20)]
        told = await asyncio.gather(*unknown, return_exceptions=True)
        assert [type(each) for each in told] == [Unavailable] * 20 and len(read) == 1
        await admitted(door, text)  # while the one reading still hangs

    run(crowd)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.8.8.8"])
def test_without_keys_this_machine_is_served(host: str) -> None:
    assert run(lambda: admitted(ForThisMachine(), None, host=host)).key is None


@pytest.mark.parametrize("host", ["10.0.0.9", "::ffff:10.0.0.9", "", "elsewhere", None])
def test_without_keys_nobody_else_is(host: str | None) -> None:
    with pytest.raises(Forbidden):
        run(lambda: admitted(ForThisMachine(), None, host=host))


# --- Over both faces


class Nothing:
    """A core that is never to be asked."""

    def __getattr__(self, name: str) -> Any:
        if name == "ready":
            return self._ready
        raise AssertionError(f"{name} was asked of the core")

    async def _ready(self) -> dict[str, str | None]:
        return {}


def test_no_call_over_http_is_open(keys: KeyStore) -> None:
    app = faced(Nothing(), guard=guard(keys))
    paths = [(route.path, method) for route in app.routes if isinstance(route, APIRoute) for method in route.methods]
    closed = sorted((path, method) for path, method in paths if path.startswith("/v1/"))
    assert len(closed) == 11
    with TestClient(app, client=HERE) as client:
        for path, method in closed:
            answer = client.request(method, path.replace("{item_id:path}", "x"), content=b"not even JSON")
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", (path, answer.text)
            assert answer.json()["type"] == "urn:atelier:problem:unauthenticated"
        assert {client.get(path).status_code for path in ("/healthz", "/readyz", "/openapi.json")} == {200}


def test_no_call_over_grpc_is_open(keys: KeyStore) -> None:
    with grpc_served(Face(Nothing(), guard=guard(keys))) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in wire.DESCRIPTOR.services_by_name["Atelier"].methods:
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            with pytest.raises(grpc.RpcError) as caught:
                answer = kind(f"/atelier.v1.Atelier/{method.name}", _registered_method=False)(b"not even protobuf")
                list(answer)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED, method.name


def test_what_comes_in_clear_is_refused_where_there_is_tls(keys: KeyStore) -> None:
    _, text = keys.issue("shop", ["read"])
    face = Face(Nothing(), guard=guard(keys), tls=True)
    with grpc_served(face) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/atelier.v1.Atelier/Score")(b"", metadata=[("authorization", f"Bearer {text}")])
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert caught.value.details() == "this service is called over TLS, and not here"


# --- How often


def key(rate: float, burst: int) -> Key:
    return Key(id="k", name="n", scopes=("read",), rate=rate, burst=burst, sha256="", when="", by="")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (3, 5), (50, 20), (400, 1000)])
@pytest.mark.parametrize("gateways", [1, 4])
def test_all_gateways_together_give_what_a_key_allows(rate: float, burst: int, gateways: int) -> None:
    clock = Clock()
    buckets = Buckets(clock)

    async def take(key: Key, wanted: int) -> Grant:
        return buckets.take(key, wanted)

    async def used(seconds: int) -> int:
        leases, passed = [Leases(take, LOGGER, clock) for _ in range(gateways)], 0
        for moment in range(seconds * 100):
            clock.now = moment / 100
            for attempt in range(12):
                try:
                    await leases[(moment + attempt) % gateways].one(key(rate, burst))
                except RateLimited as error:
                    assert error.retry_after_s >= 1
                else:
                    passed += 1
        return passed

    passed, allowed = run(lambda: used(6)), burst + 6 * rate
    held = gateways * max(1, rate / 10)  # leased by a gateway and not asked for there
    assert allowed - held - 1 <= passed <= allowed + 1e-6


def test_who_waits_as_long_as_told_is_served() -> None:
    clock = Clock()
    buckets = Buckets(clock)

    async def take(key: Key, wanted: int) -> Grant:
        return buckets.take(key, wanted)

    async def waited() -> None:
        leases = Leases(take, LOGGER, clock)
        await leases.one(key(0.2, 1))
        with pytest.raises(RateLimited) as caught:
            await leases.one(key(0.2, 1))
        assert caught.value.retry_after_s == 5
        clock.now += caught.value.retry_after_s
        await leases.one(key(0.2, 1))

    run(waited)


def test_where_nobody_counts_a_gateway_counts_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()

    async def lost(key: Key, wanted: int) -> Grant:
        raise ConnectionError("the limiter is being replaced")

    async def alone() -> int:
        leases, passed = Leases(lost, LOGGER, clock), 0
        for _ in range(50):
            try:
                await leases.one(key(10, 20))
            except RateLimited:
                continue
            passed += 1
        return passed

    assert run(alone) == 20 and "by this gateway alone" in caplog.text


def test_many_at_once_are_counted_one_by_one() -> None:
    buckets = Buckets(Clock())

    async def slow(key: Key, wanted: int) -> Grant:
        await asyncio.sleep(0)
        return buckets.take(key, wanted)

    async def crowd() -> list[Any]:
        leases = Leases(slow, LOGGER, Clock())
        return await asyncio.gather(*(leases.one(key(30, 7)) for _ in range(40)), return_exceptions=True)

    assert sum(each is None for each in run(crowd)) == 7
