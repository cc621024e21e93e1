import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster.object_store import AccessDenied, NotFound, ObjectStore, StoreError
from cluster.releases import HashMismatch, ReleaseStore
from cluster.settings import Settings


@pytest.fixture
def releases(store: ObjectStore) -> ReleaseStore:
    return ReleaseStore(store)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two small files as a release has them."""
    (tmp_path / "out").mkdir()
    found = {name: tmp_path / "out" / name for name in ("cgan.safetensors", "items.parquet")}
    for name, path in found.items():
        path.write_bytes(name.encode() * 1000)
    return found


def publish(releases: ReleaseStore, files: dict[str, Path], **changes: Any) -> str:
    """Publish with something in every field."""
    told: dict[str, Any] = {
        "configs": {"cgan": {"picture_size": 64}},
        "metrics": {"auc": 0.75},
        "data": "s3://shop/data",
        "runs": {"cgan": "cgan-1"},
        "by": "ada",
        "why": "first",
        "categories": ["men-tops", "women-shoes"],
    }
    return releases.publish(files, **{**told, **changes})


def test_nothing_is_current_before_the_first(releases: ReleaseStore, tmp_path: Path) -> None:
    assert releases.current() is None
    assert releases.history() == []
    for act in (releases.manifest, lambda: releases.fetch(None, tmp_path)):
        with pytest.raises(NotFound, match="nothing has been released"):
            act()


def test_what_is_published_is_current_and_complete(
    releases: ReleaseStore, files: dict[str, Path], tmp_path: Path
) -> None:
    release = publish(releases, files)
    assert releases.current() == release
    manifest = releases.manifest()
    assert manifest["id"] == release
    assert manifest["categories"] == ["men-tops", "women-shoes"]
    assert (manifest["configs"], manifest["metrics"]) == ({"cgan": {"picture_size": 64}}, {"auc": 0.75})
    content = files["items.parquet"].read_bytes()
    described = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["files"]["items.parquet"] == described
    folder = releases.fetch(None, tmp_path / "cache")
    assert {path.name for path in folder.iterdir()} == {*files, "manifest.json"}
    for name, path in files.items():
        assert (folder / name).read_bytes() == path.read_bytes()
    assert json.loads((folder / "manifest.json").read_text()) == manifest


def test_rollback_is_one_more_record(releases: ReleaseStore, files: dict[str, Path]) -> None:
    first = publish(releases, files)
    second = publish(releases, files, why="better")
    releases.promote(first, by="bob", why="second was worse")
    assert releases.current() == first
    told = [(record.number, record.release, record.by, record.why) for record in releases.history()]
    assert told == [
        (1, first, "ada", "first"),
        (2, second, "ada", "better"),
        (3, first, "bob", "second was worse"),
    ]


def test_promoters_at_once_are_recorded_one_after_the_other(releases: ReleaseStore, files: dict[str, Path]) -> None:
    release = publish(releases, files, promote=False)
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda name: releases.promote(release, by=name), "abcdefgh"))
    assert sorted(record.number for record in records) == list(range(1, 9))
    assert releases.history() == sorted(records, key=lambda record: record.number)


def test_what_is_not_promoted_is_there_but_not_current(releases: ReleaseStore, files: dict[str, Path]) -> None:
    first = publish(releases, files)
    second = publish(releases, files, promote=False, metrics={"auc": 0.5})
    assert releases.current() == first
    assert set(releases.releases()) == {first, second}


def three(releases: ReleaseStore, files: dict[str, Path]) -> list[str]:
    return [publish(releases, files, metrics={"auc": auc}, promote=False) for auc in (0.5, 0.6, 0.7)]


def test_rollbacks_go_back_and_not_to_and_fro(releases: ReleaseStore, files: dict[str, Path]) -> None:
    for each in (published := three(releases, files)):
        releases.promote(each)
    first, second, _ = published
    assert releases.roll_back(why="worse").release == second == releases.current()
    assert releases.roll_back().release == first == releases.current()
    with pytest.raises(NotFound, match="no release served before"):
        releases.roll_back()
    assert [record.release for record in releases.history()] == [*published, second, first]


def test_a_trial_is_one_more_record_and_ends_with_the_next(releases: ReleaseStore, files: dict[str, Path]) -> None:
    first, second, third = three(releases, files)
    releases.promote(first)
    assert releases.try_out(second, 0.1, by="ada", why="better?") == releases.last()
    assert (releases.current(), releases.last().candidate, releases.last().share) == (first, second, 0.1)
    assert releases.roll_back().release == first and releases.last().candidate is None
    releases.try_out(second, 0.5)
    assert releases.promote(second) == releases.last()
    assert (releases.current(), releases.last().candidate) == (second, None)
    releases.try_out(third, 0.5)
    releases.roll_back()
    assert releases.roll_back().release == first


def test_a_trial_needs_another_release_and_a_share(releases: ReleaseStore, files: dict[str, Path]) -> None:
    first, second, _ = three(releases, files)
    with pytest.raises(NotFound, match="nothing has been released"):
        releases.try_out(first, 0.1)
    releases.promote(first)
    for candidate, share, words in ((second, 0.0, "above 0"), (second, 1.0, "below 1"), (first, 0.1, "serves already")):
        with pytest.raises(ValueError, match=words):
            releases.try_out(candidate, share)
    with pytest.raises(NotFound, match="no-such"):
        releases.try_out("no-such", 0.1)
    assert len(releases.history()) == 1


@pytest.mark.parametrize("act", ["try_out", "roll_back"])
def test_who_tries_out_or_rolls_back_does_not_undo_what_was_promoted_meanwhile(
    store: ObjectStore, files: dict[str, Path], act: str
) -> None:
    first, second, third = three(releases := ReleaseStore(store), files)
    for each in (first, second):
        releases.promote(each)

    class Meanwhile(BreakingStore):
        """A store to which somebody else's promotion comes just before the first record."""

        def __getattr__(self, name: str) -> Any:
            if name == "create" and releases.current() == second:
                releases.promote(third)
            return getattr(self._store, name)

    raced = ReleaseStore(Meanwhile(store, 0))  # type: ignore[arg-type]
    if act == "try_out":
        assert raced.try_out(first, 0.5).release == third == releases.current()
    else:
        assert raced.roll_back().release == second == releases.current()
    assert [record.number for record in releases.history()] == [1, 2, 3, 4]


def test_a_record_of_a_later_version_is_read(
    releases: ReleaseStore, store: ObjectStore, files: dict[str, Path]
) -> None:
    release = publish(releases, files)
    kept = json.loads(store.get("releases/history/000001.json"))
    store.put("releases/history/000002.json", json.dumps({**kept, "number": 2, "mood": "bright"}).encode())
    assert releases.current() == release and releases.last().number == 2


def test_a_cache_keeps_the_last_few_releases_and_what_was_in_use_lately(
    releases: ReleaseStore, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.releases.KEPT", 2)
    cache, published = tmp_path / "cache", []
    for at in range(4):
        files["items.parquet"].write_bytes(b"items %d" % at)
        published.append(publish(releases, files, metrics={"auc": at / 8}))
        releases.fetch(None, cache)
    assert {path.name for path in (cache / "releases").iterdir()} == set(published)
    for at, release in enumerate(published):
        os.utime(cache / "releases" / release, (at, at))
    monkeypatch.setattr("cluster.releases.PRUNED_S", -1.0)  # not even what came this second was in use lately
    folder = releases.fetch(published[0], cache)
    assert {path.name for path in (cache / "releases").iterdir()} == {published[0], published[3]}
    assert (folder / "items.parquet").read_bytes() == b"items 0"
    assert len(list((cache / "blobs").glob("*/*"))) == 3  # two tables, and the networks that both have
    assert (releases.fetch(published[1], cache) / "items.parquet").read_bytes() == b"items 1"


def test_records_without_a_trial_are_as_before_there_were_trials(
    releases: ReleaseStore, store: ObjectStore, files: dict[str, Path]
) -> None:
    publish(releases, files)
    kept = json.loads(store.get("releases/history/000001.json"))
    assert set(kept) == {"number", "release", "when", "by", "why", "token"}


class BreakingStore:
    """A store that fails at the n-th write."""

    def __init__(self, store: ObjectStore, at: int) -> None:
        self._store, self._left = store, at

    def __getattr__(self, name: str) -> Any:
        if name in ("put", "create", "upload"):
            self._left -= 1
            if self._left < 0:
                raise AccessDenied("bucket", name, "cut off")
        return getattr(self._store, name)


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_what_is_half_written_is_never_current(store: ObjectStore, files: dict[str, Path], writes: int) -> None:
    before = publish(ReleaseStore(store), files)
    with pytest.raises(AccessDenied):
        publish(ReleaseStore(BreakingStore(store, writes)), files, metrics={"auc": 0.9})  # type: ignore[arg-type]
    assert ReleaseStore(store).current() == before
    assert (len(ReleaseStore(store).releases()) == 2) is (writes == 3)


def test_only_a_complete_release_is_promoted(releases: ReleaseStore) -> None:
    with pytest.raises(NotFound, match="no-such-release"):
        releases.promote("no-such-release")
    with pytest.raises(StoreError, match="invalid key"):
        releases.promote("../../elsewhere")
    assert releases.current() is None


def test_a_corrupted_file_is_noticed(
    releases: ReleaseStore, store: ObjectStore, files: dict[str, Path], tmp_path: Path
) -> None:
    release = publish(releases, files)
    key = f"releases/{release}/cgan.safetensors"
    content = bytearray(store.get(key))
    content[5] ^= 1
    store.put(key, bytes(content))
    with pytest.raises(HashMismatch, match=key):
        releases.fetch(release, tmp_path / "cache")
    store.put(key, files["cgan.safetensors"].read_bytes())
    assert releases.fetch(release, tmp_path / "cache").is_dir()


def test_a_changed_manifest_is_noticed(
    releases: ReleaseStore, store: ObjectStore, files: dict[str, Path], tmp_path: Path
) -> None:
    release = publish(releases, files)
    key = f"releases/{release}/manifest.json"
    store.put(key, store.get(key).replace(b"0.75", b"0.99"))
    for act in (releases.manifest, releases.promote, lambda r: releases.fetch(r, tmp_path)):
        with pytest.raises(HashMismatch, match=r"manifest\.json"):
            act(release)


def test_damage_in_the_cache_is_mended(releases: ReleaseStore, files: dict[str, Path], tmp_path: Path) -> None:
    release = publish(releases, files)
    folder = releases.fetch(release, tmp_path / "cache")
    damaged = folder / "items.parquet"
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged")  # the blob behind it, too
    (folder / "cgan.safetensors").unlink()
    assert releases.fetch(release, tmp_path / "cache") == folder
    for name, path in files.items():
        assert (folder / name).read_bytes() == path.read_bytes()


def test_what_two_releases_share_is_fetched_once(
    releases: ReleaseStore, store: ObjectStore, files: dict[str, Path], tmp_path: Path
) -> None:
    first = publish(releases, files)
    files["items.parquet"].write_bytes(b"new items")
    second = publish(releases, files)
    one = releases.fetch(first, tmp_path / "cache")
    store.delete(f"releases/{second}/cgan.safetensors")
    two = releases.fetch(second, tmp_path / "cache")
    assert (two / "cgan.safetensors").samefile(one / "cgan.safetensors")
    assert (two / "items.parquet").read_bytes() == b"new items"


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "manifest.json", ""])
def test_names_that_are_no_plain_file_are_refused(releases: ReleaseStore, files: dict[str, Path], name: str) -> None:
    with pytest.raises((ValueError, StoreError)):
        publish(releases, {name: files["items.parquet"]})
    assert releases.releases() == []


def test_metrics_that_are_not_numbers_are_refused(releases: ReleaseStore, files: dict[str, Path]) -> None:
    with pytest.raises(ValueError):
        publish(releases, files, metrics={"auc": float("nan")})
    assert releases.releases() == []


FETCH = """
import sys
from pathlib import Path
from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
settings = Settings()
print(ReleaseStore(open_store(settings.bucket_url, settings)).fetch(None, Path(sys.argv[1])))
"""


def test_processes_fetch_at_once(
    releases: ReleaseStore, store_settings: Settings, files: dict[str, Path], tmp_path: Path
) -> None:
    files["dvbpr.safetensors"] = tmp_path / "large"
    files["dvbpr.safetensors"].write_bytes(os.urandom(20 * 2**20))
    publish(releases, files)
    environment = {**os.environ, **store_settings.environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", FETCH, str(tmp_path / "cache")]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    (folder,) = map(Path, answers)
    for name, path in files.items():
        assert (folder / name).read_bytes() == path.read_bytes()
    hidden = [path for path in (tmp_path / "cache").rglob("*") if path.name.startswith(".")]
    assert hidden == []
