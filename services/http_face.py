"""The HTTP face: JSON under /v1, OpenAPI, health. It reads requests, asks the core, and writes answers."""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services import bodies, events, messages
from services.access import Admission, Guard
from services.accounts import Accounts
from services.checking import checked, refusal
from services.core import Core
from services.door import Door, Permits, account_of, problem_response
from services.errors import ServiceError, http_problem

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
ITEM = "/v1/items/{item_id:path}"
SCHEMAS = "#/components/schemas/{model}"
FORM_OVERHEAD = 2**20  # bytes of a body beside its pictures
UPLOADS = 4  # pictures of one request: person, worn, wanted, mask
BODY_S = 30.0  # for a whole body to arrive

Handler = Callable[[Request], Awaitable[Response]]


class Problem(BaseModel):
    """RFC 9457 problem details; errors of input also name the field, its value and its limit."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


def face(
    core: Core,
    *,
    guard: Guard,
    max_picture_bytes: int,
    permits: Permits,
    accounts: Accounts,
    logger: logging.Logger,
    body_s: float = BODY_S,
) -> "Face":
    """The ASGI application over a core."""
    door = functools.partial(
        Door,
        permits=permits,
        max_body_bytes=UPLOADS * (max_picture_bytes + 2) * 4 // 3 + FORM_OVERHEAD,
        max_body_s=body_s,
        logger=logger,
        open_paths=OPEN_PATHS,
        accounts=accounts,
        call_of=call_of,
    )
    app = Face(door)
    for path, kind, answer, method in CALLS:
        _post(app, core, guard, path, kind, answer, method, max_picture_bytes, logger)
    _items(app, core, guard, max_picture_bytes)
    _gets(app, core, guard)
    _problems(app)
    _describe_requests(app, [*(kind for _, kind, _, _ in CALLS), messages.PutItemRequest])
    return app


class Face(FastAPI):
    """Behind the door a call with a body goes straight to its handler; the rest, and the schema of all, is FastAPI's.

    What FastAPI does around a handler takes longer than a recommendation.
    """

    def __init__(self, door: Callable[[ASGIApp], ASGIApp]) -> None:
        super().__init__(title="Atelier", version="1", redoc_url=None)
        self.straight: dict[str, Handler] = {}  # by their paths
        self._door = door(self._behind_it)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's call."""
        await self._door(scope, receive, send)

    async def _behind_it(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = self.straight.get(scope["path"]) if scope.get("method") == "POST" else None
        if handle is None:
            return await super().__call__(scope, receive, send)
        response = await handle(Request(scope, receive))
        await response(scope, receive, send)


WATCHED = (
    messages.DesignRequest,
    messages.AlterRequest,
    messages.VariationsRequest,
)  # what tells how far it is where that is asked for

# Every call with a body: path, request, answer, and the core's method.
CALLS: tuple[tuple[str, type[messages.Request], type[messages.Answer], str], ...] = (
    ("/v1/score", messages.ScoreRequest, messages.ScoreAnswer, "score"),
    ("/v1/recommend", messages.RecommendRequest, messages.RecommendAnswer, "recommend"),
    ("/v1/design", messages.DesignRequest, messages.DesignAnswer, "design"),
    ("/v1/alter", messages.AlterRequest, messages.AlterAnswer, "alter"),
    ("/v1/variations", messages.VariationsRequest, messages.VariationsAnswer, "variations"),
    ("/v1/try-on", messages.TryOnRequest, messages.TryOnAnswer, "try_on"),
    ("/v1/fitting", messages.FittingRequest, messages.FittingAnswer, "fitting"),
)

METHODS = {path: method for path, _, _, method in CALLS} | {"/v1/release": "release"}
OF_ITEMS = {"PUT": "put_item", "DELETE": "delete_item", "GET": "item"}


def call_of(scope: Scope) -> str:
    """The core's method that a request is for; `other` for a page, and for what is not there."""
    if scope["path"].startswith(ITEM.partition("{")[0]):
        return OF_ITEMS.get(scope["method"], "other")
    return METHODS.get(scope["path"], "other")


def _post(
    app: Face,
    core: Core,
    guard: Guard,
    path: str,
    kind: type[messages.Request],
    answer: type[messages.Answer],
    method: str,
    max_picture_bytes: int,
    logger: logging.Logger,
) -> None:
    async def handle(request: Request) -> Response:
        admission = await admitted(guard, request, method)
        message = await bodies.read(request, kind, max_picture_bytes=max_picture_bytes)
        admission.check(message)
        patient, request_id = within(core, request), request.state.request_id
        if kind in WATCHED and events.wanted(request.headers.get("accept", "")):
            return await events.streamed(patient.watch(message, request_id), request.scope, logger)
        return written(request, await getattr(patient, method)(message, request_id))

    app.straight[path] = handle
    app.add_api_route(
        path,
        handle,
        methods=["POST"],
        name=path.rpartition("/")[2],
        description=kind.__doc__,
        response_model=answer,
        response_model_exclude_none=True,
        responses=_failures() | (_events() if kind in WATCHED else {}),
        openapi_extra={"requestBody": {"required": True, "content": _content(kind)}},
    )


def _items(app: FastAPI, core: Core, guard: Guard, max_picture_bytes: int) -> None:
    """The catalogue, item by item."""

    @app.put(
        ITEM,
        description=messages.PutItemRequest.__doc__,
        response_model=messages.PutItemAnswer,
        responses=_failures(),
        openapi_extra={"requestBody": {"required": True, "content": _content(messages.PutItemRequest)}},
    )
    async def put_item(request: Request, item_id: str) -> Response:
        await admitted(guard, request, "put_item")
        name = checked(messages.ItemName, {"item_id": item_id})
        message = await bodies.read(request, messages.PutItemRequest, max_picture_bytes=max_picture_bytes)
        token = request.state.envelope.token(name.item_id, message)
        patient = within(core, request)
        return written(request, await patient.put_item(name.item_id, message, request.state.request_id, token=token))

    @app.delete(ITEM, response_model=messages.DeleteItemAnswer, responses=_failures())
    async def delete_item(request: Request, item_id: str) -> Response:
        """Take an item out of the catalogue. Once more is fine."""
        await admitted(guard, request, "delete_item")
        token = request.state.envelope.token(item_id)
        return written(request, await within(core, request).delete_item(item_id, request.state.request_id, token=token))

    @app.get(ITEM, response_model=messages.ItemAnswer, responses=_failures())
    async def item(request: Request, item_id: str, inline: Annotated[bool, Query()] = False) -> Response:
        """One catalogue entry."""
        await admitted(guard, request, "item")
        return written(request, await within(core, request).item(item_id, request.state.request_id, inline=inline))


def _gets(app: FastAPI, core: Core, guard: Guard) -> None:
    @app.get("/v1/release", response_model=messages.ReleaseAnswer, responses=_failures())
    async def release(request: Request) -> Response:
        """What serves."""
        await admitted(guard, request, "release")
        return written(request, await within(core, request).release(request.state.request_id))

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """Whether this gateway answers."""
        return JSONResponse({"alive": True})

    @app.get("/readyz", responses=_failures())
    async def readyz() -> JSONResponse:
        """Whether every deployment has loaded a release: which."""
        return JSONResponse({"ready": True, "deployments": await core.ready()})


async def admitted(guard: Guard, request: Request, operation: str) -> Admission:
    """Whoever sent the request, if they may, before its body is read. Raises as the guard does."""
    host = None if request.client is None else request.client.host
    return await guard.admit(request.state.envelope, operation, host=host)


def within(core: Core, request: Request) -> Core:
    """The core, for as long as the request's client waits."""
    return core.within(request.state.envelope.timeout_s)


def written(request: Request, answer: messages.Answer) -> Response:
    """The answer as JSON, without the fields that have no value."""
    account_of(request.scope).answered(answer)
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _problems(app: FastAPI) -> None:
    """Every error as a problem: ours, those of query and path, and those of the web framework."""

    @app.exception_handler(ServiceError)
    async def ours(request: Request, error: ServiceError) -> Response:
        return problem_response(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem_response(refusal(error.errors()), request.scope)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        response = problem_response(http_problem(error.status_code, str(error.detail)), request.scope)
        response.headers.update(error.headers or {})
        return response


def _failures() -> dict[int | str, dict[str, Any]]:
    return {"default": {"model": Problem, "content": {"application/problem+json": {}}}}


def _events() -> dict[int | str, dict[str, Any]]:
    """The other form of an answer, in OpenAPI's words."""
    told = "events `progress`, each a Progress; at last `answer` with what is otherwise the body, or `problem`"
    content = {events.MEDIA_TYPE: {"schema": {"type": "string", "description": told}}}
    return {200: {"description": "The answer, or the way to it where Accept asks for events", "content": content}}


def _content(kind: type[messages.Request]) -> dict[str, Any]:
    """How a request may be sent, in OpenAPI's words."""
    reference = {"$ref": SCHEMAS.format(model=kind.__name__)}
    parts = [name for name in bodies.PICTURES if name in kind.model_fields]
    content: dict[str, Any] = {bodies.JSON: {"schema": reference}}
    if parts:
        files = {name: {"type": "string", "format": "binary"} for name in parts}
        form = {"type": "object", "properties": {bodies.REQUEST: reference, **files}}
        content[bodies.FORM] = {
            "schema": form,
            "encoding": {bodies.REQUEST: {"contentType": bodies.JSON}},
        }
    return content


def _describe_requests(app: FastAPI, kinds: list[type[messages.Request]]) -> None:
    """Put the schemas of the requests, which the routes read by themselves, beside those of the answers."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generated()
            shown = [*((kind, "validation") for kind in kinds), (messages.Progress, "serialization")]
            _, ours = models_json_schema(shown, ref_template=SCHEMAS)
            schema["components"]["schemas"].update(ours["$defs"])
        return app.openapi_schema or schema

    app.openapi = openapi  # type: ignore[method-assign]
