"""The manifest serves what the application builds, with settings that exist and no secret of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray import serve
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from cluster.settings import ENV_PREFIX, Settings
from services import application, ingress

MANIFEST = Path(__file__).resolve().parents[2] / "k8s" / "rayservice.yaml"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text())["spec"]


@pytest.fixture(scope="module")
def served(spec: dict[str, Any]) -> ServeApplicationSchema:
    (found,) = ServeDeploySchema.model_validate(yaml.safe_load(spec["serveConfigV2"])).applications
    return found


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = spec["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [each for group in groups for each in group["template"]["spec"]["containers"]]


def deployments(node: Any) -> Iterator[serve.Deployment]:
    """Every deployment of a built application."""
    if isinstance(node, serve.Application):
        yield node._bound_deployment
        for argument in node._bound_deployment.init_args:
            yield from deployments(argument)


def test_it_serves_the_application(served: ServeApplicationSchema) -> None:
    assert (served.name, served.import_path) == (application.NAME, application.IMPORT_PATH)
    assert served.route_prefix == "/" and served.args == {}


def test_every_deployment_has_the_options_of_the_application(served: ServeApplicationSchema) -> None:
    built = {each.name: each for each in deployments(application.build(Settings()))}
    assert [each.name for each in served.deployments] == list(built)
    for stated in served.deployments:
        assert options(stated) == options(built[stated.name]), stated.name


def options(deployment: DeploymentSchema | serve.Deployment) -> dict[str, Any]:
    if isinstance(deployment, DeploymentSchema):
        stated = deployment.model_dump(exclude_unset=True)
        actor = {key: value for key, value in stated["ray_actor_options"].items() if value is not None}
        return {"user_config": None, **stated, "ray_actor_options": {"num_cpus": actor["num_cpus"]}}
    names = ("name", "num_replicas", "max_ongoing_requests", "max_queued_requests", "user_config")
    config = deployment._deployment_config
    found = {name: getattr(deployment, name) for name in names}
    found |= {name: getattr(config, name) for name in ("health_check_period_s", "health_check_timeout_s")}
    if deployment.name == "Gateway":
        found["backpressure_config"] = config.backpressure_config.model_dump()
    return {**found, "ray_actor_options": {"num_cpus": deployment.ray_actor_options["num_cpus"]}}


def test_the_import_path_leads_to_the_builder() -> None:
    module, _, name = application.IMPORT_PATH.partition(":")
    assert module == application.__name__ and callable(getattr(application, name))


def test_settings_are_those_that_exist_and_keys_come_from_the_secret(spec: dict[str, Any]) -> None:
    for container in containers(spec):
        given = {each["name"]: each for each in container["env"]}
        limit = given.pop("RAY_SERVE_GRPC_MAX_MESSAGE_SIZE")["value"]
        fields = {name.removeprefix(ENV_PREFIX).lower(): each for name, each in given.items()}
        secret = {name for name, each in fields.items() if "valueFrom" in each}
        assert secret == {"s3_access_key", "s3_secret_key"}
        assert {fields[name]["valueFrom"]["secretKeyRef"]["name"] for name in secret} == {"atelier-s3"}
        stated = {name: each["value"] for name, each in fields.items() if name not in secret}
        settings = Settings(**stated, s3_access_key="key", s3_secret_key="secret")
        assert int(limit) == settings.grpc_max_message_bytes and settings.api_keys == "required"


def test_both_faces_are_served(spec: dict[str, Any]) -> None:
    stated = ServeDeploySchema.model_validate(yaml.safe_load(spec["serveConfigV2"]))
    settings = Settings(http_host="0.0.0.0", grpc_port=9000)
    wanted = ingress.grpc_options(settings)
    assert (stated.http_options.host, stated.http_options.port) == (settings.http_host, settings.http_port)
    assert stated.grpc_options.port == wanted.port
    assert stated.grpc_options.grpc_servicer_functions == wanted.grpc_servicer_functions


def test_the_head_does_not_serve(spec: dict[str, Any]) -> None:
    assert spec["excludeHeadPodFromServeSvc"] is True
    assert spec["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_workers_have_room_for_every_replica(spec: dict[str, Any], served: ServeApplicationSchema) -> None:
    needed = sum(each.num_replicas * each.ray_actor_options.num_cpus for each in served.deployments)
    (workers,) = spec["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    assert needed <= workers["minReplicas"] * float(container["resources"]["requests"]["cpu"])


def test_ray_is_the_one_that_is_tested(spec: dict[str, Any]) -> None:
    assert spec["rayClusterConfig"]["rayVersion"] == ray.__version__


def test_the_image_is_the_one_that_is_to_be_set(spec: dict[str, Any]) -> None:
    assert {container["image"] for container in containers(spec)} == {"ATELIER_IMAGE"}
