import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Starts(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STARTS_UNSPECIFIED: _ClassVar[Starts]
    STARTS_BANK: _ClassVar[Starts]
    STARTS_BLIND: _ClassVar[Starts]

class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORMAT_UNSPECIFIED: _ClassVar[Format]
    FORMAT_JPEG: _ClassVar[Format]
    FORMAT_PNG: _ClassVar[Format]

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOURCE_UNSPECIFIED: _ClassVar[Source]
    SOURCE_RECOMMEND: _ClassVar[Source]
    SOURCE_DESIGN: _ClassVar[Source]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_CREATED: _ClassVar[Outcome]
    OUTCOME_REPLACED: _ClassVar[Outcome]
    OUTCOME_UNCHANGED: _ClassVar[Outcome]
    OUTCOME_DELETED: _ClassVar[Outcome]
STARTS_UNSPECIFIED: Starts
STARTS_BANK: Starts
STARTS_BLIND: Starts
FORMAT_UNSPECIFIED: Format
FORMAT_JPEG: Format
FORMAT_PNG: Format
SOURCE_UNSPECIFIED: Source
SOURCE_RECOMMEND: Source
SOURCE_DESIGN: Source
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_CREATED: Outcome
OUTCOME_REPLACED: Outcome
OUTCOME_UNCHANGED: Outcome
OUTCOME_DELETED: Outcome

class Shopper(_message.Message):
    __slots__ = ("user_id", "likes")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    LIKES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    likes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, user_id: _Optional[str] = ..., likes: _Optional[_Iterable[str]] = ...) -> None: ...

class Filters(_message.Message):
    __slots__ = ("categories", "exclude")
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedScalarFieldContainer[str]
    exclude: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, categories: _Optional[_Iterable[str]] = ..., exclude: _Optional[_Iterable[str]] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class PictureInput(_message.Message):
    __slots__ = ("item_id", "design_id", "data")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    DESIGN_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    design_id: str
    data: bytes
    def __init__(self, item_id: _Optional[str] = ..., design_id: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("inline", "shopper", "items")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., items: _Optional[_Iterable[str]] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("inline", "shopper", "category", "k", "exclude_bought", "filters")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_BOUGHT_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    category: str
    k: int
    exclude_bought: bool
    filters: Filters
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., category: _Optional[str] = ..., k: _Optional[int] = ..., exclude_bought: _Optional[bool] = ..., filters: _Optional[_Union[Filters, _Mapping]] = ...) -> None: ...

class DesignRequest(_message.Message):
    __slots__ = ("inline", "shopper", "category", "k", "restarts", "starts", "steps", "realism", "seed")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    category: str
    k: int
    restarts: int
    starts: Starts
    steps: int
    realism: float
    seed: int
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., category: _Optional[str] = ..., k: _Optional[int] = ..., restarts: _Optional[int] = ..., starts: _Optional[_Union[Starts, str]] = ..., steps: _Optional[int] = ..., realism: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class AlterRequest(_message.Message):
    __slots__ = ("inline", "shopper", "picture", "category", "stages", "closeness", "restarts", "steps", "realism", "seed")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    CLOSENESS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    picture: PictureInput
    category: str
    stages: int
    closeness: float
    restarts: int
    steps: int
    realism: float
    seed: int
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., picture: _Optional[_Union[PictureInput, _Mapping]] = ..., category: _Optional[str] = ..., stages: _Optional[int] = ..., closeness: _Optional[float] = ..., restarts: _Optional[int] = ..., steps: _Optional[int] = ..., realism: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class VariationsRequest(_message.Message):
    __slots__ = ("inline", "shopper", "picture", "category", "n", "radius", "restarts", "steps", "realism", "seed")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    picture: PictureInput
    category: str
    n: int
    radius: float
    restarts: int
    steps: int
    realism: float
    seed: int
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., picture: _Optional[_Union[PictureInput, _Mapping]] = ..., category: _Optional[str] = ..., n: _Optional[int] = ..., radius: _Optional[float] = ..., restarts: _Optional[int] = ..., steps: _Optional[int] = ..., realism: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class TryOnRequest(_message.Message):
    __slots__ = ("inline", "person", "worn", "wanted", "mask", "group", "format")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    WORN_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    person: Upload
    worn: PictureInput
    wanted: PictureInput
    mask: Upload
    group: str
    format: Format
    def __init__(self, inline: _Optional[bool] = ..., person: _Optional[_Union[Upload, _Mapping]] = ..., worn: _Optional[_Union[PictureInput, _Mapping]] = ..., wanted: _Optional[_Union[PictureInput, _Mapping]] = ..., mask: _Optional[_Union[Upload, _Mapping]] = ..., group: _Optional[str] = ..., format: _Optional[_Union[Format, str]] = ...) -> None: ...

class FittingRequest(_message.Message):
    __slots__ = ("inline", "shopper", "person", "worn", "source", "category", "k", "exclude_bought", "filters", "restarts", "starts", "steps", "realism", "seed", "group", "format")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    WORN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_BOUGHT_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    STARTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    shopper: Shopper
    person: Upload
    worn: PictureInput
    source: Source
    category: str
    k: int
    exclude_bought: bool
    filters: Filters
    restarts: int
    starts: Starts
    steps: int
    realism: float
    seed: int
    group: str
    format: Format
    def __init__(self, inline: _Optional[bool] = ..., shopper: _Optional[_Union[Shopper, _Mapping]] = ..., person: _Optional[_Union[Upload, _Mapping]] = ..., worn: _Optional[_Union[PictureInput, _Mapping]] = ..., source: _Optional[_Union[Source, str]] = ..., category: _Optional[str] = ..., k: _Optional[int] = ..., exclude_bought: _Optional[bool] = ..., filters: _Optional[_Union[Filters, _Mapping]] = ..., restarts: _Optional[int] = ..., starts: _Optional[_Union[Starts, str]] = ..., steps: _Optional[int] = ..., realism: _Optional[float] = ..., seed: _Optional[int] = ..., group: _Optional[str] = ..., format: _Optional[_Union[Format, str]] = ...) -> None: ...

class PutItemRequest(_message.Message):
    __slots__ = ("inline", "item_id", "category", "picture")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    inline: bool
    item_id: str
    category: str
    picture: Upload
    def __init__(self, inline: _Optional[bool] = ..., item_id: _Optional[str] = ..., category: _Optional[str] = ..., picture: _Optional[_Union[Upload, _Mapping]] = ...) -> None: ...

class DeleteItemRequest(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class GetItemRequest(_message.Message):
    __slots__ = ("item_id", "inline")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    inline: bool
    def __init__(self, item_id: _Optional[str] = ..., inline: _Optional[bool] = ...) -> None: ...

class GetReleaseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queue", "compute", "encode")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_FIELD_NUMBER: _ClassVar[int]
    ENCODE_FIELD_NUMBER: _ClassVar[int]
    queue: float
    compute: float
    encode: float
    def __init__(self, queue: _Optional[float] = ..., compute: _Optional[float] = ..., encode: _Optional[float] = ...) -> None: ...

class Picture(_message.Message):
    __slots__ = ("media_type", "url", "expires_at", "data")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    url: str
    expires_at: _timestamp_pb2.Timestamp
    data: bytes
    def __init__(self, media_type: _Optional[str] = ..., url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("item_id", "category", "picture")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    category: str
    picture: Picture
    def __init__(self, item_id: _Optional[str] = ..., category: _Optional[str] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ...) -> None: ...

class ScoredItem(_message.Message):
    __slots__ = ("item_id", "category", "picture", "score")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    category: str
    picture: Picture
    score: float
    def __init__(self, item_id: _Optional[str] = ..., category: _Optional[str] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ..., score: _Optional[float] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("item_id", "score")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    score: float
    def __init__(self, item_id: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class Design(_message.Message):
    __slots__ = ("design_id", "category", "score", "realism", "picture")
    DESIGN_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    design_id: str
    category: str
    score: float
    realism: float
    picture: Picture
    def __init__(self, design_id: _Optional[str] = ..., category: _Optional[str] = ..., score: _Optional[float] = ..., realism: _Optional[float] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ...) -> None: ...

class Size(_message.Message):
    __slots__ = ("height", "width")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    height: int
    width: int
    def __init__(self, height: _Optional[int] = ..., width: _Optional[int] = ...) -> None: ...

class Fitted(_message.Message):
    __slots__ = ("picture", "mask", "size", "network_size")
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_SIZE_FIELD_NUMBER: _ClassVar[int]
    picture: Picture
    mask: Picture
    size: Size
    network_size: Size
    def __init__(self, picture: _Optional[_Union[Picture, _Mapping]] = ..., mask: _Optional[_Union[Picture, _Mapping]] = ..., size: _Optional[_Union[Size, _Mapping]] = ..., network_size: _Optional[_Union[Size, _Mapping]] = ...) -> None: ...

class FittingOffer(_message.Message):
    __slots__ = ("item", "design", "fitting")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    FITTING_FIELD_NUMBER: _ClassVar[int]
    item: ScoredItem
    design: Design
    fitting: Fitted
    def __init__(self, item: _Optional[_Union[ScoredItem, _Mapping]] = ..., design: _Optional[_Union[Design, _Mapping]] = ..., fitting: _Optional[_Union[Fitted, _Mapping]] = ...) -> None: ...

class ScoreAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "scores")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class RecommendAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "items")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    items: _containers.RepeatedCompositeFieldContainer[ScoredItem]
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., items: _Optional[_Iterable[_Union[ScoredItem, _Mapping]]] = ...) -> None: ...

class DesignAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "designs", "seed")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DESIGNS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    designs: _containers.RepeatedCompositeFieldContainer[Design]
    seed: int
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., designs: _Optional[_Iterable[_Union[Design, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class AlterAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "reconstruction", "stages", "seed")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    RECONSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    reconstruction: Design
    stages: _containers.RepeatedCompositeFieldContainer[Design]
    seed: int
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., reconstruction: _Optional[_Union[Design, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[Design, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class VariationsAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "variations", "seed")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    VARIATIONS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    variations: _containers.RepeatedCompositeFieldContainer[Design]
    seed: int
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., variations: _Optional[_Iterable[_Union[Design, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class TryOnAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "fitting")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    FITTING_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    fitting: Fitted
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., fitting: _Optional[_Union[Fitted, _Mapping]] = ...) -> None: ...

class FittingAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "fittings")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    FITTINGS_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    fittings: _containers.RepeatedCompositeFieldContainer[FittingOffer]
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., fittings: _Optional[_Iterable[_Union[FittingOffer, _Mapping]]] = ...) -> None: ...

class PutItemAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "item", "outcome", "record")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    item: Item
    outcome: Outcome
    record: int
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., item: _Optional[_Union[Item, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., record: _Optional[int] = ...) -> None: ...

class DeleteItemAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "item_id", "outcome", "record")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    item_id: str
    outcome: Outcome
    record: int
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., item_id: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., record: _Optional[int] = ...) -> None: ...

class ItemAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "item")
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    item: Item
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., item: _Optional[_Union[Item, _Mapping]] = ...) -> None: ...

class ReleaseAnswer(_message.Message):
    __slots__ = ("release", "request_id", "timings", "deployments", "categories", "items", "record", "shoppers", "configs", "metrics", "fits")
    class DeploymentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENTS_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SHOPPERS_FIELD_NUMBER: _ClassVar[int]
    CONFIGS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    FITS_FIELD_NUMBER: _ClassVar[int]
    release: str
    request_id: str
    timings: Timings
    deployments: _containers.ScalarMap[str, str]
    categories: _containers.RepeatedScalarFieldContainer[str]
    items: int
    record: int
    shoppers: int
    configs: _struct_pb2.Struct
    metrics: _struct_pb2.Struct
    fits: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, release: _Optional[str] = ..., request_id: _Optional[str] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., deployments: _Optional[_Mapping[str, str]] = ..., categories: _Optional[_Iterable[str]] = ..., items: _Optional[int] = ..., record: _Optional[int] = ..., shoppers: _Optional[int] = ..., configs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metrics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., fits: _Optional[_Iterable[str]] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "steps", "score", "realism", "picture")
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REALISM_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    step: int
    steps: int
    score: float
    realism: float
    picture: Picture
    def __init__(self, step: _Optional[int] = ..., steps: _Optional[int] = ..., score: _Optional[float] = ..., realism: _Optional[float] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ...) -> None: ...

class DesignEvent(_message.Message):
    __slots__ = ("accepted", "progress", "answer")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    progress: Progress
    answer: DesignAnswer
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., answer: _Optional[_Union[DesignAnswer, _Mapping]] = ...) -> None: ...

class AlterEvent(_message.Message):
    __slots__ = ("accepted", "progress", "answer")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    progress: Progress
    answer: AlterAnswer
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., answer: _Optional[_Union[AlterAnswer, _Mapping]] = ...) -> None: ...

class VariationsEvent(_message.Message):
    __slots__ = ("accepted", "progress", "answer")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    progress: Progress
    answer: VariationsAnswer
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., answer: _Optional[_Union[VariationsAnswer, _Mapping]] = ...) -> None: ...
