import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Generator
from fashion_nn.cagan.serving import for_serving
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
