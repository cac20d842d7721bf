"""10,000 malformed requests to a running server: refused with a message, never 500, never a hang?

    pip install -e '.[serve,dev]' schemathesis
    python benchmarks/hostile.py      # about ten minutes on two cores

Half come from schemathesis, which reads the server's OpenAPI document and sends what it allows and what it does not;
half from a fuzzer that breaks good bodies: wrong types, missing and unknown keys, cut and altered bytes, deep nesting,
odd numbers, schemas that are large or refer to themselves. The model writes given texts, so that nothing takes long.
Besides: no key, a body of 100 MB, and schemas that would take for ever.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import httpx2

from common import ROOT, write_result

sys.path.append(str(ROOT / "tests"))
from callwright.serve.desk import Settings
from serve.serving import ALARM, CALL, WEATHER, running, served

GOOD: dict[str, Any] = {
    "model": "model",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is the weather in Bern?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "user", "content": [{"type": "text", "text": "And in Basel?"}]},
    ],
    "tools": [WEATHER, ALARM],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "max_tokens": 40,
    "temperature": 0.5,
    "top_p": 0.9,
    "n": 2,
    "seed": 1,
    "stop": ["x", "y"],
    "stream": False,
    "logprobs": True,
    "top_logprobs": 2,
}
ODD = [None, True, -1, 0, 1.5, 10**40, -(10**40), 1e308, "", "x", "\x00", "𝄞" * 50, [], [[]], {}, {"": {}}, [None] * 30]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything inside a body."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def parent(body: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        body = body[step]
    return body


def broken(rng: random.Random) -> bytes:
    """A good body after one to three accidents."""
    body = copy.deepcopy(GOOD)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(places(body)) or [("model",)])
        inside, key = parent(body, path), path[-1]
        what = rng.random()
        if what < 0.5:
            inside[key] = copy.deepcopy(rng.choice(ODD))
        elif what < 0.65:
            del inside[key]
        elif what < 0.75:
            inside[key] = rng.choice([copy.deepcopy(body.get("messages", 1)), json.dumps(inside[key])])
            body = json.loads(json.dumps(body)[:200_000]) if len(json.dumps(body)) < 200_000 else copy.deepcopy(GOOD)
        elif isinstance(inside, dict):
            inside[rng.choice(["$ref", "enum", "pattern", "type", "weird", "anyOf"])] = rng.choice(
                ["#", "#/x", "(", "(a+)+$", [], {}, [{"$ref": "#"}], "object", ["string", "null"]]
            )
    raw = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    accident = rng.random()
    if accident < 0.1:
        raw = raw[: rng.randrange(len(raw))]
    elif accident < 0.2:
        at = rng.randrange(len(raw))
        raw = raw[:at] + bytes(rng.randrange(256) for _ in range(rng.randint(1, 4))) + raw[at + 1 :]
    elif accident < 0.23:
        raw = b"[" * rng.randint(100, 100_000)
    return raw


def bombs() -> dict[str, Any]:
    deep: Any = {"type": "string"}
    for _ in range(300):
        deep = {"type": "object", "properties": {"a": deep}}
    doubling = {
        f"d{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "ab"}} for n in range(40)
    }
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(4000)} | {"d4000": {"type": "string"}}
    parts = {
        "deep": deep,
        "refers to itself": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        "doubling references": {"$ref": "#/$defs/d0", "$defs": doubling | {"d40": {"type": "string"}}},
        "a long chain of references": {"$ref": "#/$defs/d0", "$defs": chain},
        "200,000 choices": {"enum": [f"choice {n}" for n in range(200_000)]},
        "an evil pattern": {"type": "string", "pattern": "(" * 200 + "a" + "+)" * 200},
        "a huge count": {"type": "string", "pattern": "^(a{1,10000}){1,10000}$"},
        "many items": {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
        "unions of unions": {
            "allOf": [
                {"anyOf": [{"type": "object", "properties": {f"p{i}{j}": {}}} for j in range(9)]} for i in range(9)
            ]
        },
    }
    return {
        name: {"type": "object", "properties": {"a": part}} | ({"$defs": part.pop("$defs")} if "$defs" in part else {})
        for name, part in parts.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=5000, help="of the fuzzer; schemathesis sends as many")
    options = parser.parse_args()
    statuses: Counter[str] = Counter()
    worst = 0.0
    bad: list[str] = []
    with running([served([CALL, "It rains."])], Settings(keys=["secret"], timeout=20)) as address:
        client = httpx2.Client(base_url=address, timeout=60, headers={"Authorization": "Bearer secret"})

        def note(kind: str, response: httpx2.Response, what: Any = "") -> None:
            statuses[f"{kind} {response.status_code}"] += 1
            wrong = response.status_code >= 500
            if 400 <= response.status_code < 500:
                wrong = not str(response.json()["error"]["message"]).strip()
            if wrong:
                bad.append(f"{kind} {response.status_code} {response.text[:200]} {what!r:.300}")

        rng = random.Random(0)
        for _ in range(options.bodies):
            raw = broken(rng)
            start = time.perf_counter()
            try:
                note("fuzzer", client.post("/v1/chat/completions", content=raw), raw)
            except httpx2.TransportError as error:
                # also what comes of a connection that a failure before has closed
                bad.append(f"fuzzer {error!r} {raw!r:.300}")
            worst = max(worst, time.perf_counter() - start)
        worst = max(worst, by_schema(address, options.bodies, note))
        hard = {}
        for name, schema in bombs().items():
            tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
            body = {
                "model": "model",
                "messages": GOOD["messages"],
                "tools": [tool],
                "tool_choice": "required",
                "max_tokens": 30,
            }
            start = time.perf_counter()
            response = client.post("/v1/chat/completions", json=body)
            hard[name] = [response.status_code, round(time.perf_counter() - start, 2), response.text[:120]]
        start = time.perf_counter()
        large = httpx2.post(
            f"{address}/v1/chat/completions",
            content=b"x" * 100_000_000,
            headers={"Authorization": "Bearer secret"},
            timeout=60,
        )
        hard["100 MB"] = [large.status_code, round(time.perf_counter() - start, 2), large.text[:120]]
        hard["no key"] = [httpx2.post(f"{address}/v1/chat/completions", json=GOOD).status_code, 0, ""]
        still = client.post("/v1/chat/completions", json=GOOD).status_code
    result = {
        "statuses": dict(sorted(statuses.items())),
        "longest_s": round(worst, 2),
        "bombs": hard,
        "alive": still,
        "bad": bad[:20],
    }
    write_result("hostile", result)
    raise SystemExit(1 if bad or still != 200 else 0)


def by_schema(address: str, count: int, note: Any) -> float:
    """schemathesis' cases for every operation of the document -> the longest a request took, in seconds."""
    import schemathesis
    from schemathesis import GenerationMode

    document = httpx2.get(f"{address}/openapi.json", headers={"Authorization": "Bearer secret"}).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [each.ok() for each in schema.get_all_operations()]
    posts = [each for each in operations if each.method == "post"]
    modes = (GenerationMode.NEGATIVE, GenerationMode.POSITIVE)
    share = count // (len(posts) * len(modes))
    return max(sent(address, operation, mode, share, note) for operation in posts for mode in modes)


def sent(address: str, operation: Any, mode: Any, count: int, note: Any) -> float:
    """One operation's cases -> the longest a request took, in seconds."""
    from hypothesis import HealthCheck, Phase, given, settings

    worst = 0.0

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        nonlocal worst
        start = time.perf_counter()
        response = case.call(base_url=address, headers={"Authorization": "Bearer secret"})
        worst = max(worst, time.perf_counter() - start)
        note(f"schemathesis {mode.value}", response, case.body)

    send()
    return worst


if __name__ == "__main__":
    main()
