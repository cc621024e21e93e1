"""The pieces of the training loop that need no Ray."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
import torch.multiprocessing

from cluster.settings import Settings
from fashion_nn import configs
from fashion_nn.steps import seed_torch
from tests.training.finished import fields_of, finish, source_of
from training import recipe
from training.recipe import Source, Step
from training.worker import Averages, ahead, data_parallel


def test_averages_are_over_the_steps_since_the_last_time() -> None:
    averages = Averages(replicas=1)
    for value in (1.0, 2.0, 6.0):
        averages.add({"loss/a": torch.tensor(value), "loss/b": torch.tensor(-value)})
    assert averages.settle() == {"loss/a": 3.0, "loss/b": -3.0}
    averages.add({"loss/a": torch.tensor(5.0)})
    assert averages.settle() == {"loss/a": 5.0}


def test_batches_come_in_order_and_one_ahead() -> None:
    drawn, second = [], threading.Event()

    def draw(number: int) -> str:
        drawn.append(number)
        if number == 4:
            second.set()
        return f"batch {number}"

    batches = ahead(draw, range(3, 6))
    assert next(batches) == (3, "batch 3")
    assert second.wait(30), "the next batch is drawn while this one is worked on"
    assert 5 not in drawn
    assert list(batches) == [(4, "batch 4"), (5, "batch 5")]
    assert list(ahead(draw, range(5, 5))) == []


def test_several_threads_draw_at_once_and_batches_come_in_order() -> None:
    together = threading.Barrier(3)

    def draw(number: int) -> int:
        if number < 3:
            together.wait(30)  # breaks where fewer are at it
        return 10 * number

    assert list(ahead(draw, range(0, 7), 3)) == [(number, 10 * number) for number in range(7)]


def test_a_batch_that_cannot_be_drawn_is_an_error_of_the_loop() -> None:
    def draw(number: int) -> int:
        return 1 // (2 - number)

    batches = ahead(draw, range(0, 5))
    assert [next(batches), next(batches)] == [(0, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        next(batches)


def step_of(network: str, source: Source) -> Step:
    """A step whose Adam does not scale up what is only rounding.

    Some gradients are zero but for rounding, such as those of biases that a difference or a norm takes away.
    """
    which = recipe.find(network)
    config = configs.override(configs.named(which.configs, "debug"), ["precision=fp32", *fields_of(network)])
    step = which.build(config, which.open(source, config), torch.device("cpu"))
    for optimiser in (value for value in vars(step).values() if isinstance(value, torch.optim.Optimizer)):
        optimiser.param_groups[0]["eps"] = 1e-3
    return step


def trained(step: Any, steps: int, rank: int = 0, replicas: int = 1) -> dict[str, torch.Tensor]:
    """Weights after some plain steps."""
    for number in range(steps):
        seed_torch(step.config.seed, number, rank)
        step(step.draw(number, rank, replicas))
    return {f"{name}.{key}": v for name, net in step.networks.items() for key, v in net.state_dict().items()}


UNNORMED = ("dvbpr", "cagan", "encoder")  # no batch norm, whose statistics would be those of the share at hand


def one_of_two(rank: int, source: Source, folder: Path) -> None:
    """Trains every network with half of each batch; what came of it goes to a file."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    averages = Averages(replicas=2)
    averages.add({"rank": torch.tensor(float(rank))})
    results = {"average": averages.settle()}
    for network in UNNORMED:
        step = step_of(network, source)
        step.distribute(partial(data_parallel, device=torch.device("cpu")), 2)
        results[network] = trained(step, 5, rank, 2)
    torch.save(results, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def halves(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, dict, dict]:
    """What two real processes came to."""
    folder = tmp_path_factory.mktemp("halves")
    (folder / "bucket").mkdir()
    settings = Settings(bucket_url=(folder / "bucket").as_uri(), home=folder / "home")
    finish("cgan", data, settings)
    source = source_of(data, settings)
    torch.multiprocessing.spawn(one_of_two, (source, folder), nprocs=2)
    return source, *(torch.load(folder / f"{rank}.pt") for rank in (0, 1))


@pytest.mark.parametrize("network", UNNORMED)
def test_two_halves_train_like_one_whole(network: str, halves: tuple[Source, dict, dict]) -> None:
    source, first, second = halves
    start, whole = trained(step_of(network, source), 0), trained(step_of(network, source), 5)
    moved = max(float((whole[name] - start[name]).abs().max()) for name in whole)
    assert moved > 0
    for name, weights in whole.items():
        assert torch.equal(first[network][name], second[network][name]), name
        assert (first[network][name] - weights).abs().max() < 1e-4 * moved, name


def test_averages_are_over_all_workers(halves: tuple[Source, dict, dict]) -> None:
    assert halves[1]["average"] == halves[2]["average"] == {"rank": 0.5}
