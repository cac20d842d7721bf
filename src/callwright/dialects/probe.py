"""A chat template -> the family whose calls it writes, and what it loses, found by rendering and parsing probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callwright.dialects.families import FAMILIES
from callwright.dialects.family import Family
from callwright.dialects.habits import observed
from callwright.dialects.native import Native, Template
from callwright.errors import DataError, ModelError
from callwright.types import Conversation, Message, Tool, ToolCall

_STRING, _WHOLE = {"type": "string"}, {"type": "integer"}
_PARAMETERS = {"type": "object", "properties": {"city": _STRING, "count": _WHOLE, "tags": {"type": "array"}}}
PROBE = Tool("probe_tool_name", "Probe.", _PARAMETERS)
_CALL = ToolCall(PROBE.name, {"city": "Oslo", "count": 3})
_OTHER = ToolCall(PROBE.name, {"city": "Bern", "count": 4})
_ASK = Message("user", "hi")


def _row(*messages: Message) -> Conversation:
    return Conversation("probe", (PROBE,), (_ASK, *messages))


PROBES: Mapping[str, Conversation] = {
    "a call": _row(Message("assistant", "", (_CALL,))),
    "several calls in one turn": _row(Message("assistant", "", (_CALL, _OTHER))),
    "text beside a call": _row(Message("assistant", "One moment.", (_CALL,))),
    "quotes and line breaks in a value": _row(
        Message("assistant", "", (ToolCall(PROBE.name, {"city": 'it\'s "so"\nhere', "tags": ["a", 1, None]}),))
    ),
    "a text that looks like a number": _row(Message("assistant", "", (ToolCall(PROBE.name, {"city": "123"}),))),
    "true, false and null": _row(Message("assistant", "", (ToolCall(PROBE.name, {"tags": [True, False, None]}),))),
    "thinking before a call": _row(Message("assistant", "", (_CALL,), thinking="I look it up.")),
    "a result and an answer to it": _row(
        Message("assistant", "", (_CALL,)),
        Message("tool", "RESULT-TEXT", name=PROBE.name),
        Message("assistant", "Done."),
    ),
    "a plain answer": _row(Message("assistant", "Hello.")),
}
"""What a template should keep, by its name."""


@dataclass(frozen=True)
class Found:
    """The family of a template, how many probes it reads back, and what the template loses."""

    dialect: Native
    kept: tuple[str, ...]
    losses: tuple[str, ...]


def writes_tools(template: Template, settings: Mapping[str, Any] | None = None) -> bool:
    """Whether the template puts a declared tool into the text: some drop them without a word."""
    tool = {"name": PROBE.name, "description": "d", "parameters": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "hi"}]
    try:
        text = template(
            messages,
            tools=[{"type": "function", "function": tool}],
            add_generation_prompt=True,
            tokenize=False,
            **(settings or {}),
        )
    except Exception:  # templates raise what they like
        return False
    return PROBE.name in text


def find(
    template: Template, stops: Sequence[str] = (), settings: Mapping[str, Any] | None = None, family: str | None = None
) -> Found:
    """The native dialect of a template. `stops`: texts that end a turn, such as the tokenizer's EOS.

    Raises ModelError where the template drops tools or calls, or writes calls in a form that no family here reads.
    """
    if not writes_tools(template, settings):
        raise ModelError("the model's chat template does not write tools; use 'dialect: hermes'")
    best: tuple[int, Native, dict[str, str]] | None = None
    for made in _candidates(template, tuple(stops), settings, family):
        outcome = {name: _loss(made, row) for name, row in PROBES.items()}
        if outcome["a call"]:
            continue
        kept = sum(not why for why in outcome.values())
        if best is None or kept > best[0]:
            best = kept, made, outcome
    if best is None:
        raise ModelError(_refusal(template, settings))
    _, made, outcome = best
    read = tuple(name for name, why in outcome.items() if not why)
    made = replace(made, family=replace(made.family, habits=observed(made.family, made.segments)))
    return Found(made, read, tuple(f"{name}: it {why}" for name, why in outcome.items() if why))


def _candidates(
    template: Template, stops: tuple[str, ...], settings: Mapping[str, Any] | None, family: str | None
) -> Iterator[Native]:
    some: Sequence[Family] = [FAMILIES[family]] if family else list(FAMILIES.values())
    # some templates open a thinking block in the prompt, and write turns that never had one
    quiet = {"enable_thinking": False, **(settings or {})}
    for one in some:
        every = tuple(dict.fromkeys([*one.stops, *stops]))
        for chosen in [settings] if settings and "enable_thinking" in settings else [settings, quiet]:
            for as_text in (False, True):
                yield Native(template, one, every, as_text, chosen)


def _loss(dialect: Native, row: Conversation) -> str:
    """What the template loses of a row; "" for nothing."""
    try:
        text = "".join(segment.text for segment in dialect.segments(row))
    except DataError as error:
        return error.what.removeprefix("the model's chat template ").rpartition("; use ")[0]
    if any(message.role == "tool" and message.text not in text for message in row.messages):
        return "drops the result"
    return ""


def _refusal(template: Template, settings: Mapping[str, Any] | None) -> str:
    row = PROBES["a call"]
    for as_text in (False, True):
        made = Native(template, FAMILIES["hermes"], (), as_text, settings)
        try:
            text = made._text(row, len(row.messages), open_turn=False)
        except DataError:
            continue
        if "Oslo" not in text:
            return "the model's chat template drops the assistant's calls; use 'dialect: hermes'"
        break
    return "the calls of this chat template are in a form that no family here reads; use 'dialect: hermes'"
