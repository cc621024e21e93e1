"""Shoes in pairs from the side for product pictures, and from the front on a figure's feet.

The side view has its own coordinates: the heel is at x = 0, the toe at x = 1, the ground at y = 0; y grows
downwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_nn.world.bodies import Body
from fashion_nn.world.drawing import Piece, Points, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Paint, dimmed, mixed
from fashion_nn.world.heels import boot, heeled_sandal, pump
from fashion_nn.world.leather import line, mouth, sole, upper
from fashion_nn.world.specs import GarmentSpec

BOOTS = ("chelsea", "workboot", "ankleboot", "tallboot")
HEELED = ("pump", "ankleboot", "tallboot", "heelsandal")
RUBBER = Paint(colour=(0.93, 0.92, 0.89), shine=0.02)
PALE_LACE, DARK_LACE = Paint(colour=(0.96, 0.96, 0.95)), Paint(colour=(0.45, 0.45, 0.47))


def shoes(spec: GarmentSpec) -> list[Piece]:
    """The side view of a pair, back to front: the second shoe stands behind the first."""
    first = _shoe(spec)
    aside = np.array([0.30, -0.03] if spec.cut in BOOTS else [0.07, -0.21])
    return [_moved(piece, aside) for piece in first] + first


def _moved(piece: Piece, aside: Points) -> Piece:
    """The piece further back, a little in the shade."""
    colour, accent = dimmed(piece.paint.colour, 0.86), dimmed(piece.paint.accent, 0.86)
    places = {name: tuple(o + aside for o in getattr(piece, name)) for name in ("outlines", "folds")}
    return replace(piece, paint=replace(piece.paint, colour=colour, accent=accent), **places)


def _shoe(spec: GarmentSpec) -> list[Piece]:
    """The side view of one shoe, back to front."""
    match spec.cut:
        case "sneaker" | "hightop":
            return _sneaker(spec)
        case "oxford":
            return _oxford(spec)
        case "slide":
            return _slide(spec)
        case "ballet":
            return _ballet(spec)
        case "pump":
            return pump(spec)
        case "heelsandal":
            return heeled_sandal(spec)
    return boot(spec)


def _sneaker(spec: GarmentSpec) -> list[Piece]:
    rise, lip = (-0.46, 0.30) if spec.cut == "hightop" else (-0.31, 0.32)
    paint, trim = spec.paint, Paint(colour=spec.paint.accent)
    back = [(0.03, -0.08), (0.0, -0.18), (0.04, rise + 0.02), (0.07, rise - 0.01)]
    collar = [back[-1], (0.18, rise + 0.035), (lip, rise + 0.01)]
    vamp = [collar[-1], (0.42, -0.30), (0.60, -0.20), (0.80, -0.165), (0.94, -0.13), (0.985, -0.07)]
    tip = [(0.985, -0.07), (0.94, -0.13), (0.82, -0.163), (0.74, -0.172)]
    toe = join(spline([(0.74, -0.17), (0.80, -0.12), (0.80, -0.07)]), spline(tip))
    heel = spline([(0.02, -0.09), (0.0, -0.18), (0.03, -0.25), (0.09, -0.24), (0.10, -0.09)], closed=True)
    ground = spline([(0.0, -0.085), (0.25, -0.075), (0.55, -0.07), (0.85, -0.085), (1.0, -0.09)])
    welt = Paint(colour=mixed(paint.accent, (0.4, 0.4, 0.4), 0.3))
    cap = RUBBER if spec.cut == "hightop" else paint.darker(0.9)
    return [
        mouth(0.19, rise + 0.025, 0.12, paint),
        upper(join(spline(back), spline(collar), spline(vamp)), paint),
        Piece(outlines=(toe,), paint=cap, volume=0.03, relief=0.35),
        Piece(outlines=_emblem(spec), paint=trim, relief=0.12),
        Piece(outlines=(heel,), paint=trim, volume=0.02, relief=0.3),
        _laces(spec, (lip + 0.02, rise + 0.05), (0.60, -0.205), 6 if spec.cut == "hightop" else 4),
        sole(ground, 0.085, RUBBER if spec.length < 0.75 else trim),
        line([(0.01, -0.035), (0.5, -0.022), (0.99, -0.04)], welt, 0.006),
    ]


def _emblem(spec: GarmentSpec) -> tuple[Points, ...]:
    """A wave or three bars on the side of a sneaker."""
    if spec.fit < 0.5:
        wave = [(0.20, -0.13), (0.38, -0.11), (0.66, -0.19), (0.60, -0.21), (0.38, -0.16), (0.22, -0.17)]
        return (spline(wave, closed=True),)
    return tuple(ribbon(np.array([(x, -0.10), (x + 0.06, -0.25)]), 0.012) for x in (0.30, 0.37, 0.44))


def _laces(spec: GarmentSpec, start: tuple[float, float], end: tuple[float, float], count: int) -> Piece:
    places = np.linspace(start, end, count + 2)[1:-1]
    rungs = tuple(ribbon(place + np.array([(-0.035, 0.035), (0.020, -0.012)]), 0.009) for place in places)
    return Piece(outlines=rungs, paint=PALE_LACE if sum(spec.paint.colour) < 2.3 else DARK_LACE, relief=0.1)


def _oxford(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    under = Paint(colour=mixed(paint.colour, (0.12, 0.08, 0.06), 0.75), shine=0.02)
    back = [(0.02, -0.06), (0.0, -0.16), (0.04, -0.27), (0.07, -0.285)]
    collar = [back[-1], (0.18, -0.245), (0.34, -0.285)]
    vamp = [collar[-1], (0.46, -0.235), (0.62, -0.165), (0.82, -0.135), (0.96, -0.10), (1.0, -0.05)]
    steps = 0.055 * np.arange(4)
    laces = [ribbon(np.array([(0.36 + s, 0.44 * s - 0.232), (0.41 + s, 0.47 * s - 0.262)]), 0.007) for s in steps]
    heel = np.array([(0.005, -0.035), (0.28, -0.03), (0.27, 0.0), (0.01, 0.0)])
    return [
        mouth(0.20, -0.262, 0.13, paint),
        upper(join(spline(back), spline(collar), spline(vamp)), paint),
        line([(0.70, -0.158), (0.735, -0.10), (0.73, -0.05)], paint.darker(0.5)),
        line([(0.30, -0.27), (0.34, -0.15), (0.44, -0.05)], paint.darker(0.5)),
        Piece(outlines=tuple(laces), paint=paint.darker(0.4), relief=0),
        sole(spline([(0.0, -0.06), (0.3, -0.05), (0.6, -0.042), (1.0, -0.055)]), 0.030, under),
        Piece(outlines=(heel,), paint=under, relief=0.3),
    ]


def _slide(spec: GarmentSpec) -> list[Piece]:
    bed = spline([(0.0, -0.13), (0.3, -0.11), (0.6, -0.09), (0.9, -0.10), (1.0, -0.115)])
    rear, front = (
        [(0.40, -0.085), (0.42, -0.22), (0.52, -0.30), (0.64, -0.29)],
        [(0.78, -0.22), (0.86, -0.085)],
    )
    trim = Paint(colour=spec.paint.accent)
    return [
        sole(bed, 0.11, Paint(colour=mixed(spec.paint.accent, (0.5, 0.45, 0.4), 0.35))),
        upper(join(spline(rear), spline([rear[-1], *front])), spec.paint),
        line([(0.46, -0.10), (0.48, -0.21), (0.55, -0.275), (0.63, -0.27)], trim, 0.008),
        line([(0.01, -0.06), (0.5, -0.03), (0.99, -0.055)], Paint(colour=(0.2, 0.18, 0.17)), 0.007),
    ]


def _ballet(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    opening = [(0.02, -0.20), (0.12, -0.14), (0.35, -0.10), (0.58, -0.12), (0.70, -0.155)]
    toe = [opening[-1], (0.86, -0.13), (0.97, -0.08), (1.0, -0.03)]
    under, back = [toe[-1], (0.5, -0.022), (0.03, -0.03)], [(0.03, -0.03), (-0.005, -0.10), (0.02, -0.20)]
    inner = spline([(0.04, -0.19), (0.30, -0.17), (0.66, -0.155), (0.5, -0.09), (0.2, -0.10)], closed=True)
    bow = (ellipse(0.69, -0.172, 0.045, 0.024, turn=0.4), ellipse(0.77, -0.165, 0.045, 0.024, turn=-0.3))
    ribbon_paint = Paint(colour=paint.accent) if spec.fit > 0.5 else paint.darker(0.8)
    return [
        Piece(outlines=(inner,), paint=Paint(colour=mixed(paint.colour, (0.80, 0.66, 0.52), 0.75)), relief=0.2),
        upper(join(spline(opening), spline(toe), spline(under), spline(back)), paint),
        Piece(outlines=bow, paint=ribbon_paint, volume=0.02, relief=0.35),
        sole(spline([(0.02, -0.035), (0.5, -0.026), (1.0, -0.033)]), 0.028, Paint(colour=(0.28, 0.20, 0.16))),
    ]


def feet(spec: GarmentSpec, body: Body) -> list[Piece]:
    """The shoes seen from the front, on a figure."""
    pieces = []
    for side in (-1, 1):
        x, out = side * (body.stance + 0.004), side * 0.008
        toe = 0.996 if spec.cut in HEELED else 1.0
        left = [(x - 0.020, 0.945), (x - 0.024 + 0.4 * out, 0.975), (x - 0.022 + out, toe)]
        right = [(x + 0.022 + out, toe), (x + 0.024 + 0.4 * out, 0.975), (x + 0.020, 0.945)]
        foot = spline([*left, *right], closed=True)
        pieces.append(Piece(outlines=(foot,), paint=spec.paint, volume=0.012, relief=0.4))
        if spec.cut in ("sneaker", "hightop", "workboot"):
            edge = ribbon(np.array([(x - 0.023 + out, toe - 0.005), (x + 0.023 + out, toe - 0.005)]), 0.005)
            pieces.append(Piece(outlines=(edge,), paint=RUBBER, relief=0))
    return pieces
