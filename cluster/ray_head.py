"""The process behind `LocalRay`: runs `ray start --head --block` and ends all of it when its owner ends.

    python -m cluster.ray_head FOLDER TEMP_DIR COMMAND…

Ray's own processes outlive whoever started them; this one does not, and takes them with it.
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

_STOP_TIMEOUT_S = 12.0  # Ray drains its node first
_PR_SET_PDEATHSIG = 1


class _Stop(Exception):
    """Told to stop by a signal."""


def main(folder: Path, temp_dir: Path, command: list[str]) -> int:
    """Run the command until it ends, we are told to, or standard input ends. Returns the exit status."""
    try:
        with serving(folder):
            return _run(folder, temp_dir, command)
    except FolderInUse:
        return EXIT_FOLDER_IN_USE


def _run(folder: Path, temp_dir: Path, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _raise_stop)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent, start_new_session=True
    )
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
        _keep_logs(temp_dir, folder / "logs")
    return status


def _end(process: subprocess.Popen[bytes]) -> int:
    """End Ray in order, and whatever is left of its session without."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nothing is left
    return process.wait()


def _keep_logs(temp_dir: Path, kept: Path) -> None:
    """The logs of the last session stay for whoever wants to know why; everything else goes."""
    logs = temp_dir / "session_latest" / "logs"
    if logs.is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(logs, kept, ignore_dangling_symlinks=True)
    shutil.rmtree(temp_dir, ignore_errors=True)


def _end_with_parent() -> None:
    """Have the kernel terminate us when the process that started us is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
