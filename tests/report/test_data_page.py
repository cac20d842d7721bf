"""The page about a data set: everything in it, nothing from outside, names of users as they are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from callwright.data.stats import Size, stats
from callwright.report.charts import bars, histogram
from callwright.report.data import data_page, write_data_page
from callwright.types import Conversation, Message, Tool, ToolCall

AWKWARD = "<b>$\\frac{1}{x}$ & ünï"
TOOL = Tool(AWKWARD, "", {"type": "object", "properties": {"x": {"enum": ["<i>", "b"]}}})
ROWS = [
    Conversation(
        f"r{number}",
        (TOOL,),
        (Message("user", "Please do it now" * number), Message("assistant", "", (ToolCall(AWKWARD, {"x": "b"}),))),
        source="<script>alert(1)</script>",
        provenance={"licence": "MIT"},
    )
    for number in range(1, 40)
]


def test_the_page_holds_the_figures_and_loads_nothing(tmp_path: Path) -> None:
    found = stats(ROWS, lambda rows: [Size(len(row.messages[0].text), 3, 1) for row in rows])
    path = tmp_path / "page.html"
    write_data_page(found, path, "rows <1>.jsonl", ["tokens of a model"])
    page = path.read_text(encoding="utf-8")
    assert page == data_page(found, "rows <1>.jsonl", ["tokens of a model"]), "equal input, equal page"
    assert "<script" not in page and "<b>$" not in page and "<i>" not in page
    assert "rows &lt;1&gt;.jsonl" in page and "tokens of a model" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|@import|url\((?!#)|<link""", page)
    for heading in ("Categories", "Tokens per row", "Languages", "Provenance: licence", "What no call shows"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<svg") >= 8


def test_charts_are_well_formed_and_keep_names_as_text() -> None:
    drawn = bars([(AWKWARD, 3), ("b" * 100, 0)], "t")
    texts = ["".join(node.itertext()).strip() for node in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert AWKWARD in texts and "3" in texts and "b" * 39 + "…" in texts
    ET.fromstring(histogram([(0, 4, 2), (5, 9, 1)], "t", [("p50", 3)]))
    ET.fromstring(bars([], "t"))


def test_no_rows_make_a_page_too() -> None:
    assert "<b>0</b> rows" in data_page(stats([]), "empty")
