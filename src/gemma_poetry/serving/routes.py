"""The routes of the HTTP API.

In: a `Service`. Out: the application, gate and all: `/v1/poems`, `/v1/check`, `/v1/tunes`, `/v1/models`,
`/v1/chat/completions`, `/health`, `/openapi.json` and a page of it at `/docs`.

A poem is chosen among many that are written at once, and may be begun anew behind a dead end: its lines are final only when
it is. So a stream gives the lines of each poem when that poem is decided, poem after poem; what goes wrong before the first
has a status of its own, what goes wrong later is the last thing in the stream.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from gemma_poetry.errors import EndingError, FullError, GemmaPoetryError, UnknownFormError, UsageError
from gemma_poetry.generation.written import Written
from gemma_poetry.languages import _, listed
from gemma_poetry.serving.batching import Order
from gemma_poetry.serving.bodies import ChatBody, CheckBody, PoemBody
from gemma_poetry.serving.chat import wish_of
from gemma_poetry.serving.guard import Guard
from gemma_poetry.serving.problems import problem_body, problem_of, refusal_body
from gemma_poetry.serving.reference_page import reference_page
from gemma_poetry.serving.service import AskerLeftError, Service, too_late

_LEFT = 499
"""What the log says of a request whose asker closed the connection."""

_MOST_FAULTS = 20
_CHECKS_AT_ONCE = 2

_Encode = Callable[[str, dict[str, Any]], str]


async def _departure(request: Request) -> AsyncIterator[asyncio.Future[None]]:
    """Is done when whoever asked closes the connection."""

    async def wait() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.ensure_future(wait())
    try:
        yield gone
    finally:
        gone.cancel()


_Gone = Annotated[Any, Depends(_departure)]


def application(service: Service, version: str = "") -> Guard:
    """The application that a server runs."""
    app = FastAPI(
        title="Gemma Chinese Poetry",
        version=version or "0",
        description="Classical Chinese poems whose form, tones and rhyme cannot be wrong.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            422: {"description": "A wish that cannot be granted, or a field that is wrong"},
            429: {"description": "Too many requests wait"},
            503: {"description": "The server is ending"},
            504: {"description": "The time of the request is over"},
        },
    )
    _add_problems(app, service)
    _add_knowledge(app, service)
    _add_poems(app, service)
    return Guard(app, key=service.key, names=service.names, ending=lambda: service.batcher.closed)


def _add_problems(app: FastAPI, service: Service) -> None:
    async def own(request: Request, error: Exception) -> Response:
        status, body = problem_of(error)
        waits = {"Retry-After": str(service.batcher.seconds_to_wait)} if isinstance(error, (FullError, EndingError)) else None
        return JSONResponse(body, status, waits)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            return JSONResponse(refusal_body(400), 400)
        return JSONResponse(problem_body(_field_error(error), 422), 422)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse(refusal_body(error.status_code), error.status_code, error.headers)

    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=_LEFT)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(AskerLeftError, left)
    app.add_exception_handler(GemmaPoetryError, own)
    app.add_exception_handler(Exception, own)


def _field_error(error: RequestValidationError) -> UsageError:
    faults = error.errors()
    described = []
    for fault in faults[:_MOST_FAULTS]:
        place = ".".join(str(part) for part in fault["loc"][1:])
        described.append(f"{place[:80] or 'body'}: {fault['msg']}"[:300])
    if len(faults) > _MOST_FAULTS:
        described.append(_("and {count:,} more", count=len(faults) - _MOST_FAULTS))
    return UsageError(
        listed(described, "\n"), expected=_("the fields and types of /openapi.json"), action=_("mend the fields that are named")
    )


def _add_knowledge(app: FastAPI, service: Service) -> None:
    # Checking takes the same processor as writing: many at once would hold up everybody.
    turns = asyncio.Semaphore(_CHECKS_AT_ONCE)

    @app.get("/health", tags=["server"])
    async def health() -> JSONResponse:
        """Whether the server takes requests (200) or is ending (503), and how many there are; asks for no key."""
        line = service.batcher
        state = {"status": "ending" if line.closed else "ok", "model": service.name}
        return JSONResponse({**state, "waiting": line.waiting, "writing": line.writing}, 503 if line.closed else 200)

    @app.get("/v1/models", tags=["server"])
    async def models() -> dict[str, Any]:
        """The model, in the usual shape."""
        return {"object": "list", "data": [{"id": service.name, "object": "model", "created": 0, "owned_by": "gemma-poetry"}]}

    @app.get("/v1/tunes", tags=["tunes"])
    def tunes() -> dict[str, Any]:
        """The tunes (词牌, 曲牌) that have a template, with their variants."""
        return {"tunes": service.tunes()}

    @app.get("/v1/tunes/{name}", tags=["tunes"], responses={404: {"description": "No tune is called so"}})
    def tune(name: str, book: str = "") -> Any:
        """One tune: its variants with tones and rhymes; by a rhyme book also its groups, and the exemplar's verdict."""
        try:
            return service.tune(name[:100], book[:100])
        except UnknownFormError as error:
            return JSONResponse(problem_body(error, 404), 404)

    @app.post("/v1/check", tags=["poems"])
    async def check(body: CheckBody, request: Request) -> dict[str, Any]:
        """What is right and wrong with each poem of a text, as `gemma-poetry check --json` tells it."""
        try:
            async with asyncio.timeout(service.time_limit), turns:
                poems = await run_in_threadpool(service.check, body.text, body.form, body.feature, body.book)
        except TimeoutError:
            raise too_late(service.time_limit) from None
        _count(request, poems=len(poems))
        return {"poems": poems}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))


def _add_poems(app: FastAPI, service: Service) -> None:
    @app.post("/v1/poems", tags=["poems"])
    async def poems(body: PoemBody, request: Request, gone: _Gone) -> Response:
        """Poems, as `gemma-poetry generate --json` tells them; `seed` is null where none was asked for.

        With `stream`: lines of JSON, or server-sent events where `Accept` asks for `text/event-stream`: for each poem its
        lines (`event: line`) and its record (`event: poem`), then `event: end`, or `event: error`.
        """
        order = await run_in_threadpool(service.order, body)
        if body.stream:
            sse = "text/event-stream" in request.headers.get("accept", "")
            encode = _as_sse if sse else _as_line
            kind = "text/event-stream" if sse else "application/x-ndjson"
            return await _streamed(service, order, request, gone, kind, _line_events(encode))
        async with aclosing(service.written(order, gone)) as written:
            records = [_record(one, order) async for one in written]
        _count(request, poems=len(records))
        return JSONResponse({"model": service.name, "seed": order.seed, "poems": records})

    @app.post("/v1/chat/completions", tags=["poems"], responses={404: {"description": "No model is called so"}})
    async def chat(body: ChatBody, request: Request, gone: _Gone) -> Response:
        """A poem for the last message of the user: a form by its name (else 七绝), a title, `words: …` (docs/serving.md)."""
        if body.model not in (None, "", service.name):
            missing = UsageError(
                _("no model is called {model!r}", model=body.model), expected=service.name, action=_("ask /v1/models")
            )
            return JSONResponse(problem_body(missing, 404), 404)
        order = await run_in_threadpool(lambda: service.order(wish_of(body, service.forms)))
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": service.name}
        if body.stream:
            return await _streamed(service, order, request, gone, "text/event-stream", _chat_chunks(head))
        async with aclosing(service.written(order, gone)) as written:
            texts = [str(one) async for one in written]
        _count(request, poems=len(texts))
        choices = [
            {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for number, text in enumerate(texts)
        ]
        return JSONResponse({**head, "object": "chat.completion", "choices": choices})


async def _streamed(
    service: Service,
    order: Order,
    request: Request,
    gone: asyncio.Future[None],
    kind: str,
    encode: Callable[[int, Written | GemmaPoetryError | None, Order], Iterator[str]],
) -> StreamingResponse:
    """An answer that gives each poem when it is final; it begins with the first, whose error is the answer's own.

    Args:
        service: What writes.
        order: What is asked for.
        request: Whose request it is.
        gone: Is done when whoever asked has left.
        kind: The content type.
        encode: What stands in the stream for a poem and its number (from 0), for an error, and (`None`) for the end.
    """
    written = service.written(order, gone)
    first = await anext(written)

    async def parts() -> AsyncIterator[str]:
        async with aclosing(written):
            number = 0
            try:
                for part in encode(0, first, order):
                    yield part
                async for poem in written:
                    number += 1
                    for part in encode(number, poem, order):
                        yield part
            except AskerLeftError:
                return
            except Exception as error:
                _unused, body = problem_of(error)
                told = error if isinstance(error, GemmaPoetryError) else GemmaPoetryError(body["error"]["found"])
                for part in encode(number + 1, told, order):
                    yield part
                return
            _count(request, poems=number + 1)
            for part in encode(number, None, order):
                yield part

    return StreamingResponse(parts(), media_type=kind)


def _line_events(encode: _Encode) -> Callable[[int, Written | GemmaPoetryError | None, Order], Iterator[str]]:
    """The events of `/v1/poems`; poems and lines count from 1."""

    def events(number: int, told: Written | GemmaPoetryError | None, order: Order) -> Iterator[str]:
        if told is None:
            yield encode("end", {"poems": number + 1})
        elif isinstance(told, GemmaPoetryError):
            yield encode("error", problem_body(told, problem_of(told)[0]))
        else:
            for line, (text, mark) in enumerate(zip(told.poem.lines, told.poem.marks), 1):
                yield encode("line", {"poem": number + 1, "line": line, "text": text + mark})
            yield encode("poem", {"poem": number + 1, "record": _record(told, order)})

    return events


def _chat_chunks(head: dict[str, Any]) -> Callable[[int, Written | GemmaPoetryError | None, Order], Iterator[str]]:
    """The chunks of `/v1/chat/completions`, a line of the poem each."""

    def chunk(number: int, delta: dict[str, Any], reason: str | None = None) -> str:
        choices = [{"index": number, "delta": delta, "finish_reason": reason}]
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': choices}, ensure_ascii=False)}\n\n"

    def chunks(number: int, told: Written | GemmaPoetryError | None, order: Order) -> Iterator[str]:
        if told is None:
            yield "data: [DONE]\n\n"
        elif isinstance(told, GemmaPoetryError):
            yield f"data: {json.dumps(problem_body(told, problem_of(told)[0]), ensure_ascii=False)}\n\n"
        else:
            yield chunk(number, {"role": "assistant", "content": ""})
            for line in str(told).splitlines(keepends=True):
                yield chunk(number, {"content": line})
            yield chunk(number, {}, "stop")

    return chunks


def _as_line(event: str, value: dict[str, Any]) -> str:
    return json.dumps({"event": event, **value}, ensure_ascii=False) + "\n"


def _as_sse(event: str, value: dict[str, Any]) -> str:
    return f"event: {event}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"


def _record(written: Written, order: Order) -> dict[str, Any]:
    """The record of a poem; a seed that nobody asked for was that of a whole decoding, and would not give it again."""
    return {**written.to_record(), "seed": order.seed}


def _count(request: Request, **counts: int) -> None:
    """Counts that the log tells of a request."""
    request.scope.setdefault("counts", {}).update(counts)
