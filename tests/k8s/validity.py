"""Whether Kubernetes would take a manifest as it stands: against its own schemas, KubeRay's and Prometheus'.

Unknown fields are refused, which an API server would drop in silence.
"""

import gzip
import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = ("1.33", "1.37")  # of Kubernetes: the oldest and the newest that the package knows
OTHERS = {"ray.io/v1", "monitoring.coreos.com/v1"}


def problems(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest; nothing where it is valid."""
    if manifest.get("apiVersion") not in OTHERS:
        return [found for version in VERSIONS for found in _of_kubernetes(manifest, version)]
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": manifest.get("metadata")}
    found = [f"{_place(error)}: {error.message}" for error in _validator(manifest["kind"]).iter_errors(manifest)]
    return found + [each for version in VERSIONS for each in _of_kubernetes(named, version)]


def _of_kubernetes(manifest: dict[str, Any], version: str) -> list[str]:
    group, _, api = manifest["apiVersion"].rpartition("/")
    name = "-".join(filter(None, (manifest["kind"].lower(), group.partition(".")[0], api)))
    if (validator := _own(name, version)) is None:
        return [f"Kubernetes {version} has no {manifest['kind']} of {manifest['apiVersion']}"]
    return [f"{_place(error)}: {error.message} (Kubernetes {version})" for error in validator.iter_errors(manifest)]


@cache
def _own(name: str, version: str) -> jsonschema.Draft202012Validator | None:
    """One of Kubernetes' own kinds; None where there is no such kind. What it does not name is not allowed in it."""
    path = _folder(version) / f"{name}.json"
    if not path.is_file():
        return None
    return jsonschema.Draft202012Validator(json.loads(path.read_text()), registry=_shared(version))


@cache
def _shared(version: str) -> Registry[Any]:
    return Resource.from_contents(json.loads((_folder(version) / "_definitions.json").read_text())) @ Registry()


def _folder(version: str) -> Traversable:
    return files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    path = SCHEMAS / f"{kind.lower()}-v1.json.gz"
    return jsonschema.Draft202012Validator(_closed(json.loads(gzip.decompress(path.read_bytes()))))


def _closed(schema: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def _place(error: Any) -> str:
    return "/".join(map(str, error.absolute_path)) or "the manifest"
