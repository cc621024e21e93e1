import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.mirror import mirror, push_folder
from cluster.object_store import NotFound, open_store
from cluster.s3_store import S3Store
from cluster.settings import Settings

FILES = {
    "items.csv": b"item_id\n1\n",
    "images/1.jpg": b"\xff\xd8one",
    "images/deep/2 ü.jpg": b"two",
    "empty": b"",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small tree of files."""
    root = tmp_path / "data"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def content_of(folder: Path) -> dict[str, bytes]:
    """Every visible file by its name relative to the folder."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_folder_goes_up_and_comes_back(store_settings: Settings, folder: Path, tmp_path: Path) -> None:
    url = store_settings.bucket_url + "/data/world"
    assert push_folder(folder, url, store_settings) == len(FILES)
    assert content_of(mirror(url, store_settings, tmp_path / "cache")) == FILES


def test_only_what_changed_goes_up(store_settings: Settings, folder: Path) -> None:
    url = store_settings.bucket_url + "/data"
    push_folder(folder, url, store_settings)
    assert push_folder(folder, url, store_settings) == 0
    (folder / "items.csv").write_bytes(b"id\n2\n")
    assert push_folder(folder, url, store_settings) == 1
    assert open_store(url, store_settings).get("items.csv") == b"id\n2\n"


def test_hidden_files_stay_behind(store_settings: Settings, folder: Path) -> None:
    (folder / ".env").write_text("SECRET=1")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("")
    assert push_folder(folder, store_settings.bucket_url, store_settings) == len(FILES)


def test_only_what_changed_comes_down(s3_settings: Settings, s3_store: S3Store, folder: Path, tmp_path: Path) -> None:
    push_folder(folder, s3_settings.bucket_url, s3_settings)
    copy = mirror(s3_settings.bucket_url, s3_settings, tmp_path / "cache")
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    s3_store.put("images/1.jpg", b"\xff\xd8ONE")  # the same size
    s3_store.delete("empty")
    assert mirror(s3_settings.bucket_url, s3_settings, tmp_path / "cache") == copy
    changed = {path.name for path in before if not path.exists() or path.stat().st_mtime_ns != before[path]}
    assert changed - {".mirror.jsonl", ".mirror.lock"} == {"1.jpg", "empty"}
    assert content_of(copy)["images/1.jpg"] == b"\xff\xd8ONE"


def test_what_is_lost_or_cut_locally_comes_again(s3_settings: Settings, folder: Path, tmp_path: Path) -> None:
    push_folder(folder, s3_settings.bucket_url, s3_settings)
    copy = mirror(s3_settings.bucket_url, s3_settings, tmp_path / "cache")
    (copy / "items.csv").unlink()
    (copy / "images" / "1.jpg").write_bytes(b"\xff")
    with (copy / ".mirror.jsonl").open("a") as journal:
        journal.write('["items.cs')  # torn by a crash
    mirror(s3_settings.bucket_url, s3_settings, tmp_path / "cache")
    assert content_of(copy) == FILES
    mirror(s3_settings.bucket_url, s3_settings, tmp_path / "cache")
    assert content_of(copy) == FILES


def test_a_local_folder_is_its_own_mirror(folder: Path, tmp_path: Path) -> None:
    assert mirror(folder.as_uri(), Settings(), tmp_path / "cache") == folder
    assert not (tmp_path / "cache").exists()


def test_nothing_there_is_not_found(store_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        mirror(store_settings.bucket_url + "/nowhere", store_settings, tmp_path / "cache")


def test_a_neighbour_with_the_same_beginning_is_left_out(s3_settings: Settings, tmp_path: Path) -> None:
    store = open_store(s3_settings.bucket_url, s3_settings)
    store.put("data/a", b"1")
    store.put("data-2/b", b"2")
    assert content_of(mirror(s3_settings.bucket_url + "/data", s3_settings, tmp_path)) == {"a": b"1"}


def test_two_processes_make_one_copy(s3_settings: Settings, folder: Path, tmp_path: Path) -> None:
    for number in range(60):
        (folder / f"more-{number}").write_bytes(b"%d" % number)
    push_folder(folder, s3_settings.bucket_url, s3_settings)
    program = (
        "import sys; from cluster.mirror import *\n"
        "settings = Settings(); print(mirror(settings.bucket_url, settings, Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache")]
    environment = {**os.environ, **s3_settings.environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (copy,) = answers
    assert content_of(Path(copy)) == content_of(folder)
    journal = (Path(copy) / ".mirror.jsonl").read_text().splitlines()
    assert len(journal) == len(set(journal)) == len(FILES) + 60
