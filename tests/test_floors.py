"""Imports run downwards only: read from the source, and seen in what an import really loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What each floor may import of the others.
BELOW = {
    "fashion_nn": set(),
    "cluster": set(),
    "training": {"cluster", "fashion_nn"},
    "services": {"cluster", "fashion_nn"},
    "demo": {"services", "training", "cluster", "fashion_nn"},
    "benchmarks": {"services", "training", "cluster", "fashion_nn"},
    "atelier": {"demo", "services", "training", "cluster", "fashion_nn"},
}
# Plain PyTorch: what runs on an accelerator machine that has PyTorch alone.
PLAIN = {"torch", "torchvision", "numpy", "PIL", "safetensors"}
GENERATED = ("_pb2", "_pb2_grpc")  # by protoc
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}


def sources(floor: str) -> list[Path]:
    """The Python files of a floor that somebody wrote: a package's, or the one module's."""
    folder = ROOT / floor
    if not folder.is_dir():
        return [ROOT / f"{floor}.py"]
    return sorted(path for path in folder.rglob("*.py") if not path.stem.endswith(GENERATED))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and first name of every absolute import in a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.split(".")[0]


def in_fresh_interpreter(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("floor", BELOW)
def test_imports_run_downwards(floor: str) -> None:
    forbidden = set(BELOW) - BELOW[floor] - {floor}
    upwards = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(floor)
        for line, name in imported(path)
        if name in forbidden or name == "tests"
    ]
    assert upwards == []


def test_fashion_nn_is_plain_pytorch() -> None:
    allowed = set(sys.stdlib_module_names) | PLAIN | {"fashion_nn"}
    foreign = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources("fashion_nn")
        for line, name in imported(path)
        if name not in allowed
    ]
    assert foreign == []


def test_importing_fashion_nn_loads_no_ray_no_s3_no_http_and_changes_nothing() -> None:
    modules = [module_name(path) for path in sources("fashion_nn") if path.stem != "__main__"]
    seen = in_fresh_interpreter(
        "import sys, importlib, threading, torch\n"
        "def settings():\n"
        "    return torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed()\n"
        "before = settings()\n"
        f"[importlib.import_module(name) for name in {modules!r}]\n"
        "heavy = {'ray', 'boto3', 'botocore', 'fastapi', 'starlette', 'uvicorn'} & set(sys.modules)\n"
        "print(sorted(heavy), threading.active_count(), before == settings())"
    )
    assert seen == "[] 1 True"


@pytest.mark.parametrize("floor", BELOW)
def test_nothing_happens_at_import(floor: str) -> None:
    """A module's own body defines things; it calls nothing for its effect and runs no loop."""
    acts = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(floor)
        for node in ast.parse(path.read_text(), str(path)).body
        if (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant))
        or isinstance(node, ast.For | ast.While | ast.With | ast.Delete)
    ]
    assert acts == []


def test_importing_everything_starts_no_ray_and_writes_nothing() -> None:
    modules = [module_name(path) for floor in BELOW for path in sources(floor) if path.stem != "__main__"]
    seen = in_fresh_interpreter(
        "import sys, importlib, os\n"
        "here = set(os.listdir())\n"
        f"[importlib.import_module(name) for name in {modules!r}]\n"
        "ray = sys.modules.get('ray')\n"
        "print(bool(ray and ray.is_initialized()), sorted(set(os.listdir()) - here - {'__pycache__'}))"
    )
    assert seen == "False []"


def test_every_file_is_named_by_its_purpose() -> None:
    vague = [str(path.relative_to(ROOT)) for floor in BELOW for path in sources(floor) if path.stem in VAGUE]
    assert vague == []
