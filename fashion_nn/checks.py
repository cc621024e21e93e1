"""Checks of configuration values: each raises a ValueError that names the field, the value and the limit."""

from collections.abc import Collection


def at_least(field: str, value: float, limit: float) -> None:
    """Refuse a `value` below `limit`."""
    if not value >= limit:
        raise ValueError(f"{field} is {value}, but must be at least {limit}")


def within(field: str, value: float, low: float, high: float) -> None:
    """Refuse a `value` outside of [low, high]."""
    if not low <= value <= high:
        raise ValueError(f"{field} is {value}, but must lie between {low} and {high}")


def one_of(field: str, value: object, allowed: Collection[object]) -> None:
    """Refuse a `value` that is not among `allowed`."""
    if value not in allowed:
        raise ValueError(f"{field} is {value!r}, but must be one of {', '.join(map(str, allowed))}")


def multiple_of(field: str, value: int, factor: int) -> None:
    """Refuse a `value` that is no positive multiple of `factor`."""
    if value <= 0 or value % factor:
        raise ValueError(f"{field} is {value}, but must be a positive multiple of {factor}")
