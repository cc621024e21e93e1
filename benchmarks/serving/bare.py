"""The least that Ray Serve can do: a deployment that answers the same bytes whatever it is asked."""

from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

NAME, PREFIX = "bare", "/bare"


@serve.deployment(num_replicas=1, max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.2})
class Bare:
    """Over HTTP any path, over gRPC the call `Recommend`."""

    def __init__(self, told: bytes, told_over_grpc: bytes) -> None:
        self._told, self._told_over_grpc = told, told_over_grpc

    async def __call__(self, request: Request) -> Response:
        """The answer over HTTP."""
        await request.body()
        return Response(self._told, media_type="application/json")

    async def Recommend(self, request: bytes) -> Any:
        """The answer over gRPC."""
        from services.protos.atelier_pb2 import RecommendAnswer

        return RecommendAnswer.FromString(self._told_over_grpc)
