"""Which visitor asks what: the round through a served release that ends in an exhibition."""

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from cluster.object_store import ObjectStore
from demo.backend import Answer
from demo.exhibits import Exhibition, Figure, Sheet, ShopperBoards
from demo.visit import Visit
from demo.visitors import Sitter, Visitor

SOURCES = ("recommend", "design")
CALLERS = 6  # at once: what many shoppers ask for is designed in one pass


def guide(visit: Visit) -> Exhibition:
    """Ask every endpoint. Raises Refused where the service refuses."""
    serves = visit.release()
    *visitors, stranger = visit.world.visitors(visit.size.visitors + 1)
    sitters = visit.world.sitters(visit.size.sitters)
    with ThreadPoolExecutor(CALLERS, thread_name_prefix="caller") as pool:
        boards = pool.map(visit.boards, visitors)
        new = pool.submit(visit.somebody_new, stranger)
        strips = pool.map(visit.strip, visitors, altered(visitors))
        fittings = pool.map(visit.try_on, sitters)
        composed = pool.map(visit.fitting, *zip(*wishes(visitors, sitters), strict=True))
        shoppers = [*boards, new.result()]
        return Exhibition(
            release=serves["release"],
            figures=list(figures(serves, shoppers)),
            shoppers=shoppers,
            strips=list(strips),
            fittings=list(fittings),
            composed=list(composed),
            answers=dict(sorted(visit.backend.answers.items())),
        )


def altered(visitors: list[Visitor]) -> Iterator[str]:
    """The category of which each visitor has an item altered: another kind of garment each time."""
    return (visitor.categories[place % len(visitor.categories)] for place, visitor in enumerate(visitors))


def wishes(visitors: list[Visitor], sitters: list[Sitter]) -> Iterator[tuple[Visitor, Sitter, str]]:
    """Recommended and designed, each on the picture of a person; persons are women and men in turn, as visitors are."""
    for visitor, sitter in zip(visitors, sitters, strict=False):
        for source in SOURCES:
            yield visitor, sitter, source


def figures(serves: Answer, shoppers: list[ShopperBoards]) -> Iterator[Figure]:
    """The figures of the opening row: the catalogue, how well each network learnt, what designing gains."""
    metrics = {name: value for each in serves["metrics"].values() for name, value in each.items()}
    yield Figure(value=f"{serves['items']:,}", meaning=f"items, and {serves['shoppers']:,} shoppers")
    if "auc/test" in metrics:
        yield Figure(value=f"{metrics['auc/test']:.3f}", meaning="AUC over all items a shopper had not seen")
    if "test/mask_iou" in metrics:
        yield Figure(
            value=f"{metrics['test/mask_iou']:.2f}",
            meaning="overlap of the masks with what was worn before",
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
