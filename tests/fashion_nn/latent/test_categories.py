"""Where an item's vector has its category behind its look, a design's score has the category's part, too."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr.network import Look, upsample
from fashion_nn.latent import Ascent, Engine, EngineConfig, Networks
from fashion_nn.latent.bank import Bank, draw, judge
from fashion_nn.latent.folding import folded
from fashion_nn.latent.reference import ascend
from tests.fashion_nn.latent.conftest import CATEGORIES

WEIGHT = 2.0


@pytest.fixture(scope="module", params=["grid", "statistics"])
def weighing(request: pytest.FixtureRequest, networks: Networks) -> Networks:
    """Networks whose Φ weighs categories."""
    torch.manual_seed(1)
    config = replace(dvbpr_config.debug(), category_weight=WEIGHT, pooling=request.param)
    look = Look(config, CATEGORIES).eval().requires_grad_(False)
    for parameter in look.parameters():
        parameter *= 2
    return networks._replace(look=look)


def asked(request_of: Callable[..., Ascent], **changes: object) -> Ascent:
    taste = torch.randn(8 + CATEGORIES, generator=torch.Generator().manual_seed(2))
    return replace(request_of(1), taste=taste, **changes)


def test_the_engine_gives_what_the_reference_gives(weighing: Networks, request_of: Callable[..., Ascent]) -> None:
    ascent = asked(request_of)
    (found,) = Engine(weighing, EngineConfig(slots=8, precision="fp32")).ascend([ascent])
    _, objectives = ascend(weighing, ascent)
    torch.testing.assert_close(found.scores.objective, objectives.sort(descending=True).values, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_designs_score_is_that_of_an_item_with_its_picture(
    weighing: Networks, request_of: Callable[..., Ascent], precision: str
) -> None:
    ascent = asked(request_of)
    (found,) = Engine(weighing, EngineConfig(slots=8, precision=precision)).ascend([ascent])
    pictures = upsample(found.scores.pictures, weighing.look.picture_size)
    as_items = weighing.look(pictures, torch.full((len(pictures),), ascent.category)) @ ascent.taste
    torch.testing.assert_close(found.scores.preference, as_items, rtol=1e-3, atol=1e-3)
    of_pictures = weighing.look.seen(pictures) @ ascent.taste[:8]
    part = WEIGHT * ascent.taste[8 + ascent.category]
    torch.testing.assert_close(found.scores.preference - of_pictures, part.expand(len(pictures)), rtol=1e-2, atol=1e-3)


def test_the_climb_is_the_same_whatever_the_category_is_worth(
    weighing: Networks, request_of: Callable[..., Ascent]
) -> None:
    one = asked(request_of)
    other = replace(one, taste=torch.cat([one.taste[:8], one.taste[8:] + 5]))
    engine = Engine(weighing, EngineConfig(slots=8, precision="fp32"))
    first, second = engine.ascend([one, other])
    torch.testing.assert_close(first.codes, second.codes, rtol=1e-3, atol=1e-3)


def test_a_bank_knows_what_its_codes_are_worth(weighing: Networks) -> None:
    drawn = [draw(0, category, 64, 8) for category in range(CATEGORIES)]
    judged = [judge(folded(weighing), codes, category) for category, codes in enumerate(drawn)]
    bank = Bank(torch.stack(drawn), *(torch.stack(column) for column in zip(*judged, strict=True)))
    assert bank.looks.shape == (CATEGORIES, 64, 8 + CATEGORIES)
    for category in range(CATEGORIES):
        pictures = weighing.generator(drawn[category], torch.full((64,), category))
        looks = weighing.look.seen(upsample(pictures, weighing.look.picture_size))
        torch.testing.assert_close(bank.looks[category, :, :8], looks, rtol=1e-3, atol=1e-3)
        assert (bank.looks[category, :, 8:] == WEIGHT * torch.eye(CATEGORIES)[category]).all()
