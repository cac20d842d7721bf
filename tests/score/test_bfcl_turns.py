"""Multi-turn rows: the leaderboard's answers pass, silence fails, and what a model writes never runs as code."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callwright.data.fields import Fields
from callwright.data.sources import bfcl_installed
from callwright.generate.reply import Answer, Prompt
from callwright.scale.apart import Ended, Limits
from callwright.score.bfcl import GROUPS, Entry, Judged, entries
from callwright.score.bfcl_gold import gold_steps
from callwright.score.bfcl_turns import ADDED, MOST_STEPS, Backends, Play, begin, call_text, judge_play, play, take
from callwright.types import BrokenCall, Reply, ToolCall

pytest.importorskip("mpmath", reason="the leaderboard's calculator needs it: pip install mpmath")
pytestmark = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as found:
        yield found


def said(*calls: ToolCall, text: str = "") -> Answer:
    return Answer(Reply(text, calls), text or "calls", 0, Prompt("", (), 0))


def gold_answers(entry: Entry) -> list[Answer]:
    return [answer for turn in gold_steps(entry) for answer in (*([said(*turn)] if turn else []), said(text="Done."))]


def played(entry: Entry, answers: list[Answer], backends: Backends) -> tuple[Play, Judged]:
    waiting = deque(answers)
    (made,) = play([entry], lambda rows: [waiting.popleft() for _ in rows], backends, Fields())
    return made, judge_play(made, backends)


@pytest.mark.parametrize("category", GROUPS["multi_turn"])
def test_answers_pass_and_silence_fails(category: str, backends: Backends) -> None:
    for entry in entries(category)[::25]:
        _, made = played(entry, gold_answers(entry), backends)
        assert (made.theirs, made.strict, made.error) == (True, True, ""), entry.id
        _, made = played(entry, [said(text="I cannot.")] * 9, backends)
        assert (made.theirs, made.error) == (False, "multi_turn:empty_turn_model_response"), entry.id


def test_results_are_what_the_model_is_told_and_added_functions_are_announced(backends: Backends) -> None:
    entry = entries("multi_turn_miss_func")[0]
    fields = Fields()
    live = begin(entry, fields)
    assert "sort" not in {tool.name for tool in live.conversation.tools}
    for answer in gold_answers(entry)[:2]:
        take(live, answer, backends, fields)
    roles = [message.role for message in live.conversation.messages]
    assert roles == ["user", "assistant", "tool", "tool", "tool", "assistant", "user"]
    calls, results = live.conversation.messages[1].calls, live.conversation.messages[2:5]
    assert [call.id for call in calls] == [result.call_id for result in results]
    assert "current_working_directory" in results[0].text
    for answer in gold_answers(entry)[2:5]:
        take(live, answer, backends, fields)
    assert live.conversation.messages[-1].text == ADDED
    assert live.conversation.tools[-1].name == "sort"


def test_a_call_where_none_is_wanted_passes_with_them_and_not_with_us(backends: Backends) -> None:
    entry = next(one for one in entries("multi_turn_miss_func") if [] in (one.answers or []))
    answers = gold_answers(entry)
    idle = next(number for number, turn in enumerate(gold_steps(entry)) if not turn)
    at = sum(1 + bool(turn) for turn in gold_steps(entry)[:idle])
    _, made = played(entry, [*answers[:at], said(ToolCall("pwd", {})), *answers[at:]], backends)
    assert (made.theirs, made.strict, made.differs) == (True, False, "a call on a turn that wants none")


def test_a_broken_call_ends_the_turn_and_is_told_apart(backends: Backends) -> None:
    entry = entries("multi_turn_base")[0]
    broken = replace(said(), reply=Reply("", (), (BrokenCall("<tool_call>{", "unclosed"),)), raw="<tool_call>{")
    answers = gold_answers(entry)
    live, made = played(entry, [answers[0], broken, *answers[2:]], backends)
    assert (made.theirs, made.strict, made.unread) == (True, False, True)
    assert made.differs == "a reply that is broken or cut"
    assert "<tool_call>{" in [message.text for message in live.conversation.messages]


def test_a_turn_of_more_than_twenty_steps_ends_the_row(backends: Backends) -> None:
    live, made = played(entries("multi_turn_base")[0], [said(ToolCall("pwd", {}))] * 99, backends)
    assert len(live.turns[0]) == MOST_STEPS + 1
    assert (made.theirs, made.error) == (False, "multi_turn:force_terminated")


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("__import__('os').system", {"command": "touch hacked"}),
        ToolCall("print", {}),
        ToolCall("exit", {}),
        ToolCall("pwd()) or __import__('pathlib').Path('/tmp/hacked').touch", {}),
        ToolCall("cd", {"folder=1, **__import__('os').environ": 1}),
        ToolCall("cd", {"class": "x"}),
    ],
)
def test_what_is_no_call_of_a_known_function_never_runs(call: ToolCall, backends: Backends) -> None:
    assert call_text(call, {"pwd", "cd"}) == "unknown_function()"
    entry = entries("multi_turn_base")[0]
    live, _ = played(entry, [said(call), *[said(text="no")] * 9], backends)
    assert live.conversation.messages[2].text == f"Error during execution: name '{call.name}' is not defined"


def test_values_are_literals(backends: Backends, tmp_path: Path) -> None:
    bad = "' + str(open('/etc/passwd').read()) + '"
    entry = entries("multi_turn_base")[0]
    live, _ = played(entry, [said(ToolCall("mkdir", {"dir_name": bad})), *[said(text="no")] * 9], backends)
    assert "root:" not in live.conversation.messages[2].text


def test_what_takes_too_long_fails_its_row_and_no_other() -> None:
    entry = next(one for one in entries("multi_turn_base") if "MathAPI" in one.asked["involved_classes"])
    with Backends(Limits(call_seconds=2.0, cpu_seconds=1)) as backends:
        long = ToolCall("logarithm", {"value": 10, "base": 3, "precision": 10_000_000})
        live, made = played(entry, [said(long)], backends)
        assert (made.theirs, made.error) == (False, "callwright:limits"), live
        with pytest.raises(Ended):
            backends.results(entry, [[call_text(long, {"logarithm"})]])
        assert played(entry, gold_answers(entry), backends)[1].theirs
