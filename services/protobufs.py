"""From protobuf messages to ours and back. Both have the same fields, so that this knows none of them by name.

What a protobuf message leaves out is left out of ours as well, which then have their own defaults. An enum's value is
the word that follows its type in its name, in small letters: FORMAT_PNG is "png".
"""

from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as Protobuf
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from services.errors import bad_input

AnyProtobuf = TypeVar("AnyProtobuf", bound=Protobuf)


def parsed(kind: type[AnyProtobuf], data: bytes) -> AnyProtobuf:
    """The message that the bytes are. Raises BadInput, also for fields that are not known."""
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        raise bad_input("body", f"{len(data)} bytes", f"a message {kind.DESCRIPTOR.full_name}") from error
    _check_known(message, "")
    return message


def fields_of(message: Protobuf) -> dict[str, Any]:
    """What is set in a message, as plain values."""
    return {field.name: _plain(field, value) for field, value in message.ListFields()}


def written(ours: BaseModel, kind: type[AnyProtobuf]) -> AnyProtobuf:
    """One of our messages as protobuf."""
    message = kind()
    _fill(message, ours)
    return message


def _plain(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_plain_one(field, each) for each in value]
    return _plain_one(field, value)


def _plain_one(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Struct):
        return MessageToDict(value)
    if isinstance(value, Timestamp):
        return value.ToDatetime()
    if isinstance(value, Protobuf):
        return fields_of(value)
    return value if field.enum_type is None else _word(field.enum_type, value)


def _word(enum: EnumDescriptor, number: int) -> str:
    """A number without a name as it is: no message of ours takes it."""
    known = enum.values_by_number.get(number)
    return str(number) if known is None else known.name.removeprefix(f"{enum.name.upper()}_").lower()


def _fill(message: Protobuf, ours: BaseModel) -> None:
    fields = message.DESCRIPTOR.fields_by_name
    for name in type(ours).model_fields:
        value = getattr(ours, name)
        if value is not None:
            _write(message, fields[name], value)


def _write(message: Protobuf, field: FieldDescriptor, value: Any) -> None:
    if field.enum_type is not None:
        return setattr(message, field.name, _number(field.enum_type, value))
    if field.message_type is None:
        return getattr(message, field.name).extend(value) if field.is_repeated else setattr(message, field.name, value)
    target = getattr(message, field.name)
    if isinstance(value, BaseModel):
        _fill(target, value)
        target.SetInParent()
    elif isinstance(value, datetime):
        target.FromDatetime(value)
    elif isinstance(value, list):
        for each in value:
            _fill(target.add(), each)
    elif isinstance(target, Struct):
        ParseDict(from_json(to_json(value, inf_nan_mode="null")), target)
    else:
        target.update({key: each for key, each in value.items() if each is not None})


def _number(enum: EnumDescriptor, word: str) -> int:
    return int(enum.values_by_name[f"{enum.name.upper()}_{word.upper()}"].number)


def _check_known(message: Protobuf, place: str) -> None:
    for unknown in UnknownFieldSet(message):
        field = f"{place}#{unknown.field_number}"
        raise bad_input(field, "given", "left out, for there is no field of that number")
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                _check_known(each, f"{place}{field.name}.")
