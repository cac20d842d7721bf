"""A run -> the README.md of its repository: what the hub reads of it, how to serve it, and how it scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Told:
    """What the hub shows of a model. base: its name there, or what it is called here. datasets: names on the hub.
    scores: by metric, 0 to 1."""

    title: str
    base: str
    adapter: bool
    datasets: Sequence[str] = ()
    licence: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


def model_card(told: Told, parts: Sequence[str]) -> str:
    """Markdown with the facts before it. parts: paragraphs, in order."""
    adapter, title = told.adapter, told.title
    facts: dict[str, Any] = {"library_name": "peft" if adapter else "transformers", "pipeline_tag": "text-generation"}
    facts["tags"] = ["callwright", "function-calling", "tool-use"] + (["lora"] if adapter else [])
    if "/" in told.base and not Path(told.base).exists():
        facts["base_model"] = told.base
        facts["base_model_relation"] = "adapter" if adapter else "finetune"
    if told.licence:
        facts["license"] = told.licence
    if told.datasets:
        facts["datasets"] = list(told.datasets)
    if told.scores:
        metrics = [{"type": name, "value": round(value, 4)} for name, value in told.scores.items()]
        task = {"type": "text-generation", "name": "function calling"}
        dataset = {"type": "held-out", "name": "held-out rows"}
        facts["model-index"] = [{"name": title, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]
    front = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
    return "\n\n".join([f"---\n{front}---", f"# {title}", *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def is_own(readme: str) -> bool:
    """Whether a README has facts for the hub already, and is no form that PEFT left to be filled in."""
    return readme.startswith("---\n") and not is_form(readme)


def is_form(readme: str) -> bool:
    """Whether it is what PEFT writes beside every adapter, which names the base by its place on this machine."""
    return "[More Information Needed]" in readme
