"""Requests that were let in -> the batcher, and its answers back: whole, or as server-sent events."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from callwright.errors import CallwrightError, EngineError, did_you_mean
from callwright.generate.batcher import Batcher, BusyError, News, Ticket
from callwright.generate.reply import Completion
from callwright.serve.answer import ChatStream, TokenTexts, extras, finish_reason, message_of, old_logprobs, usage
from callwright.serve.limits import Limits
from callwright.serve.metrics import Metrics
from callwright.serve.prepare import Job, Served, chat_job, completion_jobs
from callwright.serve.refusal import RefusalError
from callwright.serve.wire import Body, ChatRequest, CompletionRequest, read_body
from callwright.types import JsonObject

Numbered = tuple[int, News]
"""News, and the number of the reply that it is of."""

_log = logging.getLogger("callwright.serve")


@dataclass(frozen=True)
class Settings:
    """Of a server. keys: any of them opens; none at all lets everybody in. timeout: seconds for a whole reply.
    waiting: requests that may wait for room; one more is told to come again. patience: seconds for those that are being
    answered, when the server is asked to end."""

    keys: Sequence[str] = ()
    timeout: float = 300.0
    waiting: int = 256
    patience: float = 30.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class _Done:
    """A reply: how it ended, and its tokens as they came."""

    job: Job
    completion: Completion
    news: Sequence[News]


class Desk:
    """Takes requests to the batcher and its answers back."""

    def __init__(self, models: Sequence[Served], settings: Settings) -> None:
        self._models = {served.name: served for served in models}
        self._settings = settings
        self.metrics = Metrics()
        self.batcher = Batcher({served.name: served.engine for served in models}, waiting=settings.waiting)

    def served(self, name: str) -> Served:
        """A model by its name. Raises RefusalError (404)."""
        found = self._models.get(name)
        if found is None:
            near = did_you_mean(name, self._models) or f"; there are {', '.join(self._models)}"
            raise RefusalError(404, f"there is no model {name[:200]!r}{near}", "model", "model_not_found")
        return found

    async def chat(self, request: Any) -> Any:
        """`POST /v1/chat/completions`. Raises RefusalError."""
        body = await _read(request, ChatRequest)
        served = self.served(body.model)
        job = await asyncio.to_thread(chat_job, body, served, self._settings.limits)
        about = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": served.name}
        asked = self._ask(served, [job])
        if body.stream:
            include = bool(body.stream_options and body.stream_options.include_usage)
            about |= {"object": "chat.completion.chunk"} | ({"usage": None} if include else {})
            return await self._streamed(request, asked, ChatStream, about)
        done = await self._whole(request, asked)
        choices = [_choice(served, index, one) for index, one in enumerate(done)]
        return about | {
            "object": "chat.completion",
            "choices": choices,
            "usage": usage([job], [one.completion for one in done]),
        }

    async def tokenize(self, request: Any) -> Any:
        """`POST /tokenize`: the prompt of a chat as vLLM tells it, with its text. Raises RefusalError."""
        body = await _read(request, ChatRequest)
        served = self.served(body.model)
        prompt = (await asyncio.to_thread(chat_job, body, served, self._settings.limits)).prompt
        tokens = [int(token) for token in prompt.token_ids]
        return {"count": len(tokens), "max_model_len": served.context, "tokens": tokens, "prompt": prompt.text}

    async def completions(self, request: Any) -> Any:
        """`POST /v1/completions`. Raises RefusalError."""
        body = await _read(request, CompletionRequest)
        served = self.served(body.model)
        jobs = await asyncio.to_thread(completion_jobs, body, served)
        about = {"id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time())}
        about |= {"model": served.name}
        asked = self._ask(served, jobs)
        if body.stream:
            include = bool(body.stream_options and body.stream_options.include_usage)
            return await self._streamed(request, asked, TextChoice, about | ({"usage": None} if include else {}))
        done = await self._whole(request, asked)
        choices = []
        for index, one in enumerate(done):
            text = (one.job.prompt.text if body.echo else "") + one.completion.text
            tokens = [token for part in one.news for token in part.tokens]
            logprobs = old_logprobs(served, one.job, tokens) if one.job.logprobs else None
            reason = finish_reason(one.completion.ending, 0)
            choices.append({"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason})
        return about | {"choices": choices, "usage": usage(jobs, [one.completion for one in done])}

    def _ask(self, served: Served, jobs: Sequence[Job]) -> _Asked:
        """All replies of some jobs, under way. Raises RefusalError."""
        asked = _Asked(served, [job for job in jobs for _ in range(job.count)], self.batcher)
        try:
            for number, job in enumerate(asked.jobs):
                # replies to one prompt differ by their number
                asked.submit(job, number)
        except BusyError as error:
            asked.cancel()
            raise RefusalError(429, str(error), code="queue_full") from None
        except EngineError as error:
            asked.cancel()
            raise RefusalError(503, str(error)) from None
        return asked

    async def _whole(self, request: Any, asked: _Asked) -> list[_Done]:
        """Every reply, with its tokens. Raises RefusalError."""
        found: list[list[News]] = [[] for _ in asked.jobs]
        try:
            async with self._in_time(), _unless_gone(request):
                async for index, news in self._news(asked):
                    found[index].append(news)
        finally:
            asked.cancel()
        done = []
        for job, parts in zip(asked.jobs, found, strict=True):
            completion = parts[-1].completion
            assert completion is not None
            done.append(_Done(job, completion, parts))
        return done

    async def _streamed(self, request: Any, asked: _Asked, kind: Any, about: JsonObject) -> Any:
        """Server-sent events. The first news is waited for: what fails at once has a status of its own."""
        from fastapi.responses import StreamingResponse

        news = self._news(asked)
        try:
            async with self._in_time(), _unless_gone(request):
                first = await anext(news)
        except BaseException:
            asked.cancel()
            raise
        return StreamingResponse(self._events(asked, first, news, kind, about), media_type="text/event-stream")

    async def _events(
        self,
        asked: _Asked,
        first: tuple[int, News],
        rest: AsyncIterator[Numbered],
        kind: Any,
        about: JsonObject,
    ) -> AsyncIterator[str]:
        streams = [kind(asked.served, job) for job in asked.jobs]
        done = []
        try:
            async with self._in_time():
                for index, stream in enumerate(streams):
                    for choice in stream.open():
                        yield _event(about | {"choices": [{"index": index} | choice]})
                async for index, news in _behind(first, rest):
                    for choice in streams[index].feed(news):
                        yield _event(about | {"choices": [{"index": index} | choice]})
                    if news.completion is not None:
                        done.append(news.completion)
            if "usage" in about:
                yield _event(about | {"choices": [], "usage": usage(asked.jobs[:1], done)})
            yield "data: [DONE]\n\n"
        except RefusalError as refusal:
            yield _event(refusal.body)
        finally:
            asked.cancel()

    async def _news(self, asked: _Asked) -> AsyncIterator[Numbered]:
        """What comes, by the number of the reply, until all have ended. Raises RefusalError for one that failed."""
        left = len(asked.jobs)
        start, first = time.perf_counter(), True
        while left:
            index, news = await asked.news.get()
            if first:
                self.metrics.first.observe(time.perf_counter() - start)
                first = False
            if news.error is not None:
                raise _failed(news.error)
            if news.completion is not None:
                left -= 1
                self.metrics.completed(len(asked.jobs[index].prompt.token_ids), news.completion)
            yield index, news

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.timeout):
                yield
        except TimeoutError:
            what = f"the reply took longer than {self._settings.timeout:g} seconds; ask for fewer tokens"
            raise RefusalError(504, what) from None


class _Asked:
    """Replies under way, and their news. They are cancelled when nobody waits any more."""

    def __init__(self, served: Served, jobs: Sequence[Job], batcher: Batcher) -> None:
        self.served, self.jobs = served, jobs
        self.news: asyncio.Queue[Numbered] = asyncio.Queue()
        self._loop, self._batcher = asyncio.get_running_loop(), batcher
        self._tickets: list[Ticket] = []

    def submit(self, job: Job, number: int) -> None:
        """Asks for one."""
        ticket = Ticket(self.served.name, job.prompt, job.options, self._teller(number), number)
        self._batcher.submit(ticket)
        self._tickets.append(ticket)

    def cancel(self) -> None:
        """Ends those that have not ended."""
        for ticket in self._tickets:
            self._batcher.cancel(ticket)

    def _teller(self, number: int) -> Callable[[News], None]:
        def tell(news: News) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self.news.put_nowait, (number, news))

        return tell


class TextChoice:
    """One choice of a streamed completion."""

    def __init__(self, served: Served, job: Job) -> None:
        self._text = served.engine.text_stream(job.options)
        self._stops = served.engine.stop_ids

    def open(self) -> Sequence[JsonObject]:
        """What comes before the first token: nothing."""
        return ()

    def feed(self, news: News) -> Sequence[JsonObject]:
        """The chunks' choices, without their index."""
        text = self._text.feed([one.token for one in news.tokens if one.token not in self._stops])
        reason = None
        if news.completion is not None:
            text += self._text.finish()
            reason = finish_reason(news.completion.ending, 0)
        return [{"text": text, "logprobs": None, "finish_reason": reason}] if text or reason else []


def _choice(served: Served, index: int, done: _Done) -> JsonObject:
    job = done.job
    parsed = served.dialect.parse(job.carry + done.completion.text, job.tools)
    parsed = replace(parsed, ending=done.completion.ending)
    tokens = done.completion.written
    kit = TokenTexts(served.tokenizer)
    more = extras(served, job, done.completion)
    if job.tokens:
        more["callwright"] |= {"tokens": kit.origins(tokens)}
    return {
        "index": index,
        "message": message_of(parsed),
        "logprobs": {"content": kit.entries(tokens), "refusal": None} if job.logprobs else None,
        "finish_reason": finish_reason(parsed.ending, len(parsed.calls)),
        **more,
    }


async def _read(request: Any, kind: type[Body]) -> Body:
    raw = await request.body()
    return await asyncio.to_thread(read_body, raw, kind)


async def _behind(first: Numbered, rest: AsyncIterator[Numbered]) -> AsyncIterator[Numbered]:
    yield first
    async for item in rest:
        yield item


@asynccontextmanager
async def _unless_gone(request: Any) -> AsyncIterator[None]:
    """Ends what is inside when the client leaves."""
    task = asyncio.current_task()
    assert task is not None

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()


def _failed(error: Exception) -> RefusalError:
    if isinstance(error, CallwrightError):
        return RefusalError(503, str(error))
    _log.error("a reply failed", exc_info=error)
    return RefusalError(500, "the reply failed; the server's log says why")


def _event(value: JsonObject) -> str:
    return f"data: {json.dumps(value)}\n\n"
