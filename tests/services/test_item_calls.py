"""Putting and deleting items, from the HTTP face to the bucket without Ray between, where something fails."""

import asyncio
import base64
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from fastapi.testclient import TestClient
from ray.exceptions import ActorDiedError

from cluster.object_store import open_store
from cluster.settings import Settings
from fashion_nn import pictures
from services.calls import Caller
from services.core import Core
from services.incoming import incoming
from services.live_catalogue import LiveCatalogue, load_live_catalogue
from services.meters import Meters
from services.outgoing import Outgoing
from services.picture_cache import PictureCache
from services.release_loader import fetch
from services.replies import OfferedItem, Recorded, StoredPicture, Work
from tests.services import tiny_release
from tests.services.near import HERE, Asked, faced

LOGGER = logging.getLogger("test")
COAT = base64.b64encode(pictures.encode(tiny_release.garment(77), format="PNG")).decode()
REQUEST = {"category": "men-tops", "picture": {"data": COAT}}


class Method:
    """A deployment's method, called in a thread. Its first replies are lost with their replicas."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call, self.lost = call, 0

    async def remote(self, *args: Any, **options: Any) -> Any:
        reply = await asyncio.to_thread(self.call, *args, **options)
        if self.lost:
            self.lost -= 1
            raise ActorDiedError
        return reply


class Near:
    """The Recommender's calls for the live catalogue."""

    def __init__(self, live: LiveCatalogue) -> None:
        self.live = live
        self.put_item, self.delete_item = Method(self._put), Method(self._delete)
        self.item = Method(lambda item_id, release: live.ranker.item(item_id))

    def _put(self, item_id: str, *args: Any) -> Recorded:
        change, outcome = self.live.put(item_id, *args)
        picture = StoredPicture(key=change.picture)
        offer = OfferedItem(item_id=item_id, category=change.category, picture=picture)
        return Recorded(number=change.number, outcome=outcome, offer=offer, release="r", work=Work())

    def _delete(self, *args: Any) -> Recorded:
        change, outcome = self.live.delete(*args)
        return Recorded(number=change.number, outcome=outcome, release="r", work=Work())


@pytest.fixture
def near(tmp_path) -> Near:
    settings = Settings(bucket_url=(tmp_path / "bucket").as_uri(), home=tmp_path / "home")
    release = fetch(settings, tiny_release.publish(settings, tmp_path, codes=0))
    return Near(load_live_catalogue(release, torch.device("cpu"), incoming(settings, Meters()), LOGGER))


@pytest.fixture
def http(near: Near) -> Iterator[httpx.Client]:
    core = Core(
        recommender=near,
        reads=Asked(near),
        designer=None,
        fitting_room=None,
        outgoing=Outgoing(
            store=near.live._incoming.store,
            cache=PictureCache(near.live._incoming.store, 0, Meters()),
            expires_s=60,
            signs=False,
        ),
        caller=Caller(timeout_s=30.0, pause_s=0.001),
        logger=LOGGER,
    )
    app = faced(core, max_picture_bytes=10_000, permits=4)
    with TestClient(app, client=HERE, raise_server_exceptions=False) as client:
        yield client


def records(near: Near) -> int:
    return len(list(near.live._incoming.store.list("catalogue/log/")))


def test_a_put_whose_answer_was_lost_is_asked_again_and_done_once(near: Near, http: httpx.Client) -> None:
    near.put_item.lost = 2
    answer = http.put("/v1/items/coat", json=REQUEST).json()
    assert (answer["outcome"], answer["record"]) == ("created", 1) and records(near) == 1
    near.delete_item.lost = 2
    answer = http.delete("/v1/items/coat").json()
    assert (answer["outcome"], answer["record"]) == ("deleted", 2) and records(near) == 2


def test_two_calls_alike_are_told_apart(near: Near, http: httpx.Client) -> None:
    outcomes = [http.put("/v1/items/coat", json=REQUEST).json()["outcome"] for _ in range(2)]
    outcomes += [http.delete("/v1/items/coat").json()["outcome"] for _ in range(2)]
    assert outcomes == ["created", "unchanged", "deleted", "unchanged"] and records(near) == 2


def test_a_store_that_cannot_be_reached_is_503_with_a_time_to_come_back(near: Near, http: httpx.Client) -> None:
    sound = near.live._incoming
    dead = Settings(
        bucket_url="s3://nowhere",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="a",
        s3_secret_key="b",
        s3_attempts=1,
        s3_connect_timeout_s=0.5,
    )
    near.live._incoming = replace(sound, store=open_store(dead.bucket_url, dead))
    near.live._ledger._store = near.live._incoming.store
    for response in (http.put("/v1/items/coat", json=REQUEST), http.delete("/v1/items/item-01")):
        assert response.status_code == 503 and response.headers["retry-after"] == "1"
        assert response.json()["type"] == "urn:atelier:problem:unavailable"
        assert "127.0.0.1" not in response.text
    near.live._incoming, near.live._ledger._store = sound, sound.store
    assert records(near) == 0 and http.get("/v1/items/coat").status_code == 404
    assert http.get("/v1/items/item-01").status_code == 200
    assert http.put("/v1/items/coat", json=REQUEST).json()["outcome"] == "created"


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(near: Near, http: httpx.Client) -> None:
    heavy = {"category": "men-tops", "picture": {"data": "A" * 20_000}}
    response = http.put("/v1/items/coat", json=heavy)
    assert response.status_code == 413 and response.json()["field"] == "picture"
    response = http.put(
        "/v1/items/coat", files={"picture": b"x" * 15_000, "request": (None, '{"category": "men-tops"}')}
    )
    assert response.status_code == 413 and response.json()["field"] == "picture"


def test_the_name_stands_in_the_path_alone(near: Near, http: httpx.Client) -> None:
    response = http.put("/v1/items/coat", json={**REQUEST, "item_id": "hat"})
    assert response.status_code == 400 and response.json()["field"] == "item_id"
    assert http.put("/v1/items/rack%2F7%20%C3%BC", json=REQUEST).json()["item"]["item_id"] == "rack/7 ü"
    assert http.get("/v1/items/rack/7%20ü").json()["item"]["item_id"] == "rack/7 ü"
    assert http.put("/v1/items/", json=REQUEST).json()["field"] == "item_id"
    assert http.post("/v1/items/coat", json=REQUEST).status_code == 405
