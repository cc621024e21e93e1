"""The calls of the demonstration by hand: lines for curl that work as they stand."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.visit import DRESSED_IN
from demo.visitors import Sitter, Visitor

SAVE = "import sys,json,base64;sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin){}['data']))"


@dataclass(frozen=True, slots=True)
class Line:
    """What a command is for, and the command."""

    title: str
    command: str


def lines(url: str, visitor: Visitor, sitter: Sitter, python: Path) -> list[Line]:
    """One line for each kind of call, ready to be pasted into a shell."""
    shopper = {"user_id": visitor.user_id}
    category = next(each for each in visitor.categories if each.endswith(DRESSED_IN))
    fit = form(f"{url}/v1/try-on", {}, person=sitter.person, worn=sitter.worn, wanted=sitter.wanted)
    wish = {"shopper": shopper, "source": "design", "category": category}
    composed = form(f"{url}/v1/fitting", wish, person=sitter.person, worn=sitter.worn)
    return [
        Line("what serves", f"curl -s {url}/v1/release"),
        Line(
            "three items that a shopper would like",
            post(f"{url}/v1/recommend", {"shopper": shopper, "category": category, "k": 3}),
        ),
        Line(
            "three designs drawn for them",
            post(f"{url}/v1/design", {"shopper": shopper, "category": category, "k": 3}),
        ),
        Line(
            "a person in another garment, kept as fitting.jpg",
            f"{fit} | {saved(python, '["fitting"]["picture"]')} > fitting.jpg",
        ),
        Line(
            "a design of their own on a person, kept as designed.jpg",
            f"{composed} | {saved(python, '["fittings"][0]["fitting"]["picture"]')} > designed.jpg",
        ),
    ]


def post(url: str, request: Mapping[str, Any]) -> str:
    """A request in JSON."""
    return f"curl -s {url} -H 'content-type: application/json' -d {shlex.quote(json.dumps(request))}"


def form(url: str, request: Mapping[str, Any], **pictures: Path) -> str:
    """A request with pictures beside it."""
    parts = [f"-F {shlex.quote(f'{name}=@{path}')}" for name, path in pictures.items()]
    return " ".join(
        [
            f"curl -s {url}",
            "-F " + shlex.quote(f"request={json.dumps(request)};type=application/json"),
            *parts,
        ]
    )


def saved(python: Path, place: str) -> str:
    """A program that reads an answer and writes the picture at a place of it."""
    return f"{shlex.quote(str(python))} -c {shlex.quote(SAVE.format(place))}"
