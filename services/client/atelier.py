"""The client itself, twice: blocking and async. Both only send; what is sent and when is decided beside them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpx

from services import messages
from services.client.calls import Answer, Call
from services.client.failures import Failure, NoAnswer, refused
from services.client.retries import Budget, Patience, Tries

Read = TypeVar("Read")
Sending = Callable[[Any, float], httpx.Request]  # of a client, within so many seconds

EVENTS = "text/event-stream"
LATE = "no answer in time"


class Atelier:
    """Calls a service, and waits for its answers. Safe to share between threads. Raises Refused and NoAnswer."""

    def __init__(
        self, url: str, *, key: str | None = None, patience: Patience | None = None, verify: Any = True
    ) -> None:
        """`verify` is httpx's: an SSL context where certificates, of pictures' URLs too, are of one's own authority."""
        self._patience = patience or Patience()
        self._budget = Budget(self._patience)
        context = httpx.create_ssl_context(verify=verify)  # one: to read the authorities takes longer than a call
        self._http = httpx.Client(base_url=url, headers=_authorization(key), verify=context)
        self._elsewhere = httpx.Client(verify=context)  # the key is not for there

    def __enter__(self) -> "Atelier":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        self._elsewhere.close()

    def ask(self, call: Call[Answer], *, timeout_s: float | None = None) -> Answer:
        """What a call comes to, within so many seconds or as many as the client is patient."""
        return _read(self._tried(self._http, partial(_request, call), _whole, timeout_s), call.answer)

    def watch(self, call: Call[Answer], *, timeout_s: float | None = None) -> Iterator[messages.Progress | Answer]:
        """How far a design, an alteration or variations are, and what they come to at last."""
        response = self._tried(self._http, partial(_request, call, events=True), _open, timeout_s)
        try:
            yield from (told for event in _events(response.iter_lines()) if (told := _told(event, call)))
        except httpx.TransportError as error:
            raise _lost(error) from error
        finally:
            response.close()

    def picture(self, picture: messages.Picture) -> bytes:
        """The picture of an answer: sent along with it, or fetched from where it says."""
        if picture.data is not None:
            return picture.data
        return self._tried(self._elsewhere, partial(_fetch, picture), _whole, None)

    def _tried(
        self,
        http: httpx.Client,
        request: Sending,
        read: Callable[[httpx.Response, Tries], Read],
        timeout_s: float | None,
    ) -> Read:
        """What is read of the first answer that is no failure."""
        tries = Tries(_limited(self._patience, timeout_s), self._budget)
        failure: Failure = NoAnswer(LATE, again=False)
        while not tries.over:
            try:
                response = http.send(request(http, tries.left_s), stream=True)
                if response.is_success:
                    return read(response, tries)
                failure = refused(response.status_code, response.headers, _whole(response, tries))
            except httpx.TransportError as error:
                failure = _lost(error)
            pause_s = tries.pause(failure)
            if pause_s is None:
                break
            time.sleep(pause_s)
        raise failure


class AsyncAtelier:
    """The same for programs with an event loop. Who is cancelled has the service stop working, too."""

    def __init__(
        self, url: str, *, key: str | None = None, patience: Patience | None = None, verify: Any = True
    ) -> None:
        """See `Atelier`."""
        self._patience = patience or Patience()
        self._budget = Budget(self._patience)
        context = httpx.create_ssl_context(verify=verify)
        self._http = httpx.AsyncClient(base_url=url, headers=_authorization(key), verify=context)
        self._elsewhere = httpx.AsyncClient(verify=context)

    async def __aenter__(self) -> "AsyncAtelier":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()
        await self._elsewhere.aclose()

    async def ask(self, call: Call[Answer], *, timeout_s: float | None = None) -> Answer:
        """See `Atelier.ask`."""
        return _read(await self._tried(self._http, partial(_request, call), _all_of, timeout_s), call.answer)

    async def watch(
        self, call: Call[Answer], *, timeout_s: float | None = None
    ) -> AsyncIterator[messages.Progress | Answer]:
        """See `Atelier.watch`."""
        response = await self._tried(self._http, partial(_request, call, events=True), _opened, timeout_s)
        lines: list[str] = []
        try:
            async for line in response.aiter_lines():
                lines.append(line)
                if not line:
                    for told in (_told(event, call) for event in _events(iter(lines))):
                        if told:
                            yield told
                    lines = []
        except httpx.TransportError as error:
            raise _lost(error) from error
        finally:
            await response.aclose()

    async def picture(self, picture: messages.Picture) -> bytes:
        """See `Atelier.picture`."""
        if picture.data is not None:
            return picture.data
        return await self._tried(self._elsewhere, partial(_fetch, picture), _all_of, None)

    async def _tried(
        self,
        http: httpx.AsyncClient,
        request: Sending,
        read: Callable[[httpx.Response], Awaitable[Read]],
        timeout_s: float | None,
    ) -> Read:
        tries = Tries(_limited(self._patience, timeout_s), self._budget)
        failure: Failure = NoAnswer(LATE, again=False)
        while not tries.over:
            try:
                async with asyncio.timeout(tries.left_s):
                    response = await http.send(request(http, tries.left_s), stream=True)
                    if response.is_success:
                        return await read(response)
                    failure = refused(response.status_code, response.headers, await _all_of(response))
            except httpx.TransportError as error:
                failure = _lost(error)
            except TimeoutError:
                failure = NoAnswer(LATE, again=False)
            pause_s = tries.pause(failure)
            if pause_s is None:
                break
            await asyncio.sleep(pause_s)
        raise failure


def _whole(response: httpx.Response, tries: Tries) -> bytes:
    """A body, however slowly it comes, in the time of its call: httpx limits each of its parts by itself."""
    parts = []
    with closing(response):
        for part in response.iter_bytes():
            if tries.left_s <= 0:
                raise httpx.ReadTimeout(LATE)
            parts.append(part)
    return b"".join(parts)


def _open(response: httpx.Response, tries: Tries) -> httpx.Response:
    return response


async def _all_of(response: httpx.Response) -> bytes:
    async with aclosing(response):
        return await response.aread()


async def _opened(response: httpx.Response) -> httpx.Response:
    return response


def _authorization(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def _limited(patience: Patience, timeout_s: float | None) -> Patience:
    return patience if timeout_s is None else replace(patience, timeout_s=timeout_s)


def _request(
    call: Call[Any], http: httpx.Client | httpx.AsyncClient, left_s: float, *, events: bool = False
) -> httpx.Request:
    """One try, which tells the service how long it has."""
    headers = {"x-timeout-s": f"{left_s:.3f}"}
    if events:
        headers["accept"] = EVENTS
    if call.idempotency_key is not None:
        headers["idempotency-key"] = call.idempotency_key
    return http.build_request(call.method, call.path, headers=headers, timeout=left_s, **call.content())


def _fetch(picture: messages.Picture, http: httpx.Client | httpx.AsyncClient, left_s: float) -> httpx.Request:
    return http.build_request("GET", picture.url or "", timeout=left_s)


def _lost(error: httpx.TransportError) -> NoAnswer:
    """A connection that failed is worth another try; one that was waited for long enough is not."""
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return NoAnswer(LATE, again=False)
    return NoAnswer(str(error) or type(error).__name__, again=not isinstance(error, httpx.UnsupportedProtocol))


def _read(content: bytes, kind: type[Answer]) -> Answer:
    """An answer; fields that a later service adds are passed over."""
    return kind.model_validate_json(content, extra="ignore")


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Name and data of every event; comments are passed over."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, line.removeprefix("data: ")


def _told(event: tuple[str, str], call: Call[Answer]) -> messages.Progress | Answer | None:
    name, data = event
    if name == "problem":
        status = int(json.loads(data)["status"])
        raise refused(status, {"content-type": "application/problem+json"}, data.encode())
    if name == "progress":
        return messages.Progress.model_validate_json(data, extra="ignore")
    return _read(data.encode(), call.answer) if name == "answer" else None
