"""The verdicts that `callwright eval --bench bfcl` records, against the leaderboard's own runners called by themselves.

All single-turn categories that run offline, seven sets of outputs made from the answers with a seed: as they are; none;
an argument dropped; a value changed or of another type; a function renamed or a call too many; other spellings,
accepted values and number types; calls cut in the middle. With --results the outputs of real models too. Then the 800
multi-turn rows, once with their own answers and once without a call, and the overall formula.

Each output goes the whole way: written in the Hermes tags, parsed, judged, read back from the file of results. The
leaderboard's side gets the same calls in its own format, through its runner functions; packages that these import and
do not use here are stood in for.

    python benchmarks/bfcl_agreement.py [--results runs/bfcl/tuned/results.jsonl ...]

Takes some minutes of one core. Exits with an error where a verdict differs, or a multi-turn answer fails.
"""

from __future__ import annotations

import argparse
import copy
import csv
import importlib
import json
import random
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from callwright.dialects.hermes import hermes
from callwright.generate.fake import CharacterTokenizer, FakeEngine
from callwright.generate.reply import Answer, Options, reply
from callwright.pipeline.asking import Respondent
from callwright.pipeline.bench import Bench, rows_of, run_bench
from callwright.pipeline.results import Results
from callwright.score.bfcl import GROUPS, SINGLE_TURN, Entry, entries, leaderboard
from callwright.score.bfcl_gold import gold_calls, gold_steps
from callwright.score.bfcl_table import differences_table, summary
from callwright.types import Conversation, JsonObject, ToolCall
from common import write_result

_UNUSED = ("overrides", "tenacity", "dotenv", "tree_sitter", "tree_sitter_java", "tree_sitter_javascript")
_TEXT = "I cannot help with that."
_CUT = "cut"

Output = list[ToolCall]
"""Calls; a last one named _CUT says that the text of the one before ends in its middle."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", action="append", default=[])
    given = parser.parse_args()
    runner = their_runner()
    found: JsonObject = {"version": leaderboard().version, "sets": {}}
    kept: dict[str, list[JsonObject]] = {}
    for name, corrupt in SETS.items():
        outputs = {
            entry.id: corrupt(entry, list(gold_calls(entry)), random.Random(f"{name} {entry.id}"))
            for category in SINGLE_TURN
            for entry in entries(category)
        }
        texts = {key: [written(output)] for key, output in outputs.items()}
        kept[name] = recorded(SINGLE_TURN, texts)
        found["sets"][name] = compare(runner, kept[name], {key: theirs_of(output) for key, output in outputs.items()})
        print(name, found["sets"][name], flush=True)
    for file in given.results:
        rows = [row for row in map(json.loads, Path(file).read_text().splitlines()[1:]) if "turns" not in row]
        kept[file] = rows
        found["sets"][file] = compare(runner, rows, {row["id"]: read_again(row) for row in rows})
        print(file, found["sets"][file], flush=True)
    found["multi_turn"], golds = multi_turn(runner)
    found["overall"] = formula([*kept["changed"], *golds])
    table = differences_table(kept)
    found["differ"] = {
        name: Counter(("BFCL's: " if row["theirs"] else "strict: ") + row["differs"] for row in rows if row["differs"])
        for name, rows in kept.items()
    }
    write_result("bfcl_agreement", found)
    from rich.console import Console

    Console(width=200).print(table)
    bad = [one for one in found["sets"].values() if one["agree"] < one["rows"]]
    turns = found["multi_turn"]
    if bad or any(one["gold passes"] < one["rows"] or one["empty passes"] for one in turns.values()):
        sys.exit("the verdicts differ")


def their_runner() -> Any:
    """The leaderboard's `eval_runner`, whose results are caught instead of written."""
    leaderboard()
    for name in (*_UNUSED, "bfcl_eval.model_handler.parser.java_parser", "bfcl_eval.model_handler.parser.js_parser"):
        if name.startswith("bfcl_eval") or importlib.util.find_spec(name) is None:
            stand_in = ModuleType(name)
            # whatever is imported from it, and decorates, leaves functions as they are
            stand_in.__dict__["__getattr__"] = lambda attribute: lambda *words, **more: words[0] if words else None
            sys.modules[name] = stand_in
    runner = importlib.import_module("bfcl_eval.eval_checker.eval_runner")
    runner.save_eval_results = lambda result, correct, *others, **more: (correct, result)
    return runner


class Native:
    """What the runners want of a model with native calls: `[{function: arguments as JSON}]` -> calls; text raises."""

    def decode_ast(self, result: Any, language: Any, has_tool_call_tag: bool) -> list[JsonObject]:
        return [{name: json.loads(arguments)} for call in result for name, arguments in call.items()]

    def decode_execute(self, result: Any, has_tool_call_tag: bool) -> list[str]:
        utils = importlib.import_module("bfcl_eval.model_handler.utils")
        calls: list[str] = utils.convert_to_function_call(result)
        return calls


def written(output: Output) -> str:
    """Calls as a model writes them in the Hermes tags."""
    if not output:
        return _TEXT
    blocks = [
        f"<tool_call>\n{json.dumps({'name': call.name, 'arguments': call.arguments})}\n</tool_call>" for call in output
    ]
    if output[-1].name == _CUT:
        # in the middle of its name: what lacks no more than its closing would be read
        blocks = [*blocks[:-2], blocks[-2][: len('<tool_call>\n{"name": "') + 1]]
    return "\n".join(blocks)


def theirs_of(output: Output) -> Any:
    """The same as a server's native calls."""
    if not output:
        return _TEXT
    made = [{call.name: json.dumps(call.arguments)} for call in output if call.name != _CUT]
    if output[-1].name == _CUT:
        ((name, arguments),) = made[-1].items()
        made[-1] = {name: arguments[:-1] or "{"}
    return made


def read_again(row: JsonObject) -> Any:
    """A recorded reply as a server's native calls."""
    if row["unread"] or not row["calls"]:
        return row["raw"] or _TEXT
    return [{call["name"]: json.dumps(call["arguments"])} for call in row["calls"]]


def recorded(categories: Sequence[str], texts: dict[str, list[str]]) -> list[JsonObject]:
    """Texts of each row's replies -> what the command would have in its file of results."""
    waiting = {key: deque(own) for key, own in texts.items()}

    def ask(rows: Sequence[Conversation]) -> list[Answer]:
        engine = FakeEngine([waiting[row.id].popleft() for row in rows])
        return list(reply(rows, hermes(), CharacterTokenizer(), engine, Options()))

    bench = Bench(tuple(categories), together=256)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl"
        with Results(path, {}) as results:
            run_bench(bench, Respondent("made", ask, {}), results)
        with Results(path, {}) as results:
            return rows_of(bench, results)


def compare(runner: Any, rows: Sequence[JsonObject], outputs: dict[str, Any]) -> JsonObject:
    """How many recorded verdicts are those of the runners, how many were right, and the first ids that differ."""
    right, differ, raised = 0, [], 0
    prompts: dict[str, dict[str, tuple[JsonObject, Any]]] = {}
    utils = importlib.import_module("bfcl_eval.utils")
    for row in rows:
        category = row["category"]
        if category not in prompts:
            asked = utils.load_dataset_entry(category, include_prereq=False, include_language_specific_hint=False)
            truth = [None] * len(asked) if "relevance" in category else utils.load_ground_truth_entry(category)
            prompts[category] = {prompt["id"]: (prompt, own) for prompt, own in zip(asked, truth, strict=True)}
        prompt, own = prompts[category][row["id"]]
        result = [{"id": row["id"], "result": outputs[row["id"]]}]
        try:
            if own is None:
                correct, _ = runner.relevance_file_runner(Native(), result, [prompt], "made", category, None)
            else:
                correct, _ = runner.ast_file_runner(Native(), result, [prompt], [own], category, "made", None)
        except Exception:  # its checker falls over some values; a run of it would end here
            correct, raised = 0, raised + 1
        right += correct
        if bool(correct) != row["theirs"]:
            differ.append(row["id"])
    return {"rows": len(rows), "agree": len(rows) - len(differ), "right": right, "raised": raised, "differ": differ[:9]}


def multi_turn(runner: Any) -> tuple[JsonObject, list[JsonObject]]:
    """Category -> golds and empty runs that pass, by the command and by the runner; and the golds' results."""
    found: JsonObject = {}
    golds: list[JsonObject] = []
    utils = importlib.import_module("bfcl_eval.utils")
    for category in GROUPS["multi_turn"]:
        rows = entries(category)
        steps = {entry.id: gold_steps(entry) for entry in rows}
        texts = {
            key: [text for turn in turns for text in ([written(list(turn)), _TEXT] if turn else [_TEXT])]
            for key, turns in steps.items()
        }
        gold = recorded([category], texts)
        empty = recorded([category], {key: [_TEXT] * len(turns) for key, turns in steps.items()})
        own = {"gold": 0, "empty": 0}
        answers = utils.load_ground_truth_entry(category)
        for entry, answer in zip(rows, answers, strict=True):
            turns = [[theirs_of(list(turn)), _TEXT] if turn else [_TEXT] for turn in steps[entry.id]]
            for kind, result in (("gold", turns), ("empty", [[_TEXT] for _ in turns])):
                prompt = copy.deepcopy(entry.asked)
                line = [{"id": entry.id, "result": result}]
                own[kind] += runner.multi_turn_runner(Native(), line, [prompt], [answer], kind, category, None)[0]
        golds += gold
        found[category] = {
            **{"rows": len(rows), "gold passes": sum(row["theirs"] for row in gold)},
            **{"gold passes strictly": sum(row["strict"] for row in gold)},
            **{"empty passes": sum(row["theirs"] for row in empty)},
            **{"gold passes its runner": own["gold"], "empty passes its runner": own["empty"]},
        }
        print(category, found[category], flush=True)
    return found, golds


def formula(rows: list[JsonObject]) -> JsonObject:
    """The overall score of these rows, by ours and by the table that the leaderboard writes."""
    ours = summary(rows)
    helper = importlib.import_module("bfcl_eval.eval_checker.eval_runner_helper")
    table = {
        category: {"accuracy": one["theirs"], "total_count": one["n"]} for category, one in ours["categories"].items()
    }
    words = {"display_name": "made", "url": "", "org": "", "license": "", "input_price": None, "output_price": None}
    helper.MODEL_CONFIG_MAPPING["made"] = SimpleNamespace(underscore_to_dot=False, **words)
    with tempfile.TemporaryDirectory() as folder:
        helper.generate_leaderboard_csv({"made": table}, Path(folder))
        with (Path(folder) / "data_overall.csv").open() as file:
            (line,) = csv.DictReader(file)
    mine = ours["overall"]["theirs"]
    own = next(value for key, value in line.items() if key.startswith("Overall"))
    return {"ours": f"{mine:.2%}", "its own": own, "equal": f"{mine:.2%}" == own}


Corrupt = Callable[[Entry, Output, random.Random], Output]


def as_is(entry: Entry, calls: Output, rng: random.Random) -> Output:
    return calls


def empty(entry: Entry, calls: Output, rng: random.Random) -> Output:
    return []


def dropped(entry: Entry, calls: Output, rng: random.Random) -> Output:
    at, call = _some(calls, rng)
    if call is None or not call.arguments:
        return calls
    gone = rng.choice(list(call.arguments))
    kept = {key: value for key, value in call.arguments.items() if key != gone}
    return _put(calls, at, ToolCall(call.name, kept))


def changed(entry: Entry, calls: Output, rng: random.Random) -> Output:
    at, call = _some(calls, rng)
    if call is None or not call.arguments:
        return calls
    key = rng.choice(list(call.arguments))
    value = call.arguments[key]
    other = rng.choice([str(value), [value], None, {"x": value}]) if rng.random() < 0.5 else _other(value)
    return _put(calls, at, ToolCall(call.name, {**call.arguments, key: other}))


def renamed(entry: Entry, calls: Output, rng: random.Random) -> Output:
    """Another name, a call twice, or where none is due a call."""
    at, call = _some(calls, rng)
    if call is None:
        offered = entry.asked["function"]
        return [ToolCall(rng.choice(offered)["name"], {"x": 1})] if offered else []
    if rng.random() < 0.5:
        return [*calls, call]
    return _put(calls, at, ToolCall(call.name + "_v2", call.arguments))


def respelled(entry: Entry, calls: Output, rng: random.Random) -> Output:
    """Every value as another that is accepted, or in other letters, punctuation or number types; calls in any order."""
    made = []
    for call in calls:
        accepted = next((own[call.name] for own in entry.answers or () if call.name in own), {})
        spelled = {key: _respelled(value, accepted.get(key, []), rng) for key, value in call.arguments.items()}
        made.append(ToolCall(call.name, spelled))
    rng.shuffle(made)
    return made


def cut(entry: Entry, calls: Output, rng: random.Random) -> Output:
    made = calls or [ToolCall(one["name"], {"x": "y"}) for one in entry.asked["function"][:1]]
    return [*made, ToolCall(_CUT, {})] if made else []


SETS: dict[str, Corrupt] = {
    **{"gold": as_is, "empty": empty, "dropped": dropped, "changed": changed},
    **{"renamed": renamed, "respelled": respelled, "cut": cut},
}


def _some(calls: Output, rng: random.Random) -> tuple[int, ToolCall | None]:
    at = rng.randrange(len(calls)) if calls else 0
    return at, calls[at] if calls else None


def _put(calls: Output, at: int, call: ToolCall) -> Output:
    return [*calls[:at], call, *calls[at + 1 :]]


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + " x"
    if isinstance(value, list):
        return [*value, *value[:1]] or ["x"]
    return dict(list(value.items())[1:]) if isinstance(value, dict) else "x"


def _respelled(value: Any, accepted: Iterable[Any], rng: random.Random) -> Any:
    others = [one for one in accepted if type(one) is type(value) and one != "" and not isinstance(one, dict)]
    if others and rng.random() < 0.3:
        value = rng.choice(others)
    if isinstance(value, str) and value:
        return rng.choice([value, value.upper(), value.lower(), value.replace(" ", "-"), value + ".", value.strip()])
    if isinstance(value, int) and not isinstance(value, bool):
        return rng.choice([value, float(value)])
    if isinstance(value, float) and value.is_integer():
        return rng.choice([value, int(value)])
    if isinstance(value, list):
        return [_respelled(one, [], rng) for one in value]
    return value


if __name__ == "__main__":
    main()
