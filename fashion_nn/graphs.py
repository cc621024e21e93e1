"""Work on a GPU captured once and replayed: small passes are bound by launching kernels, not by what these compute."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

WARM_UP = 3  # times, in which libraries choose their algorithms


def captured(work: Callable[[], Result], pool: Any = None) -> tuple[torch.cuda.CUDAGraph, Result]:
    """`work` as a graph, and what it gives: tensors that every replay fills anew.

    Whatever it reads has to stay where it is. pool: the memory of a graph captured before, never replayed beside it.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):  # others may be at work beside it
        result = work()
    return graph, result
