"""Patterns of schemas mean in a grammar what the validator takes them for, in plain text and in JSON."""

from __future__ import annotations

import json

import pytest
from test_grammar import accepts, as_matcher

from callwright.dialects.constrain.patterns import admits, anchored
from callwright.dialects.constrain.rules import terminal

PATTERNS = [
    *(
        "^a+$",
        "b",
        "^a|b$",
        "a$|^b",
        "^$",
        "",
        "^(?:ab|c)+$",
        "[^a]",
        "^[^\\W_]+$",
        "^\\d{2,3}$",
        "^a{2}b?",
        "^.$",
        "^a.b$",
    ),
    *(
        "^\\s*a",
        "\\S\\s\\S",
        "^[\\w.-]+$",
        "^\\u0041|\\x42$",
        "^[a-c&&[b]+",
        "/",
        "^\\/$",
        "a*?b",
        "^\\p{L}+$",
        "^(?<name>a)b$",
        "^ a#$",
    ),
]
TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aab",
    "abb",
    "c",
    "12",
    "123",
    "1",
    "a b",
    "a\nb",
    "é",
    "日本",
    "A",
    "B",
    "xB",
    "_",
    "/",
    "&[b",
]
TEXTS += [" a", "\u00a0a", "\u2003a", "\x85a", "٣٤", "٣", "\n", "\r", "a.b", "a-b", " a#", "\ufeffa", "x y", "x\x85y"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_the_validator_takes_it_for(pattern: str) -> None:
    whole = anchored(pattern)
    assert whole is not None
    accepting = as_matcher(f"start: T\nT: {terminal([whole])}")
    schema = {"pattern": pattern}
    assert [text for text in TEXTS if accepts(accepting, text)] == [text for text in TEXTS if admits(schema, text)]


@pytest.mark.parametrize(
    "pattern",
    [*PATTERNS, '^[^"]*$', r"^[^\\]*$", r"^[^'\n]*$", '^[^"a]$', r'^[!-~]"[^"\\]+$', r"^\\.$", r"^[^\W]\W[^\s\"]*$"],
)
def test_a_pattern_means_the_same_in_json(pattern: str) -> None:
    """Quotes, backslashes and control characters are escaped there, and are still what a set leaves out."""
    whole = anchored(pattern)
    assert whole is not None
    accepting = as_matcher("start: %json " + json.dumps({"type": "string", "pattern": f"^(?:{whole})$"}))
    texts = [*TEXTS, '"', "\\", 'a"', "a\\", 'a"b', '"a', "a'", "\\n", '\\"', '!"x', 'a!"', "\t"]
    schema = {"pattern": pattern}
    written = [text for text in texts if accepts(accepting, json.dumps(text, ensure_ascii=False))]
    assert written == [text for text in texts if admits(schema, text)]


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[\x00-!#-~]+$",
        "(?=a)b",
        "(?!a)b",
        r"(a)\1",
        r"\bword",
        "(^a)|b",
        "a^",
        "$a",
        "(?i)a",
        "a{1,2000}",
        "a{",
        "(",
        "a)",
        "[",
        "*",
        "a++",
    ],
)
def test_a_pattern_that_no_grammar_holds(pattern: str) -> None:
    assert anchored(pattern) is None
