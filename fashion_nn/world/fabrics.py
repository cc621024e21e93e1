"""What a surface is painted with: two colours, a woven or printed pattern, and how much it shines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Colour = tuple[float, float, float]  # red, green, blue in 0..1
Pattern = Literal["solid", "stripes", "pinstripes", "checks", "plaid", "dots", "block", "band", "ribs", "denim"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Paint:
    """Colour, and where the accent colour shows in it."""

    colour: Colour
    accent: Colour = (1.0, 1.0, 1.0)
    pattern: Pattern = "solid"
    period: float = 0.04  # figure units
    duty: float = 0.5  # share of a period that has the accent colour
    start: float = 0.0  # figure units along the axis, where "block" and "band" begin
    shine: float = 0.06  # light added to the lit side

    def darker(self, factor: float) -> Paint:
        """A plain paint of the same cloth in shadow."""
        return Paint(colour=dimmed(self.colour, factor), shine=0.0)


def dimmed(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0..1) of `other` in it."""
    a, b = np.asarray(one), np.asarray(other)
    return tuple(float(v) for v in a + share * (b - a))


def pattern(paint: Paint, across: np.ndarray, down: np.ndarray, pixel: float) -> np.ndarray:
    """How much accent colour shows, [h, w] in 0..1; edges are softened over `pixel`, a pixel's side."""
    period, duty = paint.period, paint.duty
    match paint.pattern:
        case "solid":
            return np.zeros_like(across)
        case "stripes":
            return _bars(down, period, duty, pixel)
        case "pinstripes":
            return _bars(across, period, duty, pixel)
        case "checks":
            return 0.5 * (_bars(across, period, 0.5, pixel) + _bars(down, period, 0.5, pixel))
        case "plaid":
            wide = 0.45 * (_bars(across, period, 0.45, pixel) + _bars(down, period, 0.45, pixel))
            thin = np.maximum(
                _bars(across + period / 2, period, 0.1, pixel), _bars(down + period / 2, period, 0.1, pixel)
            )
            return np.maximum(wide, 0.9 * thin)
        case "dots":
            return _dots(across, down, period, duty, pixel)
        case "block":
            return _edge(down - paint.start, pixel)
        case "band":
            return _edge(down - paint.start, pixel) * _edge(paint.start + period - down, pixel)
        case "ribs":
            return 0.5 * _bars(across, 0.011, 0.45, pixel)
        case "denim":
            return 0.75 * np.exp(-((across / 0.022) ** 2)) * np.exp(-(((down - 0.14) / 0.14) ** 2))
    raise ValueError(f"pattern: unknown {paint.pattern!r}")


def _edge(distance: np.ndarray, pixel: float) -> np.ndarray:
    return np.clip(distance / pixel + 0.5, 0, 1)


def _bars(along: np.ndarray, period: float, duty: float, pixel: float) -> np.ndarray:
    phase = along / period
    from_middle = np.abs(phase - np.rint(phase)) * period
    return _edge(duty * period / 2 - from_middle, pixel)


def _dots(across: np.ndarray, down: np.ndarray, period: float, duty: float, pixel: float) -> np.ndarray:
    row = np.rint(down / (0.8 * period))
    x = across / period + 0.5 * (row % 2)
    distance = np.hypot((x - np.rint(x)) * period, down - row * 0.8 * period)
    return _edge(0.36 * period * (0.6 + 0.6 * duty) - distance, pixel)
