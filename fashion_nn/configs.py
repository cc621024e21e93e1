"""Configurations: frozen dataclasses that are found by name, overridden from text, and kept as JSON.

A configuration's fields are annotated with int, float, bool, str, a Literal, a tuple of these, or one of
these `| None`. Whatever is wrong with a value is a ValueError naming field, value and what is allowed.
"""

import dataclasses
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config")


def named(module: ModuleType, name: str) -> Any:
    """What the function `name` of a config module returns, such as `paper`; `paper-256` is its `paper_256`."""
    known = {key: function for key, function in vars(module).items() if _names_a_config(module, key, function)}
    if (spelled := name.replace("-", "_")) not in known:
        raise ValueError(f"no configuration {name!r} in {module.__name__}; there are: {', '.join(sorted(known))}")
    return known[spelled]()


def override(config: Config, assignments: Iterable[str]) -> Config:
    """`config` with each "field=value" applied, the text read as the field's annotation says."""
    annotations = get_type_hints(type(config))
    changes = {}
    for assignment in assignments:
        field, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"{assignment!r} is not of the form field=value")
        _refuse_unknown(type(config), [field])
        changes[field] = _named_value(field, annotations[field], text.strip(), _from_text)
    return dataclasses.replace(config, **changes)


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a configuration as values that JSON keeps exactly (tuples become lists)."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_json(cls: type[Config], mapping: Mapping[str, Any]) -> Config:
    """The inverse of `to_json`. Fields left out take their defaults; unknown or missing ones are refused."""
    _refuse_unknown(cls, mapping)
    missing = [field.name for field in dataclasses.fields(cls) if _required(field) and field.name not in mapping]
    if missing:
        raise ValueError(f"{cls.__name__} lacks the fields {', '.join(missing)}")
    annotations = get_type_hints(cls)
    return cls(**{name: _named_value(name, annotations[name], value, _from_json) for name, value in mapping.items()})


def differences(ours: Any, theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where a configuration and one kept as JSON differ: {field: (our value, their value)}.

    A field that came after it was kept had the value that it has by default.
    """
    mine = to_json(ours)
    given = [each for each in dataclasses.fields(ours) if each.default is not dataclasses.MISSING]
    defaults = {each.name: _plain(each.default) for each in given}
    names = [*mine, *(name for name in theirs if name not in mine)]
    pairs = {name: (mine.get(name), theirs.get(name, defaults.get(name))) for name in names}
    return {name: (now, then) for name, (now, then) in pairs.items() if now != then}


def _names_a_config(module: ModuleType, key: str, function: Any) -> bool:
    own = inspect.isfunction(function) and function.__module__ == module.__name__ and not key.startswith("_")
    return own and not _required_parameters(function)


def _required_parameters(function: Callable[..., Any]) -> bool:
    return any(p.default is p.empty for p in inspect.signature(function).parameters.values())


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _refuse_unknown(cls: type, names: Iterable[str]) -> None:
    known = [field.name for field in dataclasses.fields(cls)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; its fields are: {', '.join(known)}")


def _named_value(field: str, annotation: Any, value: Any, read: Callable[[Any, Any], Any]) -> Any:
    try:
        return read(annotation, value)
    except ValueError as error:
        raise ValueError(f"{field}={value}: must be {_allowed(annotation)}") from error


def _from_text(annotation: Any, text: str) -> Any:
    """The value of a field from what was typed; ValueError where the text does not spell one."""
    if _is_union(annotation):
        return None if text.lower() == "none" else _from_text(_inner(annotation), text)
    if get_origin(annotation) is Literal:
        return _choose({str(choice): choice for choice in get_args(annotation)}, text)
    if get_origin(annotation) is tuple:
        parts = [part.strip() for part in text.strip("()").split(",") if part.strip()]
        return _elements(annotation, parts, _from_text)
    if annotation is bool:
        return _choose({"true": True, "false": False}, text.lower())
    if annotation is float:
        return _finite(float(text))
    return annotation(text)


def _from_json(annotation: Any, value: Any) -> Any:
    """The value of a field from parsed JSON; ValueError where its type is another."""
    if _is_union(annotation):
        return None if value is None else _from_json(_inner(annotation), value)
    if get_origin(annotation) is Literal:
        return _choose({choice: choice for choice in get_args(annotation)}, value)
    if get_origin(annotation) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(value)
        return _elements(annotation, value, _from_json)
    if annotation is float and type(value) is int:
        return float(value)
    if type(value) is not annotation:
        raise ValueError(value)
    return value


def _elements(annotation: Any, values: list[Any], read: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
    kinds = get_args(annotation)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(values)
    if len(kinds) != len(values):
        raise ValueError(values)
    return tuple(read(kind, value) for kind, value in zip(kinds, values, strict=True))


def _choose(choices: dict[Any, Any], key: Any) -> Any:
    if not isinstance(key, str | int | bool) or key not in choices:
        raise ValueError(key)
    return choices[key]


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(value)
    return value


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _inner(annotation: Any) -> Any:
    (inner,) = (kind for kind in get_args(annotation) if kind is not types.NoneType)
    return inner


def _allowed(annotation: Any) -> str:
    """What a field may be, in words."""
    if _is_union(annotation):
        return f"{_allowed(_inner(annotation))}, or none"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        kinds = get_args(annotation)
        count = "any number" if kinds[-1] is Ellipsis else str(len(kinds))
        return f"{count} of values divided by commas, each {_allowed(kinds[0])}"
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    return words.get(annotation, str(annotation))


def _plain(value: Any) -> Any:
    return [_plain(element) for element in value] if isinstance(value, tuple | list) else value
