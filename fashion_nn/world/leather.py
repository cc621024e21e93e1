"""What shoes of every kind are put together from, in the coordinates of their side view."""

from __future__ import annotations

import numpy as np

from fashion_nn.world.drawing import Piece, Points, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Paint


def upper(outline: Points, paint: Paint, *, folds: tuple[Points, ...] = ()) -> Piece:
    return Piece(outlines=(outline,), paint=paint, volume=0.06, relief=0.42, folds=folds)


def mouth(x: float, y: float, across: float, paint: Paint) -> Piece:
    """The dark opening that the foot goes in by."""
    return Piece(outlines=(ellipse(x, y, across, 0.028),), paint=paint.darker(0.5), relief=0.1)


def line(points: list[tuple[float, float]], paint: Paint, width: float = 0.005) -> Piece:
    """A seam or a stripe."""
    return Piece(outlines=(ribbon(spline(points), width),), paint=paint, relief=0, opacity=0.75)


def sole(top: Points, thick: float, paint: Paint) -> Piece:
    """A sole below the line `top`."""
    under = top[::-1] + np.array([0, thick])
    return Piece(outlines=(join(top, under),), paint=paint, volume=0.025, relief=0.35)
