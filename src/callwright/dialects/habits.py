"""What a chat template writes around calls and texts that its family does not ask for: line breaks, empty thinking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from callwright.dialects.family import Family, Habits
from callwright.errors import DataError
from callwright.types import Conversation, Kind, Message, Segment, Tool, ToolCall

_TOOL = Tool("probe", "Probe.", {"type": "object", "properties": {"city": {"type": "string"}}})
_CALL = ToolCall(_TOOL.name, {"city": "Oslo"})
_TURNS = (
    Message("assistant", "", (_CALL,)),
    Message("assistant", "Hello."),
    Message("assistant", "", (_CALL,), thinking="I look."),
    Message("assistant", "Hello.", thinking="I look."),
)


def observed(family: Family, segments: Callable[[Conversation], Sequence[Segment]]) -> Habits:
    """The habits of a template, from a few turns that it writes; those that it refuses say nothing."""
    leads: list[str] = []
    tails = [""]
    for number, turn in enumerate(_TURNS):
        try:
            parts = list(segments(Conversation("probe", (_TOOL,), (Message("user", "hi"), turn))))
        except DataError:
            continue
        own = [part for part in parts if part.kind not in (Kind.PREFIX, Kind.PROMPT, Kind.STOP)]
        usual = list(family.write(turn))
        found = list(_before(own, usual, family))
        leads += found if number else found[:1] or [""]
        tail, usual_tail = _after(own), _after(usual)
        if turn.calls and tail.startswith(usual_tail):
            tails.append(tail[len(usual_tail) :])
    spaces = ["", *(lead[len(lead.rstrip()) :] for lead in leads), *(lead for lead in leads if lead.isspace())]
    blocks = [lead.rstrip() for lead in leads if lead.strip()]
    return Habits(leads[0] if leads else "", *(tuple(dict.fromkeys(some)) for some in (spaces, blocks, tails)))


def _before(own: Sequence[Segment], usual: Sequence[Segment], family: Family) -> Iterator[str]:
    """What stands, beyond the usual, before the thinking and before what follows it."""
    place = 0
    marks = family.thinking
    for number, part in enumerate(own):
        if part.kind is Kind.SCAFFOLD:
            continue
        text = "".join(part.text for part in own[place:number])
        if part.kind is Kind.THINKING and marks:
            yield text.partition(marks.opening)[0]
            place = number + 1
            continue
        if place and marks:
            text = text.partition(marks.closing)[2]
        ending = _to(usual, part.kind, family)
        if text.endswith(ending):
            yield text.removesuffix(ending)
        return


def _to(usual: Sequence[Segment], kind: Kind, family: Family) -> str:
    """What the family writes between thinking and a name or a text."""
    text = ""
    for part in usual:
        if part.kind is kind:
            break
        text = "" if part.kind is Kind.THINKING else text + part.text
    marks = family.thinking
    if marks and any(part.kind is Kind.THINKING for part in usual):
        text = text.removeprefix(marks.inside + marks.closing).removeprefix(marks.behind)
    return text


def _after(parts: Sequence[Segment]) -> str:
    """What stands behind the last argument."""
    place = max((number for number, part in enumerate(parts) if part.kind is Kind.ARGUMENT), default=len(parts))
    return "".join(part.text for part in parts[place + 1 :])
