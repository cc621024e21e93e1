"""A folder of a bucket as a local folder, and the other way: only what is missing or changed travels."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

from cluster.companion import locked
from cluster.folder_store import FolderStore
from cluster.object_store import NotFound, ObjectInfo, ObjectStore, open_store
from cluster.settings import Settings

_S, _T = TypeVar("_S"), TypeVar("_T")
_JOURNAL = ".mirror.jsonl"
_LOCK = ".mirror.lock"


def mirror(url: str, settings: Settings, cache: Path) -> Path:
    """A local folder with what lies below `url`: itself for file://, a copy below `cache` for s3://.

    Files arrive whole or not at all; a run that was broken off goes on where it stopped; objects that are
    gone from the bucket go from the copy too. Of two processes at once, one copies and the other waits.
    Raises NotFound where nothing lies below `url`, and other StoreErrors.
    """
    store = open_store(url, settings)
    if isinstance(store, FolderStore):
        if not store.root.is_dir():
            raise NotFound(store.bucket, "", "there is no such folder")
        return store.root
    folder = cache / _folder_name(url, settings.s3_endpoint)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _LOCK):
        _bring_up_to_date(store, folder, settings.s3_connections)
    return folder


def push_folder(folder: Path, url: str, settings: Settings) -> int:
    """Upload every file of a folder that `url` does not hold yet in the same state.

    Hidden files and folders stay behind. Nothing is deleted. Returns how many files were sent.
    Raises StoreError.
    """
    store = open_store(url, settings)
    there = {info.key: info for info in store.list()}

    def send(path: Path) -> bool:
        key = path.relative_to(folder).as_posix()
        if key in there and store.same(there[key], path):
            return False
        store.upload(path, key)
        return True

    return sum(_in_parallel(send, list(_visible_files(folder)), settings.s3_connections))


def _bring_up_to_date(store: ObjectStore, folder: Path, threads: int) -> None:
    known = _read_journal(folder)
    wanted = {info.key: info for info in store.list() if not info.key.endswith("/")}
    if not wanted:
        raise NotFound(store.url, "", "nothing lies below this URL")
    for key in known.keys() - wanted.keys():
        (folder / key).unlink(missing_ok=True)
    writing = Lock()

    def bring(info: ObjectInfo) -> None:
        store.download(info.key, folder / info.key)
        with writing, (folder / _JOURNAL).open("a") as journal:
            journal.write(json.dumps([info.key, info.etag]) + "\n")

    stale = [info for info in wanted.values() if not _is_current(folder, info, known)]
    for _ in _in_parallel(bring, stale, threads):
        pass


def _is_current(folder: Path, info: ObjectInfo, known: dict[str, str]) -> bool:
    path = folder / info.key
    return known.get(info.key) == info.etag and path.is_file() and path.stat().st_size == info.size


def _read_journal(folder: Path) -> dict[str, str]:
    """Which state of each object was copied last. A line torn by a crash counts as not written."""
    path = folder / _JOURNAL
    if not path.exists():
        return {}
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("]\n")]
    path.write_text("".join(whole))
    return dict(json.loads(line) for line in whole)


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _in_parallel(work: Callable[[_S], _T], tasks: Sequence[_S], threads: int) -> Iterator[_T]:
    """Results as they come; the first error ends it, what has not begun is dropped."""
    with ThreadPoolExecutor(threads, thread_name_prefix="transfer") as pool:
        futures = [pool.submit(work, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _folder_name(url: str, endpoint: str | None) -> str:
    parts = urlsplit(url)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", parts.netloc + parts.path).strip("-")[-60:]
    return f"{readable}-{hashlib.sha256(f'{endpoint} {url}'.encode()).hexdigest()[:8]}"
