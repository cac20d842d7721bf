"""Conversation -> Problems: what would teach a model something wrong, and what of it can be mended safely."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from callwright.data.strict import printable
from callwright.errors import did_you_mean
from callwright.schema import check_schema, validate
from callwright.types import BadRow, Conversation, JsonObject, Message, Tool, ToolCall


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What a kind of problem means. An error fails the run; a warning is counted. `fixable` by `--fix`."""

    meaning: str
    severity: Literal["error", "warning"] = "error"
    fixable: bool = False


KINDS: dict[str, ProblemKind] = {
    "unreadable row": ProblemKind("the row could not be read"),
    "undeclared tool": ProblemKind("a call to a tool that the row does not declare"),
    "wrong arguments": ProblemKind("arguments that do not fit the tool's schema"),
    "double-encoded": ProblemKind("a JSON text where the schema wants an object or a list", fixable=True),
    "null argument": ProblemKind("null for an optional argument that does not admit it", fixable=True),
    "none-filled schema": ProblemKind("None where the schema means nothing (Arrow)", "warning", fixable=True),
    "bad schema": ProblemKind("a tool's parameters contradict themselves", "warning"),
    "duplicate tool": ProblemKind("two tools of one name in a row"),
    "unpaired result": ProblemKind("a tool result without its call"),
    "unanswered call": ProblemKind("calls without results before the next turn", "warning"),
    "empty turn": ProblemKind("a turn with neither text nor calls"),
    "no assistant turn": ProblemKind("nothing in the row could be trained"),
    "trailing turn": ProblemKind("turns after the last assistant turn", "warning", fixable=True),
    "role order": ProblemKind("a system turn that is not the first, or two user turns in a row", "warning"),
    "outer whitespace": ProblemKind("assistant text begins or ends with white space", "warning", fixable=True),
    "control token": ProblemKind("text that holds a chat template's own marks"),
    "duplicate id": ProblemKind("an id that stood in the file before", "warning"),
    "broken text": ProblemKind("text that is no Unicode and has no tokens"),
    "lost in rendering": ProblemKind("the rendered row, parsed back, is not the row"),
    "wrong mask": ProblemKind("the trained text is not exactly the assistant's"),
    "too long": ProblemKind("more tokens than the model or the recipe admits", "warning"),
}
"""Every kind that `check` and the dialects' own checks report, in the order of the table."""

_KEPT = 16_384

_ALL_BITS = (1 << 64) - 1
_MOST_SLOTS = 1 << 24
"""Places for ids, 8 bytes each: 128 MiB."""

_CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "[/INST]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in one row. `kind` is a key of KINDS."""

    kind: str
    where: str
    row_id: str
    why: str


@dataclass
class LintReport:
    """Counts by kind and the first findings of each: constant memory, however long the file."""

    keep: int = 3
    rows: int = 0
    bad_rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, problems: Sequence[Problem]) -> None:
        """Takes one row's findings."""
        self.rows += 1
        self.bad_rows += any(KINDS[problem.kind].severity == "error" for problem in problems)
        for problem in problems:
            self.counts[problem.kind] += 1
            kept = self.first.setdefault(problem.kind, [])
            if len(kept) < self.keep:
                kept.append(replace(problem, row_id=printable(problem.row_id), why=printable(problem.why)))

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(count for kind, count in self.counts.items() if KINDS[kind].severity == "error")

    def to_json(self) -> JsonObject:
        """Counts and first findings by kind."""
        kinds = [kind for kind in KINDS if self.counts[kind]]
        return {
            "rows": self.rows,
            "rows_with_errors": self.bad_rows,
            "errors": self.errors,
            "problems": {
                kind: {
                    "count": self.counts[kind],
                    "severity": KINDS[kind].severity,
                    "fixable": KINDS[kind].fixable,
                    "first": [{"where": p.where, "id": p.row_id, "why": p.why} for p in self.first[kind]],
                }
                for kind in kinds
            },
        }


class SeenIds:
    """The ids of a file's rows, as 64-bit hashes in an open table: a Python set would take ten times the memory.

    A table of its full size that is full, after 11 million rows, begins anew: repetitions are then found among the rows
    since. Memory is bounded at 128 MiB.
    """

    def __init__(self, most_slots: int = _MOST_SLOTS) -> None:
        self._most = most_slots
        self._slots = array("Q", bytes(8 * min(1 << 12, most_slots)))
        self._used = 0

    def check(self, row_id: str, where: str) -> list[Problem]:
        """A finding where the id stood in the file before; otherwise it is remembered."""
        if self._add(hash(row_id) & _ALL_BITS or 1):
            return []
        return [Problem("duplicate id", where, row_id, f"id '{row_id}' stood in the file before")]

    def _add(self, key: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        place = key & mask
        while found := slots[place]:
            if found == key:
                return False
            place = (place + 1) & mask
        slots[place] = key
        self._used += 1
        if self._used * 3 > len(slots) * 2:
            self._grow()
        return True

    def _grow(self) -> None:
        before = self._slots if len(self._slots) < self._most else array("Q")
        self._slots = array("Q", bytes(8 * min(2 * len(self._slots), self._most)))
        self._used = 0
        for key in before:
            if key:
                self._add(key)


@dataclass
class Linter:
    """Checks rows of one file; remembers ids, and what was found in tools that rows share.

    `ids` None leaves ids to the caller, who sees all rows where this linter sees some of them.
    """

    ids: SeenIds | None = field(default_factory=SeenIds)
    _lists: dict[int, tuple[tuple[Tool, ...], list[tuple[str, str]], dict[str, Tool]]] = field(default_factory=dict)
    _schemas: dict[int, tuple[Tool, list[str]]] = field(default_factory=dict)

    def check(self, row: Conversation) -> list[Problem]:
        """All findings in a row, dialects apart."""
        found, declared = self._of_tools(row.tools)
        pairs = [*found, *(("none-filled schema", note) for note in row.notes)]
        pairs += _of_calls(row, declared)
        pairs += _of_turns(row.messages)
        problems = [Problem(kind, row.where, row.id, why) for kind, why in pairs]
        return problems if self.ids is None else problems + self.ids.check(row.id, row.where)

    def _of_tools(self, tools: tuple[Tool, ...]) -> tuple[list[tuple[str, str]], dict[str, Tool]]:
        known = self._lists.get(id(tools))
        if known is None:
            if len(self._lists) >= _KEPT:
                self._lists.clear()
            counts = Counter(tool.name for tool in tools)
            found = [("duplicate tool", f"tool '{name}' is declared {n} times") for name, n in counts.items() if n > 1]
            found += [("bad schema", f"tool '{tool.name}': {why}") for tool in tools for why in self._of_schema(tool)]
            known = (tools, found, {tool.name: tool for tool in tools})
            self._lists[id(tools)] = known
        return known[1], known[2]

    def _of_schema(self, tool: Tool) -> list[str]:
        known = self._schemas.get(id(tool))
        if known is None:
            if len(self._schemas) >= _KEPT:
                self._schemas.clear()
            # the tool itself is kept, so that its id cannot become another's
            known = self._schemas[id(tool)] = (tool, check_schema(tool.parameters))
        return known[1]


def lint(row: Conversation) -> list[Problem]:
    """The problems of one row; a Linter of its own for many."""
    return Linter().check(row)


def bad_row(row: BadRow) -> Problem:
    """A row that a reader could not read, as a finding."""
    return Problem("unreadable row", row.where, "", row.why)


def _of_calls(row: Conversation, declared: dict[str, Tool]) -> Iterator[tuple[str, str]]:
    for message in row.messages:
        for call in message.calls:
            tool = declared.get(call.name)
            if tool is None:
                yield "undeclared tool", f"tool '{call.name}' is not declared{did_you_mean(call.name, declared)}"
                continue
            problems = validate(call.arguments, tool.parameters)
            if problems:
                yield from _explained(call, tool, problems)


def _explained(call: ToolCall, tool: Tool, problems: list[str]) -> Iterator[tuple[str, str]]:
    """The schema's complaints; those that a safe fix removes under that fix's own kind."""
    mended = _mended(call, tool)
    left = validate(mended.arguments, tool.parameters) if mended is not call else problems
    if mended is not call:
        for name, value in call.arguments.items():
            if name not in mended.arguments:
                yield "null argument", f"{call.name}: argument '{name}' is null; leave it out"
            elif mended.arguments[name] is not value:
                yield "double-encoded", f"{call.name}: argument '{name}' is JSON inside a string"
    for why in left:
        yield "wrong arguments", f"{call.name}: {why}"


def _of_turns(messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
    roles = [message.role for message in messages]
    if "assistant" not in roles:
        yield "no assistant turn", f"the turns are {', '.join(roles) or '(none)'}; nothing could be trained"
    elif roles[-1] != "assistant":
        yield "trailing turn", f"the last turn is of role '{roles[-1]}'"
    waiting = 0
    ids: set[str] = set()
    for place, message in enumerate(messages, 1):
        if message.role == "tool":
            if waiting <= 0:
                yield "unpaired result", f"turn {place} is a result without a call before it"
            elif message.call_id and ids and message.call_id not in ids:
                yield "unpaired result", f"turn {place} answers call id '{message.call_id}', which no call has"
            waiting -= 1
        else:
            if waiting > 0:
                yield "unanswered call", f"turn {place} follows {waiting} calls without results"
            waiting = len(message.calls)
            ids = {call.id for call in message.calls if call.id}
        yield from _of_text(message, place, roles[place - 2] if place > 1 else "")


def _of_text(message: Message, place: int, before: str) -> Iterator[tuple[str, str]]:
    text = message.text
    if not message.calls and message.role in ("user", "assistant") and not text.strip():
        yield "empty turn", f"turn {place} ({message.role}) is empty"
    if message.role == "system" and place > 1:
        yield "role order", f"turn {place} is a system turn"
    if message.role == "user" and before == "user":
        yield "role order", f"turns {place - 1} and {place} are both the user's"
    if message.role == "assistant" and text != text.strip() and text.strip():
        yield "outer whitespace", f"turn {place} begins or ends with white space"
    if "<" in text or "[" in text:
        for mark in _CONTROL:
            if mark in text:
                yield "control token", f"turn {place} holds '{mark}', which would end or open a turn"


def fix(row: Conversation) -> Conversation:
    """Mends what is safe to mend: double-encoded and null arguments, white space, turns after the last answer.

    Schemas filled with None were mended by the reader already.
    """
    declared = {tool.name: tool for tool in row.tools}
    messages = [_fixed(message, declared) for message in row.messages]
    last = max((i for i, message in enumerate(messages) if message.role == "assistant"), default=-1)
    if last >= 0:
        messages = messages[: last + 1]
    fixed = tuple(messages)
    return row if fixed == row.messages and not row.notes else replace(row, messages=fixed, notes=())


def _fixed(message: Message, declared: dict[str, Tool]) -> Message:
    if message.role != "assistant":
        return message
    calls = tuple(_mended(call, declared[call.name]) if call.name in declared else call for call in message.calls)
    return replace(message, text=message.text.strip(), calls=calls)


def _mended(call: ToolCall, tool: Tool) -> ToolCall:
    """The call without null optional arguments and with double-encoded ones decoded; itself where nothing changes."""
    given, needed = tool.parameters.get("properties"), tool.parameters.get("required")
    properties = given if isinstance(given, dict) else {}
    required = needed if isinstance(needed, list) else []
    arguments: JsonObject = {}
    changed = False
    for name, value in call.arguments.items():
        schema = properties.get(name)
        if isinstance(schema, dict) and value is None and name not in required and not _fits(None, schema, tool):
            changed = True
            continue
        decoded = _decoded(value, schema, tool) if isinstance(schema, dict) and isinstance(value, str) else value
        changed |= decoded is not value
        arguments[name] = decoded
    return replace(call, arguments=arguments) if changed else call


def _decoded(value: str, schema: JsonObject, tool: Tool) -> object:
    """An object or list out of a JSON text, where the schema admits that and not the text."""
    if value[:1] not in "{[" or not value or _fits(value, schema, tool):
        return value
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if _fits(decoded, schema, tool) else value


def _fits(value: object, schema: JsonObject, tool: Tool) -> bool:
    alone = {"type": "object", "properties": {"value": schema}}
    alone |= {key: tool.parameters[key] for key in ("$defs", "definitions") if key in tool.parameters}
    return not validate({"value": value}, alone)
