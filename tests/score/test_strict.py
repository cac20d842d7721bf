"""Strict JSON: what a lenient parser forgives, this does not; what is no JSON family, it does not judge."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.score.strict import strict_json
from callwright.types import BrokenCall, JsonObject, Reply, ToolCall

CALL = ToolCall("f", {"a": 1, "s": "x"})
JSON = '{"name": "f", "arguments": {"a": 1, "s": "x"}}'
TEXTS = st.text(max_size=8) | st.sampled_from(["</tool_call>", "<tool_call>", "}{", '"', "[f(", "<function=f>"])


def value(raw_text: str, *calls: ToolCall) -> float | None:
    return strict_json(Reply("", calls or (CALL,)), raw_text).value


@pytest.mark.parametrize(
    "raw_text",
    [
        f"<tool_call>\n{JSON}\n</tool_call>",
        f"Let me look. <tool_call>{JSON}</tool_call> Done {{ok}}.",
        f"<calls>{JSON}</calls>",
        f"<calls>[{JSON}]</calls>",
        f"[{JSON}]",
        '<|python_tag|>{"name": "f", "parameters": {"a": 1, "s": "x"}}',
        f"[TOOL_CALLS] [{JSON}]",
        '[TOOL_CALLS]f[ARGS]{"a": 1, "s": "x"}',
        f"functools[{JSON}]",
        '<function=f>{"a": 1, "s": "x"}</function>',
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {"a": 1, "s": "x"}}]<|END_ACTION|>',
    ],
)
def test_strict_blocks(raw_text: str) -> None:
    assert value(raw_text) == 1.0


@pytest.mark.parametrize(
    "raw_text",
    [
        "<tool_call>{'name': 'f', 'arguments': {'a': 1, 's': 'x'}}</tool_call>",
        "[{'name': 'f', 'arguments': {'a': 1, 's': 'x'}}]",
        "{'name': 'f', 'arguments': {\"a\": 1, \"s\": \"x\"}}",
        f"[{JSON},]",
        f"<tool_call>{JSON}",
        f"<tool_call>{JSON} and more</tool_call>",
        f"<tool_call>```json\n{JSON}\n```</tool_call>",
        f"<tool_call>{JSON[:-1]}</tool_call>",
        f"<tool_call>{JSON}</tool_call><tool_call></tool_call>",
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1, \\"s\\": \\"x\\"}"}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": 1, "a": 1, "s": "x"}}</tool_call>',
        '[{"name": "f", "name": "f", "arguments": {"a": 1, "s": "x"}}]',
        '<tool_call>{"name": "f", "arguments": {"a": "1", "s": "x"}}</tool_call>',
        f"<tool_call>{JSON}</tool_call><tool_call>{JSON}</tool_call>",
    ],
)
def test_repaired_blocks(raw_text: str) -> None:
    verdict = strict_json(Reply("", (CALL,)), raw_text)
    assert verdict.value == 0.0
    assert verdict.why


def test_nan_is_not_json() -> None:
    nan = ToolCall("f", {"a": float("nan")})
    assert value('<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>', nan) == 0.0


@pytest.mark.parametrize(
    "raw_text",
    [
        "[f(a=1, s='x')]",
        '[f(a=1, s={"k": 1})]',
        "<|tool_call_start|>[f(a=1, s='x')]<|tool_call_end|>",
        "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
        "<tool_call>f\n<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
        "<start_function_call>call:f{a:1,s:<escape>x<escape>}<end_function_call>",
    ],
)
def test_families_without_json_are_not_judged(raw_text: str) -> None:
    assert value(raw_text) is None


def test_nothing_called_is_not_judged_and_a_broken_call_is_a_miss() -> None:
    assert strict_json(Reply("Hello {world}."), "Hello {world}.").value is None
    broken = Reply("", (CALL,), (BrokenCall("{", "unclosed brace at 0"),))
    assert strict_json(broken, f"<tool_call>{JSON}</tool_call><tool_call>{{</tool_call>").value == 0.0


@given(st.lists(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3), min_size=1, max_size=3))
def test_every_rendered_call_is_strict_whatever_its_strings(many: list[JsonObject]) -> None:
    calls = tuple(ToolCall("f", arguments) for arguments in many)
    documents = [json.dumps({"name": call.name, "arguments": call.arguments}) for call in calls]
    assert value("\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in documents), *calls) == 1.0
    assert value("<calls>" + "\n".join(documents) + "</calls>", *calls) == 1.0
