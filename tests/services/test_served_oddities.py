"""The running application under odd input: over both faces an answer, or a refusal that names a field, and no fault."""

import io
import json
import struct
import zlib
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.http_face import CALLS
from services.protos import atelier_pb2 as wire
from tests.services import tiny_release
from tests.services.conftest import Served, picture_of_somebody
from tests.services.test_both_faces import details

REFUSALS = {400, 404, 413}


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG that says so much of itself, whatever its rows hold."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def corpus() -> dict[str, bytes]:
    """Pictures as they should not be sent, and some that look odd and are fine."""
    plain = tiny_release.garment(120)
    whole = {format: saved(plain, format) for format in ("JPEG", "PNG", "WEBP")}
    turned = Image.Exif()
    found = {
        f"{name} cut at {share:.0%}": data[: int(len(data) * share)]
        for name, data in whole.items()
        for share in (0.02, 0.5, 0.98)
    }
    for orientation in range(10):
        turned[0x0112] = orientation
        found[f"orientation {orientation}"] = saved(plain, "JPEG", exif=turned)
    several = {"save_all": True, "append_images": [plain.rotate(90)], "duration": 50}
    return found | {
        "nothing": b"\x00",
        "text": b"hello",
        "html": b"<html><script>alert(1)</script>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.4\n",
        "bmp": saved(plain, "BMP"),
        "tiff": saved(plain, "TIFF"),
        "gif": saved(plain, "GIF"),
        "animated gif": saved(plain, "GIF", **several),
        "animated webp": saved(plain, "WEBP", **several),
        "animated png": saved(plain, "PNG", **several),
        "cmyk": saved(plain.convert("CMYK"), "JPEG"),
        "16 bits": saved(plain.convert("L").convert("I;16"), "PNG"),
        "1 bit": saved(plain.convert("1"), "PNG"),
        "palette": saved(plain.convert("P"), "PNG", transparency=0),
        "grey with alpha": saved(plain.convert("LA"), "PNG"),
        "one pixel": saved(plain.resize((1, 1)), "PNG"),
        "a line": saved(plain.resize((3000, 1)), "PNG"),
        "a bomb": png(60_000, 60_000, rows=bytes(100_000)),
        "a wide bomb": png(2**31 - 1, 1),
        "no size": png(0, 0),
        "no rows": png(32, 32),
        "too many rows": png(1, 1, rows=bytes(10**6)),
        "odd bits": png(8, 8, bits=3),
        "odd colours": png(8, 8, colour=5),
        "a broken profile": saved(plain, "JPEG", icc_profile=b"not a profile"),
        "trailing bytes": whole["PNG"] + b"PK\x03\x04" * 100,
    }


def test_any_picture_is_painted_or_refused(served: Served) -> None:
    role, other = "person", "wanted"
    taken = set()
    for name, data in corpus().items():
        files = {role: data, other: picture_of_somebody(8, 12)}
        response = served.http.post("/v1/try-on", files={part: (part, each) for part, each in files.items()})
        if response.status_code == 200:
            taken.add(name)
            continue
        assert response.status_code in REFUSALS, (name, response.text)
        assert response.json()["field"] == role, (name, response.text)
        request = wire.TryOnRequest(**{part: {"data": each} for part, each in files.items()})
        with pytest.raises(grpc.RpcError) as caught:
            served.rpc("TryOn", request)
        assert details(caught.value)[0].metadata["field"] == role, name
    fine = {"cmyk", "16 bits", "1 bit", "palette", "grey with alpha", "one pixel", "a line", "trailing bytes"}
    assert taken >= fine | {f"orientation {each}" for each in range(10)}
    assert not taken & {"gif", "bmp", "tiff", "animated webp", "animated png", "a bomb", "a wide bomb", "no size"}


wild = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=6).map(lambda data: data.decode("latin-1")),
    st.sampled_from(
        ["shopper-0", "item-01", "men-tops", "../../etc/passwd", "\x00", "a\r\nb", "𝔘" * 300, "0" * 64, "NaN"]
    ),
)
anything = st.recursive(
    wild,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
SOUND: dict[str, Any] = {
    "shopper": {"user_id": "shopper-0"},
    "items": ["item-01"],
    "category": "men-tops",
    "picture": {"item_id": "item-01"},
    "wanted": {"item_id": "item-01"},
    "k": 1,
    "n": 1,
    "stages": 1,
    "restarts": 1,
    "steps": 1,
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Any]:
    """A call and what might be meant as its request: mostly sound, with some fields that are not."""
    path, kind, _, _ = draw(st.sampled_from(CALLS))
    fields = {name: SOUND[name] for name in kind.model_fields if name in SOUND}
    if "person" in kind.model_fields and draw(st.booleans()):
        fields["person"] = {"data": "iVBORw0KGgo="}
    for name in draw(st.sets(st.sampled_from([*kind.model_fields, "x"]), max_size=2)):
        fields[name] = draw(anything)
    return path, draw(st.sampled_from([fields, fields, fields, [fields], fields.get("shopper")]))


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(requests())
def test_any_request_is_answered_or_refused(served: Served, request_: tuple[str, Any]) -> None:
    path, said = request_
    response = served.http.post(path, content=json.dumps(said), headers={"content-type": "application/json"})
    assert response.status_code == 200 or response.status_code in REFUSALS, (path, said, response.text)
    if response.status_code != 200:
        assert response.json()["field"], response.text


@pytest.mark.parametrize(
    "item_id", ["%00", "%0a", "..%2f..%2freleases", "a%2Fb", "%F0%9F%91%97", "x" * 3000, "%ff", " ", "%20"]
)
def test_any_id_is_found_or_refused(served: Served, item_id: str) -> None:
    answers = [
        served.http.get(f"/v1/items/{item_id}"),
        served.http.delete(f"/v1/items/{item_id}"),
        served.http.put(f"/v1/items/{item_id}", json={"category": "hats", "picture": {"data": "AAAA"}}),
    ]
    assert {each.status_code for each in answers} <= REFUSALS, [each.text for each in answers]
    assert all("detail" in each.json() for each in answers)


def test_odd_bodies_and_headers_are_no_fault(served: Served) -> None:
    url = f"http://{served.settings.http_host}:{served.settings.http_port}"
    headers = {"authorization": f"Bearer {served.key}"}
    odd = [
        httpx.post(f"{url}/v1/score", content=b"\xff\xfe", headers=headers),
        httpx.post(f"{url}/v1/score", content=b'{"a":' * 5000, headers={**headers, "content-type": "application/json"}),
        httpx.post(f"{url}/v1/try-on", content=b"--x", headers={**headers, "content-type": "multipart/form-data"}),
        httpx.post(f"{url}/v1/score", json={}, headers={"authorization": b"Bearer \xff\xfe"}),
        httpx.post(f"{url}/v1/score", json={}, headers={**headers, "x-timeout-s": "nan"}),
        httpx.patch(f"{url}/v1/score", headers=headers),
    ]
    assert [each.status_code for each in odd] == [400, 400, 400, 401, 400, 405]
