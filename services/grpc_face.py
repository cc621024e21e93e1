"""The gRPC face: the calls of services/protos/atelier.proto. It reads requests, asks the core, and writes answers.

Serve calls the Gateway's method that a call is named after, with the bytes that came and a context that takes code,
details and trailers. An error is therefore returned rather than raised: an empty answer, beside a context that says
why, since of what is raised Serve passes on no trailers.
"""

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.any_pb2 import Any as AnyProtobuf
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message as Protobuf
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListResponse
from pydantic_core import to_json
from ray.serve import context as serving
from ray.serve.grpc_util import RayServegRPCContext

from services import messages
from services.access import Admission, Guard
from services.accounts import Account, Accounts
from services.bodies import check_sizes
from services.checking import checked
from services.core import Core
from services.door import Permits
from services.envelope import REQUEST_ID, Envelope, opened, sound
from services.errors import Forbidden, ServiceError, TooLarge, UnknownService, fault
from services.protobufs import fields_of, parsed, written
from services.protos import atelier_pb2 as wire
from services.traces import TRACEPARENT

DOMAIN = "atelier"
SERVICES = ("", wire.DESCRIPTOR.services_by_name["Atelier"].full_name)  # the former stands for all
STATUS_DETAILS = "grpc-status-details-bin"
MOST_DETAIL = 1000  # characters of a sentence: trailers hold 8 KiB in all
MOST_VIOLATIONS = 5
WATCH_S = 5.0  # between two looks at the health that somebody watches


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpcs:
    """The core, and what every call passes before it: permit, size, and a net for faults."""

    core: Core
    guard: Guard
    accounts: Accounts
    permits: Permits
    watchers: Permits  # of health, who show no key
    tls: bool  # whether what comes in clear is refused
    max_picture_bytes: int
    max_message_bytes: int
    logger: logging.Logger

    async def answered(self, rpc: "Rpc", data: bytes, context: RayServegRPCContext) -> Protobuf:
        """What a call comes to, or an empty answer beside an error in the context."""
        with self._account(rpc, context) as account:
            try:
                with self.permits.one():
                    answer = await rpc.call(await self._asked(rpc, data, context))
                    found = written(answer, rpc.answer)
                    self._check_size(found)
            except Exception as error:
                self._refuse(error, context, account)
                return rpc.answer()
            account.answered(answer)
            return found

    async def told(self, rpc: "Rpc", data: bytes, context: RayServegRPCContext) -> AsyncIterator[Protobuf]:
        """What those who watch a call are told, or an empty event beside an error in the context."""
        with self._account(rpc, context) as account:
            try:
                with self.permits.one():
                    async with aclosing(rpc.call(await self._asked(rpc, data, context))) as telling:
                        async for each in telling:
                            yield _event(rpc.answer, each)
                            if isinstance(each, messages.Answer):
                                account.answered(each)
            except Exception as error:
                self._refuse(error, context, account)
                yield rpc.answer()

    @contextmanager
    def _account(self, rpc: "Rpc", context: RayServegRPCContext) -> Iterator[Account]:
        """The call's account. From here on Serve's logs have the id that the caller chose, in every deployment."""
        given = headers(context)
        request_id = adopted(given.get(REQUEST_ID) or own_request_id(context))
        with self.accounts.of(rpc.operation, "grpc", request_id=request_id, trace=given.get(TRACEPARENT)) as account:
            yield account

    async def _asked(self, rpc: "Rpc", data: bytes, context: RayServegRPCContext) -> "Asked":
        if self.tls and not encrypted(context):
            raise Forbidden("this service is called over TLS, and not here")
        envelope = opened(headers(context), own_request_id(context))
        admission = await self.guard.admit(envelope, rpc.operation, host=host_of(context.peer()))
        fields = fields_of(parsed(rpc.request, data))
        check_sizes(fields, self.max_picture_bytes)
        core = self.core.within(envelope.timeout_s)
        return Asked(core=core, envelope=envelope, admission=admission, fields=fields)

    def _check_size(self, answer: Protobuf) -> None:
        size = answer.ByteSize()
        if size > self.max_message_bytes:
            limit = f"{self.max_message_bytes} bytes"
            raise TooLarge(f"the answer would be {size} bytes, but at most {limit} are sent", value=size, limit=limit)

    def _refuse(self, error: Exception, context: RayServegRPCContext, account: Account) -> None:
        request_id = headers(context).get(REQUEST_ID) or own_request_id(context)
        if not isinstance(error, ServiceError):
            self.logger.error("request %s failed", request_id, exc_info=error)
            error = fault(error)
        account.refused(error)
        refuse(error, context, request_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request: what it says, who waits for it, and the core as far as they wait."""

    core: Core
    envelope: Envelope
    admission: Admission
    fields: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rpc:
    """One call: the core's method that it comes to, its messages (of one that is watched, `answer` is the event)."""

    operation: str
    request: type[Protobuf]
    answer: type[Protobuf]
    call: Callable[[Asked], Any]


def headers(context: RayServegRPCContext) -> dict[str, str]:
    """The metadata of a call, without what is binary."""
    return {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}


def encrypted(context: RayServegRPCContext) -> bool:
    """Whether a call came over TLS."""
    return b"ssl" in context.auth_context().get("transport_security_type", ())


def host_of(peer: str) -> str | None:
    """The address in gRPC's name of a peer: `ipv4:127.0.0.1:5000`, `ipv6:[::1]:5000`; None for anything else."""
    kind, _, place = unquote(peer).partition(":")
    return place.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else None


def own_request_id(context: RayServegRPCContext) -> str:
    """The id that Serve gave to the call, which its logs have too."""
    return dict(context.trailing_metadata()).get("request_id") or uuid.uuid4().hex


def adopted(request_id: str) -> str:
    """The id, by which Serve knows the request from now on, here and in all that it asks. HTTP's is known anyway."""
    known = serving._get_serve_request_context()
    if known.request_id != request_id and sound(request_id):
        serving._serve_request_context.set(dataclasses.replace(known, request_id=request_id))
    return request_id


def refuse(error: ServiceError, context: RayServegRPCContext, request_id: str) -> None:
    """Put an error into the context: code, sentence, and trailers for programs."""
    context.set_code(grpc.StatusCode[error.grpc])
    context.set_details(error.detail[:MOST_DETAIL])
    trailers: list[Any] = [(REQUEST_ID, request_id), (STATUS_DETAILS, status(error, request_id).SerializeToString())]
    if error.retry_after_s is not None:
        trailers.append(("retry-after", str(error.retry_after_s)))
    context.set_trailing_metadata(trailers)


def status(error: ServiceError, request_id: str) -> Status:
    """An error as Google's APIs tell theirs."""
    metadata = {name: _text(value)[:MOST_DETAIL] for name, value in error.facts.items() if name != "errors"}
    told: list[Protobuf] = [
        ErrorInfo(reason=error.type, domain=DOMAIN, metadata=metadata),
        RequestInfo(request_id=request_id),
    ]
    if "limit" in metadata and "field" in metadata:
        problems = error.facts.get("errors", [metadata])[:MOST_VIOLATIONS]
        told.append(BadRequest(field_violations=[_violation(each) for each in problems]))
    if error.retry_after_s is not None:
        told.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
    details = []
    for each in told:
        packed = AnyProtobuf()
        packed.Pack(each)
        details.append(packed)
    code, _ = grpc.StatusCode[error.grpc].value
    return Status(code=code, message=error.detail[:MOST_DETAIL], details=details)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value, fallback=str).decode()


def _violation(problem: Mapping[str, str]) -> BadRequest.FieldViolation:
    told = f"is {problem.get('value', '')}, but must be {problem['limit']}"
    return BadRequest.FieldViolation(field=problem["field"][:200], description=told[:300])


def _event(kind: type[Protobuf], told: messages.Message) -> Protobuf:
    if isinstance(told, messages.Accepted):
        return kind(accepted=wire.Accepted())
    if isinstance(told, messages.Progress):
        return kind(progress=written(told, wire.Progress))
    answer = kind.DESCRIPTOR.fields_by_name["answer"].message_type
    return kind(answer=written(told, getattr(wire, answer.name)))


def _calling(method: str, kind: type[messages.Request]) -> Callable[[Asked], Any]:
    """The core's method of that name, with the request as such a message."""

    def call(asked: Asked) -> Any:
        message = checked(kind, asked.fields)
        asked.admission.check(message)
        return getattr(asked.core, method)(message, asked.envelope.request_id)

    return call


async def _put_item(asked: Asked) -> messages.PutItemAnswer:
    fields = dict(asked.fields)
    item_id = _item_id(fields)
    message = checked(messages.PutItemRequest, fields)
    token = asked.envelope.token(item_id, message)
    return await asked.core.put_item(item_id, message, asked.envelope.request_id, token=token)


async def _delete_item(asked: Asked) -> messages.DeleteItemAnswer:
    item_id = _item_id(dict(asked.fields))
    return await asked.core.delete_item(item_id, asked.envelope.request_id, token=asked.envelope.token(item_id))


async def _get_item(asked: Asked) -> messages.ItemAnswer:
    item_id, inline = _item_id(dict(asked.fields)), asked.fields.get("inline", False)
    return await asked.core.item(item_id, asked.envelope.request_id, inline=inline)


async def _get_release(asked: Asked) -> messages.ReleaseAnswer:
    return await asked.core.release(asked.envelope.request_id)


def _item_id(fields: dict[str, Any]) -> str:
    """Taken out of the fields: in HTTP it stands in the path."""
    given = {"item_id": fields.pop("item_id")} if "item_id" in fields else {}
    return checked(messages.ItemName, given).item_id


def _unary(operation: str, request: type[Protobuf], answer: type[Protobuf], call: Callable[[Asked], Any]) -> Any:
    rpc = Rpc(operation=operation, request=request, answer=answer, call=call)

    async def method(self: "GrpcFace", data: bytes, grpc_context: RayServegRPCContext) -> Protobuf:
        return await self.rpcs.answered(rpc, data, grpc_context)

    return method


def _posted(operation: str, request: type[Protobuf], answer: type[Protobuf], kind: type[messages.Request]) -> Any:
    return _unary(operation, request, answer, _calling(operation, kind))


def _watched(operation: str, request: type[Protobuf], event: type[Protobuf], kind: type[messages.Request]) -> Any:
    rpc = Rpc(operation=operation, request=request, answer=event, call=_calling("watch", kind))

    async def method(self: "GrpcFace", data: bytes, grpc_context: RayServegRPCContext) -> AsyncIterator[Protobuf]:
        async with aclosing(self.rpcs.told(rpc, data, grpc_context)) as telling:
            async for each in telling:
                yield each

    return method


class GrpcFace:
    """The methods that Serve calls, named as in services/protos/atelier.proto and as in grpc.health.v1."""

    rpcs: Rpcs

    Score = _posted("score", wire.ScoreRequest, wire.ScoreAnswer, messages.ScoreRequest)
    Recommend = _posted("recommend", wire.RecommendRequest, wire.RecommendAnswer, messages.RecommendRequest)
    Design = _posted("design", wire.DesignRequest, wire.DesignAnswer, messages.DesignRequest)
    Alter = _posted("alter", wire.AlterRequest, wire.AlterAnswer, messages.AlterRequest)
    Variations = _posted("variations", wire.VariationsRequest, wire.VariationsAnswer, messages.VariationsRequest)
    WatchDesign = _watched("design", wire.DesignRequest, wire.DesignEvent, messages.DesignRequest)
    WatchAlter = _watched("alter", wire.AlterRequest, wire.AlterEvent, messages.AlterRequest)
    WatchVariations = _watched("variations", wire.VariationsRequest, wire.VariationsEvent, messages.VariationsRequest)
    TryOn = _posted("try_on", wire.TryOnRequest, wire.TryOnAnswer, messages.TryOnRequest)
    Fitting = _posted("fitting", wire.FittingRequest, wire.FittingAnswer, messages.FittingRequest)
    PutItem = _unary("put_item", wire.PutItemRequest, wire.PutItemAnswer, _put_item)
    DeleteItem = _unary("delete_item", wire.DeleteItemRequest, wire.DeleteItemAnswer, _delete_item)
    GetItem = _unary("item", wire.GetItemRequest, wire.ItemAnswer, _get_item)
    GetRelease = _unary("release", wire.GetReleaseRequest, wire.ReleaseAnswer, _get_release)

    async def Check(self, data: bytes, grpc_context: RayServegRPCContext) -> HealthCheckResponse:
        """grpc.health.v1: whether every deployment has loaded a release."""
        return await self._health(data, grpc_context)

    async def List(self, data: bytes, grpc_context: RayServegRPCContext) -> HealthListResponse:
        """The same of every service."""
        health = await self._health(b"", grpc_context)
        return HealthListResponse(statuses=dict.fromkeys(SERVICES, health))

    async def Watch(self, data: bytes, grpc_context: RayServegRPCContext) -> AsyncIterator[HealthCheckResponse]:
        """The same, and again whenever it changes."""
        last = None
        try:
            with self.rpcs.watchers.one():
                while not grpc_context.code():
                    health = await self._health(data, grpc_context)
                    if health != last:
                        yield (last := health)
                    await asyncio.sleep(0 if grpc_context.code() else WATCH_S)
        except ServiceError as error:
            refuse(error, grpc_context, own_request_id(grpc_context))
            yield HealthCheckResponse()

    async def _health(self, data: bytes, grpc_context: RayServegRPCContext) -> HealthCheckResponse:
        try:
            service = parsed(HealthCheckRequest, data).service
            if service not in SERVICES:
                raise UnknownService(f"no service {service[:200]!r}", field="service", value=service[:200])
        except ServiceError as error:
            refuse(error, grpc_context, own_request_id(grpc_context))
            return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
        try:
            await self.rpcs.core.ready()
        except ServiceError:
            return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
        return HealthCheckResponse(status=HealthCheckResponse.SERVING)
