"""What the training steps of all networks share: precision, a worker's share of a batch, averages of weights.

Everything random in a step is a pure function of (seed, step): every worker draws the whole batch and takes its
share of it. So a run resumes, or goes on with another number of workers, from the step number alone, and the
checkpoint needs no state of samplers or random generators.
"""

import copy
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

Wrap = Callable[[nn.Module], nn.Module]
Values = TypeVar("Values", np.ndarray, Tensor)


class Pictures(Protocol):
    """Pixels by index: uint8 [n, 3, H, W]."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: np.ndarray) -> Tensor: ...


def generator_of(seed: int, *path: int) -> np.random.Generator:
    """The random generator of one step of one run: a pure function of its arguments."""
    return np.random.default_rng([seed, *path])


def seed_torch(seed: int, step: int, rank: int) -> None:
    """Reseed PyTorch (dropout) for one step of one worker."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0]) >> 1)


def share(values: Values, rank: int, replicas: int) -> Values:
    """The contiguous share [B/replicas, …] of worker `rank` in a batch [B, …]; refuses a batch that does not divide.

    A view, not a copy.
    """
    if len(values) % replicas:
        raise ValueError(f"batch_size is {len(values)}, but must be a multiple of the {replicas} workers")
    size = len(values) // replicas
    return values[rank * size : (rank + 1) * size]


def within_reach(values: Tensor, device: torch.device) -> Tensor:
    """The values where `device` can fetch them by itself, beside its work: pinned, for a GPU."""
    return values.pin_memory() if device.type == "cuda" else values


def epoch_indices(n: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """The `batch_size` indices of one step: permutations of range(n), one after another, cut into batches."""
    first = step * batch_size
    wanted = np.arange(first, first + batch_size)
    order = {epoch: generator_of(seed, 1, epoch).permutation(n) for epoch in np.unique(wanted // n)}
    return np.array([order[position // n][position % n] for position in wanted], dtype=np.int64)


def autocast_dtype(precision: Literal["auto", "bf16", "fp32"], device: torch.device) -> torch.dtype | None:
    """The dtype to autocast to, or None for fp32; `auto` takes bf16 where the processor computes in it natively."""
    if precision == "auto":
        return torch.bfloat16 if computes_bf16(device) else None
    return torch.bfloat16 if precision == "bf16" else None


def computes_bf16(device: torch.device) -> bool:
    """Whether `device` has bf16 arithmetic of its own (AVX512-BF16 or AMX on a CPU)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class Frozen:
    """Calls `network` with detached parameters: gradients flow through it, never into it."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, *inputs: Tensor) -> Tensor:
        parameters = {name: p.detach() for name, p in self.network.named_parameters()}
        return torch.func.functional_call(self.network, parameters, inputs)


class Average:
    """An exponential moving average of a network: floats by `decay`, whole numbers copied.

    The decay warms up as (1 + n)/(10 + n), so that a short run is not an average of its first noise.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        floats, others = [], []
        for pair in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            (floats if pair[0].is_floating_point() else others).append(pair)
        averages, latest = map(list, zip(*floats, strict=True))
        get_ema_multi_avg_fn(decay)(averages, latest, None)  # in one go, where there is a GPU
        for mine, theirs in others:
            mine.copy_(theirs)


def lay_out(*optimisers: torch.optim.Optimizer) -> None:
    """Moments that were loaded as their weights are laid out, which files do not keep: every update would convert."""
    for optimiser in optimisers:
        for weights, moments in optimiser.state.items():
            for name, moment in moments.items():
                if moment.ndim > 1:
                    moments[name] = torch.empty_like(weights, requires_grad=False).copy_(moment)


def optimiser_step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Backward and one step from fresh gradients."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
