"""The client itself, twice: blocking and async. Both only send; what is sent and when is decided beside them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

import httpx

from services import messages
from services.client.calls import Answer, Call
from services.client.failures import Failure, NoAnswer, refused
from services.client.retries import Budget, Patience, Tries

EVENTS = "text/event-stream"
LATE = "no answer in time"


class Atelier:
    """Calls a service, and waits for its answers. Safe to share between threads. Raises Refused and NoAnswer."""

    def __init__(
        self, url: str, *, key: str | None = None, patience: Patience | None = None, verify: Any = True
    ) -> None:
        """`verify` is httpx's: an SSL context where the service's certificate is of an authority of one's own."""
        self._patience = patience or Patience()
        self._budget = Budget(self._patience)
        self._http = httpx.Client(base_url=url, headers=_authorization(key), verify=verify)

    def __enter__(self) -> "Atelier":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(self, call: Call[Answer], *, timeout_s: float | None = None) -> Answer:
        """What a call comes to, within so many seconds or as many as the client is patient."""
        response = self._asked(call, self._tries(timeout_s))
        return _read(response.content, call.answer)

    def watch(self, call: Call[Answer], *, timeout_s: float | None = None) -> Iterator[messages.Progress | Answer]:
        """How far a design, an alteration or variations are, and what they come to at last."""
        response = self._asked(call, self._tries(timeout_s), stream=True)
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
        response = httpx.get(picture.url or "", timeout=self._patience.timeout_s)  # the key is not for there
        if response.is_error:
            raise refused(response.status_code, response.headers, response.content)
        return response.content

    def _tries(self, timeout_s: float | None) -> Tries:
        return Tries(_limited(self._patience, timeout_s), self._budget)

    def _asked(self, call: Call[Any], tries: Tries, *, stream: bool = False) -> httpx.Response:
        while True:
            request = _request(self._http, call, tries.left_s, stream)
            try:
                response = self._http.send(request, stream=stream)
                if response.is_success:
                    return response
                failure: Failure = refused(response.status_code, response.headers, response.read())
                response.close()
            except httpx.TransportError as error:
                failure = _lost(error)
            pause_s = tries.pause(failure)
            if pause_s is None:
                raise failure
            time.sleep(pause_s)


class AsyncAtelier:
    """The same for programs with an event loop. Who is cancelled has the service stop working, too."""

    def __init__(
        self, url: str, *, key: str | None = None, patience: Patience | None = None, verify: Any = True
    ) -> None:
        """See `Atelier`."""
        self._patience = patience or Patience()
        self._budget = Budget(self._patience)
        self._http = httpx.AsyncClient(base_url=url, headers=_authorization(key), verify=verify)

    async def __aenter__(self) -> "AsyncAtelier":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(self, call: Call[Answer], *, timeout_s: float | None = None) -> Answer:
        """See `Atelier.ask`."""
        response = await self._asked(call, self._tries(timeout_s))
        return _read(response.content, call.answer)

    async def watch(
        self, call: Call[Answer], *, timeout_s: float | None = None
    ) -> AsyncIterator[messages.Progress | Answer]:
        """See `Atelier.watch`."""
        response = await self._asked(call, self._tries(timeout_s), stream=True)
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
        async with httpx.AsyncClient(timeout=self._patience.timeout_s) as anybody:
            response = await anybody.get(picture.url or "")
        if response.is_error:
            raise refused(response.status_code, response.headers, response.content)
        return response.content

    def _tries(self, timeout_s: float | None) -> Tries:
        return Tries(_limited(self._patience, timeout_s), self._budget)

    async def _asked(self, call: Call[Any], tries: Tries, *, stream: bool = False) -> httpx.Response:
        while True:
            request = _request(self._http, call, tries.left_s, stream)
            try:
                async with asyncio.timeout(tries.left_s):
                    response = await self._http.send(request, stream=stream)
                    if response.is_success:
                        return response
                    failure: Failure = refused(response.status_code, response.headers, await response.aread())
                    await response.aclose()
            except httpx.TransportError as error:
                failure = _lost(error)
            except TimeoutError:
                failure = NoAnswer(LATE, again=False)
            pause_s = tries.pause(failure)
            if pause_s is None:
                raise failure
            await asyncio.sleep(pause_s)


def _authorization(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def _limited(patience: Patience, timeout_s: float | None) -> Patience:
    return patience if timeout_s is None else replace(patience, timeout_s=timeout_s)


def _request(http: httpx.Client | httpx.AsyncClient, call: Call[Any], left_s: float, stream: bool) -> httpx.Request:
    """One try, which tells the service how long it has."""
    headers = {"x-timeout-s": f"{left_s:.3f}"}
    if stream:
        headers["accept"] = EVENTS
    if call.idempotency_key is not None:
        headers["idempotency-key"] = call.idempotency_key
    return http.build_request(call.method, call.path, headers=headers, timeout=left_s, **call.content())


def _lost(error: httpx.TransportError) -> NoAnswer:
    """A connection that failed is worth another try; one that was waited for long enough is not."""
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return NoAnswer(LATE, again=False)
    return NoAnswer(str(error) or type(error).__name__, again=True)


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
