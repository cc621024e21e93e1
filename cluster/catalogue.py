"""The live catalogue: what became of items since, whatever release serves, as a log that only grows.

    catalogue/log/<n>.json              one small record for each change, from 1, without gaps
    catalogue/snapshots/<n>.parquet     the last change of every item up to record n

A record is created under the next number, conditionally: of two who write at once one comes first, and the other
reads on before it tries the number after that. So every change is judged by all that came before it, and who has read
up to n has read all of the first n. Records are never removed: a number that became free would be given again.
Pictures lie under images/ before a record names them.

A snapshot follows from the records alone, so it does not matter who writes it. It saves those who start later the
reading of what it holds.
"""

import io
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.object_store import AlreadyExists, NotFound, ObjectStore

_LOG = "catalogue/log"
_SNAPSHOTS = "catalogue/snapshots"
_PAGE = 16  # records read side by side, at most
_REMEMBERED = 4096  # of the latest records, by their tokens
_KEPT = 3  # snapshots: who has just listed an older one may still read it
SNAPSHOT_AFTER = 500  # records since the last one, at least
SNAPSHOT_SHARE = (
    4  # ... and a quarter as many as there are items, so that a record costs the same however many there are
)

Outcome = Literal["created", "replaced", "unchanged", "deleted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One record: from here on the item is this, or nothing."""

    number: int  # from 1, without gaps
    item_id: str
    category: str | None  # None: the item was deleted
    picture: str | None  # key in the bucket; None with the category
    outcome: Outcome  # as it was told to who asked for it
    token: str  # of the request, so that one sent twice is one change
    when: str  # UTC, ISO 8601

    @property
    def deletes(self) -> bool:
        """Whether there is no such item any more."""
        return self.category is None


class Ledger:
    """The log as far as it has been read: the last change of every item. For one thread at a time.

    All methods may raise StoreError, and then leave what was read as it was.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._recent: OrderedDict[str, Change] = OrderedDict()
        self._snapshot = 0  # number of the newest one known of
        self.last = 0  # number of the last record read
        self.changes: dict[str, Change] = {}  # by item id

    @classmethod
    def open(cls, store: ObjectStore) -> "Ledger":
        """Everything up to now: the newest snapshot, and the records since."""
        ledger = cls(store)
        ledger._read_snapshot()
        ledger.read_on()
        return ledger

    def read_on(self) -> list[Change]:
        """The records that came since, in their order. Where there are none this is one small request."""
        found = list(self._following())
        for change in found:
            self._take(change)
        return found

    def append(
        self, item_id: str, *, category: str | None, picture: str | None, outcome: Outcome, token: str
    ) -> Change:
        """Create the next record. Raises AlreadyExists where another came first: then read on, and judge anew."""
        change = Change(
            number=self.last + 1,
            item_id=item_id,
            category=category,
            picture=picture,
            outcome=outcome,
            token=token,
            when=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._store.create(_record_key(change.number), json.dumps(asdict(change), indent=1).encode())
        self._take(change)
        return change

    def made_by(self, token: str) -> Change | None:
        """The change that a request made before, if it is among the latest."""
        return self._recent.get(token)

    @property
    def snapshot_due(self) -> bool:
        """Whether so much has been recorded since the last snapshot that another is worth its while."""
        return self.last - self._snapshot > max(SNAPSHOT_AFTER, len(self.changes) // SNAPSHOT_SHARE)

    def write_snapshot(self) -> None:
        """Keep what has been read for those who start later, unless somebody else just did."""
        self._snapshot = self.last  # first: where it cannot be written, it is not due again at once
        try:
            self._store.create(_snapshot_key(self.last), _packed(self._in_order()))
        except AlreadyExists:
            pass  # the same records make the same snapshot
        for number in self._snapshots()[:-_KEPT]:
            self._store.delete(_snapshot_key(number))

    def _following(self) -> Iterator[Change]:
        """Record after record, in pages that grow: there are mostly none or one, and sometimes very many."""
        number, page = self.last + 1, 1
        with ThreadPoolExecutor(_PAGE, thread_name_prefix="catalogue") as pool:
            while True:
                for change in pool.map(self._record, range(number, number + page)):
                    if change is None:
                        return
                    yield change
                number, page = number + page, min(_PAGE, 2 * page)

    def _record(self, number: int) -> Change | None:
        try:
            found = json.loads(self._store.get(_record_key(number)))
        except NotFound:
            return None
        return Change(**{field.name: found[field.name] for field in fields(Change)})

    def _take(self, change: Change) -> None:
        self.last = change.number
        self.changes[change.item_id] = change
        self._recent[change.token] = change
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def _in_order(self) -> list[Change]:
        return sorted(self.changes.values(), key=lambda change: change.number)

    def _read_snapshot(self) -> None:
        while numbers := self._snapshots():
            try:
                data = self._store.get(_snapshot_key(numbers[-1]))
            except NotFound:
                continue  # newer ones have come meanwhile
            self.last = self._snapshot = numbers[-1]
            self.changes = {change.item_id: change for change in _unpacked(data)}
            self._recent = OrderedDict((change.token, change) for change in self._in_order()[-_REMEMBERED:])
            return

    def _snapshots(self) -> list[int]:
        names = (info.key.rpartition("/")[2] for info in self._store.list(f"{_SNAPSHOTS}/"))
        return sorted(int(name.removesuffix(".parquet")) for name in names if re.fullmatch(r"\d+\.parquet", name))


_COLUMNS = pa.schema([(field.name, pa.int64() if field.name == "number" else pa.string()) for field in fields(Change)])


def _packed(changes: Iterable[Change]) -> bytes:
    table = pa.Table.from_pylist([asdict(change) for change in changes], _COLUMNS)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _unpacked(data: bytes) -> Iterator[Change]:
    return (Change(**row) for row in pq.read_table(io.BytesIO(data), schema=_COLUMNS).to_pylist())


def _record_key(number: int) -> str:
    return f"{_LOG}/{number:012}.json"


def _snapshot_key(number: int) -> str:
    return f"{_SNAPSHOTS}/{number:012}.parquet"
