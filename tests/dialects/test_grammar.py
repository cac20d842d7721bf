"""Law 4: the grammar accepts every rendered call, and nothing that it accepts fails to parse."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_laws import NAMES, TOOLS, made, own_texts
from test_values import an_object, written

from callwright.dialects.base import Dialect
from callwright.dialects.constrain.grammar import grammar
from callwright.dialects.constrain.patterns import FORMATS, INTEGER, NUMBER, admits
from callwright.dialects.constrain.rules import Rules, in_order, listed, terminal
from callwright.dialects.xlam import XlamTags
from callwright.schema.check import validate
from callwright.types import Conversation, Message, Tool, ToolCall

llguidance = pytest.importorskip("llguidance")

CALLS = [
    (ToolCall("get_weather", {"city": 'São "Paulo" it\'s </tool_cal'}),),
    (ToolCall("add", {"a": -3}), ToolCall("get_weather", {"city": ""})),
]
EVERY = [*map(made, NAMES), XlamTags("</s>"), XlamTags("</s>", python_dicts=True)]
every = pytest.mark.parametrize("dialect", EVERY, ids=[*NAMES, "xlam", "xlam dicts"])


def matcher(dialect: Dialect, choice: Any, tools: tuple[Tool, ...] = TOOLS) -> Any:
    return as_matcher(dialect.grammar(tools, choice).lark)


def as_matcher(lark: str) -> Any:
    made = llguidance.LLMatcher(llguidance.LLTokenizer("byte"), lark)
    assert not made.is_error(), made.get_error() + lark
    return made


def accepts(made: Any, text: str) -> bool:
    made.reset()
    tokens = list(text.encode())
    return made.try_consume_tokens(tokens) == len(tokens) and made.is_accepting()


@every
@pytest.mark.parametrize("calls", CALLS, ids=["one", "two"])
@pytest.mark.parametrize("choice", ["required", "auto"])
def test_rendered_calls_are_accepted(dialect: Dialect, choice: str, calls: tuple[ToolCall, ...]) -> None:
    row = Conversation("1", TOOLS, (Message("user", "x"), Message("assistant", "", calls)))
    ((text, _),) = own_texts(dialect, row)
    assert accepts(matcher(dialect, choice), text)


@every
def test_text_is_accepted_beside_calls_and_alone(dialect: Dialect) -> None:
    calls = CALLS[1] if dialect.family.beside else ()
    row = Conversation("1", TOOLS, (Message("user", "x"), Message("assistant", "One\nmoment.", calls)))
    ((text, _),) = own_texts(dialect, row)
    assert accepts(matcher(dialect, "auto"), text)
    ((text, _),) = own_texts(dialect, Conversation("1", TOOLS, (row.messages[0], Message("assistant", "Done."))))
    assert accepts(matcher(dialect, "auto"), text)
    assert accepts(matcher(dialect, "none"), text)
    assert not accepts(matcher(dialect, "required"), text)


@every
@pytest.mark.parametrize(
    "call", [ToolCall("nope", {}), ToolCall("add", {"a": "x"}), ToolCall("add", {}), ToolCall("add", {"a": 1, "b": 2})]
)
def test_what_is_not_declared_is_refused(dialect: Dialect, call: ToolCall) -> None:
    row = Conversation("1", (), (Message("user", "x"), Message("assistant", "", (call,))))
    ((text, _),) = own_texts(dialect, row)
    assert not accepts(matcher(dialect, "required"), text)


@every
@pytest.mark.parametrize("choice", ["required", "auto"])
def test_what_the_grammar_accepts_parses(dialect: Dialect, choice: str) -> None:
    for seed in range(8):
        text = sample(matcher(dialect, choice), random.Random(seed))
        if text is None:
            continue
        reply = dialect.parse(text, TOOLS)
        assert reply.broken == (), text
        for call in reply.calls:
            (tool,) = [tool for tool in TOOLS if tool.name == call.name]
            assert validate(call.arguments, tool.parameters) == [], text


def sample(made: Any, rng: random.Random, longest: int = 600) -> str | None:
    """A random text that the grammar accepts; None where it does not end in time."""
    tokens: list[int] = []
    while len(tokens) < longest:
        bits = made.compute_bitmask()
        allowed = [token for token in range(256) if bits[token // 8] >> (token % 8) & 1]
        if made.is_accepting() and (not allowed or rng.random() < 0.05):
            try:
                return bytes(tokens).decode()
            except UnicodeDecodeError:
                return None
        token = rng.choice(allowed)
        assert made.try_consume_tokens([token]) == 1
        tokens.append(token)
    return None


TWICE = (CALLS[1][0], CALLS[1][0])


@every
def test_one_call_where_there_can_be_no_more(dialect: Dialect) -> None:
    made = as_matcher(dialect.grammar(TOOLS, "required", parallel=False).lark)
    assert accepts(made, written(dialect.family, TOOLS[1], TWICE[0]))
    assert not accepts(made, written(dialect.family, TOOLS[1], *TWICE))


THINKERS = [dialect for dialect in EVERY if dialect.family.thinking and dialect.family.name != "functiongemma"]


@pytest.mark.parametrize("dialect", THINKERS, ids=lambda dialect: dialect.name)
def test_thinking_stands_before_calls_and_text(dialect: Dialect) -> None:
    user = Message("user", "x")
    cases = (("required", "", CALLS[1]), ("auto", "", CALLS[0]), ("auto", "Done.", ()), ("none", "Done.", ()))
    for choice, said, calls in cases:
        message = Message("assistant", said, calls, thinking="Let me see:\n<x> {")
        ((text, _),) = own_texts(dialect, Conversation("1", TOOLS, (user, message)))
        assert accepts(as_matcher(dialect.grammar(TOOLS, choice, thinking="may").lark), text), (choice, text)
        assert not accepts(as_matcher(dialect.grammar(TOOLS, "required").lark), text)
        opening = dialect.family.thinking.opening
        assert text.startswith(opening)
        assert accepts(as_matcher(dialect.grammar(TOOLS, choice, thinking="open").lark), text[len(opening) :])


@pytest.mark.parametrize("dialect", THINKERS, ids=lambda dialect: dialect.name)
def test_what_is_accepted_with_thinking_parses(dialect: Dialect) -> None:
    opening = dialect.family.thinking.opening
    for seed, mode in itertools.product(range(4), ("may", "open")):
        grammar = as_matcher(dialect.grammar(TOOLS, "required", thinking=mode).lark)
        text = sample(grammar, random.Random(seed))
        if text is not None:
            reply = dialect.parse((opening if mode == "open" else "") + text, TOOLS)
            assert not reply.broken and reply.calls, text


@every
def test_a_named_tool_is_that_tool_alone(dialect: Dialect) -> None:
    made = matcher(dialect, "required", TOOLS[1:])
    assert accepts(made, written(dialect.family, TOOLS[1], TWICE[0]))
    assert not accepts(made, written(dialect.family, TOOLS[0], CALLS[0][0]))
    assert not accepts(made, "Done.")


class Specials:
    """Bytes, and some special tokens behind them, as llguidance reads a tokenizer."""

    eos_token_id, bos_token_id = 256, None

    def __init__(self, specials: Sequence[str]) -> None:
        self.ids = {text: number for number, text in enumerate(["<eos>", *specials], 256)}
        self.tokens = [bytes([byte]) for byte in range(256)] + [text.encode() for text in self.ids]
        self.special_token_ids = list(self.ids.values())

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)

    def encode(self, text: str) -> list[int]:
        parts = re.split("(" + "|".join(map(re.escape, self.ids)) + ")", text)
        return [token for part in parts for token in ([self.ids[part]] if part in self.ids else self(part))]


@every
def test_delimiters_that_are_special_tokens(dialect: Dialect) -> None:
    """They are tokens, not their bytes; and no text beside them can spell them."""
    marks = sorted({mark for mark in MARK.findall(dialect.family.hint) if mark in dialect.family.hint}, key=len)
    if not marks:
        pytest.skip("this family has no delimiters")
    tokenizer = Specials(marks)
    ids = {mark: tokenizer.ids[mark] for mark in marks}
    llm = llguidance.LLTokenizer(llguidance.TokenizerWrapper(tokenizer))
    made = llguidance.LLMatcher(llm, grammar(dialect.family, TOOLS, "auto", ids).lark)
    assert not made.is_error(), made.get_error()
    text = written(dialect.family, TOOLS[0], ToolCall("get_weather", {"city": "Oslo"}), CALLS[1][0])
    tokens = tokenizer.encode(text)
    assert made.try_consume_tokens(tokens) == len(tokens)
    assert made.is_accepting()
    made.reset()
    assert made.try_consume_tokens(tokenizer(text)) < len(text.encode())


MARK = re.compile(r"<[|｜]?[A-Za-z_▁:/]+[|｜]?>|<\|\"\|>|\[[A-Z_]+\]")

VALID = {
    "date": ["2024-02-29", "0001-01-01", "2000-02-29"],
    "time": ["10:00", "23:59:59Z", "10:00:00.123+05:30"],
    "date-time": ["2024-01-01", "2024-01-01T10:00:00Z", "2024-01-01 10:00", "2024-01-01T10:00:00.5-08:00"],
    "duration": ["P1D", "PT1H30M", "P1Y2M3DT4H5M6S", "P3W"],
    "email": ["a@b.c", "first.last+tag@mail.example.org", "o'neil@x-y.com"],
    "hostname": ["localhost", "a-b.example.com", "ec2-203-0-113-25.eu-west-1.compute.amazonaws.com"],
    "ipv4": ["0.0.0.0", "255.249.199.99"],
    "ipv6": ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "fe80::1:2", "::ffff:192.0.2.1"],
    "uuid": ["123e4567-E89b-12d3-a456-426614174000"],
    "uri": ["https://example.org:8080/a/b?c=d&e#f", "mailto:a@b.c", "urn:isbn:0451450523", "s3://bucket/key%20x"],
    "uri-reference": ["", "/a/b", "a?b", "#c", "https://x.org/"],
    "json-pointer": ["", "/a~1b/0", "/日本"],
    "relative-json-pointer": ["0", "1/a", "2#"],
}
INVALID = [
    "2023-02-29",
    "0000-01-01",
    "1900-02-29",
    "24:00",
    "10:00:60",
    "2024-13-01T00:00",
    "P",
    "PT",
    "P1W2D",
    "a@",
    "a..b@c.d",
    "-a",
    "a_b",
]
INVALID += [
    "256.1.1.1",
    "01.1.1.1",
    "1::2::3",
    "12345::",
    "g23e4567-e89b-12d3-a456-426614174000",
    "no scheme",
    "http://a b",
    "/~2",
    "01",
    "x%",
    "ab--cd",
]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_never_more_than_the_validator_accepts(name: str) -> None:
    schema = {"type": "string", "format": name}
    for text in VALID[name]:
        assert admits(schema, text) and re.fullmatch(FORMATS[name], text), text
    for text in INVALID:
        assert admits(schema, text) or not re.fullmatch(FORMATS[name], text), text
    made = as_matcher(f"start: T\nT: {terminal([FORMATS[name]])}")
    walks = [text for seed in range(20) if (text := sample(made.deep_copy(), random.Random(seed)))]
    assert [text for text in walks if not admits(schema, text)] == []


@settings(max_examples=200)
@given(st.one_of(st.floats(-1.69e308, 1.69e308), st.integers(-(10**30), 10**30)))
def test_numbers_are_accepted_as_they_are_written(value: float) -> None:
    assert re.fullmatch(NUMBER, repr(value))
    assert isinstance(value, float) or re.fullmatch(INTEGER, repr(value))
    assert not re.fullmatch(NUMBER, "1e999")


@pytest.mark.parametrize("low", [0, 1])
@pytest.mark.parametrize("required", list(itertools.product([True, False], repeat=3)))
def test_members_stand_in_order(required: tuple[bool, ...], low: int) -> None:
    rules = Rules()
    names = "abc"
    made = in_order(
        [(f'"{name}"', needed) for name, needed in zip(names, required, strict=True)], '","', rules, low=low
    )
    accepting = as_matcher(rules.lark(f'"[" {made} "]"'))
    for size in range(4):
        for some in itertools.permutations(names, size):
            wanted = list(some) == sorted(some) and size >= low
            wanted = wanted and all(name in some for name, needed in zip(names, required, strict=True) if needed)
            assert accepts(accepting, f"[{','.join(some)}]") is wanted, some


LIMITS = [(0, None), (0, 1), (0, 3), (1, None), (1, 1), (1, 3), (3, None), (3, 3), (3, 4)]


@pytest.mark.parametrize(("first", "limits"), itertools.product([0, 1, 2], LIMITS))
def test_items_are_as_many_as_they_can_be(first: int, limits: tuple[int, int | None]) -> None:
    low, high = limits
    rules = Rules()
    made = listed(['"x"', '"y"'][:first], '"z"', low, high, '","')
    accepting = as_matcher(rules.lark(f'"[" {made} "]"'))
    for size in range(6):
        text = ",".join("xy"[:first][:size] + "z" * (size - first))
        assert accepts(accepting, f"[{text}]") is (low <= size and (high is None or size <= high)), text


def test_what_nobody_can_say_does_not_break_a_grammar() -> None:
    """Schemas that admit nothing, or point nowhere, are reported."""
    for schema in (
        {"$ref": "#/$defs/none"},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "integer", "minimum": 3, "maximum": 2},
    ):
        tool = Tool("f", "", an_object("x", x=schema))
        for dialect in EVERY:
            made = grammar(dialect.family, [tool], "required")
            assert made.unenforced
            as_matcher(made.lark)
