"""The colours of the world: garments, denim, skin, hair."""

from __future__ import annotations

import colorsys

import numpy as np

from fashion_nn.world.fabrics import Colour

GARMENTS: dict[str, Colour] = {
    "white": (0.94, 0.94, 0.92),
    "black": (0.12, 0.12, 0.14),
    "grey": (0.58, 0.59, 0.61),
    "beige": (0.84, 0.75, 0.61),
    "brown": (0.45, 0.30, 0.20),
    "navy": (0.13, 0.19, 0.37),
    "blue": (0.17, 0.39, 0.76),
    "sky": (0.55, 0.75, 0.92),
    "teal": (0.06, 0.50, 0.52),
    "green": (0.16, 0.52, 0.29),
    "olive": (0.44, 0.46, 0.24),
    "yellow": (0.95, 0.78, 0.22),
    "orange": (0.91, 0.48, 0.16),
    "red": (0.80, 0.15, 0.17),
    "burgundy": (0.46, 0.10, 0.20),
    "pink": (0.94, 0.60, 0.70),
    "purple": (0.48, 0.30, 0.64),
}
DENIM: dict[str, Colour] = {
    "light": (0.55, 0.67, 0.80),
    "mid": (0.30, 0.43, 0.62),
    "dark": (0.15, 0.21, 0.36),
    "black": (0.16, 0.16, 0.19),
}
LEATHER: dict[str, Colour] = {
    "black": (0.12, 0.11, 0.12),
    "tan": (0.68, 0.43, 0.22),
    "brown": (0.40, 0.24, 0.15),
    "oxblood": (0.42, 0.11, 0.14),
    "stone": (0.76, 0.70, 0.60),
}
SKIN: tuple[Colour, ...] = (
    (0.97, 0.84, 0.75),
    (0.93, 0.76, 0.64),
    (0.85, 0.66, 0.51),
    (0.73, 0.52, 0.38),
    (0.56, 0.38, 0.27),
    (0.38, 0.25, 0.18),
)
HAIR: tuple[Colour, ...] = (
    (0.10, 0.08, 0.08),
    (0.22, 0.14, 0.10),
    (0.38, 0.24, 0.15),
    (0.55, 0.36, 0.20),
    (0.80, 0.63, 0.38),
    (0.58, 0.24, 0.13),
    (0.62, 0.61, 0.60),
)


def jittered(rng: np.random.Generator, colour: Colour, *, amount: float = 1.0) -> Colour:
    """A dye lot: the colour with its hue, saturation and lightness a little off."""
    hue, light, saturation = colorsys.rgb_to_hls(*colour)
    hue += amount * rng.normal(0, 0.010)
    light = np.clip(light + amount * rng.normal(0, 0.020), 0.08, 0.95)
    saturation = np.clip(saturation * (1 + amount * rng.normal(0, 0.07)), 0, 1)
    return colorsys.hls_to_rgb(hue % 1.0, float(light), float(saturation))


def lightness(colour: Colour) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def contrasting(rng: np.random.Generator, colour: Colour) -> Colour:
    """A second garment colour that can be told from the first; the neutral ones are likelier."""
    names = list(GARMENTS)
    weights = np.array([4.0 if n in ("white", "black", "navy", "beige") else 1.0 for n in names])
    gap = np.array([np.abs(np.subtract(GARMENTS[n], colour)).sum() for n in names])
    weights *= gap > 0.7
    return jittered(rng, GARMENTS[names[rng.choice(len(names), p=weights / weights.sum())]])
