"""The four laws of every dialect, over many conversations."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.check import check_render, check_tokens
from callwright.dialects.hermes import Hermes
from callwright.dialects.native import native
from callwright.dialects.tokenise import encode_prompt, render
from callwright.dialects.xlam import XlamTags
from callwright.errors import ModelError
from callwright.types import Conversation, Kind, Message, Reply, Tool, ToolCall

QWEN = (Path(__file__).parents[1] / "golden" / "qwen2.5.jinja").read_text()
"""What Qwen2.5-Instruct publishes: law 1 is about it."""

QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
EXAMPLES = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))

hermes, compact, xlam = Hermes(), Hermes(compact=True), XlamTags("<|im_end|>")
chatml = pytest.mark.parametrize("dialect", [hermes, compact], ids=["hermes", "compact"])


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


@EXAMPLES
@given(strategies.dialogues())
def test_law_1_hermes_writes_what_the_published_template_writes(row: Conversation) -> None:
    messages, tools = as_openai(row)
    assert text_of(Hermes(default_system=QWEN_SYSTEM).segments(row)) == apply_template(messages, tools=tools)


@EXAMPLES
@given(strategies.dialogues())
def test_law_1_native_is_the_template(row: Conversation) -> None:
    messages, tools = as_openai(row)
    made = native(apply_template, QWEN)
    assert text_of(made.segments(row)) == apply_template(messages, tools=tools)
    before = replace(row, messages=row.messages[:-1])
    assert text_of(made.prompt(before)) == apply_template(messages[:-1], tools=tools, add_generation_prompt=True)
    assert check_render(row, made, made.segments(row)) == []


def test_native_refuses_a_template_that_drops_tools() -> None:
    with pytest.raises(ModelError, match="does not write tools"):
        native(lambda messages, **context: "".join(m["content"] for m in messages), "")


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


@chatml
@settings(max_examples=60, deadline=None)
@given(row=strategies.dialogues())
def test_law_2_chatml_prompt_is_a_prefix(dialect: Dialect, tokenizer: Any, row: Conversation) -> None:
    check_prompt(dialect, row, tokenizer)


@settings(max_examples=60, deadline=None)
@given(strategies.single_turn())
def test_law_2_xlam_prompt_is_a_prefix(tokenizer: Any, row: Conversation) -> None:
    check_prompt(xlam, row, tokenizer)


def test_a_character_without_a_token_is_reported(tokenizer: Any) -> None:
    row = Conversation("1", (), (Message("user", "x"), Message("assistant", "a\x16b")))
    segments, rendered = hermes.segments(row), render(row, hermes, tokenizer)
    (problem,) = check_tokens(row, segments, rendered, tokenizer.decode)
    assert problem.kind == "lost in rendering"
    assert "no tokens for some character" in problem.why


def same(a: Sequence[ToolCall], b: Sequence[ToolCall]) -> bool:
    """Equal by JSON type: 1, 1.0 and True differ."""
    return json.dumps([[c.name, c.arguments] for c in a]) == json.dumps([[c.name, c.arguments] for c in b])


def streamed(dialect: Dialect, text: str, cuts: Sequence[int]) -> Reply:
    parser = dialect.stream()
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    deltas = [parser.feed(text[a:b]) for a, b in pairwise(places)] + [parser.finish()]
    return Reply(
        "".join(d.text for d in deltas),
        tuple(c for d in deltas for c in d.calls),
        tuple(b for d in deltas for b in d.broken),
    )


def check_parse(dialect: Dialect, row: Conversation, cuts: Sequence[int]) -> None:
    """Law 3, for the last turn of a row."""
    message = row.messages[-1]
    before = replace(row, messages=row.messages[:-1])
    rest = text_of(dialect.segments(row))[len(text_of(dialect.prompt(before))) :]
    text = rest[: rest.index(dialect.stops[0])] if dialect.stops[0] not in str(message.calls) else ""
    if not text:
        return
    reply = dialect.parse(text)
    assert reply.broken == ()
    assert reply.text == message.text
    assert same(reply.calls, message.calls)
    assert streamed(dialect, text, cuts) == reply
    assert streamed(dialect, text, range(len(text))) == reply


cut_places = st.lists(st.integers(0, 400), max_size=6)


@chatml
@EXAMPLES
@given(row=strategies.single_turn(), cuts=cut_places)
def test_law_3_chatml_parses_back_however_it_is_cut(dialect: Dialect, row: Conversation, cuts: list[int]) -> None:
    check_parse(dialect, row, cuts)


@EXAMPLES
@given(row=strategies.single_turn(), cuts=cut_places, python_dicts=st.booleans())
def test_law_3_xlam_parses_back_however_it_is_cut(row: Conversation, cuts: list[int], python_dicts: bool) -> None:
    check_parse(XlamTags("<|im_end|>", python_dicts=python_dicts), row, cuts)


pieces = st.lists(
    st.one_of(
        st.sampled_from(["<tool_call>", "</tool_call>", "<calls>", "</calls>", "\n", '"', '{"name": "f"', "}", "\\"]),
        st.text(max_size=6),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("dialect", [hermes, xlam], ids=["hermes", "xlam"])
@EXAMPLES
@given(text=pieces, cuts=cut_places)
def test_garbage_never_raises_and_nothing_is_dropped(dialect: Dialect, text: str, cuts: list[int]) -> None:
    reply = dialect.parse(text)
    assert streamed(dialect, text, cuts) == reply
    if dialect.call_opening.strip() not in text:
        assert reply == Reply(text)
    elif not reply.calls and dialect is hermes:
        assert reply.broken


TOOLS = (
    Tool("get_weather", "d", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    Tool("add", "d", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
)
GRAMMAR_CALLS = [
    (ToolCall("get_weather", {"city": 'São "Paulo" </tool_call>'}),),
    (ToolCall("add", {"a": -3}), ToolCall("get_weather", {"city": ""})),
]


def matcher(dialect: Dialect, choice: Any, tokenizer: Any) -> Any:
    llguidance = pytest.importorskip("llguidance")
    from llguidance.hf import from_tokenizer

    made = llguidance.LLMatcher(from_tokenizer(tokenizer), dialect.grammar(TOOLS, choice))
    assert not made.is_error(), made.get_error()
    return made


@pytest.mark.parametrize("calls", GRAMMAR_CALLS, ids=["one", "two"])
@pytest.mark.parametrize("choice", ["required", "auto"])
@pytest.mark.parametrize("dialect", [hermes, xlam], ids=["hermes", "xlam"])
def test_law_4_the_grammar_accepts_rendered_calls(
    dialect: Dialect, choice: str, calls: tuple[ToolCall, ...], tokenizer: Any
) -> None:
    row = Conversation("1", TOOLS, (Message("user", "x"), Message("assistant", "", calls)))
    own = [s.text for s in dialect.segments(row) if s.kind not in (Kind.PREFIX, Kind.PROMPT, Kind.STOP)]
    made = matcher(dialect, choice, tokenizer)
    tokens = tokenizer("".join(own), add_special_tokens=False)["input_ids"]
    assert made.try_consume_tokens(tokens) == len(tokens)
    assert made.is_accepting()


@pytest.mark.parametrize("text", ['{"name": "nope", "arguments": {}}', '{"name": "add", "arguments": {"a": "x"}}'])
def test_law_4_the_grammar_refuses_what_is_not_declared(text: str, tokenizer: Any) -> None:
    made = matcher(hermes, "required", tokenizer)
    tokens = tokenizer(f"<tool_call>\n{text}\n</tool_call>", add_special_tokens=False)["input_ids"]
    assert made.try_consume_tokens(tokens) < len(tokens)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dialect", [hermes, xlam], ids=["hermes", "xlam"])
def test_law_4_what_the_grammar_accepts_parses(dialect: Dialect, seed: int, tokenizer: Any) -> None:
    rng = random.Random(seed)
    made, tokens = matcher(dialect, "required", tokenizer), []
    common = tokenizer('<tool_call>\n{"name": "get_weather", "arguments": {"city": "a"}}\n</tool_call></calls>')[
        "input_ids"
    ]
    while not made.is_accepting() and len(tokens) < 300:
        bits = made.compute_bitmask()
        allowed = [t for t in common if bits[t // 8] >> (t % 8) & 1]
        allowed = allowed or [t for t in range(49152) if bits[t // 8] >> (t % 8) & 1]
        token = rng.choice(allowed)
        assert made.try_consume_tokens([token]) == 1
        tokens.append(token)
    assert made.is_accepting()
    reply = dialect.parse(tokenizer.decode(tokens))
    assert reply.broken == ()
    assert {call.name for call in reply.calls} <= {tool.name for tool in TOOLS}


def test_pitfall_4_arguments_as_text_or_object_render_alike() -> None:
    from callwright.data.fields import Fields
    from callwright.data.openai import from_row

    def row(arguments: Any) -> dict[str, Any]:
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
        messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        return {"id": "1", "messages": messages, "tools": tools}

    made = [from_row(row(a), "f:1", Fields()) for a in ({"a": "1"}, '{"a": "1"}')]
    for dialect in (hermes, compact, xlam):
        assert text_of(dialect.segments(made[0])) == text_of(dialect.segments(made[1]))


def test_pitfall_5_the_stop_carries_loss(tokenizer: Any) -> None:
    row = Conversation("1", TOOLS, (Message("user", "x"), Message("assistant", "hello")))
    rendered = render(row, hermes, tokenizer)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (end, 1.0) in set(zip(rendered.token_ids, rendered.weights, strict=True))


def test_pitfall_7_text_and_call_in_one_turn_are_both_kept() -> None:
    message = Message("assistant", "One moment.", (ToolCall("add", {"a": 1}),))
    row = Conversation("1", TOOLS, (Message("user", "x"), message))
    assert check_render(row, hermes, hermes.segments(row)) == []
    reply = hermes.parse('One moment.\n<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    assert (reply.text, reply.calls) == ("One moment.", message.calls)


def test_pitfall_7_no_tools_no_boilerplate() -> None:
    row = Conversation("1", (), (Message("user", "x"), Message("assistant", "y")))
    assert "tool" not in text_of(hermes.segments(row))


def test_the_compact_form_keeps_every_schema_keyword() -> None:
    from callwright.dialects.signature import signature

    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "description": "count"}}}
    assert '{"type": "integer", "minimum": 3, "description": "count"}' in signature(Tool("f", "d", schema))
