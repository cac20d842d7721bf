"""Conversation <-> text by the tokenizer's own chat template; what it says is read back by the family's parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from callwright.dialects.byfamily import ByFamily
from callwright.dialects.family import Family
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.parse.cursor import parse_whole
from callwright.dialects.same import same_arguments
from callwright.dialects.syntax.jsoncalls import dump
from callwright.errors import DataError
from callwright.types import Conversation, Kind, Message, Reply, Segment, Tool, ToolCall

Template = Callable[..., str]
"""`tokenizer.apply_chat_template`: (messages, tools=..., add_generation_prompt=..., tokenize=False) -> text."""


@dataclass(frozen=True)
class Native(ByFamily):
    """The model's own template. Refuses a row that the template would not keep whole.

    Where a turn begins and ends is found by what the template adds for it, so it needs no markers of its own; what
    the turn holds is found by parsing it, which proves on every row that nothing is lost.

    arguments_as_text: some templates take the arguments of a call as JSON text, others as an object.
    settings: further arguments of the template, such as enable_thinking.
    """

    template: Template
    family: Family
    stops: tuple[str, ...]
    arguments_as_text: bool = False
    settings: Mapping[str, Any] | None = None
    name: str = "native"
    trims: bool = True

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        """Raises DataError where the template loses something, or writes an earlier trained turn differently later."""
        parts: list[Segment] = []
        done, tail, last = "", "", len(conversation.messages) - 1
        for place, message in enumerate(conversation.messages):
            if message.role != "assistant":
                continue
            before = self._text(conversation, place, open_turn=True)
            if not before.startswith(done):
                self._refuse_rewriting(conversation, place, done, before)
                parts, done = [], ""
            own, tail = self._own(conversation, place, before)
            parts += [*self._rest(conversation, done, before), *own]
            done = before + "".join(part.text for part in own)
            if place == last:
                return [*parts, Segment(tail, Kind.PROMPT)] if tail else parts
        whole = self._text(conversation, last + 1, open_turn=False)
        if not whole.startswith(done):
            self._refuse_rewriting(conversation, last + 1, done, whole)
            return self._rest(conversation, "", whole)
        return [*parts, *self._rest(conversation, done, whole)]

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        whole = self._text(conversation, len(conversation.messages), open_turn=True)
        return self._rest(conversation, "", whole)

    def rewrites(self, conversation: Conversation) -> bool:
        """Whether the template writes an earlier turn of the assistant differently once another follows it."""
        places = [place for place, message in enumerate(conversation.messages) if message.role == "assistant"]
        for place, following in zip(places, [*places[1:], None], strict=True):
            own = self._text(conversation, place + 1, open_turn=False)
            stop = self._stop(own, len(self._text(conversation, place, open_turn=True)))
            later = len(conversation.messages) if following is None else following
            if not self._text(conversation, later, open_turn=following is not None).startswith(own[: stop[1]]):
                return True
        return False

    def carry(self, prompt: str) -> str:
        """The end of a prompt that belongs to the reply: a thinking block that the template opened already."""
        thinking = self.family.thinking
        if thinking and prompt.rstrip().endswith(thinking.opening):
            return prompt[prompt.rindex(thinking.opening) :]
        return ""

    def _own(self, conversation: Conversation, place: int, before: str) -> tuple[list[Segment], str]:
        """What the assistant wrote in one turn, cut by meaning, stop included; and what the template adds behind it."""
        message = conversation.messages[place]
        whole = self._text(conversation, place + 1, open_turn=False)
        if not whole.startswith(before):
            self._refuse_other_prompt(conversation, place, before, whole)
            return self._as_family(conversation, message), ""
        start, end = self._stop(whole, len(before))
        text, stop = whole[len(before) : start], whole[start:end]
        if self.family.open_end and not stop:
            stop = self.family.open_end[0 if message.calls else 1]
        carried = self.carry(before)
        reply, spans = parse_whole(self.family.read, carried + text, conversation.tools)
        why = lost(reply, message)
        if why or not stop:
            raise self._lost(conversation, why or "ends the turn with none of its stops")
        weight = 0.0 if message.train is False else 1.0
        shifted = ((a - len(carried), b - len(carried), kind) for a, b, kind in spans if a >= len(carried))
        return [*cut(text, shifted, weight), Segment(stop, Kind.STOP, weight)], whole[end:]

    def _refuse_other_prompt(self, conversation: Conversation, place: int, before: str, whole: str) -> None:
        """Raises DataError unless it is only earlier turns that the whole text shows otherwise than the prompt did."""
        at = len(_shared(before, whole))
        if at >= len(self._text(conversation, place, open_turn=False)):
            raise self._lost(
                conversation, f"writes {whole[at : at + 40]!r} where its own prompt has {before[at : at + 40]!r}"
            )

    def _as_family(self, conversation: Conversation, message: Message) -> list[Segment]:
        """A turn as its family writes it, behind the prompt that is served: the template would change that prompt."""
        parts = list(self.family.write(in_schema_order(message, conversation.tools)))
        stop = self.family.call_stop if message.calls and self.family.call_stop else self.stops[0]
        return [*parts, Segment(stop, Kind.STOP, 0.0 if message.train is False else 1.0)]

    def _stop(self, whole: str, start: int) -> tuple[int, int]:
        """Where the last stop behind `start` stands in the text; both at its end where there is none."""
        found = [(place, place + len(stop)) for stop in self.stops if (place := whole.rfind(stop, start)) >= 0]
        return max(found, default=(len(whole), len(whole)))

    def _lost(self, conversation: Conversation, what: str) -> DataError:
        return DataError(
            conversation.where or conversation.id,
            f"the model's chat template {what}; use 'dialect: {self.family.name}'",
        )

    def _refuse_rewriting(self, conversation: Conversation, place: int, done: str, now: str) -> None:
        if all(m.train is False for m in conversation.messages[: place - 1] if m.role == "assistant"):
            return
        at = len(_shared(done, now))
        raise self._lost(
            conversation,
            f"writes {now[at : at + 40]!r} once more turns follow where the assistant wrote {done[at : at + 40]!r}, so "
            "each of its turns needs a row of its own",
        )

    def _rest(self, conversation: Conversation, done: str, whole: str) -> list[Segment]:
        rest = whole[len(done) :]
        if done:
            return [Segment(rest, Kind.PROMPT)] if rest else []
        shared = len(_shared(self._prefix(conversation), whole))
        return [Segment(rest[:shared], Kind.PREFIX), Segment(rest[shared:], Kind.PROMPT)]

    def _prefix(self, conversation: Conversation) -> str:
        """What the render begins with whatever the user says."""
        system = [message for message in conversation.messages[:1] if message.role == "system"]
        some = (replace(conversation, messages=(*system, Message("user", text))) for text in ("A", "B"))
        return _shared(*(self._text(row, len(row.messages), open_turn=False) for row in some))

    def _text(self, conversation: Conversation, count: int, *, open_turn: bool) -> str:
        messages = to_template(conversation, count, as_text=self.arguments_as_text)
        tools = [_tool(tool) for tool in conversation.tools] or None
        try:
            return self.template(
                messages, tools=tools, add_generation_prompt=open_turn, tokenize=False, **(self.settings or {})
            )
        except Exception as error:  # templates raise what they like
            raise self._lost(conversation, f"refuses this row: {error}") from error


def cut(text: str, spans: Any, weight: float) -> Iterator[Segment]:
    """Text and where its parts stand -> segments; what lies between is scaffolding."""
    place = 0
    for start, end, kind in sorted(spans):
        if start > place:
            yield Segment(text[place:start], Kind.SCAFFOLD, weight)
        if end > max(start, place):
            yield Segment(text[max(start, place) : end], kind, weight)
        place = max(place, end)
    if place < len(text):
        yield Segment(text[place:], Kind.SCAFFOLD, weight)


def lost(reply: Reply, message: Message) -> str:
    """What a template lost of a message, as its text parses back; "" for nothing. Space around texts does not count."""
    if reply.broken:
        return f"writes a call that cannot be read back: {reply.broken[0].reason}"
    if len(reply.calls) != len(message.calls):
        return f"keeps {len(reply.calls)} of {len(message.calls)} calls"
    for got, call in zip(reply.calls, message.calls, strict=True):
        if got.name != call.name or not same_arguments(got, call):
            return f"writes the call {call.name}({dump(call.arguments)[:80]}) as {got.name}({dump(got.arguments)[:80]})"
    if reply.text.strip() != message.text.strip():
        return f"writes the text {message.text[:40]!r} as {reply.text[:40]!r}"
    if message.thinking.strip() != reply.thinking.strip():
        return "drops the thinking of a turn" if not reply.thinking.strip() else "changes the thinking of a turn"
    return ""


def _shared(a: str, b: str) -> str:
    """The longest common beginning."""
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def to_template(conversation: Conversation, count: int, *, as_text: bool = False) -> list[dict[str, Any]]:
    """The first `count` messages in the shape that chat templates expect. Calls without an id get one."""
    rows = []
    waiting: list[tuple[str, str]] = []
    for message in conversation.messages[:count]:
        row: dict[str, Any] = {"role": message.role, "content": message.text}
        if message.thinking:
            # families read one of these names or the other
            row["reasoning_content"] = row["thinking"] = message.thinking
        if message.calls:
            ordered = in_schema_order(message, conversation.tools)
            ids = [call.id or f"call{number:05d}" for number, call in enumerate(ordered.calls)]
            waiting = [(call_id, call.name) for call_id, call in zip(ids, ordered.calls, strict=True)]
            row["tool_calls"] = [
                _call(call, call_id, as_text) for call, call_id in zip(ordered.calls, ids, strict=True)
            ]
        if message.role == "tool":
            call_id, name = waiting.pop(0) if waiting else ("", "")
            row["name"] = message.name or name
            row["tool_call_id"] = message.call_id or call_id
        rows.append(row)
    return rows


def _call(call: ToolCall, call_id: str, as_text: bool) -> dict[str, Any]:
    arguments = dump(call.arguments) if as_text else call.arguments
    return {"type": "function", "id": call_id, "function": {"name": call.name, "arguments": arguments}}


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }
