"""Boots, pumps and heeled sandals from the side; coordinates as in shoes.py."""

from __future__ import annotations

import numpy as np

from fashion_nn.world.drawing import Piece, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Paint, mixed
from fashion_nn.world.leather import line, mouth, sole, upper
from fashion_nn.world.specs import GarmentSpec

BRASS = Paint(colour=(0.82, 0.70, 0.42))
CREPE = Paint(colour=(0.30, 0.20, 0.13), shine=0.02)


def _boot_heights(spec: GarmentSpec) -> tuple[float, float]:
    """Height of the heel, and y of the upper edge."""
    match spec.cut:
        case "chelsea":
            return 0.06, -0.58
        case "workboot":
            return 0.07, -0.64
        case "ankleboot":
            heel = 0.16 + 0.10 * spec.length
            return heel, -0.62 - 0.6 * heel
        case "tallboot":
            heel = 0.10 + 0.16 * spec.length
            return heel, -1.02 - 0.5 * heel
    raise ValueError(f"cut: {spec.cut!r} is no shoe that can be drawn")


def boot(spec: GarmentSpec) -> list[Piece]:
    """A chelsea, work, ankle or tall boot."""
    heel, shaft = _boot_heights(spec)
    wide = 0.38 if spec.cut == "tallboot" else 0.36
    paint = spec.paint
    under = Paint(colour=mixed(paint.colour, (0.10, 0.08, 0.07), 0.75), shine=0.02)
    pieces = [
        mouth(0.5 * wide + 0.01, shaft + 0.006, 0.5 * wide - 0.01, paint),
        _boot_upper(spec, heel, shaft, wide),
    ]
    pieces += _boot_trim(spec, heel, shaft)
    return pieces + _boot_sole(spec, heel, CREPE if spec.cut == "workboot" else under)


def _boot_upper(spec: GarmentSpec, heel: float, shaft: float, wide: float) -> Piece:
    calf = 0.5 * shaft - 0.4 * heel - 0.1
    back = [(0.03, -heel), (0.0, -heel - 0.10), (0.05, -heel - 0.25), (0.03, calf), (0.02, shaft)]
    edge = [back[-1], (0.5 * wide, shaft + 0.015), (wide, shaft - 0.005)]
    shin = [edge[-1], (0.37, 0.5 * (shaft - heel)), (0.41, -0.7 * heel - 0.23), (0.58, -0.5 * heel - 0.165)]
    toe = [(0.80, -0.155), (0.95, -0.12), (1.0, -0.05)]
    under = [toe[-1], (0.6, -0.035), (0.42, -0.55 * heel), (0.25, -heel), (0.03, -heel)]
    bend = -heel - 0.22
    folds = (
        ribbon(spline([(0.06, bend), (0.2, bend + 0.05), (0.36, bend + 0.02)]), 0.012),
        ribbon(spline([(0.10, bend - 0.05), (0.22, bend - 0.025), (0.33, bend - 0.05)]), 0.010),
    )
    return upper(join(spline(back), spline(edge), spline([*shin, *toe]), spline(under)), spec.paint, folds=folds)


def _boot_sole(spec: GarmentSpec, heel: float, paint: Paint) -> list[Piece]:
    arch = spline([(0.03, -heel), (0.25, -heel), (0.42, -0.6 * heel - 0.01), (0.6, -0.045), (1.005, -0.055)])
    left, right = (0.06, 0.22) if spec.cut in ("ankleboot", "tallboot") else (0.03, 0.29)
    block = np.array([(0.03, -heel), (0.27, -heel), (right, 0.0), (left, 0.0)])
    pieces = [
        sole(arch, 0.055 if spec.cut == "workboot" else 0.026, paint),
        Piece(outlines=(block,), paint=paint, volume=0.03, relief=0.35),
    ]
    if spec.cut == "workboot":
        tread = np.array([(0.42, -0.05), (1.0, -0.055), (0.98, 0.0), (0.46, 0.0)])
        pieces.append(Piece(outlines=(tread,), paint=paint, volume=0.02, relief=0.3))
    return pieces


def _boot_trim(spec: GarmentSpec, heel: float, shaft: float) -> list[Piece]:
    paint = spec.paint
    if spec.cut == "chelsea":
        edge, low = shaft + 0.02, -heel - 0.24
        gusset = spline([(0.12, edge), (0.28, edge), (0.27, low), (0.20, low + 0.07), (0.13, low)], closed=True)
        elastic = Paint(colour=mixed(paint.colour, (0.1, 0.1, 0.1), 0.6))
        return [Piece(outlines=(gusset,), paint=elastic, volume=0.02, relief=0.3)]
    if spec.cut == "workboot":
        return _boot_laces(spec, heel, shaft)
    if spec.fit > 0.5:
        strap = ribbon(spline([(0.03, -heel - 0.20), (0.2, -heel - 0.17), (0.41, -heel - 0.17)]), 0.018)
        buckle = ellipse(0.26, -heel - 0.168, 0.026, 0.026)
        return [
            Piece(outlines=(strap,), paint=paint.darker(0.7), relief=0.3),
            Piece(outlines=(buckle,), paint=BRASS, relief=0.2),
        ]
    return [line([(0.20, shaft + 0.02), (0.205, -heel - 0.1)], paint.darker(0.5))]


def _boot_laces(spec: GarmentSpec, heel: float, shaft: float) -> list[Piece]:
    lace = Paint(colour=(0.85, 0.75, 0.5) if sum(spec.paint.colour) < 1.8 else (0.3, 0.22, 0.15))
    ankle = -heel - 0.21
    rungs = [((0.27, y + 0.012), (0.375, y - 0.006)) for y in np.linspace(shaft + 0.05, ankle - 0.04, 6)]
    steps = 0.05 * np.arange(3)
    rungs += [((0.38 + s, ankle + 0.6 * s), (0.44 + s, ankle - 0.02 + 0.44 * s)) for s in steps]
    return [
        line([(0.30, shaft + 0.02), (0.29, -heel - 0.2), (0.42, -0.10)], spec.paint.darker(0.5)),
        Piece(outlines=tuple(ribbon(np.array(rung), 0.008) for rung in rungs), paint=lace, relief=0),
    ]


def pump(spec: GarmentSpec) -> list[Piece]:
    """A pump on a stiletto or a sturdier heel; every third has a bow."""
    paint, heel = spec.paint, 0.26 + 0.16 * spec.length
    opening = [(0.02, -heel - 0.19), (0.10, -heel - 0.12), (0.25, -heel - 0.02), (0.45, -0.5 * heel - 0.03)]
    vamp = [(0.66, -0.155), (0.74, -0.165)]
    toe = [vamp[-1], (0.86, -0.115), (0.96, -0.06), (1.0, -0.022)]
    under = [
        toe[-1],
        (0.84, -0.014),
        (0.66, -0.02),
        (0.44, -0.38 * heel),
        (0.22, -0.88 * heel),
        (0.06, 0.015 - heel),
    ]
    back = [under[-1], (-0.005, -heel - 0.06), (0.02, -heel - 0.19)]
    shell = join(spline([*opening, *vamp]), spline(toe), spline(under), spline(back))
    far_side = [(0.03, -heel - 0.18), (0.13, -heel - 0.16), (0.45, -0.5 * heel - 0.10), (0.72, -0.17)]
    inner = spline([*far_side, (0.45, -0.45 * heel - 0.02), (0.2, -heel)], closed=True)
    edge = [(0.08, 0.02 - heel), (0.24, -0.86 * heel), (0.45, -0.36 * heel), (0.66, -0.016), (0.99, -0.014)]
    lining = Paint(colour=mixed(paint.colour, (0.80, 0.66, 0.52), 0.75), shine=0)
    pieces = [
        Piece(outlines=(inner,), paint=lining, relief=0.25),
        _spike(heel, paint, slim=spec.fit < 0.6),
        upper(shell, paint),
        line(edge, Paint(colour=(0.25, 0.17, 0.14)), 0.009),
    ]
    if spec.seed % 3 == 0:
        bow = (ellipse(0.80, -0.145, 0.05, 0.026, turn=-0.5), ellipse(0.72, -0.175, 0.05, 0.026, turn=0.4))
        pieces.append(Piece(outlines=bow, paint=Paint(colour=paint.accent), volume=0.02, relief=0.3))
    return pieces


def _spike(heel: float, paint: Paint, *, slim: bool) -> Piece:
    left, right, waist = (0.075, 0.10, 0.12) if slim else (0.05, 0.15, 0.17)
    rear = spline([(0.02, -heel - 0.01), (0.045, -0.55 * heel), (left, 0)])
    front = spline([(right, 0), (waist, -0.5 * heel), (0.24, -0.86 * heel)])
    return Piece(outlines=(join(rear, front),), paint=paint.darker(0.85), volume=0.03, relief=0.4)


def heeled_sandal(spec: GarmentSpec) -> list[Piece]:
    """Straps over toe and ankle on a block heel."""
    paint, heel = spec.paint, 0.24 + 0.16 * spec.length
    bed = spline([(0.02, -heel - 0.02), (0.22, 0.02 - heel), (0.44, -0.5 * heel), (0.66, -0.05), (1.0, -0.045)])
    block = np.array([(0.02, -heel), (0.20, -0.92 * heel), (0.16, 0.0), (0.06, 0.0)])
    ankle = ribbon(spline([(0.02, -heel - 0.30), (0.16, -heel - 0.265), (0.31, -heel - 0.30)]), 0.022)
    outer = [(0.02, -heel), (-0.005, -heel - 0.12), (0.005, -heel - 0.30)]
    back = spline([*outer, (0.045, -heel - 0.30), (0.06, -heel - 0.12), (0.11, -heel)])
    straps = []
    for x, rise in ((0.62, 0.13), (0.76, 0.11)):
        rear = spline([(x - 0.05, -0.06), (x, -rise - 0.06), (x + 0.09, -rise - 0.05)])
        straps.append(join(rear, spline([(x + 0.14, 0.02 - rise), (x + 0.16, -0.05), (x + 0.10, -0.045)])))
    return [
        Piece(outlines=(block,), paint=paint.darker(0.8), volume=0.03, relief=0.35),
        sole(bed, 0.036, Paint(colour=mixed(paint.colour, (0.75, 0.58, 0.42), 0.6))),
        upper(back, paint),
        upper(ankle, paint),
        *(Piece(outlines=(strap,), paint=paint, volume=0.03, relief=0.4) for strap in straps),
        Piece(outlines=(ellipse(0.27, -heel - 0.29, 0.024, 0.024),), paint=BRASS, relief=0.1),
    ]
