"""Callers in one event loop: so many that each wait for their answer, or so many a second whatever becomes of them.

The client is as small as it can be, for it shares the processors with what it measures.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import grpc

Ask = Callable[[], Awaitable[int]]  # one request: its status


@dataclass(slots=True)
class Seen:
    """Answers: when they were asked for, seconds taken, status."""

    seconds: float = 0.0
    answers: list[tuple[float, int]] = field(default_factory=list)

    def rate(self, within_s: float = float("inf")) -> float:
        """Good answers a second, of those within some time."""
        return sum(status == 200 and took <= within_s for took, status in self.answers) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds within which such a share of good answers came."""
        took = sorted(took for took, status in self.answers if status == 200)
        if len(took) < 2:
            return 1000 * sum(took)
        return 1000 * statistics.quantiles(took, n=1000, method="inclusive")[round(share * 1000) - 1]

    def statuses(self) -> dict[int, int]:
        """How many answers there were of each."""
        found: dict[int, int] = {}
        for _, status in self.answers:
            found[status] = found.get(status, 0) + 1
        return found


class Http:
    """POSTs the same body over connections that are kept."""

    def __init__(self, url: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        place = urlsplit(url)
        self._place = (place.hostname or "127.0.0.1", place.port or 80)
        told = {"Host": "bench", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
        self._request = "\r\n".join(lines).encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.last = b""

    async def __call__(self) -> int:
        """One request. A connection that broke is 0."""
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._place)
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            self.last = await self._body(reader, head)
        except (OSError, asyncio.IncompleteReadError):
            return 0
        self._idle.append((reader, writer))
        return int(head.split(" ", 2)[1])

    async def _body(self, reader: asyncio.StreamReader, head: str) -> bytes:
        if "content-length: " in head:
            return await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        whole = b""
        while size := int(await reader.readline(), 16):
            whole += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return whole


class Grpc:
    """One call over gRPC, on one channel."""

    def __init__(self, target: str, method: str, body: bytes, metadata: dict[str, str]) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._call: Any = self._channel.unary_unary(f"/atelier.v1.Atelier/{method}")
        self._body, self._metadata = body, tuple(metadata.items())
        self.last = b""

    async def __call__(self) -> int:
        """One request; 200 where it succeeds."""
        try:
            self.last = await self._call(self._body, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return -int(error.code().value[0])
        return 200


async def closed(ask: Ask, *, callers: int, seconds: float) -> Seen:
    """So many callers, each with one request under way."""
    seen, began = Seen(), time.perf_counter()

    async def call_on() -> None:
        while time.perf_counter() < began + seconds:
            await _timed(ask, seen)

    await asyncio.gather(*(call_on() for _ in range(callers)))
    seen.seconds = time.perf_counter() - began
    return seen


async def opened(ask: Ask, *, rate: float, seconds: float) -> Seen:
    """So many requests a second, at random moments, whatever becomes of those before."""
    seen, began, asked = Seen(), time.perf_counter(), set[asyncio.Task[None]]()
    dice, at = random.Random(0), 0.0
    while at < seconds:
        at += dice.expovariate(rate)
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        asked.add(asyncio.create_task(_timed(ask, seen)))
    await asyncio.gather(*asked)
    seen.seconds = seconds
    return seen


async def _timed(ask: Ask, seen: Seen) -> None:
    began = time.perf_counter()
    status = await ask()
    seen.answers.append((time.perf_counter() - began, status))
