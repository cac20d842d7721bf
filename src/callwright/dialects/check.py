"""A rendered row -> Problems: proof that nothing was lost, and that exactly the assistant's text is trained."""

from __future__ import annotations

from collections.abc import Sequence

from callwright.data.lint import Problem
from callwright.dialects.base import Dialect
from callwright.dialects.same import same_arguments
from callwright.types import Conversation, Kind, Message, Rendered, Segment, Tool

_PROMPT = (Kind.PREFIX, Kind.PROMPT)


def check_render(row: Conversation, dialect: Dialect, segments: Sequence[Segment]) -> list[Problem]:
    """Parses each assistant turn back out of the rendered text and compares it with the row."""
    found = []
    turns = _written_turns(segments)
    expected = [message for message in row.messages if message.role == "assistant"]
    # earlier turns that are not trained may be part of the prompt, where a template writes them otherwise by then
    missing = len(expected) - len(turns)
    if missing < 0 or any(message.train is not False for message in expected[:missing]):
        why = f"{len(expected)} assistant turns were rendered as {len(turns)}"
        return [Problem("lost in rendering", row.where, row.id, why)]
    expected = expected[missing:]
    for place, ((before, turn), message) in enumerate(zip(turns, expected, strict=True), 1):
        why = _lost(dialect.carry(before), turn, message, dialect, row.tools)
        if why:
            found.append(Problem("lost in rendering", row.where, row.id, f"assistant turn {place}: {why}"))
        trained = any(segment.weight for segment in turn)
        if trained is (message.train is False):
            state = "is trained" if trained else "carries no loss"
            found.append(Problem("wrong mask", row.where, row.id, f"assistant turn {place} {state}"))
    if any(segment.weight for segment in segments if segment.kind in _PROMPT):
        found.append(Problem("wrong mask", row.where, row.id, "a part of the prompt carries loss"))
    return found


def check_text(row: Conversation, segments: Sequence[Segment]) -> list[Problem]:
    """Whether the text is Unicode at all: JSON can escape half of a surrogate pair, which no tokenizer reads."""
    try:
        for segment in segments:
            segment.text.encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("unicode_escape").decode()
        return [Problem("broken text", row.where, row.id, f"the text holds {half}, half of a surrogate pair")]
    return []


def check_tokens(row: Conversation, segments: Sequence[Segment], rendered: Rendered, decode: object) -> list[Problem]:
    """The tokens that carry loss, decoded, against the weighted segments: the mask as the model will see it.

    `decode` is a callable from token ids to text.
    """
    assert callable(decode)
    wanted = "".join(segment.text for segment in segments if segment.weight)
    ids = [token for token, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight]
    got = decode(ids)
    if got == wanted:
        return []
    if decode(list(rendered.token_ids)) != "".join(segment.text for segment in segments):
        why = f"the tokenizer has no tokens for some character of this row: {got[:60]!r} is left of {wanted[:60]!r}"
        return [Problem("lost in rendering", row.where, row.id, why)]
    why = f"loss is on {got[:80]!r}, which is not the assistant's {wanted[:80]!r}"
    return [Problem("wrong mask", row.where, row.id, why)]


def check_length(row: Conversation, rendered: Rendered, longest: int) -> list[Problem]:
    """Whether a row is longer than `longest` tokens. It is reported, never cut."""
    length = len(rendered.token_ids)
    if length <= longest:
        return []
    return [Problem("too long", row.where, row.id, f"{length} tokens, {length - longest} more than {longest}")]


def _written_turns(segments: Sequence[Segment]) -> list[tuple[str, list[Segment]]]:
    """The assistant's own segments, turn by turn, with the piece of the prompt before each."""
    turns: list[tuple[str, list[Segment]]] = []
    own, before = False, ""
    for segment in segments:
        if segment.kind in _PROMPT:
            own, before = False, segment.text
            continue
        if not own:
            turns.append((before, []))
        own = True
        turns[-1][1].append(segment)
    return turns


def _lost(carried: str, turn: Sequence[Segment], message: Message, dialect: Dialect, tools: Sequence[Tool]) -> str:
    """What a turn lost between its message and the parse of its text; "" for nothing."""
    if turn[-1].kind is not Kind.STOP:
        return "it does not end with a stop"
    reply = dialect.parse(carried + "".join(segment.text for segment in turn if segment.kind is not Kind.STOP), tools)
    if reply.broken:
        return f"it parses back as a broken call: {reply.broken[0].reason}"
    if reply.text != message.text and not (dialect.trims and reply.text.strip() == message.text.strip()):
        return f"its text parses back as {reply.text[:60]!r}"
    if reply.thinking != message.thinking and not (
        dialect.trims and reply.thinking.strip() == message.thinking.strip()
    ):
        return f"its thinking parses back as {reply.thinking[:60]!r}"
    if len(reply.calls) != len(message.calls):
        return f"{len(message.calls)} calls parse back as {len(reply.calls)}"
    for number, (got, call) in enumerate(zip(reply.calls, message.calls, strict=True), 1):
        if got.name != call.name or not same_arguments(got, call):
            if got.name == call.name and got.arguments == call.arguments:
                return "an argument changes its type"
            return f"call {number} of {len(message.calls)} does not parse back as it was"
    return ""
