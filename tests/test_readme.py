"""The README is true: its commands, calls, files and settings are those of the code."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import SecretStr

import atelier
from cluster.settings import Settings
from services import messages
from training import arguments, recipe
from training.evaluate import command as evaluation

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
REQUESTS = {
    "/v1/score": messages.ScoreRequest,
    "/v1/recommend": messages.RecommendRequest,
    "/v1/design": messages.DesignRequest,
    "/v1/alter": messages.AlterRequest,
    "/v1/variations": messages.VariationsRequest,
    "/v1/try-on": messages.TryOnRequest,
    "/v1/fitting": messages.FittingRequest,
    "/v1/items/coat-1": messages.PutItemRequest,
}


def commands() -> list[list[str]]:
    """The words of every command in the README's blocks, lines that are continued put together."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def of_program(*words: str) -> list[list[str]]:
    return [each for each in commands() if tuple(each[: len(words)]) == words]


def listed() -> dict[str, list[str]]:
    """Top-level entry of the tree: the entries beneath it."""
    tree: dict[str, list[str]] = {}
    for line in re.search(r"^```\n(.*?)^```", README, re.M | re.S)[1].splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            tree[next(reversed(tree))].append(name)
        else:
            tree[name] = []
    return tree


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make (\w+)", README)) <= targets


@pytest.mark.parametrize("command", of_program("atelier"), ids=" ".join)
def test_atelier_knows_its_commands(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _, name, *rest = command
    if name == "train":
        arguments.read(recipe.find(rest[0]), rest[1:])
        return
    group = rest[:1] if name == "keys" else []
    assert atelier.run([name, *group, "--help"]) == 0
    known = capsys.readouterr().out
    assert [word for word in rest if word.startswith("--") and word not in known] == []


@pytest.mark.parametrize("command", of_program("python", "-m"), ids=" ".join)
def test_programs_take_their_options(command: list[str]) -> None:
    module = command[2]
    assert find_spec(module)
    if module == "training.evaluate":
        evaluation.read(command[3:])
        return
    arguments.read(recipe.find(module.removeprefix("training.")), command[3:])


def test_ray_jobs_run_what_is_run_by_hand() -> None:
    (submitted,) = of_program("ray", "job", "submit")
    assert submitted[3] == "--" and submitted[4:] in of_program("python", "-m")


@pytest.mark.parametrize("command", of_program("curl"), ids=lambda each: each[2])
def test_calls_are_requests_that_the_service_takes(command: list[str]) -> None:
    path = command[2].partition(":8000")[2]
    if path == "/v1/release":
        return
    options = dict(zip(command[3::2], command[4::2], strict=True))
    if options.get("-X") == "DELETE":
        return
    if "-d" in options:
        request = json.loads(options["-d"])
    else:
        words = zip(command[3::2], command[4::2], strict=True)
        parts = dict(word.split("=", 1) for option, word in words if option == "-F")
        request = json.loads(parts.pop("request").removesuffix(";type=application/json"))
        request |= {name: {"data": "aGVsbG8="} for name in parts}
    REQUESTS[path].model_validate(request)


def test_every_call_has_an_example() -> None:
    assert {command[2].partition(":8000")[2] for command in of_program("curl")} == {*REQUESTS, "/v1/release"}


def test_the_tree_is_the_tree() -> None:
    tree = listed()
    missing = [top for top in tree if not (ROOT / top).exists()]
    missing += [f"{top}{name}" for top, names in tree.items() for name in names if not (ROOT / top / name).exists()]
    assert missing == []


@pytest.mark.parametrize("folder", ["demo/", "services/", "training/", "cluster/", "fashion_nn/"])
def test_the_tree_leaves_nothing_out(folder: str) -> None:
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / folder).iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py"
    }
    assert there - {"__init__.py"} - set(listed()[folder]) == set()


def test_settings_and_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \|", README.partition("## Settings")[2], re.M)
    told = {name: default.strip() for name, default in rows}
    real = {name: field.default for name, field in Settings.model_fields.items()}
    assert told == {name: as_told(default) for name, default in real.items()}


def as_told(default: object) -> str:
    """A default as the table writes it."""
    if default is None or isinstance(default, SecretStr):
        return "none"
    return f"{default:g}" if isinstance(default, float) else str(default)
