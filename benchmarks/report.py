"""A report of many rows: how long it takes to write, how large it is, and how long a browser takes to open it.

    python benchmarks/report.py [--rows N] [--rounds N] [--keep FOLDER]

The rows are real ones with the replies of benchmarks/scoring.py, of two seeds as base and tuned. The page is opened in
headless Chromium (extra `browser`; CALLWRIGHT_CHROMIUM names one that is not on PATH): seconds from asking for it until
it has listed its first misses, each round in a page of its own, the browser already running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from callwright.pipeline.folder import write_json
from callwright.report.run import write_run_report
from callwright.score.run import build_report, failures_of, write_report
from common import data_folder, write_result
from scoring import replies, score_all


def fill(folder: Path, rows: int) -> None:
    """A run's folder with two scored runs and no training."""
    write_json(folder / "recipe.json", {"model": "none", "eval": {"base": True}})
    for name, seed in (("base", 1), ("tuned", 2)):
        scores = score_all(list(replies(rows, data_folder(), seed)))
        write_report(folder / name, build_report(name, scores), failures_of(scores))


def opened(page: Path, rounds: int) -> dict[str, Any]:
    """Seconds until the page lists misses, and how many there are; says so where there is no browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {"browser": "skipped: pip install 'callwright[browser]'"}
    found = os.environ.get("CALLWRIGHT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        return {"browser": "skipped: no Chromium"}
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=180_000)
        for _ in range(rounds):
            tab = browser.new_page()
            start = time.perf_counter()
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("#list > details")
            seconds.append(time.perf_counter() - start)
            told = tab.locator("#shown").inner_text()
            tab.close()
        browser.close()
    return {
        "seconds_to_open": round(median(seconds), 2),
        "seconds_each": [round(one, 2) for one in seconds],
        "shows": told,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", help="leave the run's folder here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(options.keep or made)
        folder.mkdir(parents=True, exist_ok=True)
        fill(folder, options.rows)
        start = time.perf_counter()
        page = write_run_report(folder)
        result = {
            "rows": options.rows,
            "megabytes": round(page.stat().st_size / 1e6, 2),
            "seconds_to_write": round(time.perf_counter() - start, 2),
            **opened(page, options.rounds),
        }
        write_result("report", result)


if __name__ == "__main__":
    main()
