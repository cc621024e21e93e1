"""Work on a GPU captured once and replayed: small passes are bound by launching kernels, not by what these compute."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

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


class Lesson:
    """An objective's way there and back on a GPU, captured for every kind of its inputs that comes, and replayed.

    The objective gives (total, *rest), and changes nothing but `buffers`. It is called with floats as tensors [] and
    with tensors, or dataclasses of them, whose values may differ from call to call; what else it is given is part of
    the kind. (`torch.cuda.make_graphed_callables` takes tensors alone, and no gradients of gradients.)
    """

    def __init__(self, objective: nn.Module, parameters: Iterable[nn.Parameter], buffers: Iterable[Tensor]) -> None:
        self.objective, self.parameters, self.buffers = objective, list(parameters), list(buffers)
        self._captured: dict[tuple, tuple[torch.cuda.CUDAGraph, tuple, list[Tensor | None], tuple]] = {}

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """The rest, detached; the parameters' gradients are the total's."""
        device = self.parameters[0].device
        inputs = tuple(torch.full((), each, device=device) if isinstance(each, float) else each for each in inputs)
        given = _tensors(inputs)
        plain = tuple(each for each in inputs if not _tensors(each))
        kind = plain, tuple(each.shape for each in given)
        if kind not in self._captured:
            self._captured[kind] = self._capture(inputs)
        graph, held, gradients, rest = self._captured[kind]
        with torch.no_grad():
            for mine, theirs in zip(_tensors(held), given, strict=True):
                mine.copy_(theirs)
        graph.replay()
        for weights, gradient in zip(self.parameters, gradients, strict=True):
            weights.grad = gradient
        return _each(lambda tensor: tensor.detach().clone(), rest)

    def _capture(self, inputs: tuple) -> tuple[torch.cuda.CUDAGraph, tuple, list[Tensor | None], tuple]:
        """The graph; its own inputs; the gradients and the rest that it fills."""
        held = _each(lambda tensor: tensor.detach().clone(), inputs)
        before = [buffer.clone() for buffer in self.buffers]

        def work() -> tuple[list[Tensor | None], tuple]:
            for weights in self.parameters:
                weights.grad = None
            total, *rest = self.objective(*held)
            total.backward()
            return [weights.grad for weights in self.parameters], tuple(rest)

        pool = next((graph.pool() for graph, *_ in self._captured.values()), None)
        graph, (gradients, rest) = captured(work, pool)
        for buffer, value in zip(self.buffers, before, strict=True):  # which the passes to warm up have changed
            buffer.copy_(value)
        return graph, held, gradients, rest


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in a value."""
    found: list[Tensor] = []
    _each(found.append, value)
    return found


def _each(change: Callable[[Tensor], Any], value: Any) -> Any:
    """A value with every tensor of it changed, through dataclasses, mappings and sequences."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value):
        return type(value)(*(_each(change, getattr(value, field.name)) for field in fields(value)))
    if isinstance(value, dict):
        return {name: _each(change, part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_each(change, part) for part in value)
    return value
