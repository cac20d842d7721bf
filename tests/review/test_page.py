"""The page in a real browser: rows accepted, corrected and written, with the browser and the server killed between."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Chromium, Server, chromium

from callwright import cli
from callwright.data import conversations, write
from callwright.data.lint import lint
from callwright.data.toolset import declared
from callwright.pipeline.rows import held_out_rows
from callwright.pipeline.start import start
from callwright.recipe import load_recipe
from callwright.tools import load_tools
from callwright.types import Conversation, Message, Tool, ToolCall

HOME = Path(__file__).parents[2] / "examples" / "home"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    chromium()
    pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
    driver = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' is not installed")
    with driver.sync_playwright() as playwright:
        made = Chromium(playwright, tmp_path / "profile")
        yield made
        made.kill()
    assert made.complaints == []


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        if server.process is not None and server.process.poll() is None:
            server.kill()


def served(servers: list[Server], folder: Path, *words: str) -> Server:
    servers.append(Server(list(words), folder))
    servers[-1].start()
    return servers[-1]


def decided(page: Any, count: int) -> None:
    """Waits until the page says so."""
    page.wait_for_function("n => document.getElementById('counts').textContent.startsWith(n + ' of ')", arg=count)


def press(page: Any, key: str, count: int) -> None:
    page.keyboard.press(key)
    decided(page, count)
    ready(page)


def ready(page: Any) -> None:
    """The next row is there: what was said of the last one stands below it."""
    page.wait_for_function("() => document.getElementById('said').textContent !== ''")
    page.evaluate("() => { document.getElementById('said').textContent = '' }")


def show(page: Any, number: int) -> None:
    page.locator(f"button.row[aria-label^='Row {number},']").click()
    page.wait_for_function("n => document.getElementById('title').textContent === 'Row ' + n", arg=number)


def correct(page: Any, count: int, say: str) -> None:
    page.keyboard.press("e")
    page.fill("#turn-0 textarea.says", say)
    press(page, "Control+Enter", count)


def write_new(page: Any, count: int, say: str, degrees: str) -> None:
    page.keyboard.press("n")
    page.wait_for_function("() => document.getElementById('title').textContent === 'New row'")
    page.fill("#turn-0 textarea.says", say)
    page.click("text=Add a call")
    page.select_option("#call-1-0 .function", "set_thermostat")
    page.locator("#turns").get_by_label("degrees").fill(degrees)
    press(page, "Control+Enter", count)


def test_thirty_rows_through_two_crashes(browser: Chromium, servers: list[Server], tmp_path: Path) -> None:
    start(tmp_path / "mine", load_tools(str(HOME / "tools.py")), ["tools.py"], "smollm2-135m", 1)
    rows = list(conversations(HOME / "holdout.jsonl", limit=25))
    file, output = tmp_path / "mine" / "rows.jsonl", tmp_path / "mine" / "rows.reviewed.jsonl"
    write(file, rows)
    original = file.read_bytes()
    server = served(servers, tmp_path, "mine/rows.jsonl")

    page = browser.open(server.url)
    for n in range(1, 11):
        press(page, "a", n)
    for n in (11, 12):
        correct(page, n, f"corrected {n}")
    write_new(page, 13, "make it 19 in here", "19")
    write_new(page, 14, "a bit warmer, 21 say", "21")
    page.keyboard.press("e")
    page.fill("#turn-0 textarea.says", "an edit that was not saved")
    browser.kill()

    page = browser.open(server.url)
    decided(page, 14)
    if page.locator("#discard").is_visible():
        # the browser had written the edit to its disk: it is offered again
        assert page.input_value("#turn-0 textarea.says") == "an edit that was not saved"
        page.click("#discard")
        page.wait_for_selector("#edit:visible")
    for n in range(15, 20):
        press(page, "a", n)
    server.kill()
    page.keyboard.press("a")
    page.wait_for_selector("#trouble:visible")
    assert page.inner_text("#counts").startswith("19 of ")
    server.start()
    page.wait_for_selector("#trouble", state="hidden")

    for n in (20, 21, 22):
        correct(page, n, f"corrected {n}")
    for n, degrees in ((23, "17"), (24, "18"), (25, "23")):
        write_new(page, n, f"number {n}: {degrees} degrees", degrees)
    show(page, 21)
    for n in range(26, 30):
        press(page, "a", n)
    page.keyboard.press("u")
    decided(page, 28)
    ready(page)
    press(page, "a", 29)
    press(page, "a", 30)
    printed = server.stop()

    assert (printed["accepted"], printed["corrected"], printed["written"], printed["rows"]) == (20, 5, 5, 30)
    assert file.read_bytes() == original
    found = list(conversations(output))
    assert Counter(row.provenance["review"] for row in found) == {"accepted": 20, "corrected": 5, "written": 5}
    tools = load_tools(str(tmp_path / "mine" / "tools.json"))
    assert not [problem for row in found for problem in lint(declared(row, tools))]
    for before, after in zip(rows, found, strict=False):
        if after.provenance["review"] == "accepted":
            assert (after.id, after.messages, after.source) == (before.id, before.messages, before.source)
        else:
            assert after.messages == (Message("user", after.messages[0].text), *before.messages[1:])
            assert after.messages[0].text.startswith("corrected ")
    degrees = [row.messages[1].calls[0].arguments["degrees"] for row in found[25:]]
    assert degrees == [19, 21, 17, 18, 23]


def test_init_then_the_requests_are_written(
    browser: Chromium, servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["callwright", "init", str(HOME / "tools.py"), "--folder", "mine", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    server = served(servers, tmp_path, "mine/holdout.jsonl")
    page = browser.open(server.url)
    assert re.search(r"0 of 45 decided · 45 to write", page.inner_text("#counts"))
    page.keyboard.type("bit of light in the kitchen please")
    press(page, "Control+Enter", 1)
    show(page, 4)
    page.keyboard.type("way too cold in here")
    page.keyboard.press("Control+Enter")
    problem = page.locator(".field.wrong .problem")
    problem.wait_for()
    assert problem.inner_text() == "missing required argument 'degrees'"
    page.locator("#turns").get_by_label("degrees").fill("warm")
    page.wait_for_function("() => document.querySelector('.field.wrong .problem').textContent.includes('warm')")
    page.locator("#turns").get_by_label("degrees").fill("22")
    press(page, "Control+Enter", 2)
    server.stop()
    recipe = load_recipe("mine/recipe.yaml")
    assert recipe.eval is not None
    assert recipe.tools.source is not None
    rows = held_out_rows(recipe.eval, load_tools(recipe.tools.source))
    assert [(row.messages[0].text, row.provenance) for row in rows] == [
        ("bit of light in the kitchen please", {"review": "written"}),
        ("way too cold in here", {"review": "written"}),
    ]


KINDS = Tool(
    "order",
    "Order something.",
    {
        "type": "object",
        "properties": {
            "price": {"type": "number"},
            "number": {"type": "integer"},
            "gift": {"type": "boolean"},
            "size": {"type": "string", "enum": ["s", "m"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "to": {"$ref": "#/$defs/address"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "any": {},
        },
        "required": ["price", "to"],
        "$defs": {
            "address": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["city"],
            }
        },
    },
)


def test_every_kind_of_value_has_its_field(browser: Chromium, servers: list[Server], tmp_path: Path) -> None:
    given = {
        "price": 1.0,
        "number": 12345678901234567890,
        "to": {"city": "Oslo", "zip": "0150"},
        "any": {"a": [1.0, None]},
    }
    row = Conversation("a", (KINDS,), (Message("user", "order"), Message("assistant", "", (ToolCall("order", given),))))
    write(tmp_path / "rows.jsonl", [row])
    server = served(servers, tmp_path, "rows.jsonl")
    page = browser.open(server.url)
    page.keyboard.press("e")
    page.locator("#turns").get_by_label("gift").select_option("true")
    page.locator("#turns").get_by_label("size").select_option("m")
    tags = page.locator(".field", has=page.locator(".list"))
    for i, text in enumerate(["red", "22"]):
        tags.get_by_text("Add an item").click()
        tags.locator(".item input").nth(i).fill(text)
    page.locator("#turns").get_by_label("city").fill("Bergen")
    page.locator("#turns").get_by_label("kind of note").select_option("null")
    press(page, "Control+Enter", 1)
    server.stop()
    [found] = conversations(tmp_path / "rows.reviewed.jsonl")
    made = found.messages[1].calls[0].arguments
    changed = {"gift": True, "size": "m", "tags": ["red", "22"], "to": {"city": "Bergen", "zip": "0150"}, "note": None}
    expected = given | changed
    assert json.dumps(made, sort_keys=True) == json.dumps(expected, sort_keys=True), (
        "1.0 and large numbers as they were"
    )


def test_two_windows_at_once(browser: Chromium, servers: list[Server], tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", conversations(HOME / "holdout.jsonl", limit=3))
    server = served(servers, tmp_path, "rows.jsonl", "--tools", str(HOME / "tools.py"))
    first = browser.open(server.url)
    second = browser.tab(first.context, server.url)
    second.keyboard.press("e")
    second.fill("#turn-0 textarea.says", "the second window's words")
    first.bring_to_front()
    correct(first, 1, "the first window's words")
    second.bring_to_front()
    second.keyboard.press("Control+Enter")
    second.wait_for_function("() => document.getElementById('said').textContent.includes('another window')")
    assert second.input_value("#turn-0 textarea.says") == "the second window's words"
    decided(second, 1)
    second.wait_for_timeout(200)
    second.click("#save")
    second.wait_for_function("() => document.getElementById('said').textContent.startsWith('Row 1 corrected')")
    server.stop()
    assert next(iter(conversations(tmp_path / "rows.reviewed.jsonl"))).messages[0].text == "the second window's words"
    assert "the first window's words" in (tmp_path / ".rows.reviewed.jsonl.journal").read_text()
