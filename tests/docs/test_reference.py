"""docs/cli.md and docs/api.md are what the help and the docstrings say now."""

from __future__ import annotations

import importlib.util

from documents import ROOT


def test_the_reference_is_generated_anew_after_a_change() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec and spec.loader
    make_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_reference)
    for path, text in make_reference.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is of another state; run: make docs"
