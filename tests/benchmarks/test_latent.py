"""The parts of the latent benchmark that need no trained networks run, on networks of debug size."""

import json
import subprocess
import sys


def test_it_prints_its_rows() -> None:
    command = [sys.executable, "-m", "benchmarks.latent", "--size", "debug", "--slots", "32", "--runs", "1"]
    done = subprocess.run([*command, "--seconds", "2"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    names = {row["name"].partition("/")[0] for row in found["rows"]}
    assert {"latency_short_p99", "throughput", "step_ms", "share_of_peak", "engine_overhead"} <= names
    assert "not measured: the weights are random" in done.stderr
