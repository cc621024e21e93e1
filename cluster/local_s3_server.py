"""The process behind `LocalS3`: ministack's S3, reduced to one user on loopback.

Ministack emulates a cloud for tests: it believes every root key, and anyone may reset it. Here only S3 is
answered, and only to requests signed with the one generated key, whose signature ministack then verifies.

    python -m cluster.local_s3_server FOLDER SOCKET_FD

runs until SIGTERM, or until its standard input ends: whoever started it holds the other end.
"""

import asyncio
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cluster.companion import EXIT_FOLDER_IN_USE, FolderInUse, serving

_USER = "atelier"
_SCOPE = r"([^/,\s]+)/\d{8}/[^/,\s]+/s3/aws4_request"
_HEADER = re.compile(rf"AWS4-HMAC-SHA256 Credential={_SCOPE}, ?SignedHeaders=[^,\s]+, ?Signature=[0-9a-f]{{64}}$")
_SIGNING = {"x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid", "signature"}
_SIGNED_URL = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]
_ENVIRONMENT = {
    "SERVICES": "s3",
    "S3_PERSIST": "1",
    "PERSIST_STATE": "0",
    "AUTH": "true",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "MINISTACK_WORKER_THREADS": "16",
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",  # else it would remove containers at its start
    "LOG_LEVEL": "WARNING",
}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def one_user_only(app: App, access_key: str) -> App:
    """Pass on only what is signed, in one of the two plain ways, with `access_key`."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and admitted(scope, access_key)):
            await app(scope, receive, send)
        else:
            await _refuse(send)

    return guarded


def admitted(scope: Scope, access_key: str) -> bool:
    """Whether a request has the exact form whose signature ministack verifies.

    Either an Authorization header or a signed URL for reading, with `access_key`, once, and nothing that
    could be taken for a second signature: what names no key, ministack would take for its root.
    """
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"]
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    signing = sorted(name for name, _ in query if name.lower() in _SIGNING)
    if scope["path"].startswith("/_"):  # ministack's own controls; no bucket is named like this
        return False
    if headers:
        found = _HEADER.match(headers[0])
        return len(headers) == 1 and not signing and found is not None and found[1] == access_key
    values = dict(query)
    return (
        scope["method"] in ("GET", "HEAD")
        and signing == _SIGNED_URL
        and values["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        and re.fullmatch(_SCOPE, values["X-Amz-Credential"]) is not None
        and values["X-Amz-Credential"].split("/")[0] == access_key
    )


async def _refuse(send: Send) -> None:
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidAccessKeyId</Code>'
        b"<Message>The access key of the request is not known here.</Message></Error>"
    )
    headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _ministack(credentials: dict[str, str]) -> App:
    """Ministack's application, told of one user who may do anything in S3."""
    from ministack.app import app
    from ministack.services import iam

    key = credentials["access_key"]
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    arn = f"arn:aws:iam::000000000000:user/{_USER}"
    user = {
        "UserName": _USER,
        "Arn": arn,
        "UserId": "AIDAATELIER",
        "Path": "/",
        "AttachedPolicies": [],
        "Tags": [],
    }
    secret = {
        "UserName": _USER,
        "AccessKeyId": key,
        "SecretAccessKey": credentials["secret_key"],
        "Status": "Active",
        "CreateDate": "2026-01-01T00:00:00Z",
    }
    iam.load_persisted_state(
        {
            "users": {_USER: user},
            "access_keys": {key: secret},
            "user_inline_policies": {_USER: {"s3": policy}},
        }
    )
    return app


def _stop_at_its_end(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        stopping.set()


async def _serve(app: App, socket_fd: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{socket_fd}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 1.0
    config.keep_alive_timeout = 75
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_reader(sys.stdin.fileno(), _stop_at_its_end, loop, stopping)
    await serve(app, config, shutdown_trigger=stopping.wait)  # type: ignore[arg-type]


def main(folder: Path, socket_fd: int) -> int:
    """Serve the folder on the given listening socket. Returns the exit status."""
    try:
        with serving(folder):
            os.environ.update(_ENVIRONMENT, S3_DATA_DIR=str(folder / "data"))
            logging.basicConfig(level=logging.WARNING)
            credentials = json.loads((folder / "credentials.json").read_text())
            app = one_user_only(_ministack(credentials), credentials["access_key"])
            asyncio.run(_serve(app, socket_fd))
    except FolderInUse:
        return EXIT_FOLDER_IN_USE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
