"""A finished row -> the question whether it is right, for a second teacher; its answer -> a verdict."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from callwright.synth.endpoint import Endpoint
from callwright.synth.journal import Question
from callwright.tools import tool_to_json
from callwright.types import Conversation

_SYSTEM = "You check training rows for an assistant that calls functions. Answer with JSON only."
_ASKED = (
    "Is what the assistant does right: the tools that the user's words ask for and no others, every argument as the "
    "user means it, nothing invented; no call where no tool fits, and a question where a required value is missing? "
    'Answer {"right": true} or {"right": false, "why": "..."}.'
)
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the judge said; `right` None where it cannot be read."""

    right: bool | None
    why: str = ""


def judge_question(row: Conversation, judge: Endpoint) -> Question:
    """Asks for one row, at temperature 0."""
    tools = "\n".join(json.dumps(tool_to_json(tool), ensure_ascii=False) for tool in row.tools)
    turns = []
    for message in row.messages:
        calls = [{"name": call.name, "arguments": call.arguments} for call in message.calls]
        said = json.dumps(calls, ensure_ascii=False) if calls else message.text
        turns.append(f"{message.role}: {said}")
    text = f"Tools:\n{tools}\n\nDialogue:\n" + "\n".join(turns) + f"\n\n{_ASKED}"
    return Question(judge.model, (("system", _SYSTEM), ("user", text)), 0.0, judge.max_tokens)


def opinion(text: str) -> Opinion:
    """Reads a judge's answer: the last JSON object in it that says `right`.

    >>> opinion('Let me see. {"right": false, "why": "wrong room"}')
    Opinion(right=False, why='wrong room')
    >>> opinion("I think so.").right is None
    True
    """
    for found in reversed(_OBJECT.findall(text)):
        try:
            said = json.loads(found)
        except ValueError:
            continue
        if isinstance(said.get("right"), bool):
            return Opinion(said["right"], str(said.get("why", ""))[:500])
    return Opinion(None, "the judge's answer cannot be read")
