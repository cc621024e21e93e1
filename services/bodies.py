"""Reading request bodies: JSON, or multipart/form-data where pictures go in. Nothing touches a disk."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.checking import checked
from services.errors import UnsupportedMedia, bad_input, too_large
from services.messages import Message

Read = TypeVar("Read", bound=Message)
FORM = "multipart/form-data"
JSON = "application/json"
PICTURES = ("person", "picture", "wanted", "worn", "mask")  # fields that may be sent as parts
REQUEST = "request"  # the part with everything else, as JSON


class _InMemory(MultiPartParser):
    """A parser that never spools to a temporary file: shoppers' pictures are not written anywhere."""

    spool_max_size = 2**62


async def read(request: Request, kind: type[Read], *, max_picture_bytes: int) -> Read:
    """The request's message of that kind. Raises BadInput, TooLarge or UnsupportedMedia."""
    media = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    parts = pictures_of(kind)
    if media == FORM and parts:
        fields = await _form(request, parts)
    elif media == JSON:
        fields = _json(await request.body(), "body")
    else:
        taken = f"{JSON} or {FORM}" if parts else JSON
        raise UnsupportedMedia(f"the body is {media}, but must be {taken}", value=media[:80], limit=taken)
    if isinstance(fields, Mapping):
        check_sizes(fields, max_picture_bytes)
    return checked(kind, fields)


@cache
def pictures_of(kind: type[Message]) -> list[str]:
    """The fields of such a message that may be sent as parts."""
    return [name for name in PICTURES if name in kind.model_fields]


async def _form(request: Request, parts: list[str]) -> dict[str, Any]:
    """The fields of the part `request`, with the bytes of the parts that are pictures put in."""
    parser = _InMemory(request.headers, request.stream(), max_files=len(parts) + 1, max_fields=len(parts) + 1)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise bad_input("body", "not readable", f"{FORM} with parts {REQUEST}, {', '.join(parts)}") from error
    sent = {
        name: await value.read() if isinstance(value, UploadFile) else value.encode()
        for name, value in form.multi_items()
    }
    fields = _json(sent.pop(REQUEST, b"{}"), REQUEST)
    if not isinstance(fields, dict):
        raise bad_input(REQUEST, type(fields).__name__, "an object")
    for name, data in sent.items():
        if name not in parts:
            raise bad_input(name[:80], "a part", f"one of the parts {REQUEST}, {', '.join(parts)}")
        if name in fields:
            raise bad_input(name, "there twice", f"either a part or a field of {REQUEST}")
        fields[name] = {"data": data}
    return fields


def _json(body: bytes, field: str) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise bad_input(field, str(error), "JSON") from error


def check_sizes(fields: Mapping[str, Any], max_bytes: int) -> None:
    """Refuse a picture by the length of its bytes, or of its base64, before it is decoded. Raises TooLarge."""
    for name in PICTURES:
        data = fields[name].get("data") if isinstance(fields.get(name), Mapping) else None
        size = len(data) * 3 // 4 - data[-2:].count("=") if isinstance(data, str) else len(data or b"")
        if size > max_bytes:
            raise too_large(name, f"{size} bytes", f"{max_bytes} bytes")
