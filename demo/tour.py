"""Which visitor asks what: the round through a served release that ends in an exhibition."""

import io
from collections.abc import Iterator, Mapping

from PIL import Image

from cluster.object_store import ObjectStore
from demo.backend import Answer
from demo.exhibits import Exhibition, Figure, Fitted, Sheet, ShopperBoards, Strip
from demo.visit import Visit
from demo.visitors import Sitter, Visitor

SOURCES = ("recommend", "design")


def guide(visit: Visit) -> Exhibition:
    """Ask every endpoint. Raises Refused where the service refuses."""
    serves = visit.release()
    *visitors, stranger = visit.world.visitors(visit.size.visitors + 1)
    sitters = visit.world.sitters(visit.size.sitters)
    shoppers = [*map(visit.boards, visitors), visit.somebody_new(stranger)]
    return Exhibition(
        release=serves["release"],
        figures=list(figures(serves, shoppers)),
        shoppers=shoppers,
        strips=list(strips(visit, visitors)),
        fittings=[visit.try_on(sitter) for sitter in sitters],
        composed=list(composed(visit, visitors, sitters)),
        answers=visit.backend.answers,
    )


def strips(visit: Visit, visitors: list[Visitor]) -> Iterator[Strip]:
    """One alteration for each visitor, of another kind of garment each time."""
    for place, visitor in enumerate(visitors):
        yield visit.strip(visitor, visitor.categories[place % len(visitor.categories)])


def composed(visit: Visit, visitors: list[Visitor], sitters: list[Sitter]) -> Iterator[Fitted]:
    """Recommended and designed, each on the picture of a person; persons are women and men in turn, as visitors are."""
    for visitor, sitter in zip(visitors, sitters, strict=False):
        for source in SOURCES:
            yield visit.fitting(visitor, sitter, source)


def figures(serves: Answer, shoppers: list[ShopperBoards]) -> Iterator[Figure]:
    """The figures of the opening row: the catalogue, how well each network learnt, what designing gains."""
    metrics = {name: value for each in serves["metrics"].values() for name, value in each.items()}
    yield Figure(value=f"{serves['items']:,}", meaning=f"items, and {serves['shoppers']:,} shoppers")
    if "auc/test" in metrics:
        yield Figure(value=f"{metrics['auc/test']:.3f}", meaning="AUC over all items a shopper had not seen")
    if "test/mask_iou" in metrics:
        yield Figure(
            value=f"{metrics['test/mask_iou']:.2f}",
            meaning="overlap of the masks with the true ones, which were never shown",
        )
    known = [board for each in shoppers for board in each.boards]
    over = [each.liked_over for board in known for each in board.designs if each.liked_over is not None]
    higher = sum(board.gain > 0 for board in known)
    yield Figure(value=f"{higher} of {len(known)}", meaning="boards whose best design scores above the best item")
    if over:
        share = 100 * sum(over) / len(over)
        yield Figure(
            value=f"{share:.0f} %", meaning="of a category is worse than a design, by the taste that the world states"
        )


def last_sheets(store: ObjectStore, runs: Mapping[str, str]) -> list[Sheet]:
    """The newest sample sheet of each network's run."""
    found = []
    for network, run in runs.items():
        keys = sorted(info.key for info in store.list(f"runs/{run}/samples/"))
        if keys:
            step = int(keys[-1].rpartition("/")[2].partition(".")[0])
            picture = Image.open(io.BytesIO(store.get(keys[-1]))).convert("RGB")
            found.append(Sheet(network=network, picture=picture, caption=f"after {step:,} steps"))
    return found
