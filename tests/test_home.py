"""The hand-written held-out requests: enough of each kind, valid, and none of them made by the generator."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from callwright.data import conversations
from callwright.schema import validate
from callwright.synth import generate, load_phrasebook
from callwright.tools import load_tools

HOME = Path(__file__).parents[1] / "examples" / "home"
TOOLS = load_tools(str(HOME / "tools.py"))
ROWS = list(conversations(HOME / "holdout.jsonl"))


def test_quotas() -> None:
    counts = Counter(row.source for row in ROWS)
    assert len(ROWS) >= 150
    assert counts["no_call"] >= 25
    assert counts["parallel"] >= 25
    assert counts["missing"] >= 15
    tools = Counter(call.name for row in ROWS for call in row.messages[1].calls)
    assert set(tools) == {tool.name for tool in TOOLS}
    assert min(tools.values()) >= 8
    assert all(2 <= len(row.messages[1].calls) <= 3 for row in ROWS if row.source == "parallel")


def test_gold_is_valid_and_copied_as_said() -> None:
    declared = {tool.name: tool for tool in TOOLS}
    copied = {"title", "to", "text", "query", "item", "destination", "city"}
    for row in ROWS:
        request, answer = row.messages
        assert bool(answer.calls) == (row.source in ("single", "parallel")), row.id
        for call in answer.calls:
            assert validate(call.arguments, declared[call.name].parameters) == [], row.id
            for name in copied & call.arguments.keys():
                assert call.arguments[name] in request.text, row.id


def test_none_of_it_is_generated() -> None:
    def plain(text: str) -> str:
        return re.sub(r"\W+", " ", text.casefold()).strip()

    book = load_phrasebook(HOME / "phrases.yaml", TOOLS)
    made = {plain(row.messages[0].text) for row in generate(TOOLS, book, 6000, 1)}
    both = [row.messages[0].text for row in ROWS if plain(row.messages[0].text) in made]
    assert both == []


def test_requests_and_ids_are_unique() -> None:
    assert len({row.id for row in ROWS}) == len({row.messages[0].text.casefold() for row in ROWS}) == len(ROWS)
