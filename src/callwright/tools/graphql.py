"""A GraphQL schema (SDL) -> operations: a tool for each query and mutation, and the document that calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from callwright.errors import MissingExtra, ToolError, did_you_mean
from callwright.schema import normalise
from callwright.tools.names import callable_name
from callwright.types import JsonObject, Tool

_SCALARS: dict[str, JsonObject] = {
    "Int": {"type": "integer"},
    "Float": {"type": "number"},
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Boolean": {"type": "boolean"},
    # not GraphQL's own, but what nearly every schema that has them means
    "DateTime": {"type": "string", "format": "date-time"},
    "Date": {"type": "string", "format": "date"},
    "Time": {"type": "string", "format": "time"},
    "UUID": {"type": "string", "format": "uuid"},
    "URL": {"type": "string", "format": "uri"},
    "JSON": {},
}


@dataclass(frozen=True, slots=True)
class GraphQLOperation:
    """One field of Query or Mutation as a tool. `document` takes the tool's arguments as its variables."""

    tool: Tool
    kind: Literal["query", "mutation"]
    document: str


def read_graphql(path: Path, fields: Sequence[str] = (), depth: int = 2) -> tuple[GraphQLOperation, ...]:
    """The operations of an SDL file. Raises ToolError as `graphql_operations`, and where it cannot be read."""
    try:
        return graphql_operations(path.read_text(encoding="utf-8-sig"), str(path), fields, depth)
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: cannot be read: {error}") from error


def graphql_operations(
    sdl: str, where: str, fields: Sequence[str] = (), depth: int = 2
) -> tuple[GraphQLOperation, ...]:
    """Every query and mutation of a schema, or those named in `fields`.

    depth: how many levels of objects an answer holds; a field that needs arguments of its own is left out of answers.
    Raises ToolError for what is no schema, naming the line, and for unknown fields; MissingExtra without graphql-core.

    >>> found = graphql_operations("type Query { user(id: ID!): User } type User { id: ID! name: String }", "s.graphql")
    >>> found[0].document
    'query user($id: ID!) { user(id: $id) { id name } }'
    """
    try:
        import graphql
    except ImportError:
        raise MissingExtra("graphql", "graphql-core") from None
    try:
        schema = graphql.build_schema(sdl)
    except graphql.GraphQLError as error:
        place = f":{error.locations[0].line}" if error.locations else ""
        raise ToolError(f"{where}{place}: is no GraphQL schema: {error.message}") from error
    except TypeError as error:
        raise ToolError(f"{where}: is no GraphQL schema: {str(error).splitlines()[0]}") from error
    known = {name for kind in (schema.query_type, schema.mutation_type) if kind for name in kind.fields}
    for name in fields:
        if name not in known:
            raise ToolError(f"{where}: '{name}' is no query or mutation{did_you_mean(name, known)}")
    found = tuple(_operations(schema, fields, depth))
    if not found:
        raise ToolError(f"{where}: the schema has no queries and no mutations")
    return found


def _operations(schema: Any, fields: Sequence[str], depth: int) -> Iterator[GraphQLOperation]:
    taken: set[str] = set()
    kinds: tuple[tuple[Literal["query", "mutation"], Any], ...] = (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
    )
    for kind, root in kinds:
        for name, field in (root.fields if root else {}).items():
            if fields and name not in fields:
                continue
            tool_name = callable_name(name if name not in taken else f"{kind}_{name}", taken)
            tool = Tool(tool_name, _text(field.description) or name, normalise(_parameters(field.args)))
            yield GraphQLOperation(tool, kind, _document(kind, name, field, depth))


def _text(description: str | None) -> str:
    return " ".join((description or "").split("\n\n")[0].split())


def _parameters(arguments: Any) -> JsonObject:
    definitions: JsonObject = {}
    parameters = _object(arguments, definitions)
    if definitions:
        parameters["$defs"] = definitions
    return parameters


def _object(fields: Any, definitions: JsonObject) -> JsonObject:
    import graphql

    properties: JsonObject = {}
    required = []
    for name, field in fields.items():
        schema = _schema(field.type, definitions)
        if text := _text(field.description):
            schema = {**schema, "description": text}
        default = _default(field)
        if default is not graphql.Undefined:
            schema = {**schema, "default": default}
        elif graphql.is_non_null_type(field.type):
            required.append(name)
        properties[name] = schema
    parameters: JsonObject = {"type": "object", "properties": properties}
    return parameters | ({"required": required} if required else {})


def _default(field: Any) -> Any:
    """An argument's default as JSON. graphql-core 3.3 keeps it as it was written, 3.2 as a value."""
    import graphql

    given = getattr(field, "default", None)
    if given is None:
        return field.default_value
    return graphql.value_from_ast_untyped(given.literal) if given.literal is not None else given.value


def _schema(kind: Any, definitions: JsonObject) -> JsonObject:
    """An input type -> JSON Schema. Null is never asked for: an argument that may be null may be left out."""
    import graphql

    if graphql.is_non_null_type(kind):
        return _schema(kind.of_type, definitions)
    if graphql.is_list_type(kind):
        return {"type": "array", "items": _schema(kind.of_type, definitions)}
    if graphql.is_enum_type(kind):
        return {"type": "string", "enum": list(kind.values)}
    if graphql.is_input_object_type(kind):
        if kind.name not in definitions:
            definitions[kind.name] = {}  # a type that holds itself finds this and refers to it
            written = _object(kind.fields, definitions)
            text = _text(kind.description)
            definitions[kind.name] = {**written, **({"description": text} if text else {})}
        return {"$ref": f"#/$defs/{kind.name}"}
    known = _SCALARS.get(kind.name)
    return dict(known) if known is not None else {"type": "string", "description": _text(kind.description) or kind.name}


def _document(kind: str, name: str, field: Any, depth: int) -> str:
    variables = ", ".join(f"${argument}: {spec.type}" for argument, spec in field.args.items())
    given = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    answer = _selection(field.type, depth, ())
    call = f"{name}({given})" if given else name
    return f"{kind} {name}{f'({variables})' if variables else ''} {{ {call}{answer} }}"


def _selection(kind: Any, depth: int, above: tuple[str, ...]) -> str:
    """` { id name owner { id } }`: scalars of this level, and objects down to `depth`, none inside itself."""
    import graphql

    kind = graphql.get_named_type(kind)
    if graphql.is_leaf_type(kind):
        return ""
    if graphql.is_union_type(kind):
        parts = [f"... on {one.name}{_selection(one, depth, above)}" for one in kind.types if one.name not in above]
        return f" {{ __typename {' '.join(parts)} }}"
    parts = []
    for name, field in kind.fields.items():
        inner = graphql.get_named_type(field.type)
        if any(graphql.is_required_argument(argument) for argument in field.args.values()):
            continue
        if graphql.is_leaf_type(inner):
            parts.append(name)
        elif depth > 1 and inner.name not in (*above, kind.name):
            parts.append(name + _selection(inner, depth - 1, (*above, kind.name)))
    return f" {{ {' '.join(parts) or '__typename'} }}"
