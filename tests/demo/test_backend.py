"""The backend's calls, against a small real server."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from demo.backend import Backend, NoAnswer, Refused


def red_png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 6), "red").save(out, "PNG")
    return out.getvalue()


class Service(BaseHTTPRequestHandler):
    """Says what it was sent; /readyz is ready at the second question; /v1/refuse refuses."""

    asked = 0

    def do_GET(self) -> None:
        if self.path == "/readyz":
            type(self).asked += 1
            self.answer(200 if self.asked > 1 else 503, {"detail": "no release is loaded yet"})
        elif self.path.startswith("/picture"):
            self.reply(200, red_png(), "image/png")
        else:
            self.reply(404, b"nothing   here", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/refuse":
            self.answer(422, {"title": "Bad input", "detail": "k is 0, but must be 1 or more"})
        else:
            self.answer(200, {"type": self.headers["content-type"], "body": body.decode("latin-1")})

    def answer(self, status: int, content: object) -> None:
        self.reply(status, json.dumps(content).encode(), "application/json")

    def reply(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    Service.asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_answers_are_kept_by_name(url: str) -> None:
    with Backend(url) as backend:
        answer = backend.post("/v1/score", {"items": ["a"]}, name="score")
        assert json.loads(answer["body"]) == {"items": ["a"]}
        assert backend.answers == {"score": answer}


def test_pictures_travel_as_a_form_with_the_request_beside_them(url: str) -> None:
    with Backend(url) as backend:
        answer = backend.post_pictures("/v1/try-on", {"k": 1}, {"person": red_png()}, name="try-on")
    assert answer["type"].startswith("multipart/form-data")
    assert 'name="person"; filename="person.png"' in answer["body"]
    assert 'name="request"' in answer["body"] and '{"k": 1}' in answer["body"]


def test_a_refusal_says_what_the_service_said(url: str) -> None:
    with Backend(url) as backend:
        with pytest.raises(Refused, match=r"^/v1/refuse answered 422: k is 0, but must be 1 or more$") as refused:
            backend.post("/v1/refuse", {}, name="refuse")
        assert refused.value.status == 422 and backend.answers == {}
        with pytest.raises(Refused, match="answered 404: nothing here"):
            backend.get("/v1/nowhere", name="nowhere")


def test_pictures_come_inline_or_by_their_url(url: str) -> None:
    inline = {"data": base64.b64encode(red_png()).decode(), "url": None}
    with Backend(url) as backend:
        assert backend.picture(inline).size == (4, 6)
        assert backend.picture({"url": f"{url}/picture/ab.png?signature=x", "data": None}).size == (4, 6)
        with pytest.raises(Refused) as refused:
            backend.picture({"url": f"{url}/gone?signature=secret"})
    assert "secret" not in str(refused.value)


def test_waiting_until_ready(url: str) -> None:
    with Backend(url) as backend:
        backend.wait_for("/readyz", seconds=20)
    with Backend("http://127.0.0.1:9") as backend, pytest.raises(TimeoutError, match="say yes after 0 s"):
        backend.wait_for("/readyz", seconds=0.3)


def test_a_service_that_is_not_there(url: str) -> None:
    with Backend("http://127.0.0.1:9") as backend, pytest.raises(NoAnswer, match=r"^/v1/release gave no answer: "):
        backend.get("/v1/release", name="release")
