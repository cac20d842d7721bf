"""Rows written for old tools -> rows for the new ones: renames and defaults are applied, what breaks is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from callwright.schema import validate
from callwright.tools.diff import Change, diff_tools
from callwright.types import Conversation, JsonObject, Tool, ToolCall


@dataclass(frozen=True, slots=True)
class Migrated:
    """A row with the new tools. `repaired` says what was done to its calls, `broken` what is still wrong."""

    row: Conversation
    repaired: tuple[str, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Migration:
    """What turns calls of the old tools into calls of the new ones."""

    new: tuple[Tool, ...]
    changes: tuple[Change, ...]

    @classmethod
    def between(cls, old: Sequence[Tool], new: Sequence[Tool]) -> Migration:
        """The migration from one set of tools to another."""
        return cls(tuple(new), tuple(diff_tools(old, new)))

    def migrate(self, row: Conversation) -> Migrated:
        """The row with its tools replaced by the new ones of the same or new name; tools of neither set stay."""
        names = self._tool_names()
        removed = {change.tool for change in self.changes if change.what == "tool removed"}
        by_name = {tool.name: tool for tool in self.new}
        tools = tuple(by_name.get(names.get(t.name, t.name), t) for t in row.tools if t.name not in removed)
        declared = {tool.name: tool for tool in tools}
        repaired: list[str] = []
        broken: list[str] = []
        messages = []
        for message in row.messages:
            calls = tuple(self._call(call, declared, names, repaired, broken) for call in message.calls)
            messages.append(replace(message, calls=calls, name=names.get(message.name, message.name)))
        return Migrated(replace(row, tools=tools, messages=tuple(messages)), tuple(repaired), tuple(broken))

    def _tool_names(self) -> dict[str, str]:
        return {change.tool: change.new for change in self.changes if change.what == "tool renamed"}

    def _call(
        self, call: ToolCall, declared: dict[str, Tool], names: dict[str, str], repaired: list[str], broken: list[str]
    ) -> ToolCall:
        name = names.get(call.name, call.name)
        if name != call.name:
            repaired.append(f"'{call.name}' is now '{name}'")
        tool = declared.get(name)
        if tool is None:
            broken.append(f"'{call.name}' is no longer there")
            return call
        of_tool = [change for change in self.changes if change.tool == call.name]
        arguments = self._arguments(call, tool, of_tool, repaired)
        broken += [f"{name}: {why}" for why in validate(arguments, tool.parameters)]
        return replace(call, name=name, arguments=arguments)

    def _arguments(self, call: ToolCall, tool: Tool, changes: list[Change], repaired: list[str]) -> JsonObject:
        renamed = {change.parameter: change.new for change in changes if change.what == "parameter renamed"}
        arguments = {renamed.get(name, name): value for name, value in call.arguments.items()}
        repaired += [f"{call.name}: '{old}' is now '{new}'" for old, new in renamed.items() if old in call.arguments]
        required = tool.parameters.get("required") or ()
        for change in changes:
            schema = (tool.parameters.get("properties") or {}).get(change.parameter)
            if change.what not in ("required parameter added", "now required") or change.parameter in arguments:
                continue
            if isinstance(schema, dict) and "default" in schema and change.parameter in required:
                arguments[change.parameter] = schema["default"]
                repaired.append(f"{call.name}: '{change.parameter}' is its default")
        return arguments
