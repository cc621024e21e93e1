"""The log of the live catalogue: writers at once, readers, snapshots, on stores of every kind."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event

import pytest

from cluster import catalogue
from cluster.catalogue import Change, Ledger
from cluster.object_store import AlreadyExists, ObjectStore, StoreError, open_store
from cluster.settings import Settings

PICTURE = f"images/ab/{'ab' * 32}.png"


def written(ledger: Ledger, item_id: str, *, deleted: bool = False, token: str | None = None) -> Change:
    """One more record, whoever else writes."""
    what = (
        {"category": None, "picture": None, "outcome": "deleted"}
        if deleted
        else {"category": "tops", "picture": PICTURE, "outcome": "created"}
    )
    while True:
        try:
            return ledger.append(item_id, token=token or f"token of {item_id}", **what)
        except AlreadyExists:
            ledger.read_on()


def record_keys(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("catalogue/log/")]


def test_what_one_writes_another_reads(store: ObjectStore) -> None:
    writer, reader = Ledger.open(store), Ledger.open(store)
    changes = [written(writer, "coat"), written(writer, "hat"), written(writer, "coat", deleted=True)]
    assert [change.number for change in changes] == [1, 2, 3]
    assert reader.read_on() == changes and reader.read_on() == []
    assert reader.last == writer.last == 3
    assert reader.changes == writer.changes == {"coat": changes[2], "hat": changes[1]}
    assert changes[2].deletes and not changes[1].deletes
    assert Ledger.open(store).changes == reader.changes


def test_a_record_is_small_plain_json_under_a_number_of_fixed_width(store: ObjectStore) -> None:
    written(Ledger.open(store), "coat ü/1")
    assert record_keys(store) == ["catalogue/log/000000000001.json"]
    record = json.loads(store.get(record_keys(store)[0]))
    assert (record["item_id"], record["category"], record["picture"]) == ("coat ü/1", "tops", PICTURE)
    record["more"] = "that a later version may write"
    store.create("catalogue/log/000000000002.json", json.dumps({**record, "number": 2}).encode())
    assert Ledger.open(store).last == 2


def test_who_comes_second_is_told_and_has_changed_nothing(store: ObjectStore) -> None:
    first, second = Ledger.open(store), Ledger.open(store)
    written(first, "coat")
    with pytest.raises(AlreadyExists):
        second.append("hat", category="tops", picture=PICTURE, outcome="created", token="t")
    assert second.last == 0 and second.changes == {} and second.made_by("t") is None
    assert [change.item_id for change in second.read_on()] == ["coat"]


def test_concurrent_writers_lose_nothing(store: ObjectStore) -> None:
    def write(writer: int) -> list[int]:
        ledger = Ledger.open(store)
        return [written(ledger, f"{writer}-{at}").number for at in range(8)]

    with ThreadPoolExecutor(6) as pool:
        numbers = [number for mine in pool.map(write, range(6)) for number in mine]
    assert sorted(numbers) == list(range(1, 49))
    ledger = Ledger.open(store)
    assert set(ledger.changes) == {f"{writer}-{at}" for writer in range(6) for at in range(8)}
    assert len(record_keys(store)) == 48


def test_a_reader_sees_all_up_to_a_record_and_nothing_beyond_a_gap(store: ObjectStore) -> None:
    done = Event()

    def write(writer: int) -> None:
        ledger = Ledger.open(store)
        for at in range(15):
            written(ledger, f"{writer}-{at}")

    def read() -> None:
        reader = Ledger.open(store)
        seen = list(range(1, reader.last + 1))
        while not done.is_set():
            seen += [change.number for change in reader.read_on()]
            assert seen == list(range(1, len(seen) + 1)) and reader.last == len(seen)

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for writing in [pool.submit(write, writer) for writer in range(2)]:
            writing.result()
        done.set()
        for reading in readers:
            reading.result()
    store.create("catalogue/log/000000000032.json", store.get("catalogue/log/000000000030.json"))
    assert Ledger.open(store).last == 30


def test_a_request_that_comes_again_is_recognised_also_after_others(store: ObjectStore) -> None:
    ledger = Ledger.open(store)
    made = written(ledger, "coat", token="mine")
    written(ledger, "coat", deleted=True, token="theirs")
    assert ledger.made_by("mine") == made == Ledger.open(store).made_by("mine")
    assert ledger.made_by("another") is None


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot after a few records already."""
    monkeypatch.setattr(catalogue, "SNAPSHOT_AFTER", 5)


def test_who_starts_late_reads_a_snapshot_and_only_what_follows(store: ObjectStore, often: None) -> None:
    ledger = Ledger.open(store)
    for at in range(8):
        written(ledger, f"item {at}")
    written(ledger, "item 3", deleted=True)
    assert ledger.snapshot_due
    ledger.write_snapshot()
    assert not ledger.snapshot_due
    after = written(ledger, "item 8")
    for key in record_keys(store)[:9]:  # to see that they are not needed
        store.delete(key)
    late = Ledger.open(store)
    assert late.last == 10 and late.changes == ledger.changes
    assert late.changes["item 3"].deletes and late.changes["item 8"] == after
    assert late.made_by("token of item 7") == ledger.changes["item 7"]
    assert not late.snapshot_due
    assert written(late, "item 9").number == 11


def test_two_who_write_the_same_snapshot_agree_and_old_ones_go(store: ObjectStore, often: None) -> None:
    one, other = Ledger.open(store), Ledger.open(store)
    for at in range(30):
        written(one, f"item {at % 7}", token=str(at))
        if one.snapshot_due:
            one.write_snapshot()
            other.read_on()
            assert other.snapshot_due
            other.write_snapshot()
    kept = [int(info.key[-20:-8]) for info in store.list("catalogue/snapshots/")]
    assert kept == [18, 24, 30]
    assert Ledger.open(store).changes == one.changes
    assert len(record_keys(store)) == 30


def test_snapshots_of_many_items_are_written_less_often(store: ObjectStore, often: None) -> None:
    ledger = Ledger.open(store)
    due = []
    for at in range(60):
        written(ledger, f"item {at}")
        if ledger.snapshot_due:
            due.append(ledger.last)
            ledger.write_snapshot()
    gaps = [after - before for before, after in pairwise(due)]
    assert gaps == sorted(gaps) and gaps[-1] > 2 * gaps[0] - 1


def test_what_the_store_does_not_take_is_not_in_the_ledger(tmp_path) -> None:
    dead = Settings(
        bucket_url="s3://nowhere",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="a",
        s3_secret_key="b",
        s3_attempts=1,
        s3_connect_timeout_s=0.5,
    )
    folder = open_store(tmp_path.as_uri(), dead)
    ledger = Ledger.open(folder)
    written(ledger, "coat")
    ledger._store = open_store(dead.bucket_url, dead)
    for attempt in (ledger.read_on, lambda: written(ledger, "hat")):
        with pytest.raises(StoreError, match="unavailable"):
            attempt()
        assert ledger.last == 1 and set(ledger.changes) == {"coat"}
    ledger._store = folder
    assert written(ledger, "hat").number == 2
