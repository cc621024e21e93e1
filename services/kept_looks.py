"""Looks of the live catalogue's pictures, kept for replicas that start later.

    catalogue/looks/<release>/<n>.parquet     picture (its key), look float32[K]; of the items up to record n

Nothing depends on them: what is not kept is looked at again.
"""

import io
import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.object_store import AlreadyExists, NotFound, ObjectStore
from services.item_table import Floats

KEPT = 2  # who has just listed the older one may still read it


class KeptLooks:
    """Those of one release."""

    def __init__(self, store: ObjectStore, release_id: str) -> None:
        self._store, self._folder = store, f"catalogue/looks/{release_id}"

    def read(self) -> dict[str, Floats]:
        """The newest ones, each [K], by the keys of their pictures. Raises StoreError."""
        while numbers := self._numbers():
            try:
                table = pq.read_table(io.BytesIO(self._store.get(self._key(numbers[-1]))))
            except NotFound:
                continue  # newer ones have come meanwhile
            looks = table["look"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
            return dict(zip(table["picture"].to_pylist(), looks, strict=True))
        return {}

    def write(self, number: int, looks: Mapping[str, Floats]) -> None:
        """Keep some, unless another replica has kept those of that record. Raises StoreError."""
        column = pa.array([look.tolist() for look in looks.values()], pa.list_(pa.float32()))
        sink = io.BytesIO()
        pq.write_table(pa.table({"picture": list(looks), "look": column}), sink)
        try:
            self._store.create(self._key(number), sink.getvalue())
        except AlreadyExists:
            pass
        for old in self._numbers()[:-KEPT]:
            self._store.delete(self._key(old))

    def _numbers(self) -> list[int]:
        names = (info.key.rpartition("/")[2] for info in self._store.list(f"{self._folder}/"))
        return sorted(int(name.removesuffix(".parquet")) for name in names if re.fullmatch(r"\d+\.parquet", name))

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:012}.parquet"
