"""What a GPU computes is what a processor computes. Skipped where there is no GPU."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fashion_nn.cagan import config as cagan_configs
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.cagan.serving import PASSES, for_serving
from fashion_nn.cagan.step import CAGANStep
from fashion_nn.cgan import config as cgan_configs
from fashion_nn.cgan.training_step import training_step
from fashion_nn.dvbpr import config as dvbpr_configs
from fashion_nn.dvbpr.step import DVBPRStep
from tests.fashion_nn.drawn import items_data, pairs_data, shoppers_data

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU"),
    pytest.mark.usefixtures("unrounded"),
]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CAGAN = replace(
    cagan_configs.best(), height=32, width=32, generator_width=8, discriminator_width=8, finish=8, batch_size=4, steps=8
)

MATCHED = replace(CAGAN, placement=False, matched=True)


def dvbpr(precision: str, device: torch.device) -> DVBPRStep:
    return DVBPRStep(replace(dvbpr_configs.debug(), dropout=0.0, precision=precision), shoppers_data(), device)


def paper(precision: str, device: torch.device) -> Any:
    return training_step(replace(cgan_configs.debug(), precision=precision), items_data(), device)


def modern(precision: str, device: torch.device) -> Any:
    config = replace(cgan_configs.modern_debug(), precision=precision, penalised_every=2, recoloured=0.5)
    return training_step(config, items_data(), device)


def cagan(precision: str, device: torch.device) -> CAGANStep:
    return CAGANStep(replace(CAGAN, precision=precision), pairs_data(), device)


def matched(precision: str, device: torch.device) -> CAGANStep:
    return CAGANStep(replace(MATCHED, precision=precision), pairs_data(), device)


STEPS = pytest.mark.parametrize("built", [dvbpr, paper, modern, cagan, matched])
Built = Callable[[str, torch.device], Any]


@STEPS
def test_first_steps_have_the_same_losses(built: Built):
    """The first from the same weights; the second from what each learnt by it."""
    here, there = built("fp32", CPU), built("fp32", GPU)
    for number, tolerance in ((0, 1e-3), (1, 0.05)):
        batch = here.draw(number)
        expected, found = here(batch), there(batch)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name].cpu(), value, atol=tolerance, rtol=tolerance)


def changing(precision: str, device: torch.device) -> CAGANStep:
    """Whose passes are of four kinds: penalised or not, in the warm-up and after it."""
    config = replace(CAGAN, warm_up=3, penalty_weight=1.0, penalised_every=2, discriminator_norm="spectral")
    return CAGANStep(replace(config, precision=precision), pairs_data(), device)


@pytest.mark.parametrize("built", [paper, modern, cagan, changing])
def test_captured_steps_are_the_steps_as_they_are_written(built: Built):
    captured, written = built("fp32", GPU), built("fp32", GPU)
    written.distribute(lambda objective: objective, replicas=1)
    for number, tolerance in enumerate((1e-5, 1e-2, 0.05, 0.1, 0.1)):
        batch = captured.draw(number)
        expected, found = written(batch), captured(batch)
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, atol=tolerance, rtol=tolerance, msg=lambda m, name=name: f"{name}: {m}"
            )


@STEPS
def test_steps_in_bf16_stay_finite_and_near_those_in_fp32(built: Built):
    exact, rounded = built("fp32", GPU), built("auto", GPU)
    for number in range(3):
        batch = exact.draw(number)
        expected, found = exact(batch), rounded(batch)
        for name, value in found.items():
            assert value.isfinite(), name
            if number == 0:
                torch.testing.assert_close(value.float(), expected[name].float(), atol=0.1, rtol=0.1)


@STEPS
def test_what_was_learnt_on_a_gpu_goes_on_elsewhere(built: Built):
    there, here = built("fp32", GPU), built("fp32", CPU)
    there(there.draw(0))
    here.load(there.state())
    torch.testing.assert_close(here.sample(), there.sample(), atol=1e-3, rtol=0)
    batch = here.draw(1)
    expected, found = there(batch), here(batch)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value.cpu(), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("count", [1, 3, PASSES[-1] + 1])
@pytest.mark.parametrize("precision", ["fp32", "auto"])
@pytest.mark.parametrize("config", [CAGAN, MATCHED, replace(MATCHED, detail=2)], ids=["placed", "matched", "finer"])
def test_a_fitting_is_the_same(config: CAGANConfig, precision: str, count: int):
    torch.manual_seed(0)
    config = replace(config, precision=precision)
    plain = Generator(config).eval().requires_grad_(False)
    inputs = [soft(count, times * 32) for times in (1, 1, config.detail)]
    expected = plain(*inputs)
    found = for_serving(copy.deepcopy(plain), config, GPU)(*(each.to(GPU) for each in inputs))
    most, mean = (1e-4, 1e-5) if precision == "fp32" else (0.15, 0.01)
    for name in ("picture", "mask", "flow"):
        apart = (getattr(found, name).float().cpu() - getattr(expected, name)).abs()
        assert (apart.max() < most, apart.mean() < mean) == (True, True), name


def soft(count: int, size: int) -> torch.Tensor:
    """Random pictures [count, 3, size, size] without hard edges, which a place off by a little would make far off."""
    return F.interpolate(torch.rand(count, 3, 8, 8) * 2 - 1, size=(size, size), mode="bilinear")


def test_a_network_that_sees_lab_is_served_as_any_other():
    torch.manual_seed(0)
    config = replace(CAGAN, precision="fp32", colours="lab")
    plain = Generator(config).eval().requires_grad_(False)
    inputs = [torch.rand(2, 3, 32, 32) * 2 - 1 for _ in range(3)]
    found = for_serving(copy.deepcopy(plain), config, GPU)(*(each.to(GPU) for each in inputs))
    assert (found.picture.cpu() - plain(*inputs).picture).abs().mean() < 1e-4


def test_passes_of_all_sizes_in_turns_stay_apart():
    """A fitting is its caller's: the next pass, which reuses the memory of the last one, leaves it as it was."""
    torch.manual_seed(0)
    groups = ("upper", "dress")
    config = replace(CAGAN, precision="fp32", groups=groups)
    plain = Generator(config).eval().requires_grad_(False)
    serving = for_serving(copy.deepcopy(plain), config, GPU)
    asked = []
    for count in (5, 1, 16, 2, 5):
        inputs = [torch.rand(count, 3, 32, 32) * 2 - 1 for _ in range(3)]
        group = torch.arange(count) % len(groups)
        asked.append((inputs, group, serving(*(each.to(GPU) for each in inputs), group=group.to(GPU))))
    for inputs, group, found in asked:
        expected = plain(*inputs, group=group)
        torch.testing.assert_close(found.picture.cpu(), expected.picture, atol=1e-4, rtol=0)
