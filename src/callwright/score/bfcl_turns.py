"""Multi-turn rows of the leaderboard: a conversation with simulated back ends, step by step -> verdicts.

As its own loop for models with native calls: a turn goes on until a reply has no call, and a row ends where one turn
takes more than 20 steps. Functions that a later turn adds are announced in its words.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from callwright.data.chat import read_messages
from callwright.data.fields import Fields
from callwright.errors import DataError, EngineError
from callwright.generate.reply import Answer
from callwright.scale.apart import Apart, Ended, Limits
from callwright.score.bfcl import Entry, Judged
from callwright.score.bfcl_gold import documented
from callwright.types import Conversation, Ending, JsonObject, Message, ToolCall

MOST_STEPS = 20
ADDED = "I have updated some more functions you can choose from. What about now?"
"""The leaderboard's words for a turn that adds functions."""

UNKNOWN = "unknown_function"
_LIMITS = Limits(call_seconds=30.0, cpu_seconds=20, megabytes=2048)

Ask = Callable[[Sequence[Conversation]], Sequence[Answer]]
"""Conversations before an assistant's turn -> the answers, in their order."""


def call_text(call: ToolCall, known: Collection[str]) -> str:
    """A call as the back ends' code evaluates it: a known function's name, and arguments as literals.

    Anything else, which a model may have written as well, becomes a call of a function that is not there.

    >>> call_text(ToolCall("mkdir", {"dir_name": "a'b"}), {"mkdir"})
    'mkdir(dir_name="a\\'b")'
    >>> call_text(ToolCall("__import__('os').abort", {}), {"mkdir"})
    'unknown_function()'
    """
    names = all(key.isidentifier() and not keyword.iskeyword(key) for key in call.arguments)
    if call.name not in known or not call.name.isidentifier() or not names:
        return f"{UNKNOWN}()"
    return f"{call.name}({','.join(f'{key}={value!r}' for key, value in call.arguments.items())})"


class Backends:
    """The process with the simulated back ends. Every question starts from a row's beginning: after a crash or a
    time-out the next one is answered as if nothing had happened. Raises DataError where they cannot be loaded."""

    def __init__(self, limits: Limits = _LIMITS) -> None:
        self._limits = limits
        self._apart = Apart("callwright.score.bfcl_worker", (), limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._apart.close()

    def results(self, entry: Entry, steps: Sequence[Sequence[str]]) -> list[str]:
        """What the last step gives after those before it. Raises Ended."""
        found = self._ask({"row": _row(entry), "steps": steps})
        return [str(result) for result in found["results"]]

    def check(self, entry: Entry, turns: Sequence[Sequence[Sequence[str]]]) -> JsonObject:
        """`valid`, the type of `error`, and whether turns that want no call were `idle`. Raises Ended."""
        return self._ask({"row": _row(entry), "turns": turns, "truth": entry.answers})

    def _ask(self, question: JsonObject) -> JsonObject:
        if not self._apart.running:
            try:
                said = self._apart.start()
            except TimeoutError:
                raise EngineError(f"bfcl: back ends not loaded within {self._limits.load_seconds:g} seconds") from None
            if said is None or "failed" in said:
                raise DataError("bfcl", f"the back ends cannot be loaded: {(said or {}).get('failed', 'they ended')}")
        return self._apart.ask(question)


def _row(entry: Entry) -> JsonObject:
    return {key: entry.asked[key] for key in ("id", "initial_config", "involved_classes")}


@dataclass
class Play:
    """A row as it goes: what was said so far, what each reply was, and the call texts that count, by turn and step."""

    entry: Entry
    conversation: Conversation
    known: frozenset[str]
    replies: list[list[JsonObject]] = field(default_factory=list)
    turns: list[list[list[str]]] = field(default_factory=list)
    steps: int = 0
    whole: bool = True
    """No reply was broken or cut."""
    unread: bool = False
    ended: str = ""
    """Why it was ended, before its last turn or after it."""

    @property
    def over(self) -> bool:
        return bool(self.ended)


def begin(entry: Entry, fields: Fields) -> Play:
    """A row before its first reply."""
    tools = fields.tools(entry.asked["function"], entry.id)
    play = Play(
        entry,
        Conversation(entry.id, tools, (), entry.category, f"bfcl:{entry.category}:{entry.id}"),
        frozenset(one["name"] for one in documented(entry)),
    )
    next_turn(play, fields)
    return play


def play(entries: Sequence[Entry], ask: Ask, backends: Backends, fields: Fields) -> list[Play]:
    """Plays rows to their ends, a reply of each at a time."""
    plays = [begin(entry, fields) for entry in entries]
    while live := [one for one in plays if not one.over]:
        for one, answer in zip(live, ask([one.conversation for one in live]), strict=True):
            take(one, answer, backends, fields)
    return plays


def take(play: Play, answer: Answer, backends: Backends, fields: Fields) -> None:
    """One reply: its calls are executed, or its turn ends."""
    reply = answer.reply
    calls = [{"name": call.name, "arguments": call.arguments} for call in reply.calls]
    play.replies[-1].append({"raw": answer.raw, "calls": calls, "ending": reply.ending.value})
    play.unread |= bool(reply.broken) or reply.ending is Ending.ERROR
    play.whole &= not reply.broken and reply.ending is Ending.STOP
    if reply.broken or not reply.calls:
        _say(play, Message("assistant", answer.raw if reply.broken else reply.text, thinking=reply.thinking))
        next_turn(play, fields)
        return
    play.turns[-1].append([call_text(call, play.known) for call in reply.calls])
    try:
        results = backends.results(play.entry, [step for turn in play.turns for step in turn])
    except Ended as why:
        play.ended = f"limits: {why}"
        return
    named = [
        ToolCall(call.name, call.arguments, f"call_{len(play.conversation.messages)}_{number}")
        for number, call in enumerate(reply.calls)
    ]
    _say(play, Message("assistant", reply.text, tuple(named), thinking=reply.thinking))
    for call, result in zip(named, results, strict=True):
        told = result.replace(UNKNOWN, call.name) if call_text(call, play.known) == f"{UNKNOWN}()" else result
        _say(play, Message("tool", told, call_id=call.id, name=call.name))
    play.steps += 1
    if play.steps > MOST_STEPS:
        play.ended = f"more than {MOST_STEPS} steps in turn {len(play.turns)}"


def next_turn(play: Play, fields: Fields) -> None:
    """What the user says next, or the end."""
    asked, number = play.entry.asked, len(play.turns)
    if number == len(asked["question"]):
        play.ended = "done"
        return
    messages = asked["question"][number]
    if str(number) in asked.get("missed_function", {}):
        tools = play.conversation.tools + fields.tools(asked["missed_function"][str(number)], play.entry.id)
        play.conversation = replace(play.conversation, tools=tools)
        messages = [{"role": "user", "content": ADDED}]
    play.turns.append([])
    play.replies.append([])
    play.steps = 0
    _say(play, *read_messages(messages, play.entry.id, fields))


def _say(play: Play, *messages: Message) -> None:
    play.conversation = replace(play.conversation, messages=(*play.conversation.messages, *messages))


def judge_play(play: Play, backends: Backends) -> Judged:
    """A row that is over -> both verdicts. Strict: theirs, no reply broken or cut, no call on a turn that wants none
    (theirs lets these pass)."""
    truth = play.entry.answers or []
    unread, error, idle = play.unread, "", True
    if play.ended.startswith("limits"):
        return Judged(False, "callwright:limits", False, play.ended, unread, "")
    if len(play.turns) != len(truth):
        return Judged(False, "multi_turn:force_terminated", False, play.ended, unread, "")
    try:
        found = backends.check(play.entry, play.turns)
        theirs, error, idle = found["valid"], found["error"], found["idle"]
    except Ended as why:
        return Judged(False, "callwright:limits", False, str(why), unread, "")
    differs = ""
    if theirs and not (idle and play.whole):
        differs = "a call on a turn that wants none" if not idle else "a reply that is broken or cut"
    return Judged(theirs, error, theirs and not differs, error or differs, unread, differs)
