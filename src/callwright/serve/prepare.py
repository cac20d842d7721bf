"""A request -> what an engine is asked: the conversation as training wrote it, and the grammar of its reply."""

from __future__ import annotations

import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from callwright.data import openai
from callwright.data.fields import Fields
from callwright.dialects.base import Dialect
from callwright.errors import CallwrightError, DataError
from callwright.generate.constrain import GrammarError
from callwright.generate.engine import StepEngine
from callwright.generate.reply import Constraint, Mode, Options, Prompt, make_prompt
from callwright.score.calibration import Calibration
from callwright.serve.limits import Limits, check_schema
from callwright.serve.refusal import RefusalError
from callwright.serve.wire import (
    AllowedTools,
    ChatRequest,
    CompletionRequest,
    Extras,
    NamedTool,
    ResponseFormat,
    Sampling,
)
from callwright.types import Conversation, JsonObject, Tool

# grammars as text, of the tool sets that were asked for last
_KEPT = 256


@dataclass
class Served:
    """A model that is served. context: tokens of a prompt and its reply. most: of a reply that asks for no number."""

    name: str
    dialect: Dialect
    tokenizer: Any
    engine: StepEngine
    context: int = 8192
    most: int = 1024
    constrain: bool = True
    created: int = 0
    calibration: Calibration | None = None
    _larks: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=threading.Lock)

    def lark(self, conversation: Conversation, prompt: str, options: Options) -> str:
        """The grammar of a reply, made once for a tool set and a choice."""
        thinking = self.dialect.carry(prompt)
        tools = [[tool.name, tool.parameters] for tool in conversation.tools]
        key = json.dumps([tools, options.mode, options.parallel, options.among, thinking])
        with self._lock:
            found = self._larks.get(key)
        if found is None:
            found = Constraint(self.dialect, self.tokenizer, options).of(conversation, prompt)
        with self._lock:
            self._larks[key] = found
            self._larks.move_to_end(key)
            if len(self._larks) > _KEPT:
                self._larks.popitem(last=False)
        return found


@dataclass(frozen=True)
class Job:
    """One prompt, asked for `count` replies. logprobs, tokens: what is given of their tokens. confidence: whether it is
    said how sure the model is of its calls."""

    prompt: Prompt
    options: Options
    tools: tuple[Tool, ...] = ()
    carry: str = ""
    count: int = 1
    logprobs: bool = False
    tokens: bool = False
    confidence: bool = False


def chat_job(request: ChatRequest, served: Served, limits: Limits) -> Job:
    """A chat -> its job. Raises RefusalError (400) for what cannot be read or done."""
    try:
        conversation = _conversation(request, limits)
        options = _chat_options(request, conversation.tools)
        prompt = make_prompt(conversation, served.dialect, served.tokenizer)
        options = _within(options, request, prompt, served)
        lark = _lark(request.response_format, conversation, served, prompt, options, limits)
        if lark is not None:
            served.engine.grammars.start(lark)
            prompt = replace(prompt, grammar=lark)
    except GrammarError as error:
        raise RefusalError(400, str(error), "response_format" if request.response_format else "tools") from None
    except CallwrightError as error:
        raise RefusalError(400, str(error), "messages") from None
    except RecursionError:
        raise RefusalError(400, "a schema is nested too deep, or refers to itself without an end", "tools") from None
    carry = served.dialect.carry(prompt.text)
    more = request.callwright or Extras()
    options = replace(options, logprobs=options.logprobs or more.tokens or more.confidence)
    return Job(
        prompt,
        options,
        conversation.tools,
        carry,
        count=request.n or 1,
        logprobs=bool(request.logprobs),
        tokens=more.tokens,
        confidence=more.confidence,
    )


def completion_jobs(request: CompletionRequest, served: Served) -> list[Job]:
    """A completion -> a job for every prompt. Raises RefusalError (400)."""
    jobs = []
    given = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    texts: list[str | list[int]] = [given] if given and isinstance(given[0], int) else list(given)  # type: ignore
    options = replace(_options(request), logprobs=request.logprobs is not None, likeliest=request.logprobs or 0)
    for text in texts:
        if isinstance(text, str):
            token_ids = served.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            token_ids = text
            if not all(0 <= token < served.engine.steps.vocabulary for token in token_ids):
                raise RefusalError(400, "'prompt' has a token that this model has not", "prompt")
            text = served.tokenizer.decode(token_ids)
        if not token_ids:
            raise RefusalError(400, "'prompt' is empty; a model needs a token to begin from", "prompt")
        prompt = Prompt(text, token_ids, 0)
        jobs.append(
            Job(prompt, _within(options, request, prompt, served), count=request.n or 1, logprobs=options.logprobs)
        )
    return jobs


def _conversation(request: ChatRequest, limits: Limits) -> Conversation:
    tools = [tool.model_dump(exclude_none=True)["function"] for tool in request.tools or ()]
    for number, tool in enumerate(tools):
        check_schema(tool.get("parameters", {}), f"tools.{number}.function.parameters", limits)
    names = [tool["name"] for tool in tools]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RefusalError(400, f"two tools are named {twice!r}; names tell them apart", "tools")
    _check_contents(request.messages)
    row: JsonObject = {"id": "request", "messages": request.messages, "tools": tools}
    try:
        conversation = openai.from_row(row, "request", Fields())
    except DataError as error:
        raise RefusalError(400, error.what, "tools" if error.what.startswith("tool") else "messages") from None
    if conversation.messages[-1].role in ("assistant", "system") and len(conversation.messages) > 1:
        role = conversation.messages[-1].role
        raise RefusalError(400, f"'messages' end with the {role}; end with a user or a tool turn", "messages")
    return conversation


def _check_contents(messages: Sequence[JsonObject]) -> None:
    """Data may lack the texts of turns; a request that does is a mistake."""
    for number, message in enumerate(messages):
        if message.get("role") in ("system", "developer", "user", "tool") and message.get("content") is None:
            raise RefusalError(400, f"messages[{number}] has no 'content'", "messages")


def _chat_options(request: ChatRequest, tools: Sequence[Tool]) -> Options:
    choice = request.tool_choice or ("auto" if tools else "none")
    names = {tool.name for tool in tools}
    mode: Mode
    among: tuple[str, ...] | None = None
    if isinstance(choice, NamedTool):
        mode, among = "forced", (choice.function.name,)
    elif isinstance(choice, AllowedTools):
        mode = "forced" if choice.allowed_tools.mode == "required" else "auto"
        among = tuple(tool.function.name for tool in choice.allowed_tools.tools)
    else:
        mode = {"auto": "auto", "none": "none", "required": "forced"}[choice]  # type: ignore[assignment]
    unknown = [name for name in among or () if name not in names]
    if unknown:
        raise RefusalError(400, f"'tool_choice' names {unknown[0]!r}, which is not among 'tools'", "tool_choice")
    if mode == "forced" and not names:
        raise RefusalError(400, "'tool_choice' asks for a call, but there are no 'tools'", "tool_choice")
    wanted = request.response_format is not None and request.response_format.type != "text"
    if wanted and mode != "none":
        what = "'response_format' holds text to JSON; with 'tools', set 'tool_choice' to \"none\""
        raise RefusalError(400, what, "response_format")
    if request.top_logprobs and not request.logprobs:
        raise RefusalError(400, "'top_logprobs' needs 'logprobs': true", "top_logprobs")
    return replace(
        _options(request),
        mode=mode,
        among=among,
        parallel=request.parallel_tool_calls is not False,
        logprobs=bool(request.logprobs),
        likeliest=request.top_logprobs or 0,
    )


def _options(request: Sampling) -> Options:
    return Options(
        temperature=request.temperature or 0.0,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        stops=request.stops,
    )


def _lark(  # what a grammar is made of
    form: ResponseFormat | None,
    conversation: Conversation,
    served: Served,
    prompt: Prompt,
    options: Options,
    limits: Limits,
) -> str | None:
    """The grammar of a reply; None for any text."""
    if form is None or form.type == "text":
        if not conversation.tools or not served.constrain:
            return None
        return served.lark(conversation, prompt.text, replace(options, constrain=True))
    schema: JsonObject = {"type": "object"}
    if form.type == "json_schema":
        if form.json_schema is None:
            raise RefusalError(400, "'response_format.json_schema' is missing", "response_format.json_schema")
        schema = form.json_schema.schema_
        check_schema(schema, "response_format.json_schema.schema", limits)
    return f"start: %json {json.dumps(schema)}\n"


def _within(options: Options, request: Sampling, prompt: Prompt, served: Served) -> Options:
    """With a length that the context has room for."""
    room = served.context - len(prompt.token_ids)
    wanted = getattr(request, "max_completion_tokens", None) or request.max_tokens
    if room < 1 or (wanted and wanted > room):
        has = f"the prompt has {len(prompt.token_ids):,} tokens"
        asked = f" and {wanted:,} are asked for" if wanted else ""
        what = f"{has}{asked}; this server has room for {served.context:,} together"
        raise RefusalError(400, what, "messages", "context_length_exceeded")
    return replace(options, max_new_tokens=wanted or min(served.most, room))
