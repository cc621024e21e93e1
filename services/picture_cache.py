"""Pictures of the bucket, kept in memory while they are asked for. Keys are made of content, so that none is stale."""

import threading
from collections import OrderedDict

from cluster.object_store import ObjectStore
from services import metrics
from services.meters import Meters


class PictureCache:
    """The last ones read, up to so many bytes of them. Safe to share between threads; reads block."""

    def __init__(self, store: ObjectStore, max_bytes: int, meters: Meters) -> None:
        self._store, self._max_bytes, self._meters = store, max_bytes, meters
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # the one asked for last at the end
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes:
        """The picture of a key. Raises StoreError."""
        with self._lock:
            data = self._kept.get(key)
            if data is not None:
                self._kept.move_to_end(key)
        self._meters.count(metrics.PICTURES, "store" if data is None else "cache")
        if data is None:
            data = self._store.get(key)
            self._keep(key, data)
        return data

    def _keep(self, key: str, data: bytes) -> None:
        with self._lock:
            if key in self._kept or len(data) > self._max_bytes:
                return
            self._kept[key] = data
            self._bytes += len(data)
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest)
