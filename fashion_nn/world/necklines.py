"""The neck of a top: its opening, and the binding, collar, hood, roll or straps around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_nn.world.bodies import NECK_Y, Body
from fashion_nn.world.drawing import Piece, Points, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.specs import GarmentSpec

# half-width at the neck beyond the body's own neck, and depth below the neck's base
NECKLINES = {
    "crew": (0.010, 0.026),
    "v": (0.012, 0.085),
    "scoop": (0.024, 0.066),
    "boat": (0.044, 0.026),
    "turtle": (0.006, 0.010),
    "collar": (0.010, 0.045),
    "hood": (0.016, 0.040),
    "straps": (0.030, 0.085),
}
HEAVY = ("sweater", "hoodie")
POINTED = ("v", "collar")


def neck_width(spec: GarmentSpec, body: Body) -> float:
    """Half the width of the opening at the base of the neck."""
    return min(body.neck + NECKLINES[spec.neckline][0], 0.53 * body.shoulder)


def neck_point(spec: GarmentSpec, body: Body) -> tuple[float, float]:
    """Where the opening meets the right shoulder; wide openings lie further down its slope."""
    neck = neck_width(spec, body)
    return neck, NECK_Y + 0.50 * max(0.0, neck - body.neck - 0.010)


def opening(spec: GarmentSpec, body: Body) -> Points:
    """The front edge of the opening, from the left to the right of the neck."""
    (neck, high), deep = neck_point(spec, body), NECKLINES[spec.neckline][1]
    across, down = (0.42, 0.58) if spec.neckline in POINTED else (0.68, 0.72)
    right = [(across * neck, high + down * (NECK_Y + deep - high)), (neck, high)]
    line = np.array([(-x, y) for x, y in right[::-1]] + [(0, NECK_Y + deep), *right])
    return line if spec.neckline in POINTED else spline(line)


def inner_back(spec: GarmentSpec, body: Body) -> Piece:
    """The inside of the back that a product picture shows through the opening."""
    if spec.neckline == "straps":
        half = 0.74 * body.chest
        upper, low = spline([(-half, 0.234), (0, 0.240), (half, 0.234)]), 0.27
    else:
        half, high = neck_point(spec, body)
        upper = spline([(-half, high), (0, max(high, NECK_Y + 0.011)), (half, high)])
        low = NECK_Y + NECKLINES[spec.neckline][1] + 0.02
    outline = join(
        upper,
        [
            (half, 0.5 * (low + upper[0, 1])),
            (0.5 * half, low),
            (-0.5 * half, low),
            (-half, 0.5 * (low + upper[0, 1])),
        ],
    )
    return Piece(outlines=(outline,), paint=spec.paint.darker(0.62), relief=0.15)


def seam(outline: Points, paint: Paint) -> Piece:
    return Piece(outlines=(outline,), paint=paint.darker(0.45), relief=0, opacity=0.55)


def trim(spec: GarmentSpec) -> Paint:
    """The paint of cuffs, collars and ribbed hems."""
    if spec.cut in HEAVY:
        return ribbed(spec.paint)
    if spec.cut == "polo" and spec.paint.pattern == "solid":
        return Paint(colour=spec.paint.accent)
    return spec.paint.darker(0.93)


def ribbed(paint: Paint) -> Paint:
    return replace(paint, colour=paint.darker(0.93).colour, accent=paint.darker(0.68).colour, pattern="ribs")


def neck_details(spec: GarmentSpec, body: Body, hem: float, trunk: Points) -> list[Piece]:
    """Whatever goes around the opening of a top whose trunk has this outline and ends at `hem`."""
    match spec.neckline:
        case "collar":
            return _collar(spec, neck_width(spec, body), hem, trunk)
        case "hood":
            return _hood(spec, neck_width(spec, body))
        case "turtle":
            return [_roll(spec, body)]
        case "straps":
            return [_straps(spec, body)]
    binding = ribbon(opening(spec, body) + np.array([0, 0.003]), 0.0042)
    return [Piece(outlines=(binding,), paint=spec.paint.darker(0.84), relief=0.2, clip=(trunk,))]


def _roll(spec: GarmentSpec, body: Body) -> Piece:
    neck = neck_width(spec, body)
    lower = spline([(-neck - 0.003, NECK_Y + 0.006), (0, NECK_Y + 0.022), (neck + 0.003, NECK_Y + 0.006)])
    upper = spline([(body.neck + 0.004, 0.136), (0, 0.143), (-body.neck - 0.004, 0.136)])
    return Piece(outlines=(join(lower, upper),), paint=ribbed(spec.paint), volume=0.014, relief=0.4)


def _straps(spec: GarmentSpec, body: Body) -> Piece:
    """Two straps over the shoulders."""
    chest, neck = 0.62 * body.chest, body.neck + 0.030
    lines = [np.array([(s * chest, 0.242), (s * 0.93 * chest, 0.205), (s * neck, 0.170)]) for s in (-1, 1)]
    return Piece(outlines=tuple(ribbon(line, 0.0046) for line in lines), paint=spec.paint.darker(0.9), relief=0.2)


def _collar(spec: GarmentSpec, neck: float, hem: float, trunk: Points) -> list[Piece]:
    low = NECK_Y + NECKLINES["collar"][1]
    end = NECK_Y + 0.115 if spec.cut == "polo" else hem + 0.03
    pale = sum(spec.paint.colour) > 2.1
    button = spec.paint.darker(0.55) if pale else Paint(colour=(0.92, 0.90, 0.86), shine=0)
    places = np.arange(low + 0.016, min(end, hem) - 0.008, 0.038)
    pieces = [
        Piece(
            outlines=(ribbon(np.array([(0.001, low), (0.001, end)]), 0.0085),),
            paint=spec.paint,
            relief=0.10,
            volume=0.008,
            clip=(trunk,),
        ),
        replace(seam(ribbon(np.array([(0.0095, low + 0.004), (0.0095, end)]), 0.0012), spec.paint), clip=(trunk,)),
        Piece(
            outlines=tuple(ellipse(0.001, y, 0.0035, 0.0035, samples=10) for y in places),
            paint=button,
            relief=0,
        ),
    ]
    flap = np.array(
        [
            (neck - 0.006, NECK_Y - 0.012),
            (neck + 0.006, NECK_Y + 0.004),
            (0.85 * neck, low + 0.006),
            (0.002, low),
            (0.42 * neck, NECK_Y + 0.45 * (low - NECK_Y)),
        ]
    )
    return pieces + [Piece(outlines=(flap * (s, 1),), paint=trim(spec), volume=0.008, relief=0.34) for s in (-1, 1)]


def _hood(spec: GarmentSpec, neck: float) -> list[Piece]:
    low = NECK_Y + NECKLINES["hood"][1]
    pocket = join(
        [(-0.030, 0.382), (0.030, 0.382)],
        spline([(0.030, 0.382), (0.046, 0.40), (0.058, 0.425)]),
        [(0.058, 0.442), (-0.058, 0.442)],
        spline([(-0.058, 0.425), (-0.046, 0.40), (-0.030, 0.382)]),
    )
    fold = spline(
        [
            (neck - 0.014, NECK_Y - 0.022),
            (neck + 0.020, NECK_Y - 0.006),
            (neck + 0.012, NECK_Y + 0.030),
            (0, low + 0.022),
            (0, low - 0.002),
            (0.6 * neck, NECK_Y + 0.5 * (low - NECK_Y)),
        ],
        closed=True,
    )
    cord = ribbon(spline([(0.014, low + 0.010), (0.017, low + 0.04), (0.015, low + 0.07)]), 0.0022)
    string = Paint(colour=(0.93, 0.92, 0.9) if sum(spec.paint.colour) < 2 else (0.3, 0.3, 0.3))
    pieces = [Piece(outlines=(pocket,), paint=spec.paint, volume=0.008, relief=0.22)]
    pieces += [
        Piece(outlines=(fold * (s, 1),), paint=spec.paint.darker(0.92), volume=0.012, relief=0.45) for s in (-1, 1)
    ]
    return [*pieces, Piece(outlines=(cord, cord * (-1, 1)), paint=string, relief=0)]
