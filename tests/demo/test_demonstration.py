"""The whole path at its smallest, as a user starts it: two runs, calls by hand, and nothing left behind.

The longest test of all: about a minute and a half on two quiet cores.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cluster.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 1800.0  # a busy machine's


class Running:
    """`atelier demo --size debug` in a folder of its own, its lines read as they come."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "atelier", "demo", "--size", "debug", *options],
            cwd=folder,
            env={**plain_environment(), "ATELIER_HTTP_PORT": str(port), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, beginning: str) -> None:
        """Until a line begins so. Fails where the program ends before."""
        end = time.monotonic() + PATIENCE_S
        while not any(line.startswith(beginning) for line in list(self.lines)):
            assert self.process.poll() is None and time.monotonic() < end, self.said
            time.sleep(0.1)

    def end(self) -> int:
        """The exit code, when it has ended."""
        code = self.process.wait(PATIENCE_S)
        self.reader.join(10)
        return code

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))


def plain_environment() -> dict[str, str]:
    """Ours without what would send the demonstration to another bucket or another Ray."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ATELIER_", "AWS_", "RAY_"))}


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that were started with something of this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:  # gone meanwhile, or another user's
            continue
        if str(folder).encode() in told and int(process.name) != os.getpid():
            found.append(told[:200].replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demonstration")


@pytest.fixture(scope="module")
def up(folder: Path) -> Iterator[Running]:
    """The first run, which stays up; the tests of this file follow in order."""
    running = Running(folder, free_port())
    try:
        running.wait_for("Ctrl-C ends it")
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.end()


def test_the_first_run_shows_everything(up: Running, folder: Path) -> None:
    output = folder / "demo-output"
    assert (output / "index.html").is_file()
    assert len(list((output / "boards").glob("*.png"))) == 7  # two shoppers' three categories, and somebody new
    assert len(list((output / "strips").glob("*.png"))) == 2
    assert len(list((output / "fittings").glob("*.png"))) == 6  # two persons fitted, two shoppers by both ways
    answers = {path.stem: json.loads(path.read_text()) for path in (output / "answers").iterdir()}
    assert len({answer["release"] for answer in answers.values()}) == 1
    kinds = {name.partition("-u0")[0].partition("-test")[0] for name in answers}
    assert {"release", "recommend", "design", "score", "alter", "try-on", "fitting"} <= kinds


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_its_lines_for_curl_work_as_they_stand(up: Running, folder: Path) -> None:
    commands = [line for line in up.lines if line.startswith("curl ")]
    assert len(commands) == 5
    for command in commands:
        script = f"set -o pipefail; {command}"
        done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
        assert ">" in command or "release" in json.loads(done.stdout), done.stdout
    for name in ("fitting.jpg", "designed.jpg"):
        assert Image.open(folder / name).size == (48, 64)


def test_ctrl_c_ends_it_and_everything_it_started(up: Running, folder: Path) -> None:
    up.process.send_signal(signal.SIGINT)
    assert up.end() == 0, up.said
    assert_nothing_is_left_behind(folder)


def test_the_second_run_reuses_what_is_there_and_ends_by_itself(up: Running, folder: Path) -> None:
    again = Running(folder, free_port(), "--once")
    assert again.end() == 0, again.said
    for words in ("drawn before", "it is there", "trained before", "is made of these runs", "Done in"):
        assert words in again.said
    assert_nothing_is_left_behind(folder)


def assert_nothing_is_left_behind(folder: Path) -> None:
    """... within 20 s, which a process may take to go."""
    end = time.monotonic() + 20
    while left_behind(folder) and time.monotonic() < end:
        time.sleep(0.2)
    assert left_behind(folder) == []
