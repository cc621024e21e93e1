"""The Gateway: the deployment that the world talks to. It holds no release and loads no network."""

import logging
from typing import Any

from fastapi import FastAPI
from ray import serve

from cluster.object_store import open_store
from cluster.settings import Settings
from services.calls import Caller
from services.core import Core
from services.http_face import face
from services.outgoing import Outgoing

LOGGER = "ray.serve"
PERMITS = 64  # requests under way in one replica; beyond them 429 at once


@serve.deployment
@serve.ingress()
class Gateway:
    """The HTTP face over the core over the handles of the other deployments."""

    def __init__(self, recommender: Any, designer: Any, fitting_room: Any) -> None:
        settings = Settings()
        logger = logging.getLogger(LOGGER)
        core = Core(
            recommender=recommender,
            designer=designer,
            fitting_room=fitting_room,
            outgoing=Outgoing(
                store=open_store(settings.bucket_url, settings),
                expires_s=settings.signed_url_expires_s,
                signs=settings.folder is None,
            ),
            caller=Caller(timeout_s=settings.request_timeout_s),
            logger=logger,
        )
        self._face = face(core, max_picture_bytes=settings.max_picture_bytes, permits=PERMITS, logger=logger)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The ASGI application, which Serve asks for once the replica is made."""
        return self._face
