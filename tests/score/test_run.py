"""Verdicts of single rows, aggregates of many, and the files that they end in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.hermes import hermes
from callwright.dialects.xlam import XlamTags
from callwright.errors import DataError, RunError
from callwright.score.run import (
    METRICS,
    RowScore,
    aggregate,
    build_report,
    failures_of,
    read_report,
    score_row,
    write_report,
)
from callwright.score.stats import wilson
from callwright.types import BrokenCall, Conversation, Ending, JsonObject, Kind, Message, Reply, Tool, ToolCall

TIMER = Tool(
    "set_timer",
    "Start a timer.",
    {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}, "label": {"type": "string"}},
        "required": ["minutes"],
        "additionalProperties": False,
    },
)
NOW = Tool("now", "The time.", {"type": "object", "properties": {}})
BROKEN = BrokenCall("<tool_call>{", "unclosed brace at 11")
VALUES = st.text(max_size=6) | st.integers() | st.booleans() | st.none() | st.lists(st.text(max_size=3), max_size=2)
TEN = ToolCall("set_timer", {"minutes": 10, "label": "tea"})


def row(*calls: ToolCall, id: str = "r1") -> Conversation:
    answer = Message("assistant", "" if calls else "No tool can do that.", calls)
    return Conversation(id, (TIMER, NOW), (Message("user", "Ten minutes for tea"), answer), where="test.jsonl:1")


def raw(*calls: ToolCall) -> str:
    documents = [json.dumps({"name": call.name, "arguments": call.arguments}) for call in calls]
    return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in documents)


def scored(gold: Conversation, *calls: ToolCall, text: str = "") -> RowScore:
    return score_row(gold, Reply(text, calls), text + raw(*calls))


def values(score: RowScore) -> dict[str, float | None]:
    return {verdict.metric: verdict.value for verdict in score.verdicts}


def test_a_perfect_call() -> None:
    score = scored(row(TEN), TEN)
    assert tuple(values(score)) == METRICS
    assert values(score) == {
        "exact_match": 1.0,
        "name_accuracy": 1.0,
        "argument_accuracy": 1.0,
        "strict_json": 1.0,
        "schema_valid": 1.0,
        "called_when_due": 1.0,
        "abstained_when_due": None,
        "asked_when_missing": None,
        "parse_failure": 0.0,
    }


def test_one_wrong_argument_says_which() -> None:
    score = scored(row(TEN), ToolCall("set_timer", {"minutes": 1, "label": "tea"}))
    assert score.verdict("exact_match").value == 0.0
    assert score.verdict("exact_match").why == "set_timer.minutes: expected 10, got 1"
    assert score.verdict("argument_accuracy").value == 0.5
    assert score.verdict("name_accuracy").value == 1.0
    assert score.verdict("schema_valid").value == 1.0


def test_the_wording_of_a_text_answer_is_not_judged() -> None:
    score = scored(row(), text="Something else entirely.")
    assert values(score) == {
        "exact_match": 1.0,
        "name_accuracy": None,
        "argument_accuracy": None,
        "strict_json": None,
        "schema_valid": None,
        "called_when_due": None,
        "abstained_when_due": 1.0,
        "asked_when_missing": None,
        "parse_failure": 0.0,
    }


def test_pitfall_8_a_call_that_nobody_asked_for() -> None:
    score = scored(row(), TEN)
    assert score.verdict("exact_match").value == score.verdict("abstained_when_due").value == 0.0
    assert "set_timer" in score.verdict("exact_match").why


@pytest.mark.parametrize("gold", [row(), row(TEN)])
@pytest.mark.parametrize(
    "reply", [Reply("", broken=(BROKEN,)), Reply("", (TEN,), (BROKEN,)), Reply("", (TEN,), ending=Ending.ERROR)]
)
def test_pitfall_11_parse_failures_are_their_own_column_and_never_exact(gold: Conversation, reply: Reply) -> None:
    score = score_row(gold, reply, reply.text)
    assert score.verdict("parse_failure").value == 1.0
    assert score.verdict("parse_failure").why
    assert score.verdict("exact_match").value == 0.0
    assert score.verdict("abstained_when_due").value in (None, 0.0)


@pytest.mark.parametrize(("gold", "calls"), [(row(), ()), (row(TEN), (TEN,))])
def test_pitfall_5_a_reply_that_never_stops_is_not_exact(gold: Conversation, calls: tuple[ToolCall, ...]) -> None:
    score = score_row(gold, Reply("", calls, ending=Ending.LENGTH), raw(*calls))
    assert score.verdict("exact_match").value == 0.0
    assert "did not stop" in score.verdict("exact_match").why
    assert score.verdict("parse_failure").value == 0.0


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ToolCall("set_timr", {"minutes": 1}), "did you mean 'set_timer'?"),
        (ToolCall("set_timer", {"minutes": "1"}), "set_timer"),
        (ToolCall("set_timer", {}), "minutes"),
    ],
)
def test_a_call_outside_its_schema(call: ToolCall, why: str) -> None:
    verdict = scored(row(TEN), TEN, call).verdict("schema_valid")
    assert verdict.value == 0.0
    assert why in verdict.why


def test_parallel_calls_in_another_order_are_exact() -> None:
    assert scored(row(TEN, ToolCall("now", {})), ToolCall("now", {}), TEN).verdict("exact_match").value == 1.0


def test_a_row_that_ends_with_the_user_is_refused_with_its_place() -> None:
    gold = Conversation("x", (), (Message("user", "Hi"),), where="test.jsonl:7")
    with pytest.raises(DataError, match=r"test\.jsonl:7: a test row ends with a user message"):
        score_row(gold, Reply(""), "")
    with pytest.raises(DataError, match=r"row 'x': a test row has no messages"):
        score_row(Conversation("x", (), ()), Reply(""), "")


def test_an_unknown_metric_offers_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'exact_match'"):
        scored(row(TEN), TEN).verdict("exact_mach")


@pytest.mark.parametrize("dialect", [hermes(), XlamTags("<|endoftext|>")], ids=lambda dialect: dialect.name)
@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=1, max_size=3))
def test_a_rendered_gold_answer_scores_full_marks(dialect: Dialect, many: list[JsonObject]) -> None:
    calls = tuple(ToolCall("now", arguments) for arguments in many)
    kinds = (Kind.SCAFFOLD, Kind.NAME, Kind.ARGUMENT)
    answer = text_of(segment for segment in dialect.segments(row(*calls)) if segment.kind in kinds)
    score = score_row(row(*calls), dialect.parse(answer), answer)
    assert [values(score)[metric] for metric in ("exact_match", "name_accuracy", "strict_json")] == [1.0] * 3
    assert score.verdict("parse_failure").value == 0.0


@pytest.mark.parametrize("text", ["<tool_call>\n{", "<tool_call>\nnow()\n</tool_call>", "<tool_call></tool_call>"])
def test_pitfall_11_garbage_through_a_real_parser_is_no_abstention(text: str) -> None:
    score = score_row(row(), hermes().parse(text), text)
    assert values(score)["exact_match"] == values(score)["abstained_when_due"] == values(score)["strict_json"] == 0.0
    assert score.verdict("parse_failure").value == 1.0


def some_rows() -> list[RowScore]:
    one = ToolCall("set_timer", {"minutes": 1, "label": "tea"})
    return [
        scored(row(TEN, id="a"), TEN),
        scored(row(TEN, id="b"), one),
        scored(row(TEN, ToolCall("now", {}), id="c"), TEN),
        scored(row(id="d"), text="No."),
        scored(row(id="e"), TEN),
    ]


def test_aggregates_by_hand() -> None:
    result = aggregate(some_rows(), {"a": "single", "b": "single", "c": "parallel", "d": "none"})
    interval = wilson(2, 5)
    assert result["exact_match"] == {"n": 5, "value": 0.4, "low": interval.low, "high": interval.high}
    assert (result["name_accuracy"]["n"], result["name_accuracy"]["value"]) == (3, pytest.approx(2 / 3))
    assert (result["argument_accuracy"]["n"], result["argument_accuracy"]["value"]) == (3, pytest.approx(2.5 / 3))
    assert (result["abstained_when_due"]["n"], result["abstained_when_due"]["value"]) == (2, 0.5)
    assert (result["called_when_due"]["n"], result["called_when_due"]["value"]) == (3, 1.0)
    assert result["parse_failure"]["value"] == 0.0
    timer, now = result["by_tool"]["set_timer"], result["by_tool"]["now"]
    assert (timer["n"], timer["value"], timer["spurious"]) == (3, pytest.approx(2 / 3), 1)
    assert (now["n"], now["value"], now["spurious"]) == (1, 0.0, 0)
    assert {key: (share["n"], share["value"]) for key, share in result["by_argument"].items()} == {
        "set_timer.label": (3, 1.0),
        "set_timer.minutes": (3, pytest.approx(2 / 3)),
    }
    assert {key: (share["n"], share["value"]) for key, share in result["by_category"].items()} == {
        "none": (1, 1.0),
        "parallel": (1, 0.0),
        "single": (2, 0.5),
        "uncategorised": (1, 0.0),
    }


def test_no_rows_have_every_metric_and_no_values() -> None:
    result = aggregate([])
    assert [result[metric] for metric in METRICS] == [{"n": 0, "value": None, "low": None, "high": None}] * len(METRICS)
    assert result["by_tool"] == result["by_argument"] == result["by_category"] == {}


def test_a_mean_of_fractions_has_an_interval() -> None:
    pair = [ToolCall("f", {"a": 1, "b": 1, "c": 1}), ToolCall("f", {"a": 1, "b": 1, "c": 2})]
    rows = [score_row(row(pair[0], id=str(i)), Reply("", (pair[i % 2],)), "") for i in range(7)]
    share = aggregate(rows)["argument_accuracy"]
    assert 0 <= share["low"] <= share["value"] <= share["high"] <= 1


def test_rows_that_share_an_id_stay_apart() -> None:
    report = build_report("run", [scored(row(TEN), TEN), scored(row(TEN)), scored(row(TEN), TEN)])
    assert list(report.verdicts) == ["r1", "r1#2", "r1#3"]
    assert report.verdicts["r1#2"][0].value == 0.0


def test_the_report_survives_a_write_and_a_read(tmp_path: Path) -> None:
    rows = some_rows()
    report = build_report("tuned", rows, {"a": "single"})
    paths = write_report(tmp_path / "new" / "scores", report, failures_of(rows))
    assert read_report(paths.report) == report
    assert sorted(path.name for path in paths.report.parent.iterdir()) == ["failures.jsonl", "report.json"]
    lines = [json.loads(line) for line in paths.failures.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["b", "c", "e"]
    assert lines[0] == {
        "id": "b",
        "where": "test.jsonl:1",
        "request": "Ten minutes for tea",
        "why": "set_timer.minutes: expected 10, got 1",
        "expected_calls": [{"name": "set_timer", "arguments": {"minutes": 10, "label": "tea"}}],
        "expected_text": "",
        "got_calls": [{"name": "set_timer", "arguments": {"minutes": 1, "label": "tea"}}],
        "got_text": "",
        "broken_calls": [],
        "ending": "stop",
        "raw_text": raw(ToolCall("set_timer", {"minutes": 1, "label": "tea"})),
        "mode": "wrong_value",
        "modes": ["wrong_value"],
    }


def test_what_a_model_can_write_always_fits_into_the_files(tmp_path: Path) -> None:
    odd = ToolCall("set_timer", {"minutes": math.nan, "label": "\ud83d\u2028é"})
    rows = [score_row(row(TEN), Reply("\ud83d", (odd,), (BROKEN,)), "\ud83d")]
    paths = write_report(tmp_path, build_report("run", rows), failures_of(rows))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    (line,) = paths.failures.read_text(encoding="utf-8").split("\n")[:-1]
    failure = json.loads(line, parse_constant=refuse)
    assert failure["got_calls"][0]["arguments"] == {"minutes": "nan", "label": "\ud83d\u2028é"}
    assert failure["broken_calls"] == [{"text": "<tool_call>{", "reason": "unclosed brace at 11"}]
    json.loads(paths.report.read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some_rows()
    paths = write_report(tmp_path, build_report("old", rows), [])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        write_report(tmp_path, build_report("new", rows), failures_of(rows))
    assert read_report(paths.report).run == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.jsonl", "report.json"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1, "verdicts": {"a": [1]}}'])
def test_a_file_that_is_no_report_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(RunError, match="not a report"):
        read_report(path)


def test_a_report_of_another_format_or_none_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"format": 99, "run": "x", "aggregates": {}, "verdicts": {}}')
    with pytest.raises(RunError, match="format 99"):
        read_report(path)
    with pytest.raises(RunError, match="cannot read the report"):
        read_report(tmp_path / "absent.json")
