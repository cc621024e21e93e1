"""Calls every endpoint as a shop's backend would, and gathers what comes back into exhibits."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from demo.backend import Answer, Backend
from demo.exhibits import Board, Fitted, ShopperBoards, Shown, Strip
from demo.sizes import Size
from demo.visitors import Sitter, Visitor, World, in_words

SEED = 7  # of designs and alterations: the page of a release is the same each time
STAGES = 5
CANDIDATES = 24  # items scored to find one that a shopper does not care for
DRESSED_IN = "tops"  # what the persons of the world wear, and can be fitted with


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit to a served release. Every method raises Refused where the service refuses."""

    backend: Backend
    world: World
    size: Size
    say: Callable[[str], None]

    def release(self) -> Answer:
        """What serves."""
        return self.backend.get("/v1/release", name="release")

    def boards(self, visitor: Visitor) -> ShopperBoards:
        """A shopper's board in each category they buy from."""
        shopper = {"user_id": visitor.user_id}
        boards = [self.board(visitor, shopper, each, visitor.user_id) for each in visitor.categories]
        return ShopperBoards(name=f"Shopper {visitor.user_id}", taste=in_words(visitor.taste), boards=boards)

    def somebody_new(self, visitor: Visitor) -> ShopperBoards:
        """The board of somebody with a visitor's taste whom the release does not know: only likes are told."""
        category = visitor.categories[-1]
        likes = self.world.likes(visitor, category, self.size.likes)
        board = self.board(visitor, {"likes": likes}, category, "somebody-new")
        taste = f"known by {len(likes)} likes alone; truly {in_words(visitor.taste)}"
        return ShopperBoards(name="Somebody new", taste=taste, boards=[board])

    def board(self, visitor: Visitor, shopper: Mapping[str, Any], category: str, name: str) -> Board:
        """The best items and the best designs of one category."""
        wish = {"shopper": shopper, "category": category, "k": 3}
        recommend = {**wish, "exclude_bought": "user_id" in shopper}
        design = {**wish, "seed": SEED, **self.size.design}
        began = time.monotonic()
        found = self.backend.post("/v1/recommend", recommend, name=f"recommend {name} {category}")["items"]
        made = self.backend.post("/v1/design", design, name=f"design {name} {category}")["designs"]
        seconds = time.monotonic() - began
        self.say(f"{name}, {category}: {scores(found)} in the catalogue, {scores(made)} designed")
        return Board(
            category=category,
            items=[self.shown(each, each["item_id"], visitor) for each in found],
            designs=[self.shown(each, f"design {k}", visitor) for k, each in enumerate(made, 1)],
            seconds=seconds,
        )

    def strip(self, visitor: Visitor, category: str) -> Strip:
        """An item that the visitor does not care for, altered towards their taste."""
        shopper = {"user_id": visitor.user_id}
        name = f"{visitor.user_id} {category}"
        wish = {"shopper": shopper, "items": self.world.items(category)[:CANDIDATES]}
        answer = self.backend.post("/v1/score", wish, name=f"score {name}")
        least = min(answer["scores"], key=lambda each: each["score"])
        item = self.backend.get(f"/v1/items/{least['item_id']}", name=f"item {least['item_id']}")["item"]
        wish = {"shopper": shopper, "picture": {"item_id": item["item_id"]}, "stages": STAGES, "seed": SEED}
        began = time.monotonic()
        found = self.backend.post("/v1/alter", {**wish, **self.size.alter}, name=f"alter {name}")
        seconds = time.monotonic() - began
        self.say(f"{name}: {item['item_id']} altered, {scores(found['stages'])}")
        stages = [self.shown(each, f"stage {k}", visitor) for k, each in enumerate(found["stages"], 1)]
        return Strip(
            shopper=f"Shopper {visitor.user_id}",
            category=category,
            item=self.shown({**item, "score": least["score"]}, item["item_id"], visitor),
            stages=[self.shown(found["reconstruction"], "found again", visitor), *stages],
            seconds=seconds,
        )

    def try_on(self, sitter: Sitter) -> Fitted:
        """A person in the garment they want, beside how that truly looks."""
        sent = {name: getattr(sitter, name).read_bytes() for name in ("person", "worn", "wanted")}
        name = f"try-on {sitter.name}"
        began = time.monotonic()
        answer = self.backend.post_pictures("/v1/try-on", {"format": "png"}, sent, name=name)
        seconds = time.monotonic() - began
        self.say(f"{sitter.name}: fitted with another garment")
        return self.fitted(
            name,
            answer["fitting"],
            sent,
            wanted=opened(sent["wanted"]),
            truth=opened(sitter.truth.read_bytes()),
            seconds=seconds,
        )

    def fitting(self, visitor: Visitor, sitter: Sitter, source: str) -> Fitted:
        """What a visitor would like most, recommended or designed, on a person's picture: one call."""
        category = next(each for each in visitor.categories if each.endswith(DRESSED_IN))
        sent = {name: getattr(sitter, name).read_bytes() for name in ("person", "worn")}
        wish = {
            "shopper": {"user_id": visitor.user_id},
            "source": source,
            "category": category,
            "format": "png",
        }
        wish |= {"seed": SEED, **self.size.design} if source == "design" else {}
        name = f"fitting {visitor.user_id} {source}"
        began = time.monotonic()
        answer = self.backend.post_pictures("/v1/fitting", wish, sent, name=name)
        seconds = time.monotonic() - began
        best = answer["fittings"][0]
        offer = best.get("item") or best["design"]
        self.say(f"{visitor.user_id}: {source}, and fitted on {sitter.name}")
        wanted = self.backend.picture(offer["picture"])
        shown = self.fitted(name, best["fitting"], sent, wanted=wanted, truth=None, seconds=seconds)
        return replace(shown, caption=f"For shopper {visitor.user_id}: {kind_of(best)} of score {offer['score']:.2f}")

    def fitted(
        self,
        name: str,
        fitting: Mapping[str, Any],
        sent: Mapping[str, bytes],
        *,
        wanted: Image.Image,
        truth: Image.Image | None,
        seconds: float,
    ) -> Fitted:
        """The exhibit of one fitting that came back."""
        return Fitted(
            name=name,
            person=opened(sent["person"]),
            worn=opened(sent["worn"]),
            wanted=wanted,
            mask=self.backend.picture(fitting["mask"]),
            result=self.backend.picture(fitting["picture"]),
            truth=truth,
            seconds=seconds,
        )

    def shown(self, offer: Mapping[str, Any], label: str, visitor: Visitor) -> Shown:
        """An item or design of an answer, with what the stated taste says about it."""
        picture = self.backend.picture(offer["picture"])
        over = self.world.liked_over(visitor, offer["category"], picture)
        return Shown(picture=picture, label=label, score=offer["score"], liked_over=over)


def scores(offers: Sequence[Mapping[str, Any]]) -> str:
    """Scores in a row: `2.31 2.10 1.94`."""
    return " ".join(f"{each['score']:.2f}" for each in offers)


def kind_of(offer: Mapping[str, Any]) -> str:
    """What was fitted, in words."""
    return "the best item" if offer.get("item") else "the best design"


def opened(data: bytes) -> Image.Image:
    """A picture of ours."""
    return Image.open(io.BytesIO(data)).convert("RGB")
