"""Head, face and hair, front view, in figure coordinates."""

from __future__ import annotations

import numpy as np

from fashion_nn.world.drawing import Piece, Points, crease, ellipse, join, ribbon, spline
from fashion_nn.world.fabrics import Colour, Paint, dimmed, mixed

HAIRSTYLES = {
    "men": ("short", "quiff", "buzz", "curly", "side", "bald"),
    "women": ("long", "bob", "bun", "wavy", "pony", "afro"),
}
CROWN, CHIN, EYES = 0.008, 0.134, 0.074


def head(figure: str, skin: Colour, hair: Colour, style: str, *, beard: bool) -> list[Piece]:
    """Head and face with the hair that frames it, without the hair that falls over the shoulders."""
    half = 0.0445 if figure == "men" else 0.0415
    jaw = 0.031 if figure == "men" else 0.024
    outline = spline(
        [
            (0, CROWN),
            (0.72 * half, 0.020),
            (half, 0.058),
            (0.94 * half, 0.090),
            (jaw, 0.120),
            (0, CHIN),
            (-jaw, 0.120),
            (-0.94 * half, 0.090),
            (-half, 0.058),
            (-0.72 * half, 0.020),
        ],
        closed=True,
    )
    paint = Paint(colour=skin, shine=0.03)
    ears = (ellipse(-half, 0.078, 0.008, 0.014), ellipse(half, 0.078, 0.008, 0.014))
    pieces = [Piece(outlines=ears, paint=paint.darker(0.9), volume=0.006, relief=0.3)]
    pieces.append(Piece(outlines=(outline,), paint=paint, volume=0.018, relief=0.26))
    if beard:
        cheek = spline(
            [
                (-0.96 * half, 0.082),
                (-jaw - 0.002, 0.121),
                (0, CHIN + 0.003),
                (jaw + 0.002, 0.121),
                (0.96 * half, 0.082),
                (0.62 * half, 0.100),
                (0.3 * half, 0.099),
                (0, 0.1005),
                (-0.3 * half, 0.099),
                (-0.62 * half, 0.100),
            ],
            closed=True,
        )
        pieces.append(
            Piece(
                outlines=(cheek,),
                paint=Paint(colour=mixed(hair, skin, 0.18), shine=0),
                volume=0.01,
                relief=0.2,
                clip=(outline * (1.03, 1.02),),
            )
        )
    return pieces + _face(figure, skin, hair) + _fringe(style, hair, half)


def _face(figure: str, skin: Colour, hair: Colour) -> list[Piece]:
    dark = Paint(colour=mixed((0.13, 0.09, 0.08), hair, 0.2), shine=0)
    shade = Paint(colour=mixed(dimmed(skin, 0.66), (0.6, 0.25, 0.2), 0.15), shine=0)
    blush = Paint(colour=mixed(skin, (0.90, 0.35, 0.32), 0.5), shine=0)
    lips = Paint(
        colour=mixed(dimmed(skin, 0.80), (0.78, 0.20, 0.24), 0.55 if figure == "women" else 0.22), shine=0
    )
    brow = 0.0022 if figure == "women" else 0.0032
    eyes, whites, brows, cheeks = [], [], [], []
    for side in (-1, 1):
        x = side * 0.0185
        whites.append(ellipse(x, EYES, 0.0078, 0.0046))
        eyes.append(ellipse(x, EYES, 0.0042, 0.0046))
        eyes.append(
            crease(
                [(x - side * 0.008, EYES - 0.001), (x, EYES - 0.006), (x + side * 0.010, EYES - 0.002)],
                0.0018,
            )
        )
        brows.append(
            ribbon(
                spline(
                    [(x - side * 0.009, EYES - 0.014), (x, EYES - 0.0175), (x + side * 0.010, EYES - 0.014)],
                    samples=4,
                ),
                brow,
            )
        )
        cheeks.append(ellipse(side * 0.026, 0.095, 0.009, 0.006))
    mouth = spline(
        [(-0.013, 0.1115), (-0.004, 0.1095), (0, 0.1103), (0.004, 0.1095), (0.013, 0.1115), (0, 0.1170)],
        closed=True,
    )
    nose = ribbon(spline([(0.001, 0.080), (0.0055, 0.0945), (-0.001, 0.0975)]), 0.0013)
    return [
        Piece(outlines=tuple(cheeks), paint=blush, relief=0, opacity=0.4, blur=0.004),
        Piece(outlines=tuple(whites), paint=Paint(colour=(0.97, 0.96, 0.95)), relief=0),
        Piece(outlines=tuple(eyes), paint=dark, relief=0),
        Piece(outlines=tuple(brows), paint=Paint(colour=dimmed(hair, 0.8)), relief=0, opacity=0.85),
        Piece(outlines=(nose,), paint=shade, relief=0, opacity=0.7),
        Piece(outlines=(mouth,), paint=lips, relief=0, opacity=0.9),
    ]


def _strands(colour: Colour) -> Paint:
    return Paint(colour=colour, shine=0.16)


def _cap(half: float, low: float, fringe: list[tuple[float, float]], *, puff: float = 0.006) -> Points:
    """Hair over the skull down to `low` at the temples, with the given hairline."""
    out = half + puff
    crown = spline(
        [
            (-out, low),
            (-out - 0.001, 0.050),
            (-0.72 * out, 0.010),
            (0, CROWN - 0.012 - puff),
            (0.72 * out, 0.010),
            (out + 0.001, 0.050),
            (out, low),
        ]
    )
    return join(crown, spline(fringe))


def _fringe(style: str, hair: Colour, half: float) -> list[Piece]:
    inner = half - 0.006
    match style:
        case "bald":
            return []
        case "buzz":
            outline = _cap(
                half,
                0.058,
                [(inner, 0.056), (0.8 * half, 0.040), (0, 0.034), (-0.8 * half, 0.040), (-inner, 0.056)],
                puff=0.001,
            )
        case "short":
            outline = _cap(
                half,
                0.066,
                [
                    (inner, 0.062),
                    (0.8 * half, 0.044),
                    (0.2 * half, 0.038),
                    (-0.5 * half, 0.046),
                    (-inner, 0.062),
                ],
                puff=0.004,
            )
        case "side":
            outline = _cap(
                half,
                0.068,
                [
                    (inner, 0.066),
                    (0.7 * half, 0.040),
                    (0.3 * half, 0.034),
                    (-0.5 * half, 0.054),
                    (-inner, 0.068),
                ],
                puff=0.007,
            )
        case "quiff":
            outline = join(
                spline(
                    [
                        (-half - 0.002, 0.066),
                        (-half - 0.004, 0.030),
                        (-0.5 * half, -0.014),
                        (0.35 * half, -0.020),
                        (half + 0.005, 0.010),
                        (half + 0.003, 0.066),
                    ]
                ),
                spline(
                    [(inner, 0.062), (0.75 * half, 0.036), (0, 0.030), (-0.7 * half, 0.040), (-inner, 0.062)]
                ),
            )
        case "curly" | "afro":
            return _curls(style, hair, half)
        case "bun" | "pony":
            outline = _cap(
                half,
                0.074,
                [(inner, 0.066), (0.75 * half, 0.042), (0, 0.028), (-0.75 * half, 0.042), (-inner, 0.066)],
                puff=0.003,
            )
        case "bob":
            outline = _cap(
                half,
                0.118,
                [
                    (0.84 * half, 0.112),
                    (0.86 * half, 0.070),
                    (0.72 * half, 0.050),
                    (0, 0.047),
                    (-0.72 * half, 0.050),
                    (-0.86 * half, 0.070),
                    (-0.84 * half, 0.112),
                ],
                puff=0.010,
            )
        case _:
            outline = _cap(
                half,
                0.105,
                [
                    (0.92 * half, 0.098),
                    (0.90 * half, 0.066),
                    (0.55 * half, 0.040),
                    (-0.15 * half, 0.026),
                    (-0.70 * half, 0.050),
                    (-0.92 * half, 0.074),
                    (-0.92 * half, 0.098),
                ],
                puff=0.006,
            )
    return [Piece(outlines=(outline,), paint=_strands(hair), volume=0.012, relief=0.38)]


def _curls(style: str, hair: Colour, half: float) -> list[Piece]:
    reach, size = (0.004, 0.015) if style == "curly" else (0.020, 0.024)
    low = 0.1 if style == "curly" else 0.5
    angles = np.linspace(np.pi - low, 2 * np.pi + low, 13)
    rim = tuple(
        ellipse((half + reach) * np.cos(a), 0.054 + (0.052 + reach) * np.sin(a), size, size, samples=14)
        for a in angles
    )
    crown = _cap(
        half,
        0.058,
        [
            (half - 0.006, 0.056),
            (0.7 * half, 0.040),
            (0, 0.034),
            (-0.7 * half, 0.040),
            (-half + 0.006, 0.056),
        ],
        puff=reach,
    )
    return [Piece(outlines=(*rim, crown), paint=_strands(hair), volume=0.010, relief=0.40)]


def hair_behind(style: str, hair: Colour) -> list[Piece]:
    """Hair that hangs or stands behind the head."""
    match style:
        case "long":
            outline = spline(
                [
                    (0, -0.010),
                    (0.046, 0.020),
                    (0.056, 0.090),
                    (0.058, 0.180),
                    (0.046, 0.245),
                    (0, 0.255),
                    (-0.046, 0.245),
                    (-0.058, 0.180),
                    (-0.056, 0.090),
                    (-0.046, 0.020),
                ],
                closed=True,
            )
        case "wavy":
            outline = spline(
                [
                    (0, -0.012),
                    (0.050, 0.020),
                    (0.064, 0.080),
                    (0.058, 0.120),
                    (0.070, 0.170),
                    (0.050, 0.215),
                    (0, 0.205),
                    (-0.050, 0.215),
                    (-0.070, 0.170),
                    (-0.058, 0.120),
                    (-0.064, 0.080),
                    (-0.050, 0.020),
                ],
                closed=True,
            )
        case "bob":
            outline = spline(
                [
                    (0, -0.008),
                    (0.050, 0.020),
                    (0.056, 0.080),
                    (0.052, 0.135),
                    (0, 0.145),
                    (-0.052, 0.135),
                    (-0.056, 0.080),
                    (-0.050, 0.020),
                ],
                closed=True,
            )
        case "bun":
            outline = ellipse(0, -0.020, 0.028, 0.026)
        case "pony":
            outline = spline(
                [
                    (0.01, 0.0),
                    (0.048, 0.030),
                    (0.072, 0.110),
                    (0.066, 0.200),
                    (0.050, 0.215),
                    (0.046, 0.150),
                    (0.030, 0.070),
                ],
                closed=True,
            )
        case _:
            return []
    return [Piece(outlines=(outline,), paint=_strands(dimmed(hair, 0.82)), volume=0.016, relief=0.36)]


def hair_in_front(style: str, hair: Colour) -> list[Piece]:
    """Locks that fall over the shoulders, in front of whatever is worn."""
    if style not in ("long", "wavy"):
        return []
    end, wide = (0.262, 0.013) if style == "long" else (0.222, 0.016)
    locks = [
        ribbon(
            spline([(s * 0.044, 0.090), (s * 0.052, 0.140), (s * 0.060, 0.190), (s * 0.056, end)]),
            np.interp(np.linspace(0, 1, 25), [0, 0.4, 0.8, 1], [0.006, wide, wide, 0.003]),
        )
        for s in (-1, 1)
    ]
    return [Piece(outlines=(lock,), paint=_strands(hair), volume=0.009, relief=0.36) for lock in locks]
