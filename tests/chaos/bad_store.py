"""A way to the S3 server that misbehaves when it is told to: gone, slow, or answering 500."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SLOW_S = 2.0  # for every piece of a request
PIECE = 2**16


class Mood(Enum):
    """What becomes of connections."""

    WELL = "carried through"
    GONE = "refused; those that were open are closed"
    SLOW = "carried through, each piece of a request after a while"
    FAILING = "answered 500"


class Way:
    """Listens on a port of its own and carries bytes to the server, in a thread."""

    def __init__(self, endpoint: str) -> None:
        server = urlsplit(endpoint)
        self._server = (server.hostname or "127.0.0.1", server.port or 80)
        self._mood, self._open = Mood.WELL, set[asyncio.StreamWriter]()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._port = 0  # any that is free, at first
        self._listening: asyncio.Server | None = None
        self._set(Mood.WELL)
        self.endpoint = f"http://127.0.0.1:{self._port}"

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """In another mood meanwhile. Connections that are open are closed first."""
        self._set(mood)
        try:
            yield
        finally:
            self._set(Mood.WELL)

    def _set(self, mood: Mood) -> None:
        asyncio.run_coroutine_threadsafe(self._turn(mood), self._loop).result()

    async def _turn(self, mood: Mood) -> None:
        self._mood = mood
        if self._listening is not None and mood is Mood.GONE:
            self._listening.close()
            self._listening = None
        for writer in list(self._open):
            writer.close()
        if self._listening is None and mood is not Mood.GONE:
            self._listening = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
            self._port = int(self._listening.sockets[0].getsockname()[1])

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._mood is Mood.FAILING:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(FAILURE)
                await writer.drain()
                return
            there, back = await asyncio.open_connection(*self._server)
            self._open.add(back)
            try:
                await asyncio.gather(
                    self._pipe(reader, back, slowly=self._mood is Mood.SLOW), self._pipe(there, writer)
                )
            finally:
                self._open.discard(back)
                back.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side has left
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slowly: bool = False) -> None:
        while piece := await reader.read(PIECE):
            if slowly:
                await asyncio.sleep(SLOW_S)
            writer.write(piece)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
