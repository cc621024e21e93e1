"""A store in a bucket, at any endpoint that speaks S3."""

import io
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as Unconnected,
)
from s3transfer.manager import TransferConfig, TransferManager
from urllib3.exceptions import HTTPError as BrokenBody

from cluster.folder_store import beside
from cluster.object_store import (
    AccessDenied,
    AlreadyExists,
    NotFound,
    ObjectInfo,
    ObjectStore,
    StoreError,
    Unavailable,
    check_key,
    content_type_of,
)
from cluster.settings import Settings
from cluster.signed_urls import Credentials, Keys, Signer

_T = TypeVar("_T")
_MISSING = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}
_DENIED = {
    "AccessDenied",
    "403",
    "401",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}
_TAKEN = {"PreconditionFailed", "412"}
_COLLIDED = {"ConditionalRequestConflict", "OperationAborted", "409"}  # two at once: try again
_UNREACHED = (HTTPClientError, Unconnected)
_CHUNK = 2**20
_LONGEST_PAUSE_S = 2.0


class S3Store(ObjectStore):
    """Objects under `s3://bucket/prefix`. The client retries with back-off and jitter, within bounds."""

    page_size: ClassVar[int] = 1000  # keys a page of a listing, S3's own limit

    def __init__(self, url: str, settings: Settings) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.name = parts.netloc
        self.bucket = f"s3://{self.name}"
        self.prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
        self._settings = settings
        self._client = _client(settings, settings.s3_endpoint)

    def put(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        self._put(key, io.BytesIO(data), len(data), content_type)

    def upload(self, path: Path, key: str, *, content_type: str | None = None) -> None:
        with path.open("rb") as file:
            self._put(key, file, os.fstat(file.fileno()).st_size, content_type)

    def create(self, key: str, data: bytes, *, content_type: str | None = None) -> None:
        where = self._where(key)
        kind = content_type or content_type_of(key)

        def attempt() -> None:
            with self._errors(key):
                self._client.put_object(**where, Body=data, ContentType=kind, IfNoneMatch="*")

        try:
            self._retried(attempt, _Collision)
        except AlreadyExists as error:
            # A try whose answer was lost may have been our own success.
            if not (_was_retried(error) and self.get(key) == data):
                raise

    def get(self, key: str) -> bytes:
        def attempt() -> bytes:
            sink = io.BytesIO()
            self._stream(key, sink)
            return sink.getvalue()

        return self._retried(attempt, _BrokenStream)

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path) as temporary:

            def attempt() -> None:
                with temporary.open("wb") as sink:
                    self._stream(key, sink)

            self._retried(attempt, _BrokenStream)
            os.replace(temporary, path)

    def info(self, key: str) -> ObjectInfo:
        where = self._where(key)
        with self._errors(key):
            found = self._client.head_object(**where)
        return ObjectInfo(
            key=key,
            size=found["ContentLength"],
            modified=found["LastModified"],
            etag=found["ETag"].strip('"'),
        )

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=self.prefix + prefix, PaginationConfig={"PageSize": self.page_size}
        )
        with self._errors(prefix):
            for page in pages:
                for found in page.get("Contents", ()):
                    if found["Key"].endswith("/"):  # the marker of a folder, which other programs leave
                        continue
                    yield ObjectInfo(
                        key=found["Key"].removeprefix(self.prefix),
                        size=found["Size"],
                        modified=found["LastModified"],
                        etag=found["ETag"].strip('"'),
                    )

    def delete(self, key: str) -> None:
        where = self._where(key)
        with self._errors(key):
            self._client.delete_object(**where)

    def signed_url(self, key: str, *, expires_s: int | None = None) -> str:
        seconds = self._settings.signed_url_expires_s if expires_s is None else expires_s
        with self._errors(key):
            return self._signer.url(self._where(key)["Key"], expires_s=seconds)

    def same(self, info: ObjectInfo, path: Path) -> bool:
        return path.stat().st_size == info.size and info.etag == self._expected_etag(path, info.size)

    def ensure_bucket(self) -> None:
        """Create the bucket unless it is there."""
        with self._errors(""):
            try:
                self._client.head_bucket(Bucket=self.name)
            except ClientError as error:
                if _code(error) not in _MISSING:
                    raise
                self._create_bucket()

    def open_uploads(self) -> set[str]:
        """Keys of multipart uploads that were begun and neither completed nor aborted."""
        with self._errors(""):
            found = self._client.list_multipart_uploads(Bucket=self.name, Prefix=self.prefix)
        return {upload["Key"].removeprefix(self.prefix) for upload in found.get("Uploads", ())}

    @cached_property
    def _signer(self) -> Signer:
        public = self._settings.s3_public_endpoint
        client = _client(self._settings, public) if public else self._client
        probe = client.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": "x"})
        return Signer(probe.partition("?")[0].removesuffix("x"), client.meta.region_name, self._credentials())

    def _credentials(self) -> Callable[[], Credentials]:
        """Those of the settings, or as boto3 finds them, which may change from time to time."""
        key, secret = self._settings.s3_access_key, self._settings.s3_secret_key
        if key is not None and secret is not None:
            keys = Keys(key, secret.get_secret_value())
            return lambda: keys
        found = boto3.session.Session().get_credentials()
        if found is None:
            raise NoCredentialsError
        return lambda: found.get_frozen_credentials()

    @cached_property
    def _transfers(self) -> TransferManager:
        config = TransferConfig(
            multipart_threshold=self._settings.s3_multipart_bytes,
            multipart_chunksize=self._settings.s3_part_bytes,
            max_request_concurrency=4,
        )
        return TransferManager(self._client, config)

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self.name, "Key": self.prefix + check_key(self.bucket, key)}

    def _put(self, key: str, body: BinaryIO, size: int, content_type: str | None) -> None:
        where, kind = self._where(key), content_type or content_type_of(key)
        with self._errors(key):
            if size < self._settings.s3_multipart_bytes:
                self._client.put_object(**where, Body=body, ContentType=kind)
            else:  # aborts by itself what it cannot complete
                extra = {"ContentType": kind}
                self._transfers.upload(body, where["Bucket"], where["Key"], extra_args=extra).result()

    def _stream(self, key: str, sink: BinaryIO) -> None:
        where = self._where(key)
        with self._errors(key):
            found = self._client.get_object(**where)
        try:
            with found["Body"] as body:
                for chunk in iter(lambda: body.read(_CHUNK), b""):
                    sink.write(chunk)
        except (BotoCoreError, BrokenBody) as error:  # not all of urllib3's are made botocore's
            raise _BrokenStream(self.bucket, key, self._described(error)) from error

    def _retried(self, attempt: Callable[[], _T], on: type[StoreError]) -> _T:
        """What the client does not retry itself: a body cut off half way, two creates that collided."""
        for number in range(1, self._settings.s3_attempts):
            try:
                return attempt()
            except on:
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.1 * 2**number)))
        return attempt()

    def _expected_etag(self, path: Path, size: int) -> str:
        """The ETag of an unencrypted object uploaded as `upload` does it."""
        part = size + 1 if size < self._settings.s3_multipart_bytes else self._settings.s3_part_bytes
        with path.open("rb") as file:
            digests = [md5(data, usedforsecurity=False).digest() for data in iter(lambda: file.read(part), b"")]
        if size < self._settings.s3_multipart_bytes:
            return (digests[0] if digests else md5(usedforsecurity=False).digest()).hex()
        return f"{md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

    def _create_bucket(self) -> None:
        region = self._settings.s3_region
        at_home = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(Bucket=self.name, **at_home)
        except ClientError as error:
            if _code(error) != "BucketAlreadyOwnedByYou":
                raise

    def _described(self, error: Exception) -> str:
        return f"{error} (endpoint {self._client.meta.endpoint_url})"

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """botocore's errors as ours, with bucket and key."""
        name = self.prefix + key
        try:
            yield
        except ClientError as error:
            raise _kind(error)(self.bucket, name, self._described(error)) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise AccessDenied(self.bucket, name, self._described(error)) from error
        except _UNREACHED as error:
            raise Unavailable(self.bucket, name, self._described(error)) from error
        except BotoCoreError as error:
            raise StoreError(self.bucket, name, self._described(error)) from error


class _BrokenStream(Unavailable):
    """The answer's body ended before its end."""


class _Collision(Unavailable):
    """Another conditional create of the same key was under way."""


def _client(settings: Settings, endpoint: str | None) -> Any:
    secret = settings.s3_secret_key
    config = Config(
        signature_version="s3v4",
        connect_timeout=settings.s3_connect_timeout_s,
        read_timeout=settings.s3_read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": settings.s3_attempts},
        max_pool_connections=settings.s3_connections,
        request_checksum_calculation="when_required",  # not every server knows the newer checksums
        response_checksum_validation="when_required",
        s3={"addressing_style": "auto" if endpoint is None or "amazonaws.com" in endpoint else "path"},
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=secret and secret.get_secret_value(),
        config=config,
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _kind(error: ClientError) -> type[StoreError]:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _TAKEN:
        return AlreadyExists
    if code in _COLLIDED:
        return _Collision
    if code in _MISSING:
        return NotFound
    if code in _DENIED or status in (401, 403):
        return AccessDenied
    return Unavailable if status >= 500 or code in {"SlowDown", "RequestTimeout"} else StoreError


def _was_retried(error: StoreError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
