"""The report in a real browser: tables sorted, misses filtered, opened and found from the matrix, without a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Chromium, chromium

from callwright.report.run import write_run_report
from callwright.types import ToolCall
from report.scored_folders import evaluated, scored, timer, written

HOSTILE = '<img src=x onerror="document.title=1"> & <b>bold</b>'
COUNTS = {
    "by_mode": {"wrong_value": {"n": 60, "rows": 60}, "spurious_call": {"n": 1, "rows": 1}},
    "confusion": {
        "set_timer": {"set_timer": 60, "now": 1, "ghost": 1},
        "(no call)": {"set_timer": 1},
        "now": {"now": 1},
    },
}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A report of 64 rows, 63 of them misses, in a tab; nothing may go wrong in it."""
    chromium()
    driver = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' is not installed")
    rows = [scored(f"r{n}", f"a timer for {n} minutes", timer(n), written(timer(n + 100))) for n in range(60)]
    rows.append(scored("swapped", "count down from nine", timer(9), written(ToolCall("now", {}))))
    rows.append(scored("spurious", HOSTILE, None, written(timer(7, HOSTILE))))
    rows.append(scored("right", "what time is it", ToolCall("now", {}), written(ToolCall("now", {}))))
    rows.append(scored("ghost", "call up the ghost, please", timer(3), written(ToolCall("ghost", {}))))
    evaluated(tmp_path / "scored", rows, counts=COUNTS)
    file = write_run_report(tmp_path / "scored")
    with driver.sync_playwright() as playwright:
        made = Chromium(playwright, tmp_path / "profile", ready="#list details")
        opened = made.open(file.as_uri())
        opened.on("console", lambda message: made.complaints.append(message.text))
        # what the policy refuses is told while a page loads
        opened.reload()
        opened.wait_for_selector(made.ready)
        yield opened
        made.kill()
    assert made.complaints == []


def shown(page: Any) -> str:
    return str(page.locator("#shown").inner_text())


def first(page: Any) -> str:
    return str(page.locator("#list details .ask").first.inner_text())


def column(page: Any, section: str, place: int) -> list[str]:
    return [
        str(cell.inner_text()) for cell in page.locator(f"section:has(#{section}) tbody tr > :nth-child({place})").all()
    ]


def test_tables_are_sorted_by_mouse_and_keys(page: Any) -> None:
    heads = page.locator("section:has(#tools) thead th")
    assert column(page, "tools", 1) == ["ghost", "now", "set_timer"]
    heads.nth(1).locator("button").click()
    assert column(page, "tools", 2) == ["62", "1", "0"], "numbers begin with the greatest"
    assert [head.get_attribute("aria-sort") for head in heads.all()] == ["none", "descending", "none", "none"]
    page.keyboard.press("Enter")
    assert column(page, "tools", 2) == ["0", "1", "62"]
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    assert column(page, "tools", 1) == ["set_timer", "now", "ghost"]
    for first_tool in ("now", "set_timer"):
        heads.nth(2).locator("button").click()
        assert column(page, "tools", 1)[0] == first_tool
        assert column(page, "tools", 3)[-1] == "–", "what has no value goes last, whichever way"


def test_misses_are_filtered_and_ordered(page: Any) -> None:
    assert shown(page) == "63 of 63 rows, the first 50 shown"
    page.locator("#more").click()
    assert (shown(page), page.locator("#list details").count()) == ("63 of 63 rows", 63)
    page.locator("#words").fill("TIMER 17")
    assert (shown(page), first(page)) == ("1 of 63 rows", "a timer for 17 minutes")
    page.locator("#words").fill("")
    page.locator("#tool").select_option("now")
    assert (shown(page), first(page)) == ("1 of 63 rows", "count down from nine")
    page.locator("#words").fill("minutes")
    assert shown(page) == "0 of 63 rows"
    page.locator("#words").fill("")
    page.locator("#tool").select_option("")
    page.locator("#order").select_option("long")
    assert first(page) == HOSTILE
    page.locator("#order").select_option("short")
    assert first(page) == "count down from nine"


def test_a_miss_shows_what_was_due_and_what_came(page: Any) -> None:
    page.locator("#words").fill("timer 17")
    page.locator("#list summary").first.focus()
    page.keyboard.press("Enter")
    body = page.locator("#list details[open] .body")
    assert "set_timer" in body.locator("caption").inner_text()
    cells = [cell.inner_text() for cell in body.locator("tbody tr").first.locator("th, td").all()]
    assert cells == ["minutes", "17", "117"]
    assert body.locator("mark").all_inner_texts() == ["1"], "only what differs is marked"
    assert body.locator(".t-argument").all_inner_texts() == ["argument", "117", '"egg"']
    assert body.locator(".raw .t-name").inner_text() == "set_timer"


def test_words_that_look_like_markup_stay_words(page: Any) -> None:
    page.locator("#words").fill("bold")
    page.locator("#list summary").first.click()
    assert first(page) == HOSTILE
    assert HOSTILE.replace('"', '\\"') in page.locator("#list .body .raw").inner_text()
    assert page.locator("#list img, #list b:not([class]):has-text('bold')").count() == 0
    assert "tuned" in page.title()


def test_a_cell_of_the_matrix_lists_its_rows(page: Any) -> None:
    page.locator("button[data-due='set_timer'][data-called='now']").click()
    assert (shown(page), first(page)) == ("1 of 63 rows", "count down from nine")
    picked = page.locator("#picked")
    assert "set_timer due, now called" in picked.inner_text()
    page.keyboard.press("Enter")
    assert shown(page).startswith("63 of 63") and picked.is_hidden()
    page.locator("button[data-due='(no call)']").click()
    assert (shown(page), first(page)) == ("1 of 63 rows", HOSTILE)


def test_it_fits_a_phone_and_prints(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.emulate_media(media="print")
    assert page.locator(".filters").is_hidden() and page.locator("nav").is_hidden()
    assert page.locator("#metrics").is_visible()
