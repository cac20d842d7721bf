"""A tool's parameters -> the plain schema that a grammar can hold a model to, and what is left to check after.

A plain schema is {} for any value, False for none, {"$ref": "#/$defs/..."}, {"enum": [...]}, {"anyOf": [...]}, or one
type with its own keywords. Combinations are worked out, patterns and formats match whole texts, and objects are open
or closed as the validator takes them.
"""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Mapping, Sequence
from itertools import combinations, product, zip_longest
from typing import Any

from callwright.dialects.base import Unenforced
from callwright.dialects.constrain.patterns import (
    LIMITS,
    admits,
    anchored,
    choices_of,
    common,
    count_keywords,
    no_number,
    number_keywords,
    sized,
    text_keywords,
    without_choices,
)
from callwright.schema.walk import UNIONS, resolve
from callwright.types import JsonObject, Tool

Places = list[tuple[Any, str]]
"""Schemas that hold together for one value, each with its JSON pointer in the parameters."""

Option = JsonObject
"""One form that a value may have: a plain schema, in which `Places` stand for the schemas inside it."""

_NEVER = (
    *("not", "if", "then", "else", "uniqueItems", "contains", "minContains", "maxContains", "propertyNames"),
    *("dependentRequired", "dependentSchemas", "dependencies"),
)
_IMPLIES = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": (*LIMITS, "multipleOf"),
    "boolean": (),
    "null": (),
    "integer": (),
}
_MOST_OPTIONS = 64


def enforceable(tool: Tool) -> tuple[JsonObject, list[Unenforced]]:
    """The plain schema of a tool's arguments, and the keywords that it leaves out.

    Objects that name their properties admit no others, where the schema does not say.

    >>> schema, left = enforceable(Tool("f", "", {"properties": {"a": {"type": "array", "uniqueItems": True}}}))
    >>> schema["properties"], [(one.where, one.keyword) for one in left]
    ({'a': {'type': 'array'}}, [('/properties/a', 'uniqueItems')])
    """
    flat = _Flat({"type": "object", **tool.parameters}, tool.name)
    schema = flat.whole()
    if flat.shared:
        schema["$defs"] = flat.shared
    return schema, list(dict.fromkeys(flat.left))


class _Flat:
    """The schemas of one tool. shared: the plain ones that others refer to. left: what none of them says."""

    def __init__(self, root: JsonObject, tool: str) -> None:
        self.root, self.tool = root, tool
        self.shared: JsonObject = {}
        self.left: list[Unenforced] = []
        self._names: dict[tuple[str, ...], str] = {}

    def leave(self, where: str, *keywords: str) -> None:
        self.left += [Unenforced(self.tool, where, keyword) for keyword in keywords]

    def whole(self) -> JsonObject:
        """The arguments themselves: an object that admits no other names even where it names none."""
        made = [self._finished(option, "", whole=True) for option in self._options(self.root, "", ())]
        options = [option for option in made if option is not False]
        if not options:
            self.leave("", next((key for key in ("allOf", "$ref", *UNIONS) if key in self.root), "type"))
            return {"type": "object", "properties": {}, "additionalProperties": False}
        return options[0] if len(options) == 1 else {"anyOf": options}

    def value(self, places: Places) -> Any:
        """One plain schema for the values that all of these admit."""
        if not any(_refers(schema) for schema, _ in places):
            return self._plain(places)
        key = tuple(where for _, where in places)
        if key not in self._names:
            name = self._names[key] = str(len(self._names))
            self.shared[name] = {}
            self.shared[name] = self._plain(places)
        name = self._names[key]
        return False if self.shared[name] is False else {"$ref": f"#/$defs/{name}"}

    def _plain(self, places: Places) -> Any:
        where = places[0][1] if places else ""
        options: list[Option] = [{}]
        for schema, place in places:
            options = self._both(options, self._options(schema, place, ()), place, "allOf")
        if any("enum" in option for option in options):
            kept = self._valid(options, places)
            if options and not kept:
                self.leave(where, "enum")
                return self._plain([(without_choices(schema), place) for schema, place in places])
            options = kept
        made = [plain for option in options if (plain := self._finished(option, where)) is not False]
        made = [plain for number, plain in enumerate(made) if plain not in made[:number]]
        if not made and not any(schema is False for schema, _ in places):
            self.leave(where, "type")
        if {} in made:
            return {}
        return False if not made else made[0] if len(made) == 1 else {"anyOf": made}

    def _valid(self, options: list[Option], places: Places) -> list[Option]:
        """The forms, their choices without those that some other keyword refuses."""
        whole: JsonObject = {key: self.root[key] for key in ("$defs", "definitions") if key in self.root}
        whole["allOf"] = [schema for schema, _ in places]
        kept: list[Option] = []
        for option in options:
            values = [value for value in option.get("enum", ()) if admits(whole, value)]
            kept += [option] if "enum" not in option else [{"enum": values}] if values else []
        return kept

    def _options(self, schema: Any, where: str, inside: tuple[str, ...]) -> list[Option]:
        """The forms of a value under one schema. `inside`: the places that led here, for references in circles."""
        if not isinstance(schema, Mapping) or where in inside:
            return [] if schema is False or where in inside else [{}]
        inside = (*inside, where)
        options = self._own(schema, where)
        parts = [(part, f"{where}/allOf/{number}") for number, part in enumerate(schema.get("allOf") or ())]
        if "$ref" in schema:
            target = resolve(schema["$ref"], self.root)
            if target is None:
                self.leave(where, "$ref")
            else:
                parts.insert(0, (target, urllib.parse.unquote(schema["$ref"].removeprefix("#"))))
        for part, place in parts:
            options = self._both(options, self._options(part, place, inside), where, "allOf")
        for key in UNIONS:
            if schema.get(key):
                options = self._either(options, schema[key], f"{where}/{key}", inside)
        for key, usual in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
            for option in options if key in schema else ():
                if option.get("type") == ("object" if usual == "additionalProperties" else "array"):
                    option.setdefault(usual, [(schema[key], f"{where}/{key}")])
        return options

    def _either(
        self, options: list[Option], branches: Sequence[Any], where: str, inside: tuple[str, ...]
    ) -> list[Option]:
        """The forms under anyOf or oneOf, with what stands beside it."""
        place, _, key = where.rpartition("/")
        made = [
            self._both(options, self._options(branch, f"{where}/{number}", inside), place, key)
            for number, branch in enumerate(branches)
        ]
        pairs = [(a, b) for one, other in combinations(made, 2) for a in one for b in other]
        if key == "oneOf" and not all(_disjoint(a, b) for a, b in pairs):
            self.leave(place, key)
        return [option for some in made for option in some]

    def _both(self, some: list[Option], others: list[Option], where: str, keyword: str) -> list[Option]:
        """The forms that are of both kinds."""
        if len(some) * len(others) > _MOST_OPTIONS:
            self.leave(where, keyword)
            return some
        joined = [self._joined(one, other, where) for one in some for other in others]
        return [option for option in joined if option is not None]

    def _own(self, schema: Mapping[str, Any], where: str) -> list[Option]:
        """The forms that a schema's own keywords admit."""
        self.leave(where, *(key for key in _NEVER if key in schema))
        if choices := choices_of(schema):
            return [{"enum": choices}]
        return [{"type": kind, **self._typed(kind, schema, where)} for kind in _kinds(schema)] or [{}]

    def _typed(self, kind: str, schema: Mapping[str, Any], where: str) -> Option:
        """What a schema's keywords say of values of one type."""
        if kind == "string":
            return self._kept(where, text_keywords(schema))
        if kind in ("integer", "number"):
            return self._kept(where, number_keywords(schema, kind))
        if kind == "array":
            return self._array(schema, where)
        return self._object(schema, where) if kind == "object" else {}

    def _kept(self, where: str, said: tuple[JsonObject, list[str]]) -> Option:
        self.leave(where, *said[1])
        return said[0]

    def _array(self, schema: Mapping[str, Any], where: str) -> Option:
        made = self._kept(where, count_keywords(schema, "minItems", "maxItems"))
        if schema.get("prefixItems"):
            parts = enumerate(schema["prefixItems"])
            made["prefixItems"] = [[(part, f"{where}/prefixItems/{number}")] for number, part in parts]
        if "items" in schema:
            made["items"] = [(schema["items"], f"{where}/items")]
        return made

    def _object(self, schema: Mapping[str, Any], where: str) -> Option:
        made = self._kept(where, count_keywords(schema, "minProperties", "maxProperties"))
        named = schema.get("properties") or {}
        made["properties"] = {name: [(named[name], f"{where}/properties/{_pointer(name)}")] for name in named}
        made["required"] = [name for name in schema.get("required") or () if isinstance(name, str)]
        if "additionalProperties" in schema:
            made["additionalProperties"] = [(schema["additionalProperties"], f"{where}/additionalProperties")]
        patterns = schema.get("patternProperties") or {}
        if patterns:
            # llguidance takes several patterns only where it sees that no name matches two
            said = len(patterns) == 1 and all(map(anchored, patterns))
            self.leave(where, *([] if said else ["patternProperties"]))
            made["patternProperties"] = {
                f"^(?:{anchored(pattern)})$": [(patterns[pattern], f"{where}/patternProperties/{_pointer(pattern)}")]
                for pattern in (patterns if said else ())
            }
            for name, places in made["properties"].items():
                places += _of_pattern(made, name)
        return made

    def _joined(self, one: Option, other: Option, where: str) -> Option | None:
        """What is of both forms; None where nothing is."""
        if not one or not other:
            return dict(one or other)
        if "enum" in one or "enum" in other:
            return _in_both(one, other)
        kinds = {one["type"], other["type"]}
        if len(kinds) > 1 and kinds != {"integer", "number"}:
            return None
        made: Option = {**one, **other, "type": "integer" if len(kinds) > 1 else one["type"]}
        for key in made.keys() & one.keys() & other.keys() - {"type"}:
            if key.lower().startswith(("min", "exclusivemin")):
                made[key] = max(one[key], other[key])
            elif key.lower().startswith(("max", "exclusivemax")):
                made[key] = min(one[key], other[key])
            elif key in ("items", "additionalProperties"):
                made[key] = [*one[key], *other[key]]
            elif key in ("pattern", "multipleOf", "patternProperties") and one[key] != other[key]:
                self.leave(where, key)
                made[key] = one[key]
        if made["type"] == "array" and ("prefixItems" in one or "prefixItems" in other):
            rest, others = one.get("items", []), other.get("items", [])
            pairs = zip_longest(one.get("prefixItems", ()), other.get("prefixItems", ()))
            made["prefixItems"] = [[*(rest if a is None else a), *(others if b is None else b)] for a, b in pairs]
        if made["type"] == "object":
            names = dict.fromkeys([*one["properties"], *other["properties"]])
            made["properties"] = {name: [*_of_name(one, name), *_of_name(other, name)] for name in names}
            made["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
        return made

    def _finished(self, option: Option, where: str, *, whole: bool = False) -> Any:
        """A form as a plain schema; False where nothing is of it."""
        match option.get("type"):
            case "object":
                return self._finished_object(option, where, whole)
            case "array":
                return self._finished_array(option)
            case "integer" | "number":
                return False if no_number(option) else option
            case "string":
                empty = option.get("minLength", 0) > option.get("maxLength", math.inf)
                return False if empty else self._kept(where, sized(option))
        return option

    def _finished_array(self, option: Option) -> Any:
        made = {key: value for key, value in option.items() if key not in ("items", "prefixItems")}
        first = [self.value(places) for places in option.get("prefixItems", ())]
        more = self.value(option["items"]) if "items" in option else {}
        if False in first:
            first, more = first[: first.index(False)], False
        if more is False:
            made["maxItems"] = min(len(first), made.get("maxItems", len(first)))
        if first:
            made["prefixItems"] = first
        if more != {}:
            made["items"] = more
        return False if made.get("minItems", 0) > made.get("maxItems", math.inf) else made

    def _finished_object(self, option: Option, where: str, whole: bool) -> Any:
        required = option["required"]
        named = {name: self.value(places) for name, places in option["properties"].items()}
        patterns = {pattern: self.value(places) for pattern, places in option.get("patternProperties", {}).items()}
        if "additionalProperties" in option:
            other = self.value(option["additionalProperties"])
        else:
            # as the validator closes objects
            other = False if (named or whole) and "patternProperties" not in option else {}
        for name in required:
            if name not in named:
                named[name] = self.value(_of_name(option, name)) if other is not False or patterns else False
        if any(named[name] is False for name in required):
            return False
        made: JsonObject = {"type": "object", "properties": named}
        if required:
            made["required"] = required
        if patterns:
            made["patternProperties"] = patterns
        if other != {} or whole:
            made["additionalProperties"] = other
        return {**made, **self._sizes(option, made, where)}

    def _sizes(self, option: Option, made: JsonObject, where: str) -> JsonObject:
        """How many members an object may have, as far as that is not certain and can be said."""
        low, high = option.get("minProperties", 0), option.get("maxProperties", math.inf)
        required = len(made.get("required", ()))
        possible = [name for name, value in made["properties"].items() if value is not False]
        is_closed = made.get("additionalProperties") is False and "patternProperties" not in made
        kept: JsonObject = {}
        if low > required:
            if is_closed and low == 1 and possible:
                kept["minProperties"] = 1
            else:
                # other names may come twice, and then count once
                self.leave(where, "minProperties")
        if high < (len(possible) if is_closed else math.inf):
            if len(possible) == required and high >= required:
                kept["maxProperties"] = high
            else:
                self.leave(where, "maxProperties")
        return kept


def _refers(schema: Any) -> bool:
    """Whether a reference stands in this schema or in those that hold for the same value."""
    if not isinstance(schema, Mapping):
        return False
    return "$ref" in schema or any(_refers(part) for key in ("allOf", *UNIONS) for part in schema.get(key) or ())


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    """The types of a schema; where it says none, those that its keywords speak of."""
    said = schema.get("type")
    names = [name for name in (said if isinstance(said, list) else [said]) if name in _IMPLIES]
    if names:
        return [name for name in dict.fromkeys(names) if name != "integer" or "number" not in names]
    kinds = [kind for kind, keys in _IMPLIES.items() if any(key in schema for key in keys)]
    combined = any(schema.get(key) for key in ("$ref", "allOf", *UNIONS))
    return [kind for kind in _IMPLIES if kind != "integer"] if kinds and combined else kinds


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _of_name(option: Option, name: str) -> Places:
    """What an object of this form says of the member `name`."""
    if name in option["properties"]:
        return list(option["properties"][name])
    return _of_pattern(option, name) or list(option.get("additionalProperties", ()))


def _of_pattern(option: Option, name: str) -> Places:
    found = option.get("patternProperties", {}).items()
    return [place for pattern, places in found if admits({"pattern": pattern}, name) for place in places]


def _in_both(one: Option, other: Option) -> Option | None:
    """Choices, or those that are in both; what a type refuses of them is found later."""
    if "enum" in one and "enum" in other:
        values = common(one["enum"], other["enum"])
        return {"enum": values} if values else None
    return dict(one if "enum" in one else other)


def _disjoint(one: Option, other: Option) -> bool:
    """Whether it is plain that no value has both forms."""
    if not one or not other:
        return False
    if "enum" in one and "enum" in other:
        return _in_both(one, other) is None
    if "enum" in one or "enum" in other:
        choices, rest = (one, other) if "enum" in one else (other, one)
        return not any(admits({"type": rest["type"]}, value) for value in choices["enum"])
    kinds = {one["type"], other["type"]}
    if len(kinds) > 1:
        return kinds != {"integer", "number"}
    return "object" in kinds and (_tells_apart(one, other) or _tells_apart(other, one))


def _tells_apart(one: Option, other: Option) -> bool:
    """Whether a member that the one requires cannot be in the other, or cannot have the same value there."""
    for name in one["required"]:
        if name not in other["properties"]:
            if other["properties"] and not {"additionalProperties", "patternProperties"} & other.keys():
                return True
            continue
        here, there = ([choices_of(part) for part, _ in _of_name(option, name)] for option in (one, other))
        if any(a and b and not common(a, b) for a, b in product(here, there)):
            return True
    return False
