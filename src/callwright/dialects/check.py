"""A rendered row -> Problems: proof that nothing was lost, and that exactly the assistant's text is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from callwright.data.lint import Problem
from callwright.dialects.base import Dialect
from callwright.types import Conversation, Kind, Message, Rendered, Segment

_PROMPT = (Kind.PREFIX, Kind.PROMPT)


def check_render(row: Conversation, dialect: Dialect, segments: Sequence[Segment]) -> list[Problem]:
    """Parses each assistant turn back out of the rendered text and compares it with the row."""
    found = []
    turns = _written_turns(segments)
    expected = [message for message in row.messages if message.role == "assistant"]
    if len(turns) != len(expected):
        why = f"{len(expected)} assistant turns were rendered as {len(turns)}"
        return [Problem("lost in rendering", row.where, row.id, why)]
    for place, (turn, message) in enumerate(zip(turns, expected, strict=True), 1):
        why = _lost(turn, message, dialect)
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


def _written_turns(segments: Sequence[Segment]) -> list[list[Segment]]:
    """The assistant's own segments, turn by turn."""
    turns: list[list[Segment]] = []
    own = False
    for segment in segments:
        if segment.kind in _PROMPT:
            own = False
            continue
        if not own:
            turns.append([])
        own = True
        turns[-1].append(segment)
    return turns


def _lost(turn: Sequence[Segment], message: Message, dialect: Dialect) -> str:
    """What a turn lost between its message and the parse of its text; "" for nothing."""
    if turn[-1].kind is not Kind.STOP:
        return "it does not end with a stop"
    reply = dialect.parse("".join(segment.text for segment in turn if segment.kind is not Kind.STOP))
    if reply.broken:
        return f"it parses back as a broken call: {reply.broken[0].reason}"
    if reply.text != message.text:
        return f"its text parses back as {reply.text[:60]!r}"
    expected = [replace(call, id="") for call in message.calls]
    got = [replace(call, id="") for call in reply.calls]
    if got != expected:
        at = next(
            (i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), min(len(expected), len(got))
        )
        return f"call {at + 1} of {len(expected)} does not parse back as it was"
    # 1 == 1.0 == True in Python, but not in JSON
    if repr([call.arguments for call in got]) != repr([call.arguments for call in expected]):
        return "an argument changes its type"
    return ""
