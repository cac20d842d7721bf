"""The four laws of every dialect, over many conversations."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callwright.dialects import DIALECTS, probe
from callwright.dialects.base import CallPiece, Dialect, text_of
from callwright.dialects.check import check_render, check_tokens
from callwright.dialects.hermes import hermes
from callwright.dialects.same import same_arguments
from callwright.dialects.tokenise import encode_prompt, render
from callwright.dialects.xlam import XlamTags
from callwright.errors import ModelError
from callwright.types import Conversation, Kind, Message, Reply, Tool, ToolCall

QWEN = (Path(__file__).parents[1] / "golden" / "qwen2.5.jinja").read_text()
"""What Qwen2.5-Instruct publishes: law 1 is about it."""

QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
QWEN_STOPS = ("<|im_end|>",)
NAMES = [name for name in DIALECTS if name not in ("native", "xlam")]
every = pytest.mark.parametrize("name", NAMES)


class Plain:
    """What a dialect asks of a tokenizer, apart from tokens."""

    bos_token = bos_token_id = chat_template = None
    eos_token = "<|im_end|>"

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [1]}


def made(name: str) -> Dialect:
    return DIALECTS[name](Plain())


def holds(name: str, row: Conversation) -> bool:
    """Whether a family's text can hold the values of a row: some end at a mark that a value may contain."""
    values = json.dumps([[call.name, call.arguments] for m in row.messages for call in m.calls], ensure_ascii=False)
    return not any(mark in values for mark in UNHELD.get(name, ()))


# None of these has a way to write its own end inside a value
UNHELD = {
    "qwen3-coder": ("</parameter>",),
    "glm": ("</arg_value>",),
    "minimax-m2": ("</parameter>",),
    "functiongemma": ("<escape>",),
    "gemma4": ('<|\\"|>',),
}


def apply_template(messages: list[dict[str, Any]], **context: Any) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    tools, prompt = context.get("tools"), context.get("add_generation_prompt", False)
    texts, _ = render_jinja_template([messages], tools=tools, chat_template=QWEN, add_generation_prompt=prompt)
    return str(texts[0])


def as_openai(row: Conversation) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    messages = []
    for message in row.messages:
        made: dict[str, Any] = {"role": message.role, "content": message.text}
        if message.calls:
            made["tool_calls"] = [{"function": {"name": c.name, "arguments": c.arguments}} for c in message.calls]
        messages.append(made)
    return messages, [
        {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.parameters}}
        for t in row.tools
    ] or None


@given(strategies.dialogues())
def test_law_1_hermes_writes_what_the_published_template_writes(row: Conversation) -> None:
    messages, tools = as_openai(row)
    assert text_of(hermes(QWEN_SYSTEM).segments(row)) == apply_template(messages, tools=tools)


@given(strategies.dialogues())
def test_law_1_native_is_the_template(row: Conversation) -> None:
    messages, tools = as_openai(row)
    native = probe.find(apply_template, QWEN_STOPS).dialect
    assert text_of(native.segments(row)) == apply_template(messages, tools=tools)
    before = replace(row, messages=row.messages[:-1])
    assert text_of(native.prompt(before)) == apply_template(messages[:-1], tools=tools, add_generation_prompt=True)
    assert check_render(row, native, native.segments(row)) == []


def test_native_refuses_a_template_that_drops_tools() -> None:
    with pytest.raises(ModelError, match="does not write tools"):
        probe.find(lambda messages, **context: "".join(m["content"] for m in messages))


def check_prompt(dialect: Dialect, row: Conversation, tokenizer: Any) -> None:
    """Law 2, for the last turn of a row."""
    before = replace(row, messages=row.messages[:-1])
    prompt, whole = dialect.prompt(before), dialect.segments(row)
    assert text_of(whole).startswith(text_of(prompt))
    rendered = render(row, dialect, tokenizer)
    ids, _ = encode_prompt(prompt, tokenizer)
    assert list(rendered.token_ids[: len(ids)]) == ids
    assert not any(rendered.weights[: rendered.prefix_len])
    assert check_tokens(row, whole, rendered, tokenizer.decode) == []


@every
@settings(max_examples=30)
@given(data=st.data())
def test_law_2_the_prompt_is_a_prefix(name: str, tokenizer: Any, data: st.DataObject) -> None:
    dialect = made(name)
    row = data.draw(strategies.typed_dialogues(dialect.family.beside))
    check_prompt(dialect, row, tokenizer)


@settings(max_examples=30)
@given(strategies.single_turn())
def test_law_2_xlam_prompt_is_a_prefix(tokenizer: Any, row: Conversation) -> None:
    check_prompt(XlamTags("<|im_end|>"), row, tokenizer)


def test_a_character_without_a_token_is_reported(tokenizer: Any) -> None:
    row = Conversation("1", (), (Message("user", "x"), Message("assistant", "a\x16b")))
    segments, rendered = hermes().segments(row), render(row, hermes(), tokenizer)
    (problem,) = check_tokens(row, segments, rendered, tokenizer.decode)
    assert problem.kind == "lost in rendering"
    assert "no tokens for some character" in problem.why


def streamed(dialect: Dialect, text: str, cuts: Sequence[int], tools: Sequence[Tool] = ()) -> Reply:
    """The sum of the deltas; the pieces of calls must add up to the calls."""
    parser = dialect.stream(tools)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    deltas = [parser.feed(text[a:b]) for a, b in pairwise(places)] + [parser.finish()]
    reply = Reply(
        "".join(d.text for d in deltas),
        tuple(c for d in deltas for c in d.calls),
        tuple(b for d in deltas for b in d.broken),
        thinking="".join(d.thinking for d in deltas),
    )
    if not reply.broken:
        check_pieces([piece for delta in deltas for piece in delta.pieces], reply)
    return reply


def check_pieces(pieces: Sequence[CallPiece], reply: Reply) -> None:
    """As OpenAI clients add them up: an index, its name once and first, then fragments of JSON."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for piece in pieces:
        assert bool(piece.name) is (piece.index not in names)
        names.setdefault(piece.index, piece.name)
        arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
    assert list(names) == list(range(len(reply.calls)))
    for number, call in enumerate(reply.calls):
        assert names[number] == call.name
        assert same_arguments(ToolCall(call.name, json.loads(arguments[number])), call)


def own_texts(dialect: Dialect, row: Conversation) -> list[tuple[str, Message]]:
    """What the assistant wrote in each turn, without the stop."""
    turns: list[str] = []
    inside = False
    for segment in dialect.segments(row):
        if segment.kind in (Kind.PREFIX, Kind.PROMPT):
            inside = False
            continue
        if not inside:
            turns.append("")
            inside = True
        if segment.kind is not Kind.STOP:
            turns[-1] += segment.text
    return list(zip(turns, [m for m in row.messages if m.role == "assistant"], strict=True))


def check_parse(dialect: Dialect, row: Conversation, cuts: Sequence[int]) -> None:
    """Law 3, for every turn of a row."""
    for text, message in own_texts(dialect, row):
        reply = dialect.parse(text, row.tools)
        assert reply.broken == ()
        assert (reply.text, reply.thinking) == (message.text, message.thinking)
        assert [call.name for call in reply.calls] == [call.name for call in message.calls]
        assert all(map(same_arguments, reply.calls, message.calls))
        assert streamed(dialect, text, cuts, row.tools) == reply
        assert streamed(dialect, text, range(len(text)), row.tools) == reply


cut_places = st.lists(st.integers(0, 400), max_size=6)


@every
@given(data=st.data(), cuts=cut_places)
def test_law_3_parses_back_however_it_is_cut(name: str, data: st.DataObject, cuts: list[int]) -> None:
    dialect = made(name)
    row = data.draw(strategies.typed_dialogues(dialect.family.beside, thinking=bool(dialect.family.thinking)))
    assume(holds(name, row))
    check_parse(dialect, row, cuts)
    assert check_render(row, dialect, dialect.segments(row)) == []


@pytest.mark.parametrize("name", ["hermes", "xlam-json", "mistral", "deepseek-v3", "llama-json", "harmony"])
@given(row=strategies.single_turn(), cuts=cut_places)
def test_law_3_json_holds_any_argument(name: str, row: Conversation, cuts: list[int]) -> None:
    dialect = made(name)
    message = row.messages[-1]
    if not dialect.family.beside and message.calls:
        row = replace(row, messages=(*row.messages[:-1], replace(message, text="")))
    check_parse(dialect, row, cuts)


@given(row=strategies.single_turn(), cuts=cut_places, python_dicts=st.booleans())
def test_law_3_xlam_parses_back_however_it_is_cut(row: Conversation, cuts: list[int], python_dicts: bool) -> None:
    check_parse(XlamTags("<|im_end|>", python_dicts=python_dicts), row, cuts)


def delimiters(dialect: Dialect) -> list[str]:
    """Marks of a family, and halves of them."""
    family = dialect.family
    whole = [*family.never, family.layout.opening, family.layout.closing, family.layout.between, family.hint]
    return [part for text in whole if text for part in (text, text[: len(text) // 2])]


@every
@given(data=st.data(), cuts=cut_places)
def test_garbage_never_raises_and_nothing_is_dropped(name: str, data: st.DataObject, cuts: list[int]) -> None:
    dialect = made(name)
    some = st.sampled_from(
        [*delimiters(dialect), "\n", '"', "'", '{"name": "f"', "[f(", "a=1", "}", "]", ")", "\\", "\\u12"]
    )
    text = "".join(data.draw(st.lists(st.one_of(some, st.text(max_size=6)), max_size=12)))
    reply = dialect.parse(text)
    assert streamed(dialect, text, cuts) == reply
    assert streamed(dialect, text, range(len(text))) == reply
    if not any(mark in text for mark in delimiters(dialect)) and not LINES.search(text):
        assert reply == Reply(text)


LINES = re.compile(r"(?:\A|\n)[ \t]*[\[{]")


TOOLS = (
    Tool("get_weather", "d", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    Tool("add", "d", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
)


def test_pitfall_4_arguments_as_text_or_object_render_alike() -> None:
    from callwright.data.fields import Fields
    from callwright.data.openai import from_row

    def row(arguments: Any) -> dict[str, Any]:
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        return {"id": "1", "messages": messages, "tools": tools}

    rows = [from_row(row(a), "f:1", Fields()) for a in ({"a": "1"}, '{"a": "1"}')]
    for dialect in (*map(made, NAMES), XlamTags("</s>")):
        assert text_of(dialect.segments(rows[0])) == text_of(dialect.segments(rows[1]))


def test_pitfall_5_the_stop_carries_loss(tokenizer: Any) -> None:
    row = Conversation("1", TOOLS, (Message("user", "x"), Message("assistant", "hello")))
    rendered = render(row, hermes(), tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (end, 1.0) in set(zip(rendered.token_ids, rendered.weights, strict=True))


def test_pitfall_7_text_and_call_in_one_turn_are_both_kept() -> None:
    message = Message("assistant", "One moment.", (ToolCall("add", {"a": 1}),))
    row = Conversation("1", TOOLS, (Message("user", "x"), message))
    assert check_render(row, hermes(), hermes().segments(row)) == []
    reply = hermes().parse('One moment.\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    assert (reply.text, reply.calls) == ("One moment.", message.calls)


def test_pitfall_7_no_tools_no_boilerplate() -> None:
    row = Conversation("1", (), (Message("user", "x"), Message("assistant", "y")))
    assert "tool" not in text_of(hermes().segments(row))


def test_the_compact_form_keeps_every_schema_keyword() -> None:
    from callwright.dialects.signature import signature

    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "description": "count"}}}
    assert '{"type": "integer", "minimum": 3, "description": "count"}' in signature(Tool("f", "d", schema))
