"""Starts a training in Kubernetes: a copy of a RayJob that is kept suspended as the pattern of all of them.

    python -m cluster.retraining PATTERN

Runs in a pod whose service account may get, list and create RayJobs of its namespace. The copy is named
PATTERN-YYYYMMDD-HHMMSS, and that name stands in its entrypoint where the pattern says RUN. While an earlier copy has
not ended, nothing is started.
"""

import json
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVER = "https://kubernetes.default.svc"
PATTERN_LABEL = "atelier/pattern"
ENDED = ("Complete", "Failed", "ValidationFailed")
TIMEOUT_S = 30.0


class NotStarted(Exception):
    """No training was started; says why."""


class RayJobs:
    """The RayJobs of one namespace, by Kubernetes' API."""

    def __init__(self, server: str = SERVER, account: Path = ACCOUNT) -> None:
        """`account`: a folder with the files token, ca.crt and namespace, as every pod has it."""
        self._url = f"{server}/apis/ray.io/v1/namespaces/{(account / 'namespace').read_text().strip()}/rayjobs"
        self._token = (account / "token").read_text().strip()
        self._trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def get(self, name: str) -> dict[str, Any]:
        """One of them. Raises NotStarted."""
        return self._ask("GET", f"/{quote(name, safe='')}")

    def copies(self, pattern: str) -> list[dict[str, Any]]:
        """Those that were started from `pattern`. Raises NotStarted."""
        found: list[dict[str, Any]] = self._ask("GET", f"?labelSelector={quote(f'{PATTERN_LABEL}={pattern}')}")["items"]
        return found

    def create(self, job: Mapping[str, Any]) -> None:
        """One more. Raises NotStarted."""
        self._ask("POST", "", json.dumps(job).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._trusted) as answer:
                read: dict[str, Any] = json.load(answer)
                return read
        except HTTPError as error:
            raise NotStarted(f"{method} {request.full_url}: {error.code}, {error.read(500).decode()}") from error
        except (URLError, TimeoutError, ConnectionError) as error:
            raise NotStarted(f"{method} {request.full_url}: {error}") from error


def start(jobs: RayJobs, pattern: str, now: datetime) -> str:
    """Start a copy of `pattern`; its name. Raises NotStarted."""
    running = [job["metadata"]["name"] for job in jobs.copies(pattern) if not has_ended(job)]
    if running:
        raise NotStarted(f"{', '.join(running)} has not ended yet")
    copy = copied(jobs.get(pattern), f"{pattern}-{now:%Y%m%d-%H%M%S}")
    jobs.create(copy)
    return str(copy["metadata"]["name"])


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether KubeRay is done with it, well or badly, its further tries included."""
    return job.get("status", {}).get("jobDeploymentStatus") in ENDED


def copied(pattern: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A RayJob that runs what `pattern` says. Raises NotStarted where that is not suspended, or names no RUN."""
    spec = pattern["spec"]
    if not spec.get("suspend"):
        raise NotStarted(f"RayJob {pattern['metadata']['name']} is not suspended: it is a training, not a pattern")
    if "RUN" not in spec["entrypoint"]:
        raise NotStarted(f"the entrypoint of RayJob {pattern['metadata']['name']} does not say RUN anywhere")
    labels = {**pattern["metadata"].get("labels", {}), PATTERN_LABEL: pattern["metadata"]["name"]}
    return {
        "apiVersion": pattern["apiVersion"],
        "kind": pattern["kind"],
        "metadata": {"name": name, "labels": labels},
        "spec": {**spec, "suspend": False, "entrypoint": spec["entrypoint"].replace("RUN", name)},
    }


def main(pattern: str) -> int:
    """The exit code: 0, or 1 and one line on stderr."""
    try:
        print(start(RayJobs(), pattern, datetime.now(UTC)), "started", flush=True)
    except NotStarted as error:
        print(f"cluster.retraining: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
