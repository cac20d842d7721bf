"""Gold conversations and replies -> verdicts a row, aggregates and a report a run, and its failures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from callwright.data.missing import missing_words
from callwright.errors import DataError, did_you_mean
from callwright.schema import validate
from callwright.score.abstain import (
    ABSTAINED,
    ASKED,
    CALLED,
    abstained_when_due,
    asked_when_missing,
    called_when_due,
    unreadable,
)
from callwright.score.calls import CallMatch, match_calls, shown
from callwright.score.failures import Failure, read_report, write_report
from callwright.score.modes import confusion, count_modes, modes_of
from callwright.score.stats import wilson
from callwright.score.strict import STRICT_JSON, strict_json
from callwright.types import Conversation, Ending, JsonObject, Message, Reply, Report, Tool, ToolCall, Verdict

__all__ = [
    "METRICS",
    "RowScore",
    "aggregate",
    "build_report",
    "failures_of",
    "gold_message",
    "read_report",
    "rescored",
    "score_row",
    "write_report",
]

EXACT = "exact_match"
NAMES = "name_accuracy"
ARGUMENTS = "argument_accuracy"
SCHEMA = "schema_valid"
PARSE_FAILURE = "parse_failure"
METRICS = (EXACT, NAMES, ARGUMENTS, STRICT_JSON, SCHEMA, CALLED, ABSTAINED, ASKED, PARSE_FAILURE)
"""Every metric of a row, in the order of its verdicts. All are better when higher, but `parse_failure`."""

UNCATEGORISED = "uncategorised"


@dataclass(frozen=True, slots=True)
class RowScore:
    """One scored row: the gold conversation, what the model wrote, how the calls paired up, and the verdicts."""

    conversation: Conversation
    reply: Reply
    raw_text: str
    match: CallMatch
    verdicts: tuple[Verdict, ...]

    @property
    def id(self) -> str:
        return self.conversation.id

    @property
    def modes(self) -> tuple[str, ...]:
        """The ways in which the row failed, the primary one first; none where it is exact. See `modes_of`."""
        if self.verdict(EXACT).value == 1:
            return ()
        return modes_of(self.conversation, self.reply, self.match)

    def verdict(self, metric: str) -> Verdict:
        """The row's verdict on one of METRICS. Raises KeyError for another name."""
        for verdict in self.verdicts:
            if verdict.metric == metric:
                return verdict
        raise KeyError(f"no metric {metric!r}{did_you_mean(metric, METRICS)}")


def score_row(expected: Conversation, reply: Reply, raw_text: str) -> RowScore:
    """One gold conversation, whose last message is the answer, and the reply to the rest of it -> its verdicts.

    - exact_match: the gold calls and no others, in any order, every argument equal, nothing broken, and the
      reply ended by itself. On rows without gold calls: `abstained_when_due`; the wording is not judged.
    - name_accuracy: the same names, each as often. None without gold calls, as is the next.
    - argument_accuracy: the share of arguments that are right; see `CallMatch`. None where there are none.
    - strict_json: see `callwright.score.strict`.
    - schema_valid: every readable call names a declared tool and fits its schema. None without calls.
    - called_when_due, abstained_when_due, asked_when_missing: see `callwright.score.abstain`.
    - parse_failure: 1 (bad) when a call could not be read or the engine failed.

    `raw_text` is what the model wrote, before any parsing. Raises DataError when the last message is not an
    assistant's.
    """
    gold = gold_message(expected)
    match = match_calls(gold.calls, reply.calls, expected.tools)
    called = called_when_due(bool(gold.calls), reply)
    abstained = abstained_when_due(bool(gold.calls), reply)
    failed = bool(reply.broken) or reply.ending is Ending.ERROR
    verdicts = (
        _exact_match(reply, match) if gold.calls else Verdict(EXACT, abstained.value, abstained.why),
        _name_accuracy(gold, reply, match),
        _argument_accuracy(gold, match),
        strict_json(reply, raw_text),
        _schema_valid(reply, expected.tools),
        called,
        abstained,
        asked_when_missing(missing_words(expected), reply),
        Verdict(PARSE_FAILURE, float(failed), unreadable(reply) if failed else ""),
    )
    return RowScore(expected, reply, raw_text, match, verdicts)


def gold_message(expected: Conversation) -> Message:
    """The answer that a row is judged against: its last message. Raises DataError when that is not an assistant's."""
    if not expected.messages or expected.messages[-1].role != "assistant":
        last = f"ends with a {expected.messages[-1].role} message" if expected.messages else "has no messages"
        where = expected.where or f"row {expected.id!r}"
        raise DataError(where, f"a test row {last}; cut it after the assistant message to be judged")
    return expected.messages[-1]


def aggregate(rows: Sequence[RowScore], categories: Mapping[str, str] | None = None) -> dict[str, JsonObject]:
    """Scored rows -> `{metric: {"n", "value", "low", "high"}}` for each of METRICS, and breakdowns.

    value: the mean over the n rows to which the metric applies; low, high: its 95% Wilson interval. All three are
    None when n is 0. Three breakdowns map a key to the same four numbers:

    - "by_tool": tool name -> gold calls of that tool that were made exactly. Also "spurious": calls that no gold
      call asked for, so that a model that always calls one tool does not look good at it.
    - "by_argument": "tool.argument" -> that argument right, over paired and missing calls.
    - "by_category": category -> exact_match. `categories` maps a row id to its category; rows that it lacks are
      "uncategorised". Empty without `categories`.

    Two count: "by_mode", in which ways rows failed (`count_modes`), and "confusion", tools by tools called in their
    place.
    """
    result: dict[str, JsonObject] = {}
    for metric in METRICS:
        result[metric] = share(row.verdict(metric).value for row in rows)
    result["by_tool"] = _by_tool(rows)
    result["by_argument"] = _by_argument(rows)
    grouped: defaultdict[str, list[float | None]] = defaultdict(list)
    if categories:
        for row in rows:
            grouped[categories.get(row.id, UNCATEGORISED)].append(row.verdict(EXACT).value)
    result["by_category"] = {category: share(grouped[category]) for category in sorted(grouped)}
    result["by_mode"] = count_modes((row.id, row.modes) for row in rows)
    result["confusion"] = confusion((row.match, row.reply) for row in rows)
    return result


def rescored(rows: Sequence[Conversation], scores: Sequence[RowScore]) -> list[RowScore]:
    """The same replies, scored as those to other rows: what was asked had more before it, say."""
    return [score_row(row, score.reply, score.raw_text) for row, score in zip(rows, scores, strict=True)]


def build_report(run: str, rows: Sequence[RowScore], categories: Mapping[str, str] | None = None) -> Report:
    """A run's name and its scored rows -> the Report.

    Rows that share an id stay apart: the second "a" is reported as "a#2".
    """
    verdicts: dict[str, tuple[Verdict, ...]] = {}
    for row in rows:
        key, copies = row.id, 1
        while key in verdicts:
            copies += 1
            key = f"{row.id}#{copies}"
        verdicts[key] = row.verdicts
    return Report(run, verdicts, aggregate(rows, categories))


def failures_of(rows: Sequence[RowScore]) -> list[Failure]:
    """The rows that were not exact, in their order, as `write_report` and the terminal's table take them."""
    failures = []
    for row in rows:
        verdict, gold = row.verdict(EXACT), gold_message(row.conversation)
        if verdict.value == 1:
            continue
        asked = [message.text for message in row.conversation.messages if message.role == "user"]
        modes = row.modes
        failures.append(
            Failure(
                id=row.id,
                where=row.conversation.where,
                request=asked[-1] if asked else "",
                why=verdict.why,
                expected_calls=_as_json(gold.calls),
                expected_text=gold.text,
                got_calls=_as_json(row.reply.calls),
                got_text=row.reply.text,
                broken_calls=[asdict(broken) for broken in row.reply.broken],
                ending=row.reply.ending.value,
                raw_text=row.raw_text,
                mode=modes[0],
                modes=list(modes),
            )
        )
    return failures


def _as_json(calls: Sequence[ToolCall]) -> list[JsonObject]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def _exact_match(reply: Reply, match: CallMatch) -> Verdict:
    why = unreadable(reply) or match.why
    return Verdict(EXACT, float(match.exact and not why), why)


def _name_accuracy(gold: Message, reply: Reply, match: CallMatch) -> Verdict:
    if not gold.calls:
        return Verdict(NAMES, None)
    wanted, given = ([call.name for call in calls] for calls in (gold.calls, reply.calls))
    return Verdict(NAMES, float(match.names_equal), "" if match.names_equal else f"expected {wanted}, got {given}")


def _argument_accuracy(gold: Message, match: CallMatch) -> Verdict:
    if not gold.calls or not match.arguments_total:
        return Verdict(ARGUMENTS, None)
    right, total = match.arguments_right, match.arguments_total
    return Verdict(ARGUMENTS, right / total, "" if right == total else f"{right} of {total}; {match.why}")


def _schema_valid(reply: Reply, tools: Sequence[Tool]) -> Verdict:
    if not reply.calls:
        return Verdict(SCHEMA, None)
    parameters = {tool.name: tool.parameters for tool in tools}
    for call in reply.calls:
        if call.name not in parameters:
            why = f"tool {call.name!r} is not declared{did_you_mean(call.name, parameters)}"
            return Verdict(SCHEMA, 0.0, why)
        problems = validate(call.arguments, parameters[call.name])
        if problems:
            return Verdict(SCHEMA, 0.0, f"{call.name} {shown(call.arguments)}: {problems[0]}")
    return Verdict(SCHEMA, 1.0)


def share(values: Iterable[float | None]) -> JsonObject:
    """`{"n", "value", "low", "high"}` of those that are not None, as `aggregate` has them."""
    judged = [value for value in values if value is not None]
    n = len(judged)
    if n == 0:
        return {"n": 0, "value": None, "low": None, "high": None}
    total = sum(judged)
    interval = wilson(total, n)
    return {"n": n, "value": total / n, "low": interval.low, "high": interval.high}


def _by_tool(rows: Sequence[RowScore]) -> JsonObject:
    exact: defaultdict[str, list[float]] = defaultdict(list)
    spurious: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        for pair in row.match.pairs:
            exact[pair.expected.name].append(float(pair.exact))
        for call in row.match.missing:
            exact[call.name].append(0.0)
        for call in row.match.spurious:
            spurious[call.name] += 1
    names = sorted({*exact, *spurious})
    return {name: {**share(exact.get(name, [])), "spurious": spurious.get(name, 0)} for name in names}


def _by_argument(rows: Sequence[RowScore]) -> JsonObject:
    right: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for pair in row.match.pairs:
            for key, equal in pair.arguments.items():
                right[f"{pair.expected.name}.{key}"].append(float(equal))
        for call in row.match.missing:
            for key in call.arguments:
                right[f"{call.name}.{key}"].append(0.0)
    return {name: share(right[name]) for name in sorted(right)}
