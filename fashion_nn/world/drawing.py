"""Outlines in figure coordinates, and the canvas that paints them with soft, antialiased shading.

Everything in the world is drawn in *figure coordinates*: x to the right from the body's middle line, y
downwards from the crown of the head, one unit = the standing height of the figure. A `View` says where that
lands on a picture, so one outline serves a product picture of 64 pixels and a leaning person of 256.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fashion_nn.world.fabrics import Paint, pattern

Points = np.ndarray  # [n, 2] float: x, y


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Where figure coordinates land on a picture of height x width pixels."""

    height: int
    width: int
    scale: float  # pixels per figure unit
    left: float  # pixel column of x = 0
    top: float  # pixel row of y = 0
    lean: float = 0.0  # sideways drift per unit of height above the hips
    sway: float = 0.0  # sideways push of the hips, in figure units

    @classmethod
    def fitting(cls, points: Points, *, height: int, width: int, margin: float) -> View:
        """The view in which `points` fill the picture but for `margin`, a share of its sides."""
        low, high = points.min(axis=0), points.max(axis=0)
        scale = float((1 - 2 * margin) * min(width / (high[0] - low[0]), height / (high[1] - low[1])))
        middle = (low + high) / 2
        return cls(
            height=height,
            width=width,
            scale=scale,
            left=width / 2 - scale * middle[0],
            top=height / 2 - scale * middle[1],
        )

    def drift(self, y: np.ndarray) -> np.ndarray:
        """How far sideways the pose carries what stands at height y."""
        if not self.lean and not self.sway:
            return np.zeros_like(y)
        return self.lean * np.maximum(0.5 - y, 0) + self.sway * np.exp(-(((y - 0.48) / 0.2) ** 2))

    def place(self, points: Points) -> Points:
        """Figure coordinates -> (column, row) in pixels."""
        placed = points * self.scale + (self.left, self.top)
        placed[:, 0] += self.scale * self.drift(points[:, 1])
        return placed

    def figure(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixel rows [h] and columns [w] -> x [h, w], y [h, w] in figure coordinates."""
        y = ((rows + 0.5 - self.top) / self.scale)[:, None]
        x = (columns + 0.5 - self.left)[None, :] / self.scale - self.drift(y)
        return x, np.broadcast_to(y, x.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One surface: the union of `outlines`, less `holes`, within `clip`, painted and rounded."""

    outlines: tuple[Points, ...]
    paint: Paint
    axis: Points = None  # [k, 2] line along which the pattern runs; None = straight down the middle
    holes: tuple[Points, ...] = ()
    clip: tuple[Points, ...] = ()
    folds: tuple[Points, ...] = ()  # creases, as thin closed outlines
    emblem: tuple[Points, ...] = ()  # printed in the accent colour
    volume: float = 0.018  # figure units: how far the rounding reaches in from the border
    relief: float = 0.3  # how dark the border gets, 0 = flat
    opacity: float = 1.0
    blur: float = 0.0  # figure units: softens the outline itself (shadows, cheeks)


def spline(points: Sequence[tuple[float, float]] | Points, *, closed: bool = False, samples: int = 8) -> Points:
    """A Catmull-Rom curve through `points`: [n, 2]."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.arange(samples)[:, None, None] / samples
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])


def join(*parts: Sequence[tuple[float, float]] | Points) -> Points:
    """One outline from several stretches; where they meet there is a corner."""
    return np.concatenate([np.asarray(part, dtype=np.float64).reshape(-1, 2) for part in parts])


def mirrored(points: Points) -> Points:
    """The other side of the body, walked the other way round."""
    return points[::-1] * (-1.0, 1.0)


def ellipse(x: float, y: float, across: float, down: float, *, turn: float = 0.0, samples: int = 28) -> Points:
    angle = np.arange(samples) * (2 * np.pi / samples)
    point = np.stack([across * np.cos(angle), down * np.sin(angle)], axis=1)
    c, s = np.cos(turn), np.sin(turn)
    return point @ np.array([[c, s], [-s, c]]) + (x, y)


def ribbon(points: Points, widths: float | Sequence[float]) -> Points:
    """A closed band of the given half-widths along a line: seams, straps, creases."""
    line = np.asarray(points, dtype=np.float64)
    half = np.broadcast_to(np.asarray(widths, dtype=np.float64), (len(line),))[:, None]
    step = line[np.r_[1 : len(line), -1]] - line[np.r_[0, 0 : len(line) - 1]]
    normal = step[:, ::-1] * (-1, 1) / (np.hypot(step[:, 0], step[:, 1])[:, None] + 1e-9)
    return np.concatenate([line + half * normal, (line - half * normal)[::-1]])


def crease(points: Sequence[tuple[float, float]], width: float) -> Points:
    """A fold in cloth: a ribbon that starts and ends in nothing."""
    line = spline(points, samples=6)
    return ribbon(line, width * np.sin(np.linspace(0.05, np.pi - 0.05, len(line))))


def limb(joints: Points, radii: Sequence[float], *, flat_end: bool = False) -> tuple[Points, ...]:
    """An arm, a leg or a sleeve: tapered stretches, round joints; `flat_end` cuts the last straight."""
    parts: list[Points] = []
    for start, end, r0, r1 in zip(joints, joints[1:], radii, radii[1:], strict=False):
        along = (end - start) / (np.linalg.norm(end - start) + 1e-9)
        normal = np.array([-along[1], along[0]])
        parts.append(np.array([start + r0 * normal, end + r1 * normal, end - r1 * normal, start - r0 * normal]))
        parts.append(ellipse(*start, r0, r0, samples=20))
    if not flat_end:
        parts.append(ellipse(*joints[-1], radii[-1], radii[-1], samples=20))
    return tuple(parts)


def along(joints: Points, share: float) -> Points:
    """The first `share` (0..1) of a jointed line."""
    lengths = np.linalg.norm(np.diff(joints, axis=0), axis=1)
    rest = share * lengths.sum()
    kept = [joints[0]]
    for k, length in enumerate(lengths):
        if rest <= length:
            kept.append(joints[k] + (joints[k + 1] - joints[k]) * rest / length)
            break
        kept.append(joints[k + 1])
        rest -= length
    return np.array(kept)


@dataclass(frozen=True, slots=True)
class Region:
    """A window of the picture and how much of each pixel is covered: [h, w] in 0..1."""

    rows: slice
    columns: slice
    coverage: np.ndarray


class Canvas:
    """A picture in the making: `rgb` [H, W, 3] in 0..1, and `worn` [H, W], what shows of the worn garment."""

    def __init__(self, view: View, ground: np.ndarray | tuple[float, float, float]):
        self.view = view
        self.rgb = np.empty((view.height, view.width, 3), np.float32)
        self.rgb[:] = ground
        self.worn = np.zeros((view.height, view.width), np.float32)
        self._fine = max(3, -(-480 // view.height))  # subpixels per pixel side

    def paint(self, pieces: Iterable[Piece], *, worn: bool = False) -> None:
        """Put pieces on top of what is there; `worn` ones are counted into the garment's mask."""
        for piece in pieces:
            region = self._region(piece)
            if region is None:
                continue
            alpha = region.coverage * piece.opacity
            window = self.rgb[region.rows, region.columns]
            window += alpha[..., None] * (self._surface(piece, region) - window)
            mask = self.worn[region.rows, region.columns]
            mask += alpha * (float(worn) - mask)

    def picture(self) -> Image.Image:
        return Image.fromarray(np.rint(np.clip(self.rgb, 0, 1) * 255).astype(np.uint8), "RGB")

    def mask(self) -> Image.Image:
        return Image.fromarray(np.rint(self.worn * 255).astype(np.uint8), "L")

    def _region(self, piece: Piece) -> Region | None:
        placed = [self.view.place(outline) for outline in piece.outlines]
        corners = np.concatenate(placed)
        reach = 2 + int(2 * piece.blur * self.view.scale)
        left, top = np.floor(corners.min(axis=0)).astype(int) - reach
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + reach
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.view.width), min(bottom, self.view.height)
        if right <= left or bottom <= top:
            return None
        box = (left, top, right, bottom)
        coverage = self._cover(placed, [self.view.place(hole) for hole in piece.holes], box, self._fine)
        if piece.clip:
            coverage = coverage * self._cover([self.view.place(part) for part in piece.clip], [], box, self._fine)
        if piece.blur:
            coverage = blurred(coverage, piece.blur * self.view.scale)
        return Region(slice(top, bottom), slice(left, right), coverage)

    @staticmethod
    def _cover(placed: list[Points], holes: list[Points], box: tuple[int, int, int, int], fine: int) -> np.ndarray:
        """The covered share of each pixel of `box`: [h, w] in 0..1."""
        left, top, right, bottom = box
        stencil = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
        draw = ImageDraw.Draw(stencil)
        for outlines, value in ((placed, 255), (holes, 0)):
            for outline in outlines:
                draw.polygon(np.rint((outline - (left, top)) * fine - 0.5).ravel().tolist(), fill=value)
        return np.asarray(stencil.reduce(fine) if fine > 1 else stencil, np.float32) / 255

    def _surface(self, piece: Piece, region: Region) -> np.ndarray:
        """The piece's colour at every pixel of the region: [h, w, 3], or [3] where it is flat."""
        colour: np.ndarray = np.asarray(piece.paint.colour, np.float32)
        if piece.paint.pattern != "solid" or piece.emblem:
            accent = self._accent(piece, region)[..., None]
            colour = colour + accent * (np.asarray(piece.paint.accent, np.float32) - colour)
        return self._shaded(colour, piece, region) if piece.relief else colour

    def _accent(self, piece: Piece, region: Region) -> np.ndarray:
        rows = np.arange(region.rows.start, region.rows.stop)
        columns = np.arange(region.columns.start, region.columns.stop)
        x, y = self.view.figure(rows, columns)
        across, down = (x, y) if piece.axis is None else along_axis(x, y, piece.axis)
        accent = pattern(piece.paint, across, down, 1 / self.view.scale)
        if piece.emblem:
            box = (region.columns.start, region.rows.start, region.columns.stop, region.rows.stop)
            accent = np.maximum(accent, self._cover([self.view.place(e) for e in piece.emblem], [], box, self._fine))
        return accent

    def _shaded(self, colour: np.ndarray, piece: Piece, region: Region) -> np.ndarray:
        """Cloth with volume: darker towards its border, lit from the upper left, creased by its folds."""
        reach = max(piece.volume * self.view.scale, 0.8)
        depth = blurred(region.coverage, reach)
        light = shifted(depth, reach * 0.7) - shifted(depth, -reach * 0.7)
        shade = 1 - piece.relief * (1.1 * (1 - depth) - 0.45 * light)
        gloss = piece.paint.shine * np.maximum(light, 0)
        if piece.folds:
            box = (region.columns.start, region.rows.start, region.columns.stop, region.rows.stop)
            fold = self._cover([self.view.place(f) for f in piece.folds], [], box, 2)
            fold = blurred(fold, max(0.004 * self.view.scale, 0.6))
            lit = shifted(fold, -max(0.008 * self.view.scale, 1.0))
            shade = shade - 0.30 * fold + 0.10 * lit
            gloss = gloss + 0.05 * lit
        return np.clip(colour * shade[..., None] + gloss[..., None], 0, 1)


def along_axis(x: np.ndarray, y: np.ndarray, axis: Points) -> tuple[np.ndarray, np.ndarray]:
    """Distance across and along the nearest stretch of a jointed line: two arrays shaped as x."""
    best, across, down, done = None, None, None, 0.0
    for start, end in pairwise(axis):
        length = float(np.linalg.norm(end - start)) + 1e-9
        dx, dy = (end - start) / length
        t = (x - start[0]) * dx + (y - start[1]) * dy
        side = (x - start[0]) * dy - (y - start[1]) * dx
        miss = np.abs(side) + np.maximum(-t, 0) + np.maximum(t - length, 0)
        if best is None:
            best, across, down = miss, side, t
        else:
            nearer = miss < best
            best, across = np.where(nearer, miss, best), np.where(nearer, side, across)
            down = np.where(nearer, t + done, down)
        done += length
    return across, down


def off_axis(across: np.ndarray, down: np.ndarray, axis: Points) -> tuple[np.ndarray, np.ndarray]:
    """What is so far across and along a jointed line: x and y, the way back from `along_axis`."""
    x, y, done = np.zeros_like(across), np.zeros_like(down), 0.0
    for place, (start, end) in enumerate(pairwise(axis)):
        length = float(np.linalg.norm(end - start)) + 1e-9
        dx, dy = (end - start) / length
        t = down - done
        here = t >= 0 if place else np.ones_like(t, bool)
        x = np.where(here, start[0] + t * dx + across * dy, x)
        y = np.where(here, start[1] + t * dy - across * dx, y)
        done += length
    return x, y


def blurred(field: np.ndarray, radius: float) -> np.ndarray:
    """A Gaussian blur of [h, w] in 0..1; the border continues outwards."""
    image = Image.fromarray(np.rint(field * 255).astype(np.uint8), "L")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(radius))), np.float32) / 255


def shifted(field: np.ndarray, distance: float) -> np.ndarray:
    """The field moved towards the lower right by `distance` in whole pixels (upper left if negative)."""
    step = round(distance) or (1 if distance > 0 else -1)
    rows = np.clip(np.arange(field.shape[0]) - step, 0, field.shape[0] - 1)
    columns = np.clip(np.arange(field.shape[1]) - step, 0, field.shape[1] - 1)
    return field[rows][:, columns]
