"""The composed application. Options of every deployment stand here, once; the manifests repeat and a test compares.

    serve run services.application:build          the settings come from the environment, in every replica too

A roll-out of another release changes `user_config` alone, which Serve applies in place.
"""

from typing import Any

from ray import serve
from ray.serve.config import BackpressureConfig

from cluster.settings import Settings
from services.designer import Designer
from services.fitting_room import FittingRoom
from services.gateway import PERMITS, Gateway
from services.ingress import logging_config
from services.limiter import Limiter
from services.recommender import Recommender
from services.scaling import replicas

NAME = "atelier"
IMPORT_PATH = "services.application:build"
BUSY = BackpressureConfig(status_code=429, retry_after_s=1)
LAST_WORDS_S = 10.0  # beyond the longest request, before a replica that is to end is ended

OPTIONS: dict[str, dict[str, Any]] = {
    "Gateway": {
        "ray_actor_options": {"num_cpus": 0.2},
        "max_ongoing_requests": 2 * PERMITS,  # more than there are permits: our own 429 comes first
        "max_queued_requests": 2 * PERMITS,
        "backpressure_config": BUSY,
    },
    "Recommender": {
        "ray_actor_options": {"num_cpus": 0.1},
        "max_ongoing_requests": 64,
        "max_queued_requests": 256,
    },
    "Designer": {
        "ray_actor_options": {"num_cpus": 0.5},
        "max_ongoing_requests": 128,  # its engine is the queue, and turns away by itself what it cannot hold
        "max_queued_requests": 128,
    },
    "FittingRoom": {
        "ray_actor_options": {"num_cpus": 0.3},
        "max_ongoing_requests": 32,
        "max_queued_requests": 64,
    },
    "Limiter": {
        "ray_actor_options": {"num_cpus": 0.05},
        "max_ongoing_requests": 256,
        "max_queued_requests": 1024,
    },
}
ALIKE = {"health_check_period_s": 5, "health_check_timeout_s": 30}


def build(settings: Settings) -> serve.Application:
    """The application over the current release, and each one promoted meanwhile.

    A replica that is to end finishes what it has. Without keys nobody counts what each caller asks for.
    """
    logs = logging_config(settings, calls=False)  # we write that line
    drains = {"graceful_shutdown_timeout_s": settings.request_timeout_s + LAST_WORDS_S, "logging_config": logs}

    def options(name: str) -> dict[str, Any]:
        actor = {**OPTIONS[name]["ray_actor_options"], "num_gpus": settings.gpus(name)}
        return {**ALIKE, **OPTIONS[name], **drains, **replicas(name, settings), "ray_actor_options": actor}

    loaded = {"user_config": {"release": None}}
    keys = settings.api_keys == "required"
    limits = {**ALIKE, **OPTIONS["Limiter"], "num_replicas": 1, "logging_config": logs}
    return Gateway.options(**options("Gateway")).bind(
        Recommender.options(**options("Recommender"), **loaded).bind(),
        Designer.options(**options("Designer"), **loaded).bind(),
        FittingRoom.options(**options("FittingRoom"), **loaded).bind(),
        Limiter.options(**limits).bind() if keys else None,
    )
