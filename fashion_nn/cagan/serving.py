"""A trained generator as it serves: frozen, in the dtype that its processor computes in, channels last.

Instance normalisation depends on the picture at hand, so that nothing is folded into convolutions but what comes before
some of them: pixels that are repeated.
"""

from bisect import bisect_left
from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor, nn

from fashion_nn import steps
from fashion_nn.cagan.config import CAGANConfig
from fashion_nn.cagan.network import Fitting, Generator
from fashion_nn.graphs import captured
from fashion_nn.upsampling import Phases

PASSES = (1, 2, 4, 8, 16)  # pictures that a captured pass has room for

Fit = Callable[..., Fitting]  # as Generator.forward


def for_serving(generator: Generator, config: CAGANConfig, device: torch.device) -> Fit:
    """`generator` itself, made ready on `device`. It takes and gives float32, and computes as `precision` says."""
    _in_phases(generator)
    dtype = steps.autocast_dtype(config.precision, device) or torch.float32
    ready = generator.eval().requires_grad_(False).to(device, dtype, memory_format=torch.channels_last)
    return Graphs(ready, config, device) if device.type == "cuda" else ready


def _in_phases(network: nn.Module) -> None:
    """Every resize convolution within."""
    for name, part in network.named_children():
        if isinstance(part, nn.Sequential) and isinstance(part[0], nn.Upsample):
            setattr(network, name, Phases(part))
        else:
            _in_phases(part)


class Graphs:
    """A generator's passes on a GPU as CUDA graphs, one for each of PASSES; what a pass has too many is nobody's.

    Larger passes, and those with a given mask, run as they are written; so do those that lack a needed group, and fail.
    All share their memory, so that threads take turns.
    """

    @torch.inference_mode()
    def __init__(self, generator: Generator, config: CAGANConfig, device: torch.device) -> None:
        self.generator, self.needs_group = generator, len(config.groups) > 1
        sizes = [(k * config.height, k * config.width) for k in (1, 1, config.detail)]  # of person, worn and wanted
        self.seen = [torch.ones(PASSES[-1], 3, *size, device=device) for size in sizes]
        self.group = torch.zeros(PASSES[-1], dtype=torch.int64, device=device)
        self._turn = Lock()
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, Fitting]] = {}
        pool = None
        for size in reversed(PASSES):  # the largest first: the others fit into its memory
            self._captured[size] = graph, _ = captured(lambda size=size: self._pass(size), pool)
            pool = pool or graph.pool()

    @torch.inference_mode()
    def __call__(
        self, person: Tensor, worn: Tensor, wanted: Tensor, *, group: Tensor | None = None, given: Tensor | None = None
    ) -> Fitting:
        count = len(person)
        if given is not None or count > PASSES[-1] or (group is None and self.needs_group):
            return self.generator(person, worn, wanted, group=group, given=given)
        graph, fitting = self._captured[PASSES[bisect_left(PASSES, count)]]
        with self._turn:
            for mine, theirs in zip(self.seen, (person, worn, wanted), strict=True):
                mine[:count].copy_(theirs)
            self.group[:count] = 0 if group is None else group
            graph.replay()
            return Fitting(*(None if part is None else part[:count].clone() for part in fitting))

    def _pass(self, size: int) -> Fitting:
        return self.generator(*(each[:size] for each in self.seen), group=self.group[:size])
