"""The first request to a server that was started anew, which finds the tool block on disk, beside one that does not.

    pip install -e '.[openvino,serve,teacher]'
    python benchmarks/restart.py --adapter runs/hwu64_16/adapter      # about three minutes on two cores

`callwright serve` is a process of its own, asked by the openai package. Of each number of tools: the first chunk of a
stream, which is the called tool's name, and the whole call: cold, then of another request, then after a restart, with
the blocks in `--cache`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import openai

from callwright.data.openai import to_row
from callwright.types import Conversation, Tool
from common import write_result
from generate import asked, many_tools, requests
from load import server


def timed(address: str, row: Conversation, tools: Sequence[Tool]) -> dict[str, float]:
    """Milliseconds to the first chunk that says something, and to the end."""
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=300)
    # the client's own first request reads its modules
    client.models.list()
    sent = to_row(asked(replace(row, tools=tuple(tools))))
    body: dict[str, Any] = {"messages": sent["messages"], "tools": sent["tools"], "max_tokens": 128}
    start = time.perf_counter()
    first = 0.0
    stream = client.chat.completions.create(model="tuned", stream=True, tool_choice="required", **body)
    for chunk in stream:
        said = chunk.choices and (chunk.choices[0].delta.content or chunk.choices[0].delta.tool_calls)
        if said and not first:
            first = time.perf_counter() - start
    return {"first_chunk_ms": round(1000 * first, 1), "call_ms": round(1000 * (time.perf_counter() - start), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--tools", default="16,48,200")
    options = parser.parse_args()
    rows, tools = requests(3)
    found = {}
    for count in map(int, options.tools.split(",")):
        offered = many_tools(count, tools)
        with tempfile.TemporaryDirectory() as folder:
            with server(options.adapter, "--cache", folder, "--context", "16384") as (address, _):
                found[f"{count} tools, cold"] = timed(address, rows[0], offered)
                found[f"{count} tools, warm"] = timed(address, rows[1], offered)
            with server(options.adapter, "--cache", folder, "--context", "16384") as (address, _):
                found[f"{count} tools, restarted"] = timed(address, rows[2], offered)
    write_result("restart", found)


if __name__ == "__main__":
    main()
