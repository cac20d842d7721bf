"""A phrasebook (YAML) -> requests in many words, each with the arguments that it means."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from callwright.errors import ToolError, did_you_mean
from callwright.synth.fill import BUILT_IN, Said
from callwright.types import JsonObject, Tool

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One way to ask: `say` with {parameter} slots, and arguments that the wording itself fixes."""

    say: str
    fixed: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phrases:
    """All ways to ask for one tool. `missing` pairs a request that lacks a value with the question it gets."""

    templates: tuple[Template, ...]
    slots: Mapping[str, tuple[str, ...]]
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """Tool name -> Phrases; pools of values; what needs no call, with the answer; words around a request."""

    tools: Mapping[str, Phrases]
    pools: Mapping[str, tuple[Said, ...]]
    no_call: tuple[tuple[str, str], ...] = ()
    openers: tuple[str, ...] = ("",)
    tails: tuple[str, ...] = ("",)
    joints: tuple[str, ...] = (" and ", ", then ", ". also ")


def load_phrasebook(path: str | Path, tools: Sequence[Tool]) -> Phrasebook:
    """Reads a phrasebook and checks it against the tools.

    Raises ToolError naming the file, the key, and the nearest name for an unknown tool, parameter or pool.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ToolError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("tools"), dict):
        raise ToolError(f"{path}: a phrasebook is a mapping with the keys 'tools' and 'pools'")
    pools = {name: tuple(map(_said, entries)) for name, entries in (raw.get("pools") or {}).items()}
    by_name = {tool.name: tool for tool in tools}
    phrases = {}
    for name, content in raw["tools"].items():
        if name not in by_name:
            raise ToolError(f"{path}: tools.{name}: no such tool{did_you_mean(name, by_name)}")
        phrases[name] = _phrases(content, by_name[name], pools, f"{path}: tools.{name}")
    absent = [name for name in by_name if name not in phrases]
    if absent:
        raise ToolError(f"{path}: has no phrases for {', '.join(absent)}")
    no_call = tuple((say, answer) for answer, requests in (raw.get("no_call") or {}).items() for say in requests)
    around = {key: tuple(raw[key]) for key in ("openers", "tails", "joints") if key in raw}
    book = Phrasebook(phrases, pools, no_call, **around)
    for say, _ in no_call:
        _check_slots(say, pools, f"{path}: no_call")
    return book


def _phrases(content: Any, tool: Tool, pools: Mapping[str, tuple[Said, ...]], where: str) -> Phrases:
    parameters = tool.parameters.get("properties") or {}
    slots = {}
    for name, source in (content.get("slots") or {}).items():
        if name not in parameters:
            raise ToolError(f"{where}.slots: no parameter '{name}'{did_you_mean(name, parameters)}")
        names = (source,) if isinstance(source, str) else tuple(source)
        for pool in names:
            if pool not in pools and pool not in BUILT_IN:
                raise ToolError(f"{where}.slots.{name}: no pool '{pool}'{did_you_mean(pool, [*pools, *BUILT_IN])}")
        slots[name] = names
    templates = tuple(
        _template(entry, {**pools, **slots}, parameters, where) for entry in content.get("templates") or ()
    )
    if not templates:
        raise ToolError(f"{where}: has no templates")
    missing = tuple((say, ask) for ask, requests in (content.get("missing") or {}).items() for say in requests)
    for say, _ in missing:
        _check_slots(say, {**pools, **slots}, f"{where}.missing")
    return Phrases(templates, slots, missing)


def _template(entry: Any, slots: Mapping[str, Any], parameters: Mapping[str, Any], where: str) -> Template:
    say, fixed = (entry, {}) if isinstance(entry, str) else (entry["say"], entry["set"])
    for name in fixed:
        if name not in parameters:
            raise ToolError(f"{where}.templates: no parameter '{name}'{did_you_mean(name, parameters)}")
    _check_slots(say, slots, f"{where}.templates")
    return Template(say, fixed)


def _check_slots(say: str, known: Mapping[str, Any], where: str) -> None:
    for name in _SLOT.findall(say):
        if name not in known:
            raise ToolError(f"{where}: '{say}': no slot '{name}'{did_you_mean(name, known)}")


def _said(entry: Any) -> Said:
    return (str(entry[0]), entry[1]) if isinstance(entry, list) else (str(entry), str(entry))


@dataclass(frozen=True, slots=True)
class Request:
    """A request in pieces: plain text, and values (True) that must stay as they are."""

    pieces: tuple[tuple[str, bool], ...]
    arguments: JsonObject

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


def ask(phrases: Phrases, book: Phrasebook, rng: random.Random) -> Request:
    """One way to ask for a tool, with its arguments."""
    template = rng.choice(phrases.templates)
    # a slot that is no parameter is a pool: words that mean no argument
    said = {name: draw(phrases.slots.get(name, (name,)), book, rng) for name in _SLOT.findall(template.say)}
    pieces = _pieces(template.say, {name: surface for name, (surface, _) in said.items()})
    meant = {name: value for name, (_, value) in said.items() if name in phrases.slots}
    return Request(pieces, meant | template.fixed)


def fill(say: str, slots: Mapping[str, tuple[str, ...]], book: Phrasebook, rng: random.Random) -> Request:
    """A text whose slots are parameters or pools; it means no arguments."""
    names = set(_SLOT.findall(say))
    said = {name: draw(slots.get(name, (name,)), book, rng)[0] for name in sorted(names)}
    return Request(_pieces(say, said), {})


def draw(sources: Sequence[str], book: Phrasebook, rng: random.Random) -> Said:
    """A value from one of some pools; a pool's entry may name other pools."""
    source = rng.choice(list(sources))
    if source in BUILT_IN:
        return BUILT_IN[source](rng)
    surface, value = rng.choice(book.pools[source])
    while found := _SLOT.search(surface):
        inner, _ = draw((found[1],), book, rng)
        surface = surface[: found.start()] + inner + surface[found.end() :]
        value = surface
    return surface, value


def _pieces(say: str, said: Mapping[str, str]) -> tuple[tuple[str, bool], ...]:
    parts = _SLOT.split(say)
    return tuple((said[part], True) if i % 2 else (part, False) for i, part in enumerate(parts) if part)


def plain_book(tools: Sequence[Tool], samples: Mapping[str, Mapping[str, Sequence[Said]]]) -> Phrasebook:
    """A phrasebook from names and descriptions alone, for tools without one. `samples`: tool -> parameter -> values."""
    pools: dict[str, tuple[Said, ...]] = {}
    phrases = {}
    for tool in tools:
        required = list(tool.parameters.get("required") or ())
        slots = {name: (f"{tool.name}.{name}",) for name in samples[tool.name]}
        pools |= {f"{tool.name}.{name}": tuple(values) for name, values in samples[tool.name].items()}
        spoken = re.sub(r"(?<=[a-z])(?=[A-Z])|[_.\-]+", " ", tool.name).lower()
        short = tool.description.split(".")[0].strip().lower() or spoken
        values = ", ".join(f"{name.replace('_', ' ')} {{{name}}}" for name in required)
        tail = f" with {values}" if values else ""
        templates = [
            f"{spoken}{tail}",
            f"i want to {spoken}{tail}",
            f"{short}{tail}",
            f"{short}: {values}" if values else short,
        ]
        phrases[tool.name] = Phrases(tuple(map(Template, templates)), slots)
    return Phrasebook(phrases, pools, (("hello", "Hello! How can I help?"), ("thank you", "You're welcome.")),
                      ("", "", "please ", "can you "), ("", "", " please"))  # fmt: skip
