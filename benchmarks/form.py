"""Constrained replies over 300 tool sets: does every one parse, and fit the schemas, whatever the model?

    pip install -e '.[openvino]'
    python benchmarks/form.py [--sets 100]      # about forty minutes
    python benchmarks/form.py --dialects hermes,compact,xlam,qwen3-coder      # a part, for a core of its own

A hundred tool sets each of Seal-Tools rows, of the Berkeley leaderboard's documents, and of schemas drawn by the tests'
strategy. Of each the embedded model writes four greedy replies, and a Llama of random weights three at temperature 1:
automatic, forced, a named tool, no call; several calls allowed or one. Each dialect has an eighth of the sets. A reply
may take 160 tokens, or more where the shortest call takes many; one that would take more is ended in form (`closed`).

A schema's keywords that a grammar cannot hold are left out of the check, and replies that they alone refuse counted.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from hypothesis import HealthCheck, Phase, given, settings
from transformers import LlamaConfig, LlamaForCausalLM

from callwright.data import conversations, read
from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect
from callwright.generate.engine import StepEngine
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.reply import Answer, Options, reply, specials_of
from callwright.generate.torch_steps import TorchSteps
from callwright.generate.written import Origin
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.schema import normalise
from callwright.schema.check import validate
from callwright.types import Conversation, Message, Tool
from common import ROOT, data_folder, write_result

sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "dialects"), str(ROOT / "tests" / "schema")]
from test_sample import schemas
from test_values import relaxed

MODEL = "smollm2-135m"
DIALECTS = ("hermes", "compact", "xlam", "qwen3-coder", "llama-json", "pythonic", "mistral", "functiongemma")
# mode, whether several calls are allowed, whether one tool is named
Mode = tuple[Literal["auto", "forced", "none"], bool, bool]
EMBEDDED: tuple[Mode, ...] = (
    ("auto", True, False),
    ("forced", True, False),
    ("forced", False, True),
    ("none", True, False),
)
CHANCE: tuple[Mode, ...] = (("auto", False, False), ("forced", True, False), ("forced", False, True))
MOST = 160


def seal(count: int) -> Iterator[Conversation]:
    yield from itertools.islice(conversations(str(data_folder() / "dev/seal_tools.jsonl.gz")), count)


def leaderboard(count: int) -> Iterator[Conversation]:
    for name in ("simple_python", "multiple", "live_simple", "live_multiple"):
        rows = [row for row in read(f"bfcl:{name}") if isinstance(row, Conversation)]
        yield from rows[:: len(rows) // (count // 4)][: count // 4]


def generated(count: int) -> Iterator[Conversation]:
    """One to four tools of one to four parameters each."""
    found: list[Any] = []

    @settings(
        max_examples=count * 10,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas)
    def draw(schema: Any) -> None:
        found.append(schema)

    draw()
    rng = random.Random(0)
    parts = iter(found)
    for number in range(count):
        tools = []
        for place in range(rng.randint(1, 4)):
            properties = {f"p{at}": part for at, part in enumerate(itertools.islice(parts, rng.randint(1, 4)))}
            required = [name for name in properties if rng.random() < 0.6]
            parameters = {"type": "object", "properties": properties, "required": required}
            tools.append(Tool(f"tool_{place}", "A tool.", normalise(parameters)))
        yield Conversation(f"generated {number}", tuple(tools), (Message("user", "Use what fits."),))


def asked(row: Conversation) -> Conversation:
    turns = list(row.messages)
    while turns and turns[-1].role == "assistant":
        turns.pop()
    return replace(row, messages=tuple(turns))


def random_model(size: int) -> Any:
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1 << 15,
    )
    return LlamaForCausalLM(shape).to(detect().dtype).eval()


def answers(
    rows: Sequence[Conversation], dialect: Dialect, engine: StepEngine, modes: Sequence[Mode], options: Options
) -> Iterator[tuple[Conversation, Answer, Options]]:
    """Replies in every mode: to all rows together, but where each row names a tool of its own."""
    most = [room(row, dialect, engine) for row in rows]
    usual = [row for row, needed in zip(rows, most, strict=True) if needed <= MOST]
    for mode, parallel, named in modes:
        how = replace(options, mode=mode, parallel=parallel, constrain=True, max_new_tokens=MOST)
        parts = [[row] for row in rows] if named else [usual, *([row] for row in rows if row not in usual)]
        for number, part in enumerate(parts):
            if part is not usual:
                how = replace(how, max_new_tokens=most[rows.index(part[0])])
            if named:
                tools = part[0].tools
                how = replace(how, among=(tools[number % len(tools)].name,), seed=options.seed + number)
            for row, answer in zip(part, reply(part, dialect, engine.tokenizer, engine, how), strict=True):
                yield row, answer, how


def room(row: Conversation, dialect: Dialect, engine: StepEngine) -> int:
    """Tokens of a reply: twice the shortest call of the tool whose shortest call is longest, if that is more."""
    most = MOST
    for tool in row.tools:
        lark = dialect.grammar([tool], "required", specials_of(engine.tokenizer), parallel=False, thinking="none").lark
        way = engine.closer.way(engine.grammars.start(lark), 4096)
        most = max(most, 2 * len(way or ()) + 64)
    return most


def judge(row: Conversation, answer: Answer, options: Options, dialect: Dialect) -> str:
    """What is wrong with a reply; '' for nothing."""
    said = answer.reply
    if said.broken:
        return f"broken: {said.broken[0].reason}"
    if options.mode == "forced" and not said.calls:
        return "no call"
    if options.mode == "none" and said.calls:
        return "a call"
    if not options.parallel and len(said.calls) > 1:
        return "several calls"
    tools = {tool.name: tool for tool in row.tools}
    for call in said.calls:
        if call.name not in (options.among or tools):
            return f"unknown name {call.name}"
        if wrong := validate(call.arguments, tools[call.name].parameters):
            left = dialect.grammar([tools[call.name]], "required", {}, parallel=False, thinking="none").unenforced
            if validate(call.arguments, relaxed(tools[call.name].parameters, left)):
                return f"invalid: {wrong[0]}"
            return "left"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100, help="of each source")
    parser.add_argument("--dialects", default=",".join(DIALECTS), help="some of them: as many processes as cores")
    options = parser.parse_args()
    tokenizer = load_tokenizer(MODEL)
    rows = [asked(row) for make in (seal, leaderboard, generated) for row in make(options.sets)]
    embedded = OpenVinoSteps(OpenVinoModel(load_model(MODEL, detect())), slots=8)
    chance = TorchSteps(random_model(embedded.vocabulary), slots=8)
    counts: Counter[str] = Counter()
    found: list[dict[str, str]] = []
    start = time.perf_counter()
    for number, name in enumerate(DIALECTS):
        if name not in options.dialects.split(","):
            continue
        dialect = dialect_for(name, tokenizer)
        some = rows[number :: len(DIALECTS)]
        made = itertools.chain(
            answers(some, dialect, StepEngine(embedded, tokenizer, dialect.stops), EMBEDDED, Options(seed=number)),
            answers(
                some,
                dialect,
                StepEngine(chance, tokenizer, dialect.stops, 0),
                CHANCE,
                Options(seed=number, temperature=1),
            ),
        )
        for row, answer, how in made:
            counts["random replies" if how.temperature else "embedded replies"] += 1
            counts["calls"] += len(answer.reply.calls)
            counts["closed"] += any(one.origin is Origin.CLOSED for one in answer.written)
            wrong = judge(row, answer, how, dialect)
            counts[wrong.partition(":")[0] or "right"] += 1
            if wrong and wrong != "left":
                found.append({"row": row.id, "dialect": name, "mode": how.mode, "why": wrong, "raw": answer.raw})
                print(found[-1], flush=True)
        print(name, dict(counts), f"{time.perf_counter() - start:.0f} s", flush=True)
    write_result("form", {"dialects": options.dialects, "sets": len(rows), "counts": dict(counts), "wrong": found})
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
