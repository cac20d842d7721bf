"""A reply that runs out of tokens ends in form, whatever the model writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from callwright.dialects import dialect_for
from callwright.dialects.base import text_of
from callwright.generate.closing import Closer
from callwright.generate.constrain import Grammars
from callwright.generate.decode import Decoder, Row
from callwright.generate.engine import StepEngine
from callwright.generate.fake import FakeSteps
from callwright.generate.reply import Options, reply
from callwright.generate.steps import Feed
from callwright.generate.written import Origin
from callwright.models.tokenizer import load_tokenizer
from callwright.schema import normalise, validate
from callwright.types import Conversation, Ending, Message, Tool, ToolCall

SIZE = 49_152
TOOL = Tool(
    "send_mail",
    "Send a mail.",
    {
        "type": "object",
        "properties": {
            "to": {"type": "string", "minLength": 3},
            "body": {"type": "string"},
            "days": {"type": "array", "items": {"enum": ["monday", "tuesday"]}, "minItems": 2},
            "when": {"type": "object", "properties": {"hour": {"type": "integer"}}, "required": ["hour"]},
            "urgent": {"type": "boolean"},
        },
        "required": ["to", "body", "days", "when"],
    },
)
ROW = Conversation("1", (TOOL,), (Message("user", "Write to Ann."),))


class Random(FakeSteps):
    """Logits by chance: every token that may follow is as likely."""

    def __init__(self, seed: int) -> None:
        super().__init__(load_tokenizer("smollm2-135m"), ["x"], SIZE)
        self._random = np.random.default_rng(seed)

    def forward(self, feeds: Sequence[Feed]) -> list[Any]:
        super().forward(feeds)
        return [self._random.normal(size=(feed.wanted, SIZE)).astype(np.float32) for feed in feeds]


@pytest.mark.parametrize("name", ["hermes", "qwen3-coder", "llama-json", "pythonic", "xlam"])
@settings(deadline=None, max_examples=3, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 10**6), most=st.integers(100, 180))
def test_chance_writes_whole_calls(name: str, seed: int, most: int) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for(name, tokenizer)
    engine = StepEngine(Random(seed), tokenizer, dialect.stops, 0)
    options = Options(mode="forced", constrain=True, max_new_tokens=most, parallel=False)
    (answer,) = reply([ROW], dialect, tokenizer, engine, options)
    assert answer.tokens <= most
    [call] = answer.reply.calls
    assert not answer.reply.broken
    assert not validate(call.arguments, TOOL.parameters)
    # random text does not end by itself
    assert answer.reply.ending is Ending.LENGTH
    assert answer.written[-1].origin is Origin.CLOSED


@pytest.mark.parametrize("name", ["compact", "xlam"])
def test_calls_one_after_another_end_between_two(name: str) -> None:
    """Each call that is opened needs many tokens more than the end of the one before."""
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for(name, tokenizer)
    mail = {"to": "Ann", "body": "Hi.", "days": ["monday", "tuesday"], "when": {"hour": 7}}
    told = Message("assistant", "", calls=(ToolCall("send_mail", mail),) * 6)
    whole = text_of(dialect.segments(replace(ROW, messages=(*ROW.messages, told))))
    written = whole.removeprefix(text_of(dialect.prompt(ROW)))
    assert len(dialect.parse(written, ROW.tools).calls) == 6
    engine = StepEngine(FakeSteps(tokenizer, [written], SIZE), tokenizer, dialect.stops, 0)
    for most in range(70, 200, 3):
        (answer,) = reply(
            [ROW], dialect, tokenizer, engine, Options(mode="forced", constrain=True, max_new_tokens=most)
        )
        assert not answer.reply.broken, most
        assert len(answer.reply.calls) >= 1
        assert not any(validate(call.arguments, TOOL.parameters) for call in answer.reply.calls)


@pytest.mark.parametrize("first", ["a", "z"])
def test_an_end_is_looked_for_again_where_none_was_found(first: str) -> None:
    """From the beginning the way may lead through a tool whose shortest call is too long."""
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    texts = {"type": "array", "items": {"type": "string"}, "minItems": 90}
    last = "z" if first == "a" else "a"
    tools = (
        Tool(f"{first}_long", "Long.", {"type": "object", "properties": {"all": texts}, "required": ["all"]}),
        Tool(f"{last}_short", "Short.", {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}),
    )
    written = f'<tool_call>\n{{"name": "{last}_short", "arguments": {{"x": "{"word " * 200}'
    engine = StepEngine(FakeSteps(tokenizer, [written], SIZE), tokenizer, dialect.stops, 0)
    row = Conversation("1", tools, (Message("user", "Write."),))
    (answer,) = reply([row], dialect, tokenizer, engine, Options(mode="forced", constrain=True, max_new_tokens=100))
    [call] = answer.reply.calls
    assert call.name == f"{last}_short"
    assert not answer.reply.broken


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ({"type": "number"}, "[null, 0.0, 1.0000155"),
        ({"type": "number", "exclusiveMinimum": 1}, "[1.0000"),
        ({"type": "number", "exclusiveMaximum": -0.5}, "[-0.5000"),
        ({"type": "integer", "multipleOf": 40}, "[1"),
    ],
)
def test_numbers_that_could_go_on_for_ever_end(number: dict[str, Any], written: str) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    items = {"anyOf": [number, {"type": "null"}]}
    numbers = {"type": "array", "items": items, "minItems": 4}
    tool = Tool("add", "Add.", {"type": "object", "properties": {"all": numbers}, "required": ["all"]})
    grammar = dialect.grammar([tool], "required", {}, parallel=False, thinking="none")
    stops = [tokenizer.convert_tokens_to_ids(stop) for stop in dialect.stops]
    guard = Grammars(tokenizer, SIZE, stops).start(grammar.lark)
    begun = '<tool_call>\n{"name": "add", "arguments": {"all": ' + written
    guard.take(tokenizer(begun, add_special_tokens=False)["input_ids"])
    way = Closer(tokenizer, stops).way(guard, 80)
    assert way is not None
    [call] = dialect.parse(begun + tokenizer.decode(way, skip_special_tokens=True), [tool]).calls
    assert not validate(call.arguments, tool.parameters)


PATTERNS = [
    *(r"^[a-z]{3}-[0-9]{4}$", '^[^"]*x$', r"^(foo|bar)+=[A-Z]{12}$", r"^[(][)0-9,]+;$", r"^https?://[a-z.]+/x{20}$"),
    *(r"^\+[1-9][0-9]{6,14}$", r"^[\w.]+@[\w.]+\.[a-z]{2,}$", r"\.(?:png|jpg)$"),
]
STRICT: list[dict[str, Any]] = [
    *({"type": "string", "pattern": pattern} for pattern in PATTERNS),
    *({"type": "string", "format": form} for form in ("uri", "email", "date-time", "uuid", "ipv4", "json-pointer")),
    {"type": "string", "minLength": 60},
    {"type": "integer", "minimum": 123456789, "maximum": 123456799},
    {"type": "number", "minimum": 0.123, "maximum": 0.1234},
    {"type": "array", "items": {"type": "string", "format": "uri"}, "minItems": 3},
]


@pytest.mark.parametrize("name", ["hermes", "qwen3-coder", "pythonic", "functiongemma"])
@pytest.mark.parametrize("schema", STRICT, ids=str)
def test_what_a_schema_asks_for_is_found(name: str, schema: dict[str, Any]) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for(name, tokenizer)
    tool = Tool("f", "", normalise({"type": "object", "properties": {"p": schema}, "required": ["p"]}))
    grammar = dialect.grammar([tool], "required", {}, parallel=False, thinking="none")
    assert not grammar.unenforced
    stops = [tokenizer.convert_tokens_to_ids(stop) for stop in dialect.stops]
    way = Closer(tokenizer, stops).way(Grammars(tokenizer, SIZE, stops).start(grammar.lark), 400)
    assert way is not None
    written = tokenizer.decode([token for token in way if token not in stops])
    [call] = dialect.parse(written, [tool]).calls
    assert not validate(call.arguments, tool.parameters)


@pytest.mark.parametrize(
    ("name", "begun"),
    [
        ("hermes", '<tool_call>\n{"name": "f", "arguments": {"p": '),
        ("pythonic", "[f(p="),
        ("functiongemma", "<start_function_call>call:f{p:"),
    ],
)
@pytest.mark.parametrize("opening", ['{"type":[', "[", '{"a":'])
def test_what_is_nested_deep_is_closed_and_no_more(name: str, begun: str, opening: str) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for(name, tokenizer)
    tool = Tool("f", "", normalise({"type": "object", "properties": {"p": {}}, "required": ["p"]}))
    grammar = dialect.grammar([tool], "required", {}, parallel=False, thinking="none")
    stops = [tokenizer.convert_tokens_to_ids(stop) for stop in dialect.stops]
    guard = Grammars(tokenizer, SIZE, stops).start(grammar.lark)
    begun += (opening if name == "functiongemma" else opening.replace(":", ": ")) * 20
    guard.take(tokenizer(begun, add_special_tokens=False)["input_ids"])
    way = Closer(tokenizer, stops).way(guard, 120)
    assert way is not None
    written = tokenizer.decode([token for token in way if token not in stops])
    [call] = dialect.parse(begun + written, [tool]).calls
    assert not validate(call.arguments, tool.parameters)
    assert written.count("]") <= 20 + (name == "pythonic")
    assert "," not in written


def test_a_reply_goes_on_where_its_end_is_only_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended where it stands, it would lose what it had room for."""
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    way = Closer.way
    monkeypatch.setattr(
        Closer, "way", lambda self, guard, most: None if guard is not row.guard else way(self, guard, most)
    )
    mail = {"to": "Ann", "body": "Hi.", "days": ["monday", "tuesday"], "when": {"hour": 7}}
    told = Message("assistant", "", calls=(ToolCall("send_mail", mail),))
    whole = text_of(dialect.segments(replace(ROW, messages=(*ROW.messages, told))))
    written = whole.removeprefix(text_of(dialect.prompt(ROW))).removesuffix("<|im_end|>\n")
    stops = [tokenizer.convert_tokens_to_ids(stop) for stop in dialect.stops]
    grammar = dialect.grammar([TOOL], "required", {}, parallel=False, thinking="none")
    guard = Grammars(tokenizer, SIZE, stops).start(grammar.lark)
    steps = FakeSteps(tokenizer, [written], SIZE)
    options = Options(mode="forced", constrain=True, max_new_tokens=200)
    row = Row([5], 0, options, frozenset(stops), guard, closer=Closer(tokenizer, stops))
    decoder = Decoder(steps)
    decoder.add(row)
    while row.ending is None:
        decoder.round()
    assert row.ending is Ending.STOP
    assert tokenizer.decode([token for token in row.tokens if token not in stops]) == written


def test_too_few_tokens_for_any_call_are_cut() -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    engine = StepEngine(Random(1), tokenizer, dialect.stops, 0)
    (answer,) = reply([ROW], dialect, tokenizer, engine, Options(mode="forced", constrain=True, max_new_tokens=12))
    assert (answer.tokens, answer.reply.ending, answer.reply.calls) == (12, Ending.LENGTH, ())
