"""The seed bank: what it knows is what the networks say, and what it gives is good, and not the same thing twice."""

from pathlib import Path

import pytest
import torch

from fashion_nn.latent import Engine, EngineConfig, Networks, Weights
from fashion_nn.latent.bank import APART, ROWS, Bank, BankConfig, climb, draw, judge, spread, typical
from fashion_nn.latent.objective import Rows, scores

CODES = 2 * ROWS + 5


@pytest.fixture(scope="module")
def bank(networks: Networks) -> Bank:
    """Three categories."""
    codes = [draw(0, category, CODES, 8) for category in range(3)]
    looks, realism = zip(*(judge(networks, part, category) for category, part in enumerate(codes)), strict=True)
    return Bank(torch.stack(codes), torch.stack(looks), torch.stack(realism))


@pytest.fixture
def taste() -> torch.Tensor:
    return torch.randn(8, generator=torch.Generator().manual_seed(1))


def objective(networks: Networks, codes: torch.Tensor, category: int, taste: torch.Tensor, w: Weights) -> torch.Tensor:
    """By the networks, code for code."""
    n = len(codes)
    weights = torch.tensor([w.preference, w.realism, 0.0, 0.0]).expand(n, 4)
    labels = torch.full((n,), category)
    size = networks.generator.picture_size
    rows = Rows(taste.expand(n, -1), labels, torch.zeros(n, 3, size, size), torch.zeros_like(codes), weights)
    return scores(networks, codes, rows).objective


def test_codes_are_a_pure_function_of_seed_and_category() -> None:
    codes = draw(3, 1, 1000, 8)
    assert torch.equal(codes, draw(3, 1, 1000, 8))
    assert not torch.equal(codes, draw(3, 2, 1000, 8)) and not torch.equal(codes, draw(4, 1, 1000, 8))
    assert codes.abs().max() <= 1 and codes.var() == pytest.approx(1 / 3, rel=0.05)


def test_a_bank_comes_back_in_half_precision_with_the_very_codes(bank: Bank, tmp_path: Path) -> None:
    bank.save(tmp_path / "bank.safetensors")
    found = Bank.load(tmp_path / "bank.safetensors")
    assert torch.equal(found.codes, bank.codes)
    torch.testing.assert_close(found.looks, bank.looks, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.realism, bank.realism, rtol=1e-3, atol=1e-4)
    assert (tmp_path / "bank.safetensors").stat().st_size < 2 * 3 * CODES * (8 + 8 + 1) + 1000


def test_the_starts_are_as_good_as_the_bank_says(
    bank: Bank, networks: Networks, taste: torch.Tensor, tmp_path: Path
) -> None:
    bank.save(tmp_path / "bank.safetensors")
    weights = Weights(preference=2.0, realism=0.5)
    starts = Bank.load(tmp_path / "bank.safetensors").starts(taste, 2, 6, weights, seed=5)
    found = objective(networks, starts, 2, taste, weights)
    every = objective(networks, bank.codes[2], 2, taste, weights)
    told = 2.0 * bank.looks[2] @ taste - 0.5 * (bank.realism[2] - 1).square()
    torch.testing.assert_close(told, every, rtol=1e-3, atol=1e-3)
    assert found[0] == found.max()
    assert found.mean() > every.mean() + every.std()


def clustered(n: int) -> Bank:
    """Two codes that look alike for each of n looks; the taste [1, 0] likes the later ones better."""
    place = torch.arange(2 * n) // 2
    looks = torch.stack([place.float(), torch.arange(2 * n) * 1e-3], 1)
    return Bank(torch.arange(2.0 * n)[None, :, None], looks[None], torch.ones(1, 2 * n))


def test_starts_are_apart_and_the_best_first() -> None:
    n = 32
    starts = clustered(n).starts(torch.tensor([1.0, 0.0]), 0, 4, Weights(), seed=0).flatten()
    places = starts.long() // 2
    assert len(set(places.tolist())) == 4
    assert places.tolist() == sorted(places.tolist(), reverse=True)
    assert places[0] >= n - 4, "the best of the half that is seen"


def test_another_seed_sees_another_half(bank: Bank, taste: torch.Tensor) -> None:
    first, again, other = (bank.starts(taste, 0, 8, Weights(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_realism_counts_as_much_as_it_is_asked_to() -> None:
    bank = Bank(torch.arange(64.0)[None, :, None], torch.zeros(1, 64, 2), torch.linspace(0, 2, 64)[None])
    starts = bank.starts(torch.ones(2), 0, 64, Weights(realism=1.0), seed=0)
    assert abs(bank.realism[0, int(starts[0])] - 1) == (bank.realism - 1).abs().min()


def test_look_alikes_only_fill_what_is_left() -> None:
    looks = torch.tensor([[0.0], [0.01], [1.0], [1.01], [2.0]])
    assert spread(looks, 3) == [0, 2, 4]
    assert spread(looks, 5) == [0, 2, 4, 1, 3]
    distances = torch.cdist(looks[[0, 2, 4]], looks[[0, 2, 4]])
    assert distances[~torch.eye(3, dtype=torch.bool)].min() >= APART * torch.cdist(looks, looks).median()


def test_what_is_climbed_is_better_for_its_tastes_than_what_was_drawn(bank: Bank, networks: Networks) -> None:
    tastes = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
    config = BankConfig(codes=64, tastes=3, rows=2, steps=10)
    engine = Engine(networks, EngineConfig(slots=6, precision="fp32"))
    codes = climb(engine, bank, 1, tastes, config)
    assert codes.shape == (6, 8)
    for at, taste in enumerate(tastes):
        started = objective(networks, bank.starts(taste, 1, 2, Weights(), seed=0), 1, taste, Weights())
        reached = objective(networks, codes[2 * at : 2 * at + 2], 1, taste, Weights())
        assert reached.max() > started.max()


def test_banks_are_joined_category_by_category(bank: Bank) -> None:
    both = bank + Bank(bank.codes[:, :2] * 0, bank.looks[:, :2], bank.realism[:, :2])
    assert both.codes.shape == (3, CODES + 2, 8)
    assert torch.equal(both.looks[1], torch.cat([bank.looks[1], bank.looks[1, :2]]))


def test_typical_tastes_are_the_middles_of_their_groups() -> None:
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    tastes = torch.cat([middle + torch.tensor([[0.1, 0], [-0.1, 0], [0, 0.1], [0, -0.1]]) for middle in middles])
    found = typical(tastes, 3, seed=1)
    assert torch.cdist(found, middles).min(0).values.max() < 1e-5
    assert torch.equal(typical(tastes, 12, seed=0), tastes)


@pytest.mark.parametrize("fields", [{"codes": 1}, {"tastes": -1}, {"rows": 0}, {"steps": 0}])
def test_a_bank_has_limits(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        BankConfig(**fields)
