"""A phrasebook (YAML) -> its templates, pools and questions, checked against the tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from callwright.errors import ToolError, did_you_mean
from callwright.synth.fill import BUILT_IN, Said
from callwright.synth.request import Around
from callwright.types import JsonObject, Tool

SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One way to ask: `say` with {parameter} slots, and arguments that the wording itself fixes."""

    say: str
    fixed: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phrases:
    """All ways to ask for one tool. `missing` pairs a request that lacks a value with the question it gets.

    `several` names parameters whose values people list in one breath, for one call each: "bread and milk".
    """

    templates: tuple[Template, ...]
    slots: Mapping[str, tuple[str, ...]]
    missing: tuple[tuple[str, str], ...] = ()
    several: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """Tool name -> Phrases; pools of values; what needs no call, with the answer; words around a request."""

    tools: Mapping[str, Phrases]
    pools: Mapping[str, tuple[Said, ...]]
    no_call: tuple[tuple[str, str], ...] = ()
    around: Around = field(default_factory=Around)


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
    around = Around(**{key: tuple(raw[key]) for key in ("openers", "tails", "joints") if key in raw})
    for say, _ in no_call:
        _check_slots(say, pools, f"{path}: no_call")
    return Phrasebook(phrases, pools, no_call, around)


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
    known = {**pools, **slots}
    templates = tuple(_template(entry, known, parameters, where) for entry in content.get("templates") or ())
    if not templates:
        raise ToolError(f"{where}: has no templates")
    missing = tuple((say, ask) for ask, requests in (content.get("missing") or {}).items() for say in requests)
    for say, _ in missing:
        _check_slots(say, known, f"{where}.missing")
    several = content.get("several") or ()
    several = (several,) if isinstance(several, str) else tuple(several)
    for name in several:
        if name not in slots:
            raise ToolError(f"{where}.several: no slot '{name}'{did_you_mean(name, slots)}")
    return Phrases(templates, slots, missing, several)


def _template(entry: Any, slots: Mapping[str, Any], parameters: Mapping[str, Any], where: str) -> Template:
    say, fixed = (entry, {}) if isinstance(entry, str) else (entry["say"], entry["set"])
    for name in fixed:
        if name not in parameters:
            raise ToolError(f"{where}.templates: no parameter '{name}'{did_you_mean(name, parameters)}")
    _check_slots(say, slots, f"{where}.templates")
    return Template(say, fixed)


def _check_slots(say: str, known: Mapping[str, Any], where: str) -> None:
    for name in SLOT.findall(say):
        if name not in known:
            raise ToolError(f"{where}: '{say}': no slot '{name}'{did_you_mean(name, known)}")


def _said(entry: Any) -> Said:
    return (str(entry[0]), entry[1]) if isinstance(entry, list) else (str(entry), str(entry))
