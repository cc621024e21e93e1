"""Tops: trunk, sleeves and the details of each cut, as pieces over a body."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fashion_nn.world.bodies import ARMPIT_Y, HIP_Y, WAIST_Y, Body
from fashion_nn.world.drawing import (
    Piece,
    Points,
    along,
    crease,
    ellipse,
    join,
    limb,
    mirrored,
    ribbon,
    spline,
)
from fashion_nn.world.fabrics import Paint
from fashion_nn.world.necklines import HEAVY, inner_back, neck_details, neck_point, opening, seam, trim
from fashion_nn.world.specs import GarmentSpec

SLEEVELESS = ("tank", "camisole", "shell")


@dataclass(slots=True)
class Top:
    """The pieces of a top in the order in which a dressed figure is painted."""

    behind: list[Piece] = field(default_factory=list)  # inside of the back; product pictures only
    sleeves: tuple[list[Piece], list[Piece]] = field(default_factory=lambda: ([], []))
    trunk: list[Piece] = field(default_factory=list)


def top(spec: GarmentSpec, body: Body) -> Top:
    """The top `spec` on `body`."""
    rng = np.random.default_rng(spec.seed)
    ease = 0.004 + 0.018 * spec.fit
    outline = _trunk(spec, body, ease)
    made = Top(behind=[inner_back(spec, body)])
    if spec.sleeve > 0:
        made.sleeves = (_sleeve(spec, body, -1, ease, rng), _sleeve(spec, body, 1, ease, rng))
    cloth = Piece(
        outlines=(outline,),
        paint=spec.paint,
        folds=_trunk_folds(spec, body, rng),
        emblem=_motif(spec),
        volume=0.024,
        relief=0.34,
    )
    made.trunk = [
        cloth,
        *_details(spec, body, outline, ease),
        *neck_details(spec, body, hem_y(spec), outline),
    ]
    return made


def hem_y(spec: GarmentSpec) -> float:
    longer = 0.022 if spec.figure == "men" else 0.0
    return HIP_Y - 0.03 + longer + 0.072 * spec.length


# trunk


def _flank(spec: GarmentSpec, body: Body, ease: float) -> Points:
    """The right side from the armpit to the hem."""
    hem, chest = hem_y(spec), body.chest + ease
    shaped = 0.85 if body.figure == "women" else 0.35
    snug = shaped * (1 - 0.75 * spec.fit)
    waist = snug * (body.waist + ease) + (1 - snug) * (chest - 0.004)
    hip = body.hip + 0.045 if spec.cut == "peplum" else max(body.hip + ease, waist) - 0.006 * (spec.cut in HEAVY)
    knots = [
        (chest, ARMPIT_Y),
        (0.5 * (chest + waist) + 0.003, 0.32),
        (waist, WAIST_Y - 0.01),
        (hip, HIP_Y),
        (hip + 0.006, 0.60),
    ]
    curve = spline(knots, samples=10)
    edge = np.interp(hem, curve[:, 1], curve[:, 0])
    return np.concatenate([curve[curve[:, 1] < hem], [(edge, hem)]])


def _trunk(spec: GarmentSpec, body: Body, ease: float) -> Points:
    flank = _flank(spec, body, ease)
    edge, hem = flank[-1]
    drop = 0.016 if spec.cut in ("shirt", "blouse") else 0.006
    lower = spline(
        [
            (edge, hem),
            (0.6 * edge, hem + 0.75 * drop),
            (0, hem + drop),
            (-0.6 * edge, hem + 0.75 * drop),
            (-edge, hem),
        ]
    )
    if spec.neckline == "straps":
        upper, right = _bodice(flank)
    else:
        upper, right = opening(spec, body), _shoulder(spec, body, ease)
        right = join(right, flank[flank[:, 1] > right[-1, 1]])
    return join(upper, right, lower, mirrored(right))


def _bodice(flank: Points) -> tuple[Points, Points]:
    """Upper edge and right side of a top that hangs on straps."""
    chest = flank[0, 0]
    cup = [(0.75 * chest, 0.232), (0.4 * chest, 0.240)]
    edge = spline([(-x, y) for x, y in cup] + [(0, 0.256)] + cup[::-1])
    return edge, join(spline([cup[0], (0.9 * chest, 0.248), (chest, 0.268)]), flank[2:])


def _shoulder(spec: GarmentSpec, body: Body, ease: float) -> Points:
    """From the neck over the shoulder and down the armhole, right side."""
    neck = neck_point(spec, body)
    chest = body.chest + ease
    if spec.cut in SLEEVELESS:
        inset = 0.70 if spec.cut == "tank" else 0.80
        tip = np.array([inset * body.shoulder, 0.171 + 0.008 * inset])
        armhole = spline([tip, (tip[0] - 0.006, 0.215), (0.5 * (tip[0] + chest), 0.252), (chest, 0.268)])
        return join([neck], armhole)  # meets the flank below the armpit
    joint, radius = body.arm_joints(1)[0], body.arm_radii[0] + 0.8 * ease + 0.003
    ridge = joint + radius * np.array([-0.35, -0.94])
    tip = joint + radius * np.array([0.45, -0.89])
    over = spline([neck, 0.5 * (np.array(neck) + ridge) + (0, 0.001), ridge, tip])
    return join(over, spline([tip, (min(tip[0], chest) - 0.004, 0.216), (chest, ARMPIT_Y)]))


def _trunk_folds(spec: GarmentSpec, body: Body, rng: np.random.Generator) -> tuple[Points, ...]:
    folds, hem = [], hem_y(spec)
    for side in (-1, 1):
        x, y = side * body.chest, ARMPIT_Y + 0.015
        reach, fall = rng.uniform(0.03, 0.06), rng.uniform(0.03, 0.05)
        folds.append(crease([(x, y), (x - side * 0.5 * reach, y + 0.02), (x - side * reach, y + fall)], 0.004))
        for _ in range(2):
            x, y = side * (body.waist + 0.01), rng.uniform(WAIST_Y - 0.07, min(hem - 0.03, WAIST_Y + 0.04))
            reach, sag, end = rng.uniform(0.03, 0.075), rng.uniform(0.002, 0.014), rng.uniform(-0.004, 0.02)
            folds.append(crease([(x, y), (x - side * 0.5 * reach, y + sag), (x - side * reach, y + end)], 0.005))
    for _ in range(2 + int(3 * spec.fit)):
        x, rise = rng.uniform(-0.8, 0.8) * body.waist, rng.uniform(0.05, 0.12)
        slant = rng.normal(0, 0.008)
        folds.append(crease([(x, hem - rise), (x + 0.4 * slant, hem - 0.5 * rise), (x + slant, hem - 0.004)], 0.005))
    return tuple(folds)


# sleeves


def sleeve_axis(spec: GarmentSpec, body: Body, side: int) -> Points:
    """The line along which the sleeve on `side` (-1 left, +1 right in the picture) runs."""
    return along(body.arm_joints(side), spec.sleeve)


def _sleeve(spec: GarmentSpec, body: Body, side: int, ease: float, rng: np.random.Generator) -> list[Piece]:
    joints = sleeve_axis(spec, body, side)
    radii = list(body.arm_radii[: len(joints)])
    radii[-1] = float(np.interp(spec.sleeve, (0, 0.53, 1), body.arm_radii))
    flare = 0.012 if spec.sleeve < 0.5 else (0.014 if spec.cut == "blouse" else 0.004)
    widths = [r + 0.8 * ease + 0.003 for r in radii]
    widths[-1] += flare * (0.5 + spec.fit)
    cloth = Piece(
        outlines=limb(joints, widths, flat_end=True),
        paint=_sleeve_paint(spec),
        axis=joints,
        folds=_sleeve_folds(joints, widths, rng),
        volume=0.016,
        relief=0.36,
    )
    return [cloth, _cuff(spec, joints, widths[-1])]


def _sleeve_paint(spec: GarmentSpec) -> Paint:
    """Chest bands stop at the armhole; every second colour block has contrasting sleeves."""
    if spec.paint.pattern not in ("block", "band"):
        return spec.paint
    contrast = spec.paint.pattern == "block" and spec.seed % 2 == 0
    return replace(spec.paint, pattern="solid", colour=spec.paint.accent if contrast else spec.paint.colour)


def _cuff(spec: GarmentSpec, joints: Points, width: float) -> Piece:
    end, before = joints[-1], joints[-2]
    toward = (end - before) / (np.linalg.norm(end - before) + 1e-9)
    if spec.cut in (*HEAVY, "shirt", "polo"):
        band = ribbon(np.array([end - toward * 0.020, end]), width * (0.90 if spec.cut == "hoodie" else 0.98))
        return Piece(outlines=(band,), paint=trim(spec), volume=0.012, relief=0.34)
    across = np.array([-toward[1], toward[0]]) * width * 0.95
    line = end - toward * 0.008
    return seam(ribbon(np.array([line - across, line + across]), 0.0013), spec.paint)


def _sleeve_folds(joints: Points, widths: list[float], rng: np.random.Generator) -> tuple[Points, ...]:
    folds = []
    total = float(np.linalg.norm(np.diff(joints, axis=0), axis=1).sum())
    for share in np.arange(0.25, 0.95, 0.06 / max(total, 0.06)) + rng.uniform(-0.03, 0.03):
        part = along(joints, float(np.clip(share, 0.05, 0.98)))
        toward = (part[-1] - part[-2]) / (np.linalg.norm(part[-1] - part[-2]) + 1e-9)
        width = float(np.interp(share, np.linspace(0, 1, len(widths)), widths))
        out = np.array([-toward[1], toward[0]]) * rng.choice((-1, 1)) * width
        inner = rng.uniform(0, 0.5)
        line = [
            part[-1] + out,
            part[-1] + 0.4 * out + toward * 0.006,
            part[-1] - inner * out + toward * 0.014,
        ]
        folds.append(crease(line, 0.0035))
    return tuple(folds)


# prints, hems


def _motif(spec: GarmentSpec) -> tuple[Points, ...]:
    """The print on the chest."""
    centre, r = np.array([0.0, 0.290]), 0.042
    match spec.motif:
        case None:
            return ()
        case "disc":
            return (ellipse(*centre, r, r),)
        case "diamond":
            return (centre + r * np.array([(0, -1.25), (1, 0), (0, 1.25), (-1, 0)]),)
        case "star":
            angle = -np.pi / 2 + np.arange(10) * np.pi / 5
            reach = r * np.where(np.arange(10) % 2 == 0, 1.25, 0.52)[:, None]
            return (centre + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1),)
        case "heart":
            t = np.linspace(0, 2 * np.pi, 40)
            y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
            return (centre + r / 15 * np.stack([16 * np.sin(t) ** 3, -y], axis=1),)
        case "mountain":
            left = centre + r * np.array([(-1.3, 0.8), (-0.45, -0.6), (0.4, 0.8)])
            right = centre + r * np.array([(-0.1, 0.8), (0.55, -0.2), (1.3, 0.8)])
            return (left, right, ellipse(*(centre + r * np.array([0.7, -0.75])), 0.28 * r, 0.28 * r))
    raise ValueError(f"motif: unknown {spec.motif!r}")


def _details(spec: GarmentSpec, body: Body, outline: Points, ease: float) -> list[Piece]:
    hem = hem_y(spec)
    edge = float(np.abs(outline[:, 0]).max())
    if spec.cut in HEAVY:
        band = ribbon(np.array([(0, hem - 0.024), (0, hem + 0.010)]), edge)
        pieces = [Piece(outlines=(band,), paint=trim(spec), clip=(outline,), relief=0.2)]
    else:
        drop = 0.010 if spec.cut in ("shirt", "blouse") else 0.0
        line = spline([(-edge, hem - 0.010), (0, hem - 0.004 + drop), (edge, hem - 0.010)])
        pieces = [replace(seam(ribbon(line, 0.0013), spec.paint), clip=(outline,))]
    if spec.cut == "peplum":
        line = spline([(-body.waist - ease, WAIST_Y - 0.008), (0, WAIST_Y), (body.waist + ease, WAIST_Y - 0.008)])
        pieces.append(replace(seam(ribbon(line, 0.0022), spec.paint), clip=(outline,)))
    if spec.cut in ("shirt", "shortshirt") and spec.seed % 3:
        pocket = np.array([(0.026, 0.252), (0.066, 0.252), (0.066, 0.286), (0.046, 0.298), (0.026, 0.286)])
        pieces.append(Piece(outlines=(pocket,), paint=spec.paint, volume=0.006, relief=0.30))
    return pieces
