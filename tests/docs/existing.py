"""A command -> what of it does not exist: a verb, an option, a file, an extra, a target. Nothing is run."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import typer.main
from documents import ROOT

from callwright.cli.app import app

_OUR_FILES = re.compile(r"(?:benchmarks|tests|recipes|examples|docs|src)/[\w./-]+")


def faults(command: str) -> list[str]:
    """What a document says and the package has not."""
    words = shlex.split(command.replace("[=", "="))
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    if "-m" in words and words[words.index("-m") + 1 :][:1] == ["callwright"]:
        words = words[words.index("-m") + 1 :]
    found = [f"there is no {path}" for path in _files(words) if not (ROOT / path).exists()]
    if words[0] == "callwright":
        found += _verb(words[1:])
    elif words[0] == "python" and len(words) > 1 and words[1].endswith(".py") and (ROOT / words[1]).is_file():
        text = (ROOT / words[1]).read_text(encoding="utf-8")
        found += [
            f"{words[1]} has no {o}" for o in words[2:] if o.startswith("--") and f'"{o.split("=")[0]}"' not in text
        ]
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
        found += [f"make has no {word}" for word in words[1:] if "=" not in word and word not in targets]
    elif words[:2] == ["pip", "install"]:
        found += _pip(command)
    return found


def _files(words: Sequence[str]) -> Iterator[str]:
    """Files of this repository that the words name; places with capital letters are the reader's to fill."""
    for word in words:
        for path in _OUR_FILES.findall(word):
            if path.endswith((".py", ".yaml", ".json", ".sbatch", ".md")) and not re.search(r"[A-Z]{3,}", path):
                yield path


def _verb(words: Sequence[str]) -> Iterator[str]:
    place = _program()
    said, rest = ["callwright"], list(words)
    while hasattr(place, "commands") and rest and not rest[0].startswith("-"):
        word = rest.pop(0)
        if word in ("...", "|") or word.isupper():
            return
        if word not in place.commands:
            yield f"{' '.join(said)} has no {word}"
            return
        said.append(word)
        place = place.commands[word]
    known = {option for parameter in place.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word == "|":
            return
        if word.startswith("--") and word.split("=")[0] not in {*known, "--help"}:
            yield f"{' '.join(said)} has no {word}"


def _pip(command: str) -> Iterator[str]:
    for extras in re.findall(r"(?:callwright|\.)\[([\w,]+)\]", command):
        for extra in extras.split(","):
            if extra not in _project()["optional-dependencies"]:
                yield f"there is no extra {extra}"
    for pin in re.findall(r"[\w-]+==[\w.]+", command):
        if pin not in _pins():
            yield f"{pin} is not what this repository installs"


@cache
def _program() -> Any:
    return typer.main.get_command(app)


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@cache
def _pins() -> str:
    return "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "constraints.txt"))
