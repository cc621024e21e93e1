"""The log of the live catalogue applied to a release's tables, without Ray."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from cluster import catalogue
from cluster.catalogue import Ledger
from cluster.object_store import StoreError, Unavailable, open_store
from cluster.settings import Settings
from fashion_nn import pictures
from services import live_catalogue
from services.errors import BadInput, UnknownItem
from services.incoming import incoming
from services.live_catalogue import LiveCatalogue, load_live_catalogue
from services.messages import PutItemRequest, RecommendRequest, Shopper
from services.meters import Meters
from services.ranking import load_ranker
from services.release_loader import fetch
from tests.services import tiny_release
from tests.services.tiny_release import ITEMS

LOGGER = logging.getLogger("test")
CPU = torch.device("cpu")
RELEASED = {f"item-{at:02}" for at in range(ITEMS)}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str, str]:
    """A bucket in a folder, and two releases in it."""
    folder = tmp_path_factory.mktemp("bucket")
    settings = Settings(bucket_url=(folder / "bucket").as_uri(), home=folder / "home")
    releases = [tiny_release.publish(settings, tmp_path_factory.mktemp("made"), seed=seed) for seed in range(2)]
    return settings, *releases


@pytest.fixture
def settings(published: tuple[Settings, str, str]) -> Iterator[Settings]:
    """That bucket, without anything recorded before or after the test."""
    found = published[0]
    yield found
    store = open_store(found.bucket_url, found)
    for info in list(store.list("catalogue/")):
        store.delete(info.key)


def opened(settings: Settings, release: str | None = None) -> LiveCatalogue:
    """As a replica does when it starts."""
    return load_live_catalogue(fetch(settings, release), CPU, incoming(settings, Meters()), LOGGER)


def coat(hue: int) -> bytes:
    return pictures.encode(tiny_release.garment(hue), format="PNG")


def request(hue: int, category: str = "men-tops") -> PutItemRequest:
    return PutItemRequest(category=category, picture={"data": coat(hue)})


def recommended(live: LiveCatalogue, **fields) -> list[str]:
    asked = RecommendRequest(**{"shopper": Shopper(user_id="shopper-1"), "k": 100, "exclude_bought": False, **fields})
    return [offer.item_id for offer in live.ranker.recommend(asked).offers]


def category_of(live: LiveCatalogue, item_id: str) -> str:
    return live.ranker.item(item_id).offers[0].category


def test_what_one_puts_another_has_after_following(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    change, outcome = one.put("coat", request(77), "t1")
    assert (change.number, outcome) == (1, "created") and one.record == 1
    assert set(recommended(one)) == RELEASED | {"coat"} and set(recommended(other)) == RELEASED
    other.follow()
    assert set(recommended(other)) == RELEASED | {"coat"} and other.record == 1
    np.testing.assert_allclose(one.ranker.entry("coat").look, other.ranker.entry("coat").look, rtol=1e-5, atol=1e-7)
    other.delete("coat", "t2")
    one.follow()
    assert set(recommended(one)) == RELEASED == set(recommended(other))


def test_the_look_of_a_new_item_is_that_of_a_published_one(settings: Settings) -> None:
    live = opened(settings)
    live.put("twin", request(15 * 4), "t")
    twin, original = live.ranker.entry("twin"), live.ranker.entry("item-04")
    np.testing.assert_allclose(twin.look, original.look, rtol=1e-4, atol=1e-6)
    assert twin.picture == original.picture


def test_outcomes_are_judged_by_all_that_came_before(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    assert one.put("coat", request(1), "a")[1] == "created"
    assert other.put("coat", request(2), "b")[1] == "replaced"
    change, outcome = one.put("coat", request(2), "c")
    assert (change.number, outcome) == (2, "unchanged")
    assert other.put("coat", request(2, "women-tops"), "d")[1] == "replaced"
    assert category_of(other, "coat") == "women-tops"
    change, outcome = one.delete("coat", "e")
    assert (change.number, outcome) == (4, "deleted")
    assert other.delete("coat", "f") == (change, "unchanged")
    assert other.put("coat", request(2, "women-tops"), "g")[1] == "created"


def test_a_request_that_comes_again_after_others_is_not_done_again(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    first = one.put("coat", request(1), "mine")
    other.put("coat", request(2), "theirs")
    assert opened(settings).put("coat", request(1), "mine") == first == one.put("coat", request(1), "mine")
    assert one.ranker.entry("coat").picture == other.ranker.entry("coat").picture


def test_an_item_of_the_release_can_be_replaced_deleted_and_made_to_stay(settings: Settings) -> None:
    live = opened(settings)
    assert live.put("item-00", request(200, "women-tops"), "a")[1] == "replaced"
    assert live.delete("item-01", "b")[1] == "deleted"
    change, outcome = live.put("item-02", request(15 * 2), "c")
    assert outcome == "unchanged" and change.number == 3  # recorded all the same: it stays whatever is released
    assert set(recommended(live)) == RELEASED - {"item-01"} and len(recommended(live)) == ITEMS - 1
    assert category_of(live, "item-00") == "women-tops"


def test_who_never_was_cannot_be_deleted_and_nothing_is_recorded(settings: Settings) -> None:
    live = opened(settings)
    with pytest.raises(UnknownItem, match="'nothing'"):
        live.delete("nothing", "t")
    with pytest.raises(BadInput, match="one of men-tops, women-tops"):
        live.put("coat", request(1, "hats"), "t")
    with pytest.raises(BadInput, match="picture"):
        live.put("coat", PutItemRequest(category="men-tops", picture={"data": b"no picture"}), "t")
    assert live.record == 0 and Ledger.open(open_store(settings.bucket_url, settings)).last == 0


def test_the_log_goes_before_whatever_release_is_loaded(settings: Settings, published) -> None:
    _, first, second = published
    live = opened(settings, first)
    live.put("coat", request(1), "a")
    live.put("item-04", request(15 * 4), "b")  # as it is in both
    live.delete("item-03", "c")
    loaded = opened(settings, second)
    assert sorted(recommended(loaded)) == sorted(RELEASED - {"item-03"} | {"coat"})
    released = load_ranker(loaded.ranker.release)
    np.testing.assert_array_equal(loaded.ranker.entry("item-04").look, released.entry("item-04").look)
    assert np.abs(loaded.ranker.entry("coat").look - live.ranker.entry("coat").look).max() > 1e-4
    live.put("item-03", request(15 * 3, "women-tops"), "d")
    loaded.follow()
    assert "item-03" in recommended(loaded)


def test_an_item_of_a_category_that_the_release_lacks_is_left_out(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    live = opened(settings)
    live.put("coat", request(1, "women-tops"), "a")
    live.put("item-00", request(2, "women-tops"), "b")
    ledger = Ledger.open(open_store(settings.bucket_url, settings))
    key = live.ranker.entry("coat").picture
    ledger.append("item-02", category="hats", picture=key, outcome="replaced", token="by another release's replica")
    live.follow()
    assert "item-02" not in recommended(live) and "coat" in recommended(live)
    assert "'item-02' of record 3 is left out" in caplog.text and "no category 'hats'" in caplog.text
    assert live.put("item-02", request(3), "c")[1] == "created"


def test_a_record_whose_picture_is_gone_is_left_out_and_does_not_stop_the_others(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger.open(open_store(settings.bucket_url, settings))
    live = opened(settings)
    gone = f"images/00/{'0' * 64}.png"
    ledger.append("coat", category="men-tops", picture=gone, outcome="created", token="a")
    key = live.ranker.entry("item-05").picture
    ledger.append("hat", category="men-tops", picture=key, outcome="created", token="b")
    live.follow()
    assert set(recommended(live)) == RELEASED | {"hat"} and live.record == 2
    assert "'coat' of record 1 is left out" in caplog.text
    assert set(recommended(opened(settings))) == RELEASED | {"hat"}


def test_an_item_that_was_left_out_is_there_once_its_picture_is_sent_again(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    lost = one.put("coat", request(55), "a")[0]
    one._incoming.store.delete(lost.picture)
    other.follow()
    assert "coat" not in recommended(other)
    change, outcome = other.put("coat", request(55), "b")
    assert outcome == "created" and change.picture == lost.picture
    one.follow()
    for live in (one, other, opened(settings)):
        assert "coat" in recommended(live) and live.record == 2


def test_a_crash_between_picture_and_record_leaves_no_item(settings: Settings) -> None:
    class Crash(BaseException):
        """The process ends here."""

    class Ending(type(open_store(settings.bucket_url, settings))):
        def create(self, key: str, data: bytes, **options) -> None:
            if key.startswith("catalogue/log/"):
                raise Crash
            super().create(key, data, **options)

    live = opened(settings)
    live._incoming = replace(live._incoming, store=Ending(settings.folder))
    live._ledger._store = live._incoming.store
    with pytest.raises(Crash):
        live.put("coat", request(123), "t")
    after = opened(settings)
    assert set(recommended(after)) == RELEASED and after.record == 0
    assert after.put("coat", request(123), "t")[1] == "created"


def unreachable(settings: Settings) -> Settings:
    return settings.with_updates(
        bucket_url="s3://nowhere",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="a",
        s3_secret_key="b",
        s3_attempts=1,
        s3_connect_timeout_s=0.5,
    )


def test_a_store_that_cannot_be_reached_leaves_nothing_half_done(settings: Settings) -> None:
    live, dead = opened(settings), unreachable(settings)
    sound = live._incoming
    live._incoming = replace(sound, store=open_store(dead.bucket_url, dead))
    live._ledger._store = live._incoming.store
    for attempt in (lambda: live.put("coat", request(1), "t"), lambda: live.delete("item-01", "u"), live.follow):
        with pytest.raises(Unavailable):
            attempt()
        assert set(recommended(live)) == RELEASED and live.record == 0
    live._incoming, live._ledger._store = sound, sound.store
    assert live.put("coat", request(1), "t")[1] == "created"
    assert set(recommended(live)) == RELEASED | {"coat"}


def test_looks_are_counted_by_where_they_came_from(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    one.put("coat", request(1), "a")
    other.follow()
    assert one._looked == other._looked == {"computed": 1, "kept": 0}
    other.put("coat", request(1, "women-tops"), "b")
    one.follow()
    assert one._looked == {"computed": 1, "kept": 1}  # the same picture


def test_records_whose_pictures_cannot_be_read_now_are_applied_later(settings: Settings) -> None:
    one, other = opened(settings), opened(settings)
    one.put("coat", request(1), "a")
    dead, sound = unreachable(settings), other._incoming
    other._incoming = incoming(dead, Meters())
    with pytest.raises(StoreError):
        other.follow()
    assert "coat" not in recommended(other) and other.record == 0
    other._incoming = sound
    other.follow()
    assert "coat" in recommended(other) and other.record == 1


def test_many_writers_of_two_replicas_lose_nothing(settings: Settings) -> None:
    lives = [opened(settings), opened(settings)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda at: lives[at % 2].put(f"coat-{at}", request(at), f"t{at}")[0], range(24)))
    assert sorted(change.number for change in made) == list(range(1, 25))
    for live in (*lives, opened(settings)):
        live.follow()
        assert set(recommended(live)) == RELEASED | {f"coat-{at}" for at in range(24)}


def test_an_item_is_never_absent_or_there_twice_while_it_is_replaced(settings: Settings) -> None:
    live = opened(settings)
    live.put("coat", request(0), "first")
    with ThreadPoolExecutor(1) as pool:
        replacing = pool.submit(lambda: [live.put("coat", request(hue), f"t{hue}") for hue in range(1, 12)])
        while not replacing.done():
            assert recommended(live).count("coat") == 1
            time.sleep(0.001)  # the other thread is to get on


def test_later_replicas_read_snapshot_and_looks_instead_of_everything(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "SNAPSHOT_AFTER", 5)
    monkeypatch.setattr(live_catalogue, "KEEP_AFTER", 5)
    live = opened(settings)
    for at in range(8):
        live.put(f"coat-{at}", request(100 + at), f"t{at}")
    live.delete("coat-3", "t")
    live.follow()
    store = open_store(settings.bucket_url, settings)
    assert [info.key.rpartition("/")[2] for info in store.list("catalogue/snapshots/")] == ["000000000009.parquet"]
    assert len(list(store.list(f"catalogue/looks/{live.ranker.release.id}/"))) == 1
    for at in {*range(8)} - {3}:  # to see that they are not looked at again
        store.delete(live.ranker.entry(f"coat-{at}").picture)
    late = opened(settings)
    assert set(recommended(late)) == RELEASED | {f"coat-{at}" for at in range(8) if at != 3}
    np.testing.assert_array_equal(late.ranker.entry("coat-7").look, live.ranker.entry("coat-7").look)
