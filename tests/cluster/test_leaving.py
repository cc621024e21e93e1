"""A node that leaves has handed over what it serves, and no request is lost by that."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UP = b"the cluster is up"
DIED = b"Termination is unexpected"  # of a raylet: Ray's own word where nobody ended it


def test_a_node_that_leaves_loses_no_request() -> None:
    try:
        run = two_nodes()
    except subprocess.TimeoutExpired as error:
        told = error.stdout or b""
        assert UP not in told or DIED in told, "it hung with its cluster up"
        run = two_nodes()  # Ray waits without end for a raylet that died as it began
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout.strip().splitlines()[-1])
    assert told.pop("answers") > 0
    assert told == {
        "served by the first": True,
        "left on the first": 0,
        "there": [],
        "served by another": True,
        "errors": [],
    }


def two_nodes() -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "RAY_TMPDIR": folder, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}
        command = [sys.executable, "-m", "tests.cluster.two_nodes"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
