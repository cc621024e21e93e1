"""How many replicas a deployment has: a fixed number, or as many as what it is short of asks for.

The Designer is short of slots for rows, not of open requests: a request brings one row or sixty. It tells Serve what
waits with it (`record_autoscaling_stats`), and a policy goes by that. The others go by the requests under way.
"""

from typing import Any

from ray.serve.config import AutoscalingContext

from cluster.settings import Settings

POLICIES = {"Designer": "services.scaling:by_rows"}
LOOK_BACK_S = 12.0  # over which figures are averaged; Serve wants more than the 10 s it may take to hear of them
FULL = 0.75  # of a Designer's slots in use, beyond which another replica is worth its memory
ONGOING = {"Gateway": 32, "Recommender": 16, "FittingRoom": 8}  # requests a replica is meant to have under way


def replicas(name: str, settings: Settings) -> dict[str, Any]:
    """The options of Serve for a deployment's number of replicas, as the settings have it."""
    least, most = settings.replicas(name)
    if least == most:
        return {"num_replicas": most}
    config: dict[str, Any] = {
        "min_replicas": least,
        "max_replicas": most,
        "initial_replicas": max(1, least),  # of those that may rest too: it is ready when it is deployed
        "upscale_delay_s": settings.scale_up_delay_s,
        "downscale_delay_s": settings.scale_down_delay_s,
        "look_back_period_s": LOOK_BACK_S,
    }
    if name in ONGOING:
        config["target_ongoing_requests"] = ONGOING[name]
    else:
        config["policy"] = {"policy_function": POLICIES[name]}
    return {"autoscaling_config": config}


def by_rows(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """So many Designers that all their rows, running and waiting, fill three quarters of their slots.

    Serve puts the delays and the bounds around it. Without a request under way none is needed, for the one row there
    may be then is a health check's; with any, one is.
    """
    told = context.aggregated_metrics or {}
    rows = sum(sum(told.get(name, {}).values()) for name in ("waiting_rows", "running_rows"))
    slots = max(told.get("slots", {}).values(), default=0.0)
    needed = rows / (FULL * slots) if slots else 0.0
    return (max(1.0, needed) if context.total_num_requests > 0 else 0.0), {}
