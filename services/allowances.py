"""How often a key may call, over all gateways: buckets that fill with time, and the gateways' leases from them.

A gateway takes a handful of requests' worth at a time, so that most requests wait for nobody, and none more than the
bucket holds: whichever gateways a key's requests come to, they are never more than its rate and its burst allow.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cluster.keys import Key
from services.errors import RateLimited

LEASE_S = 0.1  # how much of a second's allowance a gateway takes at once
MOST_LEASED = 64
PATIENCE_S = 1.0  # with whoever keeps the buckets


@dataclass(slots=True)
class Bucket:
    """Fills by `rate` a second up to `burst`."""

    rate: float
    burst: int
    content: float
    at: float  # when it held that, in seconds

    def take(self, wanted: int, now: float) -> "Grant":
        """At most as many as asked for, and at least one or nothing."""
        self.content = min(self.burst, self.content + (now - self.at) * self.rate)
        self.at = now
        taken = min(wanted, math.floor(self.content + 1e-9))
        self.content -= taken
        return Grant(taken, 0.0 if taken else (1 - self.content) / self.rate)


@dataclass(frozen=True, slots=True)
class Grant:
    """So many requests, or none and in how many seconds there is one."""

    requests: int
    wait_s: float


class Buckets:
    """One for each key that has been used."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: Key, wanted: int) -> Grant:
        """See `Bucket.take`. The first time the bucket is full."""
        now = self._clock()
        if key.id not in self._buckets:
            self._buckets[key.id] = Bucket(key.rate, key.burst, key.burst, now)
        return self._buckets[key.id].take(wanted, now)


class Leases:
    """One gateway's, from buckets that are kept elsewhere. While those cannot be reached it goes by its own."""

    def __init__(
        self,
        take: Callable[[Key, int], Awaitable[Grant]],
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take, self._logger, self._clock = take, logger, clock
        self._own = Buckets(clock)
        self._left: dict[str, int] = {}
        self._shut_until: dict[str, float] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def one(self, key: Key) -> None:
        """Use up one request of a key. Raises RateLimited."""
        if not key.rate:
            return
        if not self._left.get(key.id):
            async with self._asking.setdefault(key.id, asyncio.Lock()):
                if not self._left.get(key.id):
                    await self._lease(key)
        self._left[key.id] -= 1

    async def _lease(self, key: Key) -> None:
        wait_s = self._shut_until.get(key.id, 0.0) - self._clock()
        if wait_s <= 0:
            grant = await self._granted(key, max(1, min(MOST_LEASED, int(key.rate * LEASE_S))))
            self._left[key.id], wait_s = grant.requests, grant.wait_s
            self._shut_until[key.id] = self._clock() + wait_s
        if not self._left.get(key.id):
            limit = f"{key.rate:g} requests a second"
            raise RateLimited(f"the key has used up its {limit}", retry_after_s=max(1, math.ceil(wait_s)), limit=limit)

    async def _granted(self, key: Key, wanted: int) -> Grant:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._take(key, wanted)
        except Exception as error:
            self._logger.warning("the limits of keys are counted by this gateway alone: %r", error)
            return self._own.take(key, wanted)
