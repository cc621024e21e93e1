"""From what a face has read to a checked message, or to the BadInput that names field, value and limit."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.errors import BadInput, bad_input, show
from services.messages import Message

Checked = TypeVar("Checked", bound=Message)
PREFIX = "Input should be "  # how most of pydantic's sentences begin
FOLLOWS = "default_factory_not_called"  # only because another field is at fault, which is told
TOLD = 20  # errors of one message that are told in full


def checked(kind: type[Checked], fields: Mapping[str, Any]) -> Checked:
    """The message of that kind. Raises BadInput."""
    if not isinstance(fields, Mapping):
        raise bad_input("body", _described(fields), "an object")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise refusal(error.errors(include_url=False)) from error


def refusal(errors: Sequence[ErrorDetails]) -> BadInput:
    """The first problem as the error's field, value and limit, and all of them as its list."""
    problems = [_told(each) for each in errors if each["type"] != FOLLOWS]
    first = problems[0]
    facts = {"errors": problems[:TOLD]} if len(problems) > 1 else {}
    return BadInput(f"{first['field']} is {first['value']}, but must be {first['limit']}", **first, **facts)


def _told(error: ErrorDetails) -> dict[str, str]:
    context = error.get("ctx", {})
    field = ".".join(str(part) for part in (*error["loc"], context.get("field", "")) if part != "")
    return {"field": field or "body", "value": _value(error), "limit": _limit(error)}


def _value(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "missing"
    return _described(error.get("ctx", {}).get("value", error["input"]))


def _limit(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "given"
    if error["type"] == "extra_forbidden":
        return "left out, for there is no such field"
    message = error["msg"].removeprefix(PREFIX)
    return message.replace("String should have", "text of").replace("List should have", "a list of")


def _described(value: Any) -> str:
    """A value as it is repeated to the caller: of what has parts only how many, since they may be pictures."""
    if value is None:
        return "missing"
    if isinstance(value, Mapping):
        return f"an object of {len(value)} fields"
    if isinstance(value, list | tuple) and not all(isinstance(each, str) for each in value[:10]):
        return f"a list of {len(value)}"
    return show(value)
