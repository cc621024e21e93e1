"""What every HTTP request passes first: its id, a permit that never waits, a body limit, and a net for faults."""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.accounts import Account, Accounts
from services.envelope import REQUEST_ID, opened
from services.errors import (
    Overloaded,
    ServiceError,
    SlowBody,
    Unauthenticated,
    fault,
    problem,
    too_large,
)
from services.traces import TRACEPARENT

RETRY_AFTER_S = 1


class Permits:
    """So many at once, and no waiting for one."""

    def __init__(self, count: int) -> None:
        self.free = self.count = count

    @contextmanager
    def one(self):
        """Holds a permit. Raises Overloaded."""
        if not self.free:
            raise Overloaded(f"{self.count} requests are under way", retry_after_s=RETRY_AFTER_S, full="permits")
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1


class Door:
    """ASGI middleware. It leaves the request's id, which Ray Serve echoes, its envelope and its account in its state.

    Paths in `open_paths` need no permit and have no account: they tell how things are when there is none left.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        permits: Permits,
        max_body_bytes: int,
        max_body_s: float,
        logger: logging.Logger,
        open_paths: frozenset[str],
        accounts: Accounts,
        call_of: Callable[[Scope], str],
    ) -> None:
        self.app, self.permits = app, permits
        self.max_body_bytes, self.max_body_s = max_body_bytes, max_body_s
        self.logger, self.open_paths = logger, open_paths
        self.accounts, self.call_of = accounts, call_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = headers_of(scope)
        request_id = headers.get(REQUEST_ID) or uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        if scope["path"] in self.open_paths:
            return await self._answered(scope, receive, send, headers, nullcontext())
        call = self.call_of(scope)
        with self.accounts.of(call, "http", request_id=request_id, trace=headers.get(TRACEPARENT)) as account:
            state["account"] = account
            await self._answered(scope, receive, send, headers, self.permits.one())

    async def _answered(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[str, str],
        permit: AbstractContextManager[None],
    ) -> None:
        state, begun = scope["state"], _Begun(send)
        request_id = state["request_id"]
        try:
            state["envelope"] = opened(headers, request_id)
            self._check_length(headers)
            limited = _Limited(receive, self.max_body_bytes, self.max_body_s)
            with permit:
                await self.app(scope, limited, begun)
            if "account" in state and not limited.left:
                state["account"].responded(begun.status)
        except ServiceError as error:
            await problem_response(error, scope)(scope, receive, send)
        except ClientDisconnect:
            self.logger.info("request %s: the client left while sending", request_id)
        except Exception as error:
            self.logger.exception("request %s to %s failed", request_id, scope["path"])
            if not begun.begun:
                await problem_response(fault(error), scope)(scope, receive, send)

    def _check_length(self, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.max_body_bytes:
            raise too_large("body", f"{length} bytes", f"{self.max_body_bytes} bytes")


class _Limited:
    """A `receive` that stops reading a body beyond the limit, whatever its headers said, or after too long."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self.receive, self.limit, self.seconds = receive, limit, seconds
        self.deadline = asyncio.get_running_loop().time() + seconds
        self.seen, self.whole = 0, False
        self.left = False  # the client, while somebody listened for that

    async def __call__(self) -> Message:
        try:
            async with asyncio.timeout_at(None if self.whole else self.deadline):
                message = await self.receive()
        except TimeoutError as error:
            raise SlowBody(f"the body did not arrive within {self.seconds:g} s") from error
        self.left = message["type"] == "http.disconnect"
        self.seen += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self.seen > self.limit:
            raise too_large("body", f"more than {self.limit} bytes", f"{self.limit} bytes")
        return message


class _Begun:
    """A `send` that remembers whether the response has begun, and its status."""

    def __init__(self, send: Send) -> None:
        self.send, self.begun, self.status = send, False, 0

    async def __call__(self, message: Message) -> None:
        self.begun = True
        self.status = message.get("status", self.status)
        await self.send(message)


def headers_of(scope: Scope) -> dict[str, str]:
    """A request's headers by their names in small letters; of one that came twice, the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def account_of(scope: Mapping[str, Any]) -> Account:
    """The account of a request; one that nobody reads where it has none."""
    return scope.get("state", {}).get("account") or Account(call="", face="http")


def problem_response(error: ServiceError, scope: Mapping[str, Any]) -> JSONResponse:
    """The RFC 9457 answer to an error, with Retry-After where the error names a time."""
    request_id = scope.get("state", {}).get("request_id", "")
    account_of(scope).refused(error)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    content = problem(error, instance=scope["path"], request_id=request_id)
    return JSONResponse(content, error.status, headers, "application/problem+json")
