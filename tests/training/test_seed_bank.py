"""The seed bank on a real Ray: the same by however many tasks, and what a failing task says."""

from dataclasses import replace

import pytest
import torch

from fashion_nn.cgan import config as cgan_config
from fashion_nn.cgan.network import Discriminator, Generator
from fashion_nn.dvbpr import config as dvbpr_config
from fashion_nn.dvbpr.network import Look
from fashion_nn.latent.bank import ROWS, BankConfig, judge, typical
from fashion_nn.latent.folding import folded
from fashion_nn.latent.objective import Networks
from training.errors import TrainingError
from training.seed_bank import Shard, compute, judges, resources, shards_of

CODES = 3 * ROWS + 7
CONFIG = BankConfig(codes=CODES, tastes=3, rows=2, steps=3, seed=3)
TASTES = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))


def made(n_categories: int) -> Networks:
    torch.manual_seed(0)
    gan = replace(cgan_config.debug(), discriminator_norm="spectral", upsampling="nearest")
    networks = Networks(Generator(gan, n_categories), Discriminator(gan, n_categories), Look(dvbpr_config.debug()))
    return Networks(*(network.eval() for network in networks))


@pytest.mark.usefixtures("local_ray")
def test_the_bank_is_the_same_by_few_tasks_and_by_many() -> None:
    networks, told = made(2), []
    few = compute(networks, TASTES, CONFIG, n_categories=2, shard=4 * ROWS)
    many = compute(networks, TASTES, CONFIG, n_categories=2, shard=ROWS, listen=lambda *each: told.append(each))
    assert torch.equal(few.codes, many.codes)
    assert torch.equal(few.looks, many.looks) and torch.equal(few.realism, many.realism)
    assert len(told) == 8 + 2 + 2 and told[-1] == (2 * (CODES + 12), 2 * (CODES + 12))
    for category in range(2):
        looks, realism = judge(judges(folded(networks), torch.device("cpu")), few.codes[category], category)
        torch.testing.assert_close(few.looks[category], looks)
        torch.testing.assert_close(few.realism[category], realism)


@pytest.mark.usefixtures("local_ray")
def test_later_rounds_of_climbing_begin_at_what_the_earlier_ones_came_to() -> None:
    networks = made(2)
    one, three = (compute(networks, TASTES, replace(CONFIG, rounds=rounds), n_categories=2) for rounds in (1, 3))
    assert torch.equal(one.codes[:, :CODES], three.codes[:, :CODES])
    tastes = typical(TASTES, 3, seed=3)
    reached = [
        (bank.looks[:, CODES:].unflatten(1, (3, 2)) @ tastes[:, :, None])[..., 0].amax(2)
        - (bank.realism[:, CODES:].unflatten(1, (3, 2)) - 1).square().amax(2)
        for bank in (one, three)
    ]
    assert reached[1].mean() > reached[0].mean()


@pytest.mark.usefixtures("local_ray")
def test_a_task_that_fails_says_why() -> None:
    with pytest.raises(TrainingError, match=r"the seed bank could not be computed: .*IndexError"):
        compute(made(2), TASTES, CONFIG, n_categories=3)


def test_shards_are_cut_between_passes_and_leave_nothing_out() -> None:
    assert list(shards_of(2, 2 * ROWS + 1, 2 * ROWS)) == [
        Shard(0, 0, 2 * ROWS),
        Shard(0, 2 * ROWS, 2 * ROWS + 1),
        Shard(1, 0, 2 * ROWS),
        Shard(1, 2 * ROWS, 2 * ROWS + 1),
    ]


def test_a_task_takes_a_gpu_only_where_one_is_free() -> None:
    kept = {"max_calls": 0}
    assert resources({"CPU": 4, "GPU": 1}, {"CPU": 4, "GPU": 1}) == {"num_cpus": 2, "num_gpus": 1, **kept}
    assert resources({"CPU": 4, "GPU": 1}, {"CPU": 4, "GPU": 0.5}) == {"num_cpus": 2, "num_gpus": 0, **kept}
    assert resources({"CPU": 0.5}, {}) == {"num_cpus": 0.5, "num_gpus": 0, **kept}
