"""A training is started in Kubernetes once at a time, as a copy of its pattern."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ray._common.tls_utils import generate_self_signed_tls_certs

from cluster.retraining import NotStarted, RayJobs, start

PATH = "/apis/ray.io/v1/namespaces/shop/rayjobs"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 9, 3, 4, 5, tzinfo=UTC)
PATTERN = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "metadata": {"name": "weekly", "labels": {"app": "atelier"}, "uid": "1", "resourceVersion": "7"},
    "spec": {"suspend": True, "backoffLimit": 2, "entrypoint": "train --run RUN-a; publish RUN-a"},
    "status": {"jobDeploymentStatus": "Suspended"},
}


@dataclass
class Kubernetes:
    """As much of its API as RayJobs need, over TLS, for those who show the token."""

    account: Path
    jobs: dict[str, dict[str, Any]] = field(default_factory=lambda: {"weekly": PATTERN})
    url: str = ""

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(url)
        name = parts.path.removeprefix(PATH).strip("/")
        if not parts.path.startswith(PATH):
            return 403, {"message": "another namespace"}
        if method == "POST":
            job = json.loads(body)
            return (409, {}) if self.jobs.setdefault(job["metadata"]["name"], job) is not job else (201, job)
        if name:
            return (200, self.jobs[name]) if name in self.jobs else (404, {"message": f"no {name}"})
        key, _, value = parse_qs(parts.query)["labelSelector"][0].partition("=")
        return 200, {"items": [job for job in self.jobs.values() if job["metadata"]["labels"].get(key) == value]}


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    chain, key = generate_self_signed_tls_certs()
    for name, text in {"ca.crt": chain, "tls.key": key, "token": "let me in\n", "namespace": "shop"}.items():
        (tmp_path / name).write_text(text)
    it = Kubernetes(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            known = self.headers["authorization"] == "Bearer let me in"
            status, told = it.answer(self.command, self.path, body) if known else (401, {"message": "who are you"})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        do_GET = do_POST = handle_any

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    it.url = f"https://localhost:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield it
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def jobs(kubernetes: Kubernetes) -> RayJobs:
    return RayJobs(kubernetes.url, kubernetes.account)


def test_a_copy_runs_what_the_pattern_says(kubernetes: Kubernetes, jobs: RayJobs) -> None:
    assert start(jobs, "weekly", NOW) == "weekly-20260102-030405"
    copy = kubernetes.jobs["weekly-20260102-030405"]
    assert copy["spec"] == {
        "suspend": False,
        "backoffLimit": 2,
        "entrypoint": "train --run weekly-20260102-030405-a; publish weekly-20260102-030405-a",
    }
    assert copy["metadata"]["labels"] == {"app": "atelier", "atelier/pattern": "weekly"}
    assert set(copy) == {"apiVersion", "kind", "metadata", "spec"} and "uid" not in copy["metadata"]
    assert kubernetes.jobs["weekly"] == PATTERN


@pytest.mark.parametrize("status", [{}, {"jobDeploymentStatus": "Running"}, {"jobDeploymentStatus": "Retrying"}])
def test_one_at_a_time(kubernetes: Kubernetes, jobs: RayJobs, status: dict[str, str]) -> None:
    first = start(jobs, "weekly", NOW)
    kubernetes.jobs[first]["status"] = status
    with pytest.raises(NotStarted, match=f"{first} has not ended"):
        start(jobs, "weekly", LATER)
    assert len(kubernetes.jobs) == 2


@pytest.mark.parametrize("status", ["Complete", "Failed"])
def test_the_next_one_follows_one_that_ended(kubernetes: Kubernetes, jobs: RayJobs, status: str) -> None:
    kubernetes.jobs[start(jobs, "weekly", NOW)]["status"] = {"jobDeploymentStatus": status}
    assert start(jobs, "weekly", LATER) == "weekly-20260109-030405"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"suspend": False, "entrypoint": "train --run RUN"}, "is not suspended"),
        ({"suspend": True, "entrypoint": "train --run mine"}, "does not say RUN"),
    ],
)
def test_what_is_no_pattern_is_not_copied(
    kubernetes: Kubernetes, jobs: RayJobs, spec: dict[str, Any], said: str
) -> None:
    kubernetes.jobs["weekly"] = {**PATTERN, "spec": spec}
    with pytest.raises(NotStarted, match=said):
        start(jobs, "weekly", NOW)
    assert len(kubernetes.jobs) == 1


def test_refusals_are_told(kubernetes: Kubernetes, jobs: RayJobs) -> None:
    with pytest.raises(NotStarted, match=r"404.*no daily"):
        start(jobs, "daily", NOW)
    (kubernetes.account / "token").write_text("another")
    with pytest.raises(NotStarted, match=r"401.*who are you"):
        start(RayJobs(kubernetes.url, kubernetes.account), "weekly", NOW)


def test_another_server_is_not_trusted(kubernetes: Kubernetes) -> None:
    other, _ = generate_self_signed_tls_certs()
    (kubernetes.account / "ca.crt").write_text(other)
    with pytest.raises(NotStarted, match="CERTIFICATE_VERIFY_FAILED"):
        start(RayJobs(kubernetes.url, kubernetes.account), "weekly", NOW)
