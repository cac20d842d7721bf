"""The door: a request's key, its size, and how long it may take to arrive; what is logged and counted of it."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from callwright.serve.metrics import Metrics
from callwright.serve.refusal import RefusalError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger("callwright.serve")
_OPEN = frozenset({"/", "/health"})
_ARRIVAL_S = 30.0
_UNANSWERED = 499


class Door:
    """ASGI middleware. keys: any of them opens; none at all leaves the door open."""

    def __init__(self, app: Any, keys: Sequence[str], longest: int, metrics: Metrics) -> None:
        self._app, self._longest, self._metrics = app, longest, metrics
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """As ASGI asks."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), _UNANSWERED

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            body = await self._body(receive)
        except RefusalError as refusal:
            await _refuse(refusal, noted)
        else:
            await self._app(scope, _again(body, receive), noted)
        finally:
            seconds = time.perf_counter() - start
            route = scope.get("route")
            path = getattr(route, "path", "other")
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            # never what was said
            _log.info(json.dumps({"path": path, "status": status, "ms": round(seconds * 1000, 1)}))

    def _check(self, scope: Message) -> None:
        headers = dict(scope["headers"])
        if self._keys and scope["path"] not in _OPEN and not scope["path"].startswith("/playground/"):
            given = headers.get(b"authorization", b"").removeprefix(b"Bearer ").strip()
            # all of them, always: how long it takes says nothing
            if not sum([hmac.compare_digest(given, key) for key in self._keys]):
                raise RefusalError(401, "no valid API key; send 'Authorization: Bearer KEY'", code="invalid_api_key")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._longest:
            raise self._too_long()

    async def _body(self, receive: Receive) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(_ARRIVAL_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._longest:
                        raise self._too_long()
                    parts.append(part)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise RefusalError(408, f"the body did not arrive within {_ARRIVAL_S:g} seconds") from None
        return b"".join(parts)

    def _too_long(self) -> RefusalError:
        return RefusalError(413, f"the body is longer than {self._longest:,} bytes; send less")


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, and then what comes."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _refuse(refusal: RefusalError, send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(refusal.body).encode()})
