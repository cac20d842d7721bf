"""Tasks of several turns + how a model is asked -> what was played: calls made, their results fed back, the next asked.

Functions are the user's own, run in a process apart for each task, or a task's own results answer equal calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callwright.data import raw
from callwright.data.fields import Fields
from callwright.data.files import RawRow
from callwright.data.pairing import with_ids
from callwright.data.toolset import declared
from callwright.errors import DataError
from callwright.pipeline.evaluate import Scorer
from callwright.recipe import Eval
from callwright.score.calls import match_calls
from callwright.score.tasks import (
    Check,
    Played,
    Step,
    Task,
    TaskScore,
    Turn,
    ends_all,
    gold_at,
    messages_before,
    score_task,
    turns_of,
)
from callwright.synth.execute import Runner
from callwright.tools import python_source
from callwright.types import BadRow, Conversation, Message, Tool, ToolCall

_UNKNOWN = json.dumps({"error": "no result is recorded for this call"})
# each task that is played has a process of its own where functions are run
_TOGETHER = 32
_RUN_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Functions:
    """The user's functions: the source, the tools that it has, and the names of others that checks call."""

    source: str
    tools: tuple[Tool, ...]
    others: tuple[str, ...] = ()

    def runner(self) -> Runner:
        """A process with a state of its own. Raises ToolError at its first call where the functions do not fit."""
        path, names = python_source(self.source)
        wanted = [*(names or [tool.name for tool in self.tools]), *self.others]
        return Runner(f"{path}:{','.join(dict.fromkeys(wanted))}", self.tools)


@dataclass(frozen=True, slots=True)
class Way:
    """How tasks are played. steps: replies to one turn of the user at most; functions: None gives recorded results."""

    settings: Eval
    steps: int = 8
    functions: Functions | None = None


def read_tasks(path: str, tools: Sequence[Tool]) -> list[Task]:
    """The tasks of a file: rows in any format, with `state` and `values` beside their own keys. tools: for rows that
    declare none. Raises DataError for a row that cannot be read or that nothing is expected of.

    state: a list of `{"name", "arguments", "result"}`, calls that must give this at the end; without "result", what
    they give after the row's own calls. values: what the answers must hold.
    """
    reading, rows = raw(path)
    return [task for row in rows for task in _tasks(row, reading.rows, tools)]


def play(tasks: Sequence[Task], score: Scorer, way: Way) -> Iterator[Played]:
    """Plays tasks in their order, several at a time, so that they are asked in batches. Raises what asking raises."""
    together = _RUN_TOGETHER if way.functions else _TOGETHER
    for begun in range(0, len(tasks), together):
        yield from _play_some(tasks[begun : begun + together], score, way)


def scored(tasks: Sequence[Task], played: Sequence[Played]) -> list[TaskScore]:
    """Each task with what was played of it."""
    return [score_task(task, each) for task, each in zip(tasks, played, strict=True)]


def _tasks(row: RawRow | BadRow, read: Callable[..., Iterator[Conversation | BadRow]], tools: Sequence[Tool]) -> Any:
    if isinstance(row, BadRow):
        raise DataError(row.where, row.why)
    state, values = row.value.pop("state", None), row.value.pop("values", None)
    for found in read(row, Fields()):
        if isinstance(found, BadRow):
            raise DataError(found.where, found.why)
        made = replace(declared(found, tools), messages=with_ids(found.messages))
        task = Task(made, _checks(state, row.where), _values(values, row.where))
        if not any(message.role == "user" for message in made.messages):
            raise DataError(row.where, "a task needs a turn of the user")
        if not any(message.role == "assistant" for message in made.messages) and not task.state and not task.values:
            raise DataError(row.where, "nothing is expected here; give the assistant's turns, a 'state' or 'values'")
        yield task


def _checks(given: Any, where: str) -> tuple[Check, ...]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise DataError(where, "'state' must be a list of {name, arguments, result}")
    found = []
    for one in given:
        arguments = one.get("arguments", {})
        if not isinstance(one.get("name"), str) or not isinstance(arguments, dict):
            raise DataError(where, "a check of 'state' needs a 'name', and 'arguments' that are an object")
        found.append(Check(ToolCall(one["name"], arguments), one.get("result"), as_gold="result" not in one))
    return tuple(found)


def _values(given: Any, where: str) -> tuple[Any, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, (str, int, float)) for one in given):
        raise DataError(where, "'values' must be a list of texts and numbers")
    return tuple(given)


class _Play:
    """One task as it is played: which conversation is to be answered, and what a reply leads to."""

    def __init__(self, task: Task, way: Way) -> None:
        self.task, self._way = task, way
        self.turns = turns_of(task.row)
        self.played = Played(task.row.id, executed=way.functions is not None)
        self._runner = way.functions.runner() if way.functions else None
        self._recorded = list(_recorded(self.turns))
        self._next_turn()

    def asked(self) -> Conversation | None:
        """What is to be answered, with the turn that is due as its last; None where the task is over."""
        played = self.played
        if played.stopped or len(played.turns) > len(self.turns):
            return None
        number = len(played.turns) - 1
        place = len(played.turns[number])
        before = messages_before(self.task, played, number, place)
        return replace(self.task.row, messages=(*before, gold_at(self.turns[number], place)))

    def answered(self, step: Step) -> None:
        """Takes a reply: runs its calls, ends the turn, or ends everything."""
        calls = step.reply.calls
        why = ends_all(step.reply)
        results = tuple(self._result(call) for call in calls) if not why else ()
        turn, done = self.turns[len(self.played.turns) - 1], self.played.turns[-1]
        done.append(replace(step, results=results))
        if why:
            self.played.stopped = why
        elif not calls or _is_over(turn, len(done)):
            self._next_turn()
        elif len(done) >= self._way.steps:
            self.played.stopped = f"no answer within {self._way.steps} steps"

    def ended(self) -> Played:
        """What was played, with the state that it led to."""
        if len(self.played.turns) > len(self.turns):
            self.played.turns.pop()
        functions = self._way.functions
        if self._runner is not None and functions is not None:
            checks = [check.call for check in self.task.state]
            self.played.state = [_plain(self._runner, call) for call in checks]
            if any(check.as_gold for check in self.task.state):
                with functions.runner() as gold:
                    for call in (call for turn in self.turns for call in turn.calls):
                        gold.call(call)
                    self.played.gold_state = [_plain(gold, call) for call in checks]
        self.close()
        return self.played

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def _next_turn(self) -> None:
        # one more than there are: over
        self.played.turns.append([])

    def _result(self, call: ToolCall) -> str:
        if self._runner is not None:
            known = {tool.name for tool in self.task.row.tools}
            if call.name not in known:
                return json.dumps({"error": f"there is no tool {call.name}"})
            return self._runner.call(call).text
        equal = [one for one in self._recorded if match_calls([one[0]], [call], self.task.row.tools).exact]
        if not equal:
            return _UNKNOWN
        # of equal calls each result is given once, the last for good
        if len(equal) > 1:
            self._recorded.remove(equal[0])
        return equal[0][1]


def _play_some(tasks: Sequence[Task], score: Scorer, way: Way) -> list[Played]:
    plays = [_Play(task, way) for task in tasks]
    try:
        while waiting := [(one, asked) for one in plays if (asked := one.asked()) is not None]:
            rows = score([asked for _, asked in waiting], way.settings, lambda done: None)
            for (one, _), row in zip(waiting, rows, strict=True):
                one.answered(Step(row.reply, row.raw_text))
        return [one.ended() for one in plays]
    finally:
        for one in plays:
            one.close()


def _is_over(turn: Turn, done: int) -> bool:
    """Where a row ends with calls, nobody knows what would follow."""
    return bool(turn.steps) and turn.closing is None and done >= len(turn.steps)


def _recorded(turns: Sequence[Turn]) -> Iterator[tuple[ToolCall, str]]:
    for turn in turns:
        for step, results in turn.steps:
            yield from _paired(step, results)


def _paired(step: Message, results: Sequence[Message]) -> Iterator[tuple[ToolCall, str]]:
    by_id = {result.call_id: result.text for result in results if result.call_id}
    for place, call in enumerate(step.calls):
        if call.id in by_id:
            yield call, by_id[call.id]
        elif place < len(results) and not results[place].call_id:
            yield call, results[place].text


def _plain(runner: Runner, call: ToolCall) -> Any:
    result = runner.call(call)
    return {"error": result.error} if result.error else result.value
