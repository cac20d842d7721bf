"""Several adapters of one base -> one adapter, by PEFT; several whole models -> one, by mergekit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from callwright.errors import MissingExtra, ModelError
from callwright.models.load import load_adapters
from callwright.models.quiet import quiet

Method = Literal["linear", "ties", "dare_linear", "dare_ties"]
"""linear: the weighted sum. ties (arXiv:2306.01708): the largest of each, where signs agree. dare (arXiv:2311.03099):
some drawn by chance, the others scaled up."""

# PEFT's 'linear' sums both halves of adapters apart, which is no sum of what they do; joining them is, at the sum of
# their ranks
_BY_PEFT = {"linear": "cat", "ties": "ties_svd", "dare_linear": "dare_linear_svd", "dare_ties": "dare_ties_svd"}
_NAME = "merged"


def merge_adapters(
    model: Any, adapters: Mapping[str, Path], weights: Sequence[float], method: Method, density: float, folder: Path
) -> None:
    """Writes one plain adapter of `model` into a folder: of the ranks' sum for linear, else of the largest rank.

    density: the share of values that ties and dare keep. Raises ModelError for what does not fit together.
    """
    wrapped = load_adapters(model, adapters)
    names = list(adapters)
    kind = _BY_PEFT[method]
    more = {} if kind == "cat" else {"density": density}
    try:
        with quiet():
            wrapped.add_weighted_adapter(names, list(weights), _NAME, combination_type=kind, **more)
            wrapped.save_pretrained(str(folder), selected_adapters=[_NAME], save_embedding_layers=False)
    except (ValueError, KeyError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{', '.join(map(str, adapters.values()))}: {str(error).splitlines()[0]}") from error
    inner = folder / _NAME
    for file in inner.iterdir():
        file.replace(folder / file.name)
    inner.rmdir()


def mergekit_plan(
    models: Sequence[str], weights: Sequence[float], method: Method, density: float, base: str | None
) -> dict[str, Any]:
    """What mergekit reads. base: what ties and dare take differences to; linear needs none. Raises ModelError."""
    if method != "linear" and base is None:
        raise ModelError(f"--method {method} compares whole models with their base; give --model")
    plan: dict[str, Any] = {
        "merge_method": method,
        "models": [
            {"model": name, "parameters": {"weight": weight} | ({} if method == "linear" else {"density": density})}
            for name, weight in zip(models, weights, strict=True)
        ],
        "dtype": "bfloat16",
        "tokenizer_source": models[0],
    }
    return plan if method == "linear" else plan | {"base_model": base}


def merge_models(plan: Mapping[str, Any], folder: Path, command: str = "mergekit-yaml") -> None:
    """Runs mergekit's command. Raises MissingExtra, ModelError."""
    if shutil.which(command) is None:
        raise MissingExtra("merge", "mergekit")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mergekit.yaml"
    file.write_text(yaml.safe_dump(dict(plan), sort_keys=False), encoding="utf-8")
    done = subprocess.run([command, str(file), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        last = ((done.stderr or done.stdout).strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"{command}: {last}")
