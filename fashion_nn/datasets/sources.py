"""Where a picture's bytes come from: a file inside a data set's folder, or bytes at hand."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PictureSource:
    """A picture that has not been read yet: `name` for messages, `origin` a file or the encoded bytes."""

    name: str
    origin: Path | bytes

    def read(self) -> bytes:
        """The encoded picture (JPEG, PNG, …). Raises OSError where the file has gone or is unreadable."""
        return self.origin if isinstance(self.origin, bytes) else self.origin.read_bytes()

    def fingerprint(self) -> bytes:
        """Changes when the picture does: a file's path, size and time of change, or the bytes' hash."""
        if isinstance(self.origin, bytes):
            return hashlib.sha256(self.origin).digest()
        try:
            status = self.origin.stat()
        except OSError:
            return f"{self.origin}\0absent".encode(errors="surrogateescape")
        stamp = f"{self.origin}\0{status.st_size}\0{status.st_mtime_ns}"
        return stamp.encode(errors="surrogateescape")


class NoPicture(ValueError):
    """The name does not lead to a picture file inside of the folder; the message says why."""


def find_picture(folder: Path, name: str) -> PictureSource:
    """The file called `name` (a relative path) in `folder`, which must exist and lie inside of it.

    Links are followed before that is checked. The file is not opened. Raises NoPicture.
    """
    if not name or "\0" in name:
        raise NoPicture("no file name" if not name else "a zero byte in the file name")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, name))
    if os.path.isabs(name) or not path.startswith(root + os.sep):
        raise NoPicture(f"{name!r} points outside of {folder}")
    if not os.path.isfile(path):
        raise NoPicture(f"no file {name!r} in {folder}")
    return PictureSource(name, Path(path))
