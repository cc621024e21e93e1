"""Releases: everything that a serving cluster needs, immutable, and the record of which one serves.

    releases/<id>/manifest.json           files with size and SHA-256, configs, metrics, data, runs, code
    releases/<id>/<name>                  the files
    releases/history/<n>.json             one small record for each promotion, trial or rollback; the last one holds

Every object is created once and never rewritten. The files come first, the manifest next and the record
last, so that what is half written is never current. An id ends with the first digits of its manifest's
hash, so that an id vouches for every byte of its release.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from cluster.object_store import AlreadyExists, NotFound, ObjectStore, StoreError, check_key
from cluster.people import user_name

_ROOT = "releases"
_HISTORY = f"{_ROOT}/history"
_MANIFEST = "manifest.json"
_ID_DIGITS = 12
_CHUNK = 2**20
KEPT = 4  # releases in a cache, at least
PRUNED_S = 3600.0  # ... and all that were fetched since
_OF_A_TRIAL = ("candidate", "share")


class HashMismatch(StoreError):
    """What was read is not what was released."""

    reason: ClassVar[str] = "hash mismatch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """One record of the history: from `when` on, `release` serves, and a share of shoppers see a candidate instead."""

    number: int  # from 1, without gaps
    release: str
    when: str  # UTC, ISO 8601
    by: str
    why: str
    token: str  # tells apart two who promote the same at the same moment
    candidate: str | None = None  # on trial beside it
    share: float = 0.0  # of the shoppers, who see the candidate


class ReleaseStore:
    """The releases of one bucket. All methods may raise StoreError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def publish(
        self,
        files: Mapping[str, Path],
        *,
        configs: Mapping[str, Any],
        metrics: Mapping[str, Any],
        data: Any,
        runs: Any,
        by: str | None = None,
        why: str = "",
        categories: Sequence[str] = (),
        fits: Mapping[str, str | None] | None = None,
        code: str | None = None,
        promote: bool = True,
    ) -> str:
        """Upload a release, record it as the one that serves unless told not to, and return its id.

        `files` maps names within the release to local files. `configs`, `metrics`, `data`, `runs`, `categories`
        (index = class of the generator) and `fits` (those of them that are put on a person, each with its group if it
        has one; None for all) are kept as given, as JSON. `code` is the version of the code, the git commit by default.
        """
        contents = {_checked_name(name): _describe(path) for name, path in files.items()}
        made = datetime.now(UTC)
        manifest = {
            "made": made.isoformat(timespec="seconds"),
            "by": by or user_name(),
            "code": code or code_version(),
            "categories": list(categories),
            "fits": fits,
            "configs": configs,
            "metrics": metrics,
            "data": data,
            "runs": runs,
            "files": contents,
        }
        body = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
        release = f"{made:%Y%m%d-%H%M%S}-{hashlib.sha256(body).hexdigest()[:_ID_DIGITS]}"
        for name, path in files.items():
            self._store.upload(path, f"{_ROOT}/{release}/{name}")
        try:
            self._store.create(f"{_ROOT}/{release}/{_MANIFEST}", body)
        except AlreadyExists:
            pass  # the same id is the same content
        if promote:
            self.promote(release, by=by, why=why)
        return release

    def promote(self, release: str, *, by: str | None = None, why: str = "") -> Promotion:
        """Make a release the current one by one more record. Raises NotFound, HashMismatch.

        Of two at once both are recorded, one after the other.
        """
        self.manifest(release)
        return self._append(lambda last: {"release": release}, by, why)

    def try_out(self, candidate: str, share: float, *, by: str | None = None, why: str = "") -> Promotion:
        """Put a release on trial beside the one that serves, by one more record. The next record ends the trial.

        Raises NotFound, HashMismatch, ValueError.
        """
        if not 0 < share < 1:
            raise ValueError(f"share is {share:g}, but must be above 0 and below 1")
        self.manifest(candidate)

        def beside(last: Promotion | None) -> dict[str, Any]:
            serves = self._chosen(None if last is None else last.release)
            if candidate == serves:
                raise ValueError(f"{candidate} serves already, and cannot be on trial beside itself")
            return {"release": serves, "candidate": candidate, "share": share}

        return self._append(beside, by, why)

    def roll_back(self, *, by: str | None = None, why: str = "") -> Promotion:
        """End the trial that is on, or else have the release serve again that served before; by one more record.

        Raises NotFound where no release served before.
        """

        def back(last: Promotion | None) -> dict[str, Any]:
            if last is not None and last.candidate is not None:
                return {"release": last.release}
            served = succession(self.history())
            if len(served) < 2:
                raise NotFound(self._store.bucket, _HISTORY, "no release served before the one that serves")
            return {"release": served[-2]}

        return self._append(back, by, why)

    def last(self) -> Promotion | None:
        """The record that holds; None before the first."""
        number = self._last_number()
        return self._record(number) if number else None

    def current(self) -> str | None:
        """The id of the release that serves; None before the first."""
        last = self.last()
        return None if last is None else last.release

    def history(self) -> list[Promotion]:
        """All promotions, the first one first."""
        return [self._record(number) for number in self._numbers()]

    def releases(self) -> list[str]:
        """The ids of all complete releases, promoted or not, the oldest first."""
        parts = (info.key.split("/") for info in self._store.list(f"{_ROOT}/"))
        return sorted(part[1] for part in parts if len(part) == 3 and part[2] == _MANIFEST)

    def manifest(self, release: str | None = None) -> dict[str, Any]:
        """What a release consists of, with its id under "id". Raises NotFound, HashMismatch."""
        release = self._chosen(release)
        key = f"{_ROOT}/{release}/{_MANIFEST}"
        body = self._store.get(key)
        digest = hashlib.sha256(body).hexdigest()[:_ID_DIGITS]
        if not release.endswith(f"-{digest}"):
            raise HashMismatch(self._store.bucket, key, f"its SHA-256 begins with {digest}")
        return {"id": release, **json.loads(body)}

    def fetch(self, release: str | None, cache: Path) -> Path:
        """A local folder with the files of a release and its manifest, every hash checked.

        None stands for the current one. Files are kept below `cache` by content, so that what two releases
        share is fetched once; any number of processes may fetch at once. The files are read-only. Of other releases
        the last few are left, and what was fetched within the hour. Raises NotFound, HashMismatch.
        """
        manifest = self.manifest(release)
        for name, known in manifest["files"].items():
            key, sha256 = f"{_ROOT}/{manifest['id']}/{_checked_name(name)}", known["sha256"]
            self._fetch_blob(key, sha256, _blob(cache, sha256))
        folder = _assembled(manifest, cache)
        os.utime(folder)
        _prune(cache)
        return folder

    def _append(self, decide: Callable[[Promotion | None], dict[str, Any]], by: str | None, why: str) -> Promotion:
        """One more record, of what is decided in view of the last one: anew where another one came between."""
        told = {"token": uuid.uuid4().hex, "by": by or user_name(), "why": why}
        while True:
            last = self.last()
            number = 1 if last is None else last.number + 1
            record = Promotion(number=number, when=_now(), **told, **decide(last))
            try:
                self._store.create(_record_key(number), json.dumps(_as_kept(record), indent=1).encode())
            except AlreadyExists:
                continue
            return record

    def _fetch_blob(self, key: str, sha256: str, blob: Path) -> None:
        if blob.exists() and _sha256(blob) == sha256:
            return
        blob.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=blob.parent, prefix=".fetching-") as folder:
            fresh = Path(folder) / "blob"
            self._store.download(key, fresh)
            found = _sha256(fresh)
            if found != sha256:
                raise HashMismatch(self._store.bucket, key, f"SHA-256 is {found}, released as {sha256}")
            fresh.chmod(0o444)
            os.replace(fresh, blob)

    def _chosen(self, release: str | None) -> str:
        chosen = self.current() if release is None else release
        if chosen is None:
            raise NotFound(self._store.bucket, _HISTORY, "nothing has been released yet")
        return chosen

    def _numbers(self) -> list[int]:
        names = (info.key.rpartition("/")[2] for info in self._store.list(f"{_HISTORY}/"))
        return sorted(int(name.removesuffix(".json")) for name in names if re.fullmatch(r"\d+\.json", name))

    def _last_number(self) -> int:
        return max(self._numbers(), default=0)

    def _record(self, number: int) -> Promotion:
        told = json.loads(self._store.get(_record_key(number)))
        return Promotion(**{field.name: told[field.name] for field in fields(Promotion) if field.name in told})


def succession(history: Sequence[Promotion]) -> list[str]:
    """The releases that rollbacks may go back through, the one that serves last, without what was rolled back."""
    served: list[str] = []
    for record in history:
        if record.release == (served[-2] if len(served) > 1 else None):
            served.pop()
        elif served[-1:] != [record.release]:
            served.append(record.release)
    return served


def code_version() -> str:
    """The git commit of this code, marked when the tree differs from it; "unknown" outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _checked_name(name: str) -> str:
    if "/" in check_key(_ROOT, name) or name.startswith(".") or name == _MANIFEST:
        raise ValueError(f"{name!r} cannot be a file of a release: no '/', no leading '.', not {_MANIFEST}")
    return name


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": _sha256(path)}


def _assembled(manifest: Mapping[str, Any], cache: Path) -> Path:
    """The folder of a release, made of links to blobs; it appears whole or not at all."""
    folder = cache / _ROOT / manifest["id"]
    wanted = {name: known["sha256"] for name, known in manifest["files"].items()}
    if all((folder / name).is_file() and _sha256(folder / name) == sha256 for name, sha256 in wanted.items()):
        if (folder / _MANIFEST).is_file():
            return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        for name, sha256 in wanted.items():
            os.link(_blob(cache, sha256), making / name)
        (making / _MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
        _put_in_place(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _put_in_place(making: Path, folder: Path) -> None:
    """Rename a complete folder to its name; one that another process finished meanwhile is as good."""
    making.chmod(0o755)
    try:
        os.rename(making, folder)
    except OSError:
        if not folder.is_dir():
            raise
        for path in making.iterdir():  # there is one already: mend it file by file, each in one step
            os.replace(path, folder / path.name)


def _prune(cache: Path) -> None:
    """Remove releases beyond the last few, and contents that are of none. What was in use lately may be still."""
    old = time.time() - PRUNED_S
    with suppress(OSError):  # another process may be at it, too
        releases = [folder for folder in (cache / _ROOT).iterdir() if not folder.name.startswith(".")]
        for folder in sorted(releases, key=lambda folder: folder.stat().st_mtime)[:-KEPT]:
            if folder.stat().st_mtime < old:
                shutil.rmtree(folder, ignore_errors=True)
        for blob in (cache / "blobs").glob("*/*"):
            told = blob.stat()
            if blob.is_file() and told.st_nlink == 1 and told.st_ctime < old:
                blob.unlink()


def _blob(cache: Path, sha256: str) -> Path:
    return cache / "blobs" / sha256[:2] / sha256


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _as_kept(record: Promotion) -> dict[str, Any]:
    """Without the fields of a trial where there is none, as records were before there were trials."""
    return {name: value for name, value in asdict(record).items() if record.candidate or name not in _OF_A_TRIAL}


def _record_key(number: int) -> str:
    return f"{_HISTORY}/{number:06}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
