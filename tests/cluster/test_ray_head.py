"""The keeper of a local cluster, with other commands in the place of Ray's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.companion import EXIT_FOLDER_IN_USE

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
SLEEP = "import time; time.sleep(600)"
CHILD = f"import subprocess, sys; subprocess.%s([sys.executable, '-c', {SLEEP!r}, *sys.argv[1:]]%s)"
WITH_CHILD = CHILD % ("run", "")
WITH_FUGITIVE = CHILD % ("Popen", ", start_new_session=True")
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder that is held, and the private one with the logs of a session."""
    (tmp_path / "held").mkdir()
    logs = tmp_path / "private" / "r" / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "gcs.log").write_text("hello")
    (tmp_path / "private" / "r" / "session_latest").symlink_to(logs.parent)
    return tmp_path / "held", tmp_path / "private"


def keeper(folders: tuple[Path, Path], program: str, mark: str) -> subprocess.Popen[bytes]:
    """A keeper of a Python program, which and whose children carry `mark` in their arguments."""
    command = [
        sys.executable,
        "-m",
        "cluster.ray_head",
        *map(str, folders),
        sys.executable,
        "-c",
        program,
        mark,
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=ENVIRONMENT, start_new_session=True)


def marked(mark: str) -> list[int]:
    """The processes, keepers aside, that carry the mark."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in line and b"cluster.ray_head" not in line:
                found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until it holds; fail when it takes much too long."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return f"mark-of-{tmp_path}"


@pytest.mark.parametrize("way", ["its owner ends", "it is told to", "it is killed"])
def test_everything_ends_when(way: str, folders: tuple[Path, Path], mark: str) -> None:
    kept = keeper(folders, SLEEP if way == "it is killed" else WITH_CHILD, mark)
    wait_for(lambda: len(marked(mark)) == (1 if way == "it is killed" else 2))
    if way == "its owner ends":
        assert kept.stdin
        kept.stdin.close()
    else:
        kept.send_signal(signal.SIGTERM if way == "it is told to" else signal.SIGKILL)
    kept.wait(30)
    wait_for(lambda: marked(mark) == [])


def test_the_session_goes_and_its_logs_stay(folders: tuple[Path, Path], mark: str) -> None:
    kept = keeper(folders, SLEEP, mark)
    wait_for(lambda: len(marked(mark)) == 1)
    kept.communicate(timeout=30)
    held, private = folders
    assert not private.exists()
    assert (held / "logs" / "gcs.log").read_text() == "hello"


def test_what_does_not_end_in_order_is_killed(folders: tuple[Path, Path], mark: str) -> None:
    program = "import cluster.ray_head as h, sys; from pathlib import Path; h._STOP_TIMEOUT_S = 0.3\n"
    program += "sys.exit(h.main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))  # cluster.ray_head"
    command = [sys.executable, "-c", program, *map(str, folders), sys.executable, "-c", STUBBORN, mark]
    kept = subprocess.Popen(command, stdin=subprocess.PIPE, env=ENVIRONMENT)
    wait_for(lambda: len(marked(mark)) == 2)
    time.sleep(0.2)  # until it is stubborn
    kept.communicate(timeout=30)
    assert marked(mark) == []


def test_a_command_that_ends_ends_the_keeper(folders: tuple[Path, Path], mark: str) -> None:
    assert keeper(folders, "raise SystemExit(3)", mark).wait(30) == 3


def test_what_left_its_session_ends_too(folders: tuple[Path, Path], mark: str) -> None:
    assert keeper(folders, WITH_FUGITIVE, mark).wait(30) == 0
    assert marked(mark) == []


def test_a_folder_is_held_once(folders: tuple[Path, Path], mark: str) -> None:
    first = keeper(folders, SLEEP, mark)
    wait_for(lambda: len(marked(mark)) == 1)
    assert keeper(folders, SLEEP, mark + "2").wait(30) == EXIT_FOLDER_IN_USE
    first.communicate(timeout=30)
