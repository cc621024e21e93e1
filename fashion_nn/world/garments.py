"""Product pictures: one garment on white, filling its picture, over a soft shadow."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fashion_nn.world.bodies import mannequin
from fashion_nn.world.bottoms import bottom
from fashion_nn.world.drawing import Canvas, Piece, View
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.shoes import shoe
from fashion_nn.world.specs import CATEGORIES, GarmentSpec, sample_garment
from fashion_nn.world.tops import top

__all__ = ["CATEGORIES", "GarmentSpec", "draw_garment", "sample_garment"]

WHITE = (1.0, 1.0, 1.0)


def draw_garment(spec: GarmentSpec, *, height: int, width: int) -> tuple[Image.Image, Image.Image]:
    """The product picture of `spec` (RGB) and its mask (L), height x width pixels."""
    pieces = product(spec)
    points = np.concatenate([outline for piece in pieces for outline in piece.outlines])
    view = View.fitting(points, height=height, width=width, margin=0.06)
    canvas = Canvas(view, WHITE)
    canvas.paint([_shadow(points)])
    canvas.paint(pieces, worn=True)
    return canvas.picture(), canvas.mask()


def product(spec: GarmentSpec) -> list[Piece]:
    """The pieces of a garment as it lies in its product picture, back to front."""
    if spec.part == "shoes":
        return shoe(spec)
    if spec.part == "bottoms":
        return bottom(spec, mannequin(spec.figure, arms=20))
    body = mannequin(spec.figure, arms=46 if spec.sleeve < 0.5 else 21)
    made = top(spec, body)
    return [*made.behind, *made.sleeves[0], *made.sleeves[1], *made.trunk]


def _shadow(points: np.ndarray) -> Piece:
    """A faint pool of shade under the lower edge."""
    low, high = points.min(axis=0), points.max(axis=0)
    across = 0.46 * (high[0] - low[0])
    middle = 0.5 * (low[0] + high[0])
    size = float((high - low).max())
    pool = np.array(
        [
            (middle - across, high[1] - 0.012 * size),
            (middle + across, high[1] - 0.012 * size),
            (middle + across, high[1] + 0.016 * size),
            (middle - across, high[1] + 0.016 * size),
        ]
    )
    return Piece(
        outlines=(pool,), paint=Paint(colour=(0.45, 0.46, 0.50)), relief=0, opacity=0.28, blur=0.022 * size
    )
