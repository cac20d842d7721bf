"""Our own row: what is written is read back, in every container, whatever the tools and the texts hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callwright.data import canonical, conversations, read, write
from callwright.data.fields import Fields, tools_json
from callwright.errors import DataError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import BadRow, Conversation, Message, Tool, ToolCall

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")

RAW_TOOLS: list[dict[str, Any]] = [
    {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
    {
        "name": "get_weather",
        "description": "The weather \u2028 now",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        },
    },
    {
        "name": "set_alarm",
        "description": "ünïcödé",
        "parameters": {
            "type": "object",
            "properties": {
                "label": {"type": ["string", "null"], "default": None},
                "at": {"type": "object", "properties": {"hour": {"type": "integer"}}, "required": ["hour"]},
            },
            "required": ["at"],
        },
    },
]
TOOLS: list[Tool] = [tool_from_json(raw, "test") for raw in RAW_TOOLS]

texts = st.text(max_size=20) | st.sampled_from(["\u2028\u2029\x85", "\ud800 lone", '"\\', "a\nb\r\nc\t", "NaN", "{}"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
calls = st.builds(ToolCall, names, st.dictionaries(texts, values, max_size=3), st.sampled_from(["", "call_1"]))
messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "user"]), texts),
    st.builds(
        Message,
        st.just("assistant"),
        texts,
        st.lists(calls, max_size=3).map(tuple),
        train=st.sampled_from([None, True, False]),
    ),
    st.builds(Message, st.just("tool"), texts, call_id=st.sampled_from(["", "call_1"]), name=st.just("") | names),
)
rows = st.builds(
    Conversation,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    st.lists(st.sampled_from(TOOLS), max_size=3).map(tuple),
    st.lists(messages, max_size=4).map(tuple),
    source=st.text(st.characters(codec="utf-8"), max_size=8),
)


def without_where(found: Iterator[Conversation]) -> list[Conversation]:
    return [dataclasses.replace(row, where="") for row in found]


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(rows, min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path: Path, ending: str, written: list[Conversation]) -> None:
    path = tmp_path / f"rows{ending}"
    assert write(path, written) == len(written)
    assert without_where(conversations(path, format="canonical")) == written


@pytest.mark.parametrize("ending", ENDINGS)
def test_arrow_fills_no_none_and_keeps_a_legitimate_one(tmp_path: Path, ending: str) -> None:
    """Trap 3: heterogeneous tools and arguments, and one null that belongs there."""
    call = ToolCall("set_alarm", {"label": None, "at": {"hour": 7}})
    written = [
        Conversation("a", (TOOLS[1],), (Message("assistant", "", (ToolCall("get_weather", {"city": "Oslo"}),)),)),
        Conversation("b", (TOOLS[0], TOOLS[2]), (Message("assistant", "", (call, ToolCall("now", {}))),)),
    ]
    path = tmp_path / f"x{ending}"
    write(path, written)
    found = without_where(conversations(path))
    assert found == written
    assert found[0].messages[0].calls[0].arguments == {"city": "Oslo"}
    assert found[1].messages[0].calls[0].arguments == {"label": None, "at": {"hour": 7}}
    assert list(found[1].messages[0].calls[0].arguments) == ["label", "at"]
    assert json.dumps(tools_json(found[0].tools)) == json.dumps(tools_json((TOOLS[1],)))


def test_null_keys_of_arrow_structs_count_as_absent(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist(
        [
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": None, "tool_calls": "[]"},
                ]
            },
            {"messages": [{"role": "tool", "content": "1", "name": "f", "train": None}], "tools": None, "id": "b"},
        ]
    )
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    first, second = conversations(tmp_path / "x.parquet")
    assert first.id == "x-1" and first.messages == (Message("user", "hi"), Message("assistant", ""))
    assert second.messages == (Message("tool", "1", name="f"),) and second.tools == ()


def read_one(row: dict[str, Any], *, lenient: bool = False) -> Conversation:
    return canonical.from_row(row, "x:1", Fields(lenient=lenient))


def call_row(arguments: Any) -> dict[str, Any]:
    calls = [{"name": "f", "arguments": arguments}]
    return {"id": "a", "messages": [{"role": "assistant", "content": "", "tool_calls": calls}], "tools": []}


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [({"a": 1}, {"a": 1}), ('{"a": 1}', {"a": 1}), (None, {}), ("", {}), (" ", {}), ("{}", {}), ("null", {})],
)
def test_arguments_may_be_an_object_or_a_string(raw: Any, arguments: dict[str, Any]) -> None:
    """Trap 4: string and dict arguments read alike."""
    assert read_one(call_row(raw)).messages[0].calls == (ToolCall("f", arguments),)


def test_arguments_encoded_twice_are_refused_unless_lenient() -> None:
    row = call_row(json.dumps(json.dumps({"a": "x"})))
    with pytest.raises(DataError, match=r"tool_calls\[0\].arguments: encoded as JSON twice; .*data lint --fix"):
        read_one(row)
    assert read_one(row, lenient=True).messages[0].calls[0].arguments == {"a": "x"}
    thrice = call_row(json.dumps(json.dumps(json.dumps({"a": "x"}))))
    assert read_one(thrice, lenient=True).messages[0].calls[0].arguments == {"a": "x"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": {}}, "'messages' is an object; it must be a list"),
        ({"messages": None}, "'messages' is null"),
        ({"messages": [5]}, r"messages\[0\] is a number"),
        ({"messages": [{"role": "asistant"}]}, "unknown role 'asistant'; did you mean 'assistant'"),
        ({"messages": [{"content": "x"}]}, "unknown role None"),
        ({"messages": [{"role": ["user"]}]}, "unknown role"),
        ({"messages": [{"role": "user", "content": 5}]}, r"messages\[0\].content is a number"),
        ({"messages": [{"role": "user", "tool_calls": [{"name": "f"}]}]}, "only the assistant calls"),
        ({"messages": [{"role": "assistant", "tool_calls": {"name": "f"}}]}, "tool_calls is an object"),
        ({"messages": [{"role": "assistant", "tool_calls": ["f"]}]}, r"tool_calls\[0\] is a text"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"arguments": {}}]}]}, r"tool_calls\[0\] has no name"),
        ({"messages": [{"role": "assistant", "train": "yes"}]}, "'train' must be true or false"),
        (call_row("{'a': 1}"), "arguments is not JSON: Expecting property name .* at character 2"),
        (call_row([1]), "arguments is a list; it must be an object"),
        (call_row("[1]"), "arguments is a list; it must be an object"),
        ({"messages": [], "tools": 5}, "'tools' is a number"),
        ({"messages": [], "tools": [5]}, r"tools\[0\] is a number"),
        ({"messages": [], "tools": "[{]"}, "'tools' is not JSON: .* at character 3"),
        ({"messages": [], "tools": [{"description": "no name"}]}, r"x:1: tools\[0\]"),
        ({"messages": [], "id": ["a"]}, "'id' is a list"),
    ],
)
def test_what_makes_a_row_bad(row: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_one(row)


def test_a_bad_row_does_not_end_reading(tmp_path: Path) -> None:
    good = canonical.to_row(Conversation("a", (TOOLS[0],), (Message("user", "hi"),)))
    path = tmp_path / "x.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps({'messages': 3})}\n{json.dumps(good)}\n")
    first, bad, last = read(path)
    assert isinstance(first, Conversation) and isinstance(last, Conversation)
    assert bad == BadRow(f"{path}:2", "'messages' is a number; it must be a list", '{"messages": 3}')


def test_equal_tools_are_one_object(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, [Conversation(str(i), (TOOLS[i % 2], TOOLS[2]), ()) for i in range(4)])
    first, second, third, _ = conversations(path)
    assert first.tools is third.tools and first.tools[1] is second.tools[1] and first.tools[0] is not second.tools[0]


def test_tools_that_differ_only_in_kind_of_number_stay_apart() -> None:
    def with_default(default: Any) -> dict[str, Any]:
        return {"name": "f", "parameters": {"type": "object", "properties": {"n": {"default": default}}}}

    fields = Fields()
    tools = fields.tools([with_default(value) for value in (1, 1.0, True)], "x")
    kinds = [type(tool.parameters["properties"]["n"]["default"]) for tool in tools]
    assert kinds == [int, float, bool]


def test_the_caches_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callwright.data.fields._KEPT_TOOLS", 10)
    monkeypatch.setattr("callwright.data.fields._KEPT_LISTS", 10)
    fields = Fields()
    for i in range(50):
        (tool,) = fields.tools([{"name": f"f{i}", "description": "", "parameters": {"type": "object"}}], "x")
        assert tool.name == f"f{i}"
    assert len(fields._tools) == len(fields._lists) == 10


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def failing() -> Iterator[Conversation]:
        yield Conversation("new", (), ())
        raise RuntimeError("stop")

    for ending in ENDINGS:
        path = tmp_path / f"x{ending}"
        path.write_text("old")
        with pytest.raises(RuntimeError):
            write(path, failing())
        assert path.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"x{ending}" for ending in ENDINGS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_values_that_json_cannot_hold_are_refused(tmp_path: Path, value: Any) -> None:
    row = Conversation("a", (), (Message("assistant", "", (ToolCall("f", {"v": value}),)),))
    with pytest.raises(DataError, match="row 'a': cannot be written as JSON"):
        write(tmp_path / "x.jsonl", [row])
    assert not list(tmp_path.iterdir())


def test_unknown_endings_and_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must end in one of \.jsonl, "):
        write(tmp_path / "x.txt", [])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write(tmp_path / "file" / "x.jsonl", [])


def test_equal_rows_give_equal_files(tmp_path: Path) -> None:
    row = Conversation("a", (TOOLS[1],), (Message("user", "hi"),))
    write(tmp_path / "a.jsonl.gz", [row])
    write(tmp_path / "b.jsonl.gz", [row])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
