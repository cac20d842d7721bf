"""A Markdown document -> its blocks of code with the marks above them, and the commands that they hold.

A command of a document is run by tests/docs, or marked directly above its block with the reason why it is not:

    <!-- not run: needs a GPU -->
    <!-- run by (callwright eval gpt-x) tests/cli/test_bench.py -->
    <!-- not run (callwright run | pip): why -->                    only the commands that begin so
    <!-- file: my_tools.py -->                                       the block is that file of the reader's
    <!-- prints something else: figures of another machine -->       it is run, what it prints is not compared

Comments are not seen in rendered Markdown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

SHELL = ("sh", "console")
KNOWN = ("sh", "console", "python", "yaml", "json", "csv", "text", "markdown")
"""What a block may be; one that is indented is shell."""

_MARK = re.compile(
    r"<!-- (?P<kind>not run|run by|file|prints something else)(?: \((?P<about>[^)]+)\))?:? (?P<why>.+) -->"
)
_INLINE = re.compile(r"`((?:callwright|python|pytest|make|pip install) [^`]+)`")


@dataclass(frozen=True)
class Mark:
    """kind: as above. about: what its commands begin with; without any the whole block is meant."""

    kind: str
    why: str
    about: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Block:
    document: str
    line: int
    language: str
    text: str
    marks: tuple[Mark, ...]

    @property
    def where(self) -> str:
        return f"{self.document}:{self.line}"

    def mark(self, *kinds: str, of: str = "") -> Mark | None:
        """The mark of such a kind that stands above the block, for it or for a command of it."""
        return next((m for m in self.marks if m.kind in kinds and of.startswith(m.about)), None)


@dataclass
class Command:
    """text: one line, as typed. printed: what the document shows below it, in a console."""

    where: str
    text: str
    block: Block
    printed: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def not_run(self) -> Mark | None:
        return self.block.mark("not run", "run by", of=self.text)


def blocks(path: Path) -> list[Block]:
    """All blocks of code, in order, fenced and indented."""
    return list(_blocks(path.name, path.read_text(encoding="utf-8").splitlines()))


def _blocks(document: str, lines: Sequence[str]) -> Iterator[Block]:
    marks: list[Mark] = []
    at, before = 0, ""
    while at < len(lines):
        line, begin = lines[at], at
        at += 1
        if found := _MARK.fullmatch(line):
            marks.append(Mark(found["kind"], found["why"], tuple((found["about"] or "").split(" | "))))
            continue
        if line.startswith("```"):
            while lines[at] != "```":
                at += 1
            yield Block(document, begin + 1, line[3:], "\n".join(lines[begin + 1 : at]), tuple(marks))
            at += 1
        elif line.startswith("    ") and not before.strip():
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            text = "\n".join(each[4:] for each in lines[begin:at])
            yield Block(document, begin, "sh", text.rstrip(), tuple(marks))
        elif not line.strip():
            before = line
            continue
        elif "<!--" in line and "Generated" not in line:
            raise AssertionError(f"{document}:{begin + 1}: a comment that says nothing to the tests: {line}")
        before, marks = lines[at - 1], []


def commands(block: Block) -> list[Command]:
    """The commands of a block of shell: each line, joined where it goes on, cut at &&, without its comment."""
    found: list[Command] = []
    if block.language == "console":
        lines = [
            (n, line[2:] if line.startswith("$ ") else line, line.startswith("$ ")) for n, line in _numbered(block)
        ]
    else:
        lines = [(n, line, True) for n, line in _joined(block)]
    for number, line, typed in lines:
        if not typed:
            found[-1].printed.append(line)
            continue
        for part in re.split(r"\s&&\s", _without_comment(line)):
            if part.strip():
                found.append(Command(f"{block.document}:{number}", part.strip(), block))
    return found


def _numbered(block: Block) -> Iterator[tuple[int, str]]:
    yield from enumerate(block.text.splitlines(), block.line + 1)


def _joined(block: Block) -> Iterator[tuple[int, str]]:
    begun, text = 0, ""
    for number, line in _numbered(block):
        begun, text = begun or number, text + line
        if text.endswith("\\"):
            text = text[:-1] + " "
            continue
        yield begun, text
        begun, text = 0, ""


def _without_comment(line: str) -> str:
    quoted = ""
    for at, mark in enumerate(line):
        if mark == quoted:
            quoted = ""
        elif not quoted and mark in "'\"":
            quoted = mark
        elif not quoted and mark == "#" and (at == 0 or line[at - 1].isspace()):
            return line[:at]
    return line


def mentioned(path: Path) -> list[tuple[str, str]]:
    """Commands between backticks in the text: (place, command). They are not run, but must exist."""
    text = re.sub(r"^```.*?^```", lambda fence: "\n" * fence[0].count("\n"), path.read_text("utf-8"), flags=re.M | re.S)
    places = ((found.start(), " ".join(found[1].split())) for found in _INLINE.finditer(text))
    return [(f"{path.name}:{text.count(chr(10), 0, at) + 1}", command) for at, command in places]
