"""Where a person stands: plain, gradient, studio, room or street, always paler and softer than the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fashion_nn.world.fabrics import Colour, dimmed, mixed

Kind = Literal["plain", "gradient", "studio", "room", "street"]
KINDS: tuple[Kind, ...] = ("plain", "gradient", "studio", "room", "street")
TINTS: tuple[Colour, ...] = (
    (0.93, 0.93, 0.92),
    (0.86, 0.88, 0.91),
    (0.91, 0.87, 0.82),
    (0.80, 0.86, 0.84),
    (0.89, 0.84, 0.87),
    (0.78, 0.80, 0.83),
    (0.94, 0.91, 0.84),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    kind: Kind = "plain"
    tint: Colour = TINTS[0]
    horizon: float = 0.8  # picture heights from the top, where wall meets floor
    seed: int = 0


def sample_background(rng: np.random.Generator, *, horizon: float) -> Background:
    return Background(
        kind=KINDS[rng.choice(len(KINDS), p=(0.25, 0.2, 0.25, 0.15, 0.15))],
        tint=TINTS[rng.integers(len(TINTS))],
        horizon=horizon,
        seed=int(rng.integers(2**31)),
    )


def draw_background(background: Background, *, height: int, width: int) -> np.ndarray:
    """The empty scene: [height, width, 3] float in 0..1."""
    y = ((np.arange(height) + 0.5) / height)[:, None, None]
    x = ((np.arange(width) + 0.5) / height)[None, :, None]
    tint = np.asarray(background.tint)
    match background.kind:
        case "plain":
            return np.broadcast_to(tint, (height, width, 3)).astype(np.float32)
        case "gradient":
            return np.clip(tint * (1.04 - 0.22 * y), 0, 1) * np.ones_like(x)
        case "studio":
            return _studio(background, y, x, width / height)
        case "room":
            return _scene(background, height, width, _room)
        case "street":
            return _scene(background, height, width, _street)
    raise ValueError(f"background: unknown kind {background.kind!r}")


def _studio(background: Background, y: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Seamless paper: a pool of light on the wall, a floor that curves up into it."""
    glow = np.exp(-(((x - 0.5 * width) / 0.42) ** 2) - ((y - 0.35) / 0.45) ** 2)
    floor = 1 / (1 + np.exp(-(y - background.horizon) / 0.025))
    return np.clip(np.asarray(background.tint) * (0.86 + 0.18 * glow - 0.07 * floor + 0.10 * floor * (y - 0.8)), 0, 1)


def _scene(background: Background, height: int, width: int, fill) -> np.ndarray:
    """Shapes drawn at twice the size, then put out of focus."""
    image = Image.new("RGB", (2 * width, 2 * height), _bytes(background.tint))
    fill(background, ImageDraw.Draw(image), np.random.default_rng(background.seed), 2 * height, 2 * width)
    image = image.filter(ImageFilter.GaussianBlur(2 * height * 0.006)).reduce(2)
    return np.asarray(image, np.float32) / 255


def _bytes(colour: Colour) -> tuple[int, int, int]:
    return tuple(round(255 * min(max(c, 0), 1)) for c in colour)


def _box(draw: ImageDraw.ImageDraw, unit: float, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    """A rectangle in picture heights."""
    draw.rectangle([x0 * unit, y0 * unit, x1 * unit, y1 * unit], fill=_bytes(colour))


def _room(background: Background, draw: ImageDraw.ImageDraw, rng: np.random.Generator, height: int, width: int) -> None:
    tint, horizon, wide = background.tint, background.horizon, width / height
    wood = mixed((0.70, 0.56, 0.42), tint, 0.45)
    _box(draw, height, 0, horizon, wide, 1, wood)
    for x in np.arange(-0.3, wide + 0.3, 0.13):
        draw.line(
            [(x * height, horizon * height), ((x + 0.9 * (x - wide / 2)) * height, height)],
            fill=_bytes(dimmed(wood, 0.92)),
            width=2,
        )
    _box(draw, height, 0, horizon - 0.025, wide, horizon, mixed(tint, (1, 1, 1), 0.55))
    x = rng.uniform(-0.1, 0.05) if rng.random() < 0.5 else rng.uniform(wide - 0.32, wide - 0.18)
    if rng.random() < 0.5:
        _box(draw, height, x, 0.10, x + 0.30, 0.52, mixed(tint, (1, 1, 1), 0.7))
        _box(draw, height, x + 0.015, 0.115, x + 0.285, 0.505, (0.80, 0.90, 0.97))
        _box(draw, height, x + 0.143, 0.10, x + 0.157, 0.52, mixed(tint, (1, 1, 1), 0.7))
    else:
        frame = mixed(tint, (0.35, 0.28, 0.22), 0.6)
        _box(draw, height, x + 0.06, 0.14, x + 0.24, 0.38, frame)
        _box(
            draw,
            height,
            x + 0.075,
            0.155,
            x + 0.225,
            0.365,
            mixed(tint, tuple(rng.uniform(0.3, 0.9, 3)), 0.5),
        )
    pot = rng.uniform(0.02, 0.08) if x > wide / 2 else rng.uniform(wide - 0.12, wide - 0.05)
    for angle in rng.uniform(-0.9, 0.9, 7):
        tip = (pot + 0.16 * np.sin(angle), horizon - 0.10 - 0.20 * np.cos(angle))
        draw.line(
            [(pot * height, (horizon - 0.06) * height), (tip[0] * height, tip[1] * height)],
            fill=_bytes(mixed((0.36, 0.55, 0.38), tint, 0.35)),
            width=max(2, height // 40),
        )
    _box(
        draw,
        height,
        pot - 0.035,
        horizon - 0.07,
        pot + 0.035,
        horizon + 0.02,
        mixed((0.75, 0.48, 0.36), tint, 0.3),
    )


def _street(
    background: Background, draw: ImageDraw.ImageDraw, rng: np.random.Generator, height: int, width: int
) -> None:
    horizon, wide = background.horizon, width / height
    _box(draw, height, 0, 0, wide, horizon, mixed((0.78, 0.87, 0.95), background.tint, 0.4))
    x = -0.05
    while x < wide:
        across, rise = rng.uniform(0.16, 0.30), rng.uniform(0.05, 0.40)
        wall = mixed(background.tint, tuple(rng.uniform(0.45, 0.85, 3)), 0.45)
        _box(draw, height, x, rise, x + across, horizon, wall)
        pane = mixed(wall, (0.62, 0.74, 0.86), 0.55)
        for wy in np.arange(rise + 0.04, horizon - 0.12, 0.085):
            for wx in np.arange(x + 0.025, x + across - 0.04, 0.065):
                _box(draw, height, wx, wy, wx + 0.035, wy + 0.05, pane)
        x += across
    _box(draw, height, 0, horizon, wide, 1, (0.74, 0.74, 0.75))
    _box(draw, height, 0, horizon, wide, horizon + 0.02, (0.84, 0.84, 0.83))
    for wx in np.arange(-0.2, wide + 0.2, 0.22):
        draw.line(
            [(wx * height, (horizon + 0.02) * height), ((wx + 0.8 * (wx - wide / 2)) * height, height)],
            fill=_bytes((0.68, 0.68, 0.69)),
            width=2,
        )
