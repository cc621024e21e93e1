"""The Gateway: the deployment that the world talks to. Of a release it keeps a copy of tables, and loads no network."""

import logging
from typing import Any

from fastapi import FastAPI
from ray import serve

from cluster.keys import KeyStore
from cluster.object_store import open_store
from cluster.releases import ReleaseStore
from cluster.settings import Settings
from services import metrics
from services.access import ForKeys, ForThisMachine, Guard, KeyRing
from services.accounts import Accounts
from services.allowances import Leases
from services.calls import Caller
from services.catalogue_copy import CatalogueCopy
from services.core import Core
from services.door import Permits
from services.grpc_face import GrpcFace, Rpcs
from services.http_face import face
from services.meters import Meters, Reading, Teller
from services.outgoing import Outgoing
from services.picture_cache import PictureCache
from services.ranking import Ranker, items_of, load_ranker
from services.release_loader import fetch
from services.traces import replica_traces
from services.trials import FollowedTrials

LOGGER = "ray.serve"
PERMITS = 64  # requests under way in one replica, over both faces; beyond them 429 at once
RESTING = {"designer": "Designer", "fitting_room": "FittingRoom"}  # may have no replica, as the settings have it
WATCHERS = 8  # of the replica's health over gRPC


@serve.deployment
@serve.ingress()
class Gateway(GrpcFace):
    """Both faces over one core, over the handles of the other deployments."""

    def __init__(self, recommender: Any, designer: Any, fitting_room: Any, limiter: Any) -> None:
        settings = Settings()
        logger = logging.getLogger(LOGGER)
        store = open_store(settings.bucket_url, settings)
        meters, traces = Meters(), replica_traces()
        permits = Permits(PERMITS)
        core = Core(
            recommender=traces.handle(recommender),
            reads=CatalogueCopy(
                traces.handle(recommender),
                lambda release: tables_of(release, settings),
                meters=meters,
                traces=traces,
                logger=logger,
            ),
            designer=traces.handle(designer),
            fitting_room=traces.handle(fitting_room),
            outgoing=Outgoing(
                store=store,
                cache=PictureCache(store, settings.picture_cache_bytes, meters),
                expires_s=settings.signed_url_expires_s,
                signs=settings.folder is None,
            ),
            caller=Caller(timeout_s=settings.request_timeout_s, meters=meters),
            logger=logger,
            trials=FollowedTrials(ReleaseStore(store).last, logger),
            may_rest=frozenset(name for name, deployment in RESTING.items() if not settings.replicas(deployment)[0]),
        )
        guard: Guard = ForThisMachine()
        if settings.api_keys == "required":
            guard = ForKeys(KeyRing(KeyStore(store), logger, meters), Leases(limiter.take.remote, logger))
        accounts = Accounts(logger=logger, meters=meters, traces=traces, lines=settings.log_format == "json")
        self.rpcs = Rpcs(
            core=core,
            guard=guard,
            accounts=accounts,
            permits=permits,
            watchers=Permits(WATCHERS),
            tls=settings.grpc_tls_port is not None,
            max_picture_bytes=settings.max_picture_bytes,
            max_message_bytes=settings.grpc_max_message_bytes,
            logger=logger,
        )
        self._face = face(
            core,
            guard=guard,
            max_picture_bytes=settings.max_picture_bytes,
            permits=permits,
            accounts=accounts,
            logger=logger,
        )
        meters.read_from(lambda: readings(permits))
        Teller(meters, logger).start()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The ASGI application, which Serve asks for once the replica is made."""
        return self._face


def tables_of(release: str, settings: Settings) -> Ranker | None:
    """The tables of a release; None where they are larger than a gateway's copy may be. Raises StoreError."""
    found = fetch(settings, release)
    if items_of(found) > settings.gateway_copy_items:
        return None
    return load_ranker(found, cells_above=settings.recommender_cells_above)


def readings(permits: Permits) -> list[Reading]:
    """How much is under way, and how much can be."""
    return [Reading(metrics.IN_FLIGHT, permits.count - permits.free), Reading(metrics.PERMITS, permits.count)]
