"""Where tools come from: a Python file or module, or a JSON file -> Tool."""

from __future__ import annotations

import re
from pathlib import Path

from callwright.errors import ToolError, did_you_mean
from callwright.tools.jsonfile import read_tools, tool_from_json, tool_to_json, tools_from_json
from callwright.tools.python import tool_from_function, tools_from_module
from callwright.tools.show import signature_of
from callwright.types import Tool

__all__ = [
    "load_tools",
    "signature_of",
    "tool_from_function",
    "tool_from_json",
    "tool_to_json",
    "tools_from_json",
    "tools_from_module",
]

_FILE = re.compile(r"(?P<source>.+\.py)(?::(?P<names>[^:/\\]*))?")
_MODULE = re.compile(r"(?P<source>[A-Za-z_][\w.]*)(?::(?P<names>.*))?")


def load_tools(spec: str) -> tuple[Tool, ...]:
    """The tools that `spec` names: `tools.py`, `tools.py:set_light,get_time`, `my.module`, or `tools.json`.

    A Python file or module is run: it is the user's own code, never a model's.

    Raises ToolError where there is no such source, where it cannot be read, or where two tools have one name.
    """
    if spec.endswith(".json"):
        _must_exist(Path(spec))
        return _distinct(read_tools(Path(spec)), spec)
    file = _FILE.fullmatch(spec)
    found = file or _MODULE.fullmatch(spec)
    if found is None:
        raise ToolError(f"{spec}: is not a source of tools; name a .py file, a module, or a .json file")
    names = [name.strip() for name in found["names"].split(",") if name.strip()] if found["names"] else None
    if file:
        _must_exist(Path(found["source"]))
    return _distinct(tools_from_module(Path(found["source"]) if file else found["source"], names), spec)


def _must_exist(path: Path) -> None:
    if path.is_file():
        return
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, beside) or "; give the path of a .py or .json file with tools"
    raise ToolError(f"{path}: there is no such file{hint}")


def _distinct(tools: tuple[Tool, ...], where: str) -> tuple[Tool, ...]:
    seen: dict[str, int] = {}
    for i, tool in enumerate(tools, 1):
        if tool.name in seen:
            raise ToolError(
                f"{where}: tools {seen[tool.name]} and {i} are both named '{tool.name}'; rename or remove one"
            )
        seen[tool.name] = i
    return tools
