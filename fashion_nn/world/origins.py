"""Where each pixel of a worn top is in its product picture: what a network that carries garments has to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from fashion_nn.world.drawing import Canvas, Piece, Points, Region, along_axis, off_axis
from fashion_nn.world.garments import inside, product_view
from fashion_nn.world.persons import Person, dress, view_of
from fashion_nn.world.specs import GarmentSpec
from fashion_nn.world.tops import sleeve_axis


def draw_origins(person: Person, garment: GarmentSpec, *, height: int) -> Image.Image:
    """`person` in the top `garment`, height x 3/4 height, as places in the garment's picture of the same size.

    Red is the way across that picture and green the way down, from 0 at one border to 255 at the other; blue is 255
    where the top is seen. What is beside it goes on where the trunk ends, so that a smaller copy is right up to there.
    """
    canvas = _Origins(person, garment, height)
    dress(canvas, person, garment)
    return canvas.picture()


class _Origins(Canvas):
    """Paints places instead of cloth: a trunk keeps its place in the figure, a sleeve along its arm."""

    def __init__(self, person: Person, garment: GarmentSpec, height: int) -> None:
        view = view_of(person, height=height)
        self._product = product_view(garment, height=view.height, width=view.width)
        self._figure = view.figure(np.arange(view.height), np.arange(view.width))
        self._trunk = self._seen(*self._figure)
        self._sleeves = {side: sleeve_axis(garment, inside(garment), side) for side in (-1, 1)}  # as they lie there
        super().__init__(view, np.dstack([self._trunk, np.zeros((view.height, view.width))]))

    def paint(self, pieces: Sequence[Piece], *, worn: bool = False) -> None:
        axis = pieces[0].axis if worn and pieces else None  # a sleeve's; its cuff is painted with it
        self._origins = self._trunk if axis is None else self._along(axis)
        self._shows = float(worn)
        super().paint(pieces, worn=worn)

    def _along(self, axis: Points) -> np.ndarray:
        """The places of a sleeve that is worn along `axis`: [h, w, 2] in 0..1."""
        there = self._sleeves[int(np.sign(axis[0, 0]))]  # a shoulder is on its own side of the middle line
        return self._seen(*off_axis(*along_axis(*self._figure, axis), there))

    def _surface(self, piece: Piece, region: Region) -> np.ndarray:
        origins = self._origins[region.rows, region.columns]
        return np.dstack([origins, np.full(origins.shape[:2], self._shows)])

    def _seen(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Figure coordinates as places in the product picture: [h, w, 2] in 0..1."""
        view = self._product
        placed = view.place(np.stack([x.ravel(), y.ravel()], axis=1)) / (view.width, view.height)
        return np.clip(placed, 0, 1).reshape(*x.shape, 2).astype(np.float32)
