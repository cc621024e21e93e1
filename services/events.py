"""Server-sent events: progress as it comes, at last the answer, or the problem that came up on the way."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Send

from services import messages
from services.door import account_of
from services.errors import ServiceError, fault, problem

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_S = 5.0  # without a word, after which a comment tells everybody between that the connection lives
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx: pass on what there is

Told = messages.Accepted | messages.Progress | messages.Answer


def wanted(accept: str) -> bool:
    """Whether an Accept header asks for events."""
    return any(part.partition(";")[0].strip().lower() == MEDIA_TYPE for part in accept.split(","))


async def streamed(told: AsyncGenerator[Told, None], scope: Mapping[str, Any], logger: logging.Logger) -> "Events":
    """A response that begins with the first thing told. What is raised before that is raised here."""
    first = await anext(told)
    return Events(_written(first, told, scope, logger), headers=HEADERS, media_type=MEDIA_TYPE)


class Events(StreamingResponse):
    """Ends what it reads from, also where its client has left."""

    async def stream_response(self, send: Send) -> None:
        """See `StreamingResponse`."""
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


async def _written(
    first: Told, told: AsyncGenerator[Told, None], scope: Mapping[str, Any], logger: logging.Logger
) -> AsyncIterator[str]:
    request_id, account = scope.get("state", {}).get("request_id", ""), account_of(scope)
    try:
        yield _event(first)
        async with aclosing(_kept_alive(told)) as rest:
            async for each in rest:
                yield ": waiting\n\n" if each is None else _event(each)
                if isinstance(each, messages.Answer):
                    account.answered(each)
    except ServiceError as error:
        account.refused(error)
        yield _problem(error, scope["path"], request_id)
    except Exception as error:
        logger.exception("request %s to %s failed", request_id, scope["path"])
        told = fault(error)
        account.refused(told)
        yield _problem(told, scope["path"], request_id)


async def _kept_alive(told: AsyncGenerator[Told, None]) -> AsyncIterator[Told | None]:
    """What is told, and None whenever nothing has been for a while."""
    async with aclosing(told):
        coming = asyncio.ensure_future(anext(told, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE_S)
                if not done:
                    yield None
                    continue
                each = coming.result()
                if each is None:
                    return
                coming = asyncio.ensure_future(anext(told, None))
                yield each
        finally:
            coming.cancel()
            await asyncio.wait({coming})


def _event(told: Told) -> str:
    if isinstance(told, messages.Accepted):
        return ": accepted\n\n"
    name = "progress" if isinstance(told, messages.Progress) else "answer"
    return f"event: {name}\ndata: {told.model_dump_json(exclude_none=True)}\n\n"


def _problem(error: ServiceError, path: str, request_id: str) -> str:
    return f"event: problem\ndata: {json.dumps(problem(error, instance=path, request_id=request_id))}\n\n"
