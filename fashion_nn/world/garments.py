"""Product pictures: one garment on white, filling its picture, over a soft shadow."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fashion_nn.world.bodies import Body, mannequin
from fashion_nn.world.bottoms import bottom
from fashion_nn.world.drawing import Canvas, Piece, Points, View, ellipse
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.shoes import shoes
from fashion_nn.world.specs import CATEGORIES, GarmentSpec, sample_garment
from fashion_nn.world.tops import top

__all__ = ["CATEGORIES", "GarmentSpec", "draw_garment", "sample_garment"]

WHITE = (1.0, 1.0, 1.0)
SHADE = Paint(colour=(0.50, 0.51, 0.55))


def draw_garment(spec: GarmentSpec, *, height: int, width: int) -> tuple[Image.Image, Image.Image]:
    """The product picture of `spec` (RGB) and its mask (L), height x width pixels."""
    pieces = product(spec)
    whole, points = _extent(pieces)
    canvas = Canvas(_fitting(points, height=height, width=width), WHITE)
    size = float(np.ptp(points, axis=0).max())
    canvas.paint([_ground_shadow(points, size) if spec.part == "shoes" else _flat_shadow(whole, size)])
    canvas.paint(pieces, worn=True)
    return canvas.picture(), canvas.mask()


def product(spec: GarmentSpec) -> list[Piece]:
    """The pieces of a garment as it lies in its product picture, back to front."""
    if spec.part == "shoes":
        return shoes(spec)
    body = inside(spec)
    if spec.part == "bottoms":
        return bottom(spec, body)
    made = top(spec, body)
    return [*made.behind, *made.sleeves[0], *made.sleeves[1], *made.trunk]


def inside(spec: GarmentSpec) -> Body:
    """The body inside the product picture of a top or bottoms."""
    if spec.part == "bottoms":
        return mannequin(spec.figure, arms=20)
    return mannequin(spec.figure, arms=46 if spec.sleeve < 0.5 else 21)


def product_view(spec: GarmentSpec, *, height: int, width: int) -> View:
    """Where figure coordinates land on the product picture of `spec`."""
    return _fitting(_extent(product(spec))[1], height=height, width=width)


def _extent(pieces: list[Piece]) -> tuple[list[Piece], Points]:
    """The pieces that are not cut to the shape of others, and all points of their outlines: [n, 2]."""
    whole = [piece for piece in pieces if not piece.clip]
    return whole, np.concatenate([outline for piece in whole for outline in piece.outlines])


def _fitting(points: Points, *, height: int, width: int) -> View:
    return View.fitting(points, height=height, width=width, margin=0.06)


def _flat_shadow(pieces: list[Piece], size: float) -> Piece:
    """The shade of a garment that lies flat, lit from the upper left."""
    outlines = tuple(outline + np.array([0.006, 0.014]) * size for piece in pieces for outline in piece.outlines)
    return Piece(outlines=outlines, paint=SHADE, relief=0, opacity=0.42, blur=0.016 * size)


def _ground_shadow(points: Points, size: float) -> Piece:
    """A pool of shade under what stands on the ground."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = 0.5 * (low[0] + high[0])
    pool = ellipse(middle, high[1] - 0.004 * size, 0.50 * (high[0] - low[0]), 0.026 * size)
    return Piece(outlines=(pool,), paint=SHADE, relief=0, opacity=0.55, blur=0.018 * size)
