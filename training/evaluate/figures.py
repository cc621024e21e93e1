"""Figures with their uncertainty, and findings as JSON."""

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

INTERVAL = 1.96  # standard errors: 95%


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """A mean and half of its 95% interval; nan where there are too few values."""

    value: float
    margin: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Mean":
        """values [n], such as one a shopper."""
        value = float(values.mean()) if len(values) else math.nan
        error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return cls(value=value, margin=INTERVAL * error)

    def __str__(self) -> str:
        return "none" if math.isnan(self.value) else f"{self.value:.4f} ± {self.margin:.4f}"


def to_json(findings: Any) -> bytes:
    """A dataclass of findings as JSON; null where a figure is nan."""
    return json.dumps(_plain(findings), indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
