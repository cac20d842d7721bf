"""Where tools come from: Python, JSON, OpenAPI, GraphQL, MCP -> Tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from callwright.errors import ToolError, did_you_mean
from callwright.tools.graphql import read_graphql
from callwright.tools.jsonfile import read_tools, tool_from_json, tool_to_json, tools_from_json
from callwright.tools.mcp import mcp_tools
from callwright.tools.openapi import Selection, is_openapi, read_document, read_openapi
from callwright.tools.python import functions_of, tool_from_function, tools_from_module
from callwright.tools.show import signature_of
from callwright.types import Tool

__all__ = [
    "functions_of",
    "load_tools",
    "python_source",
    "signature_of",
    "tool_from_function",
    "tool_from_json",
    "tool_to_json",
    "tools_from_json",
    "tools_from_module",
]

_GRAPHQL = (".graphql", ".graphqls", ".gql")
_YAML = (".yaml", ".yml")
_FILES = (".json", ".jsonl", *_YAML, *_GRAPHQL)
_FILE = re.compile(r"(?P<source>.+\.py)(?::(?P<names>[^:/\\]*))?")
_MODULE = re.compile(r"(?P<source>[A-Za-z_][\w.]*)(?::(?P<names>.*))?")


def load_tools(spec: str) -> tuple[Tool, ...]:
    """The tools that `spec` names.

    `tools.py`, `tools.py:set_light,get_time`, or `my.module`; `tools.json` or `.jsonl` in any of the usual shapes; an
    OpenAPI document, `.json` or `.yaml`, all of it or a selection, `api.yaml#tag=pets&path=/store/*&method=get`; a
    GraphQL schema, `schema.graphql#field=user,orders`; or an MCP server, `mcp:https://...` or `mcp:COMMAND`, all its
    tools or `#name=add,price`. A Python file or module is run, and so is an MCP server's command: the user's own code,
    never a model's.

    Raises ToolError where there is no such source, where it cannot be read, or where two tools have one name.
    """
    if spec.startswith("mcp:"):
        # a command may hold '#' itself; only '#name=' chooses
        server, _, wanted = spec.removeprefix("mcp:").partition("#name=")
        return _chosen(_distinct(mcp_tools(server), spec), _listed(wanted), spec)
    path, _, chosen = spec.partition("#")
    if path.lower().endswith(_FILES):
        _must_exist(Path(path))
        return _distinct(_of_file(Path(path), chosen, spec), spec)
    return _distinct(tools_from_module(*python_source(spec)), spec)


def python_source(spec: str) -> tuple[Path | str, list[str] | None]:
    """`tools.py:a,b` or `my.module` -> the file or module, and the functions that are named.

    Raises ToolError where it is neither, where it names tools that are no Python functions, or no such file.

    >>> python_source("my.module:set_light")
    ('my.module', ['set_light'])
    """
    if spec.startswith("mcp:") or spec.partition("#")[0].lower().endswith(_FILES):
        raise ToolError(f"{spec}: holds no functions that can be run; give a .py file or a Python module")
    file = _FILE.fullmatch(spec)
    found = file or _MODULE.fullmatch(spec)
    if found is None or (not file and Path(spec).is_file()):
        raise ToolError(
            f"{spec}: is not a source of tools; name a .py file, a module, a .json, .yaml or .graphql file, "
            "or mcp:SERVER"
        )
    names = list(_listed(found["names"])) if found["names"] else None
    if file:
        _must_exist(Path(found["source"]))
    return (Path(found["source"]) if file else found["source"]), names


def _of_file(path: Path, chosen: str, spec: str) -> tuple[Tool, ...]:
    options = _options(chosen, spec)
    if path.name.lower().endswith(_GRAPHQL):
        _known(options, ("field",), spec)
        return tuple(operation.tool for operation in read_graphql(path, options.get("field", ())))
    if path.name.lower().endswith(_YAML) or (path.suffix == ".json" and is_openapi(read_document(path))):
        _known(options, ("tag", "path", "operation", "method"), spec)
        select = Selection(*(options.get(key, ()) for key in ("tag", "path", "operation", "method")))
        return tuple(operation.tool for operation in read_openapi(path, select))
    _known(options, ("name",), spec)
    return _chosen(read_tools(path), options.get("name", ()), spec)


def _chosen(tools: tuple[Tool, ...], names: Sequence[str], spec: str) -> tuple[Tool, ...]:
    """The tools of these names, or all where none is named."""
    for name in names:
        if name not in {tool.name for tool in tools}:
            raise ToolError(f"{spec}: no tool '{name}'{did_you_mean(name, [tool.name for tool in tools])}")
    return tuple(tool for tool in tools if not names or tool.name in names)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _options(chosen: str, spec: str) -> dict[str, tuple[str, ...]]:
    """`tag=a,b&method=get` -> values by key."""
    options: dict[str, tuple[str, ...]] = {}
    for part in filter(None, chosen.split("&")):
        key, equals, values = part.partition("=")
        if not equals:
            raise ToolError(f"{spec}: after '#' write key=value, as in '#tag=pets&method=get'")
        options[key] = _listed(values)
    return options


def _known(options: dict[str, tuple[str, ...]], keys: tuple[str, ...], spec: str) -> None:
    for key in options:
        if key not in keys:
            raise ToolError(f"{spec}: unknown key '{key}'{did_you_mean(key, keys)}; known are {', '.join(keys)}")


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
