"""Both faces over some core, in this process: what they do by themselves, without Ray between."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from fastapi import FastAPI
from ray.serve._private.grpc_util import enable_server_reflection, gRPCGenericServer, set_grpc_code_and_details
from ray.serve._private.proxy_request_response import ResponseStatus, gRPCStreamingType
from ray.serve.grpc_util import RayServegRPCContext

from services import http_face, ingress
from services.access import ForThisMachine, Guard
from services.accounts import Accounts
from services.door import Permits
from services.grpc_face import GrpcFace, Rpcs

HERE = ("127.0.0.1", 50000)  # whom the test client is taken for
LOGGER = logging.getLogger("face")


class Asked:
    """Reads without a copy: the Recommender is asked for each."""

    def __init__(self, recommender: Any) -> None:
        self._recommender = recommender

    def __getattr__(self, method: str) -> Any:
        return getattr(self._recommender, method).remote

    def at_hand(self, call: str, asked: Any, *, release: str | None) -> None: ...

    def acknowledged(self, record: int) -> None: ...

    def serves(self, release: str | None) -> None: ...


def faced(core: Any, *, guard: Guard | None = None, permits: int = 2, **options: Any) -> FastAPI:
    """The HTTP face over a core."""
    known = {"guard": guard or ForThisMachine(), "permits": Permits(permits), "max_picture_bytes": 1000}
    return http_face.face(core, **{**known, "accounts": Accounts(logger=LOGGER), "logger": LOGGER, **options})


class Face(GrpcFace):
    """The gRPC face over a core."""

    def __init__(self, core: Any, *, guard: Guard | None = None, permits: int = 2, **options: Any) -> None:
        known = {"guard": guard or ForThisMachine(), "permits": Permits(permits), "max_picture_bytes": 1000}
        known |= {"watchers": Permits(1), "tls": False, "max_message_bytes": 10_000}
        known |= {"accounts": Accounts(logger=LOGGER), "logger": LOGGER}
        self.rpcs = Rpcs(core=core, **{**known, **options})


@contextmanager
def grpc_served(face: GrpcFace) -> Iterator[int]:
    """A server as Serve makes it, with a face where its replicas would be. Yields its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, port = asyncio.run_coroutine_threadsafe(_started(face), loop).result(30)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


async def _started(face: GrpcFace) -> tuple[grpc.aio.Server, int]:
    server = gRPCGenericServer(lambda **called: _handler(face, **called))
    port = server.add_insecure_port("127.0.0.1:0")
    ingress.register(_Anything(), server)
    enable_server_reflection(server)
    await server.start()
    return server, port


class _Anything:
    """A servicer whose methods Serve replaces."""

    def __getattr__(self, name: str) -> Any:
        return lambda request, context: None


def _handler(face: GrpcFace, *, service_method: str, streaming_type: gRPCStreamingType) -> Any:
    """As a replica of Serve's handles a call."""
    method = getattr(face, service_method.rpartition("/")[2], None)

    async def unary(data: bytes, context: Any) -> bytes:
        ours = RayServegRPCContext(context)
        answer = await method(data, ours)
        ours._set_on_grpc_context(context)
        set_grpc_code_and_details(context, ResponseStatus(code=grpc.StatusCode.OK))
        return answer.SerializeToString()

    async def stream(data: bytes, context: Any) -> AsyncIterator[bytes]:
        ours = RayServegRPCContext(context)
        async for each in method(data, ours):
            yield each.SerializeToString()
        ours._set_on_grpc_context(context)
        set_grpc_code_and_details(context, ResponseStatus(code=grpc.StatusCode.OK))

    return stream if streaming_type == gRPCStreamingType.UNARY_STREAM else unary
