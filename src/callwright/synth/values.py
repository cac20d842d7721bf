"""A parameter's name, description and schema -> a value that people would ask for, and how they would say it."""

from __future__ import annotations

import datetime
import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from callwright.data.similar import words
from callwright.schema import sample_value, validate
from callwright.synth import fill
from callwright.synth.fill import Said
from callwright.synth.pools import pools
from callwright.types import JsonObject

Draw = Callable[[random.Random], Said]

# "such as jazz, rock or folk", "(e.g., male, female)": the values that a description itself names
_EXAMPLES = re.compile(
    r"(?:e\.g\.,?|such as|for example,?|for instance,?|i\.e\.,?|like:?|one of:?|options:|either)\s+([^.;)\]]+)", re.I
)
_QUOTED = re.compile(r"['\"‘“]([^'\"’”]{1,40})['\"’”]")
_SEPARATOR = re.compile(r",\s*(?:or\s+|and\s+)?|\s+or\s+|\s+and\s+|/")
_NO_EXAMPLE = frozenset(
    (
        "etc",
        "etc.",
        "others",
        "other",
        "more",
        "similar",
        "any",
        "so on",
        "format",
        "address",
        "city name",
        "name",
        "id",
    )
)
_TRIES = 8


def draw(name: str, schema: JsonObject, root: JsonObject, rng: random.Random) -> Said:
    """A valid value for one parameter, with words for it. Raises ToolError where the schema admits no value.

    root: the tool's parameters, for `$ref`. Values that the description names come first, then what the name is known
    to hold, then what the schema alone allows.
    """
    definitions: JsonObject = {key: root[key] for key in ("$defs", "definitions") if key in root}
    alone: JsonObject = {"type": "object", "properties": {"v": schema}, **definitions}
    for _ in range(_TRIES):
        said, value = _draw(name, schema, root, rng)
        if not validate({"v": value}, alone):
            return said, value
    value = sample_value(schema, rng, root)
    return shown(value), value


def _draw(name: str, schema: JsonObject, root: JsonObject, rng: random.Random) -> Said:
    if "const" in schema:
        return shown(schema["const"]), schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        value = rng.choice(schema["enum"])
        return shown(value), value
    kind = schema.get("type")
    first = next((k for k in kind if k != "null"), None) if isinstance(kind, list) else kind
    if first == "array" and isinstance(schema.get("items"), dict):
        return _list(name, schema, root, rng)
    if first in ("integer", "number"):
        return (_integer if first == "integer" else _number)(name, schema, rng)
    if first in ("string", None) and not any(key in schema for key in ("pattern", "$ref", "anyOf", "oneOf", "allOf")):
        return _text(name, schema, rng)
    value = sample_value(schema, rng, root)
    return shown(value), value


def _list(name: str, schema: JsonObject, root: JsonObject, rng: random.Random) -> Said:
    low = max(1, int(schema.get("minItems", 1)))
    high = max(low, min(int(schema.get("maxItems", 3)), max(low, 3)))
    singular = re.sub(r"(?<=[a-z])s$", "", name)
    described = {"description": schema.get("description", ""), **schema["items"]}
    items = [draw(singular, described, root, rng) for _ in range(rng.randint(low, high))]
    distinct = list({str(value): (said, value) for said, value in items}.values())
    return _listed([said for said, _ in distinct]), [value for _, value in distinct]


def _text(name: str, schema: JsonObject, rng: random.Random) -> Said:
    made = _kinds().get(f"format {schema.get('format')}")
    if made:
        return made(rng)
    about = str(schema.get("description", ""))
    named = examples_in(about)
    if named and rng.random() < 0.7:
        value = rng.choice(named)
        return value, value
    parts = words(name)
    if {"date", "deadline"} & set(parts) or (
        {"day", "from", "until", "start", "end"} & set(parts) and "date" in about.casefold()
    ):
        exact = re.search(r"yyyy|iso|\d{4}-\d{2}", about.casefold()) or rng.random() < 0.6
        return _iso_date(rng) if exact else _one_of("days")(rng)
    # the last word of a name is what it is: "city_name" is a city's name, "user_id" an id
    for part in [*reversed([part for part in parts if part != "name"]), *(["name"] if "name" in parts else [])]:
        if made := _kinds().get(part) or _kinds().get(part.rstrip("s")):
            return made(rng)
    for part in words(about):
        if part not in _VAGUE and (made := _kinds().get(part)):
            return made(rng)
    label = " ".join(parts)
    value = rng.choice(
        (rng.choice(pools()["plain"]), f"{label} {rng.randint(1, 99)}", f"{rng.choice(pools()['plain'])} {label}")
    )
    return value, value


_VAGUE = frozenset(("name", "text", "data", "type", "user", "search", "key", "code", "item", "description", "method"))


@cache
def examples_in(description: str) -> tuple[str, ...]:
    """The values that a description names; () where it names none, or only one that could be a format.

    >>> examples_in("The genre of the music (e.g., jazz, rock or folk)")
    ('jazz', 'rock', 'folk')
    """
    found = _EXAMPLES.search(description)
    quoted = _QUOTED.findall(description)
    parts = quoted if len(quoted) > 1 else _SEPARATOR.split(found[1]) if found else []
    kept = [part.strip(" '\"‘’“”`:") for part in parts]
    kept = [
        part for part in kept if 1 < len(part) <= 40 and part.casefold() not in _NO_EXAMPLE and len(part.split()) <= 4
    ]
    return tuple(dict.fromkeys(kept)) if len(kept) > 1 else ()


def _integer(name: str, schema: JsonObject, rng: random.Random) -> Said:
    parts = set(words(name))
    low, high = _limits(schema)
    usual = next((span for names, span in _SPANS if names & parts), (1, 50))
    low, high = (max(low, usual[0]), min(high, usual[1])) if max(low, usual[0]) <= min(high, usual[1]) else (low, high)
    value = rng.randint(int(low), int(high))
    step = schema.get("multipleOf")
    if isinstance(step, int) and step > 1:
        value = max(step, value // step * step)
    spoken = 0 <= value <= 100 and not parts & {"id", "year"}
    return fill.number_said(value, rng) if spoken else str(value), value


def _number(name: str, schema: JsonObject, rng: random.Random) -> Said:
    low, high = _limits(schema)
    usual = next((span for names, span in _SPANS if names & set(words(name))), (0, 500))
    low, high = (max(low, usual[0]), min(high, usual[1])) if max(low, usual[0]) <= min(high, usual[1]) else (low, high)
    value: float = round(rng.uniform(low, high), rng.choice((0, 1, 2)))
    value = int(value) if value == int(value) else value
    return str(value), value


# numbers that people give for such a parameter, where the schema allows them
_SPANS: tuple[tuple[set[str], tuple[float, float]], ...] = (
    ({"year"}, (1990, 2030)),
    ({"month"}, (1, 12)),
    ({"hour", "hours"}, (1, 23)),
    ({"age"}, (18, 80)),
    ({"rating", "score", "stars"}, (1, 10)),
    ({"percent", "percentage", "level", "volume", "brightness", "humidity"}, (0, 100)),
    ({"rate", "probability", "threshold", "confidence", "ratio"}, (0, 1)),
    ({"price", "amount", "budget", "salary", "cost", "coverage", "income", "value"}, (10, 5000)),
    ({"id"}, (1000, 99999)),
    ({"latitude", "lat"}, (-90, 90)),
    ({"longitude", "lon", "lng"}, (-180, 180)),
    ({"temperature"}, (-10, 40)),
)


def _limits(schema: JsonObject) -> tuple[float, float]:
    low = schema.get("minimum", schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else -(10**6))
    high = schema.get("maximum", schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else 10**6)
    return float(low), float(high)


def _one_of(pool: str) -> Draw:
    return lambda rng: (value := str(rng.choice(pools()[pool])), value)


def _of(values: Sequence[str]) -> Draw:
    return lambda rng: (value := rng.choice(values), value)


def _person(rng: random.Random) -> Said:
    name = rng.choice(pools()["first_names"]) + (f" {rng.choice(pools()['last_names'])}" if rng.random() < 0.6 else "")
    return name, name


def _email(rng: random.Random) -> Said:
    person = f"{rng.choice(pools()['first_names'])}.{rng.choice(pools()['last_names'])}".lower()
    value = f"{person}@{rng.choice(('example.com', 'mail.example.org', 'example.net'))}"
    return value, value


def _phone(rng: random.Random) -> Said:
    value = f"+{rng.randint(1, 98)}-555-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
    return value, value


def _identifier(rng: random.Random) -> Said:
    kind = rng.random()
    if kind < 0.4:
        value = f"{''.join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))}{rng.randint(100, 99999)}"
    elif kind < 0.7:
        value = str(rng.randint(1000, 999999))
    else:
        value = "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(8, 12)))
    return value, value


def _url(rng: random.Random) -> Said:
    host = f"{rng.choice(('www.', ''))}example.{rng.choice(('com', 'org', 'net'))}"
    value = f"https://{host}/{rng.choice(('news', 'page', 'img', 'shop'))}/{rng.randint(1, 999)}"
    return value, value


def _day(rng: random.Random) -> datetime.date:
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=rng.randint(0, 1500))


def _iso_date(rng: random.Random) -> Said:
    """A date in ISO form, said so or by its month."""
    day = _day(rng)
    month = pools()["months"][day.month - 1]
    tail = "th" if day.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    spoken = (f"{month} {day.day}, {day.year}", f"{day.day} {month} {day.year}", f"{month} {day.day}{tail}, {day.year}")
    return rng.choice((day.isoformat(), *spoken)), day.isoformat()


def _iso_time(rng: random.Random) -> Said:
    return fill.clock(rng)


def _date_time(rng: random.Random) -> Said:
    value = f"{_day(rng).isoformat()}T{rng.randint(0, 23):02d}:{rng.choice((0, 15, 30, 45)):02d}:00"
    return value, value


def _address(rng: random.Random) -> Said:
    kinds = _kinds()
    value = f"{rng.randint(1, 250)} {kinds['street'](rng)[0]}, {kinds['city'](rng)[0]}"
    return value, value


@cache
def _kinds() -> Mapping[str, Draw]:
    """The word of a name, or a format -> values of that kind."""
    made = {word: _of([str(v) for v in kind["values"]]) for kind in pools()["kinds"] for word in kind["words"]}
    formats: dict[str, Draw] = {"date": _iso_date, "time": _iso_time, "date-time": _date_time, "email": _email}
    formats |= {"uri": _url, "url": _url}
    special: tuple[tuple[str, Draw], ...] = (
        ("email mail recipient", _email),
        ("phone telephone mobile", _phone),
        ("url link website uri", _url),
        ("address", _address),
        ("id identifier code sku isbn reference ref uuid key token", _identifier),
        (
            "person author artist user username contact customer patient employee player actor",
            _person,
        ),
        ("director attendee guest name", _person),
        ("time", _iso_time),
    )
    made |= {f"format {name}": drawn for name, drawn in formats.items()}
    return made | {word: drawn for names, drawn in special for word in names.split()}


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def shown(value: Any) -> str:
    """A value as it would be said: an enum's words, a list with commas, an object's fields one by one."""
    if isinstance(value, str):
        return value.replace("_", " ") if re.fullmatch(r"[A-Za-z]+(?:_[A-Za-z]+)+", value) else value
    if isinstance(value, list):
        return _listed([shown(item) for item in value]) if value else "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{' '.join(words(key))} {shown(inner)}" for key, inner in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
