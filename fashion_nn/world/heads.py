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
HALF = {"men": 0.0445, "women": 0.0415}  # half the width of the head
JAW = {"men": 0.031, "women": 0.024}

# style -> how low it reaches at the temples, how far it stands off the skull,
# and the hairline from the right temple to the left, x in half-widths of the head
HAIRLINES: dict[str, tuple[float, float, list[tuple[float, float]]]] = {
    "buzz": (0.058, 0.001, [(0.87, 0.056), (0.8, 0.040), (0, 0.034), (-0.8, 0.040), (-0.87, 0.056)]),
    "short": (0.066, 0.004, [(0.87, 0.062), (0.8, 0.044), (0.2, 0.038), (-0.5, 0.046), (-0.87, 0.062)]),
    "side": (0.068, 0.007, [(0.87, 0.066), (0.7, 0.040), (0.3, 0.034), (-0.5, 0.054), (-0.87, 0.068)]),
    "bun": (0.074, 0.003, [(0.86, 0.066), (0.75, 0.042), (0, 0.028), (-0.75, 0.042), (-0.86, 0.066)]),
    "pony": (0.074, 0.003, [(0.86, 0.066), (0.75, 0.042), (0, 0.028), (-0.75, 0.042), (-0.86, 0.066)]),
    "bob": (
        0.118,
        0.010,
        [(0.84, 0.112), (0.86, 0.070), (0.72, 0.050), (-0.72, 0.050), (-0.86, 0.070), (-0.84, 0.112)],
    ),
    "long": (
        0.105,
        0.006,
        [(0.92, 0.098), (0.9, 0.066), (0.55, 0.040), (-0.15, 0.026), (-0.7, 0.050), (-0.92, 0.098)],
    ),
    "wavy": (
        0.105,
        0.006,
        [(0.92, 0.098), (0.9, 0.066), (0.55, 0.040), (-0.15, 0.026), (-0.7, 0.050), (-0.92, 0.098)],
    ),
}
# style -> right half of the hair behind the head, from the top down
BEHIND: dict[str, list[tuple[float, float]]] = {
    "long": [(0, -0.010), (0.046, 0.020), (0.056, 0.090), (0.058, 0.180), (0.046, 0.245), (0, 0.255)],
    "wavy": [
        (0, -0.012),
        (0.050, 0.020),
        (0.064, 0.080),
        (0.058, 0.120),
        (0.070, 0.170),
        (0.050, 0.215),
        (0, 0.205),
    ],
    "bob": [(0, -0.008), (0.050, 0.020), (0.056, 0.080), (0.052, 0.135), (0, 0.145)],
}
PONYTAIL = [
    (0.01, 0.0),
    (0.048, 0.030),
    (0.072, 0.110),
    (0.066, 0.200),
    (0.050, 0.215),
    (0.046, 0.150),
    (0.030, 0.070),
]
# style -> end and half-width of the locks before the shoulders
LOCKS = {"long": (0.262, 0.013), "wavy": (0.222, 0.016)}
# style -> how far the curls stand off, their size, and how far down they go, in radians below the middle
CURLS = {"curly": (0.004, 0.015, 0.1), "afro": (0.020, 0.024, 0.5)}


def head(figure: str, skin: Colour, hair: Colour, style: str, *, beard: bool) -> list[Piece]:
    """Head and face with the hair that frames it, without the hair that falls over the shoulders."""
    half, jaw = HALF[figure], JAW[figure]
    right = [(0.72 * half, 0.020), (half, 0.058), (0.94 * half, 0.090), (jaw, 0.120)]
    outline = spline([(0, CROWN), *right, (0, CHIN), *_left(right)], closed=True)
    paint = Paint(colour=skin, shine=0.03)
    ears = (ellipse(-half, 0.078, 0.008, 0.014), ellipse(half, 0.078, 0.008, 0.014))
    pieces = [
        Piece(outlines=ears, paint=paint.darker(0.9), volume=0.006, relief=0.3),
        Piece(outlines=(outline,), paint=paint, volume=0.018, relief=0.26),
    ]
    if beard:
        pieces.append(_beard(half, jaw, Paint(colour=mixed(hair, skin, 0.18), shine=0), outline))
    return [*pieces, *_face(figure, skin, hair), *_hair_on_top(style, hair, half)]


def _left(right: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The left side of a face, walked on from the right one."""
    return [(-x, y) for x, y in right[::-1]]


def _beard(half: float, jaw: float, paint: Paint, face: Points) -> Piece:
    upper = [(0.96 * half, 0.082), (0.62 * half, 0.100), (0.3 * half, 0.099)]
    lower = [(-0.96 * half, 0.082), (-jaw - 0.002, 0.121), (0, CHIN + 0.003), (jaw + 0.002, 0.121)]
    outline = spline([*lower, *upper, (0, 0.1005), *_left(upper[1:])], closed=True)
    return Piece(outlines=(outline,), paint=paint, volume=0.01, relief=0.2, clip=(face * (1.03, 1.02),))


def _face(figure: str, skin: Colour, hair: Colour) -> list[Piece]:
    dark = Paint(colour=mixed((0.13, 0.09, 0.08), hair, 0.2), shine=0)
    shade = Paint(colour=mixed(dimmed(skin, 0.66), (0.6, 0.25, 0.2), 0.15), shine=0)
    blush = Paint(colour=mixed(skin, (0.90, 0.35, 0.32), 0.5), shine=0)
    lips = Paint(colour=mixed(dimmed(skin, 0.80), (0.78, 0.20, 0.24), 0.55 if figure == "women" else 0.22))
    brow = 0.0022 if figure == "women" else 0.0032
    eyes, whites, brows, cheeks = [], [], [], []
    for side in (-1, 1):
        x = side * 0.0185
        whites.append(ellipse(x, EYES, 0.0078, 0.0046))
        eyes.append(ellipse(x, EYES, 0.0042, 0.0046))
        lid = [(x - side * 0.008, EYES - 0.001), (x, EYES - 0.006), (x + side * 0.010, EYES - 0.002)]
        eyes.append(crease(lid, 0.0018))
        arch = [(x - side * 0.009, EYES - 0.014), (x, EYES - 0.0175), (x + side * 0.010, EYES - 0.014)]
        brows.append(ribbon(spline(arch, samples=4), brow))
        cheeks.append(ellipse(side * 0.026, 0.095, 0.009, 0.006))
    upper_lip = [(-0.013, 0.1115), (-0.004, 0.1095), (0, 0.1103), (0.004, 0.1095), (0.013, 0.1115)]
    mouth = spline([*upper_lip, (0, 0.1170)], closed=True)
    nose = ribbon(spline([(0.001, 0.080), (0.0055, 0.0945), (-0.001, 0.0975)]), 0.0013)
    return [
        Piece(outlines=tuple(cheeks), paint=blush, relief=0, opacity=0.4, blur=0.004),
        Piece(outlines=tuple(whites), paint=Paint(colour=(0.97, 0.96, 0.95)), relief=0),
        Piece(outlines=tuple(eyes), paint=dark, relief=0),
        Piece(outlines=tuple(brows), paint=Paint(colour=dimmed(hair, 0.8)), relief=0, opacity=0.85),
        Piece(outlines=(nose,), paint=shade, relief=0, opacity=0.7),
        Piece(outlines=(mouth,), paint=lips, relief=0, opacity=0.9),
    ]


# hair


def _strands(colour: Colour) -> Paint:
    return Paint(colour=colour, shine=0.16)


def _hair_on_top(style: str, hair: Colour, half: float) -> list[Piece]:
    if style == "bald":
        return []
    if style in CURLS:
        outlines = _curls(style, half)
    elif style == "quiff":
        outlines = (_quiff(half),)
    else:
        outlines = (_cap(half, *HAIRLINES[style]),)
    return [Piece(outlines=outlines, paint=_strands(hair), volume=0.012, relief=0.38)]


def _cap(half: float, low: float, puff: float, hairline: list[tuple[float, float]]) -> Points:
    """Hair over the skull down to `low` at the temples, standing off it by `puff`."""
    out = half + puff
    right = [(0.72 * out, 0.010), (out + 0.001, 0.050), (out, low)]
    return join(
        spline([*_left(right), (0, CROWN - 0.012 - puff), *right]),
        spline([(x * half, y) for x, y in hairline]),
    )


def _quiff(half: float) -> Points:
    over = [(-half - 0.002, 0.066), (-half - 0.004, 0.030), (-0.5 * half, -0.014), (0.35 * half, -0.020)]
    hairline = [
        (0.86 * half, 0.062),
        (0.75 * half, 0.036),
        (0, 0.030),
        (-0.7 * half, 0.040),
        (-0.86 * half, 0.062),
    ]
    return join(spline([*over, (half + 0.005, 0.010), (half + 0.003, 0.066)]), spline(hairline))


def _curls(style: str, half: float) -> tuple[Points, ...]:
    reach, size, low = CURLS[style]
    angles = np.linspace(np.pi - low, 2 * np.pi + low, 13)
    across, up = half + reach, 0.052 + reach
    rim = [ellipse(across * np.cos(a), 0.054 + up * np.sin(a), size, size, samples=14) for a in angles]
    _, _, hairline = HAIRLINES["buzz"]
    return (*rim, _cap(half, 0.058, reach, hairline))


def hair_behind(style: str, hair: Colour) -> list[Piece]:
    """Hair that hangs or stands behind the head."""
    if style in BEHIND:
        right = BEHIND[style]
        outline = spline([*right, *_left(right[1:-1])], closed=True)
    elif style == "pony":
        outline = spline(PONYTAIL, closed=True)
    elif style == "bun":
        outline = ellipse(0, -0.020, 0.028, 0.026)
    else:
        return []
    return [Piece(outlines=(outline,), paint=_strands(dimmed(hair, 0.82)), volume=0.016, relief=0.36)]


def hair_in_front(style: str, hair: Colour) -> list[Piece]:
    """Locks that fall over the shoulders, in front of whatever is worn."""
    if style not in LOCKS:
        return []
    end, wide = LOCKS[style]
    line = spline([(0.044, 0.090), (0.052, 0.140), (0.060, 0.190), (0.056, end)])
    widths = np.interp(np.linspace(0, 1, len(line)), [0, 0.4, 0.8, 1], [0.006, wide, wide, 0.003])
    locks = [ribbon(line * (side, 1), widths) for side in (-1, 1)]
    return [Piece(outlines=(lock,), paint=_strands(hair), volume=0.009, relief=0.36) for lock in locks]
