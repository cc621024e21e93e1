"""What the settings make of the application's deployments."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from ray import serve

from cluster.settings import Settings
from services.application import OPTIONS, build


def deployments(node: Any) -> Iterator[serve.Deployment]:
    """Every deployment of a built application."""
    if isinstance(node, serve.Application):
        yield node._bound_deployment
        for argument in node._bound_deployment.init_args:
            yield from deployments(argument)


def test_gpus_go_to_those_for_whom_they_are_meant() -> None:
    settings = Settings(designer_gpus=0.5, fitting_room_gpus=0.25)
    asked = {each.name: each.ray_actor_options for each in deployments(build(settings))}
    gpus = {name: options.get("num_gpus", 0) for name, options in asked.items()}
    assert gpus == {"Gateway": 0, "Recommender": 0, "Designer": 0.5, "FittingRoom": 0.25, "Limiter": 0}
    for name, options in asked.items():
        assert options["num_cpus"] == OPTIONS[name]["ray_actor_options"]["num_cpus"]


def test_less_than_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="designer_gpus"):
        Settings(designer_gpus=-0.5)
