"""The process behind `LocalRay`: runs `ray start --head --block` and ends all of it when its owner ends.

    python -m cluster.ray_head FOLDER PRIVATE_FOLDER COMMAND…

Ray's own processes may outlive whoever started them; this one does not, and takes them with it. The private
folder, which Ray's temporary one lies in, goes too.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from cluster.companion import EXIT_FOLDER_IN_USE, FolderInUse, serving

_STOP_TIMEOUT_S = 12.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class _Stop(Exception):
    """Told to stop by a signal."""


def main(folder: Path, private: Path, command: list[str]) -> int:
    """Run the command until it ends, we are told to, or standard input ends. Returns the exit status."""
    try:
        with serving(folder):
            return _run(folder, private, command)
    except FolderInUse:
        return EXIT_FOLDER_IN_USE


def _run(folder: Path, private: Path, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _raise_stop)
    _linux_prctl(_PR_SET_CHILD_SUBREAPER, 1)  # whoever below loses its parent becomes our child
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent, start_new_session=True)
    try:
        while process.poll() is None:
            readable, _, _ = select.select([sys.stdin], [], [], 0.5)
            if readable and not os.read(sys.stdin.fileno(), 4096):
                break
    except _Stop:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        status = _end(process)
        _keep_logs(private, folder / "logs")
    return status


def _end(process: subprocess.Popen[bytes]) -> int:
    """End the command in order, and then whatever it left behind without."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    status = process.wait()
    _kill_session(process.pid)
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)  # a child of ours that we have not waited for: the id is still its own
            os.waitpid(pid, 0)
    return status


def _kill_session(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing is left of it


def _children() -> list[int]:
    """Our children, adopted ones included; none where the kernel does not tell (not Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended since
        if int(after_name[1]) == os.getpid():
            found.append(int(path.parent.name))
    return found


def _keep_logs(private: Path, kept: Path) -> None:
    """The logs of the last session stay for whoever wants to know why; everything else goes."""
    for logs in private.glob("*/session_latest/logs"):
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(logs, kept, ignore_dangling_symlinks=True)
    shutil.rmtree(private, ignore_errors=True)


def _end_with_parent() -> None:
    """Have the kernel terminate us when the process that started us is killed."""
    _linux_prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _linux_prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def _raise_stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
