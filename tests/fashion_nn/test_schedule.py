import pytest

from fashion_nn.schedule import cosine


def test_half_a_cosine_and_then_the_last_value():
    assert [cosine(4.0, 2.0, step, 4) for step in (0, 1, 2, 4, 9)] == pytest.approx([4, 3 + 2**-0.5, 3, 2, 2])


def test_no_steps_mean_no_change():
    assert cosine(4.0, 2.0, 100, 0) == 4.0
