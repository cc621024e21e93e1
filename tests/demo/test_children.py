"""Programs run to their end, and nothing of them is left when everything is stopped."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from demo.children import ChildFailed, Children, Stopping

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("pids", child.pid, flush=True)
time.sleep(600)
"""


def run(children: Children, program: str, log: Path, said: list[str]) -> None:
    children.run("it", [sys.executable, "-c", program], environment=dict(os.environ), log=log, say=said.append)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def eventually(condition: object, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.02)
    return bool(condition())


def test_lines_go_to_the_log_and_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    run(Children(), "print('one'); print(); print('two')", tmp_path / "logs" / "it.log", said)
    assert said == ["one", "two"]
    assert (tmp_path / "logs" / "it.log").read_text() == "one\n\ntwo\n"


def test_a_failure_names_the_program_its_last_line_and_its_log(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="it ended with code 3: no such data set") as failure:
        run(Children(), "import sys; print('no such data set'); sys.exit(3)", tmp_path / "it.log", [])
    assert failure.value.log == tmp_path / "it.log"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_stopping_ends_the_whole_group_and_starts_no_more(tmp_path: Path) -> None:
    children, said, raised = Children(), [], []

    def lane() -> None:
        try:
            run(children, FAMILY, tmp_path / "it.log", said)
        except Stopping as stopping:
            raised.append(stopping)

    thread = threading.Thread(target=lane)
    thread.start()
    assert eventually(lambda: said)
    grandchild = int(said[0].split()[1])
    assert alive(grandchild)
    children.stop(grace_s=5)
    thread.join(20)
    assert not thread.is_alive() and len(raised) == 1
    assert eventually(lambda: not alive(grandchild))
    with pytest.raises(Stopping):
        run(children, "print('late')", tmp_path / "late.log", said)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_a_program_that_will_not_end_is_made_to(tmp_path: Path) -> None:
    stubborn = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)"
    )
    children, said = Children(), []

    def lane() -> None:
        with pytest.raises(Stopping):
            run(children, stubborn, tmp_path / "it.log", said)

    thread = threading.Thread(target=lane)
    thread.start()
    assert eventually(lambda: said)
    children.stop(grace_s=0.2)
    thread.join(20)
    assert not thread.is_alive() and not alive(int(said[0]))
