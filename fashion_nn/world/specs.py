"""What can be varied about a garment, and how a seeded season of garments is drawn from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fashion_nn.world import palette
from fashion_nn.world.fabrics import Colour, Paint, mixed

CATEGORIES = ("men-tops", "men-bottoms", "men-shoes", "women-tops", "women-bottoms", "women-shoes")

Neckline = Literal["crew", "v", "scoop", "boat", "turtle", "collar", "hood", "straps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GarmentSpec:
    """One garment, complete: equal specs draw equal pictures."""

    category: str  # one of CATEGORIES
    cut: str  # "tee", "jeans", "sneaker", ...: see CUTS
    paint: Paint
    length: float = 0.5  # 0 = shortest of its cut, 1 = longest
    fit: float = 0.5  # 0 = close to the body, 1 = wide
    sleeve: float = 0.0  # share of the arm that is covered; tops only
    neckline: Neckline = "crew"
    motif: str | None = None  # a print on the chest: "disc", "star", "heart", "diamond", "mountain"
    seed: int = 0  # where creases fall

    @property
    def figure(self) -> str:
        return self.category.split("-")[0]

    @property
    def part(self) -> str:
        return self.category.split("-")[1]


# cut -> (likelihood, sleeve range, necklines, length range, fit range)
TOPS: dict[str, dict[str, tuple]] = {
    "men": {
        "tee": (5, (0.30, 0.38), ("crew", "crew", "v"), (0.4, 0.8), (0.3, 0.9)),
        "longsleeve": (2, (0.95, 1.0), ("crew", "v"), (0.4, 0.8), (0.3, 0.7)),
        "shirt": (3, (0.97, 1.0), ("collar",), (0.6, 0.9), (0.4, 0.7)),
        "shortshirt": (1, (0.38, 0.44), ("collar",), (0.6, 0.9), (0.5, 0.9)),
        "polo": (2, (0.34, 0.40), ("collar",), (0.5, 0.8), (0.3, 0.6)),
        "sweater": (2.5, (0.97, 1.0), ("crew", "v", "turtle"), (0.3, 0.6), (0.6, 1.0)),
        "hoodie": (2, (0.97, 1.0), ("hood",), (0.4, 0.6), (0.7, 1.0)),
        "tank": (1, (0.0, 0.0), ("scoop", "crew"), (0.5, 0.8), (0.2, 0.6)),
    },
    "women": {
        "tee": (4, (0.22, 0.32), ("crew", "v", "scoop"), (0.1, 0.6), (0.1, 0.6)),
        "longsleeve": (2, (0.9, 1.0), ("scoop", "boat", "v"), (0.2, 0.6), (0.0, 0.4)),
        "threequarter": (2, (0.6, 0.72), ("boat", "scoop", "v"), (0.2, 0.7), (0.1, 0.5)),
        "blouse": (2.5, (0.8, 1.0), ("collar", "v"), (0.4, 0.8), (0.3, 0.7)),
        "camisole": (2.5, (0.0, 0.0), ("straps",), (0.2, 0.7), (0.0, 0.5)),
        "crop": (1.5, (0.2, 0.3), ("crew", "scoop"), (-0.9, -0.5), (0.1, 0.5)),
        "peplum": (1.5, (0.15, 0.6), ("scoop", "boat", "v"), (0.2, 0.5), (0.0, 0.2)),
        "sweater": (2, (0.97, 1.0), ("crew", "turtle", "v"), (0.1, 0.5), (0.5, 1.0)),
        "shell": (1.5, (0.0, 0.0), ("crew", "boat", "turtle"), (0.2, 0.6), (0.1, 0.4)),
    },
}

# cut -> (likelihood, length range, fit range)
BOTTOMS: dict[str, dict[str, tuple]] = {
    "men": {
        "jeans": (4, (0.95, 1.0), (0.35, 0.7)),
        "chinos": (3, (0.92, 1.0), (0.3, 0.6)),
        "joggers": (2, (0.92, 0.97), (0.5, 0.9)),
        "cargo": (1.5, (0.95, 1.0), (0.7, 1.0)),
        "shorts": (3, (0.32, 0.46), (0.6, 1.0)),
    },
    "women": {
        "jeans": (2.5, (0.9, 1.0), (0.0, 0.3)),
        "wideleg": (2, (0.95, 1.0), (0.8, 1.0)),
        "leggings": (1, (0.86, 0.97), (0.0, 0.05)),
        "shorts": (1.5, (0.12, 0.24), (0.4, 0.8)),
        "pencil": (2, (0.40, 0.55), (0.1, 0.3)),
        "aline": (2.5, (0.28, 0.5), (0.5, 0.8)),
        "pleated": (2.5, (0.25, 0.75), (0.6, 1.0)),
        "maxi": (1.5, (0.85, 0.98), (0.6, 0.9)),
    },
}

# cut -> likelihood
SHOES: dict[str, dict[str, float]] = {
    "men": {"sneaker": 4, "hightop": 2, "oxford": 2.5, "chelsea": 2, "workboot": 2, "slide": 1},
    "women": {"pump": 4, "sneaker": 2, "ankleboot": 2, "tallboot": 2, "ballet": 2, "heelsandal": 2},
}

PATTERNED_CUTS = {
    "tee": 1.0,
    "longsleeve": 0.9,
    "shirt": 1.2,
    "shortshirt": 1.3,
    "polo": 0.8,
    "sweater": 0.7,
    "tank": 0.8,
}
MOTIFS = ("disc", "star", "heart", "diamond", "mountain")


def sample_garment(rng: np.random.Generator, category: str) -> GarmentSpec:
    """A garment of `category`; ValueError when there is no such category."""
    if category not in CATEGORIES:
        raise ValueError(f"category: {category!r} is none of {', '.join(CATEGORIES)}")
    figure, part = category.split("-")
    sample = {"tops": _sample_top, "bottoms": _sample_bottom, "shoes": _sample_shoe}[part]
    return replace(sample(rng, figure), category=category, seed=int(rng.integers(2**31)))


def _choose(rng: np.random.Generator, table: dict) -> str:
    weights = np.array([row if isinstance(row, int | float) else row[0] for row in table.values()], float)
    return list(table)[rng.choice(len(weights), p=weights / weights.sum())]


def _garment_colour(rng: np.random.Generator) -> Colour:
    names = list(palette.GARMENTS)
    return palette.jittered(rng, palette.GARMENTS[names[rng.integers(len(names))]])


def _sample_top(rng: np.random.Generator, figure: str) -> GarmentSpec:
    cut = _choose(rng, TOPS[figure])
    _, sleeve, necklines, length, fit = TOPS[figure][cut]
    neckline = necklines[rng.integers(len(necklines))]
    paint, motif = _top_paint(rng, cut)
    return GarmentSpec(
        category="",
        cut=cut,
        paint=paint,
        sleeve=float(rng.uniform(*sleeve)),
        neckline=neckline,
        length=float(rng.uniform(*length)),
        fit=float(rng.uniform(*fit)),
        motif=motif,
    )


def _top_paint(rng: np.random.Generator, cut: str) -> tuple[Paint, str | None]:
    colour = _garment_colour(rng)
    base = Paint(colour=colour, accent=palette.contrasting(rng, colour))
    if rng.random() > 0.62 * PATTERNED_CUTS.get(cut, 0.9):
        return (
            (replace(base, pattern="ribs", accent=mixed(colour, (0, 0, 0), 0.22)), None)
            if cut == "sweater"
            else (base, None)
        )
    buttoned = cut in ("shirt", "shortshirt", "blouse")
    kinds = ("stripes", "pinstripes", "checks", "plaid", "dots", "block", "band", "motif")
    weights = np.array(
        [1, 3, 3, 3, 2, 0, 0, 0] if buttoned else [4, 1, 1, 1, 2, 1.5, 2, 0 if cut == "polo" else 3.5], float
    )
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    if kind == "motif":
        return base, MOTIFS[rng.integers(len(MOTIFS))]
    if kind == "block":
        return replace(base, pattern="block", start=float(rng.uniform(0.25, 0.36))), None
    if kind == "band":
        return replace(
            base, pattern="band", start=float(rng.uniform(0.24, 0.29)), period=float(rng.uniform(0.05, 0.08))
        ), None
    period = {
        "stripes": (0.032, 0.062),
        "pinstripes": (0.022, 0.045),
        "checks": (0.034, 0.06),
        "plaid": (0.05, 0.085),
    }
    low, high = period.get(kind, (0.036, 0.058))
    return replace(base, pattern=kind, period=float(rng.uniform(low, high)), duty=float(rng.uniform(0.25, 0.55))), None


def _sample_bottom(rng: np.random.Generator, figure: str) -> GarmentSpec:
    cut = _choose(rng, BOTTOMS[figure])
    _, length, fit = BOTTOMS[figure][cut]
    return GarmentSpec(
        category="",
        cut=cut,
        paint=_bottom_paint(rng, cut),
        length=float(rng.uniform(*length)),
        fit=float(rng.uniform(*fit)),
    )


def _bottom_paint(rng: np.random.Generator, cut: str) -> Paint:
    if cut == "jeans" or (cut == "shorts" and rng.random() < 0.35):
        wash = list(palette.DENIM)[rng.integers(len(palette.DENIM))]
        colour = palette.jittered(rng, palette.DENIM[wash])
        return Paint(
            colour=colour,
            accent=mixed(colour, (0.9, 0.94, 1.0), float(rng.uniform(0.1, 0.45))),
            pattern="denim",
        )
    colour = _garment_colour(rng)
    paint = Paint(colour=colour, accent=palette.contrasting(rng, colour))
    if rng.random() > (0.4 if cut in ("aline", "pleated", "maxi", "wideleg", "pencil") else 0.15):
        return paint
    kinds = (
        ("pinstripes", "checks", "plaid", "dots", "stripes")
        if cut not in ("joggers", "leggings")
        else ("pinstripes", "band")
    )
    kind = kinds[rng.integers(len(kinds))]
    if kind == "band":
        return replace(paint, pattern="band", start=0.30, period=0.04)
    return replace(paint, pattern=kind, period=float(rng.uniform(0.035, 0.065)), duty=float(rng.uniform(0.2, 0.5)))


def _sample_shoe(rng: np.random.Generator, figure: str) -> GarmentSpec:
    cut = _choose(rng, SHOES[figure])
    leather = cut in ("oxford", "chelsea", "workboot", "ankleboot", "tallboot") and rng.random() < 0.7
    shades = palette.LEATHER if leather else palette.GARMENTS
    colour = palette.jittered(rng, shades[list(shades)[rng.integers(len(shades))]])
    paint = Paint(
        colour=colour,
        accent=palette.contrasting(rng, colour),
        shine=0.22 if leather or cut == "pump" else 0.1,
    )
    return GarmentSpec(category="", cut=cut, paint=paint, length=float(rng.random()), fit=float(rng.random()))
