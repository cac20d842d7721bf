"""Reading model outputs: Callwright's readers against regular expressions as servers use them, and agent-tool-parser.

    pip install agent-tool-parser==0.1.3
    PYTHONPATH=tests python benchmarks/parsers.py [--outputs N] [--streams N] [--rounds N] [--output FILE] [FAMILY ...]

All read the same outputs: well-formed ones with awkward arguments, made as tests/fuzz_dialects.py makes them, without
thinking, because servers take that out before. Speed is that of whole texts, and of a stream in chunks of 4 characters.
The peers know only whole texts, so in a stream they read all that came so far with every chunk. Seconds are processor
time, the median of rounds in which the parsers take turns.

Right is an output whose calls come back exactly, by name and by the JSON type and value of every argument; kept, one
whose text before the calls comes back; behind, one with calls whose text behind them does.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from callwright.dialects.family import Family
from callwright.dialects.parse.cursor import Stream
from callwright.dialects.same import same_arguments
from callwright.types import Message, Tool, ToolCall
from common import write_result
from fuzz_dialects import ALL, Output, output

Found = tuple[str | None, Sequence[ToolCall]]
"""Text outside calls (None from a parser that does not say), and the calls."""

Parse = Callable[[str, Sequence[Tool]], Found]

BEHIND = "That is all."
CHUNK = 4


# -- regular expressions, after vLLM's parsers: without its logging, and without writing arguments as JSON again ------

_TOOL_CALL = re.compile(r"<tool_call>(.*?)</tool_call>|<tool_call>(.*)", re.DOTALL)
_FUNCTION = re.compile(r"<function=(.*?)</function>|<function=(.*)$", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(.*?)(?:</parameter>|(?=<parameter=)|(?=</function>)|$)", re.DOTALL)
_ARRAY = re.compile(r"\[{.*}\]", re.DOTALL)
_CALLS = re.compile(r"\s*\[\s*[A-Za-z_][\w.]*\(")
_DECODER = json.JSONDecoder()


def hermes(text: str, tools: Sequence[Tool]) -> Found:
    if "<tool_call>" not in text:
        return text, ()
    made = [json.loads(whole or rest) for whole, rest in _TOOL_CALL.findall(text)]
    return text[: text.find("<tool_call>")], [ToolCall(call["name"], call["arguments"]) for call in made]


def mistral(text: str, tools: Sequence[Tool]) -> Found:
    before, mark, behind = text.partition("[TOOL_CALLS]")
    if not mark:
        return text, ()
    try:
        made = json.loads(behind.strip())
    except ValueError:
        made = json.loads(_ARRAY.findall(behind)[0])
    return before, [ToolCall(call["name"], call["arguments"]) for call in made]


def llama3_json(text: str, tools: Sequence[Tool]) -> Found:
    place, calls = text.find("{"), []
    while place >= 0:
        try:
            made, end = _DECODER.raw_decode(text, place)
            calls.append(ToolCall(made["name"], made["arguments"] if "arguments" in made else made["parameters"]))
        except (ValueError, KeyError):
            end = place + 1
        place = text.find("{", end)
    return "" if calls else text, calls


def pythonic(text: str, tools: Sequence[Tool]) -> Found:
    if not _CALLS.match(text):
        return text, ()
    made = ast.parse(text).body[0]
    assert isinstance(made, ast.Expr) and isinstance(made.value, ast.List)
    calls = []
    for call in made.value.elts:
        assert isinstance(call, ast.Call)
        arguments: dict[str, Any] = {}
        for keyword in call.keywords:
            value = ast.literal_eval(keyword.value)
            arguments |= value if keyword.arg is None else {keyword.arg: value}
        calls.append(ToolCall(ast.unparse(call.func), arguments))
    return "", calls


def qwen3_coder(text: str, tools: Sequence[Tool]) -> Found:
    if "<function=" not in text:
        return text, ()
    calls = []
    for block in (whole or rest for whole, rest in _TOOL_CALL.findall(text)):
        for function in (whole or rest for whole, rest in _FUNCTION.findall(block)):
            name, _, parameters = function.partition(">")
            kinds = next((tool.parameters["properties"] for tool in tools if tool.name == name), {})
            arguments = {}
            for parameter in _PARAMETER.findall(parameters):
                key, _, raw = parameter.partition(">")
                arguments[key] = _converted(raw.removeprefix("\n").removesuffix("\n"), kinds.get(key, {}).get("type"))
            calls.append(ToolCall(name, arguments))
    return text[: text.find("<tool_call>")], calls


def _converted(raw: str, kind: str | None) -> Any:
    if raw.lower() == "null":
        return None
    try:
        if kind == "integer":
            return int(raw)
        if kind == "number":
            number = float(raw)
            return number if number % 1 else int(number)
        if kind == "boolean":
            return raw.lower() == "true"
        return json.loads(raw) if kind in ("object", "array") else raw
    except ValueError:
        return raw


REGEX: dict[str, Parse] = {
    "hermes": hermes,
    "mistral": mistral,
    "llama-json": llama3_json,
    "pythonic": pythonic,
    "qwen3-coder": qwen3_coder,
}


# -- the parsers of one family -----------------------------------------------------------------------------------


def ours(family: Family) -> Parse:
    def parse(text: str, tools: Sequence[Tool]) -> Found:
        reply = family.parse(text, tools)
        return reply.text, reply.calls

    return parse


def agent_tool_parser() -> Parse | None:
    """The package, with its compiled engine; None where it is not installed."""
    # it panics where an emoji stands at the hundredth byte of an output without calls, and would say so at length
    os.environ["RUST_BACKTRACE"] = "0"
    try:
        parser = import_module("agent_tool_parser").ToolParser()
    except ImportError:
        return None

    def parse(text: str, tools: Sequence[Tool]) -> Found:
        try:
            return None, [ToolCall(call.name, call.args) for call in parser.try_parse_all(text)]
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            return None, ()

    return parse


def reads_a_plain_call(family: Family, parse: Parse) -> bool:
    """Whether a parser that does not ask for the family knows it at all."""
    message = Message("assistant", "", (ToolCall("add", {"x": "b"}),))
    return right(_found(parse, written(family, message), ()), message)


def parsers(name: str) -> dict[str, Parse]:
    made = {"callwright": ours(ALL[name])}
    if name in REGEX:
        made["regular expressions"] = REGEX[name]
    package = agent_tool_parser()
    if package and reads_a_plain_call(ALL[name], package):
        made["agent-tool-parser"] = package
    return made


def written(family: Family, message: Message) -> str:
    return "".join(segment.text for segment in family.write(message))


def corpus(name: str, count: int) -> list[Output]:
    """Outputs of a family, the same in every run."""
    rng = random.Random(name)
    made = []
    for _ in range(count):
        one = output(rng, ALL[name])
        message = replace(one.message, thinking="")
        made.append(replace(one, text=written(ALL[name], message), message=message))
    return made


# -- what is right -----------------------------------------------------------------------------------------------


def _found(parse: Parse, text: str, tools: Sequence[Tool]) -> Found:
    """What a parser finds; nothing where it raises, as servers have it."""
    try:
        return parse(text, tools)
    except Exception:
        return text, ()


def right(found: Found, meant: Message) -> bool:
    names = [call.name for call in found[1]] == [call.name for call in meant.calls]
    return names and all(map(same_arguments, found[1], meant.calls))


def correctness(family: Family, parse: Parse, outputs: Sequence[Output]) -> dict[str, float | None]:
    """Shares of outputs; None where there is no such text, or a parser does not say."""
    found = [(_found(parse, one.text, one.tools), one) for one in outputs]
    kept = [made[0].strip() == one.message.text.strip() for made, one in found if made[0] is not None]
    behind = []
    if family.beside and not family.write_turn:
        texts = [(_found(parse, f"{one.text}\n{BEHIND}", one.tools)[0], one) for one in outputs if one.message.calls]
        behind = [BEHIND in text for text, _ in texts if text is not None]
    return {
        "right": round(sum(right(made, one.message) for made, one in found) / len(outputs), 4),
        "kept": round(sum(kept) / len(kept), 4) if kept else None,
        "behind": round(sum(behind) / len(behind), 4) if behind else None,
    }


# -- how fast ----------------------------------------------------------------------------------------------------


def whole_seconds(parse: Parse, outputs: Sequence[Output]) -> float:
    start = time.process_time()
    for one in outputs:
        _found(parse, one.text, one.tools)
    return time.process_time() - start


def stream_seconds(name: str, parser: str, parse: Parse, outputs: Sequence[Output]) -> float:
    start = time.process_time()
    for one in outputs:
        places = range(0, len(one.text), CHUNK)
        if parser == "callwright":
            stream = Stream(ALL[name].read, one.tools)
            for place in places:
                stream.feed(one.text[place : place + CHUNK])
            stream.finish()
        else:
            for place in places:
                _found(parse, one.text[: place + CHUNK], one.tools)
    return time.process_time() - start


def speed(seconds: Sequence[float], outputs: Sequence[Output]) -> dict[str, float]:
    size = sum(len(one.text.encode("utf-8", "surrogatepass")) for one in outputs)
    middle = max(median(seconds), 1e-9)
    return {"outputs_per_second": round(len(outputs) / middle), "mb_per_second": round(size / middle / 1e6, 2)}


def measured(names: Sequence[str], options: argparse.Namespace) -> dict[str, dict[str, dict[str, Any]]]:
    """By family and parser: how fast and how right."""
    sides = {name: parsers(name) for name in names}
    outputs = {name: corpus(name, options.outputs) for name in names}
    seconds: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for name in names:
            for parser, parse in sides[name].items():
                few = outputs[name][: options.streams]
                seconds[name, parser, "whole"].append(whole_seconds(parse, outputs[name]))
                seconds[name, parser, "stream"].append(stream_seconds(name, parser, parse, few))
    return {
        name: {
            parser: {
                "whole": speed(seconds[name, parser, "whole"], outputs[name]),
                "stream": speed(seconds[name, parser, "stream"], outputs[name][: options.streams]),
                **correctness(ALL[name], parse, outputs[name]),
            }
            for parser, parse in sides[name].items()
        }
        for name in names
    }


def as_table(families: dict[str, dict[str, dict[str, Any]]]) -> str:
    """A line for each family and parser."""
    lines = [f"{'':35}{'whole texts':>20}{'in chunks':>20}"]
    lines += [f"{'family':15} {'parser':19}{'  outputs/s     MB/s' * 2}{'right':>9}{'kept':>8}{'behind':>8}"]
    for name, made in families.items():
        for parser, one in made.items():
            ways = (one["whole"], one["stream"])
            speeds = "".join(f"{way['outputs_per_second']:11,}{way['mb_per_second']:9.2f}" for way in ways)
            shares = [one[key] for key in ("right", "kept", "behind")]
            told = "".join(f"{'-' if share is None else format(share, '.1%'):>8}" for share in shares)
            lines.append(f"{name:15} {parser:19}{speeds} {told}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=list(ALL), help="all by default: " + ", ".join(ALL))
    parser.add_argument("--outputs", type=int, default=500, help="of each family")
    parser.add_argument("--streams", type=int, default=50, help="the first of these, read as streams")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", help="write the result to this JSON file too")
    options = parser.parse_args()
    result = {
        "outputs": options.outputs,
        "streams": options.streams,
        "rounds": options.rounds,
        "families": measured(options.families, options),
    }
    write_result("parsers", result)
    print(as_table(result["families"]))
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
