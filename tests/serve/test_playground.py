"""The playground in a real browser: a call, a stream that is stopped, a refusal, an error, with keys alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from browser import Chromium, chromium

from callwright.generate.fake import FakeSteps
from callwright.score.calibration import Calibration
from callwright.serve.desk import Settings
from serve.serving import running, served

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern", "unit": "celsius"}}\n</tool_call>'
SURE = Calibration(bias=3.0, name=1.0, arguments=1.0, least=1.0, act=0.9, confirm=0.5)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    chromium()
    driver = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' is not installed")
    with driver.sync_playwright() as playwright:
        made = Chromium(playwright, tmp_path / "profile", ready="#model option")
        yield made
        made.kill()
    assert made.complaints == []


def ask(page: Any, text: str) -> None:
    page.locator("#request").fill(text)
    page.keyboard.press("Enter")
    page.wait_for_selector("#turns[aria-busy=false]")


def last(page: Any) -> Any:
    return page.locator("#turns > li").last


def test_a_call_is_a_form_and_its_result_goes_back(browser: Chromium) -> None:
    with running([served([CALL, "It is 12 degrees."], calibration=SURE)]) as address:
        page = browser.open(address + "/")
        ask(page, "Weather in Bern?")
        call = last(page).locator(".call")
        assert call.locator("code").inner_text() == "get_weather"
        assert [field.input_value() for field in call.locator(".field input").all()] == ["Bern", "celsius"]
        assert re.fullmatch(r"\d+% act", call.locator(".chance").inner_text())
        assert "tokens" in last(page).locator("summary").inner_text()
        last(page).locator("summary").click()
        kinds = {kind for kind in ("forced", "chosen") if last(page).locator(f".strip .token.{kind}").count()}
        assert kinds == {"forced", "chosen"}
        call.locator(".result input").fill("12 degrees, rain")
        page.keyboard.press("Enter")
        page.wait_for_selector("#turns[aria-busy=false] > li:nth-child(4)")
        assert "It is 12 degrees." in last(page).inner_text()


def test_words_that_look_like_markup_stay_words(browser: Chromium) -> None:
    with running([served(['<img src=x onerror="document.title=1"> & <b>bold</b>'])]) as address:
        page = browser.open(address + "/")
        ask(page, "<script>document.title = 2</script>")
        assert "<b>bold</b>" in last(page).inner_text()
        assert page.locator("#turns img, #turns b, #turns script").count() == 0
        assert page.title() == "Playground"


class Slow(FakeSteps):
    """Takes its time."""

    def forward(self, feeds: Sequence[Any]) -> list[Any]:
        import time

        time.sleep(0.05)
        return super().forward(feeds)


def test_a_stream_can_be_stopped_and_the_next_is_answered(browser: Chromium) -> None:
    model = served(["word " * 400])
    model.engine.steps = Slow(model.tokenizer, ["word " * 400, "Done."], 49_152)
    with running([model]) as address:
        page = browser.open(address + "/")
        page.locator("#preset").select_option("none")
        page.locator("#request").fill("Talk.")
        page.keyboard.press("Enter")
        page.wait_for_selector("#turns > li:last-child .says:has-text('word word word')")
        page.keyboard.press("Escape")
        page.wait_for_selector("#turns > li:last-child:has-text('stopped')")
        ask(page, "And now?")
        assert "Done." in last(page).inner_text()


def test_what_the_server_refuses_is_said(browser: Chromium) -> None:
    with running([served([CALL])], Settings(keys=["secret"])) as address:
        browser.ready = "#trouble:not([hidden])"
        page = browser.open(address + "/")
        assert "API key" in page.locator("#trouble").inner_text()
        page.locator("#key").fill("secret")
        page.locator("#key").press("Tab")
        page.wait_for_selector("#model option", state="attached")
        page.locator("#tools").fill('[{"name": "f", "parameters": {"$ref": "#"}}]')
        ask(page, "Go.")
        assert page.locator("#trouble").inner_text()
        page.locator("#tools").fill("[{")
        assert "not a list of tools" in page.locator("#tools-wrong").inner_text()
        assert page.locator("#preset").input_value() == "your own"


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_phone_and_a_desk(browser: Chromium, width: int) -> None:
    with running([served([CALL])]) as address:
        page = browser.open(address + "/")
        page.set_viewport_size({"width": width, "height": 740})
        ask(page, "Weather in Bern?")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        assert page.locator("#request").is_visible()
        # every control has a name
        unnamed = page.evaluate(
            """[...document.querySelectorAll('button, input, select, textarea')].filter(e => e.offsetParent
            && !e.labels?.length && !e.textContent.trim() && !e.getAttribute('aria-label')).map(e => e.outerHTML)"""
        )
        assert unnamed == []
