"""The embedded S3 server: a bucket without a cloud, on loopback, with its data in `settings.home`.

with bucket_at_hand(Settings()) as settings:
    store = open_store(settings.bucket_url, settings)
"""

import fcntl
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster.object_store import Unavailable
from cluster.s3_store import S3Store
from cluster.settings import Settings

_READY_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 10.0
_HOST = "127.0.0.1"


@contextmanager
def bucket_at_hand(settings: Settings) -> Iterator[Settings]:
    """Settings whose bucket answers: as they are, or with the embedded server running meanwhile.

    The server is started where `s3_endpoint` is not set and the bucket is not a folder; one that already
    runs on the same home is used and left running.
    """
    if settings.s3_endpoint is not None or settings.folder is not None:
        yield settings
        return
    with LocalS3(settings) as server:
        yield settings.with_updates(**server.settings_update())


class LocalS3:
    """One server process for one home folder.

    The first to start owns the process and ends it with `stop()`; while it runs, others on the same home
    use it as guests, and their `stop()` does nothing. It dies with its owner, however that dies.
    Credentials, port and data outlive it, also over kill -9.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.home / "s3"
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint: str | None = None  # while it is known to run

    @property
    def owned(self) -> bool:
        """Whether this object started the process and will end it."""
        return self._process is not None

    def start(self) -> "LocalS3":
        """Start the server, or find it running; returns when it answers and the bucket is there.

        Raises Unavailable, naming the process that holds the folder where there is one.
        """
        _private_folder(self._folder)
        with _locked(self._folder / "start.lock"):
            running = _holder(self._folder)
            if running is None:
                running = self._spawn()
            self.endpoint = f"http://{_HOST}:{running['port']}"
            self._wait_until_ready(running)
        return self

    def stop(self) -> None:
        """End the process if this object started it; its data stays."""
        process, self._process, self.endpoint = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()  # acknowledged writes are on disk already
            process.wait()
        if process.stdin:
            process.stdin.close()

    def settings_update(self) -> dict[str, Any]:
        """The fields of Settings that lead to this server."""
        if self.endpoint is None:
            raise RuntimeError("the local S3 server is not started")
        return {"s3_endpoint": self.endpoint, "s3_region": "us-east-1", **_credentials(self._folder)}

    def __enter__(self) -> "LocalS3":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self) -> dict[str, int]:
        if importlib.util.find_spec("ministack") is None:
            raise Unavailable(
                self._settings.bucket_url,
                "",
                "no s3_endpoint is set, and the embedded server is not installed",
            )
        _credentials(self._folder)
        with _listening_socket(self._folder) as listener, (self._folder / "server.log").open("ab") as log:
            port = listener.getsockname()[1]
            command = [
                sys.executable,
                "-m",
                "cluster.local_s3_server",
                str(self._folder),
                str(listener.fileno()),
            ]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                env=_plain_environment(),
                start_new_session=True,  # a Ctrl-C for us is not for it: we stop it when we are done
            )
        running = {"pid": self._process.pid, "port": port, "owner": os.getpid()}
        _write_json(self._folder / "server.json", running)
        return running

    def _wait_until_ready(self, running: dict[str, int]) -> None:
        """Until a signed request is answered; making sure of the bucket is that request."""
        patient = self._settings.with_updates(
            **self.settings_update(), s3_attempts=1, s3_read_timeout_s=_ANSWER_TIMEOUT_S
        )
        store = S3Store(self._settings.bucket_url, patient)
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while True:
            try:
                return store.ensure_bucket()
            except Unavailable as error:
                if not _alive(running["pid"], self._process) or time.monotonic() > deadline:
                    self._give_up(running, error)
                time.sleep(0.05)

    def _give_up(self, running: dict[str, int], error: Unavailable) -> None:
        endpoint = self.endpoint
        self.stop()
        cause = (
            f"the local S3 server on {self._folder}, process {running['pid']} started by process "
            f"{running['owner']}, does not answer at {endpoint}; see {self._folder / 'server.log'}"
        )
        raise Unavailable(error.bucket, "", cause) from error


def _holder(folder: Path) -> dict[str, int] | None:
    """Process id, port and owner of the server that holds the folder; None when it is free.

    A server whose owner died is about to end: it is waited for.
    """
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    with (folder / "server.lock").open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = json.loads((folder / "server.json").read_text())
                if _alive(running["owner"]) or time.monotonic() > deadline:
                    return dict(running)
                time.sleep(0.05)
            else:
                return None


def _alive(pid: int, process: "subprocess.Popen[bytes] | None" = None) -> bool:
    if process is not None:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _credentials(folder: Path) -> dict[str, str]:
    """The generated key and secret, made once and kept readable to the owner alone."""
    path = folder / "credentials.json"
    if not path.exists():
        made = {"access_key": "AKIA" + secrets.token_hex(8).upper(), "secret_key": secrets.token_urlsafe(30)}
        _write_json(path, made)
    kept = json.loads(path.read_text())
    return {"s3_access_key": kept["access_key"], "s3_secret_key": kept["secret_key"]}


@contextmanager
def _listening_socket(folder: Path) -> Iterator[socket.socket]:
    """Bound to the remembered port on loopback where that is free, to a new one else."""
    try:
        remembered = json.loads((folder / "server.json").read_text())["port"]
    except FileNotFoundError:
        remembered = 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, remembered))
        except OSError:
            listener.bind((_HOST, 0))
        listener.listen(128)
        yield listener


def _plain_environment() -> dict[str, str]:
    """Ours without what would configure the server: credentials of a cloud, or its own switches."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")}
    root = str(Path(__file__).resolve().parent.parent)
    return {
        **kept,
        "PYTHONPATH": root,
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
    }


def _private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write_json(path: Path, content: Any) -> None:
    """Whole or not at all, readable to the owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
    os.replace(temporary, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
