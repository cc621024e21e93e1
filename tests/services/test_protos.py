"""What is committed of the protobufs is what protoc makes of atelier.proto."""

from pathlib import Path

import pytest

from services.protos.generate import HERE, generate

GENERATED = ("atelier_pb2.py", "atelier_pb2.pyi", "atelier_pb2_grpc.py")


def without_versions(text: str) -> list[str]:
    """A later protoc writes its own version, and may write the same messages."""
    return [line for line in text.splitlines() if "ersion" not in line and not line.strip(" ,").isdigit()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    generate(folder)
    return folder / "services" / "protos"


@pytest.mark.parametrize("name", GENERATED)
def test_what_is_committed_is_what_is_made(made: Path, name: str) -> None:
    assert without_versions((HERE / name).read_text()) == without_versions((made / name).read_text())
