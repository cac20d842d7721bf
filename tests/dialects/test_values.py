"""Schemas as grammars: what is valid is accepted, what is accepted parses and is valid, the rest is reported."""

from __future__ import annotations

import copy
import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.dialects.base import Unenforced
from callwright.dialects.constrain.enforce import enforceable
from callwright.dialects.constrain.grammar import grammar
from callwright.dialects.families import FAMILIES
from callwright.dialects.families.xlam import XLAM_DICTS
from callwright.dialects.family import Family
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.parse.cursor import parse_whole
from callwright.errors import ToolError
from callwright.schema import normalise
from callwright.schema.check import validate
from callwright.schema.sample import sample_value
from callwright.types import JsonObject, Message, Tool, ToolCall

llguidance = pytest.importorskip("llguidance")


def an_object(required: str = "", **properties: Any) -> JsonObject:
    return {"type": "object", "properties": properties, "required": required.split()}


def a(kind: str, **keywords: Any) -> JsonObject:
    return {"type": kind, **keywords}


def array(items: Any, **keywords: Any) -> JsonObject:
    return {"type": "array", "items": items, **keywords}


TEXT, WHOLE, NUMBERS, FLAG, NULL = a("string"), a("integer"), a("number"), a("boolean"), a("null")
NODE, TREE = {"$ref": "#/$defs/node"}, {"$ref": "#/definitions/tree"}
BASE = {"$ref": "#/$defs/base"}
CIRCLE = an_object("kind radius", kind={"const": "circle"}, radius=a("number", exclusiveMinimum=0))
BOX = an_object("kind sides", kind={"const": "box"}, sides=array(NUMBERS, minItems=2, maxItems=3))
ITEM = an_object("sku", sku=a("string", pattern=r"^[a-z]{2}-\d{3}$"), tags=array(a("string", enum=["new", "used"])))
ALL_FORMATS = ("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")

AWKWARD: dict[str, JsonObject] = {
    "recursive": {
        **an_object("root", root=NODE),
        "$defs": {"node": an_object("name", name=TEXT, next={"anyOf": [NODE, NULL]})},
    },
    "recursive list": {
        **an_object(tree=TREE),
        "definitions": {"tree": an_object("size", size=a("integer", minimum=0), parts=array(TREE, maxItems=2))},
    },
    "reference to a property": an_object(
        "start end", start=a("string", pattern="^[A-Z]{3}$"), end={"$ref": "#/properties/start"}
    ),
    "reference with siblings": {
        **an_object("one", one=BASE | {"properties": {"extra": FLAG}, "required": ["extra"]}, two={"allOf": [BASE]}),
        "$defs": {"base": an_object("id", id=WHOLE)},
    },
    "choice of types": an_object(
        "when how",
        when={"anyOf": [a("string", format="date"), a("integer", minimum=0)]},
        who={"type": ["string", "null"]},
        how={"type": ["integer", "boolean", "null"]},
    ),
    "choice of objects": an_object("shape", shape={"oneOf": [CIRCLE, BOX]}),
    "one of several that overlap": an_object(
        "x", x={"oneOf": [a("integer", multipleOf=3), a("integer", multipleOf=5)]}
    ),
    "one of the arguments": {
        **an_object(name=TEXT, number=WHOLE),
        "anyOf": [{"required": ["name"]}, {"required": ["number"]}],
    },
    "all of": an_object(
        "size both",
        size={"allOf": [a("integer", minimum=3), {"maximum": 40}]},
        both={"allOf": [an_object("a", a=WHOLE), {"properties": {"b": a("string", maxLength=3)}}]},
    ),
    "nested": an_object(
        "orders",
        orders=array(
            an_object("item count", item=ITEM, count=a("integer", minimum=1, maximum=12)), minItems=1, maxItems=3
        ),
    ),
    "arrays in arrays": an_object("matrix", matrix=array(array(NUMBERS, minItems=2, maxItems=2), minItems=1)),
    "patterns": an_object(
        "month inside start end either path",
        month=a("string", pattern=r"^\d{4}-(0[1-9]|1[0-2])$"),
        inside=a("string", pattern="[a-z0-9]{2}"),
        start=a("string", pattern=r"^(?:Mr|Ms)\. "),
        end=a("string", pattern=r"\.(?:png|jpg)$", maxLength=12),
        either=a("string", pattern=r"^$|^[A-Z]\w*$"),
        path=a("string", pattern=r"^/[\w.-]+/?$"),
    ),
    "patterns that are not regular": an_object(
        "ahead",
        ahead=a("string", pattern=r"^(?=.*\d)[a-z\d]+$"),
        word=a("string", pattern=r"\bword\b"),
        again=a("string", pattern="(?:^a|b)+c"),
    ),
    "formats": an_object(
        " ".join(ALL_FORMATS).replace("-", "_"),
        **{name.replace("-", "_"): a("string", format=name) for name in ALL_FORMATS},
    ),
    "more formats": {
        **an_object(
            "reference pointer relative",
            reference=a("string", format="uri-reference"),
            pointer=a("string", format="json-pointer"),
            relative=a("string", format="relative-json-pointer"),
            unheld=a("string", format="regex"),
            unchecked=a("string", format="password"),
            both=a("string", format="date", pattern="^2025-"),
        ),
        "examples": [{"reference": "/a?b#c", "pointer": "/a~1b/0", "relative": "1/a", "both": "2025-01-31"}],
    },
    "lengths": an_object(
        "short long least",
        short=a("string", maxLength=4),
        long=a("string", minLength=6, maxLength=9),
        least=a("string", minLength=2),
        endless=a("string", maxLength=100_000),
    ),
    "limits": an_object(
        "percent share cold price dozen free",
        percent=a("integer", minimum=0, maximum=100),
        share=a("number", exclusiveMinimum=0, exclusiveMaximum=1),
        cold=a("number", maximum=-273.15),
        price=a("number", minimum=0, multipleOf=0.05),
        dozen=a("integer", multipleOf=12, exclusiveMinimum=0, maximum=144),
        free=NUMBERS,
    ),
    "limits that are too large": an_object("x", x=a("integer", minimum=10**20), y=a("number", minimum=1e-300)),
    "tuples": an_object(
        "pair more some",
        pair=array(False, prefixItems=[TEXT, WHOLE], minItems=2),
        more=array(WHOLE, prefixItems=[{"enum": ["add", "sub"]}], minItems=2, maxItems=4),
        some=array(WHOLE, prefixItems=[FLAG, NULL]),
    ),
    "maps": an_object(
        "counts named patterned few",
        counts=a("object", additionalProperties=WHOLE),
        named=an_object(id=WHOLE) | {"additionalProperties": TEXT},
        closed=an_object(id=WHOLE) | {"additionalProperties": False},
        patterned=a("object", patternProperties={"^x-": FLAG}, additionalProperties=False),
        few=a("object", additionalProperties=WHOLE, maxProperties=2),
    ),
    "anything": an_object("free dict list", free={}, dict=a("object"), list=a("array")),
    "choices": an_object(
        "mixed typed fixed small",
        mixed={"enum": ["a", 1, 2.5, None, True, "1"]},
        typed=a("string", enum=["x", "it's", 'say "hi"', "a, b", "[1]", "日本"]),
        fixed={"const": {"b": [1, {"c": None}], "a": "x"}},
        small={"enum": [1e-7, 1e300, -0.5]},
    ),
    "choices that their type refuses": an_object("n m", n=a("integer", enum=["1"]), m=a("string", enum=["ok", 3])),
    "nullable": an_object(
        "x y z",
        x={"type": ["string", "null"], "enum": ["x", None]},
        y={"anyOf": [array(TEXT), NULL], "default": None},
        z={"type": ["number", "null"], "minimum": 0},
    ),
    "unheld": {
        **an_object(
            "unique but maybe has names sized",
            unique=array(WHOLE, uniqueItems=True),
            but=a("integer", **{"not": {"const": 5}}),
            maybe=an_object(a=WHOLE, b=WHOLE) | {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
            has=array(WHOLE, contains={"const": 1}),
            names=a("object", additionalProperties=WHOLE, propertyNames={"maxLength": 3}),
            sized=a("object", additionalProperties=WHOLE, minProperties=2),
        ),
        "examples": [{"unique": [1], "but": 1, "maybe": {}, "has": [1], "names": {"a": 1}, "sized": {"b": 1, "c": 2}}],
    },
    "sizes": an_object("some", some=an_object(a=WHOLE, b=WHOLE) | {"minProperties": 1}),
    "no types": an_object(
        "b c d e",
        b={"properties": {"x": WHOLE}, "required": ["x"]},
        c={"items": WHOLE},
        d={"minLength": 2},
        e={"minimum": 4},
    ),
    "closed by a keyword": an_object(x={"allOf": [an_object(b=WHOLE)], "unevaluatedProperties": False}),
    "nothing": an_object(),
    "never": an_object("b", a=False, b=WHOLE),
    "odd names": an_object("the-id from", **{"the-id": WHOLE, "from": TEXT, "x.y": WHOLE}),
    "text or else": an_object(
        "x y z",
        x={"type": ["string", "number"]},
        y={"anyOf": [TEXT, {"enum": [1, 2]}]},
        z={"anyOf": [TEXT, array(WHOLE)]},
    ),
}
"""Parameters of every kind that tools have."""


WAYS = {
    "json": FAMILIES["hermes"],
    "python": FAMILIES["pythonic"],
    "dicts": XLAM_DICTS,
    "escaped": FAMILIES["functiongemma"],
    "raw": FAMILIES["qwen3-coder"],
}
every_way = pytest.mark.parametrize("family", WAYS.values(), ids=WAYS)
every_kind = pytest.mark.parametrize("kind", AWKWARD)
CLOSING = frozenset(b"\"'])}<")


@cache
def a_byte_each() -> Any:
    return llguidance.LLTokenizer("byte")


def matcher(lark: str) -> Any:
    made = llguidance.LLMatcher(a_byte_each(), lark)
    assert not made.is_error(), made.get_error() + lark
    return made


def accepts(made: Any, text: str) -> bool:
    made.reset()
    tokens = list(text.encode())
    return bool(made.try_consume_tokens(tokens) == len(tokens) and made.is_accepting())


def written(family: Family, tool: Tool, *calls: ToolCall) -> str:
    message = in_schema_order(Message("assistant", "", calls), (tool,))
    return "".join(segment.text for segment in family.write(message))


def walk(made: Any, rng: random.Random, longest: int = 1500) -> str | None:
    """A random text that the grammar accepts; None where it does not end in time."""
    made.reset()
    tokens: list[int] = []
    while len(tokens) < longest:
        bits = made.compute_bitmask()
        allowed = [token for token in range(256) if bits[token // 8] >> (token % 8) & 1]
        if made.is_accepting() and (not allowed or rng.random() < 0.5):
            return bytes(tokens).decode()
        closing = [token for token in allowed if token in CLOSING]
        tokens.append(rng.choice(closing if closing and rng.random() < 0.3 else allowed))
        assert made.try_consume_tokens(tokens[-1:]) == 1
    return None


def relaxed(parameters: JsonObject, left: tuple[Unenforced, ...]) -> JsonObject:
    """The schema without the keywords that are left to check."""
    made = copy.deepcopy(parameters)
    for one in left:
        at: Any = made
        for step in one.where.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            at = at[int(name)] if isinstance(at, list) else at.get(name, {})
        if one.keyword == "oneOf" and "oneOf" in at:
            at["anyOf"] = at.pop("oneOf")
        elif one.keyword == "patternProperties":
            at[one.keyword] = {}
        else:
            at.pop(one.keyword, None)
    return made


def check(family: Family, parameters: JsonObject, seeds: range) -> None:
    """Drawn calls are accepted; walks parse to one call, which is valid but for what is reported."""
    tool = Tool("f", "", normalise(copy.deepcopy(parameters)))
    made = grammar(family, [tool], "required", parallel=False)
    accepting = matcher(made.lark)
    loose = relaxed(tool.parameters, made.unenforced)
    for seed in seeds:
        try:
            drawn = sample_value(tool.parameters, random.Random(seed))
        except ToolError:
            drawn = None
        if drawn is not None and not validate(drawn, tool.parameters):
            text = written(family, tool, ToolCall("f", drawn))
            assert accepts(accepting, text), made.lark
        walked = walk(accepting, random.Random(seed))
        if walked is not None:
            reply, _ = parse_whole(family.read, walked, [tool])
            assert (reply.broken, len(reply.calls)) == ((), 1), walked
            assert validate(reply.calls[0].arguments, loose) == [], walked


@every_way
@every_kind
def test_a_grammar_holds_what_it_can(family: Family, kind: str) -> None:
    check(family, AWKWARD[kind], range(2))


LEFT = {
    "one of several that overlap": ["/properties/x oneOf"],
    "patterns that are not regular": [f"/properties/{name} pattern" for name in ("ahead", "word", "again")],
    "more formats": ["/properties/unheld format", "/properties/both format"],
    "lengths": ["/properties/endless maxLength"],
    "limits that are too large": ["/properties/x minimum", "/properties/y minimum"],
    "choices that their type refuses": ["/properties/n enum"],
    "unheld": [
        *("/properties/unique uniqueItems", "/properties/but not", "/properties/maybe if", "/properties/maybe then"),
        *("/properties/has contains", "/properties/names propertyNames", "/properties/sized minProperties"),
    ],
}


@every_kind
def test_what_is_left_is_reported(kind: str) -> None:
    _, left = enforceable(Tool("f", "", AWKWARD[kind]))
    assert [f"{one.where} {one.keyword}" for one in left] == LEFT.get(kind, [])


leaves = st.one_of(
    st.sampled_from([TEXT, WHOLE, NUMBERS, FLAG, NULL, ITEM, {"type": ["integer", "null"]}]),
    st.builds(
        lambda low, more: a("integer", minimum=low, maximum=low + more), st.integers(-200, 200), st.integers(0, 300)
    ),
    st.builds(
        lambda low, more: a("number", exclusiveMinimum=low, maximum=low + more), st.integers(-9, 9), st.floats(0.5, 9)
    ),
    st.builds(lambda low, more: a("string", minLength=low, maxLength=low + more), st.integers(0, 5), st.integers(0, 9)),
    st.sampled_from(["^a+$", "b", r"^\d{3}|x$", r"^[^\W_]{2,}$"]).map(lambda pattern: a("string", pattern=pattern)),
    st.sampled_from(ALL_FORMATS).map(lambda name: a("string", format=name)),
    st.lists(st.sampled_from(["a", "b c", "it's", 1, 2.5, None, True]), min_size=1, max_size=3).map(
        lambda v: {"enum": v}
    ),
)


def nested(inner: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    names = st.sampled_from(["a", "b", "the-c", "d e"])
    return st.one_of(
        st.builds(
            lambda one, low, more: array(one, minItems=low, maxItems=low + more),
            inner,
            st.integers(0, 2),
            st.integers(0, 2),
        ),
        st.builds(
            lambda named, needed: a("object", properties=named, required=[n for n in named if n in needed]),
            *(st.dictionaries(names, inner, min_size=1, max_size=3), st.sets(names)),
        ),
        st.builds(lambda one: a("object", additionalProperties=one), inner),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
        st.builds(lambda one: {"allOf": [one], "description": "d"}, inner),
    )


@every_way
@settings(max_examples=25)
@given(schema=st.recursive(leaves, nested, max_leaves=5), seed=st.integers(0, 99))
def test_any_schema_is_held(family: Family, schema: JsonObject, seed: int) -> None:
    check(family, an_object("x", x=schema, y=TEXT), range(seed, seed + 1))
