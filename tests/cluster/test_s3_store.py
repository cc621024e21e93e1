"""What only a bucket does: signatures, pages, parts, retries."""

import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from botocore.exceptions import ConnectionClosedError

from cluster.object_store import AccessDenied, NotFound, StoreError, Unavailable
from cluster.s3_store import S3Store
from cluster.settings import Settings


def status_of(url: str, method: str = "GET", data: bytes | None = None) -> int:
    """The HTTP status with which an URL answers."""
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def with_query(url: str, **changes: str) -> str:
    """The URL with some of its query's values changed."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changes}
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_a_signed_url_reads_one_object(s3_store: S3Store) -> None:
    s3_store.put("a picture.jpg", b"pixels")
    url = s3_store.signed_url("a picture.jpg", expires_s=60)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"pixels"
        assert answer.headers["Content-Type"] == "image/jpeg"


def test_a_tampered_signed_url_is_refused(s3_store: S3Store) -> None:
    s3_store.put("mine.jpg", b"1")
    s3_store.put("other.jpg", b"2")
    url = s3_store.signed_url("mine.jpg", expires_s=60)
    signature = dict(parse_qsl(urlsplit(url).query))["X-Amz-Signature"]
    wrong = ("0" if signature[0] != "0" else "1") + signature[1:]
    for tampered in (
        url.replace("mine.jpg", "other.jpg"),
        with_query(url, **{"X-Amz-Expires": "6000"}),
        with_query(url, **{"X-Amz-Signature": wrong}),
        url.split("?")[0],
    ):
        assert status_of(tampered) == 403, tampered
    assert status_of(url, "PUT", b"3") == 403
    assert status_of(url, "DELETE") == 403
    assert s3_store.get("mine.jpg") == b"1"


def test_a_signed_url_expires(s3_store: S3Store) -> None:
    s3_store.put("mine.jpg", b"1")
    url = s3_store.signed_url("mine.jpg", expires_s=1)
    deadline = time.monotonic() + 20
    while (status := status_of(url)) == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 403


def test_signed_urls_name_the_public_address(s3_settings: Settings) -> None:
    public = s3_settings.with_updates(s3_public_endpoint="https://pictures.example.com")
    url = S3Store(public.bucket_url, public).signed_url("a.jpg")
    assert url.startswith("https://pictures.example.com/")


def test_wrong_credentials_are_access_denied(s3_settings: Settings) -> None:
    key = s3_settings.s3_access_key
    for wrong in (
        {"s3_access_key": key, "s3_secret_key": "wrong"},
        {"s3_access_key": "AKIANOBODY", "s3_secret_key": "x"},
    ):
        store = S3Store(s3_settings.bucket_url, s3_settings.with_updates(**wrong))
        for act in (
            store.get,
            store.info,
            lambda k, s=store: s.create(k, b""),
            lambda k, s=store: list(s.list(k)),
        ):
            with pytest.raises(AccessDenied) as caught:
                act("some/key")
            assert caught.value.key.endswith("some/key")


def test_a_bucket_that_is_not_there_is_named(s3_settings: Settings) -> None:
    store = S3Store("s3://no-such-bucket-anywhere", s3_settings)
    with pytest.raises(NotFound, match="no-such-bucket-anywhere"):
        list(store.list())
    with pytest.raises(NotFound, match="no-such-bucket-anywhere/a"):
        store.put("a", b"")


def test_a_bucket_is_made_once(s3_store: S3Store) -> None:
    s3_store.ensure_bucket()
    s3_store.ensure_bucket()


def test_listing_goes_over_pages(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(11):
        s3_store.put(f"page/{number:02}", b"")
    monkeypatch.setattr(S3Store, "page_size", 3)
    assert [info.key for info in s3_store.list("page/")] == [f"page/{number:02}" for number in range(11)]


def test_markers_of_folders_are_no_objects(s3_store: S3Store) -> None:
    s3_store.put("folder/object", b"")
    s3_store._client.put_object(Bucket=s3_store.name, Key=f"{s3_store.prefix}folder/", Body=b"")
    assert [info.key for info in s3_store.list("folder/")] == ["folder/object"]


def test_listing_goes_over_a_thousand(s3_store: S3Store) -> None:
    from concurrent.futures import ThreadPoolExecutor

    keys = [f"many/{number:04}" for number in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3_store.put(key, b""), keys))
    assert [info.key for info in s3_store.list("many/")] == keys


def test_large_objects_travel_in_parts(s3_store: S3Store, tmp_path: Path) -> None:
    source, target = tmp_path / "large", tmp_path / "back"
    source.write_bytes(os.urandom(17 * 2**20 + 5))
    s3_store.upload(source, "large.bin")
    assert s3_store.info("large.bin").etag.endswith("-3")
    s3_store.download("large.bin", target)
    assert target.read_bytes() == source.read_bytes()
    assert s3_store.same(s3_store.info("large.bin"), source)
    s3_store.put("again.bin", source.read_bytes())
    assert s3_store.info("again.bin").etag == s3_store.info("large.bin").etag


def test_a_failed_upload_in_parts_is_aborted(s3_store: S3Store, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(bytes(17 * 2**20))

    def break_second_part(params: dict, **_: object) -> None:
        if params["query_string"].get("partNumber") == 2:
            raise ConnectionClosedError(endpoint_url=params["url"])

    s3_store._client.meta.events.register("before-call.s3.UploadPart", break_second_part)
    with pytest.raises(Unavailable, match=r"large\.bin"):
        s3_store.upload(source, "large.bin")
    assert s3_store.open_uploads() == set()
    assert not s3_store.exists("large.bin")


@contextmanager
def broken_proxy(endpoint: str, broken: list[str]) -> Iterator[str]:
    """An address that hands connections on to `endpoint` and breaks as many as `broken` says, in its way.

    "before": closed before the server sees the request; "after": the server acts, the client never hears;
    "midway": the client gets only the beginning of the answer.
    """
    host, port = urlsplit(endpoint).hostname, urlsplit(endpoint).port
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_hand_on, args=(client, (host, port), broken), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _hand_on(client: socket.socket, address: tuple[str, int], broken: list[str]) -> None:
    """One request and its answer, then the connection ends."""
    with client, client.makefile("rb") as reading:
        line, headers, length = reading.readline(), [], 0
        while (header := reading.readline()) not in (b"\r\n", b""):
            headers.append(header)
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        way = broken.pop() if broken else "well"
        if way == "before" or not line:
            return
        if any(header.lower().startswith(b"expect:") for header in headers):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        answer = _asked(address, line, headers, reading.read(length))
        if way != "after":
            client.sendall(answer if way == "well" else answer[: len(answer) - 10])


def _asked(address: tuple[str, int], line: bytes, headers: list[bytes], body: bytes) -> bytes:
    dropped = (b"connection:", b"expect:")
    kept = [header for header in headers if not header.lower().startswith(dropped)]
    with socket.create_connection(address) as server:
        server.sendall(line + b"".join(kept) + b"Connection: close\r\n\r\n" + body)
        return b"".join(iter(lambda: server.recv(65536), b""))


def test_broken_connections_are_tried_again(s3_settings: Settings, s3_store: S3Store) -> None:
    s3_store.put("a", bytes(1000))
    for way in ("before", "after", "midway"):
        broken = [way]
        with broken_proxy(str(s3_settings.s3_endpoint), broken) as endpoint:
            assert S3Store(s3_store.url, s3_settings.with_updates(s3_endpoint=endpoint)).get("a") == bytes(1000)
        assert broken == []


def test_a_create_whose_answer_was_lost_counts_as_done(s3_settings: Settings, s3_store: S3Store) -> None:
    broken = ["after"]
    with broken_proxy(str(s3_settings.s3_endpoint), broken) as endpoint:
        S3Store(s3_store.url, s3_settings.with_updates(s3_endpoint=endpoint)).create("record", b"mine")
    assert broken == []
    assert s3_store.get("record") == b"mine"


def test_a_body_that_always_breaks_is_unavailable(s3_settings: Settings, s3_store: S3Store, tmp_path: Path) -> None:
    s3_store.put("a", bytes(1000))
    with broken_proxy(str(s3_settings.s3_endpoint), ["midway"] * 99) as endpoint:
        broken = S3Store(s3_store.url, s3_settings.with_updates(s3_endpoint=endpoint, s3_attempts=2))
        with pytest.raises(Unavailable, match="/a: unavailable"):
            broken.get("a")
        with pytest.raises(Unavailable):
            broken.download("a", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_down_is_unavailable_within_bounds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    settings = Settings(s3_endpoint=endpoint, s3_access_key="k", s3_secret_key="s")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="s3://atelier/releases/1: unavailable") as caught:
        S3Store(settings.bucket_url, settings).get("releases/1")
    assert endpoint in str(caught.value)
    assert time.monotonic() - began < 30


def test_a_server_that_never_answers_is_unavailable_within_bounds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        short = Settings(
            s3_endpoint=endpoint, s3_access_key="k", s3_secret_key="s", s3_attempts=2, s3_read_timeout_s=0.3
        )
        with pytest.raises(Unavailable, match="s3://atelier/a"):
            S3Store(short.bucket_url, short).info("a")


def test_missing_credentials_are_access_denied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(s3_endpoint="http://127.0.0.1:9")
    with pytest.raises(AccessDenied, match="s3://atelier/a"):
        S3Store(settings.bucket_url, settings).get("a")


def test_http_errors_of_the_server_are_kept_in_words(s3_settings: Settings) -> None:
    store = S3Store("s3://UPPER_not_a_bucket_name", s3_settings)
    with pytest.raises(StoreError):
        store.ensure_bucket()
