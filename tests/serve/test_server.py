"""OpenAI's own client against the server: calls, text, streams, choices and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from callwright.serve.desk import Settings
from callwright.serve.limits import Limits
from serve.serving import ALARM, CALL, TWO, WEATHER, running, served

ASK = [{"role": "user", "content": "How is the weather in Zürich?"}]
ARGUMENTS = {"city": "Zürich 🌧", "unit": "celsius"}


def client(address: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=30)


@pytest.fixture(scope="module")
def calling() -> Iterator[openai.OpenAI]:
    with running([served([CALL])]) as address:
        yield client(address)


@pytest.fixture(scope="module")
def talking() -> Iterator[openai.OpenAI]:
    with running([served(["It is sunny. Straße 7, done."])]) as address:
        yield client(address)


def test_a_call(calling: openai.OpenAI) -> None:
    made = calling.chat.completions.create(model="model", messages=ASK, tools=[WEATHER, ALARM])
    choice = made.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    [call] = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == ARGUMENTS
    assert call.id.startswith("call_")
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens


def test_a_streamed_call_is_the_same(calling: openai.OpenAI) -> None:
    with calling.chat.completions.stream(model="model", messages=ASK, tools=[WEATHER, ALARM]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds
    [call] = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == ARGUMENTS
    assert final.choices[0].finish_reason == "tool_calls"


def test_streamed_pieces_have_one_id_and_usage_comes_last(calling: openai.OpenAI) -> None:
    chunks = list(
        calling.chat.completions.create(
            model="model", messages=ASK, tools=[WEATHER], stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [piece for chunk in chunks if chunk.choices for piece in chunk.choices[0].delta.tool_calls or ()]
    assert [piece.id for piece in pieces if piece.id] == [pieces[0].id]
    assert {piece.index for piece in pieces} == {0}
    assert json.loads("".join(piece.function.arguments for piece in pieces)) == ARGUMENTS
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == "tool_calls"


def test_two_calls_or_one() -> None:
    with running([served([TWO])]) as address:
        ask = client(address).chat.completions.create
        both = ask(model="model", messages=ASK, tools=[WEATHER, ALARM]).choices[0].message.tool_calls
        one = ask(model="model", messages=ASK, tools=[WEATHER, ALARM], parallel_tool_calls=False).choices[0].message
        streamed = list(ask(model="model", messages=ASK, tools=[WEATHER, ALARM], stream=True))
    assert [call.function.name for call in both] == ["get_weather", "set_alarm"]
    assert [call.function.name for call in one.tool_calls] == ["get_weather"]
    pieces = [piece for chunk in streamed for piece in chunk.choices[0].delta.tool_calls or ()]
    assert {piece.index: piece.function.name for piece in pieces if piece.id} == {0: "get_weather", 1: "set_alarm"}


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ({"type": "function", "function": {"name": "set_alarm"}}, "set_alarm"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "set_alarm"}}],
                },
            },
            "set_alarm",
        ),
        ("required", "get_weather"),
    ],
)
def test_a_choice_is_kept(calling: openai.OpenAI, choice: Any, name: str) -> None:
    made = calling.chat.completions.create(
        model="model", messages=ASK, tools=[WEATHER, ALARM], tool_choice=choice, max_tokens=200
    )
    [call, *_] = made.choices[0].message.tool_calls or [None]
    assert call is None or call.function.name == name
    assert made.choices[0].finish_reason in ("tool_calls", "length")


def test_no_call_is_text(talking: openai.OpenAI, calling: openai.OpenAI) -> None:
    for chosen in ({}, {"tools": [WEATHER], "tool_choice": "none"}, {"tools": [WEATHER]}):
        made = talking.chat.completions.create(model="model", messages=ASK, **chosen)
        assert made.choices[0].message.content == "It is sunny. Straße 7, done."
        assert made.choices[0].finish_reason == "stop"
        assert made.choices[0].message.tool_calls is None
    held = calling.chat.completions.create(
        model="model", messages=ASK, tools=[WEATHER], tool_choice="none", max_tokens=40
    )
    assert held.choices[0].message.tool_calls is None


def test_stops_cut_text_whole_and_streamed(talking: openai.OpenAI) -> None:
    ask = {"model": "model", "messages": ASK, "stop": ["Straße", "never"]}
    assert talking.chat.completions.create(**ask).choices[0].message.content == "It is sunny. "
    chunks = talking.chat.completions.create(**ask, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is sunny. "


def test_several_replies_lengths_and_logprobs(talking: openai.OpenAI) -> None:
    made = talking.chat.completions.create(
        model="model", messages=ASK, n=3, max_tokens=4, logprobs=True, top_logprobs=2
    )
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    assert {choice.finish_reason for choice in made.choices} == {"length"}
    for choice in made.choices:
        assert "".join(entry.token for entry in choice.logprobs.content) == choice.message.content == "It is sunny."
        assert all(len(entry.top_logprobs) == 2 for entry in choice.logprobs.content)
        assert all(entry.top_logprobs[0].token == entry.token for entry in choice.logprobs.content)
    assert made.usage.completion_tokens == 12


def test_a_schema_holds_text() -> None:
    schema = {
        "type": "object",
        "properties": {"sky": {"enum": ["blue", "grey"]}},
        "required": ["sky"],
        "additionalProperties": False,
    }
    with running([served(['{"sky": "grey"}'])]) as address:
        made = client(address).chat.completions.create(
            model="model",
            messages=ASK,
            response_format={"type": "json_schema", "json_schema": {"name": "sky", "schema": schema}},
        )
    assert json.loads(made.choices[0].message.content) == {"sky": "grey"}


def test_completions(talking: openai.OpenAI) -> None:
    made = talking.completions.create(model="model", prompt=["One", "Two"], max_tokens=4, echo=True)
    assert [choice.text for choice in made.choices] == ["OneIt is sunny.", "TwoIt is sunny."]
    chunks = talking.completions.create(model="model", prompt="One", max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "It is sunny."


def test_several_models_and_what_is_listed() -> None:
    with running([served(["first"], "a"), served(["second"], "b")]) as address:
        ours = client(address)
        assert [model.id for model in ours.models.list()] == ["a", "b"]
        assert ours.models.retrieve("b").id == "b"
        texts = [ours.chat.completions.create(model=name, messages=ASK).choices[0].message.content for name in "ab"]
        assert texts == ["first", "second"]
        with pytest.raises(openai.NotFoundError, match="there is no model 'c'"):
            ours.chat.completions.create(model="c", messages=ASK)


def test_keys() -> None:
    with running([served(["hello"])], Settings(keys=["right", "other"])) as address:
        for key in ("right", "other"):
            assert client(address, key).models.list().data
        for key in ("wrong", "righ", "right "):
            if key.strip() == "right":
                continue
            with pytest.raises(openai.AuthenticationError, match="no valid API key"):
                client(address, key).chat.completions.create(model="model", messages=ASK)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "unknown role 'wizard'"),
        ({"messages": [*ASK, {"role": "assistant", "content": "x"}]}, "end with a user or a tool turn"),
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "'n'"),
        ({"tool_choice": "required"}, "there are no 'tools'"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "names 'x'"),
        ({"tools": [WEATHER, WEATHER]}, "two tools are named"),
        ({"tools": [WEATHER], "response_format": {"type": "json_object"}}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "json_schema' is missing"),
        ({"max_tokens": 10**9}, "room for"),
        ({"presence_penalty": 1}, "not supported"),
        ({"top_logprobs": 3}, "needs 'logprobs'"),
    ],
)
def test_what_is_wrong_is_said(calling: openai.OpenAI, change: dict[str, Any], message: str) -> None:
    body = {"model": "model", "messages": ASK} | change
    with pytest.raises(openai.BadRequestError, match=message):
        calling.post("/chat/completions", body=body, cast_to=object)


def test_bodies_and_schemas_have_limits() -> None:
    deep: Any = {"type": "string"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep}}
    loop = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}
    bombs = [
        deep,
        loop,
        {"$ref": "#"},
        {"type": "object", "properties": {"a": {"enum": list(range(9_000))}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a*)*" * 400}}},
        {"type": "object", "properties": {"a": {"type": "array", "minItems": 10**9, "items": {"type": "string"}}}},
    ]
    with running([served([CALL])], Settings(limits=Limits(body=200_000))) as address:
        ours = client(address)
        for schema in bombs:
            tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
            with pytest.raises(openai.BadRequestError):
                ours.chat.completions.create(model="model", messages=ASK, tools=[tool], tool_choice="required")
        with pytest.raises(openai.APIStatusError) as refused:
            ours.chat.completions.create(model="model", messages=[{"role": "user", "content": "x" * 300_000}])
    assert refused.value.status_code == 413
