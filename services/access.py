"""Who may call, alike over both faces: keys, what they open, and how often.

Keys are read from the bucket and followed there, so that one that is issued opens within a second, and one that is
revoked opens nothing within a few, without a restart.
"""

import asyncio
import ipaddress
import logging
import time
from dataclasses import dataclass
from typing import Protocol

from cluster.keys import Key, KeyStore, taken_apart
from cluster.object_store import StoreError
from services import metrics
from services.allowances import Leases
from services.envelope import Envelope
from services.errors import Forbidden, Unauthenticated, Unavailable
from services.messages import FittingRequest, Message
from services.meters import Meters

NEEDS = {
    "score": "read",
    "recommend": "read",
    "item": "read",
    "release": "read",
    "design": "design",
    "alter": "design",
    "variations": "design",
    "try_on": "try-on",
    "fitting": "try-on",  # and what its source needs
    "put_item": "catalogue",
    "delete_item": "catalogue",
}  # scope by the core's method
SOURCE_NEEDS = {"recommend": "read", "design": "design"}
FOLLOW_S = 5.0  # how often the bucket is asked for keys issued and revoked
AGAIN_S = 1.0  # at the soonest, where somebody comes with a key that is not known
PATIENCE_S = 2.0  # with a reading, of whoever waits for it: they hold permits meanwhile


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """Somebody who may call; None for a key where none is asked for."""

    key: Key | None

    def check(self, message: Message) -> None:
        """Whether they may have all that a message asks for. Raises Forbidden."""
        if isinstance(message, FittingRequest):
            self.require(SOURCE_NEEDS[message.source])

    def require(self, scope: str) -> None:
        """Raises Forbidden."""
        if self.key is not None and scope not in self.key.scopes:
            held = ", ".join(self.key.scopes)
            raise Forbidden(f"this needs a key for {scope}, and this one is for {held}", needed=scope, held=held)


class Guard(Protocol):
    """Lets callers in or not."""

    async def admit(self, envelope: Envelope, operation: str, *, host: str | None) -> Admission:
        """Who wants this of the core's methods, from that address. Raises Unauthenticated, Forbidden, RateLimited."""
        ...


class ForThisMachine:
    """Nobody shows a key, and nobody else reaches it: programs of this machine alone are let in."""

    async def admit(self, envelope: Envelope, operation: str, *, host: str | None) -> Admission:
        """See `Guard`."""
        if not on_loopback(host):
            raise Forbidden("no keys are asked for here, and therefore only programs of this machine are served")
        return Admission(key=None)


class ForKeys:
    """Who has a key is let in, for what it opens and as often as it allows."""

    def __init__(self, keys: "KeyRing", leases: Leases) -> None:
        self._keys, self._leases = keys, leases

    async def admit(self, envelope: Envelope, operation: str, *, host: str | None) -> Admission:
        """See `Guard`."""
        if envelope.key is None:
            raise Unauthenticated("no key came along: send the header 'authorization: Bearer KEY'")
        admission = Admission(key=await self._keys.find(envelope.key))
        admission.require(NEEDS[operation])
        await self._leases.one(admission.key)
        return admission


class KeyRing:
    """The keys of the bucket, as of a few seconds ago. Where it cannot be reached, as they were last."""

    def __init__(self, store: KeyStore, logger: logging.Logger, meters: Meters) -> None:
        self._store, self._logger, self._meters = store, logger, meters
        self._keys: dict[str, Key] = {}
        self._revoked: set[str] = set()
        self._asked = -float("inf")
        self._failure: str | None = None  # of the last reading
        self._reading: asyncio.Task[None] | None = None  # one for all who wait for it
        self._waited_until = 0.0  # on the loop's clock
        self._following: asyncio.Task[None] | None = None

    async def find(self, text: str) -> Key:
        """The key that a text is. Raises Unauthenticated, Unavailable."""
        parts = taken_apart(text)
        if parts is None:
            raise Unauthenticated("what was sent is not a key")
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        key_id, secret = parts
        if key_id not in self._keys:
            await self._read_on()
        key = self._keys.get(key_id)
        if key is None or not key.opens(secret):
            raise Unauthenticated("the key is not known")
        if key_id in self._revoked:
            raise Unauthenticated("the key was revoked")
        return key

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                await self._read_on()
            except Unavailable:
                continue  # said already, or will be
            except Exception:
                self._logger.exception("the keys could not be read")

    async def _read_on(self) -> None:
        """Have what came since read, unless that was just done. Raises Unavailable where it could not be."""
        if self._reading is None and time.monotonic() >= self._asked + AGAIN_S:
            self._reading = asyncio.create_task(self._read())
            self._waited_until = asyncio.get_running_loop().time() + PATIENCE_S
        if self._reading is not None:
            try:
                async with asyncio.timeout_at(self._waited_until):
                    await asyncio.shield(self._reading)
            except TimeoutError as error:
                raise Unavailable("the keys are still being read", retry_after_s=1) from error
        if self._failure is not None:
            raise Unavailable(f"the keys cannot be read: {self._failure}", retry_after_s=1)

    async def _read(self) -> None:
        try:
            await asyncio.to_thread(self._read_all)
        except StoreError as error:
            self._meters.count(metrics.STORE_ERRORS, error.reason)
            self._logger.warning("cannot read the keys: %s", error)
            self._failure = error.reason
        else:
            self._failure = None
        finally:
            self._asked, self._reading = time.monotonic(), None

    def _read_all(self) -> None:
        issued, revoked = self._store.ids()
        self._keys = {key_id: self._keys.get(key_id) or self._store.key(key_id) for key_id in issued}
        self._revoked = revoked


def on_loopback(host: str | None) -> bool:
    """Whether an address is of this machine, and of nothing else."""
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
