"""What the engine gives by captured graphs on a GPU is what it gives on a processor. Skipped where there is no GPU."""

import copy
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fashion_nn.latent import Ascent, Engine, EngineConfig, Networks, Plan, Weights
from fashion_nn.latent.engine import LOOK_EVERY
from fashion_nn.latent.passes import AHEAD, Graphs
from fashion_nn.latent.reference import ascend
from tests.fashion_nn.latent.conftest import WEIGHTS
from tests.fashion_nn.latent.test_engine import check_by_the_reference, joined_at_random

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU"),
    pytest.mark.usefixtures("unrounded"),
]

GPU = torch.device("cuda")
RequestOf = Callable[..., Ascent]


def engine(networks: Networks, slots: int = 16, precision: str = "fp32") -> Engine:
    """On the GPU, with networks of its own: an engine takes them to its device."""
    return Engine(copy.deepcopy(networks), EngineConfig(slots=slots, precision=precision), device=GPU)


def test_rows_of_mixed_kinds_that_join_at_random_give_what_the_reference_gives(
    networks: Networks, request_of: RequestOf
):
    kinds = itertools.cycle(WEIGHTS)
    asked = [request_of(seed, kind, steps=30) for seed, kind in zip(range(12), kinds, strict=False)]
    ours = engine(networks, slots=24)
    assert isinstance(ours._run, Graphs)
    for ascent, found in zip(asked, joined_at_random(ours, asked), strict=True):
        check_by_the_reference(networks, ascent, found, apart=1e-3)


def test_a_row_that_turns_non_finite_fails_its_own_request(networks: Networks, request_of: RequestOf):
    asked = [request_of(1), request_of(2, taste=torch.full((8,), torch.nan)), request_of(3)]
    found = engine(networks).ascend(asked)
    assert [isinstance(each, FloatingPointError) for each in found] == [False, True, False]


def test_what_stops_improving_ends_early_with_the_same_answer(networks: Networks, request_of: RequestOf):
    ascent = request_of(3, steps=200, patience=3, gain=0.05)
    (here,) = Engine(networks, EngineConfig(slots=16, precision="fp32")).ascend([ascent])
    (there,) = engine(networks).ascend([ascent])
    assert here.steps <= there.steps <= here.steps + LOOK_EVERY + 2 * AHEAD
    torch.testing.assert_close(there.scores.objective, here.scores.objective, atol=1e-3, rtol=0)


def test_who_is_suspended_goes_on_from_where_it_was(networks: Networks, request_of: RequestOf):
    long, short = request_of(0, steps=30), request_of(1, steps=4)
    ours = engine(networks, slots=4)
    task = ours.submit(Plan.of(long))
    for _ in range(5):
        ours.step()
    ours.submit(Plan.of(short))
    while ours.busy:
        ours.step()
    _, objectives = ascend(networks, long)
    torch.testing.assert_close(task.result.scores.objective.sort().values, objectives.sort().values, atol=1e-3, rtol=0)


def test_bf16_reaches_what_fp32_reaches(networks: Networks, request_of: RequestOf):
    asked = [request_of(seed, steps=30, weights=Weights(realism=0.1)) for seed in range(8)]
    found = (engine(networks, 32, precision).ascend(asked) for precision in ("fp32", "bf16"))
    exact, rounded = (torch.stack([each.scores.objective[0] for each in of]) for of in found)
    assert rounded.mean() == pytest.approx(exact.mean().item(), rel=0.01)


def test_an_engine_is_captured_while_another_is_at_work(networks: Networks, request_of: RequestOf):
    """As when a release is loaded beside the one that serves."""
    asked = [request_of(seed, steps=200) for seed in range(4)]
    serving = engine(networks)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(serving.ascend, asked)
        fresh = engine(networks).ascend(asked)
    for one, other in zip(answer.result(), fresh, strict=True):
        torch.testing.assert_close(one.scores.objective, other.scores.objective, atol=1e-3, rtol=0)
