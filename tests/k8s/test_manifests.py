"""Every manifest is valid, holds no secret, and gives its pods as little as they need."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import ray

from cluster import leaving
from cluster.ray_runtime import SERVING
from cluster.settings import ENV_PREFIX, Settings
from tests.k8s.conftest import OVERLAYS
from tests.k8s.pods import Manifest, Pod, cluster_spec, pods, selects
from tests.k8s.rendering import containers, render
from tests.k8s.validity import problems

WHOLE = {"app.kubernetes.io/part-of": "atelier"}
RAY_DASHBOARD, RAY_CLIENT, GCS = 8265, 10001, 6379


def named(manifests: list[Manifest], kind: str, name: str = "atelier") -> Manifest:
    (found,) = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def put(path: str, value: object) -> Callable[[Manifest], None]:
    """Sets what a path of keys and indices leads to."""

    def change(manifest: Manifest) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = manifest
        for part in way:
            place = place[part]
        place[last] = value

    return change


HEAD = "spec/rayClusterConfig/headGroupSpec/template/spec"
BREAKAGES = [
    ("RayService", "atelier", put(f"{HEAD}/containers/0/imagePullPolice", "Always"), "imagePullPolice"),
    ("RayService", "atelier", put("spec/rayClusterConfig/workerGroupSpecs/0/minReplicas", "one"), "'one'"),
    ("RayService", "atelier", put("spec/rayClusterConfig/gcsFaultToleranceOptions", {"backend": "etcd"}), "etcd"),
    ("RayService", "atelier", put("spec/rayClusterConfig/authOptions/mode", "none"), "'none'"),
    ("RayService", "atelier", put("metadata/label", {}), "'label'"),
    ("RayService", "atelier", put("spec/serveConfig", ""), "serveConfig"),
    ("RayJob", "atelier-training", put("spec/schedule", "0 3 * * 0"), "schedule"),
    ("RayJob", "atelier-training", put("spec/backoffLimit", "2"), "'2'"),
    ("CronJob", "atelier-retraining", put("spec/concurrencyPolicies", "Forbid"), "concurrencyPolicies"),
    ("NetworkPolicy", "atelier", put("spec/ingress/0/ports", [{"ports": 80}]), "'ports'"),
    ("PodDisruptionBudget", "atelier-cpu", put("spec/minAvailables", 1), "minAvailables"),
    ("PriorityClass", "atelier-serving", put("value", "high"), "'high'"),
    ("ConfigMap", "atelier-settings", put("data/ATELIER_GRPC_PORT", 9000), "9000"),
    ("ServiceMonitor", "atelier", put("spec/endpoints/0/intervals", "15s"), "intervals"),
    ("ServiceMonitor", "atelier", put("spec/selector", "atelier"), "'atelier'"),
    ("PrometheusRule", "atelier", put("spec/groups/0/rules/0/expression", "up == 0"), "expression"),
    ("Service", "atelier", put("apiVersion", "v2"), "no Service of v2"),
]


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return render(OVERLAYS / "production")


def test_every_manifest_is_valid(manifests: list[Manifest]) -> None:
    found = {(each["kind"], each["metadata"]["name"]): problems(each) for each in manifests}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(("kind", "name", "change", "said"), BREAKAGES, ids=[str(each[3]) for each in BREAKAGES])
def test_a_broken_manifest_is_refused(
    production: list[Manifest], kind: str, name: str, change: Callable[[Manifest], None], said: str
) -> None:
    broken = copy.deepcopy(named(production, kind, name))
    change(broken)
    assert any(said in problem for problem in problems(broken))


def test_everything_is_of_one_namespace_and_labelled(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    for manifest in manifests:
        assert manifest["metadata"]["labels"].items() >= WHOLE.items(), manifest["metadata"]["name"]
        if manifest["kind"] not in ("Namespace", "PriorityClass"):
            assert manifest["metadata"]["namespace"] == namespace["metadata"]["name"]
    for binding in of_kind(manifests, "RoleBinding"):
        assert {each["namespace"] for each in binding["subjects"]} == {namespace["metadata"]["name"]}


def test_ray_and_the_image_are_the_same_everywhere(manifests: list[Manifest]) -> None:
    clusters = [cluster_spec(each) for each in manifests if each["kind"] in ("RayService", "RayJob")]
    assert {each["rayVersion"] for each in clusters} == {ray.__version__}
    assert len({each["image"] for manifest in manifests for each in containers(manifest)}) == 1


def test_there_is_no_secret_in_them(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == []
    for manifest in manifests:
        for name, value in values(manifest):
            assert not re.search(r"key|secret|password|token", name, re.I), name
            assert not re.search(r"\bAKIA|BEGIN [A-Z ]*PRIVATE|atelier_[0-9a-f]{16}_", value)


def values(node: Any, name: str = "") -> list[tuple[str, str]]:
    """Every value of a manifest under the nearest name, but for references to Secrets and names that mean none."""
    if isinstance(node, list):
        return [pair for each in node for pair in values(each, name)]
    if isinstance(node, dict):
        held = {key: value for key, value in node.items() if key not in ("secretRef", "secretKeyRef")}
        plain = {"automountServiceAccountToken": "account", "topologyKey": "topology", "key": "taint"}
        return [pair for key, value in held.items() for pair in values(value, plain.get(key, key))]
    return [(name, str(node))]


@pytest.mark.parametrize("name", ["ATELIER_S3_SECRET_KEY", "password"])
def test_a_secret_would_be_found(production: list[Manifest], name: str) -> None:
    broken = copy.deepcopy(production)
    named(broken, "ConfigMap", "atelier-settings")["data"][name] = "hunter2"
    with pytest.raises(AssertionError, match=name):
        test_there_is_no_secret_in_them(broken)


def test_pods_are_nobody_and_may_nothing(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.owner
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.owner
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, pod.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.owner
        assert all("hostPath" not in volume for volume in pod.spec.get("volumes", [])), pod.owner


def test_only_who_asks_kubernetes_for_something_has_an_account(manifests: list[Manifest]) -> None:
    asking = {pod.owner for pod in pods(manifests) if pod.spec.get("automountServiceAccountToken") is not False}
    assert asking <= {"RayService/atelier/headgroup", "CronJob/atelier-retraining"}
    for role in of_kind(manifests, "Role"):
        assert role["rules"] == [
            {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["get", "list", "create"]}
        ]


def test_pods_ask_for_what_they_may_use_and_are_probed(manifests: list[Manifest]) -> None:
    classes = {each["metadata"]["name"] for each in of_kind(manifests, "PriorityClass")}
    for pod in pods(manifests):
        resources = pod.container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]) <= set(resources["limits"]), pod.owner
        assert pod.spec["priorityClassName"] in classes and pod.spec["enableServiceLinks"] is False, pod.owner
        if "ray.io/node-type" in pod.labels:
            assert resources["requests"] == resources["limits"], pod.owner  # what Ray counts is what there is
            ports = {each["name"]: each["containerPort"] for each in pod.container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = pod.container[probe]["httpGet"]
                assert asked["port"] in (52365, *ports) and asked["path"].startswith("/"), pod.owner


def test_written_folders_are_volumes(manifests: list[Manifest]) -> None:
    settings = named(manifests, "ConfigMap", "atelier-settings")["data"]
    for pod in pods(manifests):
        if "ray.io/node-type" in pod.labels:
            mounted = {mount["mountPath"]: mount["name"] for mount in pod.container["volumeMounts"]}
            assert {"/tmp", settings["ATELIER_HOME"], settings["HOME"]} <= set(mounted), pod.owner
            assert set(mounted.values()) == {volume["name"] for volume in pod.spec["volumes"]}, pod.owner
            folder = Settings(bucket_url=settings["ATELIER_BUCKET_URL"]).folder
            assert folder is None or any(folder.is_relative_to(path) for path in mounted), pod.owner


def test_settings_exist_and_keys_are_required(manifests: list[Manifest], overlay: str) -> None:
    data = named(manifests, "ConfigMap", "atelier-settings")["data"]
    own = {name: value for name, value in data.items() if name.startswith(ENV_PREFIX)}
    settings = Settings(**{name.removeprefix(ENV_PREFIX).lower(): value for name, value in own.items()})
    assert settings.api_keys == "required" and settings.ray_address is None
    assert int(data["RAY_SERVE_GRPC_MAX_MESSAGE_SIZE"]) == settings.grpc_max_message_bytes
    assert SERVING.items() <= data.items()
    assert settings.tls_certificate is None  # TLS ends before HAProxy
    for pod in pods(manifests):
        if "ray.io/node-type" in pod.labels:
            first, second = pod.container["envFrom"]
            assert first == {"configMapRef": {"name": "atelier-settings"}}, pod.owner
            assert second == {"secretRef": {"name": "atelier-s3", "optional": overlay == "trial"}}, pod.owner
            assert "env" not in pod.container, pod.owner


def test_pods_end_after_their_requests(manifests: list[Manifest]) -> None:
    longest = Settings().request_timeout_s
    serving = [pod for pod in pods(manifests) if pod.labels["app.kubernetes.io/component"] == "serving"]
    for pod in serving:
        assert pod.container["lifecycle"]["preStop"]["exec"]["command"] == ["python", "-m", leaving.__name__], pod.owner
        assert pod.spec["terminationGracePeriodSeconds"] > leaving.PATIENCE_S > longest, pod.owner
    assert serving and named(manifests, "RayService")["spec"]["rayClusterDeletionDelaySeconds"] > longest


def test_services_reach_ports_that_pods_have(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        chosen = [pod for pod in pods(manifests) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        assert chosen, service["metadata"]["name"]
        for pod in chosen:
            ports = {each["name"]: each["containerPort"] for each in pod.container["ports"]}
            assert {each["targetPort"]: each["port"] for each in service["spec"]["ports"]}.items() <= ports.items()


def test_what_is_watched_is_there(manifests: list[Manifest]) -> None:
    services = of_kind(manifests, "Service")
    for monitor in of_kind(manifests, "ServiceMonitor"):
        (service,) = [s for s in services if selects(monitor["spec"]["selector"], s["metadata"]["labels"])]
        assert {each["port"] for each in monitor["spec"]["endpoints"]} == {p["name"] for p in service["spec"]["ports"]}
        watched = {
            pod.owner for pod in pods(manifests) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
        }
        assert watched == {pod.owner for pod in pods(manifests) if "ray.io/node-type" in pod.labels}


def test_nobody_talks_to_a_pod_that_no_policy_covers(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        kinds = {kind for policy in covering(manifests, pod) for kind in policy["spec"]["policyTypes"]}
        assert kinds == {"Ingress", "Egress"}, pod.owner


def covering(manifests: list[Manifest], pod: Pod) -> list[Manifest]:
    policies = of_kind(manifests, "NetworkPolicy")
    return [policy for policy in policies if selects(policy["spec"]["podSelector"], pod.labels)]


def test_rays_own_ports_answer_nobody_outside(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        for source, ports in admitted(manifests, pod):
            inside = source == {"podSelector": {"matchLabels": WHOLE}}
            operator = source.get("podSelector") == {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}
            allowed = {RAY_DASHBOARD} if operator else {8000, 9000, 8080}
            assert inside or (ports and ports <= allowed and "namespaceSelector" in source), (pod.owner, source)
    exposed = [each for each in of_kind(manifests, "Service") if each["spec"].get("type", "ClusterIP") != "ClusterIP"]
    assert exposed == [] and of_kind(manifests, "Ingress") == []
    ports = {port["port"] for each in of_kind(manifests, "Service") for port in each["spec"]["ports"]}
    assert not ports & {RAY_DASHBOARD, RAY_CLIENT, GCS}


def admitted(manifests: list[Manifest], pod: Pod) -> list[tuple[dict[str, Any], set[int]]]:
    """Who may reach a pod, and at which ports; no ports are all of them."""
    rules = [rule for policy in covering(manifests, pod) for rule in policy["spec"].get("ingress", [])]
    return [
        (source, {each["port"] for each in rule.get("ports", [])})
        for rule in rules
        for source in rule.get("from", [{}])  # nobody named: everybody
    ]


@pytest.mark.parametrize("rule", [{}, {"from": [{"namespaceSelector": {}}]}, {"ports": [{"port": RAY_DASHBOARD}]}])
def test_an_open_door_would_be_found(production: list[Manifest], rule: dict[str, Any]) -> None:
    broken = copy.deepcopy(production)
    named(broken, "NetworkPolicy", "atelier-metrics")["spec"]["ingress"].append(rule)
    with pytest.raises(AssertionError):
        test_rays_own_ports_answer_nobody_outside(broken)


def test_the_operator_reaches_every_dashboard(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        if pod.labels.get("ray.io/node-type") == "head":
            assert any(RAY_DASHBOARD in ports for _, ports in admitted(manifests, pod)), pod.owner


def test_budgets_leave_every_node_drainable(manifests: list[Manifest], overlay: str) -> None:
    budgets = of_kind(manifests, "PodDisruptionBudget")
    for budget in budgets:
        chosen = [pod for pod in pods(manifests) if selects(budget["spec"]["selector"], pod.labels)]
        assert chosen, budget["metadata"]["name"]
        assert set(budget["spec"]) == {"minAvailable", "selector"}  # no other form is heard for an operator's pods
        assert all(1 <= budget["spec"]["minAvailable"] < pod.at_least for pod in chosen)
    guarded = {pod.owner for b in budgets for pod in pods(manifests) if selects(b["spec"]["selector"], pod.labels)}
    serving = {pod.owner for pod in pods(manifests) if pod.labels["app.kubernetes.io/component"] == "serving"}
    assert guarded == (serving if overlay == "production" else set())


def test_spreading_counts_the_pods_of_its_own_group(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            chosen = {each.owner for each in pods(manifests) if selects(constraint["labelSelector"], each.labels)}
            assert chosen == {pod.owner}


def test_the_head_outlives_its_pod_in_production(production: list[Manifest]) -> None:
    cluster = cluster_spec(named(production, "RayService"))
    options = cluster["gcsFaultToleranceOptions"]
    assert options["redisAddress"].startswith("rediss://") and "value" not in options["redisPassword"]
    assert "externalStorageNamespace" not in options  # two clusters during an upgrade: a namespace each
    port = int(options["redisAddress"].rpartition(":")[2])
    (head,) = [pod for pod in pods(production) if pod.owner == "RayService/atelier/headgroup"]
    rules = [rule for policy in covering(production, head) for rule in policy["spec"].get("egress", [])]
    assert any(port in {each["port"] for each in rule.get("ports", [])} for rule in rules)


def test_groups_can_grow_where_ray_may_ask_for_it(manifests: list[Manifest], overlay: str) -> None:
    cluster = cluster_spec(named(manifests, "RayService"))
    assert cluster.get("enableInTreeAutoscaling", False) is (overlay == "production")
    for group in cluster["workerGroupSpecs"]:
        assert 1 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert (group["minReplicas"] < group["maxReplicas"]) is (overlay == "production")


def test_the_namespace_asks_for_pod_security(manifests: list[Manifest]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] in ("baseline", "restricted")
