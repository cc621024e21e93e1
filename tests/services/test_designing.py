"""Design and alteration without Ray: the networks of a tiny release, one ascent after another."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import torch
from torch import Tensor

from fashion_nn.latent import Ascended, Ascent, Weights
from services.designer import Run, ascended
from services.designing import Alteration, Climb, Studio, load_studio
from services.errors import BadInput, Unexpected
from services.messages import AlterRequest, DesignRequest, Shopper
from services.release_loader import fetch
from tests.services.tiny_release import garment

SHOPPER = Shopper(user_id="shopper-0")


@pytest.fixture(scope="module")
def studio(settings, release) -> Studio:
    return load_studio(fetch(settings, release), torch.device("cpu"))


@pytest.fixture(scope="module")
def climb(studio: Studio) -> Climb:
    async def alone(ascent: Ascent) -> Ascended:
        return studio.optimiser.run([ascent])[0]

    return alone


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def taste(scale: float = 1000.0) -> Tensor:
    """Strong, since the looks of random networks hardly differ."""
    return scale * torch.randn(8, generator=torch.Generator().manual_seed(1))


def alteration(studio: Studio, **fields: Any) -> Alteration:
    request = {"shopper": SHOPPER, "picture": {"item_id": "item-00"}, "restarts": 4, "steps": 8, "seed": 3}
    return Alteration(studio=studio, request=AlterRequest(**{**request, **fields}), taste=taste(), category=0)


def test_a_design_climbs_from_seeded_starts(studio: Studio) -> None:
    request = DesignRequest(shopper=SHOPPER, category="women-tops", k=2, restarts=4, steps=5, seed=7)
    first, again = studio.ascent(request, taste()), studio.ascent(request, taste())
    assert torch.equal(first.starts, again.starts) and first.starts.abs().max() <= 1
    assert (first.category, first.keep, first.steps, len(first.starts)) == (1, 2, 5, 4)
    (found,) = studio.optimiser.run([first])
    assert len(found.codes) == 2 and (found.climb > 0).all()


def test_a_design_of_no_category_is_refused(studio: Studio) -> None:
    with pytest.raises(BadInput, match="category is hats"):
        studio.ascent(DesignRequest(shopper=SHOPPER, category="hats"), taste())


def test_an_inversion_comes_closer_than_its_starts(studio: Studio, climb: Climb) -> None:
    altering, target = alteration(studio, steps=20), studio.target(garment(0))
    found = finished(altering.invert(climb, target))
    starts = studio.starts(4, 3)
    first = studio.optimiser.networks.generator(starts, torch.zeros(4, dtype=torch.int64))
    distance = (first - target).abs().mean((1, 2, 3)).min()
    assert (found.scores.pictures[0] - target).abs().mean() < distance
    assert len(found.codes) == 1


def test_stages_rise_from_the_origin(studio: Studio, climb: Climb) -> None:
    altering = alteration(studio, stages=4, closeness=1000.0)
    origin = finished(altering.recall(climb, studio.starts(1, 5)[0]))
    stages = finished(altering.stages(climb, origin))
    scores = [each.scores.preference.item() for each in (origin, *stages)]
    assert len(stages) == 4
    assert scores == sorted(scores) and scores[-1] > scores[0]


def test_stages_never_fall_though_realism_pulls_the_other_way(studio: Studio, climb: Climb) -> None:
    altering = alteration(studio, stages=3, realism=100.0)
    origin = finished(altering.recall(climb, studio.starts(1, 6)[0]))
    scores = [each.scores.preference.item() for each in finished(altering.stages(climb, origin))]
    assert [origin.scores.preference.item(), *scores] == sorted([origin.scores.preference.item(), *scores])


def test_closeness_falls_to_nothing(studio: Studio) -> None:
    assert alteration(studio, stages=4, closeness=9.0).pulls() == [9.0, 3.0, 1.0, 0.0]
    assert alteration(studio, stages=1, closeness=8.0).pulls() == [8.0]


def test_a_code_on_record_comes_back_as_it_is(studio: Studio, climb: Climb) -> None:
    code = studio.starts(1, 9)[0]
    found = finished(alteration(studio).recall(climb, code))
    torch.testing.assert_close(found.codes[0], code, atol=1e-3, rtol=0)


def ascent(studio: Studio, seed: int, weight: float = 1.0) -> Ascent:
    starts = studio.starts(2, seed)
    return Ascent(taste=taste() * weight, category=0, starts=starts, weights=Weights(), steps=3)


def test_ascents_in_company_are_as_alone(studio: Studio) -> None:
    asked = [ascent(studio, seed) for seed in range(3)]
    together = ascended([Run(studio=studio, ascent=each) for each in asked])
    for each, found in zip(asked, together, strict=True):
        (alone,) = studio.optimiser.run([each])
        torch.testing.assert_close(found.codes, alone.codes, atol=1e-3, rtol=1e-3)


def test_one_that_does_not_stay_finite_fails_alone(studio: Studio) -> None:
    asked = [ascent(studio, 0), ascent(studio, 1, float("nan")), ascent(studio, 2)]
    found = ascended([Run(studio=studio, ascent=each) for each in asked])
    assert isinstance(found[0], Ascended) and isinstance(found[2], Ascended)
    assert isinstance(found[1], Unexpected)


def test_broken_networks_are_noticed(settings, release) -> None:
    broken = load_studio(fetch(settings, release), torch.device("cpu"))
    broken.probe()
    next(broken.optimiser.networks.generator.parameters()).fill_(float("nan"))
    with pytest.raises(FloatingPointError):
        broken.probe()
