"""Object arrays from `.npy` files that are not trusted: numbers, text, bytes and plain containers alone.

A pickle is a program that may call whatever it can name. Here the names that it may use are listed, and those
of NumPy lead to stand-ins, so that not even NumPy's own restoring of arrays sees unchecked data.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

_PLAIN_TYPE = re.compile(r"\?|[biufc][0-9]{1,2}|[SU][0-9]+|O[48]?")
# What the unpickler raises on broken data.
_FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    ImportError,
)


class RefusedPickle(ValueError):
    """The file is not a pickled array of plain things; the message says what stands in the way."""


def load_object_array(path: Path | str) -> list[Any]:
    """The elements of the one-dimensional object array in a `.npy` file, of Python 2 or 3.

    Text of Python 2 comes as bytes, arrays as a sequence that `np.asarray` takes, `defaultdict` as dict.
    Raises RefusedPickle, which names any class that is not allowed, or OSError; runs nothing of the file's.
    """
    with open(path, "rb") as file:
        try:
            _check_header(file)
            array = _Unpickler(file, encoding="bytes").load()
        except RefusedPickle:
            raise
        except _FAULTS as error:
            raise RefusedPickle(f"broken .npy file: {error or type(error).__name__}") from error
    if not isinstance(array, PickledArray) or not isinstance(array.values, list):
        raise RefusedPickle("no one-dimensional array of objects")
    return array.values


class PickledArray:
    """A one-dimensional array of objects, or an array of numbers or text of any shape; read-only."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: list[Any] | np.ndarray = []

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, in_fortran_order, data = state
        if not isinstance(dtype, _DType):
            raise RefusedPickle("an array of no plain type")
        if dtype.is_object:
            if not isinstance(data, list) or tuple(shape) != (len(data),):
                raise RefusedPickle(f"an array of objects of shape {shape}")
            self.values = data
        else:
            self.values = _numbers(data, dtype).reshape(shape, order="F" if in_fortran_order else "C")

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, place: int) -> Any:
        return self.values[place]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)


class _DType:
    """Stands in for np.dtype: a type of numbers, text or objects, without fields or flags."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: bytes | str, *_: object) -> None:
        self._code = _text(code)
        self._order = "="
        if not _PLAIN_TYPE.fullmatch(self._code):
            raise RefusedPickle(f"arrays of type {self._code!r} are not taken")

    def __setstate__(self, state: tuple) -> None:
        self._order = _text(state[1])
        if self._order not in ("<", ">", "=", "|"):
            raise RefusedPickle(f"byte order {self._order!r} is unknown")

    @property
    def is_object(self) -> bool:
        return self._code.startswith("O")

    def resolve(self) -> np.dtype:
        return np.dtype(self._order + self._code)


class _NDArray:
    """Stands in for np.ndarray, which pickles name but never call."""

    def __init__(self, *_: object) -> None:
        raise RefusedPickle("numpy.ndarray is called")


def _reconstruct(subtype: type, *_: object) -> PickledArray:
    if subtype is not _NDArray:
        raise RefusedPickle(f"arrays of class {subtype!r} are not taken")
    return PickledArray()


def _scalar(dtype: _DType, data: bytes) -> Any:
    (value,) = _numbers(data, dtype)
    return value.item()


def _numbers(data: Any, dtype: _DType) -> np.ndarray:
    data = data.encode("latin1") if isinstance(data, str) else data
    if dtype.is_object or not isinstance(data, bytes):
        raise RefusedPickle("numbers that are not stored as bytes")
    return np.frombuffer(data, dtype.resolve()) if data else np.empty(0, dtype.resolve())


def _encode(text: str, encoding: bytes | str = "latin1") -> bytes:
    """Stands in for _codecs.encode, by which Python 3 writes bytes into old pickles."""
    if _text(encoding) not in ("latin1", "latin-1"):
        raise RefusedPickle(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _default_dict(*_: object) -> dict:
    return {}


def _text(value: bytes | str) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


_NAMES: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("numpy", "dtype"): _DType,
        ("numpy", "ndarray"): _NDArray,
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): _default_dict,
    }
    | {(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")}
    | {(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")}
    | {(module, "bytes"): _no_bytes for module in ("builtins", "__builtin__")}
    | {
        (module, plain.__name__): plain
        for module in ("builtins", "__builtin__")
        for plain in (dict, list, set, frozenset, int, float)
    }
)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise RefusedPickle(f"the pickle asks for {module}.{name}, which is not allowed") from None


def _check_header(file: BinaryIO) -> None:
    """Reads past the header of an `.npy` file of objects."""
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise RefusedPickle(f"unknown .npy version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on headers that Python 2 wrote
        shape, _, dtype = readers[version](file)
    if dtype != np.dtype(object) or len(shape) != 1:
        raise RefusedPickle(f"an array of {dtype}, shape {shape}, instead of a list of objects")
