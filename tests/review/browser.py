"""A review server and a Chromium, each a process of its own that a test can kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 90.0
"""Seconds until a test gives up on a process that should have started; nothing is timed by it."""


def chromium() -> str:
    """The browser's path: CALLWRIGHT_CHROMIUM, or one on PATH. Skips where there is none."""
    named = os.environ.get("CALLWRIGHT_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: install one, or set CALLWRIGHT_CHROMIUM to its path")
    return found


def until(there: Callable[[], Any], what: str) -> Any:
    """The first true answer of `there`."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if answer := there():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} within {PATIENCE:.0f} s")


@dataclass
class Server:
    """`callwright data review` as a user starts it, on a port that stays the same when it is started again."""

    words: list[str]
    folder: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        words = ["data", "review", *self.words, "--no-browser", "--json", "--port", str(self.port)]
        command = [sys.executable, "-c", "from callwright.cli import main; main()", *words]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "the page is" in line, line + self.process.stderr.read()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """Without any chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> Any:
        """As Ctrl-C does; gives the JSON that was printed."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        printed, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, errors
        return json.loads(printed)


@dataclass
class Chromium:
    """A headless browser with a profile that outlives it; `playwright` drives it from outside. ready: what a page shows
    when it has begun."""

    playwright: Any
    profile: Path
    ready: str = "#turns article"
    process: subprocess.Popen[bytes] | None = None
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str) -> Any:
        """A page, with what goes wrong in it collected in `complaints`."""
        port = self.profile / "DevToolsActivePort"
        port.unlink(missing_ok=True)
        switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        command = [chromium(), *switches, f"--user-data-dir={self.profile}", "about:blank"]
        # a group of its own: the browser is many processes, and a crash takes all of them
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        number = until(lambda: port.exists() and port.read_text().split()[:1], "Chromium did not start")[0]
        browser = self.playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{number}", timeout=PATIENCE * 1000)
        return self.tab(browser.contexts[0], url)

    def tab(self, context: Any, url: str) -> Any:
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._note(request.url, url))
        page.goto(url)
        page.wait_for_selector(self.ready, state="attached")
        return page

    def _note(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "about:")):
            self.complaints.append(f"asked {asked}")

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
