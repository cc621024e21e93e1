"""The pods that come of manifests, with the labels that KubeRay gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One kind of pod of one manifest."""

    owner: str  # kind/name/group
    labels: dict[str, str]
    spec: dict[str, Any]
    at_least: int  # how many of them there always are

    @property
    def container(self) -> dict[str, Any]:
        """The one that it has."""
        (found,) = self.spec["containers"]
        return found


def pods(manifests: list[Manifest]) -> list[Pod]:
    """All of them."""
    return [pod for manifest in manifests for pod in _of(manifest)]


def cluster_spec(manifest: Manifest) -> dict[str, Any]:
    """The Ray cluster of a RayService or a RayJob."""
    return manifest["spec"]["rayClusterConfig" if manifest["kind"] == "RayService" else "rayClusterSpec"]


def _of(manifest: Manifest) -> Iterator[Pod]:
    owner = f"{manifest['kind']}/{manifest['metadata']['name']}"
    if manifest["kind"] in ("RayService", "RayJob"):
        cluster = cluster_spec(manifest)
        yield _ray_pod(owner, "head", "headgroup", cluster["headGroupSpec"]["template"], 1)
        for group in cluster.get("workerGroupSpecs", []):
            yield _ray_pod(owner, "worker", group["groupName"], group["template"], group["minReplicas"])
    elif manifest["kind"] == "CronJob":
        template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        yield Pod(owner=owner, labels=template["metadata"]["labels"], spec=template["spec"], at_least=0)


def _ray_pod(owner: str, kind: str, group: str, template: dict[str, Any], at_least: int) -> Pod:
    given = {"ray.io/is-ray-node": "yes", "ray.io/node-type": kind, "ray.io/group": group}
    labels = {**template["metadata"]["labels"], **given}
    return Pod(owner=f"{owner}/{group}", labels=labels, spec=template["spec"], at_least=at_least)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector of matchLabels takes a pod; one of other fields is not understood here."""
    if set(selector) - {"matchLabels"}:
        raise ValueError(f"only matchLabels are understood, not {sorted(selector)}")
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
