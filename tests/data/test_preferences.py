"""Pairs: what is made wrong, what a model wrote wrong, and their file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from callwright.data.preferences import KINDS, Preference, corrupted, from_failures, read_pairs, to_row
from callwright.errors import DataError
from callwright.schema import validate
from callwright.types import Conversation, Message, Tool, ToolCall

MOVE = Tool(
    "move",
    "Move something.",
    {
        "type": "object",
        "properties": {
            "start": {"type": "string"},
            "goal": {"type": "string"},
            "speed": {"type": "string", "enum": ["slow", "fast"]},
            "count": {"type": "integer"},
        },
        "required": ["start", "goal"],
    },
)
STOP = Tool("stop", "Stop.", {"type": "object", "properties": {"count": {"type": "integer"}}})
CALL = ToolCall("move", {"start": "the red door", "goal": "the hall", "speed": "slow", "count": 3})
CALLING = Conversation(
    "calling",
    (MOVE, STOP),
    (
        Message("user", "hello"),
        Message("assistant", "Hello."),
        Message("user", "Go slowly from the red door to the hall, three times."),
        Message("assistant", "", (CALL,)),
    ),
)
BARE = Conversation(
    "bare",
    (MOVE, STOP),
    (
        Message("user", "Go from the door to the hall."),
        Message("assistant", "", (ToolCall("move", {"start": "the door", "goal": "hall"}),)),
    ),
)
PLAIN = Conversation("plain", (MOVE, STOP), (Message("user", "hello"), Message("assistant", "Hello.")))


def made(row: Conversation, kind: str) -> list[Preference]:
    return list(corrupted([row], [kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_makes_one_thing_wrong(kind: str) -> None:
    row = {"needless_call": PLAIN, "needless_value": BARE}.get(kind, CALLING)
    (pair,) = made(row, kind)
    wrong, right = pair.rejected.messages[-1], pair.chosen.messages[-1]
    assert (pair.why, right) == (kind, row.messages[-1])
    assert wrong != right
    assert pair.rejected.messages[:-1] == pair.chosen.messages[:-1]
    assert all(message.train is False for message in pair.chosen.messages[:-1] if message.role == "assistant")
    assert made(row, kind) == [pair], "the same seed gives the same pairs"
    if kind == "wrong_name":
        assert wrong.calls == (ToolCall("stop", {"count": 3}),)
    if kind == "wrong_value":
        changed = [key for key, value in CALL.arguments.items() if wrong.calls[0].arguments[key] != value]
        assert len(changed) == 1
        assert not validate(wrong.calls[0].arguments, MOVE.parameters)
    if kind == "swapped_values":
        assert sorted(map(str, wrong.calls[0].arguments.values())) == sorted(map(str, CALL.arguments.values()))
    if kind == "missing_value":
        assert len({"start", "goal"} - wrong.calls[0].arguments.keys()) == 1
    if kind == "needless_value":
        (call,) = wrong.calls
        assert row.messages[-1].calls[0].arguments.items() < call.arguments.items()
        assert len(call.arguments) == 3
        assert not validate(call.arguments, MOVE.parameters)
    if kind == "needless_call":
        assert not validate(wrong.calls[0].arguments, {"stop": STOP, "move": MOVE}[wrong.calls[0].name].parameters)
    if kind == "no_call":
        assert not wrong.calls
        assert wrong.text


@pytest.mark.parametrize(
    "kind", ["wrong_name", "wrong_value", "swapped_values", "missing_value", "needless_value", "no_call"]
)
def test_a_kind_passes_over_rows_that_do_not_offer_it(kind: str) -> None:
    assert made(PLAIN, kind) == []
    assert list(corrupted([Conversation("cut", (), (Message("user", "hi"),))])) == []


def test_texts_become_longer_as_well_as_shorter() -> None:
    """Words of the request beside a value are as wrong as words of it that are missing."""
    lengths = set()
    for number in range(40):
        row = Conversation(f"r{number}", BARE.tools, BARE.messages)
        (pair,) = made(row, "wrong_value")
        for key, value in pair.rejected.messages[-1].calls[0].arguments.items():
            right = BARE.messages[-1].calls[0].arguments[key]
            lengths.add((len(value.split()) > len(right.split())) - (len(value.split()) < len(right.split())))
            assert value in "Go from the door to the hall"
    assert lengths == {-1, 0, 1}


def test_a_value_too_many_is_as_frequent_as_one_left_out() -> None:
    rows = [Conversation(f"r{n}", BARE.tools, BARE.messages) for n in range(60)]
    counts = Counter(pair.why for pair in corrupted(rows, per_row=2))
    assert abs(counts["needless_value"] - counts["missing_value"]) <= 1


def test_kinds_take_turns_and_a_row_gives_no_more_than_is_asked() -> None:
    rows = [Conversation(f"r{n}", CALLING.tools, CALLING.messages) for n in range(12)]
    pairs = list(corrupted(rows, per_row=2))
    assert len(pairs) == 24
    counts = Counter(pair.why for pair in pairs)
    assert counts == {kind: 6 for kind in KINDS if kind not in ("needless_value", "needless_call", "no_call")}
    with pytest.raises(DataError, match=r"no kind 'wrong_nme'.*wrong_name"):
        list(corrupted(rows, ["wrong_nme"]))


def test_wrong_refusals_are_no_more_than_needless_calls() -> None:
    rows = [Conversation(f"r{n}", one.tools, one.messages) for n, one in enumerate([*[CALLING] * 20, *[PLAIN] * 3] * 2)]
    counts = Counter(pair.why for pair in corrupted(rows))
    assert counts["needless_call"] == 6 and 0 < counts["no_call"] <= 6
    assert sum(counts.values()) == 46
    assert Counter(pair.why for pair in corrupted(rows, ["no_call"])) == {"no_call": 40}


def test_the_file_gives_every_pair_back(tmp_path: Path) -> None:
    pairs = [*corrupted([CALLING, PLAIN], per_row=5)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(to_row(pair)) + "\n" for pair in pairs))
    for got, want in zip(read_pairs(file), pairs, strict=True):
        assert (got.chosen.messages, got.rejected.messages, got.why) == (
            want.chosen.messages,
            want.rejected.messages,
            want.why,
        )
        assert got.chosen.tools == want.chosen.tools


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "is no JSON"),
        ('{"messages": []}', "is no pair"),
        ('{"messages": [{"role": "user", "content": "a"}], "rejected": {"role": "assistant", "content": "b"}}', "both"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],'
            ' "rejected": {"role": "assistant", "content": "b"}}',
            "both answers are the same",
        ),
    ],
)
def test_what_is_no_pair_is_refused_with_its_line(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(to_row(next(iter(corrupted([CALLING]))))) + "\n" + line + "\n")
    with pytest.raises(DataError, match=rf"pairs.jsonl:2: .*{why}"):
        list(read_pairs(file))


def test_what_a_model_wrote_wrong(tmp_path: Path) -> None:
    usual = {"got_text": "", "broken_calls": []}
    lines = [
        {**usual, "id": "calling", "got_calls": [{"name": "stop", "arguments": {}}]},
        {**usual, "id": "plain", "got_calls": [], "broken_calls": [{"text": "{", "reason": "it ends"}]},
        {**usual, "id": "elsewhere", "got_calls": [{"name": "stop", "arguments": {}}]},
        {**usual, "id": "calling", "got_calls": [{"name": CALL.name, "arguments": CALL.arguments}]},
    ]
    file = tmp_path / "failures.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (pair,) = from_failures([CALLING, PLAIN], file)
    assert (pair.why, pair.rejected.messages[-1].calls) == ("model", (ToolCall("stop", {}),))
    file.write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match=r"failures.jsonl:1: is no line of failures.jsonl"):
        list(from_failures([CALLING], file))
