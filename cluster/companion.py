"""A process beside ours: one at most for a folder, found by whoever looks there, gone when its owner is.

Both ends are here. The owner's end starts the process and holds its standard input open. The process's end
locks the folder for as long as it lives and takes the end of its standard input for its owner's. Guests hold a lock of
theirs, by which an owner that is done knows that others are not.
"""

import fcntl
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

EXIT_FOLDER_IN_USE = 75
_STATE = "process.json"
_LOCK = "process.lock"
_GUESTS = "guests.lock"
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"),
    *("LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),  # where a GPU's driver is, and which GPUs are meant
)
_WAIT_FOR_THE_DYING_S = 20.0
_WAIT_FOR_LOOKERS_S = 1.0  # whoever looks for the process holds its lock for an instant
_POLL_S = 0.05
_LOOK_FOR_GUESTS_S = 0.5
_ROOT = Path(__file__).resolve().parent.parent
_LOGGER = logging.getLogger(__name__)


class FolderInUse(Exception):
    """Another process serves this folder."""


class Companion:
    """The owner's, or a guest's, end of one process for `folder`."""

    def __init__(self, folder: Path, *, stop_timeout_s: float, outlasts: bool = True) -> None:
        """outlasts: whether an owner that is done waits for its guests."""
        self.folder = folder
        self._stop_timeout_s, self._outlasts = stop_timeout_s, outlasts
        self._process: subprocess.Popen[bytes] | None = None
        self._visit: IO[str] | None = None  # a guest's lock, held while it is open

    @property
    def owned(self) -> bool:
        """Whether this object started the process and will end it."""
        return self._process is not None

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Only one at a time looks for the process and starts it. Makes the folder, for the owner alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with locked(self.folder / "start.lock"):
            yield

    def find(self) -> dict[str, Any] | None:
        """What was recorded of the process that runs now, with its "pid" and its "owner"; None without one.

        A process whose owner died is about to end: it is waited for.
        """
        deadline = time.monotonic() + _WAIT_FOR_THE_DYING_S
        while (running := running_in(self.folder)) is not None:
            if _exists(running["owner"]) or time.monotonic() > deadline:
                return running
            time.sleep(_POLL_S)
        return None

    def find_or(self, start: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The process that runs now, as its guest until `stop`, or one that is started. Within `starting`."""
        running = self.find()
        if running is None:
            return start()
        if not self.owned:
            self._visit = (self.folder / _GUESTS).open("a")
            fcntl.flock(self._visit, fcntl.LOCK_SH)
        return running

    def start(
        self,
        command: Sequence[str],
        *,
        record: Mapping[str, Any],
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Start the process with a plain environment and `environment`, and record it for others to find."""
        with (self.folder / "process.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=pass_fds,
                env={**_plain_environment(), **environment},
                start_new_session=True,  # a Ctrl-C for us is not for it: we stop it when we are done
            )
        running = {**record, "pid": self._process.pid, "owner": os.getpid()}
        write_private_json(self.folder / _STATE, running)
        return running

    def last_record(self) -> dict[str, Any]:
        """What was recorded of the process that ran last, running or not; empty before the first."""
        path = self.folder / _STATE
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def is_alive(self, running: Mapping[str, Any]) -> bool:
        """Whether the process of a record still runs."""
        return self._process.poll() is None if self._process is not None else _exists(running["pid"])

    def leave(self, *, done: bool) -> None:
        """`stop`, which waits for guests where that is wanted; who is not done, but fails, waits for nobody."""
        try:
            if done and self._outlasts:
                self._outlast_guests()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the process, if this object started it; a guest leaves."""
        if self._visit is not None:
            self._visit.close()
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def _outlast_guests(self) -> None:
        """Wait until nobody else uses the process, and end it before anybody comes. A guest has nothing to wait for."""
        said = False
        while self._process is not None and self._process.poll() is None:
            with self.starting(), (self.folder / _GUESTS).open("a") as guests:
                if _try_lock(guests, fcntl.LOCK_EX):
                    return self.stop()
            if not said:
                _LOGGER.warning("done, but others use what runs on %s: it stays until they are done, too", self.folder)
                said = True
            time.sleep(_LOOK_FOR_GUESTS_S)


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """The process's end: hold the folder. Raises FolderInUse."""
    with (folder / _LOCK).open("a") as lock:
        deadline = time.monotonic() + _WAIT_FOR_LOOKERS_S
        while not _try_lock(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise FolderInUse(str(folder))
            time.sleep(_POLL_S)
        yield


def running_in(folder: Path) -> dict[str, Any] | None:
    """What was recorded of the process that holds the folder; None when none does."""
    if not (folder / _STATE).exists():
        return None
    with (folder / _LOCK).open("a") as lock:
        free = _try_lock(lock, fcntl.LOCK_SH)
    return None if free else dict(json.loads((folder / _STATE).read_text()))


def write_private_json(path: Path, content: Any) -> None:
    """Whole or not at all, readable to the owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    os.replace(temporary, path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock on a file, and hold it."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _plain_environment() -> dict[str, str]:
    """Ours without what would configure the process by accident, and with this code to import."""
    kept = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    return {**kept, "PYTHONPATH": str(_ROOT)}
