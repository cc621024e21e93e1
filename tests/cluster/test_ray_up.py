"""The file for `ray up` is one that Ray's launcher takes, and opens nothing but what it says."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

FILE = Path(__file__).resolve().parents[2] / "cluster" / "ray-up.yaml"


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def taken(config: dict[str, Any]) -> dict[str, Any]:
    """The file as the launcher goes on with it. Raises what the launcher does."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return prepared


def test_the_launcher_takes_it(config: dict[str, Any]) -> None:
    prepared = taken(config)
    assert set(prepared["available_node_types"]) == {"head", "cpu", "gpu"}
    assert prepared["available_node_types"]["cpu"]["node_config"]["InstanceType"] == "m7i.xlarge"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config: config.update(head_node_typ="head"),
        lambda config: config.update(head_node_type="boss"),
        lambda config: config.update(max_workers=0),
        lambda config: config["available_node_types"]["cpu"].update(max_worker=3),
        lambda config: config.pop("provider"),
    ],
)
def test_it_refuses_a_broken_one(config: dict[str, Any], spoil: Callable[[dict[str, Any]], None]) -> None:
    spoil(config)
    with pytest.raises((ValidationError, ValueError, KeyError)):
        taken(config)


def test_every_node_asks_for_the_token(config: dict[str, Any]) -> None:
    starts = [
        line for line in config["head_start_ray_commands"] + config["worker_start_ray_commands"] if " start " in line
    ]
    assert len(starts) == 2 and all("RAY_AUTH_MODE=token" in line for line in starts)
    assert "~/.ray/auth_token" in config["file_mounts"]


def test_the_head_serves_nobody_and_hides_its_dashboard(config: dict[str, Any]) -> None:
    assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}
    (start,) = [line for line in config["head_start_ray_commands"] if " start " in line]
    assert "--num-cpus=0" in start and "--dashboard-host=127.0.0.1" in start
    assert "security_group" not in config["provider"]  # the launcher's own: SSH, and the cluster's nodes to each other
