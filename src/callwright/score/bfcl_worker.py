"""The process in which the leaderboard's simulated back ends run: a question as a line of JSON in, an answer out.

Its code runs calls by evaluating them as text. The texts come from `bfcl_turns.call_text`, which writes them from
parsed calls, with values that are literals.
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from typing import Any

from callwright.scale.apart import limit, lines, more_time, say
from callwright.types import JsonObject

_PACKAGE = "bfcl_eval.eval_checker.multi_turn_eval"


def main(cpu_seconds: int, megabytes: int) -> None:
    """Loads the back ends, and answers until the input ends: `steps` are executed, `turns` checked."""
    questions, answers = lines()
    try:
        checker, utils = (importlib.import_module(f"{_PACKAGE}.multi_turn_{part}") for part in ("checker", "utils"))
        for name in utils.CLASS_FILE_PATH_MAPPING.values():
            # those of memory and of the web want packages and keys, and no row here uses them
            if not any(part in name for part in ("memory", "web_search")):
                importlib.import_module(name)
    except ImportError as error:
        say(answers, {"failed": f"{error}; run: pip install {error.name}"})
        return
    limit(megabytes)
    say(answers, {"ready": True})
    for number, line in zip(itertools.count(), questions):
        asked = json.loads(line)
        more_time(cpu_seconds)
        # it keeps back ends in its module's globals, by this name
        name = f"callwright_run{number}"
        say(answers, _checked(checker, name, asked) if "turns" in asked else _executed(utils, name, asked))
        for kept in [key for key in vars(utils) if key.startswith(name)]:
            del vars(utils)[kept]


def _executed(utils: Any, name: str, asked: JsonObject) -> JsonObject:
    """Every step in its order, from the row's beginning -> the results of the last."""
    row = asked["row"]
    results: list[str] = []
    for step in asked["steps"]:
        results, _ = utils.execute_multi_turn_func_call(
            step, row["initial_config"], row["involved_classes"], name, row["id"], "long_context" in row["id"]
        )
    return {"results": results}


def _checked(checker: Any, name: str, asked: JsonObject) -> JsonObject:
    """Its verdict, and that of its check of turns that want no call, which its verdict leaves out."""
    turns, truth, row = asked["turns"], asked["truth"], asked["row"]
    try:
        found = checker.multi_turn_checker(turns, truth, row, row["id"].rsplit("_", 1)[0], name)
    except Exception as error:  # what back ends hold after a model's calls may break its comparison
        found = {"valid": False, "error_type": f"checker_raised:{type(error).__name__}"}
    idle = checker.multi_turn_irrelevance_checker(turns, truth)
    return {"valid": bool(found["valid"]), "error": str(found.get("error_type", "")), "idle": bool(idle["valid"])}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
