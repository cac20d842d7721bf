"""What holds for every file: short enough to read, and free of what a release must not carry."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import callwright

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for name in ("src", "tests", "benchmarks", "examples") for path in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_topic_of_readable_length(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "src")], ids=lambda p: p.stem)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


def test_nothing_runs_code_from_data_or_models() -> None:
    """Pitfalls: no eval of model text, no code from a model repository, no pickle of tensors."""
    banned = re.compile(r"(?<![\w.])(eval|exec)\(|trust_remote_code=True|pickle\.load|weights_only=False|shell=True")
    for path in SOURCES:
        if path.is_relative_to(ROOT / "src"):
            assert banned.search(path.read_text(encoding="utf-8")) is None, path


def test_the_version_stands_in_one_release() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert stated == callwright.__version__
    assert f"## {stated}" in (ROOT / "CHANGELOG.md").read_text()
