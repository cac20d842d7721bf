"""A document with `$ref`s -> schemas that stand alone and are small enough for a prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from callwright.errors import ToolError
from callwright.types import JsonObject

# what describes a value to a person or a code generator, and costs a prompt its tokens
_DROPPED = frozenset(
    {"example", "examples", "externalDocs", "xml", "discriminator", "deprecated", "writeOnly", "title"}
)
_SCHEMAS = ("items", "not", "additionalProperties", "contains", "propertyNames", "if", "then", "else")
_LISTS = ("anyOf", "oneOf", "prefixItems")
DEEPEST = 8
"""Levels of objects in objects; what lies deeper is any object."""


@dataclass(frozen=True)
class Document:
    """A decoded document whose references point into itself."""

    raw: JsonObject
    where: str
    _found: dict[str, Any] = field(default_factory=dict)

    def resolved(self, node: Any) -> Any:
        """What a node stands for: itself, or what its `$ref` leads to. Raises ToolError for one that leads nowhere."""
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference in seen:
                raise ToolError(f"{self.where}: the reference '{reference}' leads to itself")
            seen.add(reference)
            beside = {key: value for key, value in node.items() if key in ("description", "default", "nullable")}
            node = self.find(reference)
            if beside and isinstance(node, dict):
                node = {**node, **beside}
        return node

    def find(self, reference: str) -> Any:
        """The node behind a reference such as '#/components/schemas/Pet'."""
        if reference not in self._found:
            if not reference.startswith("#"):
                raise ToolError(
                    f"{self.where}: the reference '{reference}' leads to another file; bundle the document into one"
                )
            node: Any = self.raw
            for part in reference.lstrip("#").strip("/").split("/") if reference not in ("#", "#/") else ():
                key = unquote(part).replace("~1", "/").replace("~0", "~")
                if isinstance(node, list) and key.isdigit() and int(key) < len(node):
                    node = node[int(key)]
                elif isinstance(node, dict) and key in node:
                    node = node[key]
                else:
                    raise ToolError(f"{self.where}: the reference '{reference}' leads nowhere")
            self._found[reference] = node
        return self._found[reference]

    def merged(self, node: Any) -> JsonObject:
        """A schema as one object: its reference followed and its allOf joined."""
        node = self.resolved(node)
        if not isinstance(node, dict):
            return {}
        if not isinstance(node.get("allOf"), list):
            return node
        joined: JsonObject = {}
        for part in [*node["allOf"], {key: value for key, value in node.items() if key != "allOf"}]:
            _join(joined, self.merged(part))
        return joined


def _join(joined: JsonObject, part: JsonObject) -> None:
    for key, value in part.items():
        if key == "properties" and isinstance(value, dict):
            joined[key] = {**joined.get(key, {}), **value}
        elif key == "required" and isinstance(value, list):
            joined[key] = list(dict.fromkeys([*joined.get(key, []), *value]))
        else:
            joined[key] = value


def compact(schema: Any, document: Document, trail: tuple[str, ...] = ()) -> Any:
    """A schema that stands alone: references followed, allOf joined, read-only and descriptive parts left out.

    A schema that holds itself, or is nested deeper than DEEPEST, becomes any object at that place.
    """
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref") if isinstance(schema.get("$ref"), str) else None
    if (reference and reference in trail) or len(trail) >= DEEPEST:
        return _stub(document.resolved(schema))
    below = (*trail, reference or "")
    node = document.merged(schema)
    small: JsonObject = {}
    for key, value in node.items():
        if key in _DROPPED or key.startswith("x-"):
            continue
        if key == "properties" and isinstance(value, dict):
            small[key] = {
                name: compact(child, document, below)
                for name, child in value.items()
                if not document.merged(child).get("readOnly")
            }
        elif key in _SCHEMAS:
            small[key] = compact(value, document, below)
        elif key in _LISTS and isinstance(value, list):
            small[key] = [compact(child, document, below) for child in value]
        elif key == "description" and isinstance(value, str):
            small[key] = " ".join(value.split("\n\n")[0].split())
        elif key != "readOnly":
            small[key] = value
    if isinstance(small.get("required"), list) and isinstance(small.get("properties"), dict):
        small["required"] = [name for name in small["required"] if name in small["properties"]]
        if not small["required"]:
            del small["required"]
    return small


def _stub(node: Any) -> JsonObject:
    stub: JsonObject = {"type": "object"}
    if isinstance(node, dict):
        stub = {key: node[key] for key in ("type", "description") if isinstance(node.get(key), str)} or stub
    return stub
