"""What single keywords come to: patterns and formats as expressions for a whole text, limits of numbers, choices."""

from __future__ import annotations

import functools
import json
import math
import re
import re._parser as regex_parser  # type: ignore[import-not-found]
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema_rs

from callwright.schema.check import compiled
from callwright.types import JsonObject

LONGEST = 1000
"""A length or a count beyond this makes an automaton too large; it is checked after generation instead."""

_LEAP = "(?:0[48]|[2468][048]|[13579][26])"
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DATE = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{{2}}{_LEAP}|{_LEAP}00)-02-29)"
)
_HOUR = "(?:[01][0-9]|2[0-3])"
# as Python reads it, and the validator with it: seconds and a time zone may be missing
_TIME = rf"{_HOUR}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?:Z|[+\-]{_HOUR}:[0-5][0-9])?"
_COUNT = "[0-9]{1,9}"
_OF_DAYS = f"(?:{_COUNT}D|{_COUNT}M(?:{_COUNT}D)?|{_COUNT}Y(?:{_COUNT}M(?:{_COUNT}D)?)?)"
_OF_HOURS = f"T(?:{_COUNT}S|{_COUNT}M(?:{_COUNT}S)?|{_COUNT}H(?:{_COUNT}M(?:{_COUNT}S)?)?)"
# shorter than the standards allow, so that a whole name never is too long; "--" begins what must be Punycode
_LABEL = "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,24}"
_MAILBOX = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_HEX = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [f"(?:{_HEX}:){{7}}{_HEX}", f"(?:{_HEX}:){{1,7}}:", f":(?::{_HEX}){{1,7}}", "::", f"::(?:[fF]{{4}}:)?{_IPV4}"]
    + [f"(?:{_HEX}:){{1,{7 - behind}}}(?::{_HEX}){{1,{behind}}}" for behind in range(1, 7)]
)
_OF_PATH = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@:]|%[0-9A-F]{2})"
_OF_FIRST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|%[0-9A-F]{2})"
_ENDING = rf"(?:\?(?:{_OF_PATH}|[/?])*)?(?:#(?:{_OF_PATH}|[/?])*)?"
_AUTHORITY = r"//[A-Za-z0-9\-._~]*(?::[0-9]{1,4})?"
_URI = rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:{_AUTHORITY}(?:/{_OF_PATH}*)*|{_OF_PATH}*(?:/{_OF_PATH}+)*){_ENDING}"
_POINTER = "(?:/(?:[^/~]|~[01])*)*"

FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}(?:[T ]{_TIME})?",
    "duration": f"P(?:{_COUNT}W|{_OF_DAYS}(?:{_OF_HOURS})?|{_OF_HOURS})",
    "email": rf"{_MAILBOX}(?:\.?{_MAILBOX}){{0,31}}@{_LABEL}(?:\.{_LABEL}){{0,2}}",
    "hostname": rf"{_LABEL}(?:\.{_LABEL}){{0,4}}",
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    "uri": _URI,
    "uri-reference": f"(?:{_URI}|{_OF_FIRST}*(?:/{_OF_PATH}+)*/?{_ENDING})",
    "json-pointer": _POINTER,
    "relative-json-pointer": f"(?:0|[1-9][0-9]{{0,8}})(?:#|{_POINTER})",
}
"""What a grammar writes for a format: never more than the validator accepts, and what people write of it."""

UNSAID_FORMATS = frozenset({"idn-email", "idn-hostname", "iri", "iri-reference", "regex", "uri-template"})
"""Formats that the validator checks and no grammar here says. Any other format is a note that nobody checks."""

INTEGER = "-?(?:0|[1-9][0-9]{0,299})"
_EXPONENT = r"[eE](?:-[0-9]{1,3}|\+?(?:[0-9]{1,2}|[12][0-9]{2}|30[0-7]))"
NUMBER = rf"{INTEGER}(?:\.[0-9]+)?|-?[0-9](?:\.[0-9]+)?{_EXPONENT}|-?1(?:\.[0-6][0-9]*)?[eE]\+?308"
"""Numbers without limits: none that a float cannot hold, because 1e999 reads as infinity."""

LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_LARGEST, _SMALLEST, _FINE = 1e15, 1e-9, 10**9


def text_keywords(schema: Mapping[str, Any]) -> tuple[JsonObject, list[str]]:
    """What a schema says of texts as a whole pattern and lengths, and the keywords that these do not hold."""
    made, left = count_keywords(schema, "minLength", "maxLength")
    whole = None
    if "pattern" in schema:
        whole = anchored(schema["pattern"]) if isinstance(schema["pattern"], str) else None
        left += ["pattern"] if whole is None else []
    form = schema.get("format")
    if form in UNSAID_FORMATS or (form in FORMATS and whole is not None):
        # a format and a pattern at once have often no text that is both
        left.append("format")
    elif form in FORMATS:
        whole = FORMATS[form]
    return (made if whole is None else {**made, "pattern": f"^(?:{whole})$"}), left


def sized(option: JsonObject) -> tuple[JsonObject, list[str]]:
    """A text's pattern and lengths in one pattern, and the lengths that do not go into it."""
    lengths: list[str] = [key for key in ("minLength", "maxLength") if key in option]
    if "pattern" not in option or not lengths:
        return option, []
    whole = option["pattern"].removeprefix("^(?:").removesuffix(")$")
    made = within(whole, option.get("minLength", 0), option.get("maxLength"))
    kept = {key: value for key, value in option.items() if key not in lengths}
    return (kept, lengths) if made is None else ({**kept, "pattern": f"^(?:{made})$"}, [])


_ANY = "(?s:.*)"


def within(pattern: str, low: int, high: int | None) -> str | None:
    """A pattern for a whole text as one for texts of so many characters; None where that takes two patterns at once,
    which llguidance does not survive behind special tokens.

    >>> within("(?s:.*)(?:[.]png)", 0, 12), within("(?:[a-z]{4})", 1, 9), within("(?:[a-z]+)", 1, 9)
    ('(?s:.{0,8})(?:[.]png)', '(?:[a-z]{4})', None)
    """
    core = pattern.removeprefix(_ANY).removesuffix(_ANY)
    try:
        least, most = (int(width) for width in regex_parser.parse(core).getwidth())
    except (re.error, OverflowError, RecursionError):
        return None
    if core == pattern:
        return pattern if low <= least and (high is None or most <= high) else None
    open_ends = pattern.startswith(_ANY) + pattern.endswith(_ANY)
    if open_ends > 1 or least != most or (high is not None and high < least) or _ANY in core:
        return None
    some = f"(?s:.{{{max(low - least, 0)},{'' if high is None else high - least}}})"
    return some + core if pattern.startswith(_ANY) else core + some


def count_keywords(schema: Mapping[str, Any], low: str, high: str) -> tuple[JsonObject, list[str]]:
    """The least and the greatest length or count, and those of these keywords that are too large to hold."""
    given = {key: schema[key] for key in (low, high) if key in schema}
    kept = {key: int(value) for key, value in given.items() if isinstance(value, int | float) and 0 <= value <= LONGEST}
    return {key: value for key, value in kept.items() if key != low or value}, [key for key in given if key not in kept]


def number_keywords(schema: Mapping[str, Any], kind: str) -> tuple[JsonObject, list[str]]:
    """The limits of numbers, and those that llguidance makes no expression of."""
    given = {key: schema[key] for key in (*LIMITS, "multipleOf") if key in schema}
    kept = {key: value for key, value in given.items() if _can_be_limit(key, value, kind)}
    if not float(kept.get("multipleOf", 1)).is_integer():
        # a float beyond is no multiple of a fraction any more
        for bound, exclusive, least in (
            ("minimum", "exclusiveMinimum", -_FINE),
            ("maximum", "exclusiveMaximum", _FINE),
        ):
            if exclusive not in kept:
                kept[bound] = max(min(kept.get(bound, least), _FINE), -_FINE)
    return kept, [key for key in given if key not in kept]


def _can_be_limit(key: str, value: Any, kind: str) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _LARGEST:
        return False
    if key == "multipleOf":
        return value >= 1e-4
    return kind == "integer" or value == 0 or abs(value) >= _SMALLEST


def exponents(limits: Mapping[str, Any]) -> str:
    """Numbers within limits that are so small or so large that Python writes them with an exponent; "" for none.

    llguidance writes numbers that have limits without one.

    >>> re.fullmatch(exponents({"minimum": 0}), "1e-07") is not None, exponents({"minimum": 1, "maximum": 5})
    (True, '')
    """
    if "multipleOf" in limits:
        return ""
    low = max((limits[key] for key in LIMITS[:2] if key in limits), default=-math.inf)
    high = min((limits[key] for key in LIMITS[2:] if key in limits), default=math.inf)
    mantissa = r"[1-9](?:\.[0-9]+)?e"
    small, large = mantissa + "-(?:0[5-9]|[1-9][0-9]|[12][0-9]{2})", mantissa + r"\+(?:1[6-9]|[2-9][0-9]|[12][0-9]{2})"
    parts = [
        small if low <= 0 and high >= 1e-4 else "",
        "-" + small if low <= -1e-4 and high >= 0 else "",
        large if high == math.inf and low < _LARGEST else "",
        "-" + large if low == -math.inf and high > -_LARGEST else "",
    ]
    return "|".join(filter(None, parts))


_DIGITS = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?"
_LOOKS = {"array": r"\[", "object": r"\{", "boolean": "true|false|True|False", "null": "null|None"}


def unlike(kinds: set[str], others: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a raw text must match beside values of other types: not to be read as one that none of these admits.

    kinds: the types that the reader looks for. A type that is admitted whole needs no care.
    """
    known = {form["type"] for form in others if set(form) == {"type"}}
    known |= {"integer"} if "number" in known else set()
    read = kinds - known
    openings = "".join(_LOOKS[kind] for kind in ("array", "object") if kind in read)
    wholes = [_LOOKS[kind] for kind in ("boolean", "null") if kind in read]
    wholes += [_DIGITS] if read & {"integer", "number"} and not any(form["type"] in _NUMBERS for form in others) else []
    return [
        *([rf"[ \t\n\r]*(?:[^ \t\n\r{openings}](?s:.*))?"] if openings else []),
        *([rf"![ \t\n\r]*(?:{'|'.join(wholes)})[ \t\n\r]*"] if wholes else []),
    ]


_NUMBERS = ("integer", "number")


def no_number(limits: Mapping[str, Any]) -> bool:
    """Whether no number is within the limits of a schema of type number or integer."""
    low = max(limits.get("minimum", -math.inf), limits.get("exclusiveMinimum", -math.inf))
    high = min(limits.get("maximum", math.inf), limits.get("exclusiveMaximum", math.inf))
    step = limits.get("multipleOf", 1 if limits["type"] == "integer" else 0)
    if step and math.isfinite(low):
        low = math.ceil(low / step) * step
        low += step if low == limits.get("exclusiveMinimum") else 0
        return bool(low > high or low == limits.get("exclusiveMaximum"))
    is_open = low in (limits.get("exclusiveMinimum"), limits.get("exclusiveMaximum"))
    return bool(low > high or (low == high and is_open))


def choices_of(schema: Any) -> list[Any]:
    """The values that a schema lists; none where it lists none."""
    if not isinstance(schema, Mapping):
        return []
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return listed if isinstance(listed, list) else []


def without_choices(schema: Any) -> Any:
    """The schema's other keywords."""
    return {key: schema[key] for key in schema if key not in ("enum", "const")} if choices_of(schema) else schema


def common(some: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The choices of the first list that are in the second, as JSON Schema compares them: 1 and 1.0 are equal."""
    known = set(map(_comparable, others))
    return [value for value in some if _comparable(value) in known]


def _comparable(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True)


def admits(schema: JsonObject, value: Any) -> bool:
    """Whether a schema admits a value; a schema that cannot be used admits all."""
    validator = _validator(json.dumps(schema))
    return validator is None or validator.is_valid(value)


@functools.lru_cache(maxsize=1024)
def _validator(text: str) -> jsonschema_rs.Validator | None:
    try:
        return compiled(json.loads(text))
    except (jsonschema_rs.ValidationError, ValueError, RecursionError):
        return None


# JSON Schema's dialect, as far as it is regular. Look-around, back references and flags match nothing here.
_TOKEN = re.compile(
    r"(?P<set>\[\^?(?:\\.|[^\]\\])+\])|(?P<escape>\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[LMNPSZC][a-z]?\}|[^\n]))"
    r"|(?P<open>\((?:\?:|\?<[A-Za-z]\w*>|(?!\?)))|(?P<close>\))|(?P<bar>\|)|(?P<anchor>[\^$])"
    r"|(?P<repeat>(?:[*+?]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\})\??(?![*+?{]))|(?P<plain>[^\\\[(|)^$*+?{])",
    re.S,
)
_SPACES = r"\t\n\x0b\x0c\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
# the validator's classes are ASCII, llguidance's would be Unicode's
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACES}
_NO_NUL = r"\x00"
_NUL = re.compile(r"\\(?:x00|u0000|0)|\x00")
_IN_SET = re.compile(r"\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[LMNPSZC][a-z]?\}|.)|.", re.S)


def anchored(pattern: str) -> str | None:
    r"""A search pattern as one for the whole text; None where it is not regular, too large, or anchored in the middle.

    >>> anchored("^a+$"), anchored("b"), anchored(r"^\d|b$")
    ('(?:a+)', '(?s:.*)(?:b)(?s:.*)', '(?:[0-9])(?s:.*)|(?s:.*)(?:b)')
    >>> anchored("(^a)|b"), anchored("(?=a)b"), anchored(r"\bword\b")
    (None, None, None)
    """
    branches: list[list[str]] = [[]]
    place = depth = 0
    found = None
    while place < len(pattern):
        repeats = found is not None and found.lastgroup in ("set", "escape", "close", "plain")
        found = _TOKEN.match(pattern, place)
        if found is None or (found.lastgroup == "repeat" and not repeats):
            return None
        place = found.end()
        depth += (found.lastgroup == "open") - (found.lastgroup == "close")
        if found.lastgroup == "bar" and depth == 0:
            branches.append([])
            continue
        made = _translated(found)
        if made is None or depth < 0 or (found.lastgroup == "anchor" and depth):
            return None
        branches[-1].append(made)
    wholes = [_whole(branch) for branch in branches]
    return None if depth or None in wholes else "|".join(filter(None, wholes))


def _whole(parts: list[str]) -> str | None:
    """One alternative, its anchors at its ends."""
    starts, ends = parts[:1] == ["^"], parts[-1:] == ["$"]
    inner = parts[int(starts) : len(parts) - int(ends)] if parts != ["^"] else []
    if "^" in inner or "$" in inner:
        return None
    return f"{'' if starts else '(?s:.*)'}(?:{''.join(inner)}){'' if ends else '(?s:.*)'}"


def _translated(found: re.Match[str]) -> str | None:
    """A part of a pattern in llguidance's dialect; None where that has none for it."""
    text = found.group()
    match found.lastgroup:
        case "set":
            return _set(text)
        case "escape":
            return _escape(text, inside=False)
        case "open":
            return "(?:"
        case "plain":
            return text if text.isalnum() or text == "." else _escaped(text)
        case _:
            counts = [int(count) for count in (found["least"], found["most"]) if count]
            return None if any(count > LONGEST for count in counts) else text.removesuffix("?") or text
    return text


def _set(text: str) -> str | None:
    """No negated set holds NUL: where texts are written as JSON, llguidance 1.9 takes one that does for one that has
    the quote and the backslash too. For the same reason a plain set with NUL is left to check."""
    negated = text.startswith("[^")
    if not negated and _NUL.search(text):
        return None
    made = [
        _escape(part, inside=True) if part.startswith("\\") and len(part) > 1 else _in_set(part)
        for part in _IN_SET.findall(text[1 + negated : -1])
    ]
    return None if None in made else f"[{'^' * negated}{''.join(filter(None, made))}{_NO_NUL * negated}]"


def _in_set(char: str) -> str:
    # "[", "&" and "~" would begin operations on sets
    return char if char.isalnum() or char in "-^" else _escaped(char)


def _escape(text: str, *, inside: bool) -> str | None:
    char = text[1]
    if char.lower() in _CLASSES:
        chars = _CLASSES[char.lower()]
        return f"[{'^' * char.isupper()}{chars}]" if char.isupper() or not inside else chars
    if len(text) > 2 or char in "nrtfv":
        return text
    return None if char.isalnum() else _escaped(char)


def _escaped(char: str) -> str:
    """A character that means itself; those that end a line in a grammar by their number."""
    return re.escape(char) if char.isprintable() else f"\\u{{{ord(char):x}}}"
