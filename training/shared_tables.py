"""Decoded pictures in the bucket, so that of many machines one decodes a data set and the others copy what it made.

    caches/pictures/NAME/pixels.npy, failed.json    a picture table; NAME is a hash of its pictures and their size

They are never rewritten, and may be deleted at any time.
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.object_store import NotFound, ObjectStore
from fashion_nn.datasets.picture_table import FILES

FOLDER = "caches/pictures"


@dataclass(frozen=True, slots=True)
class SharedTables:
    """The tables of one bucket. Both methods raise StoreError."""

    store: ObjectStore

    def fetch(self, name: str, folder: Path) -> bool:
        """Fill an empty folder with the table of that name; False where nobody has left it whole."""
        try:
            for file in reversed(FILES):  # the last one written says that all are there
                self.store.download(f"{FOLDER}/{name}/{file}", folder / file)
        except NotFound:
            return False
        return True

    def keep(self, name: str, folder: Path) -> None:
        """Leave the table in a folder under that name."""
        for file in FILES:
            self.store.upload(folder / file, f"{FOLDER}/{name}/{file}")
