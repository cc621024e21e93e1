"""What the service does, for every face: each method takes a checked request and gives a whole answer.

A face (HTTP, gRPC) translates into these requests and out of these answers and errors, and decides nothing.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from services import messages, replies
from services.calls import Caller
from services.errors import NoRelease
from services.outgoing import Outgoing
from services.trials import Choice, NoTrials, Trials, Who, named

AnyReply = TypeVar("AnyReply", bound=replies.Reply)
LARGEST_SEED = 2**31
READY_S = 5.0  # who takes longer to say which release it serves is not ready


class Method(Protocol):
    """A deployment's method. What `remote` gives can be awaited, or handed to another's `remote` as it is.

    With `options(stream=True)` it is iterated over instead.
    """

    def remote(self, *args: Any, **options: Any) -> Any: ...

    def options(self, *, stream: bool) -> "Method": ...


class RecommenderHandle(Protocol):
    """services.recommender.Recommender from afar."""

    taste: Method
    score: Method
    recommend: Method
    item: Method
    put_item: Method
    delete_item: Method
    changes: Method
    contents: Method
    release_id: Method


class Reads(Protocol):
    """What is only read of the Recommender, for replies that come here and go no further."""

    def at_hand(self, call: str, asked: Any, *, release: str | None) -> replies.Reply | None:
        """The reply of one of the calls below where it is known here, and keeps nobody waiting."""
        ...

    def score(self, request: messages.ScoreRequest, *, release: str | None) -> Awaitable[replies.Scores]: ...

    def recommend(self, request: messages.RecommendRequest, *, release: str | None) -> Awaitable[replies.Offers]: ...

    def item(self, item_id: str, *, release: str | None) -> Awaitable[replies.Offers]: ...

    def acknowledged(self, record: int) -> None:
        """A caller is told of this record of the live catalogue: what is read from now on knows it."""

    def serves(self, release: str | None) -> None:
        """The Recommender serves this release: what is read from now on is of it."""


class DesignerHandle(Protocol):
    """services.designer.Designer from afar."""

    design: Method
    alter: Method
    variations: Method
    watch: Method
    release_id: Method


class FittingRoomHandle(Protocol):
    """services.fitting_room.FittingRoom from afar."""

    try_on: Method
    fit: Method
    release_id: Method


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """The deployments and what is needed to ask them and to answer."""

    recommender: RecommenderHandle
    reads: Reads
    designer: DesignerHandle
    fitting_room: FittingRoomHandle
    outgoing: Outgoing
    caller: Caller
    logger: logging.Logger
    trials: Trials = field(default_factory=NoTrials)
    may_rest: frozenset[str] = frozenset()  # deployments that have no replica while nobody asks them

    def within(self, timeout_s: float | None) -> "Core":
        """The same for a caller whose patience ends after so many seconds; None for one who did not say."""
        return self if timeout_s is None else replace(self, caller=self.caller.within(timeout_s))

    async def score(self, request: messages.ScoreRequest, request_id: str) -> messages.ScoreAnswer:
        """Preference scores. Raises UnknownShopper, UnknownItem."""
        reply, asked = await self._read("score", request, named(request.shopper))
        scores = [
            messages.Score(item_id=item_id, score=score)
            for item_id, score in zip(request.items, reply.scores, strict=True)
        ]
        return messages.ScoreAnswer(scores=scores, **asked.facts(request_id))

    async def recommend(self, request: messages.RecommendRequest, request_id: str) -> messages.RecommendAnswer:
        """The best items. Raises UnknownShopper, UnknownItem (a like), BadInput (a category)."""
        reply, asked = await self._read("recommend", request, named(request.shopper))
        items = await asked.encoding(self._offers(reply.offers, request.inline))
        return messages.RecommendAnswer(items=items, **asked.facts(request_id))

    async def design(self, request: messages.DesignRequest, request_id: str) -> messages.DesignAnswer:
        """The best new designs, kept in the bucket. Raises UnknownShopper, UnknownItem, BadInput."""
        return await self._answered(self._design(request, request_id))

    async def alter(self, request: messages.AlterRequest, request_id: str) -> messages.AlterAnswer:
        """An item's stages towards a taste. Raises UnknownShopper, UnknownItem, UnknownDesign, BadInput."""
        return await self._answered(self._alter(request, request_id))

    async def variations(self, request: messages.VariationsRequest, request_id: str) -> messages.VariationsAnswer:
        """A picture's neighbours. Raises UnknownShopper, UnknownItem, UnknownDesign, BadInput."""
        return await self._answered(self._variations(request, request_id))

    async def watch(
        self,
        request: messages.DesignRequest | messages.AlterRequest | messages.VariationsRequest,
        request_id: str,
    ) -> AsyncIterator[messages.Accepted | messages.Progress | messages.Answer]:
        """The call for such a request: that it was taken, how far it is, and the answer at last. Raises as the call."""
        calls = {
            messages.DesignRequest: self._design,
            messages.AlterRequest: self._alter,
            messages.VariationsRequest: self._variations,
        }
        call = calls[type(request)](request, request_id)
        watching, began = self.designer.watch.options(stream=True), time.perf_counter()
        until, choice = self._until(), self._choice(call.who)
        stream = self.caller.stream(
            choice.asked(
                lambda release: watching.remote(*call.arguments(release), **call.options(release), until=until)
            ),
            logger=self.logger,
            turning=choice.turn,
        )
        with choice.blamed():
            async with aclosing(stream) as telling:
                async for told in telling:
                    if isinstance(told, replies.Accepted):
                        yield messages.Accepted()
                    elif isinstance(told, replies.Progress):
                        yield await self._progress(told)
                    else:
                        yield await call.told(Asked(reply=told, took_ms=1000 * (time.perf_counter() - began)))

    async def try_on(self, request: messages.TryOnRequest, request_id: str) -> messages.TryOnAnswer:
        """A garment on a person. Raises BadInput, TooLarge, UnknownItem, UnknownDesign."""
        worn, wanted = request.worn, request.wanted
        reply, asked = await self._ask(
            lambda release: self.fitting_room.try_on.remote(
                request, self._item_of(worn, release), self._item_of(wanted, release), release=release
            ),
            request.person.data,
        )
        (fitted,) = await asked.encoding(self._fittings(reply.fitted))
        return messages.TryOnAnswer(fitting=fitted, **asked.facts(request_id))

    async def fitting(self, request: messages.FittingRequest, request_id: str) -> messages.FittingAnswer:
        """Recommended or designed, then painted: the offers go to the fitting room without passing here."""
        request, until = seeded(request), self._until()
        reply, asked = await self._ask(
            lambda release: self.fitting_room.fit.remote(
                request, self._offered_for(request, until, release), self._item_of(request.worn, release)
            ),
            named(request.shopper),
        )
        offers = await asked.encoding(self._offers(reply.offers, request.inline))
        fitted = await asked.encoding(self._fittings(reply.fitted))
        fittings = [
            messages.FittingOffer(fitting=each, **{_kind(offer): offer})
            for offer, each in zip(offers, fitted, strict=True)
        ]
        return messages.FittingAnswer(fittings=fittings, **asked.facts(request_id))

    async def item(self, item_id: str, request_id: str, *, inline: bool = False) -> messages.ItemAnswer:
        """One catalogue entry. Raises UnknownItem."""
        reply, asked = await self._read("item", item_id)
        (item,) = await asked.encoding(self._offers(reply.offers, inline))
        return messages.ItemAnswer(item=item, **asked.facts(request_id))

    async def put_item(
        self, item_id: str, request: messages.PutItemRequest, request_id: str, *, token: str | None = None
    ) -> messages.PutItemAnswer:
        """Add or replace an item; once, however often it is asked for with one token. Raises BadInput, TooLarge."""
        token = token or secrets.token_hex(16)  # one for all tries: what an earlier one has done is not done again
        reply, asked = await self._ask(lambda _: self.recommender.put_item.remote(item_id, request, token))
        self.reads.acknowledged(reply.number)
        (item,) = await asked.encoding(self._offers([reply.offer], request.inline))
        return messages.PutItemAnswer(item=item, outcome=reply.outcome, record=reply.number, **asked.facts(request_id))

    async def delete_item(
        self, item_id: str, request_id: str, *, token: str | None = None
    ) -> messages.DeleteItemAnswer:
        """Take an item out of the catalogue; once, as it is put. Raises UnknownItem where there never was one."""
        token = token or secrets.token_hex(16)
        reply, asked = await self._ask(lambda _: self.recommender.delete_item.remote(item_id, token))
        self.reads.acknowledged(reply.number)
        return messages.DeleteItemAnswer(
            item_id=item_id, outcome=reply.outcome, record=reply.number, **asked.facts(request_id)
        )

    async def release(self, request_id: str) -> messages.ReleaseAnswer:
        """What serves. Raises NoRelease."""
        reply, asked = await self._ask(lambda _: self.recommender.contents.remote())
        self.reads.acknowledged(reply.record)
        return messages.ReleaseAnswer(
            deployments=await self.deployments(),
            categories=list(reply.categories),
            fits=list(reply.fits),
            items=reply.items,
            record=reply.record,
            shoppers=reply.shoppers,
            configs=reply.configs,
            metrics=reply.metrics,
            **asked.facts(request_id),
        )

    async def deployments(self) -> dict[str, str | None]:
        """The release id that each deployment serves; None where it has none. Those that may rest are let rest."""
        handles = {
            "recommender": self.recommender,
            "designer": self.designer,
            "fitting_room": self.fitting_room,
        }
        handles = {name: handle for name, handle in handles.items() if name not in self.may_rest}
        quick = replace(self.caller, timeout_s=min(READY_S, self.caller.timeout_s), tries=1)
        found = await asyncio.gather(
            *(quick(handle.release_id.remote, logger=self.logger) for handle in handles.values())
        )
        serving = {name: release for name, (release, _) in zip(handles, found, strict=True)}
        self.reads.serves(serving["recommender"])
        return serving

    async def ready(self) -> dict[str, str | None]:
        """The same, if every deployment serves a release. Raises NoRelease."""
        serving = await self.deployments()
        lacking = sorted(name for name, release in serving.items() if release is None)
        if lacking:
            raise NoRelease(f"no release is loaded in {', '.join(lacking)}", deployments=serving)
        return serving

    def _design(self, request: messages.DesignRequest, request_id: str) -> "DesignerCall":
        request = seeded(request)

        async def told(asked: Asked) -> messages.DesignAnswer:
            designs = await asked.encoding(self._offers(asked.reply.offers, request.inline))
            return messages.DesignAnswer(designs=designs, seed=request.seed, **asked.facts(request_id))

        return DesignerCall(
            method=self.designer.design,
            who=named(request.shopper),
            arguments=lambda release: (request, self.recommender.taste.remote(request.shopper, release=release)),
            told=told,
        )

    def _alter(self, request: messages.AlterRequest, request_id: str) -> "DesignerCall":
        request = seeded(request)

        async def told(asked: Asked) -> messages.AlterAnswer:
            offers = (asked.reply.reconstruction, *asked.reply.stages)
            reconstruction, *stages = await asked.encoding(self._offers(offers, request.inline))
            return messages.AlterAnswer(
                reconstruction=reconstruction, stages=stages, seed=request.seed, **asked.facts(request_id)
            )

        return DesignerCall(
            method=self.designer.alter,
            who=named(request.shopper),
            arguments=lambda release: (
                request,
                self.recommender.taste.remote(request.shopper, release=release),
                self._item_of(request.picture, release),
            ),
            told=told,
        )

    def _variations(self, request: messages.VariationsRequest, request_id: str) -> "DesignerCall":
        request = seeded(request)

        async def told(asked: Asked) -> messages.VariationsAnswer:
            varied = await asked.encoding(self._offers(asked.reply.offers, request.inline))
            return messages.VariationsAnswer(variations=varied, seed=request.seed, **asked.facts(request_id))

        return DesignerCall(
            method=self.designer.variations,
            who=None if request.shopper is None else named(request.shopper),
            arguments=lambda release: (
                request,
                None if request.shopper is None else self.recommender.taste.remote(request.shopper, release=release),
                self._item_of(request.picture, release),
            ),
            options=lambda release: {"release": release},
            told=told,
        )

    async def _answered(self, call: "DesignerCall") -> Any:
        until = self._until()
        _, asked = await self._ask(
            lambda release: call.method.remote(*call.arguments(release), **call.options(release), until=until), call.who
        )
        return await call.told(asked)

    def _until(self) -> float:
        """When nobody waits for what is asked now, in seconds since the epoch: the Designer has the best ready by then.

        On the clock of the wall, since some of the time is gone before a deployment on another machine begins.
        """
        return time.time() + self.caller.timeout_s

    async def _progress(self, told: replies.Progress) -> messages.Progress:
        (picture,) = await self.outgoing.pictures([told.picture], inline=True)
        return messages.Progress(
            step=told.step, steps=told.steps, score=told.score, realism=told.realism, picture=picture
        )

    def _offered_for(
        self, request: messages.FittingRequest, until: float, release: str | None
    ) -> Awaitable[replies.Offers]:
        if request.source == "recommend":
            return self.recommender.recommend.remote(request.recommendation(), to_fit=True, release=release)
        taste = self.recommender.taste.remote(request.shopper, release=release)
        return self.designer.design.remote(request.design(), taste, to_fit=True, until=until)

    def _item_of(self, picture: messages.PictureInput | None, release: str | None) -> Awaitable[replies.Offers] | None:
        """The catalogue's entry on its way to the deployment that needs its picture."""
        if picture is None or picture.item_id is None:
            return None
        return self.recommender.item.remote(picture.item_id, release=release)

    def _choice(self, who: Who | None) -> Choice:
        return Choice(None if who is None else self.trials.candidate_for(who))

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
        return await self.caller(call, logger=self.logger)

    async def _ask(self, call: Callable[[str | None], Awaitable[Any]], who: Who | None = None) -> tuple[Any, "Asked"]:
        """A call for somebody, which is told the release to ask for; None for the one that serves."""
        choice = self._choice(who)
        with choice.blamed():
            reply, took_ms = await self.caller(choice.asked(call), logger=self.logger, turning=choice.turn)
        return reply, Asked(reply=reply, took_ms=took_ms)

    async def _read(self, call: str, asked: Any, who: Who | None = None) -> tuple[Any, "Asked"]:
        """One of the reads. What is at hand needs neither deadline nor another try, which cost more than the reply."""
        choice, began = self._choice(who), time.perf_counter()
        with choice.blamed():
            reply = self.reads.at_hand(call, asked, release=choice.release)
        if reply is None:
            method = getattr(self.reads, call)
            return await self._ask(lambda release: method(asked, release=release), who)
        return reply, Asked(reply=reply, took_ms=1000 * (time.perf_counter() - began))

    async def _offers(self, offers: Sequence[replies.Offer], inline: bool) -> list[messages.Message]:
        wanted = [offer.picture for offer in offers]
        pictures = None if inline else self.outgoing.remembered(wanted)
        if pictures is None:
            pictures, _ = await self._call(lambda: self.outgoing.pictures(wanted, inline=inline))
        return [_told(offer, picture) for offer, picture in zip(offers, pictures, strict=True)]

    async def _fittings(self, fitted: Sequence[replies.FittedPicture]) -> list[messages.Fitted]:
        pictures = await self.outgoing.pictures([each.picture for each in fitted], inline=True)
        masks = await self.outgoing.pictures([each.mask for each in fitted], inline=True)
        return [
            messages.Fitted(picture=picture, mask=mask, size=_size(each.size), network_size=_size(each.network_size))
            for each, picture, mask in zip(fitted, pictures, masks, strict=True)
        ]


@dataclass(kw_only=True, slots=True)
class Asked:
    """A reply and where its time went, until the answer is whole."""

    reply: replies.Reply
    took_ms: float
    own_encode_ms: float = 0.0

    async def encoding(self, work: Awaitable[Any]) -> Any:
        """The result of `work`, its time counted as encoding."""
        began = time.perf_counter()
        result = await work
        self.own_encode_ms += 1000 * (time.perf_counter() - began)
        return result

    def facts(self, request_id: str) -> dict[str, Any]:
        """The fields that every answer has. What nobody worked on was waiting or transport."""
        work = self.reply.work
        timings = messages.Timings(
            queue=round(max(0.0, self.took_ms - work.compute_ms - work.encode_ms), 3),
            compute=round(work.compute_ms, 3),
            encode=round(work.encode_ms + self.own_encode_ms, 3),
        )
        return {"release": self.reply.release, "request_id": request_id, "timings": timings}


@dataclass(frozen=True, kw_only=True, slots=True)
class DesignerCall:
    """A call of the Designer that can also be watched."""

    method: Method
    who: str | None  # asks; None where it is nobody in particular
    arguments: Callable[[str | None], tuple[Any, ...]]  # made anew for every try: replies on their way are among them
    told: Callable[[Asked], Awaitable[messages.Answer]]
    options: Callable[[str | None], dict[str, Any]] = lambda release: {}


Seeded = TypeVar(
    "Seeded", messages.DesignRequest, messages.AlterRequest, messages.VariationsRequest, messages.FittingRequest
)


def seeded(request: Seeded) -> Seeded:
    """The request with a seed, drawn here where none was asked for, so that another try gives the same."""
    if request.seed is not None:
        return request
    return request.model_copy(update={"seed": secrets.randbelow(LARGEST_SEED)})


def _told(offer: replies.Offer, picture: messages.Picture) -> messages.Message:
    if isinstance(offer, replies.OfferedDesign):
        return messages.Design(
            design_id=offer.design_id,
            category=offer.category,
            score=offer.score,
            realism=offer.realism,
            picture=picture,
        )
    entry = {"item_id": offer.item_id, "category": offer.category, "picture": picture}
    return messages.Item(**entry) if offer.score is None else messages.ScoredItem(**entry, score=offer.score)


def _kind(offer: messages.Message) -> str:
    return "design" if isinstance(offer, messages.Design) else "item"


def _size(size: tuple[int, int]) -> messages.Size:
    return messages.Size(height=size[0], width=size[1])
