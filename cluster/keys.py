"""API keys: who may call, for what, and how often. Only hashes of their secrets are kept.

    keys/issued/<id>.json       one record for each key: its name, scopes, allowance, and the secret's SHA-256
    keys/revoked/<id>.json      one more, from which on it opens nothing

Each is created once. To rotate a key is to issue another, hand it over, and revoke the first.
A key reads `atelier_<id>_<secret>`. Its secret has 256 random bits, so that a plain hash of it cannot be guessed back.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from cluster.object_store import AlreadyExists, NotFound, ObjectStore
from cluster.people import user_name

_ISSUED = "keys/issued"
_REVOKED = "keys/revoked"
_KEY = re.compile(r"atelier_([0-9a-f]{16})_([0-9A-Za-z_-]{43})")
SCOPES = ("read", "design", "try-on", "catalogue")


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key without its secret."""

    id: str
    name: str  # whose it is
    scopes: tuple[str, ...]
    rate: float  # requests a second, on average; 0: as many as there are
    burst: int  # requests at once, at most, where there is a rate
    sha256: str
    when: str  # UTC, ISO 8601
    by: str

    def opens(self, secret: str) -> bool:
        """Whether it is this key's secret."""
        return hmac.compare_digest(self.sha256, _sha256(secret))


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocation:
    """From `when` on the key opens nothing."""

    id: str
    when: str
    by: str
    why: str


class KeyStore:
    """The keys of one bucket. All methods may raise StoreError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def issue(
        self, name: str, scopes: Collection[str], *, rate: float = 0, burst: int | None = None, by: str | None = None
    ) -> tuple[Key, str]:
        """A new key, and the text of it, which is told once and kept nowhere. Raises ValueError."""
        _check(name, scopes, rate, burst)
        secret = secrets.token_urlsafe(32)
        key = Key(
            id=secrets.token_hex(8),
            name=name,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            rate=rate,
            burst=burst or max(1, round(2 * rate)),
            sha256=_sha256(secret),
            when=_now(),
            by=by or user_name(),
        )
        self._store.create(f"{_ISSUED}/{key.id}.json", json.dumps(asdict(key), indent=1).encode())
        return key, f"atelier_{key.id}_{secret}"

    def revoke(self, key_id: str, *, why: str = "", by: str | None = None) -> Revocation:
        """Have a key open nothing any more. Again is fine, and changes nothing. Raises NotFound."""
        self.key(key_id)
        record = Revocation(id=key_id, when=_now(), by=by or user_name(), why=why)
        try:
            self._store.create(f"{_REVOKED}/{key_id}.json", json.dumps(asdict(record), indent=1).encode())
        except AlreadyExists:
            return self.revocation(key_id)
        return record

    def key(self, key_id: str) -> Key:
        """Raises NotFound."""
        if not re.fullmatch("[0-9a-f]{16}", key_id):
            raise NotFound(self._store.bucket, f"{_ISSUED}/…", f"{key_id[:80]!r} is not the id of a key")
        found = json.loads(self._store.get(f"{_ISSUED}/{key_id}.json"))
        known = {field.name: found[field.name] for field in fields(Key)}
        return Key(**{**known, "scopes": tuple(known["scopes"])})

    def revocation(self, key_id: str) -> Revocation:
        """Raises NotFound."""
        return Revocation(**json.loads(self._store.get(f"{_REVOKED}/{key_id}.json")))

    def ids(self) -> tuple[set[str], set[str]]:
        """The keys that were issued, and those of them that were revoked."""
        keys = [info.key for info in self._store.list("keys/")]
        found = {prefix: {_id(key) for key in keys if key.startswith(f"{prefix}/")} for prefix in (_ISSUED, _REVOKED)}
        return found[_ISSUED], found[_REVOKED]


def taken_apart(text: str) -> tuple[str, str] | None:
    """Id and secret of a key's text; None where it is no key at all."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def _check(name: str, scopes: Collection[str], rate: float, burst: int | None) -> None:
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise ValueError(f"name is {name[:80]!r}, but must be 1 to 200 printable characters")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise ValueError(f"scopes are {', '.join(unknown) or 'none'}, but must be some of {', '.join(SCOPES)}")
    if not 0 <= rate <= 1e6:
        raise ValueError(f"rate is {rate:g}, but must be 0 (no limit) to 1000000 requests a second")
    if burst is not None and not 1 <= burst <= 10**6:
        raise ValueError(f"burst is {burst}, but must be 1 to 1000000 requests")


def _id(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
