"""The gRPC face over a core that only echoes, behind a server as Serve makes it."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st

from services import messages
from services.errors import NoRelease, Overloaded, ServiceError
from services.grpc_face import host_of, status
from services.protobufs import fields_of, parsed, written
from services.protos import atelier_pb2 as wire
from services.protos.atelier_pb2_grpc import AtelierStub
from tests.services.near import Face, grpc_served
from tests.services.test_messages import all_errors

TIMINGS = messages.Timings(queue=1, compute=2, encode=3)
PICTURE = messages.Picture(media_type="image/png", data=b"p" * 600)
SCORE = wire.ScoreRequest(shopper={"user_id": "u"}, items=["i"])
DESIGN = wire.DesignRequest(shopper={"user_id": "u"}, category="c", seed=2**52, starts=wire.STARTS_BLIND)


class Echo:
    """A core that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.patience: list[float | None] = []
        self.told: list[Any] = []
        self.fault: Exception | None = None
        self.serves = True
        self.pictures = 1

    def within(self, timeout_s: float | None) -> "Echo":
        self.patience.append(timeout_s)
        return self

    async def score(self, request: Any, request_id: str) -> messages.ScoreAnswer:
        self.asked.append(request)
        if self.fault:
            raise self.fault
        return messages.ScoreAnswer(scores=[], **facts(request_id))

    async def design(self, request: Any, request_id: str) -> messages.DesignAnswer:
        self.asked.append(request)
        design = messages.Design(design_id=None, category="c", realism=1.0, picture=PICTURE)
        return messages.DesignAnswer(designs=[design] * self.pictures, seed=7, **facts(request_id))

    async def watch(self, request: Any, request_id: str) -> AsyncIterator[Any]:
        for each in self.told:
            if isinstance(each, Exception):
                raise each
            yield each

    async def ready(self) -> dict[str, str | None]:
        if not self.serves:
            raise NoRelease("no release is loaded in designer")
        return {}


def facts(request_id: str) -> dict[str, Any]:
    return {"release": "r", "request_id": request_id, "timings": TIMINGS}


@pytest.fixture
def core() -> Echo:
    return Echo()


@pytest.fixture
def channel(core: Echo) -> Iterator[grpc.Channel]:
    with grpc_served(Face(core)) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> AtelierStub:
    return AtelierStub(channel)


def refused(call: Callable[[], Any], code: str) -> tuple[grpc.RpcError, dict[str, Any]]:
    """The error of a call, and what its status tells programs, by the name of each kind of detail."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    assert error.code().name == code, error
    told = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    found = {}
    for packed in told.details:
        name = packed.type_url.rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    return error, found


def test_what_is_left_out_has_its_default(stub: AtelierStub, core: Echo) -> None:
    stub.Design(DESIGN)
    assert core.asked == [
        messages.DesignRequest(shopper=messages.Shopper(user_id="u"), category="c", seed=2**52, starts="blind")
    ]


def test_ids_and_patience_travel_with_the_call(stub: AtelierStub, core: Echo) -> None:
    answer = stub.Score(SCORE, metadata=[("x-request-id", "mine-7"), ("x-timeout-s", "2.5")])
    assert answer.request_id == "mine-7" and core.patience == [2.5]
    assert len(stub.Score(SCORE).request_id) >= 16
    for name, value in (("x-timeout-s", "soon"), ("x-timeout-s", "-1"), ("x-request-id", "a b")):
        _, told = refused(lambda: stub.Score(SCORE, metadata=[(name, value)]), "INVALID_ARGUMENT")  # noqa: B023
        assert told["ErrorInfo"].metadata["field"] == name


def test_an_error_tells_programs_what_http_does(stub: AtelierStub, core: Echo) -> None:
    core.fault = Overloaded("9 rows are waiting", retry_after_s=4, waiting=9)
    error, told = refused(lambda: stub.Score(SCORE, metadata=[("x-request-id", "q")]), "RESOURCE_EXHAUSTED")
    assert error.details() == "9 rows are waiting"
    assert (told["ErrorInfo"].reason, dict(told["ErrorInfo"].metadata)) == ("overloaded", {"waiting": "9"})
    assert told["RetryInfo"].retry_delay.seconds == 4 and told["RequestInfo"].request_id == "q"
    assert dict(error.trailing_metadata())["retry-after"] == "4"


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code(kind: type[ServiceError]) -> None:
    assert status(kind("d"), "q").code == grpc.StatusCode[kind.grpc].value[0] != 0


def test_a_fault_of_ours_tells_nothing(stub: AtelierStub, core: Echo) -> None:
    core.fault = ZeroDivisionError("a secret of ours")
    error, _ = refused(lambda: stub.Score(SCORE), "INTERNAL")
    assert "secret" not in str(error) and "secret" not in str(error.trailing_metadata())


def raw(channel: grpc.Channel, data: bytes, call: str = "Score") -> Any:
    return channel.unary_unary(f"/atelier.v1.Atelier/{call}")(data)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\xff\xff\xff", "body"),
        (SCORE.SerializeToString()[:-1], "body"),
        (SCORE.SerializeToString() + b"\xf8\x01\x07", "#31"),
        (wire.ScoreRequest(shopper={"likes": ["a"]}).SerializeToString(), "items"),
        (b"\x12\x04\x0a\x02\xff\xfe", "body"),  # a user id that is no UTF-8
    ],
)
def test_what_cannot_be_read_is_bad_input(channel: grpc.Channel, data: bytes, field: str) -> None:
    _, told = refused(lambda: raw(channel, data), "INVALID_ARGUMENT")
    assert told["BadRequest"].field_violations[0].field == field


def test_an_enum_of_another_number_is_bad_input(channel: grpc.Channel) -> None:
    data = DESIGN.SerializeToString() + b"\x30\x09"
    _, told = refused(lambda: raw(channel, data, "Design"), "INVALID_ARGUMENT")
    assert told["ErrorInfo"].metadata["field"] == "starts"


def test_a_picture_beyond_the_limit_is_refused(stub: AtelierStub) -> None:
    request = wire.TryOnRequest(person={"data": b"p" * 1001}, wanted={"item_id": "i"})
    _, told = refused(lambda: stub.TryOn(request), "INVALID_ARGUMENT")
    assert (told["ErrorInfo"].reason, told["ErrorInfo"].metadata["field"]) == ("too-large", "person")


def test_an_answer_that_would_not_fit_is_told(stub: AtelierStub, core: Echo) -> None:
    core.pictures = 20
    _, told = refused(lambda: stub.Design(DESIGN), "INVALID_ARGUMENT")
    assert told["ErrorInfo"].reason == "too-large"


def test_permits_are_given_back(core: Echo) -> None:
    with grpc_served(Face(core, permits=0)) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        refused(lambda: AtelierStub(channel).Score(SCORE), "RESOURCE_EXHAUSTED")
    with grpc_served(Face(core, permits=1)) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        core.fault = Overloaded("not now", retry_after_s=1)
        refused(lambda: AtelierStub(channel).Score(SCORE), "RESOURCE_EXHAUSTED")
        core.fault = None
        assert AtelierStub(channel).Score(SCORE).release == "r"


def test_an_error_on_the_way_ends_the_stream(stub: AtelierStub, core: Echo) -> None:
    progress = messages.Progress(step=3, steps=9, score=1.5, realism=0.5, picture=PICTURE)
    core.told = [messages.Accepted(), progress, Overloaded("not any more", retry_after_s=2)]
    told: list[str | None] = []

    def listen() -> None:
        for each in stub.WatchDesign(DESIGN):
            told.append(each.WhichOneof("told"))

    error, _ = refused(listen, "RESOURCE_EXHAUSTED")
    assert told == ["accepted", "progress", None] and error.details() == "not any more"


def test_health_says_whether_there_is_a_release(channel: grpc.Channel, core: Echo) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "atelier.v1.Atelier"):
        core.serves = True
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
        core.serves = False
        assert health.Check(request).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watched = health.Watch(health_pb2.HealthCheckRequest())
    assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
    refused(lambda: list(health.Watch(health_pb2.HealthCheckRequest())), "RESOURCE_EXHAUSTED")  # there is room for one
    watched.cancel()
    refused(lambda: health.Check(health_pb2.HealthCheckRequest(service="x")), "NOT_FOUND")


def test_reflection_describes_the_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    (listed,) = stub.ServerReflectionInfo(iter(asked))
    names = {each.name for each in listed.list_services_response.service}
    assert {"atelier.v1.Atelier", "grpc.health.v1.Health"} <= names
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol="atelier.v1.Atelier")]
    (found,) = stub.ServerReflectionInfo(iter(asked))
    assert b"FittingRequest" in found.file_descriptor_response.file_descriptor_proto[0]


@pytest.mark.parametrize(
    ("peer", "host"),
    [("ipv4:127.0.0.1:5000", "127.0.0.1"), ("ipv6:%5B::1%5D:5000", "::1"), ("ipv6:[::1]:5", "::1"), ("unix:x", None)],
)
def test_the_host_of_a_peer(peer: str, host: str | None) -> None:
    assert host_of(peer) == host


# --- The translation, for anything that can be said

REQUESTS = {
    wire.ScoreRequest: messages.ScoreRequest,
    wire.RecommendRequest: messages.RecommendRequest,
    wire.DesignRequest: messages.DesignRequest,
    wire.AlterRequest: messages.AlterRequest,
    wire.VariationsRequest: messages.VariationsRequest,
    wire.TryOnRequest: messages.TryOnRequest,
    wire.FittingRequest: messages.FittingRequest,
}


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.DESCRIPTOR.name)
def test_both_descriptions_of_a_request_have_the_same_fields(kind: Any) -> None:
    assert [field.name for field in kind.DESCRIPTOR.fields] == list(REQUESTS[kind].model_fields)


def test_both_descriptions_of_every_answer_have_the_same_fields() -> None:
    for name, kind in wire.DESCRIPTOR.message_types_by_name.items():
        ours = getattr(messages, name, None)
        if ours is not None and name not in ("PutItemRequest",):  # the item's id stands in HTTP's path
            assert {field.name for field in kind.fields} == set(ours.model_fields), name


numbers = st.integers(-(2**31), 2**31 - 1)
texts = st.text(max_size=12)
requests = st.builds(
    wire.FittingRequest,
    shopper=st.builds(wire.Shopper, user_id=st.none() | texts, likes=st.lists(texts, max_size=3)),
    person=st.builds(wire.Upload, data=st.none() | st.binary(max_size=20)),
    worn=st.none() | st.builds(wire.PictureInput, item_id=st.none() | texts, design_id=st.none() | texts),
    source=st.integers(0, 5),
    category=st.none() | texts,
    k=st.none() | numbers,
    filters=st.none() | st.builds(wire.Filters, categories=st.lists(texts, max_size=2)),
    restarts=st.none() | numbers,
    starts=st.integers(0, 3),
    steps=st.none() | numbers,
    realism=st.none() | st.floats(),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    format=st.integers(0, 3),
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_any_request_is_taken_whole_or_refused_by_field(request: wire.FittingRequest) -> None:
    from services.checking import checked
    from services.errors import BadInput

    try:
        taken = checked(messages.FittingRequest, fields_of(parsed(wire.FittingRequest, request.SerializeToString())))
    except BadInput as error:
        assert error.facts["field"] and error.facts["limit"]
    else:
        back = written(taken, wire.FittingRequest)
        assert {name: back_value(back, name) for name in fields_of(request)} == fields_of(request)


def back_value(message: wire.FittingRequest, name: str) -> Any:
    value = fields_of(message)[name]
    return {k: v for k, v in value.items() if v or k != "exclude"} if isinstance(value, dict) else value


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    from services.errors import BadInput

    try:
        assert parsed(wire.FittingRequest, data) is not None
    except BadInput as error:
        assert error.facts["field"]
