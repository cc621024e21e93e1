"""What every store promises: in a folder, in the embedded server and, where one is named, in a real one."""

import hashlib
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.object_store import (
    AccessDenied,
    AlreadyExists,
    InvalidKey,
    NotFound,
    ObjectStore,
    StoreError,
    Unavailable,
    check_key,
    open_store,
    picture_suffix,
)
from cluster.settings import Settings


def test_an_object_is_read_as_it_was_written(store: ObjectStore) -> None:
    store.put("notes/a b+c ü%.txt", b"one")
    assert store.get("notes/a b+c ü%.txt") == b"one"
    store.put("notes/a b+c ü%.txt", b"")
    assert store.get("notes/a b+c ü%.txt") == b""


def test_info_says_size_time_and_state(store: ObjectStore) -> None:
    store.put("a/x.bin", b"12345")
    before = store.info("a/x.bin")
    assert (before.key, before.size) == ("a/x.bin", 5)
    assert before.modified.tzinfo is not None
    store.put("a/x.bin", b"67890")
    assert store.info("a/x.bin").etag != before.etag


def test_what_is_not_there_is_named(store: ObjectStore, tmp_path: Path) -> None:
    reads = (store.get, store.info, lambda key: store.download(key, tmp_path / "out"))
    for read in reads:
        with pytest.raises(NotFound, match="no/such thing") as caught:
            read("no/such thing")
        assert caught.value.bucket == store.bucket
    assert not store.exists("no/such thing")
    assert not (tmp_path / "out").exists()


def test_deleting_twice_is_fine(store: ObjectStore) -> None:
    store.put("a", b"1")
    store.delete("a")
    store.delete("a")
    assert not store.exists("a")


def test_create_refuses_a_taken_key(store: ObjectStore) -> None:
    store.create("records/1.json", b"first")
    with pytest.raises(AlreadyExists, match=r"records/1\.json"):
        store.create("records/1.json", b"second")
    assert store.get("records/1.json") == b"first"
    store.delete("records/1.json")
    store.create("records/1.json", b"third")


def test_of_many_creators_exactly_one_wins(store: ObjectStore) -> None:
    def create(number: int) -> bool:
        try:
            store.create("records/1.json", b"%d" % number)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(24) as pool:
        won = list(pool.map(create, range(48)))
    assert won.count(True) == 1
    assert store.get("records/1.json") == b"%d" % won.index(True)


def test_a_listing_is_by_prefix_and_in_order_of_keys(store: ObjectStore) -> None:
    keys = ["runs/a/1", "runs/a/10", "runs/a/2", "runs/a-b", "runs/ä", "runsheet", "x"]
    for key in keys:
        store.put(key, b"12")
    assert [info.key for info in store.list()] == sorted(keys, key=str.encode)
    assert [info.key for info in store.list("runs/a/")] == ["runs/a/1", "runs/a/10", "runs/a/2"]
    assert [info.key for info in store.list("runs/a")] == ["runs/a-b", "runs/a/1", "runs/a/10", "runs/a/2"]
    assert [info.key for info in store.list("none/")] == []
    assert {info.size for info in store.list()} == {2}


def test_files_go_up_and_come_down(store: ObjectStore, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new folder" / "target"
    source.write_bytes(os.urandom(300_000))
    store.upload(source, "runs/x/weights.safetensors")
    store.download("runs/x/weights.safetensors", target)
    assert target.read_bytes() == source.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert store.same(store.info("runs/x/weights.safetensors"), source)
    source.write_bytes(os.urandom(300_000))
    assert not store.same(store.info("runs/x/weights.safetensors"), source)


def test_a_picture_is_kept_under_its_hash_once(store: ObjectStore) -> None:
    data = b"\xff\xd8 not really a JPEG"
    key = store.put_picture(data, suffix=".JPEG")
    digest = hashlib.sha256(data).hexdigest()
    assert key == f"images/{digest[:2]}/{digest}.jpg"
    first = store.info(key)
    assert store.put_picture(data, suffix="jpg") == key
    assert store.info(key) == first
    with pytest.raises(ValueError, match="exe"):
        store.put_picture(data, suffix="exe")


def test_a_picture_is_known_by_its_first_bytes() -> None:
    beginnings = {b"\xff\xd8\xff\xe0": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"RIFF\0\0\0\0WEBP": "webp"}
    assert {picture_suffix(data): data for data in beginnings} == {kind: data for data, kind in beginnings.items()}


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/./b", "a/../../b", "a\nb", "a\\b", "k" * 1025])
def test_keys_that_would_not_work_alike_everywhere_are_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidKey, match="invalid key"):
        store.put(key, b"")
    with pytest.raises(ValueError):
        store.get(key)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30), max_size=4).map("/".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_accepted_key_stays_inside_its_folder(tmp_path: Path, key: str) -> None:
    try:
        check_key("file:///x", key)
    except InvalidKey:
        return
    assert (tmp_path / key).resolve().is_relative_to(tmp_path.resolve())


def test_stores_with_other_prefixes_do_not_see_each_other(store_settings: Settings) -> None:
    one = open_store(store_settings.bucket_url + "/one", store_settings)
    two = open_store(store_settings.bucket_url + "/two", store_settings)
    one.put("a", b"1")
    assert list(two.list()) == []
    assert open_store(store_settings.bucket_url, store_settings).get("one/a") == b"1"


@pytest.mark.parametrize("url", ["bucket/key", "http://host/b", "s3://", "file://host/path", "file:relative"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="neither s3://"):
        open_store(url, Settings())


@pytest.mark.parametrize("kind", [StoreError, NotFound, AlreadyExists, AccessDenied, Unavailable, InvalidKey])
def test_errors_travel_between_processes(kind: type[StoreError]) -> None:
    error = pickle.loads(pickle.dumps(kind("s3://bucket", "a/key", "because")))
    assert type(error) is kind
    assert (error.bucket, error.key, error.cause) == ("s3://bucket", "a/key", "because")
    assert str(error) == f"s3://bucket/a/key: {kind.reason}: because"


def test_a_folder_cannot_hold_an_object_below_an_object(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri(), Settings())
    store.put("a", b"1")
    with pytest.raises(InvalidKey, match="below another"):
        store.put("a/b", b"2")
