"""A tool's parameters -> Lark rules for arguments: JSON, Python literals, escaped values, raw text between marks.

What a rule cannot say is noted in `Rules.unenforced`, and checked after generation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from callwright.dialects.base import Unenforced
from callwright.dialects.constrain.enforce import enforceable
from callwright.dialects.constrain.patterns import INTEGER, NUMBER, exponents, unlike
from callwright.dialects.constrain.ranges import within_limits
from callwright.dialects.constrain.rules import Rules, either, holding, in_order, listed, literally, terminal
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawread import allowed_types, raw_text, value_of
from callwright.schema.walk import children
from callwright.types import JsonObject, Tool

_JSON_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\bfnrt]|u00[01][0-9a-f]))*"'
_JSON = {"x-guidance": {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}}


class Style(Protocol):
    """How a family writes values."""

    @property
    def comma(self) -> str: ...

    @property
    def is_sorted(self) -> bool:
        """Whether members stand in the order of their names, as templates' `dictsort` has them."""
        ...

    def words(self, value: bool | None) -> Sequence[str]:
        """How true, false or null is written."""
        ...

    def strings(self, schema: Mapping[str, Any], rules: Rules) -> str:
        """Lark for the strings of a plain schema."""
        ...

    def exactly(self, text: str, rules: Rules) -> str:
        """Lark for one string."""
        ...

    def key(self, name: str, inner: bool, rules: Rules) -> str:
        """What stands before a value, "" where this name cannot. `inner`: in an object, not in the call itself."""
        ...

    def keys(self, content: Sequence[str], rules: Rules) -> str:
        """What stands before a value in an object that admits more names: those that match all of `content`."""
        ...


@dataclass(frozen=True)
class Json:
    """JSON as `json.dumps` writes it, without escapes for what is no ASCII. never: a mark that no string can hold."""

    never: str = ""
    comma: str = ", "
    is_sorted: bool = False

    def words(self, value: bool | None) -> Sequence[str]:
        return (json.dumps(value),)

    def strings(self, schema: Mapping[str, Any], rules: Rules) -> str:
        if set(schema) == {"type"}:
            return rules.add("STRING", terminal([_JSON_STRING, *self._without()]))
        if self.never:
            return rules.add("QUOTED", terminal([*_quoted('"', content_of(schema)), *self._without()]))
        return rules.add("string", "%json " + json.dumps({**schema, **_JSON}, ensure_ascii=False))

    def exactly(self, text: str, rules: Rules) -> str:
        return rules.text(json.dumps(text, ensure_ascii=False))

    def key(self, name: str, inner: bool, rules: Rules) -> str:
        return rules.text(json.dumps(name, ensure_ascii=False) + ": ")

    def keys(self, content: Sequence[str], rules: Rules) -> str:
        return _quoted_keys([*content, *self._without()], rules, '"')

    def _without(self) -> list[str]:
        return [holding(self.never)] if self.never else []


@dataclass(frozen=True)
class Python:
    """Python literals, strings in either quotes. json_words: whether JSON's true, false and null may stand too."""

    json_words: bool = False
    comma: str = ", "
    is_sorted: bool = False

    def words(self, value: bool | None) -> Sequence[str]:
        return (repr(value), *([json.dumps(value)] if self.json_words else []))

    def strings(self, schema: Mapping[str, Any], rules: Rules) -> str:
        if "pattern" not in schema:
            escape = r"""\\(?:[nrtbfav'"\\]|x[0-9a-f]{2}|u[0-9a-ce-f][0-9a-f]{3}|ud[0-7][0-9a-f]{2}|U000[0-9a-f]{5})"""
            count = f"{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}}" if len(schema) > 1 else "*"
            both = (rf"/{q}(?:[^{q}\\\x00-\x1f\x7f]|{escape}){count}{q}/" for q in ("'", '"'))
            return rules.add("STRING", either(both))
        # the escapes of JSON are Python's too; in single quotes there are none
        single = rules.add("QUOTED", terminal(_quoted("'", content_of(schema))))
        return f"{Json().strings(schema, rules)} | {single}"

    def exactly(self, text: str, rules: Rules) -> str:
        forms = dict.fromkeys([repr(text), json.dumps(text, ensure_ascii=False)])
        return f"({either(map(rules.text, forms))})"

    def key(self, name: str, inner: bool, rules: Rules) -> str:
        if inner:
            return f"{self.exactly(name, rules)} {rules.text(': ')}"
        return rules.text(name + "=") if name.isidentifier() else ""

    def keys(self, content: Sequence[str], rules: Rules) -> str:
        return _quoted_keys(content, rules, "'", '"')


@dataclass(frozen=True)
class Escaped:
    """Strings between marks, keys bare, JSON's words."""

    mark: str
    comma: str = ","
    is_sorted: bool = True

    def words(self, value: bool | None) -> Sequence[str]:
        return (json.dumps(value),)

    def strings(self, schema: Mapping[str, Any], rules: Rules) -> str:
        return f"{rules.text(self.mark)} {rules.until(self.mark, content_of(schema))}"

    def exactly(self, text: str, rules: Rules) -> str:
        return rules.text(self.mark + text + self.mark)

    def key(self, name: str, inner: bool, rules: Rules) -> str:
        return rules.text(name + ":")

    def keys(self, content: Sequence[str], rules: Rules) -> str:
        bare = r"[^\s:{}<,\[\]](?:[^:{}<,\x00-\x1f]*[^\s:{}<,])?"
        return f"{rules.add('KEY', terminal([bare, *content]))} {rules.text(':')}"


JSON, PYTHON = Json(), Python()


def _quoted_keys(content: Sequence[str], rules: Rules, *quotes: str) -> str:
    """Keys in quotes, without escapes, in which a name that is taken could hide."""
    return f"{rules.add('KEY', either(terminal(_quoted(quote, content)) for quote in quotes))} {rules.text(': ')}"


def _quoted(quote: str, content: Sequence[str]) -> list[str]:
    """What matches a text in quotes, without escapes: one lexeme, because a choice may begin with the same quote."""
    inside = (f"{'!' if one.startswith('!') else ''}{quote}(?:{one.removeprefix('!')}){quote}" for one in content)
    return [rf"{quote}[^{quote}\\\x00-\x1f\x7f]*{quote}", *inside]


def content_of(schema: Mapping[str, Any]) -> list[str]:
    """Regular expressions that the text of a plain schema's strings must match."""
    found = [schema["pattern"].removeprefix("^").removesuffix("$")] if "pattern" in schema else []
    if "minLength" in schema or "maxLength" in schema:
        found.append(f"(?s:.{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}})")
    return found


class Compiler:
    """Plain schemas of one tool -> rules."""

    def __init__(self, tool: Tool, style: Style, rules: Rules) -> None:
        self.tool, self.style, self.rules = tool, style, rules
        self.schema, left = enforceable(tool)
        self._shared: dict[str, str] = {}
        rules.unenforced += left

    def value(self, schema: Any) -> str:
        """The name of a rule for values under a plain schema."""
        if not schema or schema is True:
            return self._anything()
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if "enum" in schema:
            return self.rules.add("choice", either(map(self.exactly, schema["enum"])))
        if "anyOf" in schema:
            return self.rules.add("either", either(map(self.value, schema["anyOf"])))
        return self._typed(schema["type"], schema)

    def object(self, schema: Any, where: str = "") -> str:
        """Lark for the arguments as an object."""
        return self.value(schema)

    def forms(self, schema: Any) -> Iterator[JsonObject]:
        """The plain schemas behind references and choices: single types, lists of values, {} for anything."""
        if schema and "$ref" in schema:
            yield from self.forms(self._pointed(schema["$ref"]))
        elif schema and "anyOf" in schema:
            for part in schema["anyOf"]:
                yield from self.forms(part)
        else:
            yield schema

    def exactly(self, value: Any) -> str:
        """Lark for one value."""
        style, rules = self.style, self.rules
        if isinstance(value, str):
            return style.exactly(value, rules)
        if value is None or isinstance(value, bool):
            return f"({either(map(rules.text, style.words(value)))})"
        if isinstance(value, list):
            return self._between("[", [self.exactly(one) for one in value], "]")
        if isinstance(value, dict):
            members = [f"{style.key(k, True, rules)} {self.exactly(v)}" for k, v in self._ordered(value)]
            return self._between("{", members, "}")
        whole = [str(int(value))] if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else []
        return f"({either(map(rules.text, [json.dumps(value), *whole]))})"

    def members(self, schema: Mapping[str, Any], *, inner: bool) -> str:
        """Lark for the members of an object in the schema's order; the optional ones may be missing."""
        rules, comma = self.rules, self.rules.text(self.style.comma)
        named, required = schema["properties"], schema.get("required", ())
        other = rules.add("other", either(others)) if inner and (others := list(self._others(schema))) else ""
        before = f"({other} {comma})* " if other and self.style.is_sorted else ""
        pairs, spread = [], []
        for name, part in self._ordered(named):
            if part is False:
                continue
            if key := self.style.key(name, inner, rules):
                pairs.append((f"{before}{key} {self.value(part)}", name in required))
            else:
                spread.append((f"{self.style.key(name, True, rules)} {self.value(part)}", name in required))
        if spread:
            inside = in_order(spread, comma, rules, low=1)
            pairs.append((f"{rules.text('**{')} {inside} {rules.text('}')}", any(needed for _, needed in spread)))
        return in_order(pairs, comma, rules, other, schema.get("minProperties", 0), schema.get("maxProperties"))

    def _ordered(self, members: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return sorted(members.items(), key=lambda item: item[0].lower() if self.style.is_sorted else "")

    def _others(self, schema: Mapping[str, Any]) -> Iterator[str]:
        """Lark for members that an object does not name."""
        patterns = schema.get("patternProperties", {})
        wholes = {pattern: pattern.removeprefix("^").removesuffix("$") for pattern in patterns}
        free = ["!" + "|".join(map(literally, schema["properties"]))] if schema["properties"] else []
        for pattern, part in patterns.items():
            if part is not False:
                yield f"{self.style.keys([wholes[pattern], *free], self.rules)} {self.value(part)}"
        more = schema.get("additionalProperties", {})
        if more is not False:
            free += ["!" + whole for whole in wholes.values()]
            yield f"{self.style.keys(free, self.rules)} {self.value(more)}"

    def _typed(self, kind: str, schema: Mapping[str, Any]) -> str:
        rules = self.rules
        if kind == "string":
            return rules.add("text", self.style.strings(schema, rules))
        if kind in ("integer", "number"):
            return self._number(kind, schema)
        if kind in _WORDS:
            words = (text for word in _WORDS[kind] for text in self.style.words(word))
            return rules.add("word", either(map(rules.text, words)))
        if kind == "array":
            first = [self.value(part) for part in schema.get("prefixItems", ())]
            more = "" if schema.get("items") is False else self.value(schema.get("items", {}))
            comma = rules.text(self.style.comma)
            items = listed(first, more, schema.get("minItems", 0), schema.get("maxItems"), comma)
            return rules.add("array", self._between("[", [items], "]"))
        return rules.add("object", self._between("{", [self.members(schema, inner=True)], "}"))

    def _number(self, kind: str, schema: Mapping[str, Any]) -> str:
        if set(schema) == {"type"}:
            return self.rules.add(*(("INTEGER", f"/{INTEGER}/") if kind == "integer" else ("NUMBER", f"/{NUMBER}/")))
        if kind == "integer" or "multipleOf" in schema:
            return self.rules.add("limited", "%json " + json.dumps({**schema, **_JSON}))
        return self.rules.add("LIMITED", f"/{'|'.join(filter(None, (within_limits(schema), exponents(schema))))}/")

    def _between(self, opening: str, parts: Sequence[str], closing: str) -> str:
        """Lark for parts with commas between them, in brackets."""
        comma = f" {self.rules.text(self.style.comma)} "
        return " ".join(filter(None, [self.rules.text(opening), comma.join(parts), self.rules.text(closing)]))

    def _pointed(self, reference: str) -> Any:
        return self.schema["$defs"][reference.rpartition("/")[2]]

    def _reference(self, reference: str) -> str:
        if reference not in self._shared:
            self._shared[reference] = name = self.rules.reserve("ref")
            self.rules.set(name, self.value(self._pointed(reference)))
        return self._shared[reference]

    def _anything(self) -> str:
        """Any value at all."""
        if "" not in self._shared:
            self._shared[""] = name = self.rules.reserve("anything")
            kinds = ("string", "number", "boolean", "null")
            array = self._between("[", [listed([], name, 0, None, self.rules.text(self.style.comma))], "]")
            members = {"type": "object", "properties": {}}
            parts = [*(self._typed(kind, {"type": kind}) for kind in kinds), array, self._typed("object", members)]
            self.rules.set(name, either(parts))
        return self._shared[""]


def arguments_rule(tool: Tool, style: Style, rules: Rules) -> str:
    """Lark for all arguments of a tool, without what stands around them."""
    compiler = Compiler(tool, style, rules)
    return _one_of([compiler.members(form, inner=False) for form in compiler.forms(compiler.schema)])


def json_arguments(tool: Tool, rules: Rules) -> str:
    """The name of a rule for all arguments of a tool as a JSON object."""
    compiler = Compiler(tool, JSON, rules)
    return compiler.value(compiler.schema)


def _one_of(forms: Sequence[str]) -> str:
    some = either(filter(None, forms))
    if len(forms) == 1:
        return some
    return f"({some}){'' if all(forms) else '?'}" if some else ""


def raw_arguments_rule(tool: Tool, form: Markup, rules: Rules) -> str:
    """Arguments between marks: strings as they are, everything else as JSON."""
    raw = _Raw(tool, rules, form)
    return _one_of([raw.members(one) for one in raw.compiler.forms(raw.compiler.schema)])


class _Raw:
    """Raw arguments of one tool -> rules for values and the mark behind each."""

    def __init__(self, tool: Tool, rules: Rules, marks: Markup) -> None:
        self.compiler = Compiler(tool, Json(marks.value_end.strip()), rules)
        self.rules, self.root, self.marks = rules, tool.parameters, marks

    def members(self, schema: Mapping[str, Any]) -> str:
        """Lark for the arguments under one form of the whole."""
        required = schema.get("required", ())
        pairs = []
        for name, part in schema["properties"].items():
            if part is not False:
                key = self.rules.text(self.marks.key_open + name + self.marks.key_end)
                pairs.append((f"{key} {self._value(name, part)}", name in required))
        return in_order(pairs, "", self.rules, low=schema.get("minProperties", 0))

    def _value(self, name: str, schema: Any) -> str:
        """The name of a rule for a value and the mark behind it."""
        rules, end = self.rules, self.marks.value_end
        said = (self.root.get("properties") or {}).get(name)
        kinds, forms = allowed_types(said, self.root), list(self.compiler.forms(schema))
        texts = [form for form in forms if form.get("type") == "string"]
        if not all(forms):
            return rules.add("raw", rules.until(end))
        others = [form for form in forms if "type" in form and form not in texts]
        values = [value for form in forms for value in (*form.get("enum", ()), *_WORDS.get(form.get("type", ""), ()))]
        parts = [rules.text(word + end) for value in values for word in _words(value, said, self.root)]
        for form in others:
            if texts and form["type"] in ("integer", "number"):
                # digits may go on as a text, so that limits cannot tell whether they are a number
                left = (place for key in form if key != "type" for place in _places(said, f"/properties/{name}", key))
                rules.unenforced += [Unenforced(self.compiler.tool.name, *place) for place in left]
                parts.append(rules.ended(INTEGER if form["type"] == "integer" else NUMBER, end))
            elif form["type"] not in _WORDS:
                parts.append(f"{self.compiler.value(form)} {rules.text(end)}")
        mixed = unlike(kinds, others) if texts and kinds is not None and len(kinds) > 1 else []
        parts += [rules.until(end, [*content_of(form), *mixed]) for form in texts]
        return rules.add("raw", either(dict.fromkeys(parts)) or rules.until(end))


_WORDS = {"boolean": (True, False), "null": (None,)}


def _words(value: Any, schema: Any, root: JsonObject) -> Iterator[str]:
    """The ways to write a value raw that are read as itself; Python's words too, because some templates print them."""
    for word in [raw_text(value), *([repr(value)] if value is None or isinstance(value, bool) else [])]:
        if json.dumps(value_of(word, schema, root), sort_keys=True) == json.dumps(value, sort_keys=True):
            yield word


def _places(schema: Any, where: str, key: str) -> Iterator[tuple[str, str]]:
    """Where a keyword stands among the schemas of one value."""
    if key in schema:
        yield where, key
    for path, part in children(schema):
        if path.startswith(("anyOf/", "oneOf/", "allOf/")):
            yield from _places(part, f"{where}/{path}", key)
