"""A store in a local folder: the same promises as a bucket, for one machine."""

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cluster.object_store import (
    AccessDenied,
    AlreadyExists,
    InvalidKey,
    NotFound,
    ObjectInfo,
    ObjectStore,
    StoreError,
    check_key,
)

_TEMPORARY = ".partial"  # a folder beside the objects, so that a rename into place is atomic


class FolderStore(ObjectStore):
    """Objects as files below `root`. A key cannot also be the folder of other keys.

    `signed_url` gives a file:// URL, which neither expires nor leaves this machine.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.url = self.bucket = self.root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        with self._errors(key), self._written(key) as temporary:
            temporary.write_bytes(data)
            os.replace(temporary, self._path(key))

    def create(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        with self._errors(key), self._written(key) as temporary:
            temporary.write_bytes(data)
            os.link(temporary, self._path(key))  # unlike a rename, fails where the name is taken

    def get(self, key: str) -> bytes:
        with self._errors(key):
            return self._path(key).read_bytes()

    def download(self, key: str, path: Path) -> None:
        source = self._path(key)
        with self._errors(key):
            if not source.is_file():
                raise FileNotFoundError(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside(path) as temporary:
                shutil.copyfile(source, temporary)
                os.replace(temporary, path)

    def upload(self, path: Path, key: str, *, content_type: str | None = None) -> None:
        with self._errors(key), self._written(key) as temporary:
            shutil.copyfile(path, temporary)
            os.replace(temporary, self._path(key))

    def info(self, key: str) -> ObjectInfo:
        path = self._path(key)
        with self._errors(key):
            if not path.is_file():
                raise FileNotFoundError(path)
            return _info(key, path)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder = self.root / prefix.rpartition("/")[0]
        if ".." in Path(prefix).parts:
            return
        keys = [path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file()]
        for key in sorted(keys, key=str.encode):
            if key.startswith(prefix) and not key.startswith(_TEMPORARY + "/"):
                try:
                    yield _info(key, self.root / key)
                except FileNotFoundError:
                    continue  # deleted since the folder was read

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._path(key).unlink(missing_ok=True)

    def signed_url(self, key: str, *, expires_s: int | None = None) -> str:
        return self._path(key).as_uri()

    def same(self, info: ObjectInfo, path: Path) -> bool:
        return path.stat().st_size == info.size and filecmp.cmp(self._path(info.key), path, shallow=False)

    def _path(self, key: str) -> Path:
        return self.root / check_key(self.bucket, key)

    @contextmanager
    def _written(self, key: str) -> Iterator[Path]:
        """A new file to write an object to before it gets its name."""
        try:
            self._path(key).parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InvalidKey(self.bucket, key, "lies below another object's key") from error
        (self.root / _TEMPORARY).mkdir(exist_ok=True)
        with beside(self.root / _TEMPORARY / "object") as temporary:
            yield temporary

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise AlreadyExists(self.bucket, key, "created before") from error
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(self.bucket, key, str(error)) from error
        except PermissionError as error:
            raise AccessDenied(self.bucket, key, str(error)) from error
        except OSError as error:
            raise StoreError(self.bucket, key, str(error)) from error


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A new empty file in the folder of `path`, gone at the end unless it was renamed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _info(key: str, path: Path) -> ObjectInfo:
    found = path.stat()
    return ObjectInfo(
        key=key,
        size=found.st_size,
        modified=datetime.fromtimestamp(found.st_mtime, UTC),
        etag=f"{found.st_mtime_ns:x}-{found.st_size:x}",
    )
