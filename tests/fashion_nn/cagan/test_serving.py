import copy
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Fitting, Generator
from fashion_nn.cagan.serving import PASSES, Graphs, for_serving
from fashion_nn.upsampling import Phases

SMALL = {"height": 32, "width": 32, "generator_width": 8, "warp": True, "embedding": 4}
CPU = torch.device("cpu")


@pytest.mark.parametrize("options", [{"colours": "lab"}, {"finish": 8}, {"upsampling": "nearest"}])
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-3), ("bf16", 0.3)])
def test_a_serving_network_paints_what_the_plain_one_does(precision: str, within: float, options: dict) -> None:
    torch.manual_seed(0)
    config = CAGANConfig(**SMALL, precision=precision, **options)
    plain = Generator(config)
    serving = for_serving(copy.deepcopy(plain), config, CPU)
    pictures = [F.interpolate(torch.rand(2, 3, 4, 4) * 2 - 1, size=(32, 32), mode="bilinear") for _ in range(3)]
    with torch.inference_mode():
        expected, found = plain.eval()(*pictures), serving(*pictures)
    assert found.picture.dtype == found.mask.dtype == found.carried.dtype == torch.float32
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().mean() < within / 10 and (ours - theirs).abs().max() < within
    assert not any(parameter.requires_grad for parameter in serving.parameters())
    repeats = sum(isinstance(part, nn.Upsample) for part in plain.modules())
    assert sum(isinstance(part, Phases) for part in serving.modules()) == repeats


class Replayed:
    """What a captured pass does, in two halves with time between them: reads what is seen, then fills its output."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs, self.out = graphs, torch.zeros(PASSES[-1], 3, 4, 4)

    def replay(self) -> None:
        seen = self.graphs.seen[0].clone()
        time.sleep(0.002)
        self.out.copy_(seen)


def test_threads_take_turns_with_the_captured_passes() -> None:
    graphs = Graphs.__new__(Graphs)  # without a GPU nothing can be captured
    graphs.needs_group, graphs._turn = False, Lock()
    graphs.seen = [torch.zeros(PASSES[-1], 3, 4, 4) for _ in range(3)]
    graphs.group = torch.zeros(PASSES[-1], dtype=torch.int64)
    replayed = Replayed(graphs)
    graphs._captured = dict.fromkeys(PASSES, (replayed, Fitting(replayed.out, replayed.out, replayed.out)))

    def paint(value: float) -> bool:
        picture = torch.full((2, 3, 4, 4), value)
        return bool((graphs(picture, picture, picture).picture == value).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(paint, map(float, range(40))))
