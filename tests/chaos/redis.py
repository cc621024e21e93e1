"""A Redis server of one's own, which a head keeps its state in."""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cluster.ports import free_port

PROGRAM = "redis-server"
READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Redis:
    """Where it is, and what opens it."""

    address: str
    password: str = field(repr=False)


def at_hand() -> bool:
    """Whether there is a server to start."""
    return shutil.which(PROGRAM) is not None


@contextmanager
def serving() -> Iterator[Redis]:
    """An empty one on loopback, for as long as this is entered. Raises FileNotFoundError without the program."""
    port = free_port()
    found = Redis(f"127.0.0.1:{port}", secrets.token_hex(32))
    told = f'bind 127.0.0.1\nport {port}\nsave ""\nrequirepass {found.password}\n'
    process = subprocess.Popen([PROGRAM, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        process.stdin.write(told)
        process.stdin.close()
        _wait_for(process, port)
        yield found
    finally:
        process.kill()
        process.wait()


def _wait_for(process: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{PROGRAM} does not listen at port {port} after {READY_S:g} s, or has ended")
