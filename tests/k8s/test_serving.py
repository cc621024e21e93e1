"""What the RayService serves is loaded as Ray Serve loads it, and has room on its pods."""

import pytest
import yaml
from ray._common.utils import import_attr
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve._private.application_state import override_deployment_info
from ray.serve._private.deployment_info import DeploymentInfo
from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

from cluster.settings import Settings
from services import application, ingress
from tests.k8s.pods import Manifest, cluster_spec
from tests.k8s.test_manifests import named
from tests.services.test_application import deployments


@pytest.fixture
def stated(manifests: list[Manifest]) -> ServeDeploySchema:
    return ServeDeploySchema.model_validate(yaml.safe_load(named(manifests, "RayService")["spec"]["serveConfigV2"]))


@pytest.fixture
def served(stated: ServeDeploySchema) -> ServeApplicationSchema:
    (found,) = stated.applications
    return found


@pytest.fixture
def settings(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of the pods, as this process's own."""
    for name, value in named(manifests, "ConfigMap", "atelier-settings")["data"].items():
        if name != "HOME":
            monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
def built(served: ServeApplicationSchema, settings: Settings) -> dict[str, DeploymentInfo]:
    """The application that the import path leads to, with its arguments, before anything is changed."""
    app = call_user_app_builder_with_args_if_necessary(import_attr(served.import_path), served.args)
    return {
        each.name: DeploymentInfo(each._deployment_config, each._replica_config, 0, "")  # started when, by which job
        for each in deployments(app)
    }


@pytest.fixture
def final(built: dict[str, DeploymentInfo], served: ServeApplicationSchema) -> dict[str, DeploymentInfo]:
    """The same with what the manifest changes, by Serve's own hand."""
    return override_deployment_info(built, served)


def test_it_is_the_application(served: ServeApplicationSchema, built: dict[str, DeploymentInfo]) -> None:
    assert (served.name, served.import_path) == (application.NAME, application.IMPORT_PATH)
    assert served.route_prefix == "/" and set(built) == set(application.OPTIONS)


def test_both_faces_are_served(stated: ServeDeploySchema, settings: Settings) -> None:
    http, grpc = ingress.http_options(settings), ingress.grpc_options(settings)
    assert (stated.http_options.host, stated.http_options.port) == (http.host, http.port)
    assert stated.grpc_options.port == grpc.port
    assert stated.grpc_options.grpc_servicer_functions == grpc.grpc_servicer_functions


def test_only_processors_and_gpus_are_changed(
    served: ServeApplicationSchema, built: dict[str, DeploymentInfo], final: dict[str, DeploymentInfo]
) -> None:
    for changed in served.deployments:
        assert changed.model_fields_set == {"name", "ray_actor_options"}
    for name, info in final.items():
        for option in (
            "max_ongoing_requests",
            "max_queued_requests",
            "graceful_shutdown_timeout_s",
            "user_config",
            "autoscaling_config",
        ):
            assert getattr(info.deployment_config, option) == getattr(built[name].deployment_config, option)


def test_a_deployment_that_is_not_there_is_refused(
    built: dict[str, DeploymentInfo], served: ServeApplicationSchema
) -> None:
    wrong = ServeApplicationSchema.model_validate(
        {**served.model_dump(exclude_unset=True), "deployments": [{"name": "Tailor", "num_replicas": 2}]}
    )
    with pytest.raises(ValueError, match="Tailor"):
        override_deployment_info(built, wrong)


def fewest_and_most(info: DeploymentInfo) -> tuple[int, int]:
    """Replicas."""
    scaling = info.deployment_config.autoscaling_config
    count = info.deployment_config.num_replicas
    return (scaling.min_replicas, scaling.max_replicas) if scaling else (count, count)


def asked(info: DeploymentInfo, of: str) -> float:
    """Processors or GPUs of one replica."""
    return float(info.replica_config.ray_actor_options.get(of) or 0)


def room(manifests: list[Manifest], of: str, count: str) -> float:
    """Processors or GPUs of all workers, at their fewest or their most."""
    groups = cluster_spec(named(manifests, "RayService"))["workerGroupSpecs"]
    key = {"num_cpus": "cpu", "num_gpus": "nvidia.com/gpu"}[of]
    return sum(
        group[count] * float(group["template"]["spec"]["containers"][0]["resources"]["limits"].get(key, 0))
        for group in groups
    )


@pytest.mark.parametrize("of", ["num_cpus", "num_gpus"])
def test_the_workers_have_room(manifests: list[Manifest], final: dict[str, DeploymentInfo], of: str) -> None:
    fewest = sum(asked(info, of) * fewest_and_most(info)[0] for info in final.values())
    most = sum(asked(info, of) * fewest_and_most(info)[1] for info in final.values())
    assert fewest <= room(manifests, of, "minReplicas") and most <= room(manifests, of, "maxReplicas")


def test_where_there_are_gpus_the_networks_that_paint_have_them(
    manifests: list[Manifest], final: dict[str, DeploymentInfo]
) -> None:
    wanted = {"Designer", "FittingRoom"} if room(manifests, "num_gpus", "minReplicas") else set()
    assert {name for name, info in final.items() if asked(info, "num_gpus")} == wanted
    assert sum(asked(info, "num_gpus") for info in final.values()) <= 1  # one of each shares a GPU


def test_one_limiter_counts(final: dict[str, DeploymentInfo]) -> None:
    assert fewest_and_most(final["Limiter"]) == (1, 1)


def test_the_head_serves_nobody(manifests: list[Manifest]) -> None:
    spec = named(manifests, "RayService")["spec"]
    assert spec["excludeHeadPodFromServeSvc"] is True
    head = spec["rayClusterConfig"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    (container,) = head["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports["serve"] == Settings().http_port  # KubeRay makes no Service for Serve without
