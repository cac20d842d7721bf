"""A whole call: request text in, parsed call out. Callwright beside transformers with xgrammar, and llama-cpp-python.

    pip install -e '.[openvino,llama]' xgrammar
    python benchmarks/generate.py --adapter runs/hwu64_16/adapter      # about twenty minutes on two cores

The 16 tools of recipes/hwu64_16.yaml, its dev requests that one call answers, the embedded model with the adapter
merged, greedy, every side held to the same schemas and made to call. The sides take turns of ten requests. Each has
what it caches of the tools before the clock starts: transformers none, and in a second line the keys and values of the
tool block; llama-cpp-python the beginning of its last prompt, and in a second line its cache of states.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from callwright.data import conversations
from callwright.dialects.base import Dialect
from callwright.export.gguf import write_gguf
from callwright.generate.engine import StepEngine
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.reply import Options, Prompt, make_prompt
from callwright.generate.torch_steps import TorchSteps
from callwright.pipeline.evaluate import open_subject
from callwright.score.run import score_row
from callwright.serve.prepare import Served
from callwright.types import Conversation, Tool
from common import data_folder, hwu64_rows, write_result

MODEL = "smollm2-135m"
MOST = 128
TURN = 10
OPTIONS = Options(mode="forced", constrain=True, parallel=False, max_new_tokens=MOST)


@dataclass(frozen=True)
class Written:
    """What a side made of a prompt: text behind the opening of the call, and seconds to its first and last token."""

    text: str
    first: float = 0.0
    tokens: int = 0
    passes: int = 0


Side = Callable[[Conversation], Written]


def requests(count: int) -> tuple[list[Conversation], tuple[Tool, ...]]:
    """Dev rows that one call to the 16 tools answers, and these tools."""
    found, tools = hwu64_rows()
    rows = [row for row in found if len(row.messages[-1].calls) == 1]
    return random.Random(1).sample(rows, count), tools


def asked(row: Conversation) -> Conversation:
    return replace(row, messages=row.messages[:-1])


def ours(served: Served, options: Options = OPTIONS) -> Side:
    def run(row: Conversation) -> Written:
        prompt = make_prompt(asked(row), served.dialect, served.tokenizer)
        prompt = replace(prompt, grammar=served.lark(row, prompt.text, options))
        (done,) = served.engine.complete([prompt], options)
        return Written(done.text, tokens=done.tokens, passes=done.passes)

    return run


def schema_of(tools: Sequence[Tool]) -> dict[str, Any]:
    """The JSON of one call to one of the tools, keys in the order of training."""
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tool.name},
                "arguments": {**tool.parameters, "additionalProperties": False},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return {"anyOf": calls}


def with_transformers(subject: Any, tools: Sequence[Tool], *, cached: bool) -> Side:
    import xgrammar
    from xgrammar.contrib.hf import LogitsProcessor

    model, tokenizer = subject.model, subject.tokenizer
    opening = subject.dialect.call_opening
    about = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=model.config.vocab_size)
    compiled = xgrammar.GrammarCompiler(about).compile_json_schema(schema_of(tools), any_whitespace=False)
    kept: list[Any] = []

    @torch.inference_mode()
    def run(row: Conversation) -> Written:
        prompt = make_prompt(asked(row), subject.dialect, tokenizer, opening)
        ids = torch.tensor([list(prompt.token_ids)])
        more: dict[str, Any] = {}
        if cached:
            from transformers import DynamicCache

            if not kept:
                kept.append(DynamicCache())
                model(input_ids=ids[:, : prompt.prefix_len], past_key_values=kept[0], use_cache=True)
            more = {"past_key_values": copy.deepcopy(kept[0])}
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            logits_processor=[LogitsProcessor(compiled)],
            max_new_tokens=MOST,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
            **more,
        )
        new = out[0, ids.shape[1] :]
        return Written(tokenizer.decode(new, skip_special_tokens=True), tokens=len(new), passes=len(new))

    return run


def with_llama_cpp(file: Path, subject: Any, tools: Sequence[Tool], *, states: bool) -> Side:
    from llama_cpp import Llama, LlamaGrammar, LlamaRAMCache

    llama = Llama(str(file), n_ctx=4096, n_threads=len(os.sched_getaffinity(0)), verbose=False)
    if states:
        llama.set_cache(LlamaRAMCache())
    grammar = LlamaGrammar.from_json_schema(json.dumps(schema_of(tools)), verbose=False)
    opening = subject.dialect.call_opening

    def run(row: Conversation) -> Written:
        prompt = make_prompt(asked(row), subject.dialect, subject.tokenizer, opening)
        done = llama.create_completion(list(prompt.token_ids), max_tokens=MOST, temperature=0.0, grammar=grammar)
        count = done["usage"]["completion_tokens"]
        return Written(done["choices"][0]["text"], tokens=count, passes=count)

    return run


def right(row: Conversation, text: str, dialect: Dialect) -> bool:
    """Exact match; the peers' text lacks what stands around a call."""
    if not text.startswith(dialect.call_opening):
        text = f"{dialect.call_opening}{text}\n</tool_call>"
    return score_row(row, dialect.parse(text, row.tools), text).verdict("exact_match").value == 1


def compare(sides: dict[str, Side], rows: Sequence[Conversation], dialect: Dialect) -> dict[str, Any]:
    """Every side on every row, by turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    made: dict[str, list[Written]] = {name: [] for name in sides}
    for side in sides.values():
        side(rows[0])
    for low in range(0, len(rows), TURN):
        for name, side in sides.items():
            for row in rows[low : low + TURN]:
                start = time.perf_counter()
                made[name].append(side(row))
                seconds[name].append(time.perf_counter() - start)
        print(low + TURN, {name: round(statistics.median(some), 3) for name, some in seconds.items()}, flush=True)
    return {
        name: {
            "median_ms": round(1000 * statistics.median(seconds[name]), 1),
            "p95_ms": round(1000 * statistics.quantiles(seconds[name], n=20)[-1], 1),
            "exact": sum(right(row, one.text, dialect) for row, one in zip(rows, made[name], strict=True)),
            "tokens": sum(one.tokens for one in made[name]),
            "passes_per_token": round(sum(o.passes for o in made[name]) / sum(o.tokens for o in made[name]), 3),
        }
        for name in sides
    }


def many_tools(count: int, tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """The 16, and others of xLAM-shaped rows."""
    found = {tool.name: tool for tool in tools}
    for row in conversations(str(data_folder() / "raw/xlam/xlam_shape.json.gz")):
        for tool in row.tools:
            if len(found) < count:
                found.setdefault(tool.name, tool)
    return tuple(found.values())


def first_token(engine: StepEngine, prompt: Prompt) -> float:
    start = time.perf_counter()
    list(engine.complete([prompt], replace(OPTIONS, max_new_tokens=1)))
    return 1000 * (time.perf_counter() - start)


def growth(
    model: OpenVinoModel, subject: Any, rows: Sequence[Conversation], tools: Sequence[Tool]
) -> list[dict[str, Any]]:
    """More tools: the first token cold, warm, and by a new engine that finds the tool block on disk; a whole call.

    Engines are made as `callwright serve` makes them, before the clock starts.
    """
    found = []
    for count in (16, 48, 200):
        offered = many_tools(count, tools)
        some = [replace(row, tools=offered) for row in rows[:20]]
        with tempfile.TemporaryDirectory() as folder:
            files = PrefixFiles(Path(folder), "benchmark")
            served = _served(subject, lambda files=files: OpenVinoSteps(model, slots=2, files=files))
            prompts = [make_prompt(asked(row), served.dialect, served.tokenizer) for row in some]
            cold = first_token(served.engine, prompts[0])
            warm = [first_token(served.engine, prompt) for prompt in prompts[1:]]
            run, calls = ours(served), []
            run(some[0])
            for row in some:
                start = time.perf_counter()
                run(row)
                calls.append(1000 * (time.perf_counter() - start))
            again = _served(subject, lambda files=files: OpenVinoSteps(model, slots=2, files=files))
            disk = first_token(again.engine, prompts[1])
        found.append(
            {
                "tools": count,
                "prefix_tokens": prompts[0].prefix_len,
                "first_token_cold_ms": round(cold, 1),
                "first_token_warm_ms": round(statistics.median(warm), 1),
                "cold_to_warm": round(cold / statistics.median(warm), 1),
                "first_token_from_disk_ms": round(disk, 1),
                "call_ms": round(statistics.median(calls), 1),
            }
        )
        print(found[-1], flush=True)
    return found


def _served(subject: Any, steps: Callable[[], Any], drafted: int = 16) -> Served:
    engine = StepEngine(steps(), subject.tokenizer, subject.dialect.stops, drafted)
    engine.warm()
    return Served("benchmark", subject.dialect, subject.tokenizer, engine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="an adapter that recipes/hwu64_16.yaml trained")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--weights", choices=("f16", "q8_0"), default="q8_0", help="of the GGUF file")
    parser.add_argument("--only", help="sides whose names begin so, separated by commas")
    options = parser.parse_args()
    subject = open_subject(MODEL, Path(options.adapter), "auto")
    rows, tools = requests(options.rows)
    compiled = OpenVinoModel(subject.model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "merged.gguf"
        write_gguf(subject.model, subject.tokenizer, file, options.weights)
        makers: dict[str, Callable[[], Side]] = {
            "callwright": lambda: ours(_served(subject, lambda: OpenVinoSteps(compiled, slots=2))),
            "callwright, not drafted": lambda: ours(_served(subject, lambda: OpenVinoSteps(compiled, slots=2), 0)),
            "callwright, llama.cpp": lambda: ours(_served(subject, lambda: LlamaSteps(LlamaModel(file), slots=2))),
            "callwright, torch": lambda: ours(_served(subject, lambda: TorchSteps(subject.model, slots=2))),
            "llama-cpp-python": lambda: with_llama_cpp(file, subject, tools, states=False),
            "llama-cpp-python, states": lambda: with_llama_cpp(file, subject, tools, states=True),
            "transformers": lambda: with_transformers(subject, tools, cached=False),
            "transformers, cached": lambda: with_transformers(subject, tools, cached=True),
        }
        chosen = (options.only or "").split(",")
        sides = {name: make() for name, make in makers.items() if name.startswith(tuple(chosen))}
        found = compare(sides, rows, subject.dialect)
        first = found.get("callwright")
        ratios = {name: round(one["median_ms"] / first["median_ms"], 2) for name, one in found.items()} if first else {}
        result = {"rows": len(rows), "weights": options.weights, "sides": found, "ratios": ratios}
        write_result("generate", {**result, "growth": growth(compiled, subject, rows, tools)})


if __name__ == "__main__":
    main()
