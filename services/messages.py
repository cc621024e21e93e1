"""What goes in and what comes out, for every face of the service: fields, defaults and limits.

A face only translates into and out of these; all that can be checked without a release is checked here.
"""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

Identity = Annotated[str, Field(min_length=1, max_length=200)]


def refused(field: str, value: Any, limit: str) -> PydanticCustomError:
    """What a check of several fields raises: the field at fault, its value, and what it must be."""
    return PydanticCustomError("refused", "Input should be {limit}", {"field": field, "value": value, "limit": limit})


def _bytes_of(value: Any) -> Any:
    """Bytes as they are, and text as base64 (RFC 4648, padded)."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused("", f"{len(value)} characters", "base64 with padding") from error


PictureBytes = Annotated[
    bytes,
    BeforeValidator(_bytes_of),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), when_used="json"),
    Field(min_length=1),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 1}),
]


class Message(BaseModel):
    """Strict: unknown fields, numbers as text, and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Request(Message):
    """What every request may say."""

    inline: bool = Field(False, description="pictures as base64 in the answer instead of as signed URLs")


# --- Parts of requests


class Shopper(Message):
    """A known shopper, or somebody new by what they like."""

    user_id: Identity | None = None
    likes: list[Identity] | None = Field(None, min_length=1, max_length=200, description="item ids")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.user_id is None) == (self.likes is None):
            raise refused("", sorted(self.model_fields_set), "exactly one of user_id and likes")
        return self


class Filters(Message):
    """What may be recommended."""

    categories: list[Identity] | None = Field(None, min_length=1, max_length=100, description="only these")
    exclude: list[Identity] = Field(default_factory=list, max_length=1000, description="item ids left out")


class Upload(Message):
    """A picture sent along (JPEG, PNG or WebP); a part of the same name in multipart/form-data."""

    data: PictureBytes = Field(repr=False)


class PictureInput(Message):
    """A picture: an item's, a design's, or one sent along. Never a URL."""

    item_id: Identity | None = None
    design_id: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    data: PictureBytes | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if [self.item_id, self.design_id, self.data].count(None) != 2:
            raise refused("", sorted(self.model_fields_set), "exactly one of item_id, design_id and data")
        return self


class ItemName(Message):
    """Which item: it stands in the path."""

    item_id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")


MOST_RESTARTS = 64
Restarts = Annotated[int, Field(ge=1, le=MOST_RESTARTS, description="starts of the ascent; the best are kept")]
Starts = Annotated[
    Literal["bank", "blind"] | None,
    Field(description="from the release's seed bank, by default where it has one, or at random"),
]
Steps = Annotated[int, Field(ge=1, le=200, description="steps of the ascent")]
Realism = Annotated[float, Field(ge=0, le=100, description="weight η of looking real against being liked")]
Seed = Annotated[int | None, Field(ge=0, lt=2**53, description="for the same starts again; random if left out")]
PersonFormat = Annotated[Literal["jpeg", "png"], Field(description="of the fitted pictures")]


ENOUGH = Field(
    default_factory=lambda fields: max(8, fields["k"]),
    description="starts of the ascent, of which the best are kept; 8, or k where that is more",
)


def _check_restarts(restarts: int, k: int) -> None:
    if restarts < k:
        raise refused("restarts", restarts, f"at least k, which is {k}")


def _check_category(picture: PictureInput, category: str | None) -> None:
    if picture.data is not None and category is None:
        raise refused("category", None, "given with a picture sent along")


# --- Requests


class ScoreRequest(Request):
    """Preference scores θ·Φ(X) of some items for a shopper."""

    shopper: Shopper
    items: list[Identity] = Field(min_length=1, max_length=1000)


class RecommendRequest(Request):
    """The best items for a shopper."""

    shopper: Shopper
    category: Identity | None = None
    k: int = Field(10, ge=1, le=100)
    exclude_bought: bool = Field(True, description="leave out what the shopper bought, or likes")
    filters: Filters = Field(default_factory=Filters)


class DesignRequest(Request):
    """New items of a category that a shopper should like. Where restarts end alike, look-alikes fill up to k."""

    shopper: Shopper
    category: Identity
    k: int = Field(3, ge=1, le=16)
    restarts: Restarts = ENOUGH
    starts: Starts = None
    steps: Steps = 20
    realism: Realism = 1.0
    seed: Seed = None

    @model_validator(mode="after")
    def _enough_restarts(self) -> Self:
        _check_restarts(self.restarts, self.k)
        return self


class AlterRequest(Request):
    """A real item, altered in stages towards a shopper's taste."""

    shopper: Shopper
    picture: PictureInput
    category: Identity | None = Field(None, description="needed for a picture sent along")
    stages: int = Field(5, ge=1, le=10)
    closeness: float = Field(5.0, ge=0, le=1000, description="pull to the start in the first stage; falls to 0")
    restarts: Restarts = 8
    steps: Steps = 30
    realism: Realism = 1.0
    seed: Seed = None

    @model_validator(mode="after")
    def _category_of_an_upload(self) -> Self:
        _check_category(self.picture, self.category)
        return self


class VariationsRequest(Request):
    """Neighbours of an item, a design or a picture sent along: like it, each in another way."""

    shopper: Shopper | None = Field(None, description="whose scores the variations have; without one they have none")
    picture: PictureInput
    category: Identity | None = Field(None, description="needed for a picture sent along")
    n: int = Field(6, ge=1, le=16)
    radius: float = Field(0.3, gt=0, le=1, description="of the noise on the picture's code, which lies in [-1, 1]")
    restarts: Restarts = 8
    steps: Steps = 10
    realism: Realism = 1.0
    seed: Seed = None

    @model_validator(mode="after")
    def _category_of_an_upload(self) -> Self:
        _check_category(self.picture, self.category)
        return self


GarmentGroup = Annotated[
    Identity | None, Field(description="of the wanted garment, such as upper, where the release tells several apart")
]


class TryOnRequest(Request):
    """A garment painted on a person. Pictures of persons always come back inline and are not kept."""

    person: Upload
    worn: PictureInput | None = Field(None, description="what the person wears, where the release asks for it")
    wanted: PictureInput
    mask: Upload | None = Field(
        None, description="where to paint, white on black over the person's picture, where the release takes one"
    )
    group: GarmentGroup = None
    format: PersonFormat = "jpeg"


class FittingRequest(Request):
    """What the shopper would like most, recommended or designed, painted on their own picture."""

    shopper: Shopper
    person: Upload
    worn: PictureInput | None = Field(None, description="what the person wears, where the release asks for it")
    source: Literal["recommend", "design"] = "recommend"
    category: Identity | None = Field(None, description="needed where the source is design")
    k: int = Field(1, ge=1, le=8)
    exclude_bought: bool = True
    filters: Filters = Field(default_factory=Filters)
    restarts: Restarts = ENOUGH
    starts: Starts = None
    steps: Steps = 20
    realism: Realism = 1.0
    seed: Seed = None
    group: GarmentGroup = None
    format: PersonFormat = "jpeg"

    @model_validator(mode="after")
    def _design_has_a_category(self) -> Self:
        if self.source == "design":
            _check_restarts(self.restarts, self.k)
            if self.category is None:
                raise refused("category", None, "given where the source is design")
        return self

    def recommendation(self) -> RecommendRequest:
        """The first half of the composed path, recommended."""
        shared = ("shopper", "category", "k", "exclude_bought", "filters")
        return RecommendRequest(**{name: getattr(self, name) for name in shared})

    def design(self) -> DesignRequest:
        """The first half of the composed path, designed."""
        shared = ("shopper", "category", "k", "restarts", "starts", "steps", "realism", "seed")
        return DesignRequest(**{name: getattr(self, name) for name in shared})


class PutItemRequest(Request):
    """An item of the catalogue, new or in place of the one of that id. The same again changes nothing."""

    category: Identity
    picture: Upload


# --- What those who watch are told before the answer


class Accepted(Message):
    """The request has been taken, and will have its turn."""


class Progress(Message):
    """How far a request is, with the best so far. It may end before its last step."""

    step: int
    steps: int
    score: float | None = Field(None, description="preference score θ·Φ(X)")
    realism: float = Field(description="what the discriminator says: 1 is real")
    picture: "Picture"


# --- Answers


class Timings(Message):
    """Where the time went, in milliseconds: waiting and transport, the networks, pictures and URLs."""

    queue: float
    compute: float
    encode: float


class Answer(Message):
    """What every answer says."""

    release: str
    request_id: str
    timings: Timings


class Picture(Message):
    """A picture: an expiring signed URL, or the bytes inline."""

    media_type: str
    url: str | None = None
    expires_at: datetime | None = None
    data: PictureBytes | None = Field(None, repr=False)


class Item(Message):
    """A catalogue entry."""

    item_id: str
    category: str
    picture: Picture


class ScoredItem(Item):
    """A catalogue entry with a shopper's preference score."""

    score: float


class Score(Message):
    """One item's preference score."""

    item_id: str
    score: float


class Design(Message):
    """A generated item. Without an id it was not kept, since it came from a picture sent along."""

    design_id: str | None = None
    category: str
    score: float | None = Field(None, description="preference score θ·Φ(X), where a shopper was named")
    realism: float = Field(description="what the discriminator says: 1 is real")
    picture: Picture


class Size(Message):
    """In pixels."""

    height: int
    width: int


class Fitted(Message):
    """A person with a garment, as large as the picture sent in; the mask says where it was painted."""

    picture: Picture
    mask: Picture
    size: Size
    network_size: Size = Field(description="at which the garment was painted before it was pasted back")


class ScoreAnswer(Answer):
    """Scores in the order asked for."""

    scores: list[Score]


class RecommendAnswer(Answer):
    """Items, best first."""

    items: list[ScoredItem]


class DesignAnswer(Answer):
    """Designs, best first, and the seed that gives them again."""

    designs: list[Design]
    seed: int


class AlterAnswer(Answer):
    """The nearest picture the generator can make, and ever more personal ones; fewer where time was up."""

    reconstruction: Design
    stages: list[Design]
    seed: int


class VariationsAnswer(Answer):
    """Neighbours: those with the best scores first where a shopper was named, otherwise those that look most real."""

    variations: list[Design]
    seed: int


class TryOnAnswer(Answer):
    """The fitting asked for."""

    fitting: Fitted


class FittingOffer(Message):
    """One garment and how it looks on the person: `item` or `design` is what is worn."""

    item: ScoredItem | None = None
    design: Design | None = None
    fitting: Fitted


class FittingAnswer(Answer):
    """Best first."""

    fittings: list[FittingOffer]


class ItemAnswer(Answer):
    """One catalogue entry."""

    item: Item


Record = Annotated[int, Field(description="number of the record of the live catalogue that says so")]


class PutItemAnswer(Answer):
    """The item as it is from now on, durably."""

    item: Item
    outcome: Literal["created", "replaced", "unchanged"]
    record: Record


class DeleteItemAnswer(Answer):
    """There is no such item any more, durably; `unchanged` where it had been deleted before."""

    item_id: str
    outcome: Literal["deleted", "unchanged"]
    record: Record


class ReleaseAnswer(Answer):
    """The release of every deployment (they differ while one is being rolled out) and what it contains."""

    deployments: dict[str, str | None]
    categories: list[str]
    fits: list[str] = Field(description="the categories that are put on a person")
    items: int = Field(description="of the release, with what was put and deleted since")
    record: int = Field(description="the last one of the live catalogue that the replica asked has applied")
    shoppers: int
    configs: dict[str, Any]
    metrics: dict[str, Any]
