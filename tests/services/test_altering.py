"""Alteration without Ray: what a plan asks of the engine, and what it makes of the answers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fashion_nn.cgan import config as cgan_config
from fashion_nn.latent import Ascended, EngineConfig, Plan, Scores
from fashion_nn.latent.encoder import Encoder
from fashion_nn.latent.encoder import config as encoder_config
from fashion_nn.latent.engine import DeadlinePassed
from services.altering import Subject, alteration, neighbours, pulls, variations
from services.designing import Studio, load_studio
from services.errors import BadInput
from services.messages import AlterRequest, Shopper, VariationsRequest
from services.release_loader import fetch
from tests.services.tiny_release import garment


@pytest.fixture(scope="module")
def studio(settings, release) -> Iterator[Studio]:
    found = load_studio(fetch(settings, release), torch.device("cpu"), EngineConfig(slots=8, precision="fp32"))
    yield found
    found.loop.stop()


def request(**fields: Any) -> AlterRequest:
    wanted = {"shopper": Shopper(user_id="u"), "picture": {"item_id": "i"}, "restarts": 4, "steps": 8, "seed": 3}
    return AlterRequest(**{**wanted, **fields})


def subject(studio: Studio, *, realism: float = 1.0, **known: Tensor) -> Subject:
    """For a strong taste, since the looks of random networks hardly differ."""
    taste = 1000.0 * torch.randn(8, generator=torch.Generator().manual_seed(1))
    return Subject(studio=studio, taste=taste, category=0, realism=realism, **known)


def altered(studio: Studio, asked: AlterRequest, **known: Tensor) -> list[Ascended]:
    return studio.loop.submit(alteration(subject(studio, **known), asked)).result()


def scores(found: list[Ascended]) -> list[float]:
    return [each.scores.preference.item() for each in found]


def test_an_inversion_comes_closer_than_its_starts(studio: Studio) -> None:
    target = studio.target(garment(0))
    looking = subject(studio, realism=0.0, target=target)
    starts = studio.starts(4, 3)
    unmoved = studio.loop.submit(Plan(looking.invert(starts, 0), 2)).result()
    found = studio.loop.submit(Plan(looking.invert(starts, 20), 62)).result()
    first, last = ((each.scores.pictures[0] - target).abs().mean() for each in (unmoved, found))
    assert last < first and len(found.codes) == 1


def test_stages_rise_from_the_origin(studio: Studio) -> None:
    found = scores(altered(studio, request(stages=4, closeness=1000.0), code=studio.starts(1, 5)[0]))
    assert len(found) == 5
    assert found == sorted(found) and found[-1] > found[0]


def test_stages_never_fall_though_realism_pulls_the_other_way(studio: Studio) -> None:
    found = scores(altered(studio, request(stages=3, realism=100.0), code=studio.starts(1, 6)[0]))
    assert found == sorted(found)


def test_an_item_is_inverted_and_altered_in_one_request(studio: Studio) -> None:
    before = sum(studio.loop.stats.endings.values())
    found = altered(studio, request(stages=2), target=studio.target(garment(0)))
    assert len(found) == 3 and scores(found) == sorted(scores(found))
    assert sum(studio.loop.stats.endings.values()) == before + 1


def test_a_plan_never_takes_more_passes_than_it_said(studio: Studio) -> None:
    for known in ({"code": studio.starts(1, 5)[0]}, {"target": studio.target(garment(0))}):
        plan = alteration(subject(studio, **known), request(realism=100.0, stages=5))
        taken, ascents = 0, plan.ascents
        ascent = next(ascents)
        nothing = Scores(*torch.zeros(3, 1), torch.zeros(1, 3, studio.picture_size, studio.picture_size))
        worst = Ascended(ascent.starts[:1], nothing, torch.zeros(1), 0)
        try:
            while True:
                taken += ascent.passes
                ascent = ascents.send(worst)
        except StopIteration:
            assert taken == plan.passes


@pytest.fixture
def steps_are_time(studio: Studio) -> Iterator[None]:
    """The engine's clock counts steps, so that a deadline is reached at the same step on every machine."""
    engine = studio.loop.engine
    before, engine.clock = engine.clock, lambda: engine.stats.steps
    yield
    engine.clock = before


def test_where_time_is_up_the_stages_so_far_are_given(studio: Studio, steps_are_time: None) -> None:
    plan = alteration(subject(studio, code=studio.starts(1, 5)[0]), request(stages=10, steps=20, closeness=0.0))
    found = studio.loop.submit(plan, deadline=studio.loop.stats.steps + 1 + 21 + 10).result()
    assert 2 <= len(found) <= 3 and scores(found) == sorted(scores(found))


def test_where_time_is_up_before_anything_was_altered_there_is_nothing_to_give(
    studio: Studio, steps_are_time: None
) -> None:
    plan = alteration(subject(studio, target=studio.target(garment(0))), request(steps=20))
    with pytest.raises(DeadlinePassed):
        studio.loop.submit(plan, deadline=studio.loop.stats.steps + 10).result()


def varied(studio: Studio, asked: VariationsRequest, **known: Tensor) -> Ascended:
    return studio.loop.submit(variations(subject(studio, **known), asked)).result()


def asking(**fields: Any) -> VariationsRequest:
    return VariationsRequest(**{"picture": {"item_id": "i"}, "n": 3, "restarts": 4, "steps": 4, "seed": 3, **fields})


def test_neighbours_lie_within_the_radius_and_are_those_of_the_seed() -> None:
    code = torch.linspace(-1, 1, 9)
    around = neighbours(code, 5, 0.25, seed=1)
    assert around.shape == (5, 9) and around.abs().max() <= 1
    assert 0 < (around - code).abs().max() <= 0.25
    assert torch.equal(around, neighbours(code, 5, 0.25, seed=1))
    assert not torch.equal(around, neighbours(code, 5, 0.25, seed=2))


def test_variations_of_a_code_stay_near_it_and_differ(studio: Studio) -> None:
    code = studio.starts(1, 5)[0] / 2
    near, far = (varied(studio, asking(radius=radius), code=code) for radius in (0.05, 0.5))
    assert len(near.codes) == len(far.codes) == 3
    assert (near.codes - code).abs().mean() < (far.codes - code).abs().mean()
    assert torch.pdist(near.codes).min() > 0


def test_variations_of_a_picture_are_like_it(studio: Studio) -> None:
    (painted,) = studio.loop.submit(alteration(subject(studio, code=studio.starts(1, 5)[0]), request())).result()[:1]
    target = painted.scores.pictures[0]
    found = varied(studio, asking(n=8, restarts=2, radius=0.1), target=target)
    others = varied(studio, asking(n=8, radius=0.1), code=studio.starts(1, 6)[0])
    ours, theirs = ((each.scores.pictures - target).abs().mean() for each in (found, others))
    assert len(found.codes) == 8 and ours < theirs


@pytest.mark.parametrize(("fields", "field"), [({"n": 9}, "n"), ({"restarts": 9}, "restarts")])
def test_more_variations_than_slots_are_refused(studio: Studio, fields: dict[str, int], field: str) -> None:
    with pytest.raises(BadInput, match=f"{field} is 9, but must be at most 8"):
        varied(studio, asking(**fields), target=studio.target(garment(0)))


def test_the_restarts_of_an_inversion_that_is_not_needed_are_no_matter(studio: Studio) -> None:
    assert len(varied(studio, asking(restarts=64), code=studio.starts(1, 5)[0]).codes) == 3


def test_an_encoders_guess_is_the_first_start(studio: Studio) -> None:
    encoder = Encoder(encoder_config.debug(), cgan_config.debug(), len(studio.release.categories)).eval()
    guessing = replace(studio, encoder=encoder)
    target = studio.target(garment(0))
    blind, guessed = (subject(each, target=target).starts(4, 3) for each in (studio, guessing))
    assert torch.equal(blind[1:], guessed[1:]) and not torch.equal(blind[0], guessed[0])
    torch.testing.assert_close(guessed[0], encoder(target[None], torch.tensor([0]))[0])


def test_more_restarts_than_slots_are_refused(studio: Studio) -> None:
    with pytest.raises(BadInput, match="restarts is 9, but must be at most 8"):
        alteration(subject(studio, target=studio.target(garment(0))), request(restarts=9))


def test_closeness_falls_to_nothing() -> None:
    assert pulls(request(stages=4, closeness=9.0)) == [9.0, 3.0, 1.0, 0.0]
    assert pulls(request(stages=1, closeness=8.0)) == [8.0]


def test_a_code_on_record_comes_back_as_it_is(studio: Studio) -> None:
    code = studio.starts(1, 9)[0]
    found = altered(studio, request(stages=1), code=code)
    torch.testing.assert_close(found[0].codes[0], code, atol=1e-3, rtol=0)
