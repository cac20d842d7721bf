"""Served models -> a FastAPI application that OpenAI's clients talk to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from callwright.errors import MissingExtra
from callwright.serve.desk import Desk, Settings
from callwright.serve.door import Door
from callwright.serve.prepare import Served
from callwright.serve.refusal import RefusalError
from callwright.serve.wire import ChatRequest, CompletionRequest
from callwright.types import JsonObject

try:
    from fastapi import FastAPI, Request, Response
    from fastapi.responses import FileResponse
    from fastapi.staticfiles import StaticFiles
except ImportError:
    raise MissingExtra("serve", "fastapi") from None

_PAGE = Path(__file__).parent / "playground"
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def make_app(models: Sequence[Served], settings: Settings | None = None) -> Any:
    """The application. Raises MissingExtra."""
    settings = settings or Settings()
    desk = Desk(models, settings)

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.batcher.close, settings.patience)

    app = FastAPI(title="Callwright", docs_url=None, redoc_url=None, lifespan=running)
    app.add_middleware(Door, keys=settings.keys, longest=settings.limits.body, metrics=desk.metrics)

    @app.exception_handler(RefusalError)
    async def refused(_: Request, refusal: RefusalError) -> Response:
        headers = {"Retry-After": "1"} if refusal.status == 429 else {}
        return Response(json.dumps(refusal.body), refusal.status, headers, "application/json")

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def unknown(request: Request, error: Any) -> Response:
        what = f"there is no {request.method} {request.url.path[:200]}"
        return Response(
            json.dumps(RefusalError(error.status_code, what).body), error.status_code, None, "application/json"
        )

    @app.get("/health")
    async def health() -> JsonObject:
        return {"status": "ok", "running": desk.batcher.running, "waiting": desk.batcher.waiting}

    @app.get("/metrics")
    async def metrics() -> Any:
        desk.metrics.running.set(desk.batcher.running)
        desk.metrics.waiting.set(desk.batcher.waiting)
        text, kind = desk.metrics.page()
        return Response(text, media_type=kind)

    @app.get("/v1/models")
    async def listed() -> JsonObject:
        return {"object": "list", "data": [_card(served) for served in models]}

    @app.get("/v1/models/{name:path}")
    async def card(name: str) -> JsonObject:
        return _card(desk.served(name))

    @app.post("/v1/chat/completions", openapi_extra=_documented(ChatRequest))
    async def chat(request: Request) -> Any:
        return await desk.chat(request)

    @app.post("/tokenize", openapi_extra=_documented(ChatRequest))
    async def tokenize(request: Request) -> Any:
        return await desk.tokenize(request)

    @app.post("/v1/completions", openapi_extra=_documented(CompletionRequest))
    async def completions(request: Request) -> Any:
        return await desk.completions(request)

    if _PAGE.is_dir():

        @app.get("/", include_in_schema=False)
        async def page() -> Any:
            return FileResponse(_PAGE / "index.html", headers=_HEADERS)

        app.mount("/playground", StaticFiles(directory=_PAGE))
    return app


def _card(served: Served) -> JsonObject:
    return {"id": served.name, "object": "model", "created": served.created, "owned_by": "callwright"}


def _documented(body: Any) -> JsonObject:
    """For the OpenAPI document: bodies are read by `read_body`, whose errors are OpenAI's."""
    schema = body.model_json_schema()
    parts = schema.pop("$defs", {})
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(schema, parts)}}},
        "responses": {str(status): {"description": "refused"} for status in (400, 401, 404, 408, 413, 429, 503, 504)},
    }


def _inlined(schema: Any, parts: JsonObject) -> Any:
    """References replaced by what they stand for: these schemas have no loops, and FastAPI knows nothing of them."""
    if isinstance(schema, list):
        return [_inlined(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(value, parts) for key, value in schema.items()}
