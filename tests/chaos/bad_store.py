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
    GONE = "closed at once, those that were open as well"
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
        listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.endpoint = f"http://127.0.0.1:{listening}"

    @contextmanager
    def being(self, mood: Mood) -> Iterator[None]:
        """In another mood meanwhile. Connections that are open are closed first."""
        self._set(mood)
        try:
            yield
        finally:
            self._set(Mood.WELL)

    def _set(self, mood: Mood) -> None:
        self._mood = mood
        self._loop.call_soon_threadsafe(lambda: [writer.close() for writer in list(self._open)])

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood is Mood.GONE:
            writer.transport.abort()
            return
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
