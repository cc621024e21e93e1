"""Our part of kustomize gives what kubectl gives, and refuses the rest."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.conftest import OVERLAYS
from tests.k8s.pods import Manifest
from tests.k8s.rendering import render


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_renders_the_same(overlay: str, manifests: list[Manifest]) -> None:
    run = subprocess.run(["kubectl", "kustomize", OVERLAYS / overlay], capture_output=True, check=True)
    assert by_name(manifests) == by_name(list(yaml.safe_load_all(run.stdout)))


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests}


def test_no_two_manifests_have_one_name(manifests: list[Manifest]) -> None:
    assert len(by_name(manifests)) == len(manifests)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"kustomization.yaml": {"helmCharts": []}}, "helmCharts"),
        (
            {"kustomization.yaml": {"patches": [{"path": "p"}]}, "p": {"kind": "Job", "metadata": {"name": "x"}}},
            "no Job",
        ),
        (
            {
                "kustomization.yaml": {"resources": ["r"], "patches": [{"path": "p"}]},
                "r": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}},
                "p": {"kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 1}]}},
            },
            "JSON 6902",
        ),
        ({"kustomization.yaml": {"configMapGenerator": [{"name": "x", "files": ["r"]}]}}, "without a hash"),
    ],
)
def test_what_it_does_not_know_is_refused(tmp_path: Path, files: dict[str, Manifest], said: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=said):
        render(tmp_path)
