"""A made conversation -> why it may not be used, or nothing."""

from __future__ import annotations

from callwright.schema import validate
from callwright.types import Conversation


def wrong(row: Conversation, copied: frozenset[tuple[str, str]]) -> str:
    """The first thing wrong with a row: arguments that do not validate, or a copied text that was not said.

    copied: (tool, parameter) whose string value must stand in the request, letter for letter.
    """
    request = row.messages[0].text
    declared = {tool.name: tool for tool in row.tools}
    if not request.strip():
        return "the request is empty"
    for call in row.messages[-1].calls:
        problems = validate(call.arguments, declared[call.name].parameters)
        if problems:
            return f"{call.name}: {problems[0]}"
        for name, value in call.arguments.items():
            if (call.name, name) in copied and isinstance(value, str) and value not in request:
                return f"{call.name}.{name}: {value!r} is not in the request"
    return ""
