"""The overlays, rendered."""

from pathlib import Path

import pytest

from tests.k8s.pods import Manifest
from tests.k8s.rendering import render

OVERLAYS = Path(__file__).resolve().parents[2] / "k8s" / "overlays"


@pytest.fixture(scope="session", params=["trial", "production"])
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def manifests(overlay: str) -> list[Manifest]:
    return render(OVERLAYS / overlay)
