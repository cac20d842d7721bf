"""An OpenAPI 3.0/3.1 or Swagger 2 document, JSON or YAML -> operations: a tool each, and where its arguments go."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from callwright.errors import ToolError, did_you_mean
from callwright.schema import normalise
from callwright.tools.names import callable_name
from callwright.tools.references import Document, compact
from callwright.types import JsonObject, Tool

Place = Literal["path", "query", "header", "cookie", "body", "form", "whole body"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# what a client sends by itself, and no model should be asked for
_OWN_HEADERS = frozenset({"accept", "content-type", "authorization", "user-agent", "host", "cookie"})
_JSON_BODY = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_FORM_BODY = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as a tool. `places` says for each parameter where in the request it stands.

    A body that is no object is one parameter, 'body', in the place 'whole body'. `names` gives the request's own name
    of a parameter where two places used the same one.
    """

    tool: Tool
    method: str
    path: str
    places: dict[str, Place]
    names: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which operations are wanted; an empty field means all. Paths are patterns such as `/pets/*`."""

    tags: Sequence[str] = ()
    paths: Sequence[str] = ()
    operations: Sequence[str] = ()
    methods: Sequence[str] = ()

    def wants(self, method: str, path: str, operation: JsonObject) -> bool:
        """Whether an operation passes every field that is set."""
        tags = operation.get("tags") or ()
        return (
            (not self.tags or any(tag in self.tags for tag in tags))
            and (not self.paths or any(fnmatch.fnmatchcase(path, pattern) for pattern in self.paths))
            and (not self.operations or operation.get("operationId") in self.operations)
            and (not self.methods or method in self.methods)
        )


ALL = Selection()


def is_openapi(document: object) -> bool:
    """Whether a decoded document says that it is one."""
    return isinstance(document, dict) and ("openapi" in document or "swagger" in document) and "paths" in document


def read_openapi(path: Path, select: Selection = ALL) -> tuple[Operation, ...]:
    """The operations of a file, JSON or YAML. Raises ToolError where it cannot be read."""
    return operations(read_document(path), str(path), select)


def read_document(path: Path) -> Any:
    """A JSON or YAML file. Raises ToolError, naming the line."""
    import yaml

    try:
        written = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: cannot be read: {error}") from error
    try:
        if written.lstrip()[:1] in ("{", "["):
            return json.loads(written)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(written, Loader=loader)  # a safe loader, in C where it is built
    except json.JSONDecodeError as error:
        raise ToolError(f"{path}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise ToolError(f"{path}{place}: is not YAML: {getattr(error, 'problem', error)}") from error


def operations(document: object, where: str, select: Selection = ALL) -> tuple[Operation, ...]:
    """The operations of a decoded document, in its order.

    Names are operation ids, or the method and the path; schemas are made small: references resolved, examples and
    read-only properties left out. Raises ToolError for what is no OpenAPI document, for references that lead nowhere,
    and where the selection leaves nothing.
    """
    if not isinstance(document, dict) or not is_openapi(document):
        raise ToolError(f"{where}: is no OpenAPI document: it has no 'openapi' or 'swagger' and 'paths'")
    root = Document(document, where)
    taken: set[str] = set()
    found = tuple(
        _operation(root, method, path, item, operation, taken)
        for method, path, item, operation in _walk(root)
        if select.wants(method, path, operation)
    )
    if not found:
        raise ToolError(f"{where}: no operation is selected{_hint(root, select)}")
    return found


def _hint(root: Document, select: Selection) -> str:
    every = list(_walk(root))
    if not every:
        return "; its 'paths' hold none"
    tags = sorted({tag for *_, operation in every for tag in operation.get("tags") or ()})
    ids = [operation["operationId"] for *_, operation in every if operation.get("operationId")]
    for wanted, known in (
        (select.tags, tags),
        (select.operations, ids),
        (select.paths, [path for _, path, *_ in every]),
    ):
        for name in wanted:
            if name not in known:
                return f": '{name}' is not in it{did_you_mean(name, known)}"
    return ": each part of the selection fits some, none fits all; an operation must fit every part"


def _walk(root: Document) -> Iterator[tuple[str, str, JsonObject, JsonObject]]:
    """(method, path, path item, operation)."""
    paths = root.raw["paths"]
    if not isinstance(paths, dict):
        raise ToolError(f"{root.where}: 'paths' is no object")
    for path, raw in paths.items():
        item = root.resolved(raw)
        if not isinstance(item, dict):
            continue
        for method, operation in item.items():
            if method in METHODS and isinstance(operation, dict):
                yield method, str(path), item, operation


def _operation(
    root: Document, method: str, path: str, item: JsonObject, operation: JsonObject, taken: set[str]
) -> Operation:
    name = callable_name(str(operation.get("operationId") or f"{method} {path}"), taken)
    where = f"{root.where}: {method.upper()} {path}"
    properties: dict[str, Any] = {}
    required: list[str] = []
    places: dict[str, Place] = {}
    own_names: dict[str, str] = {}

    def add(own: str, place: Place, schema: Any, needed: bool) -> None:
        key = own if own not in properties else f"{place.split()[-1]}_{own}"
        properties[key] = schema
        places[key] = place
        if key != own:
            own_names[key] = own
        if needed:
            required.append(key)

    parameters = _parameters(root, item, operation)
    for parameter in parameters:
        place = parameter["in"]
        if place == "body":
            _add_body(root, parameter.get("schema"), "body", bool(parameter.get("required")), add)
        else:
            schema = _schema_of(parameter)
            if text := parameter.get("description"):
                schema = {**schema, "description": text} if isinstance(schema, dict) else schema
            add(parameter["name"], "form" if place == "formData" else place, schema, bool(parameter.get("required")))
    body = root.resolved(operation.get("requestBody"))
    if isinstance(body, dict):
        schema, place = _body_schema(body)
        _add_body(root, schema, place, bool(body.get("required")), add)
    written: JsonObject = {"type": "object", "properties": properties}
    if required:
        written["required"] = required
    try:
        tool = Tool(name, _description(operation, item, method, path), normalise(compact(written, root)))
    except ToolError as error:
        raise ToolError(f"{where}: {error}") from error
    return Operation(tool, method, path, places, own_names, tuple(map(str, operation.get("tags") or ())))


def _parameters(root: Document, item: JsonObject, operation: JsonObject) -> list[JsonObject]:
    """Those of the path, overridden by the operation's own of the same name and place; a client's headers left out."""
    merged: dict[tuple[str, str], JsonObject] = {}
    for raw in [*(item.get("parameters") or ()), *(operation.get("parameters") or ())]:
        parameter = root.resolved(raw)
        if not isinstance(parameter, dict) or not isinstance(parameter.get("name"), str):
            raise ToolError(f"{root.where}: a parameter without a name")
        place = str(parameter.get("in"))
        wanted = place in ("path", "query", "body", "formData") or (
            place in ("header", "cookie") and parameter.get("required")
        )
        if not wanted or (place == "header" and parameter["name"].lower() in _OWN_HEADERS):
            continue
        if parameter.get("deprecated") and not parameter.get("required"):
            continue
        merged[parameter["name"], place] = {**parameter, "required": parameter.get("required") or place == "path"}
    return list(merged.values())


def _schema_of(parameter: JsonObject) -> Any:
    """Of OpenAPI 3's `schema` or `content`, or Swagger 2's keywords beside the name."""
    if "schema" in parameter:
        return parameter["schema"]
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        return (next(iter(content.values())) or {}).get("schema", {})
    own = {
        "name",
        "in",
        "description",
        "required",
        "collectionFormat",
        "allowEmptyValue",
        "deprecated",
        "style",
        "explode",
    }
    return {key: value for key, value in parameter.items() if key not in own and not key.startswith("x-")}


def _body_schema(body: JsonObject) -> tuple[Any, Place]:
    content = body.get("content") or {}
    for kind, media in content.items():
        if _JSON_BODY.fullmatch(kind.partition(";")[0].strip()):
            return (media or {}).get("schema", {}), "body"
    for kind in _FORM_BODY:
        if kind in content:
            return (content[kind] or {}).get("schema", {}), "form"
    media = next(iter(content.values()), None) or {}
    return media.get("schema", {"type": "string"}), "whole body"


def _add_body(root: Document, raw: Any, place: Place, needed: bool, add: Any) -> None:
    """An object's properties stand beside the other parameters; any other body is one parameter."""
    schema = root.merged(raw)
    properties = schema.get("properties")
    if place == "whole body" or not isinstance(properties, dict) or not properties:
        add("body", "whole body", raw if raw is not None else {}, needed)
        return
    required = schema.get("required") or ()
    for name, value in properties.items():
        if not (isinstance(value, dict) and root.resolved(value).get("readOnly")):
            add(name, place, value, needed and name in required)


def _description(operation: JsonObject, item: JsonObject, method: str, path: str) -> str:
    """The summary, and the first paragraph of the description where it says more."""
    summary = str(operation.get("summary") or item.get("summary") or "").strip()
    longer = str(operation.get("description") or item.get("description") or "").strip()
    paragraph = " ".join(re.split(r"\n\s*\n", longer, maxsplit=1)[0].split())
    if not summary or paragraph.lower().startswith(summary.rstrip(".").lower()):
        return paragraph or summary or f"{method.upper()} {path}"
    if not paragraph:
        return summary
    return f"{summary if summary[-1] in '.!?' else summary + '.'} {paragraph}"
