"""Pictures kept in memory while they are asked for."""

from pathlib import Path

import pytest

from cluster.folder_store import FolderStore
from cluster.object_store import NotFound
from services import metrics
from services.meters import Meters
from services.picture_cache import PictureCache


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    found = FolderStore(tmp_path)
    for name in "abc":
        found.put(name, name.encode() * 10)
    return found


def reads(meters: Meters) -> dict[str, float]:
    return {labels[0]: value for metric, value, labels in meters.readings() if metric is metrics.PICTURES}


def test_a_picture_is_fetched_once(store: FolderStore) -> None:
    meters = Meters()
    cache = PictureCache(store, 100, meters)
    assert cache.get("a") == cache.get("a") == b"a" * 10
    store.delete("a")
    assert cache.get("a") == b"a" * 10
    assert reads(meters) == {"store": 1, "cache": 2}


def test_the_one_asked_for_longest_ago_makes_room(store: FolderStore) -> None:
    meters = Meters()
    cache = PictureCache(store, 20, meters)
    for name in "abac":  # b goes
        cache.get(name)
    for name in "ac":
        cache.get(name)
    assert reads(meters) == {"store": 3, "cache": 3}
    cache.get("b")
    assert reads(meters) == {"store": 4, "cache": 3}


@pytest.mark.parametrize("room", [0, 9])
def test_nothing_is_kept_that_does_not_fit(store: FolderStore, room: int) -> None:
    meters = Meters()
    cache = PictureCache(store, room, meters)
    assert cache.get("a") == cache.get("a")
    assert reads(meters) == {"store": 2}


def test_what_is_not_there_is_not_kept(store: FolderStore) -> None:
    cache = PictureCache(store, 100, Meters())
    with pytest.raises(NotFound):
        cache.get("d")
    store.put("d", b"now it is")
    assert cache.get("d") == b"now it is"
