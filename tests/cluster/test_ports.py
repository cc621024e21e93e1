"""Ports for programs that are about to start."""

import socket
from pathlib import Path

import pytest

from cluster import ports

AGENTS = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")


def test_a_free_port_is_none_that_the_kernel_gives_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handed_out = tmp_path / "range"
    monkeypatch.setattr(ports, "_HANDED_OUT", handed_out)
    for told in ("20001\t60999\n", "20002\t20003\n"):
        handed_out.write_text(told)
        assert 20_000 <= ports.free_port() < int(told.split()[0])


def test_one_that_is_listened_on_is_not_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = ports.free_port()
    monkeypatch.setattr(ports, "_LOWEST", own)
    monkeypatch.setattr(ports, "_HANDED_OUT", tmp_path / "range")
    (tmp_path / "range").write_text(f"{own + 1} 60999")
    assert ports.free_port() == own
    with socket.create_server(("127.0.0.1", own)), pytest.raises(OSError, match="in use"):
        ports.free_port()


def test_every_agent_of_a_node_has_a_port_of_its_own() -> None:
    options = dict(option.split("=") for option in ports.agent_ports())
    assert list(options) == [f"--{name}-port" for name in AGENTS] and len(set(options.values())) == len(AGENTS)
    assert ports.agent_ports(metrics=8080)[-1] == "--metrics-export-port=8080"
