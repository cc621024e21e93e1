import pytest
import torch

from fashion_nn.upsampling import Phases, resize_convolution


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 6), (5, 3)])
def test_phases_compute_what_repeated_pixels_convolved_do(height: int, width: int) -> None:
    torch.manual_seed(0)
    layer = resize_convolution(5, 3, 2).double()
    features = torch.randn(2, 5, height, width, dtype=torch.float64)
    with torch.inference_mode():
        found, expected = Phases(layer)(features), layer(features)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
