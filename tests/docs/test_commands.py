"""Every command, block of Python and recipe of the documents is run or read, or says above it why not."""

from __future__ import annotations

import csv
import doctest
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving_here
import yaml
from documents import DOCUMENTS, KNOWN, ROOT, SHELL, Block, Command, blocks, commands, mentioned
from existing import faults
from readers_folder import DATA, WHOLE, as_typed, furnish, tiny_embedded, written

from callwright.recipe import make_recipe
from command_line import Cli, command_line

NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
RUN_HERE = ("callwright", "curl", "export", "tail")
"""Programs that a test may start; others install, train or listen, and are marked."""
NATIVE = {"docs/export.md"}
"""Documents whose commands load llama.cpp."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_commands_and_marks_are_of_things_that_there_are(path: Path) -> None:
    found = [(c.where, c.text) for block in blocks(path) if block.language in SHELL for c in commands(block)]
    wrong = [f"{where}: {fault}: {text}" for where, text in [*found, *mentioned(path)] for fault in faults(text)]
    for block in blocks(path):
        assert block.language in KNOWN, f"{block.where}: say which language it is: {', '.join(KNOWN)}"
        texts = [command.text for command in commands(block)] if block.language in SHELL else []
        for mark in block.marks:
            if mark.kind == "run by":
                wrong += [f"{block.where}: there is no {mark.why}"] if not (ROOT / mark.why).is_file() else []
            about = [] if mark.about == ("",) else mark.about
            idle = [begin for begin in about if not any(text.startswith(begin) for text in texts)]
            wrong += [f"{block.where}: no command begins with {begin}" for begin in idle]
        for command in commands(block) if block.language in SHELL else ():
            if command.not_run is None and command.words[0] not in RUN_HERE:
                wrong.append(f"{command.where}: say above the block why this is not run: {command.text}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, embedded: str) -> Iterator[Path]:
    """The reader's folder, made once."""
    folder = tmp_path_factory.mktemp("reader") / "work"
    folder.mkdir()
    cache = tmp_path_factory.mktemp("cache")
    tiny_embedded(embedded, cache / "smollm2-135m-v1")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CALLWRIGHT_CACHE", str(cache))
        patch.setenv("CALLWRIGHT_KERNELS", "0")
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        furnish(folder, _uncaptured(patch))
        yield folder


def _uncaptured(patch: pytest.MonkeyPatch) -> Cli:
    """A fixture of a module has no capsys: what is printed is not looked at."""

    class Nothing:
        def readouterr(self) -> Any:
            return type("Printed", (), {"out": "", "err": "see above"})

    return command_line(patch, Nothing())  # type: ignore[arg-type]


class Reader:
    """Goes through one document, block by block, in one folder."""

    def __init__(self, folder: Path, callwright: Cli) -> None:
        self.folder, self.callwright = folder, callwright
        self.of_data = False
        self.names: dict[str, Any] = {"__name__": "document"}
        self.servers = serving_here.Servers()

    def follow(self, block: Block) -> None:
        if file := block.mark("file"):
            target = self.folder / file.why
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text + "\n", encoding="utf-8")
        if block.language in SHELL:
            for command in commands(block):
                if command.not_run is None:
                    self.run(command)
        elif block.language == "python" and not file and not block.mark("not run", "run by"):
            self.python(block)
        elif block.language == "yaml" and (not file or "recipe" in file.why):
            _read_recipe(block)
        elif block.language == "json":
            _read_json(block)
        elif block.language == "csv":
            assert len({len(row) for row in csv.reader(io.StringIO(block.text))}) == 1, block.where

    def run(self, command: Command) -> None:
        if not DATA.is_dir() and any("../shared/data" in said for said in (command.text, *self._recipes(command))):
            return
        text = as_typed(command.text, self.servers.ports)
        words = shlex.split(text)
        for old in written(words, self.folder):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        assert words[0] in RUN_HERE, command.where
        if words[0] == "callwright" and not set(words) & {"|", ">", "<"}:
            code, out, errors = self.callwright(*words[1:], stdin="hall lights on\n")
        elif words[0] == "export":
            self.names["environment"] = dict(word.split("=", 1) for word in words[1:])
            return
        else:
            done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=60, check=False)
            code, out, errors = done.returncode, done.stdout, done.stderr
        # a verb that has found something exits with 1, and the document shows what it printed
        assert code == 0 or (code == 1 and command.printed), f"{command.where}: {command.text}\n{code}: {errors}{out}"
        compared = command.printed and not command.block.mark("prints something else", of=command.text)
        if compared and (WHOLE or not self.of_data):
            expected = _pattern(command.printed)
            shown = any(re.fullmatch(expected, _flat(text)) for text in (errors + out, out + errors))
            assert shown, f"{command.where}: {command.text} printed\n{errors}{out}"
        if self.servers.last:
            urllib.request.urlopen(self.servers.last.pop(), timeout=10).close()

    def _recipes(self, command: Command) -> list[str]:
        places = [self.folder / word for word in command.words if word.endswith(".yaml")]
        return [place.read_text(encoding="utf-8") for place in places if place.is_file()]

    def python(self, block: Block) -> None:
        text = as_typed(block.text, self.servers.ports)
        if text.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(text, self.names, block.where, block.document, block.line)
            failed = io.StringIO()
            assert not doctest.DocTestRunner().run(test, out=failed.write, clear_globs=False).failed, failed.getvalue()
            return
        exec(compile("\n" * block.line + text, block.document, "exec"), self.names)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _pattern(lines: list[str]) -> str:
    """Lines of a document, of which '...' stands for any others; how they are broken does not matter."""
    parts = re.split(r"^\.\.\.$|\s\.\.\.$", "\n".join(lines).strip(), flags=re.M)
    return r".*".join(re.escape(_flat(part)).replace(r"\ ", r"\s*") for part in parts).replace(".*", r"\s*.*\s*")


def _read_recipe(block: Block) -> None:
    """A recipe, or some keys of one."""
    given = yaml.safe_load(block.text)
    whole: dict[str, Any] = {"output": "runs/x"}
    if not {"data", "dpo", "synth"} & set(given):
        whole["data"] = {"train": "train.jsonl"}
    if "synth" in given:
        whole["tools"] = {"source": "my_tools.py"}
    make_recipe(whole | given, block.where)


def _read_json(block: Block) -> None:
    try:
        json.loads(block.text)
    except json.JSONDecodeError:
        for line in block.text.splitlines():
            json.loads(line)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name, marks=[pytest.mark.native] if name in NATIVE else [])
        for path, name in zip(DOCUMENTS, NAMES, strict=True)
    ],
)
def test_a_reader_who_follows_it_gets_what_it_says(
    path: Path,
    furnished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "work"
    shutil.copytree(furnished, folder, symlinks=True)
    (tmp_path / "shared").symlink_to(furnished.parent / "shared")
    monkeypatch.chdir(folder)
    reader = Reader(folder, command_line(monkeypatch, capsys))
    reader.of_data = path.name == "mixing.md"
    with reader.servers.instead(monkeypatch):
        for block in blocks(path):
            reader.follow(block)
