"""One local cluster, and the programs that reach it: this file runs a real one, started once."""

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.ray_runtime import LocalRay, RayUnavailable, Reach
from cluster.settings import Settings

ROOT = str(Path(__file__).parents[2])
DRIVER = "/opt/driver"  # where that of a GPU may be
GUEST = """
import json, os, signal, sys
if "ray first" in sys.argv:
    import ray
from cluster.ray_runtime import connected
from cluster.settings import Settings
from pathlib import Path
settings = Settings(s3_region="eu-test-1")
ours = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED")
before = [os.environ.get(name) for name in ours]
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
with connected(settings) as address:
    import ray
    with connected(settings) as again:
        assert again == address
    shown = ("ATELIER_", "LD_LIBRARY_PATH")
    seen = ray.remote(num_cpus=0.1)(lambda: {k: v for k, v in os.environ.items() if k.startswith(shown)})
    seen = ray.get(seen.remote())
assert not ray.is_initialized() and [os.environ.get(name) for name in ours] == before
os.kill(os.getpid(), signal.SIGTERM)
print("ANSWER", json.dumps({"address": address, "seen": seen, "heard": heard}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("home")
    return Settings(home=folder, bucket_url=(folder / "bucket").as_uri(), ray_cpus=2)


@pytest.fixture(scope="module")
def local(home: Settings) -> Iterator[LocalRay]:
    local = LocalRay(home)
    yield local
    local.stop()


@pytest.fixture(scope="module")
def reach(local: LocalRay) -> Iterator[Reach]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_LIBRARY_PATH", DRIVER)
        yield local.start()


def environment_of(home: Settings) -> dict[str, str]:
    """That of a program that was told the settings and nothing of Ray."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "ATELIER_"))}
    return {**plain, **home.environment(), "PYTHONPATH": ROOT}


def answer_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert len(lines) == 1, done.stdout + done.stderr
    return dict(json.loads(lines[0].removeprefix("ANSWER ")))


@pytest.mark.parametrize(("order", "told"), [("ray first", "the address"), ("ray later", "the home")])
def test_a_program_on_the_same_home_joins(home: Settings, reach: Reach, order: str, told: str) -> None:
    environment = environment_of(home)
    if told == "the address":
        environment["ATELIER_RAY_ADDRESS"] = reach.address
    command = [sys.executable, "-c", GUEST, order]
    answer = answer_of(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120))
    assert answer["address"] == reach.address
    seen = answer["seen"]
    assert isinstance(seen, dict)
    assert (seen["ATELIER_BUCKET_URL"], seen["ATELIER_S3_REGION"]) == (home.bucket_url, "eu-test-1")
    assert seen["LD_LIBRARY_PATH"] == DRIVER
    assert answer["heard"] == ["SIGTERM"], "Ray has taken its own handler with it, and left ours"


def test_a_submitted_job_joins(home: Settings, reach: Reach, tmp_path: Path) -> None:
    (tmp_path / "guest.py").write_text(GUEST)
    runtime_env = json.dumps({"env_vars": home.environment()})
    submit = [str(Path(sys.executable).parent / "ray"), "job", "submit", f"--runtime-env-json={runtime_env}"]
    done = subprocess.run(
        [*submit, "--", "python", str(tmp_path / "guest.py")],
        env={**os.environ, **reach.environment},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert answer_of(done)["address"] == reach.address


def test_nobody_comes_in_without_the_token(home: Settings, reach: Reach) -> None:
    assert stat.S_IMODE((home.home / "ray" / "auth_token").stat().st_mode) == 0o600
    request = urllib.request.Request(f"{reach.dashboard}/api/jobs/", data=b'{"entrypoint": "true"}', method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 401


def test_other_users_cannot_come_near_its_sockets(home: Settings, reach: Reach) -> None:
    record = json.loads((home.home / "ray" / "process.json").read_text())
    assert stat.S_IMODE(Path(record["temp_dir"]).parent.stat().st_mode) == 0o700


def test_a_guest_finds_it_and_leaves_it_running(home: Settings, local: LocalRay, reach: Reach) -> None:
    guest = LocalRay(home)
    assert guest.find() == reach
    with guest as found:
        assert found == reach
        assert (local.owned, guest.owned) == (True, False)
    assert LocalRay(home).find() == reach


def test_nothing_is_left_in_the_end(home: Settings, local: LocalRay, reach: Reach) -> None:
    record = json.loads((home.home / "ray" / "process.json").read_text())
    assert processes_of(home) != []
    local.stop()
    assert LocalRay(home).find() is None
    assert processes_of(home) == []
    assert not Path(record["temp_dir"]).parent.exists()
    assert (home.home / "ray" / "logs").is_dir()


def test_a_ray_that_cannot_start_says_where_to_look(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.ray_runtime._ray_start", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(RayUnavailable, match=r"process\.log"):
        LocalRay(home).start()


def processes_of(home: Settings) -> list[bytes]:
    """The command lines of all processes that were started with this home in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if f"ATELIER_HOME={home.home}\0".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes())
            except OSError:
                continue
    return [line for line in found if line]
