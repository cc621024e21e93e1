"""Tops: trunk, sleeves, neckline and the details of each cut, as pieces over a body."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fashion_nn.world.bodies import ARMPIT_Y, HIP_Y, NECK_Y, SHOULDER_Y, WAIST_Y, Body
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
from fashion_nn.world.fabrics import Paint, faded
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
SLEEVELESS = ("tank", "camisole", "shell")


@dataclass(slots=True)
class Top:
    """The pieces of a top in the order in which a dressed figure is painted."""

    behind: list[Piece] = field(default_factory=list)  # inner back of the neck; product pictures only
    sleeves: tuple[list[Piece], list[Piece]] = field(default_factory=lambda: ([], []))
    trunk: list[Piece] = field(default_factory=list)


def top(spec: GarmentSpec, body: Body) -> Top:
    """The top `spec` on `body`."""
    rng = np.random.default_rng(spec.seed)
    ease = 0.004 + 0.020 * spec.fit
    made = Top()
    if spec.sleeve > 0:
        made.sleeves = (_sleeve(spec, body, -1, ease, rng), _sleeve(spec, body, 1, ease, rng))
    outline = _trunk(spec, body, ease)
    made.behind = [_inner_back(spec, body)]
    made.trunk = [
        Piece(
            outlines=(outline,),
            paint=spec.paint,
            folds=_trunk_folds(spec, body, rng),
            emblem=_motif(spec),
            volume=0.024,
            relief=0.34,
        )
    ]
    made.trunk += _details(spec, body, outline, ease)
    return made


def hem_y(spec: GarmentSpec) -> float:
    return HIP_Y - 0.03 + 0.075 * spec.length


def _flank(spec: GarmentSpec, body: Body, ease: float) -> Points:
    """The right side from the armpit to the hem."""
    hem = hem_y(spec)
    chest = body.chest + ease
    shaped = 0.85 if body.figure == "women" else 0.35
    snug = shaped * (1 - 0.75 * spec.fit)
    waist = snug * (body.waist + ease) + (1 - snug) * (chest - 0.004)
    hip = max(body.hip + ease, waist) if spec.cut != "peplum" else body.hip + 0.045
    if spec.cut == "sweater" or spec.cut == "hoodie":
        hip -= 0.006
    knots = [
        (chest, ARMPIT_Y),
        (0.5 * (chest + waist) + 0.003, 0.32),
        (waist, WAIST_Y - 0.01),
        (hip, HIP_Y),
        (hip + 0.006, 0.56),
    ]
    curve = spline(knots, samples=10)
    kept = curve[curve[:, 1] < hem]
    edge = np.interp(hem, curve[:, 1], curve[:, 0])
    return np.concatenate([kept, [(edge, hem)]])


def _trunk(spec: GarmentSpec, body: Body, ease: float) -> Points:
    flank = _flank(spec, body, ease)
    chest = flank[0, 0]
    hem = hem_y(spec)
    rise = -0.012 if spec.cut in ("shirt", "blouse") else 0.006
    if spec.neckline == "straps":
        top_edge = spline(
            [
                (-0.75 * chest, 0.232),
                (-0.4 * chest, 0.240),
                (0, 0.256),
                (0.4 * chest, 0.240),
                (0.75 * chest, 0.232),
            ]
        )
        right = join(spline([(0.75 * chest, 0.232), (0.9 * chest, 0.248), (chest, 0.268)]), flank[1:])
        return join(
            top_edge, right, spline([flank[-1], (0, hem + rise), flank[-1] * (-1, 1)]), mirrored(right)
        )
    wide, deep = NECKLINES[spec.neckline]
    neck = min(body.neck + wide, 0.8 * body.shoulder)
    tip = 0.76 * body.shoulder if spec.cut in SLEEVELESS else body.shoulder + 0.3 * ease
    shoulder = spline(
        [(neck, NECK_Y + 0.001), (0.5 * (neck + tip), 0.5 * (NECK_Y + SHOULDER_Y) - 0.002), (tip, SHOULDER_Y)]
    )
    armhole = spline([(tip, SHOULDER_Y), (min(tip, chest) - 0.008, 0.215), (chest, ARMPIT_Y)])
    right = join(shoulder, armhole, flank)
    low = NECK_Y + deep
    if spec.neckline in ("v", "collar"):
        opening = np.array(
            [
                (-neck, NECK_Y),
                (-0.42 * neck, NECK_Y + 0.58 * deep),
                (0, low),
                (0.42 * neck, NECK_Y + 0.58 * deep),
                (neck, NECK_Y),
            ]
        )
    else:
        opening = spline(
            [
                (-neck, NECK_Y),
                (-0.68 * neck, NECK_Y + 0.72 * deep),
                (0, low),
                (0.68 * neck, NECK_Y + 0.72 * deep),
                (neck, NECK_Y),
            ]
        )
    return join(opening, right, spline([flank[-1], (0, hem + rise), flank[-1] * (-1, 1)]), mirrored(right))


def _inner_back(spec: GarmentSpec, body: Body) -> Piece:
    """The inside of the back that a product picture shows through the neckline."""
    wide, deep = NECKLINES[spec.neckline]
    neck = body.neck + wide
    if spec.neckline == "straps":
        neck, deep = 0.7 * body.chest, 0.09
        outline = spline(
            [(-neck, 0.236), (0, 0.246), (neck, 0.236), (0.6 * neck, 0.29), (-0.6 * neck, 0.29)], closed=True
        )
    else:
        outline = join(
            spline([(-neck, NECK_Y), (0, NECK_Y + 0.012), (neck, NECK_Y)]),
            spline([(neck, NECK_Y + 0.01), (0, NECK_Y + deep + 0.02), (-neck, NECK_Y + 0.01)]),
        )
    return Piece(outlines=(outline,), paint=spec.paint.darker(0.62), relief=0.15)


def _sleeve(spec: GarmentSpec, body: Body, side: int, ease: float, rng: np.random.Generator) -> list[Piece]:
    joints, kept = along(body.arm_joints(side), spec.sleeve)
    radii = [body.arm_radii[k] for k in kept]
    radii[-1] = float(np.interp(spec.sleeve, (0, 0.53, 1), body.arm_radii))
    flare = 0.012 if spec.sleeve < 0.5 else (0.016 if spec.cut == "blouse" else 0.004)
    widths = [r + ease * 0.8 + 0.004 for r in radii]
    widths[-1] += flare * (0.5 + spec.fit)
    paint = spec.paint
    if paint.pattern in ("block", "band"):
        paint = replace(paint, pattern="solid")
    pieces = [
        Piece(
            outlines=limb(joints, widths, flat_end=True),
            paint=paint,
            axis=joints,
            folds=_sleeve_folds(joints, widths, side, rng),
            volume=0.016,
            relief=0.36,
        )
    ]
    end, before = joints[-1], joints[-2]
    toward = (end - before) / (np.linalg.norm(end - before) + 1e-9)
    normal = np.array([-toward[1], toward[0]])
    if spec.cut in ("sweater", "hoodie", "shirt", "polo"):
        cuff = ribbon(
            np.array([end - toward * 0.020, end]), widths[-1] * (0.98 if spec.cut != "hoodie" else 0.9)
        )
        pieces.append(Piece(outlines=(cuff,), paint=_trim(spec), volume=0.012, relief=0.34))
    else:
        line = end - toward * 0.008
        stitch = ribbon(
            np.array([line - normal * widths[-1] * 0.95, line + normal * widths[-1] * 0.95]), 0.0013
        )
        pieces.append(_seam(stitch, spec.paint))
    return pieces


def _trim(spec: GarmentSpec) -> Paint:
    if spec.cut in ("sweater", "hoodie"):
        return replace(
            spec.paint,
            pattern="ribs",
            accent=spec.paint.darker(0.7).colour,
            colour=spec.paint.darker(0.93).colour,
        )
    if spec.cut == "polo" and spec.paint.pattern == "solid":
        return Paint(colour=spec.paint.accent)
    return spec.paint.darker(0.93)


def _seam(outline: Points, paint: Paint, *, strength: float = 0.55) -> Piece:
    return Piece(
        outlines=(outline,),
        paint=Paint(colour=tuple(0.45 * c for c in paint.colour)),
        relief=0,
        opacity=strength,
    )


def _trunk_folds(spec: GarmentSpec, body: Body, rng: np.random.Generator) -> tuple[Points, ...]:
    folds = []
    hem = hem_y(spec)
    for side in (-1, 1):
        x, y = side * body.chest, ARMPIT_Y + 0.015
        reach = rng.uniform(0.03, 0.06)
        folds.append(
            crease(
                [(x, y), (x - side * 0.5 * reach, y + 0.02), (x - side * reach, y + rng.uniform(0.03, 0.05))],
                0.004,
            )
        )
        for _ in range(2):
            y = rng.uniform(WAIST_Y - 0.07, min(hem - 0.03, WAIST_Y + 0.04))
            reach = rng.uniform(0.03, 0.075)
            x = side * (body.waist + 0.01)
            folds.append(
                crease(
                    [
                        (x, y),
                        (x - side * 0.5 * reach, y + rng.uniform(0.002, 0.014)),
                        (x - side * reach, y + rng.uniform(-0.004, 0.02)),
                    ],
                    0.005,
                )
            )
    for _ in range(2 + int(3 * spec.fit)):
        x = rng.uniform(-0.8, 0.8) * body.waist
        rise = rng.uniform(0.05, 0.12)
        folds.append(
            crease(
                [
                    (x, hem - rise),
                    (x + rng.normal(0, 0.006), hem - 0.5 * rise),
                    (x + rng.normal(0, 0.012), hem - 0.004),
                ],
                0.005,
            )
        )
    return tuple(folds)


def _sleeve_folds(
    joints: Points, widths: list[float], side: int, rng: np.random.Generator
) -> tuple[Points, ...]:
    folds = []
    total = np.linalg.norm(np.diff(joints, axis=0), axis=1).sum()
    for share in np.arange(0.25, 0.95, 0.06 / max(total, 0.06)) + rng.uniform(-0.03, 0.03):
        part, _ = along(joints, float(np.clip(share, 0.05, 0.98)))
        toward = (part[-1] - part[-2]) / (np.linalg.norm(part[-1] - part[-2]) + 1e-9)
        normal = np.array([-toward[1], toward[0]]) * rng.choice((-1, 1))
        width = float(np.interp(share, np.linspace(0, 1, len(widths)), widths))
        middle = part[-1]
        folds.append(
            crease(
                [
                    middle + normal * width,
                    middle + normal * 0.4 * width + toward * 0.006,
                    middle - normal * rng.uniform(0, 0.5) * width + toward * 0.014,
                ],
                0.0035,
            )
        )
    return tuple(folds)


def _motif(spec: GarmentSpec) -> tuple[Points, ...]:
    x, y, r = 0.0, 0.292, 0.040
    match spec.motif:
        case None:
            return ()
        case "disc":
            return (ellipse(x, y, r, r),)
        case "diamond":
            return (np.array([(x, y - 1.25 * r), (x + r, y), (x, y + 1.25 * r), (x - r, y)]),)
        case "star":
            angle = -np.pi / 2 + np.arange(10) * np.pi / 5
            reach = np.where(np.arange(10) % 2 == 0, 1.25 * r, 0.52 * r)
            return (np.stack([x + reach * np.cos(angle), y + reach * np.sin(angle)], axis=1),)
        case "heart":
            t = np.linspace(0, 2 * np.pi, 40)
            heart = np.stack(
                [
                    16 * np.sin(t) ** 3,
                    -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)),
                ],
                axis=1,
            )
            return (heart * (r / 15) + (x, y),)
        case "mountain":
            left = np.array(
                [(x - 1.3 * r, y + 0.8 * r), (x - 0.45 * r, y - 0.6 * r), (x + 0.4 * r, y + 0.8 * r)]
            )
            right = np.array(
                [(x - 0.1 * r, y + 0.8 * r), (x + 0.55 * r, y - 0.2 * r), (x + 1.3 * r, y + 0.8 * r)]
            )
            return (left, right, ellipse(x + 0.7 * r, y - 0.75 * r, 0.28 * r, 0.28 * r))
    raise ValueError(f"motif: unknown {spec.motif!r}")


def _details(spec: GarmentSpec, body: Body, outline: Points, ease: float) -> list[Piece]:
    pieces = []
    hem = hem_y(spec)
    edge = np.abs(outline[np.abs(outline[:, 1] - hem) < 0.012][:, 0]).max()
    if spec.cut in ("sweater", "hoodie"):
        pieces.append(
            Piece(
                outlines=(ribbon(np.array([(0, hem - 0.026), (0, hem)]), edge),),
                paint=_trim(spec),
                clip=(outline,),
                relief=0.2,
            )
        )
    else:
        pieces.append(
            _seam(
                ribbon(spline([(-edge, hem - 0.010), (0, hem - 0.006), (edge, hem - 0.010)]), 0.0013),
                spec.paint,
            )
        )
    if spec.cut == "peplum":
        pieces.append(
            _seam(
                ribbon(
                    spline(
                        [
                            (-body.waist - ease, WAIST_Y - 0.008),
                            (0, WAIST_Y),
                            (body.waist + ease, WAIST_Y - 0.008),
                        ]
                    ),
                    0.002,
                ),
                spec.paint,
            )
        )
    return pieces + _neck_details(spec, body, hem)


def _neck_details(spec: GarmentSpec, body: Body, hem: float) -> list[Piece]:
    wide, deep = NECKLINES[spec.neckline]
    neck = body.neck + wide
    match spec.neckline:
        case "collar":
            return _collar(spec, neck, deep, hem)
        case "hood":
            return _hood(spec, neck, deep)
        case "turtle":
            tube = join(
                spline([(-neck, NECK_Y + 0.012), (0, NECK_Y + 0.022), (neck, NECK_Y + 0.012)]),
                spline([(body.neck + 0.004, 0.136), (0, 0.143), (-body.neck - 0.004, 0.136)]),
            )
            return [
                Piece(outlines=(tube,), paint=_trim(replace(spec, cut="sweater")), volume=0.014, relief=0.4)
            ]
        case "straps":
            chest = 0.62 * body.chest
            strap = [
                ribbon(
                    np.array([(s * chest, 0.242), (s * (body.neck + 0.032), 0.172 if body.neck else 0)]),
                    0.0042,
                )
                for s in (-1, 1)
            ]
            return [Piece(outlines=tuple(strap), paint=spec.paint.darker(0.9), relief=0.2)]
        case "v":
            line = np.array(
                [
                    (-neck, NECK_Y),
                    (-0.42 * neck, NECK_Y + 0.58 * deep),
                    (0, NECK_Y + deep),
                    (0.42 * neck, NECK_Y + 0.58 * deep),
                    (neck, NECK_Y),
                ]
            )
        case _:
            line = spline(
                [
                    (-neck, NECK_Y),
                    (-0.68 * neck, NECK_Y + 0.72 * deep),
                    (0, NECK_Y + deep),
                    (0.68 * neck, NECK_Y + 0.72 * deep),
                    (neck, NECK_Y),
                ]
            )
    binding = Piece(
        outlines=(ribbon(line + (0, 0.003), 0.0042),), paint=faded(spec.paint, 1.0).darker(0.84), relief=0.2
    )
    return [binding]


def _collar(spec: GarmentSpec, neck: float, deep: float, hem: float) -> list[Piece]:
    low = NECK_Y + deep
    end = hem if spec.cut != "polo" else NECK_Y + 0.115
    placket = ribbon(np.array([(0.001, low), (0.001, end)]), 0.0085)
    shade = spec.paint.darker(0.95)
    pieces = [_seam(ribbon(np.array([(0.0095, low + 0.004), (0.0095, end)]), 0.0012), spec.paint)]
    pieces.insert(0, Piece(outlines=(placket,), paint=spec.paint, relief=0.10, volume=0.008))
    button = Paint(colour=spec.paint.accent if spec.cut == "polo" else (0.92, 0.90, 0.86), shine=0)
    if sum(spec.paint.colour) > 2.1:
        button = spec.paint.darker(0.55)
    buttons = tuple(
        ellipse(0.001, y, 0.0035, 0.0035, samples=10) for y in np.arange(low + 0.016, end - 0.008, 0.038)
    )
    pieces.append(Piece(outlines=buttons, paint=button, relief=0))
    trim = _trim(spec) if spec.cut == "polo" else shade
    for side in (-1, 1):
        flap = np.array(
            [
                (side * (neck - 0.006), NECK_Y - 0.012),
                (side * (neck + 0.006), NECK_Y + 0.004),
                (side * 0.85 * neck, low + 0.006),
                (side * 0.002, low),
                (side * 0.42 * neck, NECK_Y + 0.45 * deep),
            ]
        )
        pieces.append(Piece(outlines=(flap,), paint=trim, volume=0.008, relief=0.34))
    return pieces


def _hood(spec: GarmentSpec, neck: float, deep: float) -> list[Piece]:
    pieces = []
    for side in (-1, 1):
        fold = spline(
            [
                (side * (neck - 0.014), NECK_Y - 0.022),
                (side * (neck + 0.020), NECK_Y - 0.006),
                (side * (neck + 0.012), NECK_Y + 0.030),
                (0, NECK_Y + deep + 0.022),
                (0, NECK_Y + deep - 0.002),
                (side * 0.6 * neck, NECK_Y + 0.5 * deep),
            ],
            closed=True,
        )
        pieces.append(
            Piece(outlines=(fold,), paint=faded(spec.paint, 1.0).darker(0.92), volume=0.012, relief=0.45)
        )
        cord = ribbon(
            spline(
                [
                    (side * 0.014, NECK_Y + deep + 0.010),
                    (side * 0.017, NECK_Y + deep + 0.04),
                    (side * 0.015, NECK_Y + deep + 0.07),
                ]
            ),
            0.0022,
        )
        pieces.append(
            Piece(
                outlines=(cord,),
                paint=Paint(colour=(0.93, 0.92, 0.9) if sum(spec.paint.colour) < 2 else (0.3, 0.3, 0.3)),
                relief=0,
            )
        )
    pocket = join(
        [(-0.030, 0.382), (0.030, 0.382)],
        spline([(0.030, 0.382), (0.046, 0.40), (0.058, 0.425)]),
        [(0.058, 0.442), (-0.058, 0.442)],
        spline([(-0.058, 0.425), (-0.046, 0.40), (-0.030, 0.382)]),
    )
    pieces.insert(0, Piece(outlines=(pocket,), paint=spec.paint, volume=0.008, relief=0.22))
    return pieces
