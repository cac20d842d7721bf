"""Conversation -> text by the tokenizer's own chat template; calls written and parsed by the family's dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from callwright.dialects.base import Dialect, StreamParser, ToolChoice
from callwright.dialects.hermes import Hermes, completion
from callwright.errors import DataError, ModelError
from callwright.types import Conversation, Kind, Message, Reply, Segment, Tool

Template = Callable[..., str]
"""`tokenizer.apply_chat_template`: (messages, tools=..., add_generation_prompt=..., tokenize=False) -> text."""


@dataclass(frozen=True)
class Native:
    """The model's own template for the prompt. Refuses a row that the template would not keep whole."""

    template: Template
    calls: Dialect
    name: str = "native"

    @property
    def stops(self) -> tuple[str, ...]:
        return self.calls.stops

    @property
    def call_opening(self) -> str:
        return self.calls.call_opening

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        return list(self._walk(conversation))

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        parts = [Segment(s.text, s.kind if s.kind is Kind.PREFIX else Kind.PROMPT) for s in self._walk(conversation)]
        done = "".join(part.text for part in parts)
        whole = self._text(conversation, len(conversation.messages), open_turn=True)
        return [*parts, *self._rest(conversation, done, whole)]

    def parse(self, text: str) -> Reply:
        return self.calls.parse(text)

    def stream(self) -> StreamParser:
        return self.calls.stream()

    def grammar(self, tools: Sequence[Tool], choice: ToolChoice) -> str:
        return self.calls.grammar(tools, choice)

    def _walk(self, conversation: Conversation) -> Iterator[Segment]:
        """The template's text up to each assistant turn, then that turn as the family writes it."""
        done = ""
        for place, message in enumerate(conversation.messages):
            if message.role != "assistant":
                continue
            before = self._text(conversation, place, open_turn=True)
            parts = [*self._rest(conversation, done, before), *completion(message, self.stops[0])]
            yield from parts
            done += "".join(part.text for part in parts)
        if done:
            whole = self._text(conversation, len(conversation.messages), open_turn=False)
            yield from self._rest(conversation, done, whole)

    def _rest(self, conversation: Conversation, done: str, whole: str) -> list[Segment]:
        if not whole.startswith(done):
            at = len(_shared(done, whole))
            raise DataError(
                conversation.where or conversation.id,
                f"the chat template changes or drops what the assistant wrote, at character {at}: it writes "
                f"{whole[at : at + 40]!r} where training would see {done[at : at + 40]!r}; use 'dialect: hermes'",
            )
        rest = whole[len(done) :]
        if done:
            return [Segment(rest, Kind.PROMPT)] if rest else []
        shared = len(self._prefix(conversation))
        return [Segment(rest[:shared], Kind.PREFIX), Segment(rest[shared:], Kind.PROMPT)]

    def _prefix(self, conversation: Conversation) -> str:
        """What the render begins with whatever the user says."""
        system = [m for m in conversation.messages[:1] if m.role == "system"]
        settings = self._settings(conversation)
        head = [_to_template(message) for message in system]
        return _shared(*(self.template([*head, {"role": "user", "content": text}], **settings) for text in ("A", "B")))

    def _text(self, conversation: Conversation, count: int, *, open_turn: bool) -> str:
        messages = [_to_template(message) for message in conversation.messages[:count]]
        return self.template(messages, add_generation_prompt=open_turn, **self._settings(conversation))

    def _settings(self, conversation: Conversation) -> dict[str, Any]:
        tools = [
            {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
            for t in conversation.tools
        ]
        return {"tools": tools or None, "tokenize": False}


def _shared(a: str, b: str) -> str:
    """The longest common beginning."""
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _to_template(message: Message) -> dict[str, Any]:
    """A message in the shape that chat templates expect: arguments as objects, never as encoded strings."""
    row: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.calls:
        row["tool_calls"] = [
            {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    if message.role == "tool":
        row["name"] = message.name
        row["tool_call_id"] = message.call_id
    return row


def template_writes_tools(template: Template) -> bool:
    """Whether the template puts a declared tool into the text: some drop them without a word."""
    probe = {"name": "probe_tool_name", "description": "d", "parameters": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "hi"}]
    try:
        text = template(
            messages, tools=[{"type": "function", "function": probe}], add_generation_prompt=True, tokenize=False
        )
    except Exception:  # templates raise what they like
        return False
    return "probe_tool_name" in text


def native(template: Template, source: str) -> Native:
    """The native dialect of a template. `source` is its Jinja text.

    Raises ModelError where the template drops tools, or writes calls in a form that no dialect here reads yet.
    """
    if not template_writes_tools(template):
        raise ModelError("the model's chat template does not write tools; use 'dialect: hermes'")
    if "<tool_call>" not in source or "<|im_end|>" not in source or "<function=" in source:
        raise ModelError("the calls of this chat template are in a form not known here yet; use 'dialect: hermes'")
    return Native(template, Hermes())
