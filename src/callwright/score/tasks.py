"""A task of several turns and what was done in it -> its verdicts: calls, state, use of results, a faithful answer.

Playing a task is `callwright.pipeline.tasks`; scoring reads what was played, so that it can be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from callwright.score.calls import match_arguments, match_calls, shown
from callwright.score.faithful import Known, absent, invented, passed_on, told_of
from callwright.score.run import EXACT, RowScore, score_row, share
from callwright.types import Conversation, Ending, JsonObject, Message, Reply, ToolCall, Verdict

SUCCESS = "task_success"
STEPS = "steps_exact"
CALLS = "calls_exact"
STATE = "state_match"
FINISHED = "finished"
USED = "result_used"
FAITHFUL = "faithful"
COMPLETE = "values_present"
TASK_LABELS = {
    SUCCESS: "tasks done",
    STEPS: "steps exact",
    CALLS: "calls exact",
    STATE: "state matches",
    FINISHED: "ends in an answer",
    USED: "results used",
    FAITHFUL: "answers faithful",
    COMPLETE: "values present",
}
"""Every metric of a task -> its name in tables, in the order of its verdicts. All are better when higher."""


@dataclass(frozen=True, slots=True)
class Check:
    """A call that is made when all turns are over, and what it must give: `result`, or with `as_gold` what it gives
    after the gold calls."""

    call: ToolCall
    result: Any = None
    as_gold: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A conversation whose assistant turns are the expectation and whose tool turns are the mock results; only the
    user's turns where neither is known. values: what the answers must hold; None: what the gold answers take from the
    gold results."""

    row: Conversation
    state: tuple[Check, ...] = ()
    values: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What a user's turn begins with, the calls due after it, each with their results, and the closing text, None where
    the row ends before it."""

    opening: tuple[Message, ...]
    steps: tuple[tuple[Message, tuple[Message, ...]], ...]
    closing: Message | None

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(call for step, _ in self.steps for call in step.calls)

    @property
    def results(self) -> list[str]:
        return [result.text for _, results in self.steps for result in results]


@dataclass(frozen=True, slots=True)
class Step:
    """One reply, what it was read from, and the results of its calls."""

    reply: Reply
    raw: str
    results: tuple[str, ...] = ()


@dataclass(slots=True)
class Played:
    """What was done in a task: a list of steps for each turn of the user that was reached.

    stopped: why it ended before the last turn did, or "". executed: whether functions were run, or recorded results
    given. state, gold_state: what the checks gave after these calls, and after the gold ones.
    """

    id: str
    executed: bool = False
    turns: list[list[Step]] = field(default_factory=list)
    stopped: str = ""
    state: list[Any] = field(default_factory=list)
    gold_state: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TaskScore:
    """A task's verdicts, and its steps as rows of their own, `ID/TURN.STEP`: each is scored against the gold turn at
    its place."""

    task: Task
    verdicts: tuple[Verdict, ...]
    steps: tuple[RowScore, ...]

    def verdict(self, metric: str) -> Verdict:
        """The task's verdict on one of TASK_LABELS."""
        return next(verdict for verdict in self.verdicts if verdict.metric == metric)


def turns_of(row: Conversation) -> list[Turn]:
    """A conversation -> its turns, each of which begins with what the user says.

    >>> call = ToolCall("f", {})
    >>> row = Conversation("1", (), (Message("user", "a"), Message("assistant", "", (call,)), Message("tool", "b")))
    >>> [(len(turn.opening), turn.results, turn.closing) for turn in turns_of(row)]
    [(1, ['b'], None)]
    """
    turns: list[Turn] = []
    for message in row.messages:
        if message.role in ("user", "system"):
            if turns and not turns[-1].steps and turns[-1].closing is None:
                turns[-1] = replace(turns[-1], opening=(*turns[-1].opening, message))
            else:
                turns.append(Turn((message,), (), None))
        elif not turns:
            continue
        elif message.role == "tool":
            *before, (step, results) = turns[-1].steps or ((Message("assistant", ""), ()),)
            turns[-1] = replace(turns[-1], steps=(*before, (step, (*results, message))))
        elif message.calls:
            turns[-1] = replace(turns[-1], steps=(*turns[-1].steps, (message, ())))
        else:
            turns[-1] = replace(turns[-1], closing=message)
    return turns


def messages_before(task: Task, played: Played, turn: int, step: int) -> tuple[Message, ...]:
    """What stands before a step of what was played: the user's turns, and the replies and results until then."""
    found: list[Message] = []
    for number, given in enumerate(turns_of(task.row)[: turn + 1]):
        found += given.opening
        done = played.turns[number] if number < len(played.turns) else []
        for place, each in enumerate(done[:step] if number == turn else done):
            found += _said(each, f"{number}_{place}")
    return tuple(found)


def score_task(task: Task, played: Played) -> TaskScore:
    """The verdicts on one task. None where a metric does not apply.

    - steps_exact: the share of steps whose calls are exact at their place, of those due and those made. None, as the
      next, where the row has no assistant turn to compare with.
    - calls_exact: in every turn of the user the gold calls and no others, in however many steps.
    - state_match: every check gives what it must. None without checks.
    - finished: every turn that is due an answer got one in text, none was stopped.
    - result_used: in every turn whose results gave something new, a later text or call holds some of it.
    - faithful: no answer has a number or name that neither the results nor the request give.
    - values_present: the answers hold every value of `Task.values`, or else each what its gold answer takes from
      results (of what was really given, where functions are run).
    - task_success: the state matches, or without checks the calls are exact; finished; and neither unfaithful nor
      without a value.
    """
    turns = turns_of(task.row)
    steps = tuple(_steps(task, played, turns))
    judged = any(turn.steps or turn.closing for turn in turns)
    texts = [_Told.of(task, played, turns, number) for number in range(len(played.turns))]
    found = {
        STEPS: _steps_exact(turns, played, steps) if judged else Verdict(STEPS, None),
        CALLS: _calls_exact(task, turns, played) if judged else Verdict(CALLS, None),
        STATE: _state(task, played),
        FINISHED: _finished(turns, played),
        USED: _each(USED, texts, _not_used),
        FAITHFUL: _each(FAITHFUL, texts, _not_given),
        COMPLETE: _complete(task, turns, played, texts),
    }
    success = _success(found)
    return TaskScore(task, (success, *(found[metric] for metric in TASK_LABELS if metric != SUCCESS)), steps)


def task_aggregates(scores: Sequence[TaskScore]) -> JsonObject:
    """`{metric: {"n", "value", "low", "high"}}` for each of TASK_LABELS, as `aggregate` has it for rows."""
    return {metric: share(score.verdict(metric).value for score in scores) for metric in TASK_LABELS}


def gold_at(turn: Turn, place: int) -> Message:
    """The assistant's turn that is due at a place: a call's, then the closing text."""
    if place < len(turn.steps):
        return turn.steps[place][0]
    return turn.closing or Message("assistant", "")


def _said(step: Step, name: str) -> Iterator[Message]:
    calls = tuple(replace(call, id=call.id or f"call_{name}_{i}") for i, call in enumerate(step.reply.calls))
    yield Message("assistant", step.reply.text, calls, thinking=step.reply.thinking)
    for call, result in zip(calls, step.results, strict=False):
        yield Message("tool", result, call_id=call.id, name=call.name)


def _steps(task: Task, played: Played, turns: Sequence[Turn]) -> Iterator[RowScore]:
    for number, (turn, done) in enumerate(zip(turns, played.turns, strict=False)):
        if not turn.steps and turn.closing is None:
            continue
        for place, step in enumerate(done):
            messages = (*messages_before(task, played, number, place), gold_at(turn, place))
            row = replace(task.row, id=f"{task.row.id}/{number + 1}.{place + 1}", messages=messages)
            yield score_row(row, step.reply, step.raw)


def _steps_exact(turns: Sequence[Turn], played: Played, steps: Sequence[RowScore]) -> Verdict:
    right = total = 0
    for number, turn in enumerate(turns):
        done = played.turns[number] if number < len(played.turns) else []
        # a text where a call is due takes that call's place
        made = [step for step in done if step.reply.calls or step.reply.broken]
        total += max(len(turn.steps), len(made))
    for row in steps:
        due, got = row.conversation.messages[-1].calls, row.reply.calls
        right += bool(due and got and row.verdict(EXACT).value == 1)
    if not total:
        return Verdict(STEPS, None)
    why = next((f"{row.id}: {row.verdict(EXACT).why}" for row in steps if row.verdict(EXACT).value != 1), "")
    return Verdict(STEPS, right / total, "" if right == total else why or f"{right} of {total} steps")


def _calls_exact(task: Task, turns: Sequence[Turn], played: Played) -> Verdict:
    for number, turn in enumerate(turns):
        done = played.turns[number] if number < len(played.turns) else []
        broken = next((step.reply.broken[0].reason for step in done if step.reply.broken), "")
        made = [call for step in done for call in step.reply.calls]
        match = match_calls(turn.calls, made, task.row.tools)
        if broken or not match.exact:
            return Verdict(CALLS, 0.0, f"turn {number + 1}: {broken or match.why}")
    return Verdict(CALLS, 1.0)


def _state(task: Task, played: Played) -> Verdict:
    if not task.state:
        return Verdict(STATE, None)
    for number, check in enumerate(task.state):
        due = played.gold_state[number] if check.as_gold else check.result
        got = played.state[number]
        if not all(match_arguments({"": due}, {"": got}, None).values()):
            return Verdict(STATE, 0.0, f"{check.call.name}: expected {shown(due)}, got {shown(got)}")
    return Verdict(STATE, 1.0)


def _finished(turns: Sequence[Turn], played: Played) -> Verdict:
    if played.stopped or len(played.turns) < len(turns):
        return Verdict(FINISHED, 0.0, played.stopped or "the last turns were not reached")
    return Verdict(FINISHED, 1.0)


@dataclass(frozen=True)
class _Told:
    """A turn of what was played: what was known before it, its results in order, what followed each, its answer."""

    number: int
    before: list[str]
    results: list[str]
    later: list[str]
    answer: str | None
    due: bool

    @classmethod
    def of(cls, task: Task, played: Played, turns: Sequence[Turn], number: int) -> _Told:
        done = played.turns[number]
        known = [m.text for m in messages_before(task, played, number, 0) if m.role in ("user", "system", "tool")]
        results = [result for step in done for result in step.results]
        first = next((place for place, step in enumerate(done) if step.results), len(done))
        later = [step.reply.text for step in done[first + 1 :]]
        later += [shown_whole(call) for step in done[first + 1 :] for call in step.reply.calls]
        ended = done[-1].reply if done else None
        answer = ended.text if ended and not ended.calls and not ended.broken and ended.text.strip() else None
        turn = turns[number]
        # an answer to what no tool can do may say anything
        open_ended = not turn.steps and turn.closing is None
        return cls(number, known, results, later, answer, due=bool(turn.steps or results or open_ended))


def shown_whole(call: ToolCall) -> str:
    """The values of a call, as one text."""
    return " ".join(str(value) for value in call.arguments.values())


def _not_used(told: _Told) -> str | None:
    if not told.results:
        return None
    used = passed_on(told.results, told.before, told.later)
    return None if used is None else "" if used else f"turn {told.number + 1}: nothing that follows holds a result"


def _not_given(told: _Told) -> str | None:
    if told.answer is None or not told.due:
        return None
    found = invented(told.answer, Known((*told.before, *told.results)))
    return f"turn {told.number + 1}: nothing gives {', '.join(found)}" if found else ""


def _each(metric: str, texts: Sequence[_Told], judge: Callable[[_Told], str | None]) -> Verdict:
    """Over all turns that a judge says something of: None, "" where right, or what is wrong."""
    whys = [why for told in texts if (why := judge(told)) is not None]
    wrong = next((why for why in whys if why), "")
    return Verdict(metric, float(not wrong) if whys else None, wrong)


def _complete(task: Task, turns: Sequence[Turn], played: Played, texts: Sequence[_Told]) -> Verdict:
    if task.values is not None:
        lacking = absent(task.values, "\n".join(told.answer or "" for told in texts))
        return Verdict(COMPLETE, float(not lacking), f"no answer has {', '.join(lacking)}" if lacking else "")

    def judge(told: _Told) -> str | None:
        turn = turns[told.number]
        if turn.closing is None or not turn.results:
            return None
        required = told_of(turn.closing.text, turn.results, told.before)
        if played.executed:
            # functions may give other values than those that were recorded
            really = set(map(str, absent(required, "\n".join(told.results))))
            required = [value for value in required if str(value) not in really]
        lacking = absent(required, told.answer or "")
        if not required:
            return None
        return f"turn {told.number + 1}: the answer lacks {', '.join(lacking)}" if lacking else ""

    return _each(COMPLETE, texts, judge)


def _success(found: dict[str, Verdict]) -> Verdict:
    needed = [found[STATE] if found[STATE].value is not None else found[CALLS]]
    needed += [found[FINISHED], found[FAITHFUL], found[COMPLETE]]
    wrong = next((verdict for verdict in needed if verdict.value is not None and verdict.value != 1), None)
    return Verdict(SUCCESS, float(wrong is None), f"{TASK_LABELS[wrong.metric]}: {wrong.why}" if wrong else "")


def ends_all(reply: Reply) -> str:
    """Why nothing can follow a reply, or ""."""
    if reply.broken:
        return f"a call that cannot be read: {reply.broken[0].reason}"
    if reply.ending is Ending.ERROR:
        return "the engine failed"
    if reply.ending is Ending.LENGTH:
        return "a reply was cut at the token limit"
    return ""
