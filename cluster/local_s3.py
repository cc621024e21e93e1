"""The embedded S3 server: a bucket without a cloud, on loopback, with its data in `settings.home`.

with bucket_at_hand(Settings()) as settings:
    store = open_store(settings.bucket_url, settings)
"""

import importlib.util
import json
import secrets
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster.companion import Companion, write_private_json
from cluster.object_store import Unavailable
from cluster.s3_store import S3Store
from cluster.settings import Settings

_READY_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 10.0  # what was acknowledged is on disk already: then it is killed
_HOST = "127.0.0.1"


@contextmanager
def bucket_at_hand(settings: Settings, *, outlasts: bool = True) -> Iterator[Settings]:
    """Settings whose bucket answers: as they are, or with the embedded server running meanwhile.

    The server is started where `s3_endpoint` is not set and the bucket is not a folder; one that already
    runs on the same home is used and left running. outlasts: as of LocalS3.
    """
    if settings.s3_endpoint is not None or settings.folder is not None:
        yield settings
        return
    with LocalS3(settings, outlasts=outlasts) as server:
        yield settings.with_updates(**server.settings_update())


class LocalS3:
    """One server process for one home folder.

    The first to start owns the process and ends it with `stop()`; while it runs, others on the same home
    use it as guests, and their `stop()` leaves it running. It dies with its owner, however that dies. An owner that is
    done waits for its guests, if it `outlasts` them; one that fails or is interrupted does not.
    Credentials, port and data outlive it, also over kill -9.
    """

    def __init__(self, settings: Settings, *, outlasts: bool = True) -> None:
        self._settings = settings
        self._folder = settings.home / "s3"
        self._companion = Companion(self._folder, stop_timeout_s=_STOP_TIMEOUT_S, outlasts=outlasts)
        self.endpoint: str | None = None  # while it is known to run

    @property
    def owned(self) -> bool:
        """Whether this object started the process and will end it."""
        return self._companion.owned

    def start(self) -> "LocalS3":
        """Start the server, or find it running; returns when it answers and the bucket is there.

        Raises Unavailable, naming the process that holds the folder where there is one.
        """
        with self._companion.starting():
            running = self._companion.find_or(self._spawn)
            self.endpoint = f"http://{_HOST}:{running['port']}"
            self._wait_until_ready(running)
        return self

    def stop(self) -> None:
        """End the process if this object started it, and leave it otherwise; its data stays."""
        self.endpoint = None
        self._companion.stop()

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
        self.endpoint = None
        self._companion.leave(done=kind is None)

    def _spawn(self) -> dict[str, Any]:
        if importlib.util.find_spec("ministack") is None:
            cause = "no s3_endpoint is set, and the embedded server (extra 'local') is not installed"
            raise Unavailable(self._settings.bucket_url, "", cause)
        _credentials(self._folder)
        with _listening_socket(self._companion.last_record().get("port", 0)) as listener:
            fd = listener.fileno()
            return self._companion.start(
                [sys.executable, "-m", "cluster.local_s3_server", str(self._folder), str(fd)],
                record={"port": listener.getsockname()[1]},
                environment={},
                pass_fds=[fd],
            )

    def _wait_until_ready(self, running: Mapping[str, Any]) -> None:
        """Until a signed request is answered; making sure of the bucket is that request."""
        once = {"s3_attempts": 1, "s3_read_timeout_s": _ANSWER_TIMEOUT_S}
        settings = self._settings.with_updates(**self.settings_update(), **once)
        store = S3Store(settings.bucket_url, settings)
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while True:
            try:
                return store.ensure_bucket()
            except Unavailable as error:
                if not self._companion.is_alive(running) or time.monotonic() > deadline:
                    raise self._give_up(running, error) from error
                time.sleep(0.05)

    def _give_up(self, running: Mapping[str, Any], error: Unavailable) -> Unavailable:
        cause = (
            f"the local S3 server on {self._folder}, process {running['pid']} started by process "
            f"{running['owner']}, does not answer at {self.endpoint}; see {self._folder / 'process.log'}"
        )
        self.stop()
        return Unavailable(error.bucket, "", cause)


def _credentials(folder: Path) -> dict[str, str]:
    """The generated key and secret, made once and kept readable to the owner alone."""
    path = folder / "credentials.json"
    if not path.exists():
        made = {"access_key": "AKIA" + secrets.token_hex(8).upper(), "secret_key": secrets.token_urlsafe(30)}
        write_private_json(path, made)
    kept = json.loads(path.read_text())
    return {"s3_access_key": kept["access_key"], "s3_secret_key": kept["secret_key"]}


@contextmanager
def _listening_socket(remembered: int) -> Iterator[socket.socket]:
    """Bound to the remembered port on loopback where that is free, to a new one else."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, remembered))
        except OSError:
            listener.bind((_HOST, 0))
        listener.listen(128)
        yield listener
