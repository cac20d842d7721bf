"""A teacher's candidate for a row -> a Conversation that passed every check, or the reason why it may not be one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from callwright.data.lint import lint
from callwright.data.overlap import runs_of
from callwright.data.pairing import with_ids
from callwright.data.similar import words
from callwright.errors import did_you_mean
from callwright.schema import validate
from callwright.synth.answers import Candidate, Rejected
from callwright.synth.execute import Result
from callwright.synth.ground import unsaid
from callwright.synth.prompts import Assignment
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

Run = Callable[[ToolCall], Result]
"""Runs one call of the user's own function."""

CHECKS = ("format", "declared tools", "schema", "grounded", "no echo", "lint")
"""What every row has passed; "executed" and "distinct" are added where they were done."""

_DIGITS = re.compile(r"\d+")
_LEFTOVER = re.compile(r"[{}]|\[[A-Za-z ]+\]|<\w+>")
_CODE_NAME = re.compile(r"[_.]|[a-z][A-Z]")
_OF_TOOLS = ("bad schema", "duplicate tool")
"""Findings of lint that are the user's to mend, and no row's fault."""


class _Wrong(Exception):
    """Why a candidate may not be a row."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


@dataclass(frozen=True)
class Vetting:
    """Checks the candidates of one assignment; with `run` each call is made, and its result stands in the row."""

    assignment: Assignment
    run: Run | None = None

    def check(self, candidate: Candidate, row_id: str) -> Conversation | Rejected:
        """The row, or the first reason against it: form, tools, schema, groundedness, echoes, execution, lint."""
        try:
            return self._row(candidate.raw, row_id)
        except _Wrong as wrong:
            return Rejected(candidate, wrong.kind, wrong.why)

    def _row(self, raw: Any, row_id: str) -> Conversation:
        if not isinstance(raw, dict):
            raise _Wrong("form", "a row must be an object")
        category, tools = self.assignment.category, self.assignment.tools
        messages = _dialogue(raw) if category == "multi_turn" else _single(raw)
        _right_category(category, messages, raw, tools)
        declared = {tool.name: tool for tool in tools}
        for call in _calls(messages):
            _right_call(call, declared)
        self._no_echo(messages)
        _grounded(messages, declared)
        if self.run is not None:
            messages = _executed(messages, self.run)
            _grounded(messages, declared)
        _supported(messages)
        checks = [*CHECKS, *(["executed"] if self.run is not None and any(_calls(messages)) else [])]
        row = Conversation(row_id, tools, with_ids(messages) if category == "multi_turn" else tuple(messages))
        row = replace(row, source=f"synth:{category}", provenance={"checks": checks})
        found = [problem for problem in lint(row) if problem.kind not in _OF_TOOLS]
        if found:
            raise _Wrong("lint", f"{found[0].kind}: {found[0].why}")
        try:
            json.dumps([message.text for message in messages], ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _Wrong("lint", f"broken text: {error}") from None
        return row

    @cached_property
    def _asked(self) -> set[str]:
        return {run for _, text in self.assignment.question.messages for run in runs_of(text)}

    def _no_echo(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.role == "tool" or not message.text:
                continue
            left = _LEFTOVER.search(message.text)
            if left:
                raise _Wrong("prompt echo", f"the form that was asked for is left in the text: {left[0]!r}")
            echoed = next((run for run in runs_of(message.text) if run in self._asked), None)
            if echoed is not None:
                raise _Wrong("prompt echo", f"the text repeats the prompt: '{echoed}'")
            for tool in self.assignment.tools:
                if _CODE_NAME.search(tool.name) and tool.name in message.text:
                    raise _Wrong("prompt echo", f"the text names the tool '{tool.name}' as no person would")


def _single(raw: JsonObject) -> list[Message]:
    request, listed, answer = raw.get("request"), raw.get("calls", []), raw.get("answer") or ""
    if not isinstance(request, str) or not words(request):
        raise _Wrong("form", "the row has no 'request' text")
    if not isinstance(answer, str):
        raise _Wrong("form", "'answer' must be a text")
    calls = _listed(listed)
    # what is said beside a call is not asked for, and not checked
    return [Message("user", request.strip()), Message("assistant", "" if calls else answer.strip(), calls)]


def _dialogue(raw: JsonObject) -> list[Message]:
    turns = raw.get("turns")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, dict) for turn in turns):
        raise _Wrong("form", "the row has no 'turns'")
    messages: list[Message] = []
    for turn in turns:
        said = [role for role in ("user", "assistant") if isinstance(turn.get(role), str) and words(turn[role])]
        if turn.get("calls"):
            calls = _listed(turn["calls"])
            results = turn.get("results")
            messages.append(Message("assistant", "", calls))
            last = turn is turns[-1]
            if not last and (not isinstance(results, list) or len(results) != len(calls)):
                raise _Wrong("form", f"{len(calls)} calls need as many 'results'")
            if not last:
                messages += [
                    Message("tool", _text(result), name=c.name) for c, result in zip(calls, results, strict=True)
                ]
        elif len(said) == 1:
            messages.append(Message("user" if said[0] == "user" else "assistant", turn[said[0]].strip()))
        else:
            raise _Wrong("form", "a turn must be the user's text, the assistant's, or calls")
    _in_order(messages)
    return messages


def _in_order(messages: Sequence[Message]) -> None:
    """The user, then the assistant; and after results the assistant again."""
    if messages[0].role != "user" or messages[-1].role != "assistant":
        raise _Wrong("form", "a dialogue begins with the user and ends with the assistant")
    for before, after in itertools.pairwise(messages):
        following = {"user": ("assistant",), "tool": ("tool", "assistant")}.get(before.role, ("user", "tool"))
        if after.role not in following or (after.role == "tool" and before.role == "assistant" and not before.calls):
            raise _Wrong("form", f"a turn of {before.role} is followed by one of {after.role}")


def _text(result: Any) -> str:
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _listed(raw: Any) -> tuple[ToolCall, ...]:
    if raw is None:
        raw = []
    if not isinstance(raw, list):
        raise _Wrong("form", "'calls' must be a list")
    return tuple(_call(item) for item in raw)


def _call(item: Any) -> ToolCall:
    """A call, also as OpenAI writes it: under `function`, with the arguments as a text."""
    if isinstance(item, dict) and isinstance(item.get("function"), dict):
        item = item["function"]
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise _Wrong("form", "a call must be an object with a name and arguments")
    arguments = item.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise _Wrong("form", "'arguments' is a text that is not JSON") from None
    if not isinstance(arguments, dict):
        raise _Wrong("form", "'arguments' must be an object")
    return ToolCall(item["name"], arguments)


def _calls(messages: Sequence[Message]) -> Iterator[ToolCall]:
    return (call for message in messages for call in message.calls)


def _right_category(category: str, messages: Sequence[Message], raw: JsonObject, tools: Sequence[Tool]) -> None:
    count = sum(1 for _ in _calls(messages))
    if category == "multi_turn":
        asked = sum(message.role == "user" for message in messages)
        if asked < 2 or not count:
            raise _Wrong("category", f"a dialogue of {asked} turns of the user and {count} calls")
        return
    if not {"single": count == 1, "parallel": count > 1}.get(category, not count):
        raise _Wrong("category", f"{count} calls for a row of the category '{category}'")
    if not count and not words(messages[-1].text):
        raise _Wrong("empty answer", "neither calls nor an answer")
    if category == "missing":
        _really_missing(messages, raw.get("missing"), tools)


def _really_missing(messages: Sequence[Message], named: Any, tools: Sequence[Tool]) -> None:
    request, answer = messages[0].text, messages[-1].text
    if "?" not in answer:
        raise _Wrong("category", "the answer asks for nothing")
    if not isinstance(named, dict):
        raise _Wrong("form", "'missing' must name a tool and a parameter")
    tool = next((tool for tool in tools if tool.name == named.get("tool")), None)
    if tool is None:
        raise _Wrong("wrong tool", f"'missing' names the tool {named.get('tool')!r}, which is not declared")
    name = named.get("parameter")
    if name not in (tool.parameters.get("required") or ()):
        raise _Wrong("schema", f"'missing' names {name!r}, which {tool.name} does not require")
    schema = (tool.parameters.get("properties") or {}).get(name)
    said = f" {' '.join(words(request))} "
    for value in schema.get("enum", ()) if isinstance(schema, dict) else ():
        if isinstance(value, str) and words(value) and f" {' '.join(words(value))} " in said:
            raise _Wrong("not missing", f"the request says {value!r}, a value of {tool.name}.{name}")


def _right_call(call: ToolCall, declared: dict[str, Tool]) -> None:
    tool = declared.get(call.name)
    if tool is None:
        raise _Wrong("wrong tool", f"'{call.name}' is not declared{did_you_mean(call.name, declared)}")
    problems = validate(call.arguments, tool.parameters)
    if problems:
        raise _Wrong("schema", f"{call.name}: {problems[0]}")


def _grounded(messages: Sequence[Message], declared: dict[str, Tool]) -> None:
    for call, values in unsaid(messages, declared):
        raise _Wrong("ungrounded", f"{call.name}: nobody said {', '.join(values)}")


def _supported(messages: Sequence[Message]) -> None:
    """No number in what the assistant says after a result is its own invention."""
    known: set[str] = set()
    had_result = False
    for message in messages:
        numbers = _numbers(message.text)
        if message.role == "assistant" and had_result and not numbers <= known:
            raise _Wrong("unsupported answer", f"nothing before says {', '.join(sorted(numbers - known))}")
        had_result |= message.role == "tool"
        known |= numbers
        known |= {digits for call in message.calls for digits in _numbers(json.dumps(call.arguments))}


def _numbers(text: str) -> set[str]:
    """Runs of digits; 07 is 7."""
    return {digits.lstrip("0") or "0" for digits in _DIGITS.findall(text)}


def _executed(messages: Sequence[Message], run: Run) -> list[Message]:
    """The messages with real results in place of the teacher's. A call that fails fails the row."""
    made: list[Message] = []
    real: list[Message] = []
    for message in messages:
        if message.role == "tool":
            made.append(real.pop(0))
            continue
        made.append(message)
        real = []
        for call in message.calls:
            result = run(call)
            if result.error:
                raise _Wrong("execution", f"{call.name}: {result.error}")
            real.append(Message("tool", result.text, name=call.name))
    return made
