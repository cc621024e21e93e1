"""A replica computes on what Ray gave it, whatever else is in the machine."""

import pytest
import ray
import torch

from services.devices import replica_device


@pytest.mark.parametrize(("given", "device"), [([], "cpu"), ([0], "cuda")])
def test_a_gpu_is_used_by_who_was_given_one(given: list[int], device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # it is there, for somebody
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: given)
    assert replica_device() == torch.device(device)
