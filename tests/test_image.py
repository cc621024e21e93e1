"""The Dockerfile builds from what is there, pinned, and runs as nobody in particular."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def steps() -> list[tuple[str, str]]:
    """Every instruction and its words, lines that are continued put together."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def of(name: str) -> list[str]:
    return [words for instruction, words in steps() if instruction == name]


def left_out(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build; the last line that speaks of it decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        tail = pattern.removeprefix("**/")
        named = fnmatch(path.split("/")[0], pattern) or (tail != pattern and fnmatch(path.rpartition("/")[2], tail))
        if line and not line.startswith("#") and named:
            out = not line.startswith("!")
    return out


def test_it_does_not_run_as_root() -> None:
    manifest = yaml.safe_load((ROOT / "k8s/base/rayservice.yaml").read_text())
    head = manifest["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["securityContext"]
    user, group = map(int, of("USER")[-1].split(":"))
    assert (user, group) == (head["runAsUser"], head["runAsGroup"]) and user != 0
    last = max(index for index, (name, _) in enumerate(steps()) if name == "USER")
    assert not any(name == "RUN" for name, _ in steps()[last:])


def test_versions_are_those_that_were_tested() -> None:
    installs = [words for words in of("RUN") if "pip install" in words]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in words or "--no-deps" in words for words in installs)


def test_the_build_is_left_behind() -> None:
    assert len(of("FROM")) == 2 and of("FROM")[0].endswith(" AS build")
    assert of("COPY")[-1] == "--from=build /opt/atelier /opt/atelier"


def test_no_registry_and_no_index_is_named() -> None:
    assert "://" not in (ROOT / "Dockerfile").read_text()
    assert all(image in ("${PYTHON}", "${PYTHON} AS build") for image in of("FROM"))
    assert of("ARG")[0] == "PYTHON=python:3.11-slim-bookworm"


def test_everything_that_is_installed_is_there_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    modules = {f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]}
    wanted = packages | modules | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    present = {path.name for path in ROOT.iterdir() if not left_out(path.name)}
    assert present == wanted
    assert left_out(".env") and left_out("cluster/ray-up.yaml") and left_out("services/__pycache__")
    assert not left_out("services/protos/atelier.proto") and not left_out("demo/page.html")
