"""A Review -> a page on this machine alone, and the few requests that it makes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from callwright.data import TO_WRITE, canonical
from callwright.data.fields import tools_json
from callwright.errors import DataError, MissingExtra
from callwright.review.findings import Finding
from callwright.review.store import Decision, Review, StaleError, UnfitError
from callwright.types import JsonObject

if TYPE_CHECKING:
    from fastapi import FastAPI

Given = TypeVar("Given")

_PAGE = Path(__file__).parent / "page"
_HOSTS = ("127.0.0.1", "localhost")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_LONGEST_TITLE = 160


def make_app(review: Review, name: str) -> Any:
    """The FastAPI application; `name` is what the page calls the file. Raises MissingExtra.

    A decision is on the disk before it is answered. The output follows soon after, and when the server ends.
    """
    try:
        from fastapi import FastAPI, Request, Response
        from fastapi.responses import FileResponse
        from fastapi.staticfiles import StaticFiles
    except ImportError:
        raise MissingExtra("serve", "fastapi") from None

    saver = Saver(review)

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[None]:
        saver.start()
        yield
        saver.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)

    def answer(value: object, status: int = 200) -> Response:
        # ASCII: a lone surrogate in a row has an escape, but no UTF-8
        return Response(json.dumps(value), status, media_type="application/json")

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        why = refusal(request.method, dict(request.headers))
        response = answer({"why": why}, 403) if why else await go_on(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(DataError)
    async def refused(_: Request, error: DataError) -> Response:
        found = [_finding(each) for each in error.found] if isinstance(error, UnfitError) else []
        return answer({"why": error.what, "findings": found}, 409 if isinstance(error, StaleError) else 422)

    @app.get("/")
    def page() -> Any:
        return FileResponse(_PAGE / "index.html")

    _add_requests(app, review, _Answers(review, saver, name), answer)
    app.mount("/page", StaticFiles(directory=_PAGE))
    return app


def _add_requests(app: FastAPI, review: Review, answers: _Answers, answer: Callable[[object], Any]) -> None:
    """What the page asks for. Plain functions: each runs in a thread, where the disk may take its time."""

    @app.get("/api/state")
    def state() -> Any:
        return answer(answers.state())

    @app.get("/api/changes")
    def changes(since: int) -> Any:
        return answer(answers.changes(since))

    @app.get("/api/rows/{key}")
    def row(key: str) -> Any:
        return answer(answers.row(key))

    @app.post("/api/check/{key}")
    def check(key: str, body: dict[str, Any]) -> Any:
        found = review.check(key, _given(body, "row", dict), body.get("like"))
        return answer({"findings": [_finding(each) for each in found]})

    @app.post("/api/rows/{key}")
    def decide(key: str, body: dict[str, Any]) -> Any:
        version, keep = _given(body, "version", int), _given(body, "keep", bool)
        row = _given(body, "row", dict) if body.get("row") is not None else None
        return answer(answers.decided(review.decide(key, version, keep, row, body.get("like"))))

    @app.post("/api/undo")
    def undo(body: dict[str, Any]) -> Any:
        return answer(answers.undone(review.undo(_given(body, "version", int))))


@dataclass(frozen=True)
class _Answers:
    """What the page is told."""

    review: Review
    saver: Saver
    name: str

    def state(self) -> JsonObject:
        review = self.review
        # what the page keeps unsaved edits under: it tells one review from another at the same address
        own = hashlib.sha256(str(review.output.absolute()).encode()).hexdigest()[:16]
        about = {"file": self.name, "output": str(review.output), "id": own, "tools": tools_json(review.tools)}
        return {**about, "rows": [_listed(review.latest(key)) for key in review.keys()], **self.news()}  # noqa: SIM118

    def changes(self, since: int) -> JsonObject:
        there = set(self.review.keys())
        changed = self.review.changed_since(since)
        rows = [_listed(self.review.latest(key)) for key in changed if key in there]
        return {"rows": rows, "gone": [key for key in changed if key not in there], **self.news()}

    def row(self, key: str) -> JsonObject:
        """The row itself is text within the JSON: the page reads that with its numbers as they are written."""
        now = self.review.latest(key)
        shown = _editable(now)
        return {
            **{"key": key, "status": now.status, "version": now.version, "id": now.row.id},
            "row": json.dumps(shown),
            "todo": now.row.provenance.get(TO_WRITE) if now.status == "todo" else None,
            "tools": tools_json(now.row.tools) if now.row.tools else None,
            "findings": [_finding(found) for found in self.review.check(key, shown)],
        }

    def decided(self, decision: Decision) -> JsonObject:
        self.saver.wake()
        return {"row": _listed(decision), **self.news()}

    def undone(self, undone: Decision) -> JsonObject:
        self.saver.wake()
        edited = json.dumps(_editable(undone)) if undone.status in ("corrected", "written") else None
        return {"key": undone.key, "row": edited, **self.news()}

    def news(self) -> JsonObject:
        last = self.review.last()
        undo = {"version": last.version, "key": last.key, "status": last.status} if last else None
        version, progress = self.review.version, self.review.progress()
        return {"version": version, "progress": progress, "undo": undo, "trouble": self.saver.trouble}


def refusal(method: str, headers: dict[str, str]) -> str:
    """Why a request is not this page's own, or "". `headers` by their names in lower case.

    A name that another site points here (DNS rebinding) has that site's Host; a form or script of another site has its
    Origin; and what changes something must be JSON, which no plain form can send.
    """
    host = headers.get("host", "")
    try:
        known = urlsplit(f"//{host}").hostname in _HOSTS
    except ValueError:
        known = False
    if not known:
        return "this server answers to 127.0.0.1 and localhost only"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return "this request comes from another site"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and method != "GET":
        return "this request comes from another site"
    if method not in ("GET", "HEAD"):
        if origin is None:
            return "a request without an origin changes nothing"
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return "send JSON"
    return ""


class Saver:
    """Writes the output in its own thread, soon after a decision; what is not in it yet is in the journal."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._wanted = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.trouble = ""

    def start(self) -> None:
        """Begins, with what an earlier session may have left unwritten."""
        self._wanted.set()
        self._thread.start()

    def wake(self) -> None:
        """Something was decided."""
        self._wanted.set()

    def stop(self) -> None:
        """Ends, and writes what is left."""
        self._ending.set()
        self._wanted.set()
        self._thread.join()
        self._save()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wanted.wait()
            self._wanted.clear()
            began = time.monotonic()
            self._save()
            # large files take long to write: no more than a fifth of the time goes there
            self._ending.wait(0.2 + 4 * (time.monotonic() - began))

    def _save(self) -> None:
        if not self._review.version:
            return
        try:
            self._review.save()
            self.trouble = ""
        except (DataError, OSError) as error:
            self.trouble = f"{error}; decisions are safe in {self._review.journal.path}"


def _listed(decision: Decision) -> list[str]:
    """A row as the list of rows shows it."""
    row = decision.row
    said = next((message.text for message in row.messages if message.role == "user"), "")
    title = " ".join(said.split())[:_LONGEST_TITLE]
    if not title:
        title = str(row.provenance.get(TO_WRITE, "")) or row.id
    return [decision.key, decision.status, title]


def _editable(decision: Decision) -> JsonObject:
    row = canonical.to_row(decision.row)
    return {"messages": row["messages"], "source": row["source"]}


def _given(body: JsonObject, name: str, kind: type[Given]) -> Given:
    value = body.get(name)
    if type(value) is not kind:
        raise DataError("request", f"'{name}' must be of type {kind.__name__}")
    return value


def _finding(found: Finding) -> JsonObject:
    return {"path": list(found.path), "why": found.why, "severity": found.severity}
