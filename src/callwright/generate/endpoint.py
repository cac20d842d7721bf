"""Any OpenAI-compatible server as an engine: vLLM, SGLang, llama.cpp's, Ollama, a hosted one, or `callwright serve`.

Two ways to ask: a prompt that the dialect wrote here is continued (`complete`), or a conversation is sent with its
tools and the server writes the prompt and reads the calls (`answers`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from callwright.data.openai import to_row
from callwright.errors import EngineError, MissingExtra
from callwright.generate.reply import Answer, Completion, Options, Prompt
from callwright.types import BrokenCall, Conversation, Ending, Reply, ToolCall

_ENDINGS = {"length": Ending.LENGTH, "content_filter": Ending.ERROR}
_REFUSED = (400, 413, 422)
_CHOICES = {"auto": "auto", "forced": "required", "none": "none"}

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass
class EndpointEngine:
    """A server. model: its name there. stops: texts that end a reply, as the dialect names them.

    The key is read from the environment variable `key_variable`; without it none is sent. tries, backoff and waiting
    are those of the openai package: 408, 409, 429, 5xx and broken connections are tried again. refusals: a request that
    the server refuses (400, 413, 422: a prompt that is too long, say) gives a reply that ended in an error.
    """

    base_url: str
    model: str
    stops: Sequence[str] = ()
    concurrency: int = 8
    tries: int = 5
    timeout: float = 300.0
    key_variable: str = "OPENAI_API_KEY"
    refusals: bool = False

    def __post_init__(self) -> None:
        """Raises MissingExtra without the openai package."""
        try:
            import openai
        except ImportError:
            raise MissingExtra("teacher", "openai") from None
        key = os.environ.get(self.key_variable) or "none"
        self._failure, self._status = openai.OpenAIError, openai.APIStatusError
        self._client = openai.OpenAI(base_url=self.base_url, api_key=key, max_retries=self.tries, timeout=self.timeout)

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]:
        """Completions in order, by `/v1/completions`: grammars are the server's affair. Raises EngineError."""

        def ask(number: int) -> Completion:
            made = self._client.completions.create(
                model=self.model,
                prompt=prompts[number].text,
                max_tokens=options.max_new_tokens,
                temperature=options.temperature,
                top_p=options.top_p,
                seed=options.seed + number,
                stop=[*self.stops, *options.stops][:4] or None,
            )
            choice = made.choices[0]
            used = made.usage.completion_tokens if made.usage else 0
            ending = _ENDINGS.get(choice.finish_reason or "stop", Ending.STOP)
            return Completion(_cut(choice.text, [*self.stops, *options.stops]), ending, used)

        yield from self._each(range(len(prompts)), ask, Completion("", Ending.ERROR, 0))

    def answers(self, conversations: Sequence[Conversation], options: Options) -> Iterator[Answer]:
        """Replies in order, by `/v1/chat/completions` with the conversations' tools. Raises EngineError."""

        def ask(conversation: Conversation) -> Answer:
            row = to_row(conversation)
            more: dict[str, Any] = {}
            if conversation.tools:
                more = {
                    "tools": row["tools"],
                    "tool_choice": _CHOICES[options.mode],
                    "parallel_tool_calls": options.parallel,
                }
            made = self._client.chat.completions.create(
                model=self.model,
                messages=row["messages"],
                max_tokens=options.max_new_tokens,
                temperature=options.temperature,
                top_p=options.top_p,
                seed=options.seed,
                stop=list(options.stops)[:4] or None,
                **more,
            )
            choice = made.choices[0]
            reply, raw = _read(choice.message, _ENDINGS.get(choice.finish_reason or "stop", Ending.STOP))
            used = made.usage.completion_tokens if made.usage else 0
            return Answer(reply, raw, used, Prompt("", (), 0))

        refused = Answer(Reply("", ending=Ending.ERROR), "", 0, Prompt("", (), 0))
        yield from self._each(conversations, ask, refused)

    def _each(self, given: Sequence[Given], ask: Callable[[Given], Made], refused: Made) -> Iterator[Made]:
        """In order, several at once. The first that fails ends it."""

        def tried(one: Given) -> Made:
            try:
                return ask(one)
            except self._status as error:
                if self.refusals and error.status_code in _REFUSED:
                    return refused
                raise

        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                yield from pool.map(tried, given)
            except self._failure as error:
                pool.shutdown(wait=False, cancel_futures=True)
                what = (str(error) or type(error).__name__).splitlines()[0][:300]
                raise EngineError(f"{self.base_url}: {what}") from error


def _cut(text: str, stops: Sequence[str]) -> str:
    """Servers take four stops at most: the others are looked for here."""
    found = [at for at in (text.find(stop) for stop in stops if stop) if at >= 0]
    return text[: min(found)] if found else text


def _read(message: Any, ending: Ending) -> tuple[Reply, str]:
    """A server's message -> the reply, and its text with every call's arguments as they were sent."""
    calls: list[ToolCall] = []
    broken: list[BrokenCall] = []
    text = message.content or ""
    raw = [text] if text else []
    for call in message.tool_calls or ():
        name, sent = call.function.name, call.function.arguments or ""
        raw.append(f'{{"name": {json.dumps(name)}, "arguments": {sent}}}')
        try:
            arguments = json.loads(sent or "{}")
        except ValueError as error:
            broken.append(BrokenCall(raw[-1], f"the arguments are not JSON: {error}"))
            continue
        if isinstance(arguments, dict):
            calls.append(ToolCall(name, arguments, call.id or ""))
        else:
            broken.append(BrokenCall(raw[-1], f"the arguments are a JSON {type(arguments).__name__}, not an object"))
    thinking = getattr(message, "reasoning_content", None) or ""
    return Reply(text, tuple(calls), tuple(broken), ending, thinking), "\n".join(raw)
