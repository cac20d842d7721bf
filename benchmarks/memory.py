"""A chain of forty calls in a prompt of 2,000 tokens: with pruning, with a whiteboard, and with neither.

    python benchmarks/memory.py        # a quarter of an hour on two cores

Forty of the requests that examples/home/holdout.jsonl has for one call, asked one after another of the tuned example as
one conversation. Counted are the requests that were answered with exactly their call, and those that no longer fitted.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from callwright.agent.loop import Agent, Budget, Memory, Model, Replied
from callwright.agent.memory import Pruning, Whiteboard
from callwright.agent.policy import Policy
from callwright.agent.toolbox import open_tools
from callwright.data import conversations
from callwright.generate.reply import Options
from callwright.models.bundled import BUNDLED
from callwright.pipeline.demo import home_folder
from callwright.pipeline.serving import Wanted, open_served
from callwright.score.calls import match_calls
from callwright.score.stats import wilson
from callwright.types import Conversation
from common import write_result


def chain(model: Model, memory: Memory | None, rows: list[Conversation], room: int) -> dict[str, Any]:
    home = home_folder()
    with open_tools(str(home / "tools.py")) as box:
        policy = Policy(effects=dict.fromkeys(box.effects, "read"))
        agent = Agent(model, box, policy, Budget(steps=1, context=room), memory=memory)
        agent.options = Options(max_new_tokens=96)
        right = refused = 0
        begun = time.monotonic()
        for row in rows:
            request, gold = row.messages[-2].text, row.messages[-1]
            events = list(agent.ask(request))
            replies = [event.reply for event in events if isinstance(event, Replied)]
            refused += not replies
            right += bool(replies) and match_calls(gold.calls, replies[0].calls, box.tools).exact
    interval = wilson(right, len(rows))
    return {
        "right": right,
        "of": len(rows),
        "share": round(right / len(rows), 3),
        "interval": [round(interval.low, 3), round(interval.high, 3)],
        "no longer fitted": refused,
        "seconds": round(time.monotonic() - begun),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=int, default=2000)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--engine", choices=("openvino", "llama.cpp", "torch"), default="openvino")
    options = parser.parse_args()
    home = home_folder()
    rows = [
        row
        for row in conversations(str(home / "holdout.jsonl"))
        if len(row.messages) == 2 and len(row.messages[-1].calls) == 1
    ][: options.calls]
    wanted = Wanted(BUNDLED, (str(home / "adapter"),), context=8192, slots=2, engine=options.engine)
    (served,) = open_served(wanted)
    model = Model(served.engine, served.dialect, served.tokenizer)
    memories: dict[str, Memory | None] = {"neither": None, "pruning": Pruning(), "whiteboard": Whiteboard()}
    result = {name: chain(model, memory, rows, options.room) for name, memory in memories.items()}
    write_result("memory", {"room": options.room, **result})


if __name__ == "__main__":
    main()
