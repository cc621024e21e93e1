"""The calls of the demonstration by hand: lines for curl that work as they stand."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.visit import DRESSED_IN
from demo.visitors import Sitter, Visitor


@dataclass(frozen=True, slots=True)
class Line:
    """What a command is for, and the command."""

    title: str
    command: str


def lines(url: str, visitor: Visitor, sitter: Sitter, python: Path) -> list[Line]:
    """One line for each kind of call, ready to be pasted into a shell."""
    shopper = {"user_id": visitor.user_id}
    category = next(each for each in visitor.categories if each.endswith(DRESSED_IN))
    wanted = {"shopper": shopper, "category": category, "k": 3}
    dressed = {"person": sitter.person, "worn": sitter.worn}
    fitting = form(f"{url}/v1/try-on", {}, {**dressed, "wanted": sitter.wanted})
    designed = form(f"{url}/v1/fitting", {"shopper": shopper, "source": "design", "category": category}, dressed)
    return [
        Line("what serves", f"curl -s {url}/v1/release"),
        Line("three items that a shopper would like", post(f"{url}/v1/recommend", wanted)),
        Line("three designs drawn for them", post(f"{url}/v1/design", wanted)),
        Line(
            "a person in another garment, kept as fitting.jpg",
            f"{fitting} | {picture_of(python, 'fitting')} > fitting.jpg",
        ),
        Line(
            "their own design on a person, kept as designed.jpg",
            f"{designed} | {picture_of(python, 'fittings', 0, 'fitting')} > designed.jpg",
        ),
    ]


def post(url: str, request: Mapping[str, Any]) -> str:
    """A request in JSON."""
    return f"curl -s {url} -H 'content-type: application/json' -d {shlex.quote(json.dumps(request))}"


def form(url: str, request: Mapping[str, Any], pictures: Mapping[str, Path]) -> str:
    """A request with pictures beside it."""
    parts = [f"request={json.dumps(request)};type=application/json"]
    parts += [f"{name}=@{path}" for name, path in pictures.items()]
    return " ".join([f"curl -s {url}", *(f"-F {shlex.quote(part)}" for part in parts)])


def picture_of(python: Path, *place: str | int) -> str:
    """A program that reads an answer and writes the picture at a place of it."""
    keys = "".join(f"[{key!r}]" for key in (*place, "picture", "data"))
    program = f"import sys, json, base64; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin){keys}))"
    return f'{shlex.quote(str(python))} -c "{program}"'
