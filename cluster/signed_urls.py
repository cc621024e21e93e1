"""Signed URLs as S3 checks them (AWS Signature Version 4, in the query), fast: an answer has many of them.

    https://host/path?X-Amz-Algorithm=…&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=…&X-Amz-Signature=…

boto3 makes the same ones, in a millisecond of the processor's time each; a test compares.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

ALGORITHM, SERVICE, END = "AWS4-HMAC-SHA256", "s3", "aws4_request"
UNRESERVED = "-._~"


class Credentials(Protocol):
    """What requests are signed with."""

    access_key: str
    secret_key: str
    token: str | None


class Keys(NamedTuple):
    """Credentials that stay."""

    access_key: str
    secret_key: str
    token: str | None = None


class Signer:
    """Signs reads of objects. `base` is the URL of an object without its key: `https://host/bucket/`."""

    def __init__(self, base: str, region: str, credentials: Callable[[], Credentials]) -> None:
        parts = urlsplit(base)
        self._place, self._host, self._path = f"{parts.scheme}://{parts.netloc}", parts.netloc, parts.path
        self._region, self._credentials = region, credentials

    def url(self, key: str, *, expires_s: int, now: datetime | None = None) -> str:
        """Who has it may read the object for so many seconds."""
        credentials, stamp = self._credentials(), (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self._region}/{SERVICE}/{END}"
        query = _query(credentials.access_key, credentials.token, scope, stamp, expires_s)
        path = self._path + quote(key, safe="/" + UNRESERVED)
        request = f"GET\n{path}\n{query}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _mac(_key_of(credentials.secret_key, stamp[:8], self._region), text).hex()
        return f"{self._place}{path}?{query}&X-Amz-Signature={signature}"


@lru_cache(maxsize=8)
def _query(access_key: str, token: str | None, scope: str, stamp: str, expires_s: int) -> str:
    """All but the signature: the same for every object within a second."""
    told = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-Security-Token": token,
        "X-Amz-SignedHeaders": "host",
    }
    return "&".join(f"{name}={quote(value, safe=UNRESERVED)}" for name, value in told.items() if value is not None)


@lru_cache(maxsize=8)
def _key_of(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for each in (day, region, SERVICE, END):
        key = _mac(key, each)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
