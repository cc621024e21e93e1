"""The embedded server as processes see it: started, shared, killed, found again."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cluster.companion import EXIT_FOLDER_IN_USE, running_in
from cluster.local_s3 import LocalS3, bucket_at_hand
from cluster.local_s3_server import admitted
from cluster.object_store import AccessDenied, Unavailable, open_store
from cluster.s3_store import S3Store
from cluster.settings import Settings

OWNER = """
import sys, time
from pathlib import Path
from cluster.companion import EXIT_FOLDER_IN_USE, running_in
from cluster.local_s3 import LocalS3
from cluster.settings import Settings
server = LocalS3(Settings(home=Path(sys.argv[1]))).start()
print(server.endpoint, flush=True)
time.sleep(600)
"""

WITH_PATH = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Poll until it holds; fail when it takes much too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def server_process(settings: Settings) -> int:
    return int(json.loads((settings.home / "s3" / "process.json").read_text())["pid"])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_data_port_and_credentials_survive_a_restart(home: Settings) -> None:
    with bucket_at_hand(home) as first:
        open_store(first.bucket_url, first).put("a/b", b"kept")
        pid = server_process(home)
    assert not is_running(pid)
    with bucket_at_hand(home) as second:
        assert second.environment() == first.environment()
        assert open_store(second.bucket_url, second).get("a/b") == b"kept"


def test_it_listens_on_loopback_alone(home: Settings) -> None:
    with LocalS3(home) as server:
        port = int(str(server.endpoint).rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConnectionRefusedError):  # what is bound to every address answers here too
            socket.create_connection(("127.0.0.2", port)).close()


def test_credentials_are_private(home: Settings) -> None:
    with LocalS3(home):
        folder = home.home / "s3"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600


def test_two_homes_have_different_credentials(tmp_path: Path) -> None:
    one, two = (Settings(home=tmp_path / name) for name in ("one", "two"))
    with bucket_at_hand(one) as first, bucket_at_hand(two) as second:
        crossed = first.with_updates(s3_endpoint=second.s3_endpoint)
        with pytest.raises(AccessDenied):
            open_store(crossed.bucket_url, crossed).get("a")


def test_a_killed_server_leaves_its_data(home: Settings) -> None:
    with bucket_at_hand(home) as settings:
        store = open_store(settings.bucket_url, settings.with_updates(s3_attempts=1))
        for number in range(20):
            store.put(f"a/{number}", b"%d" % number)
        os.kill(server_process(home), signal.SIGKILL)
        wait_for(lambda: not is_running(server_process(home)))
        with pytest.raises(Unavailable):
            store.get("a/1")
    with bucket_at_hand(home) as settings:
        store = open_store(settings.bucket_url, settings)
        assert [store.get(info.key) for info in store.list("a/")] == sorted(b"%d" % n for n in range(20))


def test_an_empty_bucket_is_there_again_after_a_kill(home: Settings) -> None:
    with LocalS3(home):
        os.kill(server_process(home), signal.SIGKILL)
    with bucket_at_hand(home) as settings:
        assert list(open_store(settings.bucket_url, settings).list()) == []


def test_the_second_to_start_is_a_guest(home: Settings) -> None:
    with LocalS3(home) as owner:
        with LocalS3(home) as guest:
            assert guest.endpoint == owner.endpoint
            assert (owner.owned, guest.owned) == (True, False)
        settings = home.with_updates(**owner.settings_update())
        S3Store(settings.bucket_url, settings).ensure_bucket()


def test_an_owner_that_is_done_waits_for_its_guests(home: Settings) -> None:
    owner, guests = LocalS3(home).start(), [LocalS3(home).start() for _ in range(2)]
    leaving = threading.Thread(target=owner.__exit__, args=(None, None, None), daemon=True)
    leaving.start()
    for guest in guests:
        leaving.join(1)
        assert leaving.is_alive()
        settings = home.with_updates(**guest.settings_update())
        S3Store(settings.bucket_url, settings).ensure_bucket()
        guest.stop()
    leaving.join(20)
    assert not leaving.is_alive()
    assert running_in(home.home / "s3") is None


@pytest.mark.parametrize("how", ["fails", "does not outlast them"])
def test_an_owner_need_not_wait_for_its_guests(home: Settings, how: str) -> None:
    with ExitStack() as stack:
        stack.enter_context(suppress(RuntimeError))
        stack.enter_context(LocalS3(home, outlasts=how == "fails"))
        guest = LocalS3(home).start()
        assert not guest.owned
        if how == "fails":
            raise RuntimeError("of the owner")
    assert running_in(home.home / "s3") is None


def test_many_processes_start_one_server(home: Settings) -> None:
    command = [sys.executable, "-c", OWNER, str(home.home)]
    owners = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=WITH_PATH) for _ in range(3)]
    try:
        endpoints = {process.stdout.readline() for process in owners if process.stdout}
        assert len(endpoints) == 1
    finally:
        for process in owners:
            process.kill()
            process.communicate()
    wait_for(lambda: not is_running(server_process(home)))


def test_it_ends_with_an_owner_that_is_killed(home: Settings) -> None:
    command = [sys.executable, "-c", OWNER, str(home.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=WITH_PATH) as owner:
        assert owner.stdout and owner.stdout.readline().startswith("http://127.0.0.1:")
        pid = server_process(home)
        owner.kill()
    with LocalS3(home) as successor:  # waits for the one that is about to end
        assert successor.owned
        assert not is_running(pid)


def test_a_holder_that_does_not_answer_is_named(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.local_s3._READY_TIMEOUT_S", 0.5)
    with LocalS3(home):
        pid = server_process(home)
        os.kill(pid, signal.SIGSTOP)
        impatient = home.with_updates(s3_connect_timeout_s=0.2)
        try:
            monkeypatch.setattr("cluster.local_s3._ANSWER_TIMEOUT_S", 0.2)
            with pytest.raises(Unavailable, match=f"process {pid} started by process {os.getpid()}"):
                LocalS3(impatient).start()
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_folder_is_served_once(home: Settings) -> None:
    with LocalS3(home), socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            sys.executable,
            "-m",
            "cluster.local_s3_server",
            str(home.home / "s3"),
            str(listener.fileno()),
        ]
        second = subprocess.run(command, pass_fds=[listener.fileno()], env=WITH_PATH, timeout=60)
        assert second.returncode == EXIT_FOLDER_IN_USE


def test_a_taken_port_is_replaced(home: Settings) -> None:
    with LocalS3(home) as server:
        port = int(str(server.endpoint).rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), LocalS3(home) as server:
        assert server.endpoint != f"http://127.0.0.1:{port}"


def test_what_has_a_bucket_already_starts_nothing(tmp_path: Path) -> None:
    for settings in (
        Settings(home=tmp_path, bucket_url=tmp_path.as_uri()),
        Settings(home=tmp_path, s3_endpoint="http://127.0.0.1:9"),
    ):
        with bucket_at_hand(settings) as same:
            assert same is settings
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["test", "123456789012", "AKIANOBODY"])
def test_no_other_key_is_believed(local_s3_settings: Settings, key: str) -> None:
    # Ministack takes the first two for its root and does not check their signature.
    store = open_store("s3://atelier", local_s3_settings)
    store.put("private", b"1")
    client = boto3.client(
        "s3",
        endpoint_url=local_s3_settings.s3_endpoint,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    for act in (
        client.list_buckets,
        lambda: client.get_object(Bucket="atelier", Key="private"),
        lambda: client.create_bucket(Bucket="another"),
    ):
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            act()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/reset?X-Amz-Credential={key}"),
        ("POST", "/_ministack/config"),
        ("GET", "/"),
        ("GET", "/atelier/private"),
        ("GET", "/atelier/private?x-amz-credential={key}/20260101/us-east-1/s3/aws4_request"),
        ("GET", "/atelier/private?AWSAccessKeyId={key}&Signature=x&Expires=9999999999"),
        ("PUT", "/atelier/private"),
        ("DELETE", "/atelier/private"),
        ("OPTIONS", "/atelier/private"),
    ],
)
def test_what_is_not_signed_is_refused(local_s3_settings: Settings, method: str, path: str) -> None:
    store = open_store("s3://atelier", local_s3_settings)
    store.put("private", b"1")
    url = str(local_s3_settings.s3_endpoint) + path.format(key=local_s3_settings.s3_access_key)
    request = urllib.request.Request(url, method=method, data=b"2" if method in ("POST", "PUT") else None)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 403
    assert store.get("private") == b"1"


SCOPE = "KEY/20260101/us-east-1/s3/aws4_request"
HEADER = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature={'a' * 64}"
QUERY = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={SCOPE}&X-Amz-Signature=a"


@pytest.mark.parametrize(
    ("method", "path", "query", "authorization", "expected"),
    [
        ("PUT", "/b/k", "", [HEADER], True),
        ("GET", "/b/k", QUERY, [], True),
        ("HEAD", "/b/k", QUERY, [], True),
        ("PUT", "/b/k", QUERY, [], False),
        ("GET", "/b/k", "", [], False),
        ("GET", "/b/k", QUERY, [HEADER], False),
        ("GET", "/b/k", "AWSAccessKeyId=test", [HEADER], False),
        ("GET", "/b/k", QUERY + "&x-amz-credential=test/1/2/3/4", [], False),
        ("GET", "/b/k", QUERY.replace("KEY", "test"), [], False),
        ("GET", "/b/k", QUERY.replace("HMAC-SHA256", "ECDSA-P256-SHA256"), [], False),
        ("GET", "/b/k", "", [HEADER.replace("KEY", "test")], False),
        ("GET", "/b/k", "", [HEADER.replace("/s3/", "/iam/")], False),
        ("GET", "/b/k", "", [HEADER, HEADER], False),
        ("GET", "/b/k", "", ["Basic KEY", HEADER], False),
        ("POST", "/_ministack/reset", "", [HEADER], False),
    ],
)
def test_only_two_forms_of_request_are_admitted(
    method: str, path: str, query: str, authorization: list[str], expected: bool
) -> None:
    headers = [(b"host", b"x"), *((b"authorization", value.encode()) for value in authorization)]
    scope = {"method": method, "path": path, "query_string": query.encode(), "headers": headers}
    assert admitted(scope, "KEY") is expected
