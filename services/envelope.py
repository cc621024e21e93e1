"""What comes with a request beside its message, under the same names in HTTP's headers and in gRPC's metadata."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.errors import bad_input
from services.messages import Message

REQUEST_ID = "x-request-id"
TIMEOUT = "x-timeout-s"
IDEMPOTENCY_KEY = "idempotency-key"
AUTHORIZATION = "authorization"
SOUND = re.compile(r"[\x21-\x7e]{1,128}")
BEARER = "bearer "


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """Who asks, under which id, and how long they wait."""

    request_id: str
    key: str | None = field(default=None, repr=False)  # an API key, as it was sent
    timeout_s: float | None = None
    idempotency_key: str | None = None

    def token(self, item_id: str, message: Message | None = None) -> str | None:
        """The same for the same change of an item asked for twice: what makes it one. None where no key was given."""
        if self.idempotency_key is None:
            return None
        said = (self.key or "", self.idempotency_key, item_id, "" if message is None else message.model_dump_json())
        digest = hashlib.sha256()
        for each in said:
            digest.update(hashlib.sha256(each.encode()).digest())
        return digest.hexdigest()


def opened(headers: Mapping[str, str], request_id: str) -> Envelope:
    """The envelope of a request with these headers; `request_id` where they name none. Raises BadInput."""
    return Envelope(
        request_id=_sound(headers.get(REQUEST_ID) or request_id, REQUEST_ID),
        key=_key(headers.get(AUTHORIZATION)),
        timeout_s=_seconds(headers.get(TIMEOUT)),
        idempotency_key=_sound(headers.get(IDEMPOTENCY_KEY), IDEMPOTENCY_KEY),
    )


def sound(value: str) -> bool:
    """Whether it may be an id."""
    return SOUND.fullmatch(value) is not None


def _sound(value: str | None, name: str) -> str | None:
    if value is not None and not sound(value):
        raise bad_input(name, f"{len(value)} characters", "1 to 128 visible ASCII characters")
    return value


def _seconds(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise bad_input(TIMEOUT, value, "a number of seconds above 0")
    return seconds


def _key(value: str | None) -> str | None:
    """The key of `Bearer KEY`; anything else is as good as none."""
    return value[len(BEARER) :].strip() if value is not None and value.lower().startswith(BEARER) else None
