"""A scored row that was not exact -> the ways in which it failed; many -> how often, with examples, and which tools
are taken for which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from callwright.score.calls import CallMatch, CallPair, schema_places
from callwright.score.values import same_source, value_mode
from callwright.types import Conversation, Ending, JsonObject, Reply

MODES = {
    "engine_error": "engine error",
    "answered_in_text": "answered in text",
    "truncated": "cut at the token limit",
    "broken_syntax": "broken syntax",
    "missing_call": "missing call",
    "spurious_call": "spurious call",
    "hallucinated_name": "hallucinated name",
    "wrong_tool": "wrong tool",
    "missing_parallel": "missing call of several",
    "extra_call": "extra call",
    "wrong_parameter": "value in another parameter",
    "missing_required": "missing required",
    "unknown_parameter": "unknown parameter",
    "wrong_type": "wrong type",
    "wrong_enum": "wrong enum",
    "off_by_one": "off by one unit",
    "wrong_normalisation": "wrong normalisation",
    "wrong_span": "wrong span",
    "wrong_value": "other wrong value",
    "missing_optional": "missing optional",
    "invented_optional": "invented optional",
}
"""Mode -> its words in tables. A row's primary mode is the first of these that applies: what keeps a call from being
read or made stands before what is wrong in it."""

NO_CALL, BROKEN = "(no call)", "(broken)"
"""Beside the tools' names in a confusion matrix."""

_EXAMPLES = 3


def modes_of(expected: Conversation, reply: Reply, match: CallMatch) -> tuple[str, ...]:
    """All of MODES that apply to a row, the primary one first; empty where the reply is exact.

    - answered_in_text, missing_call: calls were due and none came, with a text or without; both with a text
    - spurious_call: none was due
    - wrong_tool, hallucinated_name: in place of a due call one of another tool; one that is not declared
    - missing_parallel, extra_call: fewer calls than are due, but some; more calls than are due
    - wrong_parameter: a value that is due, or words of it, stands under another parameter's name
    - missing_required, missing_optional: an argument that is due is left out, by what the schema requires
    - invented_optional, unknown_parameter: one that is not due is given, declared or not
    - the others: `value_mode`. A call that could not be read, or was cut, is not also counted as missing; a reply that
      is cut before it calls anything is answered in text.

    >>> from callwright.score.calls import match_calls
    >>> from callwright.types import ToolCall
    >>> row = Conversation("1", (), ())
    >>> modes_of(row, Reply("Sure."), match_calls([ToolCall("now", {})], [], []))
    ('answered_in_text', 'missing_call')
    """
    found: set[str] = set(_unread(reply))
    declared = {tool.name: tool.parameters for tool in expected.tools}
    found |= set(_of_calls(reply, match, declared))
    said = "\n".join(message.text for message in expected.messages[:-1])
    for pair in match.pairs:
        if not pair.exact:
            found |= set(_of_arguments(pair, declared.get(pair.expected.name) or {}, said))
    return tuple(mode for mode in MODES if mode in found)


def _unread(reply: Reply) -> Iterable[str]:
    if reply.ending is Ending.ERROR:
        yield "engine_error"
    if reply.ending is Ending.LENGTH:
        yield "truncated"
    if reply.broken and reply.ending is not Ending.LENGTH:
        yield "broken_syntax"


def _of_calls(reply: Reply, match: CallMatch, declared: Mapping[str, JsonObject]) -> Iterable[str]:
    """What is wrong with the calls as such: which there are, and which there are not."""
    missing, spurious = len(match.missing), len(match.spurious)
    if any(call.name not in declared for call in match.spurious):
        yield "hallucinated_name"
    if not match.pairs and not missing:
        if spurious:
            yield "spurious_call"
        return
    if missing and any(call.name in declared for call in match.spurious):
        yield "wrong_tool"
    if spurious > missing:
        yield "extra_call"
    if spurious >= missing or reply.broken or reply.ending is Ending.ERROR:
        return
    if reply.calls:
        if reply.ending is Ending.STOP:
            yield "missing_parallel"
        return
    yield "missing_call"
    if reply.text.strip():
        yield "answered_in_text"


def _of_arguments(pair: CallPair, parameters: JsonObject, said: str) -> Iterable[str]:
    due, given = pair.expected.arguments, pair.got.arguments
    schemas = schema_places(parameters, parameters)
    required = {name for schema in schemas for name in schema.get("required") or ()}
    declared: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for schema in schemas:
        properties = schema.get("properties")
        for name, inner in properties.items() if isinstance(properties, dict) else ():
            declared[name] += schema_places(inner, parameters)
    wrong = [name for name, equal in pair.arguments.items() if not equal]
    moved = _moved(wrong, due, given)
    if moved:
        yield "wrong_parameter"
    for name in wrong:
        if name in due and name in given:
            if name not in moved:
                yield value_mode(due[name], given[name], declared[name], parameters, said)
        elif name in due:
            if name in required:
                yield "missing_required"
            elif name not in moved:
                yield "missing_optional"
        elif parameters and name not in declared:
            yield "unknown_parameter"
        elif name not in moved:
            yield "invented_optional"


def _moved(wrong: Sequence[str], due: JsonObject, given: JsonObject) -> set[str]:
    """The parameters between which a value that is due went astray."""
    found: set[str] = set()
    for one in wrong:
        for other in wrong:
            if one == other or one not in due or other not in given:
                continue
            # "monday noon" where "monday" is due holds too much, whatever "noon" was due for
            own = other in due and same_source(due[other], given[other])
            if not own and same_source(due[one], given[other]):
                found |= {one, other}
    return found


def count_modes(rows: Iterable[tuple[str, Sequence[str]]]) -> JsonObject:
    """Ids of failed rows with their modes -> `{mode: {"n", "rows", "examples"}}`, the most frequent first.

    n: rows of which it is the primary mode, so that these sum up to the failures; rows: all that it applies to;
    examples: the ids of the first rows, primary ones before others.
    """
    primary: defaultdict[str, list[str]] = defaultdict(list)
    others: defaultdict[str, list[str]] = defaultdict(list)
    for name, modes in rows:
        for place, mode in enumerate(modes):
            (others if place else primary)[mode].append(name)
    found: dict[str, JsonObject] = {
        mode: {
            "n": len(primary[mode]),
            "rows": len(primary[mode]) + len(others[mode]),
            "examples": [*primary[mode], *others[mode]][:_EXAMPLES],
        }
        for mode in MODES
        if mode in primary or mode in others
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1]["n"], -item[1]["rows"])))


def confusion(rows: Iterable[tuple[CallMatch, Reply]]) -> JsonObject:
    """Due tool -> called tool -> how often; NO_CALL where none was due, or none came; BROKEN where it was not readable.

    Calls of one row that found no partner are taken for one another in their order.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for match, reply in rows:
        for pair in match.pairs:
            counts[pair.expected.name][pair.got.name] += 1
        got = [*(call.name for call in match.spurious), *[BROKEN] * len(reply.broken)]
        due = [call.name for call in match.missing]
        for place in range(max(len(due), len(got))):
            counts[due[place] if place < len(due) else NO_CALL][got[place] if place < len(got) else NO_CALL] += 1
        if not match.pairs and not due and not got:
            counts[NO_CALL][NO_CALL] += 1
    return {due: dict(sorted(counts[due].items())) for due in sorted(counts)}
