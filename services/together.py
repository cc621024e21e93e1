"""Calls that travel together: while some are on their way, those that come meanwhile wait, and go as one.

What Ray Serve takes to bring a call from one deployment to another, milliseconds of the processors, is many times what
the Recommender takes to answer it. Nobody waits where few ask; the more ask, the more go together.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from ray.serve.context import _get_serve_request_context, _set_request_context

from services.calls import cancelled
from services.errors import ServiceError, fault

UNDER_WAY = 2  # journeys at once, before calls wait for each other
MOST = 32  # calls of one journey
LATE_S = 0.25  # a journey that takes longer holds nobody up: its replica may be gone, and the others are not


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a deployment, what it is called with, and the id of the request that it is part of."""

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    request_id: str


Traveller = tuple[Call, "asyncio.Future[Any]"]  # a call and its reply


class Together:
    """In the place of a handle, for the methods named: `together.METHOD.remote(…)` is a future.

    send: brings calls there, and their replies back in the same order, among which errors of the service may be.
    """

    def __init__(self, send: Callable[[list[Call]], Awaitable[Sequence[Any]]], methods: Sequence[str]) -> None:
        self._send = send
        self._waiting: list[Traveller] = []
        self._under_way = 0
        self._journeys: set[asyncio.Task[None]] = set()
        for method in methods:
            setattr(self, method, Method(self, method))

    def add(self, call: Call) -> "asyncio.Future[Any]":
        """The call goes as soon as it may. Who cancels its future has left; a journey on which nobody is left ends."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, reply))
        self._depart()
        return reply

    def _depart(self) -> None:
        while self._under_way < UNDER_WAY:
            there = [(call, reply) for call, reply in self._waiting if not reply.done()]
            leaving, self._waiting = there[:MOST], there[MOST:]
            if not leaving:
                return
            self._under_way += 1
            # in a context of its own: Serve ends what is called in that of a request whose client has left
            journey = asyncio.create_task(self._travel(leaving), context=Context())
            self._journeys.add(journey)
            journey.add_done_callback(self._journeys.discard)

    async def _travel(self, leaving: list[Traveller]) -> None:
        bringing = asyncio.create_task(self._bring(leaving))
        ends = {bringing, asyncio.gather(*(reply for _, reply in leaving), return_exceptions=True)}
        await asyncio.wait(ends, timeout=LATE_S, return_when=asyncio.FIRST_COMPLETED)
        self._under_way -= 1
        self._depart()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        bringing.cancel()

    async def _bring(self, leaving: list[Traveller]) -> None:
        response = self._send([call for call, _ in leaving])
        try:
            replies = await response
        except asyncio.CancelledError:
            cancelled(response)
            raise
        except Exception as error:
            replies = [error] * len(leaving)
        for (_, reply), found in zip(leaving, replies, strict=True):
            if not reply.done():
                reply.set_exception(found) if isinstance(found, Exception) else reply.set_result(found)


class Method:
    """See Ray Serve's `DeploymentHandle`."""

    def __init__(self, together: Together, name: str) -> None:
        self._together, self._name = together, name

    def remote(self, *arguments: Any, **options: Any) -> "asyncio.Future[Any]":
        """The reply, as a future of this loop."""
        return self._together.add(Call(self._name, arguments, options, _get_serve_request_context().request_id))


async def answers(deployment: object, calls: Sequence[Call], logger: logging.Logger) -> list[Any]:
    """The replies of a deployment to calls that came together; the error of one is its reply."""
    return await asyncio.gather(*(_answer(deployment, call, logger) for call in calls))


async def _answer(deployment: object, call: Call, logger: logging.Logger) -> Any:
    _set_request_context(request_id=call.request_id)
    try:
        return await getattr(deployment, call.method)(*call.arguments, **call.options)
    except ServiceError as error:
        return error
    except Exception as error:
        logger.exception("request %s: %s failed", call.request_id, call.method)
        return fault(error)
