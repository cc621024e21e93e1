"""Training state and weights survive the way through files exactly."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from fashion_nn.state_files import StateError, load_state, load_weights, save_state, save_weights


def assert_same(ours, theirs) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours == theirs


def test_a_nest_of_everything_comes_back_the_same(tmp_path: Path) -> None:
    state = {
        "half": torch.randn(3, 2).to(torch.bfloat16),
        "count": torch.tensor(7),
        "pixels": torch.arange(6, dtype=torch.uint8).reshape(2, 3),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 4),
        "nest": {0: "zero", "0": "text zero", 1: [1, 2.5, None, True, "word"], "pair": (0.5, 0.999)},
        "nothing": {},
    }
    save_state(tmp_path / "a" / "b", state)
    assert_same(state, load_state(tmp_path / "a" / "b"))


def test_views_that_share_memory_come_back_apart(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    state = {"whole": base, "turned": base.T, "row": base[1], "again": base}
    save_state(tmp_path, state)
    loaded = load_state(tmp_path)
    assert torch.equal(loaded["turned"], base.T) and torch.equal(loaded["row"], base[1])
    loaded["whole"].zero_()
    assert torch.equal(loaded["again"], base)


def train(module: nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        optimiser.zero_grad()
        module(torch.randn(4, 3, generator=generator)).square().mean().backward()
        optimiser.step()


def test_an_optimiser_continues_as_if_never_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    train(module, optimiser, 3)
    twin = copy.deepcopy(module)
    twin_optimiser = torch.optim.Adam(twin.parameters(), lr=0.5)
    save_state(tmp_path, {"module": module.state_dict(), "optimiser": optimiser.state_dict()})
    kept = load_state(tmp_path)
    twin.load_state_dict(kept["module"])
    twin_optimiser.load_state_dict(kept["optimiser"])
    train(module, optimiser, 3)
    train(twin, twin_optimiser, 3)
    assert_same(dict(module.state_dict()), dict(twin.state_dict()))


@pytest.mark.parametrize("leaf", [object(), float("nan"), {1.5: 2}, b"bytes"])
def test_what_cannot_be_kept_is_named(tmp_path: Path, leaf: object) -> None:
    with pytest.raises(StateError, match="state/outer/1"):
        save_state(tmp_path, {"outer": [0, leaf]})


@pytest.mark.parametrize("damage", ["state.json", "state.safetensors"])
def test_damaged_files_are_a_clear_error(tmp_path: Path, damage: str) -> None:
    save_state(tmp_path, {"x": torch.zeros(2)})
    (tmp_path / damage).write_text("{")
    with pytest.raises(StateError, match="does not hold a whole state"):
        load_state(tmp_path)
    (tmp_path / damage).unlink()
    with pytest.raises(StateError, match="does not hold a whole state"):
        load_state(tmp_path)


def test_weights_come_back_and_misfits_are_named(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    save_weights(tmp_path / "linear.safetensors", module)
    other = nn.Linear(3, 2)
    load_weights(tmp_path / "linear.safetensors", other)
    assert torch.equal(module.weight, other.weight) and torch.equal(module.bias, other.bias)
    with pytest.raises(StateError, match=r"does not fit Linear: weight is \[2, 3\], not \[2, 4\]"):
        load_weights(tmp_path / "linear.safetensors", nn.Linear(4, 2))
    with pytest.raises(StateError, match=r"has an unknown bias"):
        load_weights(tmp_path / "linear.safetensors", nn.Linear(3, 2, bias=False))
    with pytest.raises(StateError, match=r"not a readable safetensors file"):
        load_weights(tmp_path / "none.safetensors", module)


def test_tied_weights_are_written_once_each(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    save_weights(tmp_path / "tied.safetensors", module)
    load_weights(tmp_path / "tied.safetensors", module)
    assert module[1].weight is module[0].weight
