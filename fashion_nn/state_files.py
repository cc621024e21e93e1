"""Training state and weights as files without pickles: tensors in safetensors, everything else in JSON.

A state is a nest of dicts (str or int keys), lists and tuples whose leaves are tensors or JSON values.

    state.safetensors   every tensor, under a running number
    state.json          the nest; {"tensor": "7"} stands for a tensor, {"dict": [[key, value], …]} for a dict,
                        {"list": […]} and {"tuple": […]} for sequences, {"value": …} for a leaf

Dicts are kept as pairs, so that the integer keys of an optimiser's state stay integers and the order stays.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TENSORS = "state.safetensors"
NEST = "state.json"


class StateError(ValueError):
    """A state that cannot be kept, or files that are not one."""


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state` into `folder` (made if need be). StateError names a leaf that cannot be kept."""
    tensors: dict[str, Tensor] = {}
    nest = _pack(state, tensors, "state")
    folder.mkdir(parents=True, exist_ok=True)
    _write_tensors(folder / TENSORS, tensors)
    _replace(folder / NEST, lambda path: path.write_text(json.dumps(nest, allow_nan=False)))


def load_state(folder: Path) -> dict[str, Any]:
    """What `save_state` wrote there, its tensors on the CPU. StateError where files are gone or damaged."""
    try:
        tensors = load_file(folder / TENSORS)
        nest = json.loads((folder / NEST).read_text())
        return _unpack(nest, tensors)
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise StateError(f"{folder} does not hold a whole state: {error}") from error


def save_weights(path: Path, module: nn.Module) -> None:
    """Parameters and buffers of `module` as one safetensors file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_tensors(path, module.state_dict())


def load_weights(path: Path, module: nn.Module) -> None:
    """Fill `module` from `save_weights`' file. StateError names what is missing, extra or misshapen."""
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StateError(f"{path} is not a readable safetensors file: {error}") from error
    wanted = module.state_dict()
    complaints = [f"lacks {name}" for name in wanted if name not in found]
    complaints += [f"has an unknown {name}" for name in found if name not in wanted]
    complaints += [
        f"{name} is {list(found[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if complaints:
        raise StateError(f"{path} does not fit {type(module).__name__}: {'; '.join(complaints[:8])}")
    module.load_state_dict(found, strict=True)


def _pack(value: Any, tensors: dict[str, Tensor], path: str) -> dict[str, Any]:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[_key(key, path), _pack(v, tensors, f"{path}/{key}")] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(v, tensors, f"{path}/{i}") for i, v in enumerate(value)]}
    return {"value": _leaf(value, path)}


def _key(key: Any, path: str) -> str | int:
    if type(key) not in (str, int):
        raise StateError(f"{path} has a key {key!r}; keys are str or int")
    return key


def _leaf(value: Any, path: str) -> Any:
    if value is not None and type(value) not in (str, int, float, bool):
        raise StateError(f"{path} is a {type(value).__name__}, which is neither a tensor nor a JSON value")
    if isinstance(value, float) and not math.isfinite(value):
        raise StateError(f"{path} is {value}, which JSON does not keep")
    return value


def _unpack(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(value, tensors) for key, value in content}
    if kind == "list":
        return [_unpack(value, tensors) for value in content]
    if kind == "tuple":
        return tuple(_unpack(value, tensors) for value in content)
    if kind == "value":
        return content
    raise KeyError(kind)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Each tensor as its own contiguous copy: safetensors refuses views that share memory."""
    own = {name: torch.clone(t.detach().cpu(), memory_format=torch.contiguous_format) for name, t in tensors.items()}
    _replace(path, lambda target: save_file(own, target))


def _replace(path: Path, write: Any) -> None:
    """Write to a neighbour first, so that a file is either the old one or the whole new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    temporary.replace(path)
