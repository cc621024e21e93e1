"""Every call as a value: what is sent where, and what comes back. A client's `ask` makes it.

A shopper is a user id, or the item ids that somebody new likes. A picture that goes in is bytes, the path of a file,
or `item(…)` or `design_of(…)`, which name one that the service has.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, Unpack
from urllib.parse import quote

from services import messages
from services.client.fields import (
    AlterFields,
    DesignFields,
    FittingFields,
    RecommendFields,
    TryOnFields,
    VariationsFields,
)

Answer = TypeVar("Answer", bound=messages.Answer)
Shopper = str | Sequence[str]
Picture = bytes | Path | messages.PictureInput
Uploaded = bytes | Path
PARTS = ("person", "picture", "wanted", "worn", "mask")  # what may go as a part of a form


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[Answer]):
    """One call. It can be made again: it changes nothing, or once for all that carry its idempotency key."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    answer: type[Answer]
    request: messages.Request | None = None
    query: dict[str, str] | None = None
    idempotency_key: str | None = None

    def content(self) -> dict[str, Any]:
        """How httpx is to send it: as JSON, or as a form with the pictures beside it."""
        if self.request is None:
            return {"params": self.query}
        fields = self.request.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        parts = {name: data for name in PARTS if (data := _data(self.request, name)) is not None}
        if not parts:
            return {"json": fields}
        rest = self.request.model_dump_json(exclude_unset=True, exclude_none=True, exclude=set(parts))
        files = {name: (name, data, "application/octet-stream") for name, data in parts.items()}
        return {"files": {"request": ("", rest.encode(), "application/json"), **files}}


def item(item_id: str) -> messages.PictureInput:
    """The picture of a catalogue entry."""
    return messages.PictureInput(item_id=item_id)


def design_of(design_id: str) -> messages.PictureInput:
    """The picture of a design that was kept."""
    return messages.PictureInput(design_id=design_id)


def score(shopper: Shopper, items: Sequence[str]) -> Call[messages.ScoreAnswer]:
    """Preference scores of some items."""
    request = messages.ScoreRequest(shopper=_shopper(shopper), items=list(items))
    return Call(method="POST", path="/v1/score", answer=messages.ScoreAnswer, request=request)


def recommend(shopper: Shopper, **fields: Unpack[RecommendFields]) -> Call[messages.RecommendAnswer]:
    """The best items; see `messages.RecommendRequest`."""
    request = messages.RecommendRequest(shopper=_shopper(shopper), **fields)
    return Call(method="POST", path="/v1/recommend", answer=messages.RecommendAnswer, request=request)


def design(shopper: Shopper, category: str, **fields: Unpack[DesignFields]) -> Call[messages.DesignAnswer]:
    """New items of a category; see `messages.DesignRequest`."""
    request = messages.DesignRequest(shopper=_shopper(shopper), category=category, **fields)
    return Call(method="POST", path="/v1/design", answer=messages.DesignAnswer, request=request)


def alter(shopper: Shopper, picture: Picture, **fields: Unpack[AlterFields]) -> Call[messages.AlterAnswer]:
    """A real item, altered in stages; see `messages.AlterRequest`."""
    request = messages.AlterRequest(shopper=_shopper(shopper), picture=_picture(picture), **fields)
    return Call(method="POST", path="/v1/alter", answer=messages.AlterAnswer, request=request)


def variations(
    picture: Picture, *, shopper: Shopper | None = None, **fields: Unpack[VariationsFields]
) -> Call[messages.VariationsAnswer]:
    """Neighbours of a picture; see `messages.VariationsRequest`."""
    known = {} if shopper is None else {"shopper": _shopper(shopper)}
    request = messages.VariationsRequest(picture=_picture(picture), **known, **fields)
    return Call(method="POST", path="/v1/variations", answer=messages.VariationsAnswer, request=request)


def try_on(
    person: Uploaded,
    wanted: Picture,
    *,
    worn: Picture | None = None,
    mask: Uploaded | None = None,
    **fields: Unpack[TryOnFields],
) -> Call[messages.TryOnAnswer]:
    """A garment on a person; see `messages.TryOnRequest`."""
    known: dict[str, Any] = {} if worn is None else {"worn": _picture(worn)}
    if mask is not None:
        known["mask"] = _upload(mask)
    request = messages.TryOnRequest(person=_upload(person), wanted=_picture(wanted), **known, **fields)
    return Call(method="POST", path="/v1/try-on", answer=messages.TryOnAnswer, request=request)


def fitting(
    shopper: Shopper, person: Uploaded, *, worn: Picture | None = None, **fields: Unpack[FittingFields]
) -> Call[messages.FittingAnswer]:
    """What the shopper would like most, on their picture; see `messages.FittingRequest`."""
    known = {} if worn is None else {"worn": _picture(worn)}
    request = messages.FittingRequest(shopper=_shopper(shopper), person=_upload(person), **known, **fields)
    return Call(method="POST", path="/v1/fitting", answer=messages.FittingAnswer, request=request)


def put_item(item_id: str, category: str, picture: Uploaded, *, inline: bool = False) -> Call[messages.PutItemAnswer]:
    """An item of the catalogue, new or in place of the one of that id."""
    request = messages.PutItemRequest(category=category, picture=_upload(picture), inline=inline)
    return Call(
        method="PUT",
        path=_item_path(item_id),
        answer=messages.PutItemAnswer,
        request=request,
        idempotency_key=secrets.token_hex(16),
    )


def delete_item(item_id: str) -> Call[messages.DeleteItemAnswer]:
    """Take an item out of the catalogue."""
    return Call(
        method="DELETE",
        path=_item_path(item_id),
        answer=messages.DeleteItemAnswer,
        idempotency_key=secrets.token_hex(16),
    )


def get_item(item_id: str, *, inline: bool = False) -> Call[messages.ItemAnswer]:
    """One catalogue entry."""
    query = {"inline": "true"} if inline else None
    return Call(method="GET", path=_item_path(item_id), answer=messages.ItemAnswer, query=query)


def release() -> Call[messages.ReleaseAnswer]:
    """What serves."""
    return Call(method="GET", path="/v1/release", answer=messages.ReleaseAnswer)


def _shopper(shopper: Shopper) -> messages.Shopper:
    if isinstance(shopper, str):
        return messages.Shopper(user_id=shopper)
    return messages.Shopper(likes=list(shopper))


def _upload(picture: Uploaded) -> messages.Upload:
    return messages.Upload(data=_bytes(picture))


def _picture(picture: Picture) -> messages.PictureInput:
    return picture if isinstance(picture, messages.PictureInput) else messages.PictureInput(data=_bytes(picture))


def _bytes(picture: Uploaded) -> bytes:
    return picture.read_bytes() if isinstance(picture, Path) else bytes(picture)


def _data(request: messages.Request, name: str) -> bytes | None:
    return getattr(getattr(request, name, None), "data", None)


def _item_path(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"
