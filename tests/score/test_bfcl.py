"""The leaderboard's rows, its checker's verdicts and ours, on rows of every category that is asked once."""

from __future__ import annotations

import os
import sys

import pytest

from callwright.data.fields import Fields
from callwright.data.sources import bfcl_installed
from callwright.errors import RecipeError
from callwright.score.bfcl import (
    CATEGORIES,
    GROUPS,
    SINGLE_TURN,
    Entry,
    Judged,
    categories_of,
    entries,
    judge,
    question,
)
from callwright.score.bfcl_gold import gold_calls
from callwright.score.bfcl_strict import nearest
from callwright.score.bfcl_table import PARTS, bench_table, changes_table, missing_words, part_weights, summary
from callwright.types import BrokenCall, Conversation, Ending, JsonObject, Message, Reply, ToolCall

wheel = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")


def entry(key: str) -> Entry:
    return next(one for one in entries(key.rsplit("_", 1)[0]) if one.id == key)


def judged(key: str, *calls: ToolCall, reply: Reply | None = None) -> Judged:
    row = entry(key)
    return judge(row, question(row, Fields()), reply or Reply("", calls))


@wheel
@pytest.mark.parametrize("category", SINGLE_TURN)
def test_answers_pass_and_silence_fails_where_calls_are_due(category: str) -> None:
    fields, idle = Fields(), "irrelevance" in category
    for row in entries(category)[:20]:
        asked = question(row, fields)
        made = judge(row, asked, Reply("", gold_calls(row)))
        assert (made.theirs, made.strict, made.differs) == (True, True, ""), (row.id, made)
        silent = judge(row, asked, Reply("I cannot."))
        assert (silent.theirs, silent.strict) == (idle, idle), row.id


@wheel
def test_every_row_of_every_category_is_there() -> None:
    counts = {category: len(entries(category)) for category in CATEGORIES}
    assert sum(counts[category] for category in SINGLE_TURN) == 3641
    assert {counts[category] for category in GROUPS["multi_turn"]} == {200}
    assert len({row.id for category in CATEGORIES for row in entries(category)}) == 4441


@wheel
def test_java_and_javascript_are_asked_for_texts() -> None:
    asked = question(entry("simple_javascript_0"), Fields())
    assert {kind["type"] for kind in asked.tools[0].parameters["properties"].values()} == {"string"}
    assert "JavaScript" in asked.tools[0].description
    name = asked.tools[0].name
    right = judged("simple_javascript_0", ToolCall(name, {"inputField": "userInputField", "isComplete": "true"}))
    assert (right.theirs, right.strict) == (True, True)
    typed = judged("simple_javascript_0", ToolCall(name, {"inputField": "userInputField", "isComplete": True}))
    assert (typed.theirs, typed.error, typed.strict) == (False, "type_error:js", False)


@wheel
def test_where_the_two_differ_the_reason_is_named() -> None:
    row = entry("simple_python_0")
    (gold,) = gold_calls(row)
    assert gold == ToolCall("calculate_triangle_area", {"base": 10, "height": 5})
    made = judged(row.id, ToolCall(gold.name, {"base": 10.0, "height": 5}))
    assert (made.theirs, made.strict, made.differs) == (False, True, "5.0 for the integer 5")
    made = judged(row.id, ToolCall(gold.name, {**gold.arguments, "unit": "UNITS"}))
    assert (made.theirs, made.strict, made.differs) == (True, False, "letter case")
    made = judged(row.id, ToolCall(gold.name, {**gold.arguments, "unit": "un its."}))
    assert (made.theirs, made.strict, made.differs) == (True, False, "spaces or punctuation")
    made = judged(row.id, ToolCall(gold.name, {**gold.arguments, "unit": ""}))
    assert made.differs == "an empty text for an argument that may be left out"
    made = judged(row.id, reply=Reply("", (gold,), ending=Ending.LENGTH))
    assert (made.theirs, made.strict, made.differs) == (True, False, "cut at the token limit")


@wheel
def test_what_cannot_be_read_is_no_restraint() -> None:
    reply = Reply("", (), (BrokenCall("<tool_call>{", "unclosed"),))
    made = judged("irrelevance_0", reply=reply)
    assert (made.theirs, made.strict, made.unread) == (True, False, True)
    assert made.differs == "a broken call passes for none"
    made = judged("simple_python_0", reply=reply)
    assert (made.theirs, made.error, made.strict, made.unread) == (False, "ast_decoder:decoder_failed", False, True)


@wheel
def test_any_call_is_relevant_for_them_and_a_fitting_one_for_us() -> None:
    row = entries("live_relevance")[0]
    made = judge(row, question(row, Fields()), Reply("", (ToolCall("nothing_like_it", {}),)))
    assert (made.theirs, made.strict, made.differs) == (True, False, "calls a function that is not offered")


@wheel
def test_a_value_that_their_checker_falls_over_is_wrong() -> None:
    row = Entry(
        "x_0", "simple_python", {}, [{"name": "f", "parameters": {"properties": LIST, "required": []}}], [ANSWER]
    )
    asked = Conversation("x_0", (), (Message("user", "go"),))
    made = judge(row, asked, Reply("", (ToolCall("f", {"o": [{"k": "b"}]}),)))
    assert (made.theirs, made.strict) == (True, True)
    made = judge(row, asked, Reply("", (ToolCall("f", {"o": [{"k": ["b"]}]}),)))
    assert (made.theirs, made.strict) == (False, False)
    broken = Entry("x_0", "simple_python", {}, [{"name": "f", "parameters": {"required": []}}], [ANSWER])
    made = judge(broken, asked, Reply("", (ToolCall("f", {"o": []}),)))
    assert (made.theirs, made.error, made.strict) == (False, "checker_raised:KeyError", False)


LIST = {"o": {"type": "array", "items": {"type": "dict"}}}
ANSWER: JsonObject = {"f": {"o": [[{"k": ["a", "b"]}]]}}


def test_the_nearest_accepted_answer_is_the_gold() -> None:
    answers: list[JsonObject] = [{"f": {"n": [1, 2]}}, {"f": {"n": [1], "o": [{"k": ["a", "b"], "l": ["x", ""]}]}}]
    calls = [ToolCall("f", {"n": 1, "o": {"k": "b"}}), ToolCall("f", {"n": 1})]
    assert nearest(answers, calls, ()) == (calls[1], calls[0])
    assert nearest(answers, (), ()) == (ToolCall("f", {"n": 1}), ToolCall("f", {"n": 1, "o": {"k": "a"}}))


def test_categories_by_name_and_group() -> None:
    assert categories_of("") == CATEGORIES
    assert categories_of("live_relevance,non_live") == (*GROUPS["non_live"], "live_relevance")
    assert categories_of("single_turn") == SINGLE_TURN
    with pytest.raises(RecipeError, match="did you mean 'multi_turn_base'"):
        categories_of("multi_turn_bass")


def made_row(category: str, theirs: bool, strict: bool = False) -> JsonObject:
    row = {"id": f"{category}_{theirs}", "category": category, "theirs": theirs, "strict": strict}
    return {**row, "unread": False, "differs": "" if theirs == strict else "letter case"}


@wheel
def test_the_overall_score_counts_what_is_missing_as_nothing_and_says_it() -> None:
    assert all(abs(sum(part_weights(part).values()) - 1) < 1e-9 for part in PARTS[:4])
    whole = summary([made_row(category, True) for category in CATEGORIES])
    assert whole["overall"]["theirs"] == pytest.approx(0.6)
    assert sum(whole["missing"].values()) == pytest.approx(0.4)
    some = summary([made_row("simple_java", True), made_row("multi_turn_base", True)])
    assert some["overall"]["theirs"] == pytest.approx(0.1 / 12 + 0.3 / 4)
    assert some["parts"]["non-live"] is None
    assert sum(some["missing"].values()) == pytest.approx(1 - 0.1 / 12 - 0.3 / 4)
    assert "live_multiple 7.8%" in missing_words(some)
    assert some["categories"]["simple_java"]["differs"] == {"letter case": 1}


@wheel
def test_the_table_has_both_verdicts_and_the_change() -> None:
    runs = {
        "base": [made_row("simple_java", False)],
        "tuned": [{**made_row("simple_java", True), "id": "simple_java_False"}],
    }
    table = bench_table(runs)
    cells = [list(column.cells) for column in table.columns]
    assert [str(cell) for cell in cells[3]][:2] == ["0.0% [0.0, 79.3]", "100.0% [20.7, 100.0]"]
    assert str(next(iter(changes_table(runs).columns[1].cells))).startswith("+100.0 [")
    assert [str(cell) for cell in bench_table(runs, without=["simple_java_False"]).columns[0].cells] == ["overall", ""]


@wheel
def test_no_vendor_is_imported_and_nothing_is_left_in_the_environment() -> None:
    before = os.environ.get("BFCL_PROJECT_ROOT")
    entries("simple_java")
    assert os.environ.get("BFCL_PROJECT_ROOT") == before
    assert not {"anthropic", "cohere", "boto3", "mistralai"} & set(sys.modules)
