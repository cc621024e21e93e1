"""Ports of this machine for programs that are about to start."""

import random
import socket
from pathlib import Path

_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 20_000  # below it Ray's workers have theirs, 10002 to 19999
_TRIES = 100


def free_port() -> int:
    """A port that nobody listens on, and that nobody is given unasked.

    The kernel gives ports of a range of its own to whoever connects or binds without naming one. A port
    from there may be gone by the time that the program it was meant for has started.

    Raises OSError if each of a hundred ports is taken.
    """
    ports = range(_LOWEST, _end())
    tried = random.SystemRandom().sample(ports, min(_TRIES, len(ports)))
    for port in tried:
        if _is_free(port):
            return port
    raise OSError(f"{len(tried)} ports from {ports.start} to {ports.stop - 1} were tried, and all are in use")


def agent_ports(metrics: int | None = None) -> list[str]:
    """Options of `ray start`: where a node's agents listen, each at a free port; `metrics` is where it tells those.

    A raylet whose agents are to choose waits a quarter of a minute to be told what they chose, and then dies, which on
    a busy machine is too short (Ray 2.60; ray-project/ray, issue 65983).
    """
    names = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")
    ports = [free_port() for _ in names[:-1]] + [metrics or free_port()]
    return [f"--{name}-port={port}" for name, port in zip(names, ports, strict=True)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def _end() -> int:
    """Where the kernel's own range begins; where it leaves no room below, a port out of it must do."""
    try:
        begin = int(_HANDED_OUT.read_text().split()[0])
    except OSError:  # not Linux: the range that IANA set apart
        begin = 49_152
    return begin if begin > _LOWEST else 65_536
