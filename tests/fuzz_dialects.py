"""Outputs of every family, as written, cut short and damaged, against what its reader must keep to.

    python tests/fuzz_dialects.py                                    # all, 100,000 damaged outputs: three minutes
    python tests/fuzz_dialects.py --sabotage broken --whole 20       # the faults of a reader that drops something

However a text is cut, the deltas add up to what the whole text is; nothing raises; every character of the input is in
the text, the thinking, a call or a broken call, or belongs to a delimiter. Faults come with the shortest example.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from callwright.dialects.base import CallPiece, Delta
from callwright.dialects.families import FAMILIES
from callwright.dialects.families.xlam import XLAM, XLAM_DICTS
from callwright.dialects.family import Family
from callwright.dialects.parse.cursor import Cursor, Stream
from callwright.dialects.same import same_arguments
from callwright.types import Kind, Message, Reply, Tool, ToolCall

ALL: dict[str, Family] = {**FAMILIES, "xlam": XLAM, "xlam-dicts": XLAM_DICTS}

# fmt: off
STRINGS = ("", " ", "Oslo", "123", "-0", "true", "null", "None", "1e5", "NaN", "it's", 'say "hi"', "'\"'", "a\nb", "\n",
           "\ttab", "a\r\nb", "naïve", "日本語", "🙂\u200d👧", "\u2028", "\u00a0x", "é" * 30, "\\u0041", "\\", '"', ";",
           "</", "C:\\new", '{"a": 1}', '{"name": "f", "arguments": {}}', "[1]", "}", "]}", '", "', "[f(a=1)]", ")]")
TEXTS = ("One moment.", "I'll look.", "It is 5 < 6 [1], {so} to say.", "Two\nlines", "Über 日本", "a\n\nb\n- c 🙂",
         "x" * 99, 'The key "name" is missing.', "See f(x) = [2].", "```python\nprint(1)\n```", "1. one\n2. two")
NAMES = ("get_weather", "find.place", "play-music", "add", "a.b-c_d2", "geo.reverse_lookup")
KEYS = ("city", "n", "unit_2", "items", "options", "whether", "x", "from")
STRANGE_KEYS = ("", "a key", 'q"uote', "it's", "naïve", "日本", "a.b", "name", "arguments", "</tool_call>")
TYPES = ("string", "string", "string", "integer", "number", "boolean", "array", "object")
SCALARS = {"integer": (0, 1, -1, 42, 10**12), "number": (0.5, -1.25, 1e22, 1e-7, 1e5, 3), "boolean": (True, False)}
NOISE = (*"\n\t \\\"'{}[](),:;=🙂\0\u00a0\u2028\ud83d\udc80", "\r\n", "\\u12", "\\ud83d", "**{", "```", "[f(", "NaN",
         "null", '{"name": "f"', '"arguments": {}', '"id": "c7"', ', "a": 1', "stray words", ', "name": "g"', "1e999")
NESTS = (("[", "]"), ('{"a":', "}"), ("{", "}"), ("(", ")"), ("[{'a':", "}]"), ("{a:", "}"), ('[{"b":[', "]}]"))
# where a value ends, in families that have no way to write that inside one
ENDS = {"qwen3-coder": "</parameter>", "minimax-m2": "</parameter>", "glm": "</arg_value>", "functiongemma": "<escape>",
        "gemma4": '<|"|>', "atem": "</atem:parameter>"}
# what readers take besides what is written
ALSO = {"mistral-v11": "[CALL_ID]", "pythonic": "<|python_end|>", "xlam-json": "</tool_call>", "kimi-k2": "functions.",
        "harmony": "<|channel|>analysis final <|constrain|>json to="}
# letters in the text that are none in the value
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,4}|U.{8}|x..|.)", re.S)
REPEATED = re.compile(r"(.{1,7}?)\1{20,}")
# fmt: on


@dataclass(frozen=True, slots=True)
class Output:
    """What a model wrote, what it says, and the tools that it was given."""

    text: str
    message: Message
    tools: tuple[Tool, ...]


@cache
def marks(family: Family) -> tuple[str, ...]:
    """Delimiters of a family: what stands in its outputs besides texts, names and arguments."""
    calls = (ToolCall("f", {"a": "x"}),) * 2
    some = (Message("assistant", "x", thinking="x"), Message("assistant", "x" * family.beside, calls))
    written = [s.text.strip() for message in some for s in family.write(message) if s.kind is Kind.SCAFFOLD]
    others = (family.layout.opening, ALSO.get(family.name, ""), ENDS.get(family.name, ""))
    return tuple(sorted({*written, *others, *family.never, *family.stops} - {""}))


def value(rng: random.Random, family: Family, kind: str, depth: int = 0) -> Any:
    """A value of a JSON type that the family can hold; strings are awkward."""
    if kind in SCALARS:
        return rng.choice(SCALARS[kind])
    if kind == "string":
        made = rng.choice(marks(family) if rng.random() < 0.1 else STRINGS)
        made += rng.choice(STRINGS) if rng.random() < 0.2 else ""
        return made if ENDS.get(family.name, "\0") not in made else "x"
    kinds = rng.choices(TYPES if depth < 2 else TYPES[:6], k=rng.randrange(4))
    inner = [value(rng, family, kind, depth + 1) for kind in kinds]
    return {key(rng, family): one for one in inner} if kind == "object" else [*inner, None][: rng.randrange(5)]


def key(rng: random.Random, family: Family) -> str:
    return rng.choice(KEYS if family.name in ENDS or rng.random() < 0.8 else STRANGE_KEYS)


def call(rng: random.Random, family: Family, tool: Tool) -> ToolCall:
    kinds = tool.parameters["properties"]
    some = rng.sample([*kinds], 0 if rng.random() < 0.1 else rng.randint(0, len(kinds)))
    return ToolCall(tool.name, {name: value(rng, family, kinds[name]["type"]) for name in some})


def output(rng: random.Random, family: Family) -> Output:
    """A well-formed output: text, thinking where the family has some, none to ten calls."""
    tools = []
    for name in rng.sample(NAMES, rng.randint(1, 3)):
        properties = {key(rng, family): {"type": rng.choice(TYPES)} for _ in range(rng.randrange(5))}
        tools.append(Tool(name, "Does it.", {"type": "object", "properties": properties}))
    calls = tuple(call(rng, family, rng.choice(tools)) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 10])))
    begins = [rf"(?:\A|\n){line}" for line in family.never_lines] + [*map(re.escape, family.never)]
    texts = [text for text in TEXTS if not any(re.search(begin, text) for begin in begins)]
    text = rng.choice(texts) if not calls or (family.beside and rng.random() < 0.4) else ""
    thinking = rng.choice(texts) if family.thinking and rng.random() < 0.3 else ""
    message = Message("assistant", text, calls, thinking=thinking)
    return Output("".join(segment.text for segment in family.write(message)), message, tuple(tools))


def damaged(rng: random.Random, family: Family, pool: Sequence[Output]) -> str:
    """An output that some things happened to."""
    text = rng.choice(pool).text
    for _ in range(rng.choice([1, 1, 2, 3, 5])):
        # half of the places are where one part ends and another begins
        ends = [found.end() for found in re.finditer(r"[{}\[\](),:;<>\"']\s?", text)] or [0]
        a, b = sorted(rng.choice([rng.choice(ends), rng.randint(0, len(text))]) for _ in "ab")
        mark, other, blank = rng.choice(marks(family)), rng.choice(pool).text, rng.choice(["", " ", "\n", "\n  "])
        noisy = bytearray(text.encode("utf-8", "surrogatepass")) or bytearray(b"\0")
        noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        kept = [text[:b], text[:a] + text[min(b, a + 9) :], text[:a] + text[a : a + 40] * 2 + text[a + 40 :]]
        kept += [re.sub(r'(?<=[{\[(,:=])\s?(?=[{\["\w])', blank, text, count=rng.randint(1, 9))]
        kept += [noisy.decode("utf-8", rng.choice(["replace", "surrogateescape"])), text[:b] + other[-b:]]
        added = [other, mark, mark[: rng.randint(1, len(mark))], rng.choice(NOISE), rng.choice(NOISE)]
        text = rng.choice([*kept, *(text[:a] + more + text[a:] for more in added)])
    return text[:20_000]


def deep(rng: random.Random, pool: Sequence[Output]) -> str:
    """An output in which brackets nest too deeply, closed or not, with more behind it."""
    text = rng.choice([made for made in pool if made.message.calls]).text
    place = rng.choice([found.end() for found in re.finditer(r'[{\[(:=>]\s?|"x"', text)])
    levels = rng.choice([300, rng.randint(900, 1000), 100_000])
    opening, closing = rng.choice(NESTS)
    return text[:place] + opening * levels + rng.choice(["", "1" + closing * levels]) + text[place:]


class Watched(Cursor):
    """A cursor that remembers where broken calls stand."""

    __slots__ = ("extents",)

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__(tools)
        self.extents: list[tuple[int, int]] = []

    def broken(self, start: int, end: int, reason: str) -> None:
        self.extents.append((start, end))
        super().broken(start, end, reason)


@contextmanager
def usual_stack() -> Iterator[None]:
    """Readers have the stack that they have elsewhere; looking at what they made may need more."""
    sys.setrecursionlimit(1_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(5_000)


Read = tuple[Reply, list[CallPiece]]


def added_up(deltas: Sequence[Delta]) -> Read:
    """What a client has at the end of a stream."""
    reply = Reply(
        "".join(delta.text for delta in deltas),
        tuple(one for delta in deltas for one in delta.calls),
        tuple(one for delta in deltas for one in delta.broken),
        thinking="".join(delta.thinking for delta in deltas),
    )
    return reply, [piece for delta in deltas for piece in delta.pieces]


def whole(family: Family, text: str, tools: Sequence[Tool]) -> tuple[Read, Watched]:
    """A text read at once."""
    cursor = Watched(tools)
    cursor.text, cursor.ended = text, True
    with usual_stack():
        next(family.read(cursor), None)
    return added_up([cursor.drain()]), cursor


def streamed(family: Family, text: Any, places: Iterable[int], tools: Sequence[Tool]) -> Read:
    """A text, or bytes, read as it comes."""
    stream = Stream(family.read, tools)
    with usual_stack():
        deltas = [stream.feed(text[a:b]) for a, b in pairwise([0, *places, len(text)])]
        return added_up([*deltas, stream.finish()])


def wrong_pieces(pieces: Sequence[CallPiece], reply: Reply) -> str:
    """What an OpenAI client would stumble over; "" for nothing. Broken calls may have pieces too."""
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for piece in pieces:
        if bool(piece.name) is (piece.index in names):
            return f"index {piece.index} has a second name or none"
        names.setdefault(piece.index, piece.name)
        arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
    if list(names) != list(range(len(names))) or not (reply.broken or len(names) == len(reply.calls)):
        return f"pieces with indexes {list(names)[:12]} of {len(reply.calls)} calls"
    waiting = list(reply.calls)
    for index, name in names.items():
        if waiting and name == waiting[0].name and _loaded(arguments[index]) == repr(waiting[0].arguments):
            waiting.pop(0)
    return f"the pieces {list(arguments.values())!r:.200} do not add up to {waiting[0]!r:.200}" if waiting else ""


def _loaded(text: str) -> str:
    try:
        return repr(json.loads(text))
    except (ValueError, RecursionError) as error:
        return str(error)


def dropped(family: Family, text: str, cursor: Watched, reply: Reply) -> Iterator[tuple[str, str]]:
    """What of a text has no place in the reply."""
    if [text[a:b] for a, b in cursor.extents] != [broken.text for broken in reply.broken]:
        yield "dropped broken", f"{cursor.extents!r:.80} but {len(reply.broken)} broken calls"
    inside = bytearray(len(text))
    for start, end in cursor.extents:
        inside[start:end] = b"\1" * (end - start)
    spans = [span for span in cursor.spans if not all(inside[span[0] : span[1]])]
    parts = {kind: [text[a:b] for a, b, found in spans if found is kind] for kind in Kind}
    if ("".join(parts[Kind.TEXT]), "".join(parts[Kind.THINKING])) != (reply.text, reply.thinking):
        yield "dropped text", f"{parts[Kind.TEXT] + parts[Kind.THINKING]!r:.120}"
    names, given = ([name.strip() for name in some] for some in (parts[Kind.NAME], [one.name for one in reply.calls]))
    if "\\" not in "".join(names) and names != given:
        yield "dropped name", f"read {names!r:.120}, given {given!r:.120}"
    for start, end, _ in spans:
        inside[start:end] = b"\1" * (end - start)
    own = set(words(" ".join(f"{one.name} {one.id}" for one in reply.calls)))
    for run in re.finditer(b"\0+", bytes(inside)):
        left = set(words(text[run.start() : run.end()])) - known_words(family) - own
        if left and not (family.name == "kimi-k2" and "".join(left).isdigit()):
            yield "dropped between", f"{sorted(left)[:5]} of {text[run.start() : run.end()]!r:.120}"
    values = json.dumps([one.arguments for one in reply.calls], ensure_ascii=False).lower()
    written = ESCAPE.sub(" ", "\n".join(parts[Kind.ARGUMENT] + parts[Kind.KEY]))
    lost = {run for run in re.findall(r"[^\W\d_]{3,}", written) if run.lower() not in values}
    if lost := lost - {"None"} - known_words(family):
        yield "dropped value", f"{sorted(lost)[:5]}"


def words(text: str) -> list[str]:
    """Runs of letters and digits, and other characters that are neither ASCII nor white space."""
    return re.findall(r"\w+|[^\x00-\x7f\s]", text)


@cache
def known_words(family: Family) -> frozenset[str]:
    """What may stand between the parts of a reply: delimiters, and the keys of call objects."""
    keys = "name arguments parameters function id type tool_name tool_call_id"
    return frozenset(words(" ".join([*marks(family), keys])))


Cuts = Iterable[tuple[bool, Sequence[int]]]
"""Sets of places, each with whether they stand between bytes of UTF-8."""


def problems(family: Family, text: str, tools: Sequence[Tool], cuts: Cuts) -> Iterator[tuple[str, str]]:
    """(kind, what is wrong) of one text, read at once and cut."""
    encoded = text.encode("utf-8", "surrogatepass")
    decoded = encoded.decode("utf-8", "replace")
    try:
        (reply, pieces), cursor = whole(family, text, tools)
        expected = {False: reply, True: reply if decoded == text else whole(family, decoded, tools)[0][0]}
    except Exception as error:
        yield "raises", repr(error)
        return
    if family.quick and repr(shortcut := family.parse(text, tools)) != repr(reply):
        yield "shortcut", f"{brief(repr(shortcut))}, reader: {brief(repr(reply))}"
    yield from dropped(family, text, cursor, reply)
    if why := wrong_pieces(pieces, reply):
        yield "pieces", why
    for by_bytes, places in cuts:
        where = f"cut at {len(places)} places" if len(places) > 9 else f"cut at {places}"
        try:
            got, pieces = streamed(family, encoded if by_bytes else text, places, tools)
        except Exception as error:
            yield "raises", f"{where}: {error!r}"
            continue
        wanted = expected[by_bytes]
        if repr(got) != repr(wanted):
            kind = "split" if repr(replace(got, broken=())) != repr(replace(wanted, broken=())) else "split broken"
            yield kind, f"{where}: {brief(repr(got))}, whole: {brief(repr(wanted))}"
        elif why := wrong_pieces(pieces, got):
            yield "pieces", f"{where}: {why}"


def random_cuts(rng: random.Random, text: str, count: int) -> Iterator[tuple[bool, list[int]]]:
    """Random sets of places, a quarter of them between bytes; before these, character by character and byte by byte."""
    sizes = {False: len(text), True: len(text.encode("utf-8", "surrogatepass"))}
    yield from ((by_bytes, list(range(1, size))) for by_bytes, size in sizes.items() if size < 30_000)
    for _ in range(count):
        by_bytes = rng.random() < 0.25
        yield by_bytes, sorted(rng.randint(0, sizes[by_bytes]) for _ in range(rng.choice([1, 2, 3, 5, 9])))


Faults = defaultdict[tuple[str, str], list[tuple[str, str, tuple[Tool, ...]]]]
"""By family and kind: a text, what is wrong, and the tools."""


def same(reply: Reply, message: Message) -> bool:
    """Whether a reply says what was meant; the order of arguments means nothing."""
    calls = [replace(one, id="") for one in reply.calls]
    names = [one.name for one in calls] == [one.name for one in message.calls]
    said = (reply.text, reply.thinking, reply.broken) == (message.text, message.thinking, ())
    return said and names and all(map(same_arguments, calls, message.calls))


def check(name: str, options: argparse.Namespace, faults: Faults) -> int:
    """One family: outputs as written or damaged, cut in many ways, then many damaged ones. The number of streams."""
    family, rng = ALL[name], random.Random(f"{options.seed}-{name}")
    pool = [output(rng, family) for _ in range(max(options.whole, 100))]
    each = options.outputs // len(options.families)
    streams = 0
    for number in range(-options.whole, each):
        made = pool[number] if number < 0 else rng.choice(pool)
        text, nested = made.text, number >= 0 and number % max(each // 12, 1) == 0
        if number < 0 and not same(whole(family, text, made.tools)[0][0], made.message):
            faults[name, "round trip"].append((text, f"{made.message!r:.300}", made.tools))
        elif number >= 0 or number % 3:
            text = deep(rng, pool) if nested else damaged(rng, family, pool)
        cuts = [*random_cuts(rng, text, options.cuts if number < 0 else 1)][0 if number < 0 else -1 :]
        streams += len(cuts)
        for kind, why in problems(family, text, made.tools, cuts):
            faults[name, f"deep {kind}" if nested else kind].append((text, why, made.tools))
    return streams


def brief(text: str) -> str:
    """A text without its repetitions."""
    return REPEATED.sub(lambda run: f"{run[1]}(x{len(run[0]) // len(run[1])})", text)[:400]


def shortened(text: str, fails: Callable[[str], object], most: int = 1_000) -> str:
    """A text from which little more can be taken without the fault going away."""
    size = len(text) // 2
    while size:
        place = 0
        while place < len(text) and most:
            shorter, most = text[:place] + text[place + size :], most - 1
            text, place = (shorter, place) if fails(shorter) else (text, place + size)
        size //= 2
    return text


def example(name: str, kind: str, faults: Faults) -> str:
    """The shortest text with a fault, and what is wrong with it."""
    text, why, tools = min(faults[name, kind], key=lambda fault: len(fault[0]))

    def found(shorter: str) -> str:
        singly = [(False, [place]) for place in range(1, len(shorter)) if len(shorter) < 200]
        cuts = [(False, range(1, len(shorter))), *singly]
        return next((why for other, why in problems(ALL[name], shorter, tools, cuts) if other == kind), "")

    if len(text) < 5_000 and found(text):
        text = shortened(text, found)
        why = found(text)
    return f"{brief(repr(text))}: {why}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=list(ALL), help="all by default: " + ", ".join(ALL))
    parser.add_argument("--whole", type=int, default=300, help="outputs of each family that are cut in many ways")
    parser.add_argument("--cuts", type=int, default=200, help="random sets of places where each of these is cut")
    parser.add_argument("--outputs", type=int, default=100_000, help="more damaged outputs, over all families")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sabotage", choices=["broken", "call", "say", "think"], help="let the cursor drop these")
    options = parser.parse_args()
    if options.sabotage:
        setattr(Cursor, options.sabotage, lambda *_: None)
    faults, streams = Faults(list), 0
    print(f"{'family':15} {'seconds':>8}  faults by kind")
    for name in options.families:
        start = time.process_time()
        streams += check(name, options, faults)
        kinds = {kind: len(found) for (family, kind), found in faults.items() if family == name} or ""
        print(f"{name:15} {time.process_time() - start:8.1f}  {kinds}", flush=True)
    for name, kind in faults:
        print(f"FAULT {name}, {kind}, {len(faults[name, kind])}x: {example(name, kind, faults)}")
    count = len(options.families)
    made = f"{options.whole * count:,} outputs, {options.outputs // count * count:,} more damaged ones"
    print(f"{count} families, {made}, {streams:,} streams: {sum(map(len, faults.values()))} faults")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
