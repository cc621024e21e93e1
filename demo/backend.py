"""A shop's backend, as plain as it can be: the calls it would make over HTTP, and the pictures it gets back."""

import base64
import io
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
from PIL import Image

Answer = dict[str, Any]


class Refused(Exception):
    """The service answered with an error: its status and what it says about it."""

    def __init__(self, path: str, status: int, detail: str) -> None:
        self.path, self.status, self.detail = path, status, detail
        super().__init__(f"{path} answered {status}: {detail}")


class NoAnswer(Exception):
    """The service could not be asked, or did not answer in time."""

    def __init__(self, path: str, error: httpx.TransportError) -> None:
        self.path = path
        super().__init__(f"{path} gave no answer: {str(error) or type(error).__name__}")


class Backend:
    """A way to a served release, for several threads. Answers come back as they are; `answers` keeps them by name.

    Calls raise Refused and NoAnswer.
    """

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s)
        self.answers: dict[str, Answer] = {}

    def __enter__(self) -> "Backend":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def get(self, path: str, *, name: str) -> Answer:
        """GET one resource."""
        return self._kept(name, self._asked("GET", path))

    def post(self, path: str, request: Mapping[str, Any], *, name: str) -> Answer:
        """POST a request in JSON."""
        return self._kept(name, self._asked("POST", path, json=request))

    def post_pictures(
        self, path: str, request: Mapping[str, Any], pictures: Mapping[str, bytes], *, name: str
    ) -> Answer:
        """POST a request with pictures beside it, as a browser's form would: multipart/form-data."""
        files = {part: (f"{part}.png", data, "image/png") for part, data in pictures.items()}
        files["request"] = ("", json.dumps(request).encode(), "application/json")
        return self._kept(name, self._asked("POST", path, files=files))

    def picture(self, picture: Mapping[str, Any]) -> Image.Image:
        """The picture of an answer: the bytes inline, or what its signed URL gives."""
        if picture.get("data"):
            data = base64.b64decode(picture["data"])
        else:
            found = self._asked("GET", picture["url"])
            if found.is_error:
                raise Refused(unsigned(picture["url"]), found.status_code, "no picture there")
            data = found.content
        return Image.open(io.BytesIO(data)).convert("RGB")

    def wait_for(self, path: str, *, seconds: float) -> None:
        """Ask /healthz or /readyz until it says yes. Raises TimeoutError with the last answer."""
        end, last = time.monotonic() + seconds, "no answer yet"
        while time.monotonic() < end:
            try:
                found = self._http.get(path, timeout=5.0)
            except httpx.TransportError as error:
                last = str(error) or type(error).__name__
            else:
                if found.is_success:
                    return
                last = explained(found)
            time.sleep(0.25)
        raise TimeoutError(f"{path} does not say yes after {seconds:.0f} s: {last}")

    def _asked(self, method: str, url: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **content)
        except httpx.TransportError as error:
            raise NoAnswer(unsigned(url), error) from error

    def _kept(self, name: str, response: httpx.Response) -> Answer:
        if response.is_error:
            raise Refused(response.request.url.path, response.status_code, explained(response))
        self.answers[name] = response.json()
        return self.answers[name]


def unsigned(url: str) -> str:
    """An URL without the signature that gives access."""
    return url.partition("?")[0]


def explained(response: httpx.Response) -> str:
    """What an error answer says: the detail of its problem+json, or the beginning of its text."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "detail" in problem:
        return str(problem["detail"])
    return " ".join(response.text.split())[:200] or response.reason_phrase
