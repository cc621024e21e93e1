"""What a call may say beside what it has to, each with the default that `services.messages` states."""

from typing import Literal, TypedDict

from services.messages import Filters


class Inline(TypedDict, total=False):
    """Whether pictures come along with the answer instead of as URLs."""

    inline: bool


class Climb(Inline, total=False):
    """Of the latent engine."""

    restarts: int
    steps: int
    realism: float
    seed: int


class RecommendFields(Inline, total=False):
    """See `messages.RecommendRequest`."""

    category: str
    k: int
    exclude_bought: bool
    filters: Filters


class DesignFields(Climb, total=False):
    """See `messages.DesignRequest`."""

    k: int
    starts: Literal["bank", "blind"]


class AlterFields(Climb, total=False):
    """See `messages.AlterRequest`."""

    category: str
    stages: int
    closeness: float


class VariationsFields(Climb, total=False):
    """See `messages.VariationsRequest`."""

    category: str
    n: int
    radius: float


class TryOnFields(Inline, total=False):
    """See `messages.TryOnRequest`."""

    group: str
    format: Literal["jpeg", "png"]


class FittingFields(Climb, total=False):
    """See `messages.FittingRequest`."""

    source: Literal["recommend", "design"]
    category: str
    k: int
    exclude_bought: bool
    filters: Filters
    starts: Literal["bank", "blind"]
    group: str
    format: Literal["jpeg", "png"]
