"""Trousers, shorts and skirts over a body."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_nn.world.bodies import ANKLE_Y, CROTCH_Y, HIP_Y, KNEE_Y, Body
from fashion_nn.world.drawing import Piece, Points, crease, join, mirrored, ribbon, spline
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.specs import GarmentSpec

SKIRTS = ("pencil", "aline", "pleated", "maxi")
WAISTS = {"men": 0.418, "women": 0.395}


def bottom(spec: GarmentSpec, body: Body) -> list[Piece]:
    """The pieces of the bottom garment `spec` on `body`, back to front."""
    rng = np.random.default_rng(spec.seed)
    return _skirt(spec, body, rng) if spec.cut in SKIRTS else _trousers(spec, body, rng)


def _waist(spec: GarmentSpec, body: Body) -> tuple[float, float]:
    """Half-width and height of the upper edge."""
    y = WAISTS[body.figure]
    share = (y - 0.385) / (HIP_Y - 0.385)
    return (1 - share) * body.waist + share * body.hip + 0.004, y


def _skirt(spec: GarmentSpec, body: Body, rng: np.random.Generator) -> list[Piece]:
    waist, top = _waist(spec, body)
    hem = HIP_Y + spec.length * (ANKLE_Y - HIP_Y)
    hip = body.hip + 0.006 + 0.012 * spec.fit
    flare = {"pencil": -0.10, "aline": 0.25, "pleated": 0.34, "maxi": 0.16}[spec.cut]
    edge = hip + flare * (0.6 + 0.6 * spec.fit) * (hem - HIP_Y)
    middle = hip + 0.42 * (edge - hip)
    side = spline(
        [
            (waist, top),
            (0.6 * waist + 0.4 * hip + 0.008, top + 0.03),
            (hip, HIP_Y),
            (middle, 0.5 * (HIP_Y + hem)),
            (edge, hem),
        ]
    )
    drop = 0.012 if spec.cut != "pencil" else 0.004
    bottom_edge = spline(
        [
            (edge, hem),
            (0.5 * edge, hem + 0.8 * drop),
            (0, hem + drop),
            (-0.5 * edge, hem + 0.8 * drop),
            (-edge, hem),
        ]
    )
    outline = join([(-waist, top), (waist, top)], side, bottom_edge, mirrored(side))
    folds = _pleats(spec, waist, edge, top, hem + drop, rng)
    pieces = [Piece(outlines=(outline,), paint=spec.paint, folds=folds, volume=0.026, relief=0.34)]
    pieces.append(_band(waist, top, spec.paint))
    pieces.append(_line([(-edge, hem - 0.010), (0, hem + drop - 0.010), (edge, hem - 0.010)], spec.paint))
    return pieces


def _pleats(
    spec: GarmentSpec, waist: float, edge: float, top: float, hem: float, rng: np.random.Generator
) -> tuple[Points, ...]:
    if spec.cut == "pencil":
        shares, start = rng.uniform(-0.7, 0.7, 3), 0.5
    elif spec.cut == "pleated":
        shares, start = np.linspace(-0.86, 0.86, 9), 0.04
    else:
        shares, start = np.linspace(-0.75, 0.75, 5) + rng.uniform(-0.1, 0.1, 5), 0.25
    folds = []
    for share in shares:
        y0 = top + 0.02 + start * (hem - top) * rng.uniform(0.7, 1.1)
        x0 = share * (waist + (edge - waist) * (y0 - top) / (hem - top))
        x1 = share * edge * 0.97
        line = np.array([(x0, y0), (0.5 * (x0 + x1), 0.5 * (y0 + hem)), (x1, hem)])
        if spec.cut == "pleated":
            folds.append(ribbon(line, [0.001, 0.0035, 0.006]))
        else:
            folds.append(crease(line, 0.007))
    return tuple(folds)


def _trousers(spec: GarmentSpec, body: Body, rng: np.random.Generator) -> list[Piece]:
    waist, top = _waist(spec, body)
    end = CROTCH_Y + spec.length * (ANKLE_Y + 0.012 - CROTCH_Y)
    legs = [_leg(spec, body, side, waist, top, end) for side in (-1, 1)]
    pieces = []
    for side, outline in zip((-1, 1), legs, strict=True):
        joints = body.leg_joints(side)
        pieces.append(
            Piece(
                outlines=(outline,),
                paint=spec.paint,
                axis=np.array([(joints[0, 0], top), (joints[1, 0], KNEE_Y), (joints[2, 0], ANKLE_Y)]),
                folds=_leg_folds(joints, side, end, spec, rng),
                volume=0.022,
                relief=0.36,
            )
        )
    pieces += _trouser_details(spec, body, waist, top, end)
    return pieces


def _leg(spec: GarmentSpec, body: Body, side: int, waist: float, top: float, end: float) -> Points:
    """One leg with its half of the seat, in figure coordinates."""
    joints, radii = body.leg_joints(1), body.leg_radii
    ease = 0.003 + 0.016 * spec.fit
    wide = 0.055 if spec.cut == "wideleg" else 0.016
    knee = radii[1] + ease + (wide * 0.45 if spec.fit > 0.2 else 0)
    ankle = radii[2] + ease + (wide * spec.fit if spec.fit > 0.05 else 0) + 0.005
    if spec.cut == "joggers":
        ankle = radii[2] + 0.008
    outward = 0.024 if spec.cut == "shorts" else 0.0
    outer = spline(
        [
            (waist, top),
            (0.4 * waist + 0.6 * (body.hip + ease), 0.5 * (top + HIP_Y)),
            (body.hip + ease, HIP_Y + 0.02),
            (joints[1, 0] + knee + outward, KNEE_Y),
            (joints[2, 0] + ankle, ANKLE_Y + 0.012),
        ],
        samples=14,
    )
    inside = max(joints[1, 0] - knee + 0.004 + 0.6 * outward, 0.006)
    cuff = max(joints[2, 0] - ankle, 0.013)
    inner = spline([(0.0, CROTCH_Y), (inside, KNEE_Y), (cuff, ANKLE_Y + 0.012)], samples=14)
    outer, inner = _until(outer, end), _until(inner, end)
    inner[:, 0] = np.maximum(inner[:, 0], 0.001)
    hem = spline([outer[-1], (0.5 * (outer[-1, 0] + inner[-1, 0]), end + 0.005), inner[-1]])
    outline = join([(-0.001, top)], outer, hem, inner[::-1], [(-0.001, CROTCH_Y)])
    return outline if side > 0 else outline * (-1, 1)


def _until(curve: Points, y: float) -> Points:
    return np.concatenate([curve[curve[:, 1] < y], [(np.interp(y, curve[:, 1], curve[:, 0]), y)]])


def _leg_folds(
    joints: Points, side: int, end: float, spec: GarmentSpec, rng: np.random.Generator
) -> tuple[Points, ...]:
    """Creases that fan out from the crotch, break at knee and ankle, and run down pressed or wide legs."""
    groin = (
        [(0.006, -0.004), (0.035, -0.012), (0.065, -0.030)],
        [(0.010, 0.012), (0.035, 0.012), (0.055, 0.006)],
    )
    folds = [crease([(side * x, CROTCH_Y + y) for x, y in fan], 0.0045) for fan in groin]
    (hip, _), (knee, _), (ankle, _) = joints
    if end > KNEE_Y:
        folds += [_break(knee, y, rng.uniform(0.016, 0.03), rng) for y in (KNEE_Y - 0.02, KNEE_Y + 0.012)]
    if end > 0.9 and spec.cut != "wideleg":
        folds += [_break(ankle, y, 0.024, rng) for y in (end - 0.022, end - 0.042)]
    if spec.cut in ("wideleg", "chinos", "shorts"):
        x = 0.5 * (hip + knee)
        low = (ankle if end > 0.9 else 0.95 * x, end - 0.01)
        folds.append(crease([(x, top_of(spec) + 0.05), (0.98 * x, 0.5 * (CROTCH_Y + end)), low], 0.004))
    return tuple(folds)


def _break(x: float, y: float, reach: float, rng: np.random.Generator) -> Points:
    """A crease across a leg."""
    left, right = rng.normal(0, 0.005, 2)
    return crease([(x - reach, y + left), (x, y + 0.008), (x + reach, y + right)], 0.004)


def top_of(spec: GarmentSpec) -> float:
    """Where the garment begins on the figure."""
    return WAISTS[spec.figure]


def _trouser_details(spec: GarmentSpec, body: Body, waist: float, top: float, end: float) -> list[Piece]:
    stitch = spec.paint if spec.paint.pattern != "denim" else Paint(colour=(0.80, 0.58, 0.30))
    pieces = [_band(waist, top, spec.paint, ribbed=spec.cut in ("joggers", "leggings"))]
    pieces.append(_line([(0.001, top + 0.02), (0.001, CROTCH_Y)], spec.paint))
    if spec.cut in ("leggings",):
        return pieces
    for side in (-1, 1):
        pieces.append(
            _line(
                [
                    (side * 0.55 * waist, top + 0.022),
                    (side * 0.72 * body.hip, top + 0.040),
                    (side * 0.98 * body.hip, top + 0.058),
                ],
                stitch,
            )
        )
        if spec.cut == "cargo":
            pieces += _cargo_pocket(spec, body, side)
        if spec.cut == "joggers":
            x = side * body.stance
            cuff = ribbon(np.array([(x, end - 0.022), (x, end + 0.004)]), 0.030)
            pieces.append(Piece(outlines=(cuff,), paint=_ribbed(spec.paint), volume=0.012, relief=0.4))
    if spec.cut in ("jeans", "chinos", "shorts", "cargo"):
        pieces.append(_line([(0.013, top + 0.022), (0.013, CROTCH_Y - 0.035), (0.002, CROTCH_Y - 0.022)], stitch))
        button = Paint(colour=(0.75, 0.62, 0.38), shine=0)
        pieces.append(
            Piece(
                outlines=(ribbon(np.array([(0, top + 0.006), (0, top + 0.014)]), 0.004),),
                paint=button,
                relief=0,
            )
        )
    return pieces


def _cargo_pocket(spec: GarmentSpec, body: Body, side: int) -> list[Piece]:
    x = side * (0.60 * body.hip + 0.6 * body.leg_joints(1)[1, 0])
    pocket = np.array([(x - 0.024, 0.62), (x + 0.024, 0.62), (x + 0.022, 0.70), (x - 0.022, 0.70)])
    flap = np.array([(x - 0.026, 0.612), (x + 0.026, 0.612), (x + 0.026, 0.636), (x - 0.026, 0.636)])
    return [Piece(outlines=(p,), paint=spec.paint, volume=0.007, relief=0.4) for p in (pocket, flap)]


def _ribbed(paint: Paint) -> Paint:
    return replace(paint, colour=paint.darker(0.92).colour, accent=paint.darker(0.68).colour, pattern="ribs")


def _band(waist: float, top: float, paint: Paint, *, ribbed: bool = False) -> Piece:
    outline = join(
        spline([(-waist - 0.001, top - 0.002), (0, top + 0.004), (waist + 0.001, top - 0.002)]),
        spline([(waist + 0.004, top + 0.018), (0, top + 0.024), (-waist - 0.004, top + 0.018)]),
    )
    return Piece(outlines=(outline,), paint=_ribbed(paint) if ribbed else paint.darker(0.94), volume=0.010, relief=0.42)


def _line(points: list[tuple[float, float]], paint: Paint) -> Piece:
    return Piece(outlines=(ribbon(spline(points), 0.0014),), paint=paint.darker(0.45), relief=0, opacity=0.6)
