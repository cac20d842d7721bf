"""A Python type annotation -> JSON Schema."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from dataclasses import dataclass, field
from typing import Any

import docstring_parser
import pydantic
import pydantic_core
import typing_extensions
from pydantic.fields import FieldInfo

from callwright.errors import ToolError
from callwright.schema.typenames import choices, tuple_schema
from callwright.schema.walk import UNIONS, map_children, resolve, union
from callwright.types import JsonObject

_SCALARS: dict[Any, JsonObject] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    inspect.Parameter.empty: {},
}
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)

# What pydantic reads the limits of an annotation with, for each JSON type: minItems of a list, minLength of a string.
_STAND_INS: dict[str, Any] = {
    "array": list[Any],
    "object": dict[str, Any],
    "string": str,
    "integer": int,
    "number": float,
}
# Formats of pydantic's own, which other readers of the schema refuse.
_PYTHON_FORMATS = ("path", "file-path", "directory-path", "json-string", "binary", "password")
_REFS = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the annotations of one function. `definitions` gathers its classes, so that one may hold itself."""

    definitions: JsonObject = field(default_factory=dict)
    names: dict[type, str] = field(default_factory=dict)

    def schema(self, annotation: Any) -> JsonObject:
        """The schema of a resolved annotation. Raises ToolError, naming no place, for a type that JSON cannot hold."""
        if isinstance(annotation, typing.TypeVar | typing.ForwardRef | str):
            raise ToolError(f"the type {annotation} is not resolved; write the type itself")
        if isinstance(annotation, collections.abc.Hashable) and annotation in _SCALARS:
            return dict(_SCALARS[annotation])
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._annotated(arguments[0], annotation.__metadata__)
        if origin in (typing.Required, typing.NotRequired, typing.Final, typing_extensions.ReadOnly):
            return self.schema(arguments[0])
        if origin is typing.Literal:
            return choices([_plain(value) for value in arguments])
        if origin in (typing.Union, types.UnionType):
            return union([self.schema(each) for each in arguments])
        if isinstance(annotation, typing_extensions.TypeAliasType):
            return self.schema(annotation.__value__)
        return self._container(origin or annotation, arguments) or self._class(annotation)

    def finished(self, schema: JsonObject) -> JsonObject:
        """The root schema with each class written where it is used; only classes that hold themselves stay `$defs`."""
        return inlined({**schema, "$defs": self.definitions}) if self.definitions else schema

    def _container(self, origin: Any, arguments: tuple[Any, ...]) -> JsonObject | None:
        if origin is tuple and arguments:
            items = [None if each is ... else self.schema(each) for each in arguments if each != ()]
            return tuple_schema(items)
        if origin is tuple or origin in _LISTS or origin in _SETS:
            inner = self.schema(arguments[0]) if arguments else {}
            unique = {"uniqueItems": True} if origin in _SETS else {}
            return {"type": "array", **({"items": inner} if inner else {}), **unique}
        if origin in _MAPPINGS:
            inner = self.schema(arguments[1]) if arguments else {}
            return {"type": "object", **({"additionalProperties": inner} if inner else {})}
        return None

    def _class(self, annotation: Any) -> JsonObject:
        if not isinstance(annotation, type):
            return self._by_pydantic(annotation)
        if issubclass(annotation, enum.Enum):
            return _enum_schema(annotation)
        if typing_extensions.is_typeddict(annotation):
            return self._named(annotation, self._typed_dict)
        if dataclasses.is_dataclass(annotation) and not hasattr(annotation, "__pydantic_validator__"):
            return self._named(annotation, self._dataclass)
        return self._by_pydantic(annotation)

    def _named(self, cls: type, read: collections.abc.Callable[[Any], JsonObject]) -> JsonObject:
        if cls not in self.names:
            name = cls.__name__ if cls.__name__ not in self.definitions else f"{cls.__name__}_{len(self.definitions)}"
            self.names[cls] = name
            # Set before its fields are read, one of which may be of this class.
            self.definitions[name] = {}
            self.definitions[name] = read(cls)
        return {"$ref": _REFS + self.names[cls]}

    def _dataclass(self, cls: Any) -> JsonObject:
        properties: JsonObject = {}
        required = []
        hints, described = type_hints(cls), _field_docs(cls)
        for each in dataclasses.fields(cls):
            if not each.init:
                continue
            schema = with_description(self.schema(hints[each.name]), described.get(each.name, ""))
            if each.default is not dataclasses.MISSING:
                schema = with_default(schema, each.default)
            elif each.default_factory is not dataclasses.MISSING:
                schema = with_default(schema, each.default_factory())
            else:
                required.append(each.name)
            properties[each.name] = schema
        return _object(properties, required, _class_doc(cls))

    def _typed_dict(self, cls: Any) -> JsonObject:
        described = _field_docs(cls)
        hints = type_hints(cls)
        schemas = {name: with_description(self.schema(hint), described.get(name, "")) for name, hint in hints.items()}
        return _object(schemas, [name for name in hints if _is_required(cls, name, hints[name])], _class_doc(cls))

    def _annotated(self, annotation: Any, metadata: tuple[Any, ...]) -> JsonObject:
        schema = self.schema(annotation)
        texts = [each for each in metadata if isinstance(each, str)]
        texts += [each.documentation for each in metadata if isinstance(each, typing_extensions.Doc)]
        limits = [each for each in metadata if not isinstance(each, str | typing_extensions.Doc)]
        if limits:
            schema = _limited(schema, limits)
        return with_description(schema, " ".join(texts))

    def _by_pydantic(self, annotation: Any) -> JsonObject:
        """Pydantic models, dates, paths, UUIDs and whatever else pydantic knows how to write as JSON."""
        try:
            written = pydantic.TypeAdapter(annotation).json_schema()
        except (pydantic.errors.PydanticUserError, pydantic_core.SchemaError, TypeError, NameError) as error:
            name = getattr(annotation, "__name__", annotation)
            raise ToolError(
                f"the type {name} cannot be written as JSON; use str, int, list, a dataclass, or another plain type"
            ) from error
        schema = _tidy(inlined(written))
        for name, definition in schema.pop("$defs", {}).items():
            if self.definitions.setdefault(name, definition) != definition:
                raise ToolError(f"two classes are named {name}, and both hold themselves; rename one")
        return schema


def type_hints(item: Any) -> dict[str, Any]:
    """`typing.get_type_hints` with extras. Raises ToolError, naming no place, for a name that is not there to run."""
    try:
        return typing.get_type_hints(item, include_extras=True)
    except NameError as error:
        raise ToolError(
            f"the annotation names '{error.name}', which is not defined at run time; "
            "import it at the top of the file, outside `if TYPE_CHECKING`"
        ) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise ToolError(f"an annotation cannot be read: {error}; correct it") from error


def with_description(schema: JsonObject, text: str) -> JsonObject:
    """The schema with `text` as its description, where it has none of its own here."""
    return {**schema, "description": text} if text and ("description" not in schema) else schema


def with_default(schema: JsonObject, value: Any) -> JsonObject:
    """The schema with a default, where JSON can hold it; a private sentinel leaves no trace."""
    if isinstance(value, set | frozenset):
        # A set's own order changes from run to run, and with it the prompt.
        value = sorted(value, key=repr)
    try:
        return {**schema, "default": pydantic_core.to_jsonable_python(value)}
    except (pydantic_core.PydanticSerializationError, ValueError):
        return schema


def inlined(schema: JsonObject) -> JsonObject:
    """The schema with every `$ref` replaced by its definition, but those that lead back to themselves.

    >>> inlined({"items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "string"}}})
    {'items': {'type': 'string'}}
    """
    kept: set[str] = set()

    def write(part: JsonObject, inside: tuple[str, ...]) -> JsonObject:
        reference = part.get("$ref")
        target = resolve(reference, schema) if isinstance(reference, str) else None
        if target is None or not isinstance(reference, str):
            return map_children(part, lambda child: write(child, inside))
        if reference in endless:
            kept.add(reference.removeprefix(_REFS))
            return part
        beside = {key: value for key, value in part.items() if key != "$ref"}
        return {**write(target, (*inside, reference)), **beside}

    definitions = schema.get("$defs", {})
    endless = {_REFS + name for name in definitions if _reaches(_REFS + name, schema)}
    body = write({key: value for key, value in schema.items() if key != "$defs"}, ())
    written: JsonObject = {}
    while kept - written.keys():
        name = min(kept - written.keys())
        written[name] = map_children(definitions[name], lambda child: write(child, ()))
    return {**body, "$defs": written} if written else body


def _reaches(start: str, schema: JsonObject) -> bool:
    """Whether the definition `start` leads back to itself."""
    waiting, seen = [start], set[str]()
    while waiting:
        target = resolve(waiting.pop(), schema)
        for reference in _references(target or {}):
            if reference == start:
                return True
            if reference not in seen:
                seen.add(reference)
                waiting.append(reference)
    return False


def _references(schema: JsonObject) -> list[str]:
    found = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []

    def look(child: JsonObject) -> JsonObject:
        found.extend(_references(child))
        return child

    map_children(schema, look)
    return found


def _tidy(schema: JsonObject) -> JsonObject:
    """Pydantic's schema without the titles that it makes from names, and with plain unions as lists of types."""
    schema = map_children({key: value for key, value in schema.items() if key != "title"}, _tidy)
    if schema.get("format") in _PYTHON_FORMATS:
        del schema["format"]
    for key in UNIONS:
        if key in schema:
            short = union(schema[key])
            if key == "anyOf" and "anyOf" not in short and not short.keys() & schema.keys():
                schema = {**short, **{name: value for name, value in schema.items() if name != key}}
    return schema


def _limited(schema: JsonObject, limits: list[Any]) -> JsonObject:
    """The schema with what pydantic's Field, annotated_types and the like say beside the type."""
    kinds = schema.get("type")
    kind = next((one for one in (kinds if isinstance(kinds, list) else [kinds]) if one != "null"), None)
    fields = [each for each in limits if isinstance(each, FieldInfo)]
    limited: Any = typing.Annotated[(_STAND_INS.get(str(kind), Any), *limits)]
    try:
        said = pydantic.TypeAdapter(limited).json_schema()
    except (pydantic.errors.PydanticUserError, pydantic_core.SchemaError, TypeError) as error:
        raise ToolError(f"the limits {limits} do not fit the type {kind}; correct them") from error
    own = {key: value for key, value in said.items() if key not in ("type", "items", "additionalProperties", "title")}
    if any(each.title for each in fields):
        own["title"] = said["title"]
    return {**schema, **own}


def _enum_schema(cls: type[enum.Enum]) -> JsonObject:
    values = [_plain(member.value) for member in cls]
    if all(isinstance(value, str | int | float | bool | None) for value in values):
        return choices(values)
    return choices([member.name for member in cls])


def _plain(value: Any) -> Any:
    """A Literal's or an Enum's value as JSON has it: an enum member inside Literal stands for its value."""
    value = value.value if isinstance(value, enum.Enum) else value
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    # Under `from __future__ import annotations` a class does not know its own markers; the resolved hints do.
    origin = typing.get_origin(hint)
    if origin in (typing.Required, typing.NotRequired):
        return origin is typing.Required
    return name in cls.__required_keys__


def _object(properties: JsonObject, required: list[str], description: str) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return with_description(schema, description)


def _own_doc(cls: Any) -> str:
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    # A dataclass without a docstring gets its signature as one.
    return "" if text.startswith(f"{cls.__name__}(") else text


def _class_doc(cls: Any) -> str:
    return plain_text(docstring_parser.parse(_own_doc(cls)))


def _field_docs(cls: Any) -> dict[str, str]:
    """What the class's docstring, or a string after a field, says of each field."""
    docs = {each.arg_name: one_line(each.description) for each in docstring_parser.parse(_own_doc(cls)).params}
    try:
        parsed = docstring_parser.parse_from_object(cls)
    except (OSError, TypeError, SyntaxError):  # No source: a class made in a shell or by exec.
        return docs
    return {**{each.arg_name: one_line(each.description) for each in parsed.params}, **docs}


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def plain_text(parsed: docstring_parser.Docstring) -> str:
    """The short and the long description, each paragraph on one line."""
    paragraphs = [parsed.short_description or "", *(parsed.long_description or "").split("\n\n")]
    return "\n".join(line for line in map(one_line, paragraphs) if line)
