"""Greedy replies with guesses and forced tokens, and without: the same tokens, in how many passes?

    pip install -e '.[openvino]'
    python benchmarks/drafting.py --adapter runs/hwu64_16/adapter [--rows 250]      # about half an hour on two cores

Requests of hwu64's dev rows to its 16 tools, and of Seal-Tools' dev rows to their own, with the embedded model and the
adapter, under the tools' grammar: with guesses and forced tokens (`guessed`), with forced tokens alone (`forced`), and
with every token decided by a pass of its own (`plain`). The tokenizer splits forced text, and `plain` may split it in
another way ("user" "name" for "username"): their texts are compared, and their tokens counted.
A pass of another number of tokens rounds in another way, so near a tie the lower precisions may decide otherwise; in
float32 nothing is near enough.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from callwright.data import conversations
from callwright.export.gguf import write_gguf
from callwright.generate.constrain import Guard
from callwright.generate.engine import StepEngine
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.reply import Answer, Options, reply
from callwright.generate.torch_steps import TorchSteps
from callwright.pipeline.evaluate import open_subject
from callwright.types import Conversation
from common import data_folder, write_result
from generate import requests

OPTIONS = Options(constrain=True, max_new_tokens=128)


def answers(steps: Any, subject: Any, rows: Sequence[Conversation], drafted: int) -> list[Answer]:
    engine = StepEngine(steps, subject.tokenizer, subject.dialect.stops, drafted)
    asked = [replace(row, messages=row.messages[:-1]) for row in rows]
    return list(reply(asked, subject.dialect, subject.tokenizer, engine, OPTIONS))


def plain(steps: Any, subject: Any, rows: Sequence[Conversation]) -> list[Answer]:
    """No guesses, and no token written because it is forced: the mask leaves it alone."""
    before = Guard.forced
    Guard.forced = lambda self: []  # type: ignore[method-assign]
    try:
        return answers(steps, subject, rows, 0)
    finally:
        Guard.forced = before  # type: ignore[method-assign]


def same(some: Sequence[Answer], others: Sequence[Answer], what: str) -> list[bool]:
    return [getattr(one, what) == getattr(other, what) for one, other in zip(some, others, strict=True)]


def opener(engine: str, subject: Any, folder: Path) -> Callable[[], Any]:
    """Makes steps with room for one row."""
    if engine == "torch":
        return lambda: TorchSteps(subject.model, slots=1)
    if engine == "llama.cpp":
        write_gguf(subject.model, subject.tokenizer, folder / "merged.gguf", "f16")
        file = LlamaModel(folder / "merged.gguf")
        return lambda: LlamaSteps(file, slots=1)
    exact = engine.endswith("float32")
    compiled = OpenVinoModel(subject.model, "full", "float32") if exact else OpenVinoModel(subject.model)
    return lambda: OpenVinoSteps(compiled, slots=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="an adapter that recipes/hwu64_16.yaml trained")
    parser.add_argument("--rows", type=int, default=250, help="of each source")
    parser.add_argument("--engine", choices=("openvino", "openvino-float32", "llama.cpp", "torch"), default="openvino")
    options = parser.parse_args()
    subject = open_subject("smollm2-135m", Path(options.adapter), "auto")
    seal = [row for row in conversations(str(data_folder() / "dev/seal_tools.jsonl.gz"))][: options.rows]
    rows = [*requests(options.rows)[0], *seal]
    with tempfile.TemporaryDirectory() as folder:
        opened = opener(options.engine, subject, Path(folder))
        # one row at a time: what rows beside it do to the last bits is no matter of guesses
        guessed = answers(opened(), subject, rows, 16)
        forced = answers(opened(), subject, rows, 0)
        without = plain(opened(), subject, rows)
    different = [
        {"row": row.id, "guessed": one.raw, "forced": two.raw, "plain": three.raw}
        for row, one, two, three in zip(rows, guessed, forced, without, strict=True)
        if one.token_ids != two.token_ids or two.raw != three.raw
    ]
    result = {
        "engine": options.engine,
        "requests": len(rows),
        "tokens": sum(one.tokens for one in guessed),
        "passes": {
            name: sum(one.passes for one in made)
            for name, made in (("guessed", guessed), ("forced", forced), ("plain", without))
        },
        "equal": {
            "guessed and forced, tokens": sum(same(guessed, forced, "token_ids")),
            "forced and plain, texts": sum(same(forced, without, "raw")),
            "forced and plain, tokens": sum(same(forced, without, "token_ids")),
        },
        "different": different,
    }
    write_result("drafting", result)
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
