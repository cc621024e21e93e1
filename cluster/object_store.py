"""Objects by key, in a bucket or in a folder: what the rest of Atelier knows of storage.

Only conditional *create* is counted on, because servers differ in conditional replace: what two writers
may touch at once is built from objects that are created once.
"""

import hashlib
import mimetypes
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from cluster.settings import Settings

MAX_KEY_BYTES = 1024
_UNSOUND = re.compile(r"[\x00-\x1f\x7f\\]")  # in a key
_PICTURE_BEGINNINGS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp"}


class StoreError(Exception):
    """An operation on a store failed; says on which bucket and key, and why."""

    reason: ClassVar[str] = "failed"

    def __init__(self, bucket: str, key: str, cause: str) -> None:
        super().__init__(bucket, key, cause)
        self.bucket, self.key, self.cause = bucket, key, cause

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}: {self.reason}: {self.cause}"


class NotFound(StoreError):
    """There is no such object or bucket."""

    reason = "not found"


class AlreadyExists(StoreError):
    """A conditional create found the key taken."""

    reason = "already exists"


class AccessDenied(StoreError):
    """The credentials are missing, wrong, expired or not allowed to do this."""

    reason = "access denied"


class Unavailable(StoreError):
    """The store did not answer within its timeouts and retries; later it may."""

    reason = "unavailable"


class InvalidKey(StoreError, ValueError):
    """The key could not be used alike in a bucket and in a folder."""

    reason = "invalid key"


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectInfo:
    """One line of a listing."""

    key: str
    size: int  # bytes
    modified: datetime  # UTC
    etag: str  # changes when the content does


class ObjectStore(ABC):
    """Objects under one bucket and prefix, or one folder. Safe to share between threads.

    Keys are relative to `url`, with '/' between their parts. Every method may raise AccessDenied,
    Unavailable or, for an impossible key, InvalidKey, besides what it names itself.
    """

    url: str  # as given: s3://bucket[/prefix] or file:///path
    bucket: str  # as errors name it: s3://bucket or file:///path

    @abstractmethod
    def put(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        """Write an object whole, replacing what is there."""

    @abstractmethod
    def create(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        """Write an object only if the key is free; of many at once exactly one wins.

        Raises AlreadyExists.
        """

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Raises NotFound."""

    @abstractmethod
    def download(self, key: str, path: Path) -> None:
        """Write an object to a file, which appears whole or not at all. Raises NotFound."""

    @abstractmethod
    def upload(self, path: Path, key: str, *, content_type: str | None = None) -> None:
        """Write a file to an object, in parts when it is large."""

    @abstractmethod
    def info(self, key: str) -> ObjectInfo:
        """Raises NotFound."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`, in order of keys (as bytes), page by page."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""

    @abstractmethod
    def signed_url(self, key: str, *, expires_s: int | None = None) -> str:
        """A URL with which anyone may read the object until it expires. Does not look whether it is there."""

    @abstractmethod
    def same(self, info: ObjectInfo, path: Path) -> bool:
        """Whether a listed object surely holds what the file holds; False where that cannot be told."""

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        try:
            self.info(key)
        except NotFound:
            return False
        return True

    def put_picture(self, data: bytes, *, suffix: str) -> str:
        """Keep an encoded picture under its content's hash and return the key. Again is fine.

        `suffix` is "jpg", "png" or "webp", with or without the dot.
        """
        key = picture_key(data, suffix=suffix)
        try:
            self.create(key, data)
        except AlreadyExists:
            pass  # the key is the content's hash: what is there is the same picture
        return key


def picture_key(data: bytes, *, suffix: str) -> str:
    """`images/ab/abcd….jpg`: where a picture with this content is kept."""
    suffix = suffix.removeprefix(".").lower().replace("jpeg", "jpg")
    if suffix not in _PICTURE_BEGINNINGS.values():
        raise ValueError(f"suffix {suffix!r} is none of {sorted(_PICTURE_BEGINNINGS.values())}")
    digest = hashlib.sha256(data).hexdigest()
    return f"images/{digest[:2]}/{digest}.{suffix}"


def picture_suffix(data: bytes) -> str:
    """The ending for an encoded picture (JPEG, PNG or WebP), by its first bytes."""
    return next(suffix for beginning, suffix in _PICTURE_BEGINNINGS.items() if data.startswith(beginning))


def content_type_of(key: str) -> str:
    """The media type that a key's ending stands for."""
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def check_key(bucket: str, key: str) -> str:
    """The key itself, if it can be used alike in any store. Raises InvalidKey."""
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidKey(bucket, key, "an empty, '.' or '..' part")
    if _UNSOUND.search(key):
        raise InvalidKey(bucket, key, "a control character or backslash")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidKey(bucket, key, f"longer than {MAX_KEY_BYTES} bytes")
    return key


def open_store(url: str, settings: "Settings") -> ObjectStore:
    """The store at an URL: s3://bucket[/prefix] at the endpoint of the settings, or file:///path."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        from cluster.s3_store import S3Store

        return S3Store(url, settings)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        from cluster.folder_store import FolderStore

        return FolderStore(Path(unquote(parts.path)))
    raise ValueError(f"{url!r} is neither s3://bucket[/prefix] nor file:///absolute/path")
