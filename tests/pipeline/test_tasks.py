"""Tasks of several turns, played by scripted replies: results fed back, states compared, answers judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from callwright.dialects.hermes import hermes
from callwright.errors import DataError
from callwright.generate.fake import CharacterTokenizer, FakeEngine
from callwright.pipeline.evaluate import Scorer, options_of, score_with
from callwright.pipeline.played import played_from_json, played_to_json
from callwright.pipeline.tasks import Functions, Way, play, read_tasks, scored
from callwright.recipe import Eval
from callwright.score.run import RowScore
from callwright.score.tasks import TASK_LABELS, TaskScore, task_aggregates
from callwright.tools import load_tools
from callwright.types import Conversation

SOURCE = '''
_stock = {"apples": 5, "pears": 0}

def count(item: str) -> dict:
    """How many there are."""
    return {"item": item, "left": _stock.get(item, 0)}

def take(item: str, number: int) -> dict:
    """Take some."""
    if _stock.get(item, 0) < number:
        raise ValueError("there are not so many")
    _stock[item] -= number
    return {"left": _stock[item]}

def _all() -> dict:
    return _stock
'''
TAKE = {"name": "take", "arguments": {"item": "apples", "number": 2}}
COUNT = {"name": "count", "arguments": {"item": "apples"}}
ROW = {
    "id": "shop",
    "messages": [
        {"role": "user", "content": "How many apples are there?"},
        {"role": "assistant", "content": "", "tool_calls": [COUNT]},
        {"role": "tool", "content": '{"item": "apples", "left": 5}'},
        {"role": "assistant", "content": "There are 5 left."},
        {"role": "user", "content": "Take two of them."},
        {"role": "assistant", "content": "", "tool_calls": [TAKE]},
        {"role": "tool", "content": '{"left": 3}'},
        {"role": "assistant", "content": "Done, 3 are left."},
    ],
}
SETTINGS = Eval(data="tasks.jsonl")


def called(*calls: Any) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


def scripted(*texts: str) -> Scorer:
    """Answers of one task, in their order."""
    left = list(texts)

    def score(rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None]) -> list[RowScore]:
        engine = FakeEngine([left.pop(0)])
        return list(score_with(engine, rows, hermes(), CharacterTokenizer(), options_of(settings)))

    return score


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "shop.py").write_text(SOURCE)
    return str(tmp_path / "shop.py")


def done(tmp_path: Path, source: str, row: Any, *texts: str, execute: bool = False, steps: int = 4) -> TaskScore:
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row))
    tools = load_tools(source)
    tasks = read_tasks(str(tmp_path / "tasks.jsonl"), tools)
    functions = Functions(source, tools, ("_all",)) if execute else None
    (score,) = scored(tasks, list(play(tasks, scripted(*texts), Way(SETTINGS, steps, functions))))
    return score


def values(score: TaskScore) -> dict[str, float | None]:
    return {verdict.metric: verdict.value for verdict in score.verdicts}


RIGHT = (called(COUNT), "There are 5 apples.", called(TAKE), "Done: 3 remain.")


@pytest.mark.parametrize("execute", [False, True])
def test_what_is_right_is_right_in_everything(tmp_path: Path, source: str, execute: bool) -> None:
    score = done(tmp_path, source, ROW, *RIGHT, execute=execute)
    assert values(score) == dict.fromkeys(TASK_LABELS, 1.0) | {"state_match": None}
    assert [step.id for step in score.steps] == ["shop/1.1", "shop/1.2", "shop/2.1", "shop/2.2"]
    assert all(step.verdict("exact_match").value == 1 for step in score.steps)
    last = score.steps[-1].conversation.messages
    assert [message.role for message in last] == ["user", "assistant", "tool", "assistant"] * 2
    assert json.loads(last[-2].text) == {"left": 3} and last[-2].call_id == last[-3].calls[0].id


@pytest.mark.parametrize(
    ("change", "metric", "why"),
    [
        ({0: "There are 7."}, "faithful", "nothing gives 7"),
        ({1: "There are some apples."}, "values_present", "the answer lacks 5"),
        ({1: "There are some apples."}, "result_used", "nothing that follows"),
        ({2: called(TAKE | {"arguments": {"item": "apples", "number": 3}})}, "calls_exact", "expected 2, got 3"),
        ({2: called(TAKE, COUNT)}, "calls_exact", "unexpected call of count"),
        ({2: '<tool_call>\n{"name": '}, "finished", "cannot be read"),
        ({3: "Done: 3 remain, says Karl."}, "faithful", "nothing gives Karl"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, source: str, change: dict[int, str], metric: str, why: str) -> None:
    texts = [change.get(place, text) for place, text in enumerate(RIGHT)]
    if 0 in change:
        del texts[1]
    score = done(tmp_path, source, ROW, *texts)
    assert score.verdict(metric).value == 0
    assert why in score.verdict(metric).why
    assert score.verdict("task_success").value == 0 and score.verdict("task_success").why


def test_the_step_limit_ends_a_task(tmp_path: Path, source: str) -> None:
    score = done(tmp_path, source, ROW, *[called(COUNT)] * 4)
    assert score.verdict("finished").why == "no answer within 4 steps"
    assert score.verdict("steps_exact").value == 1 / 5, "one of four made, and one that was not reached"


def test_two_calls_in_one_step_are_the_same_calls(tmp_path: Path, source: str) -> None:
    row = {"id": "a", "messages": [*ROW["messages"][:1], {"role": "assistant", "content": "", "tool_calls": [COUNT]}]}
    row["messages"] += [ROW["messages"][2], *ROW["messages"][5:]]
    score = done(tmp_path, source, row, called(COUNT, TAKE), "5, then 3.")
    assert (score.verdict("calls_exact").value, score.verdict("steps_exact").value) == (1, 0)


def test_states_are_compared_after_functions_were_run(tmp_path: Path, source: str) -> None:
    check = {"name": "_all", "arguments": {}}
    asked = [{"role": "user", "content": "Take two apples."}]
    row = {"id": "a", "messages": asked, "state": [check | {"result": {"apples": 3, "pears": 0}}]}
    once = {"name": "take", "arguments": {"item": "apples", "number": 1}}
    score = done(tmp_path, source, row, called(once), called(once), "Done.", execute=True)
    assert (score.verdict("state_match").value, score.verdict("task_success").value) == (1, 1), "another way to it"
    assert score.verdict("calls_exact").value is None and score.steps == ()
    wrong = done(tmp_path, source, row, called(once), "Done.", execute=True)
    assert wrong.verdict("state_match").why == (
        '_all: expected {"apples": 3, "pears": 0}, got {"apples": 4, "pears": 0}'
    )
    gold = done(tmp_path, source, ROW | {"state": [check]}, *RIGHT, execute=True)
    assert gold.verdict("state_match").value == 1
    lazy = done(tmp_path, source, ROW | {"state": [check]}, *RIGHT[:2], "Done.", execute=True)
    assert lazy.verdict("state_match").value == 0


def test_errors_of_functions_are_results(tmp_path: Path, source: str) -> None:
    row = {"id": "a", "messages": [{"role": "user", "content": "Take a pear."}], "values": ["not so many"]}
    call = {"name": "take", "arguments": {"item": "pears", "number": 1}}
    unknown = {"name": "steal", "arguments": {}}
    score = done(tmp_path, source, row, called(call), called(unknown), "There are not so many pears.", execute=True)
    assert score.verdict("values_present").value == 1
    assert score.verdict("task_success").value == 1


def test_a_row_that_ends_with_calls_is_over_with_them(tmp_path: Path, source: str) -> None:
    score = done(tmp_path, source, ROW | {"messages": ROW["messages"][:2]}, called(COUNT))
    assert score.verdict("task_success").value == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, "nothing is expected here"),
        ({"state": {}}, "must be a list"),
        ({"state": [{"arguments": {}}]}, "needs a 'name'"),
        ({"values": 3}, "'values' must be a list"),
    ],
)
def test_bad_tasks_are_refused(tmp_path: Path, source: str, change: Any, why: str) -> None:
    with pytest.raises(DataError, match=why):
        done(tmp_path, source, ROW | change, *RIGHT)


def test_what_was_played_is_read_again(tmp_path: Path, source: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(json.dumps(ROW))
    tasks = read_tasks(str(tmp_path / "tasks.jsonl"), load_tools(source))
    played = list(play(tasks, scripted(*RIGHT[:2], called(COUNT), '<tool_call>{"'), Way(SETTINGS)))
    again = [played_from_json(json.loads(json.dumps(played_to_json(each)))) for each in played]
    assert again == played
    assert task_aggregates(scored(tasks, again)) == task_aggregates(scored(tasks, played))
