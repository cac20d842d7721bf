"""The user's own requests with their calls -> templates, and values: each that stands in a request becomes a slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callwright.synth.fill import Said
from callwright.synth.ground import Synonyms
from callwright.synth.phrase import SLOT, Template
from callwright.synth.values import shown
from callwright.types import Conversation, JsonObject, Tool


def templates_of(rows: Sequence[Conversation], tools: Sequence[Tool]) -> tuple[dict[str, list[Template]], Synonyms]:
    """Templates by tool, and the words that fix a value; rows that do not come apart cleanly give none.

    A value that does not stand in its request is fixed by the wording where the schema lists its values (an enum, a
    boolean), so "make it dark" stays off; otherwise the row is left out, since another value would not fit its words.
    """
    by_name = {tool.name: tool for tool in tools}
    templates: dict[str, list[Template]] = {}
    synonyms: dict[tuple[str, str], dict[Any, list[str]]] = {}
    for row in rows:
        users = [message.text for message in row.messages if message.role == "user"]
        calls = [call for message in row.messages for call in message.calls]
        if len(users) != 1 or len(calls) != 1 or calls[0].name not in by_name or "{" in users[0]:
            continue
        call = calls[0]
        template = _template(users[0], call.arguments, by_name[call.name])
        if template is None:
            continue
        templates.setdefault(call.name, []).append(template)
        for name, value in template.fixed.items():
            spoken = max((part.strip() for part in SLOT.split(template.say)[::2]), key=len, default="")
            synonyms.setdefault((call.name, name), {}).setdefault(value, []).append(spoken)
    return templates, synonyms


def values_of(rows: Sequence[Conversation], tools: Sequence[Tool]) -> dict[tuple[str, str], list[Said]]:
    """What the user's own requests say for each parameter, (tool, parameter) -> (as it is said, the value), as often as
    it is said there; values that do not stand in their request are not among them."""
    declared = {tool.name for tool in tools}
    found: dict[tuple[str, str], list[Said]] = {}
    for row in rows:
        said = "\n".join(message.text for message in row.messages if message.role == "user")
        for call in (call for message in row.messages for call in message.calls if call.name in declared):
            for name, value in call.arguments.items():
                if isinstance(value, str | int | float) and not isinstance(value, bool) and _stands(value, said):
                    found.setdefault((call.name, name), []).append((shown(value), value))
    return found


def _stands(value: str | float, said: str) -> bool:
    words = shown(value)
    at = said.find(words) if words else -1
    return at >= 0 and not said[at - 1 : at].isalnum() and not said[at + len(words) : at + len(words) + 1].isalnum()


def _template(request: str, arguments: JsonObject, tool: Tool) -> Template | None:
    properties = tool.parameters.get("properties") or {}
    say, fixed = request, {}
    # the longest first: a short value may stand inside a long one
    for name, value in sorted(arguments.items(), key=lambda item: -len(shown(item[1]))):
        said = shown(value)
        at = say.casefold().find(said.casefold()) if said else -1
        whole = at >= 0 and not say[at - 1 : at].isalnum() and not say[at + len(said) : at + len(said) + 1].isalnum()
        if (
            isinstance(value, str | int | float)
            and not isinstance(value, bool)
            and whole
            and "{" not in say[at : at + len(said)]
        ):
            say = f"{say[:at]}{{{name}}}{say[at + len(said) :]}"
        elif isinstance(value, bool) or "enum" in properties.get(name, {}):
            fixed[name] = value
        else:
            return None
    return Template(say, fixed)
