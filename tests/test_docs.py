"""Examples in the documents are what they say they are."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from callwright.data import READERS, conversations
from callwright.types import ToolCall

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLE = re.compile(r"### `(?P<name>\w+)`\n.*?```(?P<kind>json|csv)\n(?P<text>.*?)\n```", re.DOTALL)
EXAMPLES = {found["name"]: found for found in EXAMPLE.finditer((DOCS / "formats.md").read_text(encoding="utf-8"))}


def test_every_format_has_an_example() -> None:
    assert set(EXAMPLES) == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_an_example_is_known_by_itself_and_read(name: str, tmp_path: Path) -> None:
    kind, text = EXAMPLES[name]["kind"], EXAMPLES[name]["text"]
    row = json.loads(text) if kind == "json" else next(csv.DictReader(io.StringIO(text)))
    assert next(known for known, reader in READERS.items() if reader.matches(row)) == name
    path = tmp_path / f"rows.{'jsonl' if kind == 'json' else 'csv'}"
    path.write_text(text + "\n", encoding="utf-8")
    (found,) = conversations(path)
    calls = [(call.name, call.arguments) for message in found.messages for call in message.calls]
    expected = ToolCall("get_weather", {"city": "Oslo"})
    assert calls == [(expected.name, expected.arguments)]
    assert [tool.name for tool in found.tools] == ([] if name in ("seal", "csv") else ["get_weather"])


def test_links_between_documents_lead_somewhere() -> None:
    root = DOCS.parent
    for path in [*DOCS.glob("*.md"), *root.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
