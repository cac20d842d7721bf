"""A server under load: 16 clients, 2,000 requests, streamed and plain, some leaving before the end.

    pip install -e '.[openvino,serve,teacher]'
    python benchmarks/load.py --adapter runs/hwu64_16/adapter      # about ten minutes on two cores

The server is `callwright serve` in a process of its own, asked by the openai package: hwu64's dev requests, its 16
tools. First 100 requests one after another, which is what throughput is compared with; then 16 clients at once. A tenth
of the streams is left after the third chunk. Memory is the server's resident memory after 200 requests and at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import openai

from callwright.data.openai import to_row
from common import write_result
from generate import asked, requests

CLIENTS = 16


@contextmanager
def server(adapter: str, *more: str) -> Iterator[tuple[str, int]]:
    """Its address and process, while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from callwright import cli; cli.main()", "serve", "smollm2-135m"]
    command += ["--adapter", f"tuned={adapter}", "--port", str(port), *more]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            while not is_open(port):
                if process.poll() is not None:
                    sys.exit(f"the server ended: {process.returncode}")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait(60)


def is_open(port: int) -> bool:
    time.sleep(0.2)
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def memory(pid: int) -> int:
    """Resident, in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def ask(client: openai.OpenAI, body: dict[str, Any], kind: str) -> str:
    """What came of one request."""
    try:
        if kind == "plain":
            made = client.chat.completions.create(**body)
            return "call" if made.choices[0].message.tool_calls else "text"
        with client.chat.completions.stream(**body, stream_options={"include_usage": True}) as stream:
            for number, _ in enumerate(stream):
                if kind == "left" and number == 2:
                    return "left"
            final = stream.get_final_completion()
        return "call" if final.choices[0].message.tool_calls else "text"
    except openai.RateLimitError:
        return "429"


def work(address: str, todo: SimpleQueue[tuple[dict[str, Any], str]], done: list[tuple[str, str, float]]) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=300)
    while True:
        try:
            body, kind = todo.get_nowait()
        except Empty:
            return
        start = time.perf_counter()
        try:
            came = ask(client, body, kind)
        except Exception as error:
            came = f"error: {type(error).__name__}: {error}"[:200]
        done.append((kind, came, time.perf_counter() - start))


def run(address: str, todo: Sequence[tuple[dict[str, Any], str]], clients: int) -> tuple[list[Any], float]:
    queue: SimpleQueue[tuple[dict[str, Any], str]] = SimpleQueue()
    for each in todo:
        queue.put(each)
    done: list[tuple[str, str, float]] = []
    threads = [threading.Thread(target=work, args=(address, queue, done)) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    rng = random.Random(0)
    bodies = []
    for row in requests(250)[0]:
        sent = to_row(asked(row))
        bodies.append({"model": "tuned", "messages": sent["messages"], "tools": sent["tools"], "max_tokens": 128})
    kinds = ["plain"] * 5 + ["stream"] * 4 + ["left"]
    todo = [
        (body, rng.choice(kinds)) for body, _ in zip(itertools.cycle(bodies), range(options.requests), strict=False)
    ]
    with server(options.adapter) as (address, pid):
        run(address, todo[:5], 1)
        alone, alone_s = run(address, [(body, "plain") for body, _ in todo[:100]], 1)
        first, first_s = run(address, todo[:200], CLIENTS)
        early = memory(pid)
        rest, rest_s = run(address, todo[200:], CLIENTS)
        late = memory(pid)
    done, seconds = first + rest, first_s + rest_s
    came = Counter(f"{kind}: {what}" for kind, what, _ in done)
    waits = sorted(took for kind, what, took in done if kind != "left" and what != "429")
    write_result(
        "load",
        {
            "requests": len(done),
            "came": dict(sorted(came.items())),
            "sequential_per_s": round(len(alone) / alone_s, 2),
            "sequential_median_ms": round(1000 * statistics.median(took for _, _, took in alone)),
            "clients": CLIENTS,
            "per_s": round(len(done) / seconds, 2),
            "ratio": round(len(done) / seconds / (len(alone) / alone_s), 2),
            "median_ms": round(1000 * statistics.median(waits)),
            "p95_ms": round(1000 * waits[int(0.95 * len(waits))]),
            "memory_mib": {"after 200": early, "at the end": late},
        },
    )
    bad = [what for what in came if "error" in what]
    print(json.dumps(bad))
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
