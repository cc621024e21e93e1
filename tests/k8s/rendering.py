"""What `kubectl apply -k` would send, for the part of kustomize that our manifests keep to.

resources (files and folders), namespace, images, patches (merge patches and JSON 6902 ones, in files), and
configMapGenerator with files and without a hash in the name. Anything else is refused.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

KNOWN = {"apiVersion", "kind", "resources", "namespace", "images", "patches", "configMapGenerator"}
OF_THE_CLUSTER = ("Namespace", "PriorityClass")
ATOMIC_LISTS = ("ray.io/v1", "monitoring.coreos.com/v1")  # elsewhere Kubernetes merges many lists by keys


def render(folder: Path) -> list[Manifest]:
    """The manifests of a folder with a kustomization.yaml. Raises ValueError for what is beyond this part."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(kustomization) - KNOWN:
        raise ValueError(f"{folder}: {', '.join(sorted(unknown))} is not rendered here")
    found = [each for name in kustomization.get("resources", []) for each in _resource(folder / name)]
    found += [_config_map(folder, entry) for entry in kustomization.get("configMapGenerator", [])]
    for patch in kustomization.get("patches", []):
        _patch(folder, found, patch)
    for image in kustomization.get("images", []):
        for manifest in found:
            _set_image(manifest, image)
    if namespace := kustomization.get("namespace"):
        for manifest in found:
            if manifest["kind"] not in OF_THE_CLUSTER:
                manifest["metadata"]["namespace"] = namespace
    return found


def _resource(path: Path) -> list[Manifest]:
    if path.is_dir():
        return render(path)
    return [_unshared(each) for each in yaml.safe_load_all(path.read_text()) if each]


def _config_map(folder: Path, entry: dict[str, Any]) -> Manifest:
    options = entry.get("options", {})
    if not options.get("disableNameSuffixHash") or set(entry) != {"name", "files", "options"}:
        raise ValueError(f"{folder}: a configMapGenerator has a name, files, and options without a hash")
    metadata = {"name": entry["name"], "labels": options.get("labels", {})}
    data = {name: (folder / name).read_text() for name in entry["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _patch(folder: Path, manifests: list[Manifest], patch: dict[str, Any]) -> None:
    change = _unshared(yaml.safe_load((folder / patch["path"]).read_text()))
    target = patch.get("target") or {"kind": change["kind"], "name": change["metadata"]["name"]}
    chosen = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == (target["kind"], target["name"])]
    if not chosen:
        raise ValueError(f"{folder}/{patch['path']}: there is no {target['kind']} {target['name']}")
    for manifest in chosen:
        if isinstance(change, list):
            for operation in change:
                _operate(manifest, _unshared(operation))
        else:
            _merge(manifest, change, lists=manifest["apiVersion"] in ATOMIC_LISTS)


def _operate(manifest: Manifest, operation: dict[str, Any]) -> None:
    """One operation of JSON 6902: add or replace."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    place: Any = manifest
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if operation["op"] == "add" and isinstance(place, list):
        place.insert(len(place) if last == "-" else int(last), operation["value"])
    elif operation["op"] == "add" or (operation["op"] == "replace" and last in place):
        place[last] = operation["value"]
    else:
        raise ValueError(f"{operation['op']} {operation['path']} cannot be done")


def _merge(onto: dict[str, Any], change: dict[str, Any], *, lists: bool) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(onto.setdefault(key, {}), value, lists=lists)
        elif isinstance(value, list) and not lists:
            raise ValueError(f"{key} is a list: patch it by JSON 6902")
        else:
            onto[key] = _unshared(value)


def _unshared(node: Any) -> Any:
    """A copy in which what anchors and aliases made one is apart."""
    return json.loads(json.dumps(node))


def _set_image(node: Any, image: dict[str, str]) -> None:
    for container in containers(node):
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"


def containers(node: Any) -> Iterator[dict[str, Any]]:
    """Every container of a manifest, however deep."""
    if isinstance(node, list):
        for each in node:
            yield from containers(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers"):
                yield from value
            else:
                yield from containers(value)
