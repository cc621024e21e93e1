"""Shoes: from the side for product pictures, from the front on a figure's feet.

The side view has its own coordinates: the heel is at x = 0, the toe at x = 1, the ground at y = 0; y grows
downwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fashion_nn.world.bodies import Body
from fashion_nn.world.drawing import Piece, Points, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Paint, dimmed, mixed
from fashion_nn.world.specs import GarmentSpec

BOOTS = ("chelsea", "workboot", "ankleboot", "tallboot")
HEELED = ("pump", "ankleboot", "tallboot", "heelsandal")
RUBBER = Paint(colour=(0.93, 0.92, 0.89), shine=0.02)


def shoes(spec: GarmentSpec) -> list[Piece]:
    """The side view of a pair, back to front: the second shoe stands behind the first."""
    first = _shoe(spec)
    aside = np.array([0.30, -0.03] if spec.cut in BOOTS else [0.07, -0.21])
    return [_moved(piece, aside) for piece in first] + first


def _moved(piece: Piece, aside: Points) -> Piece:
    """The piece further back, a little in the shade."""
    paint = replace(
        piece.paint, colour=piece.paint.darker(0.86).colour, accent=dimmed(piece.paint.accent, 0.86)
    )
    places = {name: tuple(o + aside for o in getattr(piece, name)) for name in ("outlines", "folds")}
    return replace(piece, paint=paint, **places)


def _shoe(spec: GarmentSpec) -> list[Piece]:
    """The side view of one shoe, back to front."""
    make = {
        "sneaker": _sneaker,
        "hightop": _sneaker,
        "oxford": _oxford,
        "chelsea": _boot,
        "workboot": _boot,
        "slide": _slide,
        "pump": _pump,
        "ballet": _ballet,
        "ankleboot": _boot,
        "tallboot": _boot,
        "heelsandal": _heelsandal,
    }[spec.cut]
    return make(spec)


def _body(outline: Points, paint: Paint, *, folds: tuple[Points, ...] = ()) -> Piece:
    return Piece(outlines=(outline,), paint=paint, volume=0.06, relief=0.42, folds=folds)


def _line(points: list[tuple[float, float]], colour: Paint, width: float = 0.005) -> Piece:
    return Piece(outlines=(ribbon(spline(points), width),), paint=colour, relief=0, opacity=0.75)


def _sole(points_top: Points, thick: float, paint: Paint) -> Piece:
    under = points_top[::-1] + np.array([0, thick])
    return Piece(outlines=(join(points_top, under),), paint=paint, volume=0.025, relief=0.35)


def _sneaker(spec: GarmentSpec) -> list[Piece]:
    high = spec.cut == "hightop"
    rise = -0.46 if high else -0.31
    lip = 0.30 if high else 0.32
    upper = join(
        spline([(0.03, -0.08), (0.0, -0.18), (0.04, rise + 0.02), (0.07, rise - 0.01)]),
        spline([(0.07, rise - 0.01), (0.18, rise + 0.035), (lip, rise + 0.01)]),
        spline(
            [(lip, rise + 0.01), (0.42, -0.30), (0.60, -0.20), (0.80, -0.165), (0.94, -0.13), (0.985, -0.07)]
        ),
    )
    sole_top = spline([(0.0, -0.085), (0.25, -0.075), (0.55, -0.07), (0.85, -0.085), (1.0, -0.09)])
    paint, trim = spec.paint, Paint(colour=spec.paint.accent)
    pieces = [
        Piece(outlines=(ellipse(0.19, rise + 0.025, 0.12, 0.030),), paint=paint.darker(0.5), relief=0.1)
    ]
    pieces.append(_body(upper, paint))
    toe = join(
        spline([(0.74, -0.17), (0.80, -0.12), (0.80, -0.07)]),
        spline([(0.985, -0.07), (0.94, -0.13), (0.82, -0.163), (0.74, -0.172)]),
    )
    pieces.append(
        Piece(outlines=(toe,), paint=RUBBER if high else paint.darker(0.9), volume=0.03, relief=0.35)
    )
    if spec.fit < 0.5:
        swoosh = spline(
            [(0.20, -0.13), (0.38, -0.11), (0.66, -0.19), (0.60, -0.21), (0.38, -0.16), (0.22, -0.17)],
            closed=True,
        )
        pieces.append(Piece(outlines=(swoosh,), paint=trim, relief=0.15))
    else:
        bars = tuple(ribbon(np.array([(x, -0.10), (x + 0.06, -0.25)]), 0.012) for x in (0.30, 0.37, 0.44))
        pieces.append(Piece(outlines=bars, paint=trim, relief=0.1))
    heel = spline([(0.02, -0.09), (0.0, -0.18), (0.03, -0.25), (0.09, -0.24), (0.10, -0.09)], closed=True)
    pieces.append(Piece(outlines=(heel,), paint=trim, volume=0.02, relief=0.3))
    lace = Paint(colour=(0.96, 0.96, 0.95) if sum(paint.colour) < 2.3 else (0.45, 0.45, 0.47))
    start, end = (lip + 0.02, rise + 0.05), (0.60, -0.205)
    laces = []
    for t in np.linspace(0.05, 0.95, 6 if high else 4):
        x, y = start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])
        laces.append(ribbon(np.array([(x - 0.035, y + 0.035), (x + 0.020, y - 0.012)]), 0.009))
    pieces.append(Piece(outlines=tuple(laces), paint=lace, relief=0.1))
    pieces.append(_sole(sole_top, 0.085, RUBBER if spec.length < 0.75 else trim))
    pieces.append(
        _line(
            [(0.01, -0.035), (0.5, -0.022), (0.99, -0.04)],
            Paint(colour=mixed(spec.paint.accent, (0.4, 0.4, 0.4), 0.3)),
            0.006,
        )
    )
    return pieces


def _oxford(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    upper = join(
        spline([(0.02, -0.06), (0.0, -0.16), (0.04, -0.27), (0.07, -0.285)]),
        spline([(0.07, -0.285), (0.18, -0.245), (0.34, -0.285)]),
        spline([(0.34, -0.285), (0.46, -0.235), (0.62, -0.165), (0.82, -0.135), (0.96, -0.10), (1.0, -0.05)]),
    )
    sole = Paint(colour=mixed(paint.colour, (0.12, 0.08, 0.06), 0.75), shine=0.02)
    pieces = [
        Piece(outlines=(ellipse(0.20, -0.262, 0.13, 0.026),), paint=paint.darker(0.5), relief=0.1),
        _body(upper, paint),
    ]
    pieces.append(_line([(0.70, -0.158), (0.735, -0.10), (0.73, -0.05)], paint.darker(0.5)))
    pieces.append(_line([(0.30, -0.27), (0.34, -0.15), (0.44, -0.05)], paint.darker(0.5)))
    laces = tuple(
        ribbon(
            np.array([(0.36 + 0.055 * k, -0.232 + 0.024 * k), (0.41 + 0.055 * k, -0.262 + 0.026 * k)]), 0.007
        )
        for k in range(4)
    )
    pieces.append(Piece(outlines=laces, paint=paint.darker(0.4), relief=0))
    pieces.append(_sole(spline([(0.0, -0.06), (0.3, -0.05), (0.6, -0.042), (1.0, -0.055)]), 0.030, sole))
    pieces.append(
        Piece(
            outlines=(np.array([(0.005, -0.035), (0.28, -0.03), (0.27, 0.0), (0.01, 0.0)]),),
            paint=sole,
            relief=0.3,
        )
    )
    return pieces


def _boot(spec: GarmentSpec) -> list[Piece]:
    paint, cut = spec.paint, spec.cut
    heel = {
        "chelsea": 0.06,
        "workboot": 0.07,
        "ankleboot": 0.16 + 0.10 * spec.length,
        "tallboot": 0.10 + 0.16 * spec.length,
    }[cut]
    shaft = {
        "chelsea": -0.58,
        "workboot": -0.64,
        "ankleboot": -0.62 - heel * 0.6,
        "tallboot": -1.02 - heel * 0.5,
    }[cut]
    wide = 0.36 if cut != "tallboot" else 0.38
    throat = 0.36
    upper = join(
        spline(
            [
                (0.03, -heel),
                (0.0, -heel - 0.10),
                (0.05, -heel - 0.25),
                (0.03, 0.5 * shaft - heel * 0.4 - 0.1),
                (0.02, shaft),
            ]
        ),
        spline([(0.02, shaft), (0.5 * wide, shaft + 0.015), (wide, shaft - 0.005)]),
        spline(
            [
                (wide, shaft - 0.005),
                (throat + 0.01, 0.5 * shaft - 0.5 * heel),
                (throat + 0.05, -heel * 0.7 - 0.23),
                (0.58, -0.5 * heel - 0.165),
                (0.80, -0.155),
                (0.95, -0.12),
                (1.0, -0.05),
            ]
        ),
        spline([(1.0, -0.05), (0.6, -0.035), (0.42, -0.55 * heel), (0.25, -heel), (0.03, -heel)]),
    )
    folds = (
        ribbon(spline([(0.06, -heel - 0.22), (0.2, -heel - 0.17), (0.36, -heel - 0.2)]), 0.012),
        ribbon(spline([(0.10, -heel - 0.27), (0.22, -heel - 0.245), (0.33, -heel - 0.27)]), 0.010),
    )
    sole = Paint(
        colour=mixed(paint.colour, (0.10, 0.08, 0.07), 0.75) if cut != "workboot" else (0.30, 0.20, 0.13),
        shine=0.02,
    )
    pieces = [
        Piece(
            outlines=(ellipse(0.5 * wide + 0.01, shaft + 0.006, 0.5 * wide - 0.01, 0.022),),
            paint=paint.darker(0.5),
            relief=0.1,
        )
    ]
    pieces.append(_body(upper, paint, folds=folds))
    pieces += _boot_trim(spec, heel, shaft, wide)
    thick = 0.055 if cut == "workboot" else 0.026
    pieces.append(
        _sole(
            spline(
                [(0.03, -heel), (0.25, -heel), (0.42, -0.6 * heel - 0.01), (0.6, -0.045), (1.005, -0.055)]
            ),
            thick,
            sole,
        )
    )
    block = np.array(
        [
            (0.03, -heel),
            (0.27, -heel),
            (0.22 if cut in HEELED else 0.29, 0.0),
            (0.06 if cut in HEELED else 0.03, 0.0),
        ]
    )
    pieces.append(Piece(outlines=(block,), paint=sole, volume=0.03, relief=0.35))
    if cut == "workboot":
        pieces.append(
            Piece(
                outlines=(np.array([(0.42, -0.05), (1.0, -0.055), (0.98, 0.0), (0.46, 0.0)]),),
                paint=sole,
                volume=0.02,
                relief=0.3,
            )
        )
    return pieces


def _boot_trim(spec: GarmentSpec, heel: float, shaft: float, wide: float) -> list[Piece]:
    paint = spec.paint
    if spec.cut == "chelsea":
        gusset = spline(
            [
                (0.12, shaft + 0.02),
                (0.28, shaft + 0.02),
                (0.27, -heel - 0.24),
                (0.20, -heel - 0.17),
                (0.13, -heel - 0.24),
            ],
            closed=True,
        )
        return [
            Piece(
                outlines=(gusset,),
                paint=Paint(colour=mixed(paint.colour, (0.1, 0.1, 0.1), 0.6)),
                volume=0.02,
                relief=0.3,
            )
        ]
    if spec.cut == "workboot":
        lace = Paint(colour=(0.85, 0.75, 0.5) if sum(paint.colour) < 1.8 else (0.3, 0.22, 0.15))
        rungs = [
            ribbon(np.array([(0.27, y + 0.012), (0.375, y - 0.006)]), 0.008)
            for y in np.linspace(shaft + 0.05, -heel - 0.25, 6)
        ]
        rungs += [
            ribbon(
                np.array(
                    [(0.38 + 0.05 * k, -heel - 0.21 + 0.030 * k), (0.44 + 0.05 * k, -heel - 0.23 + 0.022 * k)]
                ),
                0.008,
            )
            for k in range(3)
        ]
        return [
            _line([(0.30, shaft + 0.02), (0.29, -heel - 0.2), (0.42, -0.10)], paint.darker(0.5)),
            Piece(outlines=tuple(rungs), paint=lace, relief=0),
        ]
    if spec.fit > 0.5:
        buckle = ribbon(spline([(0.03, -heel - 0.20), (0.2, -heel - 0.17), (0.41, -heel - 0.17)]), 0.018)
        return [
            Piece(outlines=(buckle,), paint=paint.darker(0.7), relief=0.3),
            Piece(
                outlines=(ellipse(0.26, -heel - 0.168, 0.026, 0.026),),
                paint=Paint(colour=(0.82, 0.70, 0.42)),
                relief=0.2,
            ),
        ]
    return [_line([(0.20, shaft + 0.02), (0.205, -heel - 0.1)], paint.darker(0.5))]


def _pump(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    heel = 0.26 + 0.16 * spec.length
    opening = join(
        spline(
            [
                (0.02, -heel - 0.19),
                (0.10, -heel - 0.12),
                (0.25, -heel - 0.02),
                (0.45, -0.50 * heel - 0.03),
                (0.66, -0.155),
                (0.74, -0.165),
            ]
        ),
        spline([(0.74, -0.165), (0.86, -0.115), (0.96, -0.06), (1.0, -0.022)]),
        spline(
            [
                (1.0, -0.022),
                (0.84, -0.014),
                (0.66, -0.02),
                (0.44, -0.38 * heel),
                (0.22, -0.88 * heel),
                (0.06, -heel + 0.015),
            ]
        ),
        spline([(0.06, -heel + 0.015), (-0.005, -heel - 0.06), (0.02, -heel - 0.19)]),
    )
    inner = spline(
        [
            (0.03, -heel - 0.18),
            (0.13, -heel - 0.16),
            (0.45, -0.5 * heel - 0.10),
            (0.72, -0.17),
            (0.45, -0.45 * heel - 0.02),
            (0.2, -heel + 0.0),
        ],
        closed=True,
    )
    stiletto = spec.fit < 0.6
    foot = (0.075, 0.10) if stiletto else (0.05, 0.15)
    spike = join(
        spline([(0.02, -heel - 0.01), (0.045, -0.55 * heel), (foot[0], 0)]),
        spline([(foot[1], 0), (0.12 if stiletto else 0.17, -0.5 * heel), (0.24, -0.86 * heel)]),
    )
    lining = Paint(colour=mixed(paint.colour, (0.80, 0.66, 0.52), 0.75), shine=0)
    pieces = [
        Piece(outlines=(inner,), paint=lining, relief=0.25),
        Piece(outlines=(spike,), paint=paint.darker(0.85), volume=0.03, relief=0.4),
    ]
    pieces.append(_body(opening, paint))
    pieces.append(
        _line(
            [
                (0.08, -heel + 0.02),
                (0.24, -0.86 * heel),
                (0.45, -0.36 * heel),
                (0.66, -0.016),
                (0.99, -0.014),
            ],
            Paint(colour=(0.25, 0.17, 0.14)),
            0.009,
        )
    )
    if spec.seed % 3 == 0:
        pieces.append(
            Piece(
                outlines=(
                    ellipse(0.80, -0.145, 0.05, 0.026, turn=-0.5),
                    ellipse(0.72, -0.175, 0.05, 0.026, turn=0.4),
                ),
                paint=Paint(colour=paint.accent),
                volume=0.02,
                relief=0.3,
            )
        )
    return pieces


def _ballet(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    shell = join(
        spline([(0.02, -0.20), (0.12, -0.14), (0.35, -0.10), (0.58, -0.12), (0.70, -0.155)]),
        spline([(0.70, -0.155), (0.86, -0.13), (0.97, -0.08), (1.0, -0.03)]),
        spline([(1.0, -0.03), (0.5, -0.022), (0.03, -0.03)]),
        spline([(0.03, -0.03), (-0.005, -0.10), (0.02, -0.20)]),
    )
    inner = spline([(0.04, -0.19), (0.30, -0.17), (0.66, -0.155), (0.5, -0.09), (0.2, -0.10)], closed=True)
    pieces = [
        Piece(
            outlines=(inner,), paint=Paint(colour=mixed(paint.colour, (0.80, 0.66, 0.52), 0.75)), relief=0.2
        ),
        _body(shell, paint),
    ]
    bow = (ellipse(0.69, -0.172, 0.045, 0.024, turn=0.4), ellipse(0.77, -0.165, 0.045, 0.024, turn=-0.3))
    pieces.append(
        Piece(
            outlines=bow,
            paint=Paint(colour=paint.accent if spec.fit > 0.5 else paint.darker(0.8).colour),
            volume=0.02,
            relief=0.35,
        )
    )
    pieces.append(
        _sole(spline([(0.02, -0.035), (0.5, -0.026), (1.0, -0.033)]), 0.028, Paint(colour=(0.28, 0.20, 0.16)))
    )
    return pieces


def _slide(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    bed = _sole(
        spline([(0.0, -0.13), (0.3, -0.11), (0.6, -0.09), (0.9, -0.10), (1.0, -0.115)]),
        0.11,
        Paint(colour=mixed(paint.accent, (0.5, 0.45, 0.4), 0.35)),
    )
    strap = join(
        spline([(0.40, -0.085), (0.42, -0.22), (0.52, -0.30), (0.64, -0.29)]),
        spline([(0.64, -0.29), (0.78, -0.22), (0.86, -0.085)]),
    )
    pieces = [bed, _body(strap, paint)]
    pieces.append(
        _line(
            [(0.46, -0.10), (0.48, -0.21), (0.55, -0.275), (0.63, -0.27)], Paint(colour=paint.accent), 0.008
        )
    )
    pieces.append(
        _line([(0.01, -0.06), (0.5, -0.03), (0.99, -0.055)], Paint(colour=(0.2, 0.18, 0.17)), 0.007)
    )
    return pieces


def _heelsandal(spec: GarmentSpec) -> list[Piece]:
    paint = spec.paint
    heel = 0.24 + 0.16 * spec.length
    top = spline(
        [(0.02, -heel - 0.02), (0.22, -heel + 0.02), (0.44, -0.5 * heel), (0.66, -0.05), (1.0, -0.045)]
    )
    block = np.array([(0.02, -heel), (0.20, -0.92 * heel), (0.16, 0.0), (0.06, 0.0)])
    pieces = [Piece(outlines=(block,), paint=paint.darker(0.8), volume=0.03, relief=0.35)]
    pieces.append(_sole(top, 0.036, Paint(colour=mixed(paint.colour, (0.75, 0.58, 0.42), 0.6))))
    ankle = ribbon(spline([(0.02, -heel - 0.30), (0.16, -heel - 0.265), (0.31, -heel - 0.30)]), 0.022)
    back = spline(
        [
            (0.02, -heel),
            (-0.005, -heel - 0.12),
            (0.005, -heel - 0.30),
            (0.045, -heel - 0.30),
            (0.06, -heel - 0.12),
            (0.11, -heel),
        ]
    )
    pieces += [_body(back, paint), _body(ankle, paint)]
    for x, rise in ((0.62, 0.13), (0.76, 0.11)):
        strap = join(
            spline([(x - 0.05, -0.06), (x, -rise - 0.06), (x + 0.09, -rise - 0.05)]),
            spline([(x + 0.14, -rise + 0.02), (x + 0.16, -0.05), (x + 0.10, -0.045)]),
        )
        pieces.append(Piece(outlines=(strap,), paint=paint, volume=0.03, relief=0.4))
    pieces.append(
        Piece(
            outlines=(ellipse(0.27, -heel - 0.29, 0.024, 0.024),),
            paint=Paint(colour=(0.82, 0.70, 0.42)),
            relief=0.1,
        )
    )
    return pieces


def feet(spec: GarmentSpec, body: Body) -> list[Piece]:
    """The shoes seen from the front, on a figure."""
    pieces = []
    for side in (-1, 1):
        x = side * (body.stance + 0.004)
        toe = 1.0 if spec.cut not in HEELED else 0.996
        outline = spline(
            [
                (x - 0.020, 0.945),
                (x - 0.024 + side * 0.003, 0.975),
                (x - 0.022 + side * 0.008, toe),
                (x + 0.022 + side * 0.008, toe),
                (x + 0.024 + side * 0.003, 0.975),
                (x + 0.020, 0.945),
            ],
            closed=True,
        )
        pieces.append(Piece(outlines=(outline,), paint=spec.paint, volume=0.012, relief=0.4))
        if spec.cut in ("sneaker", "hightop", "workboot"):
            pieces.append(
                Piece(
                    outlines=(
                        ribbon(
                            np.array(
                                [
                                    (x - 0.023 + side * 0.008, toe - 0.005),
                                    (x + 0.023 + side * 0.008, toe - 0.005),
                                ]
                            ),
                            0.005,
                        ),
                    ),
                    paint=RUBBER,
                    relief=0,
                )
            )
    return pieces
