"""Grammars of every family over real and awkward tools: do they compile, admit the gold calls, and nothing else?

    python benchmarks/grammars.py [--tools N] [--samples 2000] [--special-samples 200] [--family NAME ...]

Tools are all of Seal-Tools', all function documents of the Berkeley leaderboard's wheel, and the awkward schemas of the
tests. Gold calls are those of Seal-Tools' rows and the leaderboard's possible answers; for a tool without one, valid
calls are drawn. Gold calls that do not fit their own schema are counted apart, and are no evidence.

Then a Llama of random weights writes under the grammars of twenty of these schemas; it sees only the tokens that it
chose, not those that were forced, and what closes strings, lists and turns is made likelier, so that texts end. The
family's reader must read every text as calls of the tool with nothing broken, and these must fit the schema without the
keywords that the grammar reports as not held ("left" counts the texts that those refuse). A text that is longer than
--longest choices is drawn again, and counted apart. In rows named "special", the family's delimiters are special tokens
of the tokenizer, as in the models that it is for; elsewhere what closes a raw value is one common token.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import DynamicCache, PreTrainedTokenizerFast

from callwright.data import read
from callwright.dialects.constrain.grammar import grammar
from callwright.dialects.families import FAMILIES
from callwright.dialects.families.xlam import XLAM, XLAM_DICTS
from callwright.dialects.family import Family
from callwright.dialects.parse.cursor import parse_whole
from callwright.errors import ToolError
from callwright.schema import normalise
from callwright.schema.check import validate
from callwright.schema.sample import sample_value
from callwright.tools.jsonfile import read_tools, tool_from_json
from callwright.types import Conversation, JsonObject, Tool, ToolCall
from common import ROOT, data_folder, write_result

sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "dialects")]
from test_values import AWKWARD, relaxed, written

from tiny import tiny

EVERY: dict[str, Family] = {**FAMILIES, "xlam": XLAM, "xlam dicts": XLAM_DICTS}

SPECIALS = {
    "hermes": "<tool_call> </tool_call>",
    "qwen3-coder": "<tool_call> </tool_call>",
    "llama-json": "<|python_tag|>",
    "pythonic": "<|python_start|> <|python_end|>",
    "mistral": "[TOOL_CALLS]",
    "mistral-v11": "[TOOL_CALLS] [ARGS] [CALL_ID]",
    "functiongemma": "<start_function_call> <end_function_call> <escape>",
    "gemma4": '<|tool_call> <tool_call|> <|"|>',
    "granite": "<tool_call>",
    "granite-3.0": "<|tool_call|>",
    "lfm2": "<|tool_call_start|> <|tool_call_end|>",
    "command-r": "<|START_ACTION|> <|END_ACTION|> <|START_RESPONSE|> <|END_RESPONSE|>",
    "harmony": "<|channel|> <|message|> <|constrain|> <|start|> <|end|> <|call|> <|return|>",
    "glm": "<tool_call> </tool_call> <arg_key> </arg_key> <arg_value> </arg_value>",
    "minimax-m2": "<minimax:tool_call> </minimax:tool_call>",
    "atem": "<|start|> <|message|> <|eom|> <|eot|>",
    "deepseek-v3": (
        "<｜tool▁calls▁begin｜> <｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁sep｜>"
    ),
    "kimi-k2": (
        "<|tool_calls_section_begin|> <|tool_calls_section_end|> <|tool_call_begin|> <|tool_call_argument_begin|> "
        "<|tool_call_end|>"
    ),
}
SPECIALS["deepseek-v3.1"] = SPECIALS["deepseek-v3"]
"""What is one token in the tokenizers of each family's models."""

WORDS = ("\n</parameter>\n", "</parameter>\n", "</arg_value>", "</atem:parameter>\n", "<escape>", '<|"|>')
"""What closes a raw value: one token each in the runs without special tokens, as a merge would make it."""

SPREAD = (
    *("recursive", "reference with siblings", "choice of types", "choice of objects", "all of", "nested", "patterns"),
    *("formats", "lengths", "limits", "tuples", "maps", "choices", "unheld"),
)
"""The awkward schemas that texts are written for."""


@dataclass
class Case:
    """A tool and calls of it. `kind` is where it is from."""

    kind: str
    tool: Tool
    calls: list[ToolCall] = field(default_factory=list)


# -- tools and calls ------------------------------------------------------------------------------------------------


def cases(limit: int | None) -> list[Case]:
    """Every distinct tool, at most `limit` of each kind, with its gold calls."""
    found: dict[str, Case] = {}
    for kind, tool, calls in (*_seal(), *_leaderboard(), *_awkward()):
        key = json.dumps([tool.name, tool.parameters], sort_keys=True)
        case = found.setdefault(key, Case(kind, tool))
        case.calls += [call for call in calls if call not in case.calls]
    kept = []
    for kind in ("seal", "bfcl", "awkward"):
        some = [case for case in found.values() if case.kind == kind]
        # spread over all of them, not the first ones
        kept += some[:: max(1, len(some) // limit)][:limit] if limit and kind != "awkward" else some
    return kept


def _seal() -> Iterator[tuple[str, Tool, list[ToolCall]]]:
    folder = data_folder()
    tools = {tool.name: tool for tool in read_tools(folder / "raw/seal_tools/tool.jsonl")}
    gold: dict[str, list[ToolCall]] = {}
    with gzip.open(folder / "dev/seal_tools.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            for message in json.loads(line)["messages"]:
                for call in message.get("tool_calls", ()):
                    gold.setdefault(call["name"], []).append(ToolCall(call["name"], call["arguments"]))
    for tool in tools.values():
        yield "seal", tool, gold.get(tool.name, [])


def _leaderboard() -> Iterator[tuple[str, Tool, list[ToolCall]]]:
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or spec.origin is None:
        sys.exit("skipped: no leaderboard; pip install --no-deps bfcl-eval==2026.3.23")
    folder = Path(spec.origin).parent / "data"
    for name in sorted(path.stem.removeprefix("BFCL_v4_") for path in folder.glob("BFCL_v4_*.json")):
        # rows of several turns are no conversations here; their functions stand in files of their own
        for row in read(f"bfcl:{name}") if name != "format_sensitivity" else ():
            for tool in row.tools if isinstance(row, Conversation) else ():
                yield "bfcl", tool, [call for call in row.messages[-1].calls if call.name == tool.name]
    for path in sorted((folder / "multi_turn_func_doc").glob("*.json")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield "bfcl", tool_from_json(json.loads(line), path.name), []


def _awkward() -> Iterator[tuple[str, Tool, list[ToolCall]]]:
    for name, parameters in AWKWARD.items():
        yield "awkward", Tool(name.replace(" ", "_"), name, normalise(parameters)), []


def fitting(case: Case, draws: int = 3) -> tuple[list[ToolCall], int]:
    """The calls that fit the schema, drawn ones where there is none; and how many gold calls do not fit."""
    good = [call for call in case.calls if not validate(call.arguments, case.tool.parameters)]
    unfit = len(case.calls) - len(good)
    for seed in range(0 if good else draws):
        try:
            good.append(ToolCall(case.tool.name, sample_value(case.tool.parameters, random.Random(seed))))
        except ToolError:
            break
    return [call for call in good if not validate(call.arguments, case.tool.parameters)], unfit


# -- compile and accept ----------------------------------------------------------------------------------------------


def tokenizer_of(specials: Sequence[str], words: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Bytes, and a token for each of these."""
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokens = [*sorted(as_bytes.alphabet()), *(as_bytes.pre_tokenize_str(word)[0][0] for word in words)]
    backend = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    backend.pre_tokenizer, backend.decoder = as_bytes, decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in ("<eos>", *specials)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")


def ids_of(tokenizer: PreTrainedTokenizerFast, specials: Sequence[str]) -> dict[str, int]:
    return {text: int(tokenizer.convert_tokens_to_ids(text)) for text in specials}


def check_tools(family: Family, some: Sequence[tuple[Case, list[ToolCall]]], specials: Sequence[str]) -> JsonObject:
    """How many grammars compile and how many calls they admit, with what they refuse."""
    tokenizer = tokenizer_of(specials)
    llm, ids = llguidance.hf.from_tokenizer(tokenizer), ids_of(tokenizer, specials)
    counts: Counter[str] = Counter(tools=len(some))
    wrong: list[str] = []
    seconds = 0.0
    for case, calls in some:
        start = time.perf_counter()
        made = grammar(family, [case.tool], "required", ids)
        matcher = llguidance.LLMatcher(llm, made.lark)
        seconds += time.perf_counter() - start
        if matcher.is_error():
            wrong.append(f"{case.tool.name}: {matcher.get_error().splitlines()[0]}")
            continue
        counts["compiled"] += 1
        counts["with unheld keywords"] += bool(made.unenforced)
        for call in calls:
            text = written(family, case.tool, call)
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            matcher.reset()
            consumed = matcher.try_consume_tokens(tokens)
            counts["gold"] += 1
            if consumed == len(tokens) and matcher.is_accepting():
                counts["accepted"] += 1
            else:
                wrong.append(
                    f"{case.tool.name}: refused behind {tokenizer.decode(tokens[:consumed])[-60:]!r} in {text!r}"
                )
    return {**counts, "ms": round(1000 * seconds / max(1, len(some)), 2), "wrong": wrong[:20]}


# -- write under a grammar -------------------------------------------------------------------------------------------


class Writer:
    """A Llama of random weights that writes under grammars, many texts at a time."""

    def __init__(self, specials: Sequence[str], heat: float) -> None:
        words = [word for word in WORDS if word not in specials]
        self.tokenizer = tokenizer_of(specials, words)
        self.llm, self.ids = llguidance.hf.from_tokenizer(self.tokenizer), ids_of(self.tokenizer, specials)
        self.size = len(self.tokenizer)
        self.heat = heat
        self.model = tiny("llama", vocab_size=self.size, num_hidden_layers=1, max_position_embeddings=4096).eval()
        self.eos = int(self.tokenizer.eos_token_id)
        self.bias = torch.zeros(self.size)
        closers = [self.tokenizer.convert_tokens_to_ids(text) for text in (*"\"'])}", *(set(WORDS) & set(specials)))]
        self.bias[[*closers, *range(256, 256 + len(words))]] = 3.0
        self.bias[self.eos] = 5.0

    @torch.inference_mode()
    def batch(self, lark: str, size: int, longest: int, seed: int) -> list[str | None]:
        """Texts, None for one that does not end in time."""
        generator = torch.Generator().manual_seed(seed)
        first = llguidance.LLMatcher(self.llm, lark)
        assert not first.is_error(), first.get_error()
        matchers = [first.deep_copy() for _ in range(size)]
        tokens = [forced(matcher) for matcher in matchers]
        texts: list[str | None] = [None] * size
        rows, cache = list(range(size)), DynamicCache()
        given = torch.randint(0, 256, (size, 4), generator=generator)
        for _ in range(longest):
            logits = self.model(given, past_key_values=cache, use_cache=True).logits[:, -1]
            scores = self.heat * logits / logits.std(-1, keepdim=True) + self.bias
            scores.masked_fill_(~self._allowed([matchers[row] for row in rows]), -torch.inf)
            chosen = torch.multinomial(scores.softmax(-1), 1, generator=generator)
            going = []
            for place, (row, token) in enumerate(zip(rows, chosen[:, 0].tolist(), strict=True)):
                if token != self.eos:
                    matchers[row].consume_token(token)
                    tokens[row] += [token, *forced(matchers[row])]
                if token == self.eos or matchers[row].is_stopped():
                    texts[row] = self.tokenizer.decode(tokens[row])
                else:
                    going.append(place)
            if not going:
                break
            if len(going) < len(rows):
                cache.batch_select_indices(torch.tensor(going))
            rows, given = [rows[place] for place in going], chosen[going]
        return texts

    def _allowed(self, matchers: Sequence[Any]) -> torch.Tensor:
        """Booleans of shape (B, V)."""
        bits = np.zeros((len(matchers), (self.size + 31) // 32), dtype=np.int32)
        for place, matcher in enumerate(matchers):
            llguidance.numpy.fill_next_token_bitmask(matcher, bits, place)
        allowed = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")[:, : self.size]
        return torch.from_numpy(allowed.astype(bool))


def forced(matcher: Any) -> list[int]:
    """Passes what can only come next."""
    tokens: list[int] = matcher.compute_ff_tokens()
    matcher.consume_tokens(tokens)
    return tokens


def check_samples(
    family: Family, tool: Tool, writer: Writer, options: argparse.Namespace, samples: int
) -> tuple[Counter[str], list[str]]:
    """What becomes of texts written under one tool's grammar."""
    made = grammar(family, [tool], "required", writer.ids)
    loose = relaxed(tool.parameters, made.unenforced)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    seed = 0
    while counts["samples"] < samples and counts["unended"] <= 10 * samples:
        size = min(options.batch, samples - counts["samples"])
        for text in writer.batch(made.lark, size, options.longest, seed):
            if text is None:
                counts["unended"] += 1
                continue
            counts["samples"] += 1
            reply, _ = parse_whole(family.read, text, [tool])
            if reply.broken or not reply.calls or any(call.name != tool.name for call in reply.calls):
                wrong.append(f"{tool.name}: {text!r} {reply.broken[:1]}")
                continue
            counts["parsed"] += 1
            counts["calls"] += len(reply.calls)
            problems = [why for call in reply.calls for why in validate(call.arguments, loose)]
            counts["valid"] += not problems
            counts["left"] += any(validate(call.arguments, tool.parameters) for call in reply.calls)
            wrong += [f"{tool.name}: {text!r} {problems[0]}"] if problems else []
        seed += 1
    return counts, wrong


def spread(some: Sequence[Case]) -> list[Case]:
    """Twenty schemas: awkward ones of every kind, and the middling and the largest of the others."""
    chosen = [case for case in some if case.kind == "awkward" and case.tool.description in SPREAD]
    for kind in ("seal", "bfcl"):
        known = [case for case in some if case.kind == kind]
        known.sort(key=lambda case: len(json.dumps(case.tool.parameters)))
        chosen += [known[int(part * (len(known) - 1))] for part in (0.5, 0.9, 1.0)] if known else []
    return chosen


# -- all of it -------------------------------------------------------------------------------------------------------

COLUMNS = ("tools", "compiled", "ms", "gold", "accepted", "samples", "parsed", "valid", "left", "unended", "s")


def of_family(
    name: str, some: Sequence[tuple[Case, list[ToolCall]]], chosen: Sequence[Case], options: argparse.Namespace
) -> Iterator[tuple[str, JsonObject]]:
    """A row for delimiters as text, and one for delimiters as special tokens where the family has some."""
    for specials in ([], SPECIALS[name].split()) if name in SPECIALS else ([],):
        result = check_tools(EVERY[name], some, specials)
        start = time.perf_counter()
        writer, counts = Writer(specials, options.heat), Counter[str]()
        for case in chosen:
            samples = options.special_samples if specials else options.samples
            found, wrong = check_samples(EVERY[name], case.tool, writer, options, samples)
            counts += found
            result["wrong"] += wrong[:5]
        result |= {key: counts[key] for key in ("samples", "parsed", "valid", "calls", "left", "unended")}
        yield f"{name}, special" if specials else name, {**result, "s": round(time.perf_counter() - start, 1)}


def table(result: Mapping[str, JsonObject]) -> str:
    lines = [f"{'family':22}" + "".join(f"{column:>14}" for column in COLUMNS)]
    for name, row in result.items():
        lines.append(f"{name:22}" + "".join(f"{row.get(column, 0):>14}" for column in COLUMNS))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=int, help="only so many of Seal-Tools' and of the leaderboard's tools each")
    parser.add_argument("--samples", type=int, default=2000, help="texts of each of the twenty schemas")
    parser.add_argument("--special-samples", type=int, default=200, help="the same where delimiters are special tokens")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--longest", type=int, default=500, help="tokens after which a text is given up")
    parser.add_argument("--heat", type=float, default=1.5)
    parser.add_argument("--family", action="append", choices=EVERY, help="only this family; may be repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    everything = cases(options.tools)
    fit = [(case, *fitting(case)) for case in everything]
    some = [(case, calls) for case, calls, _ in fit]
    unfit = [case.tool.name for case, _, unfit in fit if unfit]
    chosen = spread(everything)
    print(f"{len(some)} tools, {sum(len(calls) for _, calls in some)} calls; gold calls that do not fit: "
          f"{sum(unfit for *_, unfit in fit)} of {len(unfit)} tools", file=sys.stderr)  # fmt: skip
    result: dict[str, JsonObject] = {}
    for name in options.family or EVERY:
        for row, found in of_family(name, some, chosen, options):
            result[row] = found
            print(table({row: found}), *found["wrong"], sep="\n", file=sys.stderr, flush=True)
    kinds = Counter(case.kind for case in everything)
    write_result("grammars", {"tools": kinds, "sampled": [case.tool.name for case in chosen], "unfit": unfit, **result})
    print(table(result))


if __name__ == "__main__":
    main()
