"""Design without Ray: the networks of a tiny release behind the engine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from fashion_nn.latent import Ascent, EngineConfig, Plan
from fashion_nn.latent.bank import RATE
from fashion_nn.latent.loop import Stopped
from fashion_nn.latent.memory import DoesNotFit
from services import designing
from services.designing import Studio, load_studio
from services.errors import BadInput
from services.messages import DesignRequest, Shopper
from services.release_loader import fetch
from tests.services import tiny_release

SHOPPER = Shopper(user_id="shopper-0")
CPU = torch.device("cpu")
SMALL = EngineConfig(slots=8, precision="fp32")


@pytest.fixture(scope="module")
def studio(settings, release) -> Iterator[Studio]:
    found = load_studio(fetch(settings, release), CPU, SMALL)
    yield found
    found.loop.stop()


@pytest.fixture(scope="module")
def bankless(settings, tmp_path_factory) -> Iterator[Studio]:
    """Of a release without a seed bank."""
    release = tiny_release.publish(settings, tmp_path_factory.mktemp("bankless"), codes=0, promote=False)
    found = load_studio(fetch(settings, release), CPU, SMALL)
    yield found
    found.loop.stop()


def taste(scale: float = 1000.0) -> Tensor:
    """Strong, since the looks of random networks hardly differ."""
    return scale * torch.randn(8, generator=torch.Generator().manual_seed(1))


def design(studio: Studio, **fields: Any) -> Plan[Any]:
    request = {"shopper": SHOPPER, "category": "women-tops", "k": 1, "restarts": 4, "steps": 5, "seed": 7}
    return studio.design(DesignRequest(**{**request, **fields}), taste())


def ascent(plan: Plan[Any]) -> Ascent:
    """The first ascent of a plan."""
    return next(plan.ascents)


def test_a_design_climbs_from_its_starts(studio: Studio) -> None:
    asked = ascent(design(studio, k=2))
    assert (asked.category, asked.keep, asked.steps, asked.rows) == (1, 2, 5, 4)
    found = studio.loop.submit(design(studio, k=2)).result()
    assert len(found.codes) == 2 and (found.climb > 0).all()


def test_starts_are_those_of_the_seed(studio: Studio) -> None:
    for starts in ("bank", "blind"):
        first, again, other = (ascent(design(studio, starts=starts, seed=seed)).starts for seed in (7, 7, 8))
        assert torch.equal(first, again) and first.abs().max() <= 1
        assert not torch.equal(first, other)


def test_the_bank_is_where_a_design_starts_by_default(studio: Studio, bankless: Studio) -> None:
    default, bank, blind = (ascent(design(studio, starts=starts)) for starts in (None, "bank", "blind"))
    assert torch.equal(default.starts, bank.starts) and not torch.equal(default.starts, blind.starts)
    assert default.rate == RATE > blind.rate
    codes = studio.bank.codes[1].tolist()
    assert all(start in codes for start in bank.starts.tolist())
    assert torch.equal(ascent(design(bankless)).starts, bankless.starts(4, 7))


def test_a_release_without_a_bank_says_so(bankless: Studio) -> None:
    with pytest.raises(BadInput, match="starts is bank, but must be blind") as caught:
        design(bankless, starts="bank")
    assert caught.value.facts["field"] == "starts"


def test_a_bank_with_fewer_codes_than_may_be_asked_for_is_refused(settings, tmp_path) -> None:
    release = tiny_release.publish(settings, tmp_path, codes=63, promote=False)
    with pytest.raises(ValueError, match=r"bank\.safetensors: 63 codes .* at least 64"):
        load_studio(fetch(settings, release), CPU, SMALL)


def test_a_design_of_no_category_is_refused(studio: Studio) -> None:
    with pytest.raises(BadInput, match="category is hats"):
        design(studio, category="hats")


def test_more_restarts_than_slots_are_refused(studio: Studio) -> None:
    with pytest.raises(BadInput, match="restarts is 9, but must be at most 8") as caught:
        design(studio, restarts=9)
    assert (caught.value.facts["field"], caught.value.facts["value"]) == ("restarts", "9")


def test_a_design_that_stops_improving_ends(studio: Studio) -> None:
    endless = DesignRequest(shopper=SHOPPER, category="men-tops", k=1, restarts=2, steps=200, realism=0.0)
    found = studio.loop.submit(studio.design(endless, torch.zeros(8))).result()
    assert found.steps < 20


def test_designs_in_company_are_as_alone(studio: Studio) -> None:
    alone = [studio.loop.submit(design(studio, seed=seed)).result() for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: studio.loop.submit(design(studio, seed=seed)).result(), range(4)))
    for each, found in zip(alone, together, strict=True):
        torch.testing.assert_close(found.codes, each.codes, atol=1e-3, rtol=1e-3)


def test_one_that_does_not_stay_finite_fails_alone(studio: Studio) -> None:
    broken = studio.design(DesignRequest(shopper=SHOPPER, category="men-tops", restarts=3), taste(float("nan")))
    asked = [studio.loop.submit(plan) for plan in (design(studio), broken, design(studio))]
    assert len(asked[0].result().codes) == len(asked[2].result().codes) == 1
    with pytest.raises(FloatingPointError):
        asked[1].result()


def test_a_probe_passes_while_others_hold_every_slot(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.probe()
    monkeypatch.setattr(designing, "PROBE_S", 0.2)
    long = studio.loop.submit(Plan.of(Ascent(taste=taste(), category=0, starts=studio.starts(8, 0), steps=10**6)))
    waiting = studio.loop.submit(design(studio))
    steps = studio.loop.stats.steps
    studio.probe()
    while studio.loop.stats.steps == steps:  # on a busy machine a step takes longer than that
        studio.probe()
    assert not long.done() and not waiting.done()
    long.cancel()
    assert len(waiting.result().codes) == 1


def test_broken_networks_are_noticed(settings, tmp_path) -> None:
    release = tiny_release.publish(settings, tmp_path, codes=0, broken=True, promote=False)
    broken = load_studio(fetch(settings, release), CPU, SMALL)
    with pytest.raises(FloatingPointError):
        broken.probe()


def test_an_engine_that_has_ended_is_noticed(settings, release) -> None:
    ended = load_studio(fetch(settings, release), CPU, SMALL)
    ended.loop.stop()
    with pytest.raises(RuntimeError, match="thread"):
        ended.probe()


def test_closing_finishes_what_was_taken(settings, release) -> None:
    closing = load_studio(fetch(settings, release), CPU, SMALL)
    taken = [closing.loop.submit(design(closing, seed=seed, steps=30)) for seed in range(6)]
    closing.close()
    assert [len(each.result().codes) for each in taken] == [1] * 6
    with pytest.raises(Stopped):
        closing.loop.submit(design(closing))


def test_an_engine_that_does_not_fit_is_refused_with_the_numbers(settings, release) -> None:
    with pytest.raises(DoesNotFit, match=r"64 slots need .* MiB .* but the memory budget is 1\.0 MiB"):
        load_studio(fetch(settings, release), CPU, EngineConfig(memory_bytes=2**20, slots=64))
