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
        self._axes: list[tuple[Points, Points]] = []  # of both sleeves, as worn and in the product picture
        if garment.sleeve > 0:
            bodies = person.body, inside(garment)
            self._axes = [tuple(sleeve_axis(garment, body, side) for body in bodies) for side in (-1, 1)]
        self._origins, self._shows = self._trunk, 0.0
        super().__init__(view, np.dstack([self._trunk, np.zeros((view.height, view.width))]))

    def paint(self, pieces: Sequence[Piece], *, worn: bool = False) -> None:
        self._origins, self._shows = self._trunk, float(worn)
        for here, there in self._axes if worn else ():
            if pieces[0].axis is not None and np.array_equal(pieces[0].axis, here):
                self._origins = self._seen(*off_axis(*along_axis(*self._figure, here), there))
        super().paint(pieces, worn=worn)

    def _surface(self, piece: Piece, region: Region) -> np.ndarray:
        origins = self._origins[region.rows, region.columns]
        return np.dstack([origins, np.full(origins.shape[:2], self._shows)])

    def _seen(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Figure coordinates as places in the product picture: [h, w, 2] in 0..1."""
        view = self._product
        placed = view.place(np.stack([x.ravel(), y.ravel()], axis=1)) / (view.width, view.height)
        return np.clip(placed, 0, 1).reshape(*x.shape, 2).astype(np.float32)
