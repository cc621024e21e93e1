"""The least that Ray Serve can do: a deployment that answers the same bytes whatever it is asked.

And the least that a composed one can: the same, but that the bytes come from another deployment.
"""

from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

BARE, COMPOSED = "bare", "composed"  # applications, and where they are found

deployment = serve.deployment(num_replicas=1, max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.2})


class Face:
    """Over HTTP any path, over gRPC the call `Recommend`."""

    async def told(self, over: str) -> bytes:
        """The answer "http" or "grpc"."""
        raise NotImplementedError

    async def __call__(self, request: Request) -> Response:
        """The answer over HTTP."""
        await request.body()
        return Response(await self.told("http"), media_type="application/json")

    async def Recommend(self, request: bytes) -> Any:
        """The answer over gRPC."""
        from services.protos.atelier_pb2 import RecommendAnswer

        return RecommendAnswer.FromString(await self.told("grpc"))


@deployment
class Bare(Face):
    """Knows the answers."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self._answers = answers

    async def told(self, over: str) -> bytes:
        return self._answers[over]


@deployment
class Composed(Face):
    """Asks a deployment that knows them."""

    def __init__(self, bare: DeploymentHandle) -> None:
        self._bare = bare

    async def told(self, over: str) -> bytes:
        return await self._bare.told.remote(over)
