"""Lessons replayed are lessons as they are written. A stand-in replays here; test_on_a_gpu.py asks a GPU."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fashion_nn import graphs
from fashion_nn.cagan import config as configs
from fashion_nn.cagan.step import CAGANStep
from fashion_nn.graphs import Lesson
from tests.fashion_nn.drawn import pairs_data


class Replay:
    """A graph on a processor: does the work again, and fills the tensors that it gave when it was captured."""

    def __init__(self, work: Callable[[], Any], result: Any) -> None:
        self.work, self.result = work, result

    def replay(self) -> None:
        found = graphs._tensors(self.work())
        for mine, theirs in zip(graphs._tensors(self.result), found, strict=True):
            mine.copy_(theirs.detach())

    def pool(self) -> None:
        return None


@pytest.fixture(autouse=True)
def replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    def captured(work: Callable[[], Any], pool: Any = None) -> tuple[Replay, Any]:
        for _ in range(graphs.WARM_UP):
            work()
        result = graphs._each(lambda tensor: torch.full_like(tensor, torch.nan), work())
        return Replay(work, result), result

    monkeypatch.setattr(graphs, "captured", captured)


class Counted(nn.Module):
    """(w · Σx)·share, and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, values: Tensor, share: float, doubled: bool) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        self.asked += 1
        total = self.weight * values.sum() * share * (2 if doubled else 1)
        return total, {"total": total}, values + 1


def test_gradients_and_answers_are_those_of_each_call_and_buffers_count_calls_alone():
    objective = Counted()
    lesson = Lesson(objective, objective.parameters(), objective.buffers())
    kept = []
    for values, share, doubled, gradient in (
        (torch.ones(3), 0.5, False, 1.5),
        (torch.arange(3.0), 0.25, False, 0.75),
        (torch.ones(3), 1.0, True, 6.0),
        (torch.ones(5), 1.0, False, 5.0),
        (torch.ones(3), 1.0, False, 3.0),
    ):
        terms, more = lesson(values, share, doubled)
        assert objective.weight.grad.item() == gradient
        assert (terms["total"].item(), terms["total"].requires_grad) == (2 * gradient, False)
        kept.append((values, more))
    assert all(torch.equal(values + 1, more) for values, more in kept)
    assert objective.asked == 5


def test_steps_of_all_kinds_are_the_steps_as_they_are_written():
    config = replace(
        configs.debug(),
        warm_up=3,
        taught=True,
        transplants=True,
        penalty_weight=1.0,
        penalised_every=2,
        discriminator_norm="spectral",
        precision="fp32",
    )
    written, replayed = CAGANStep(config, pairs_data()), CAGANStep(config, pairs_data())
    replayed._captures = True  # as on a GPU
    for number in range(5):
        batch = written.draw(number)
        expected, found = written(batch), replayed(batch)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=lambda text, name=name: f"{name}: {text}")
    for name, network in written.networks.items():
        torch.testing.assert_close(replayed.networks[name].state_dict(), network.state_dict())
