"""One row, a seed -> another row that is as right as the first: other tools, names, words, or nothing to call.

Each function returns None where the row does not offer what it needs; none of them touches a row that it cannot keep
right. `augmentations` names them for recipes and the command line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from callwright.data.around import VERBS, Around, Augmentation, could_stand_in, made, mentions, origin, related
from callwright.data.missing import drop_value
from callwright.data.restate import drop_descriptions, rename, restyle, shorten_descriptions
from callwright.errors import DataError, did_you_mean
from callwright.types import Conversation, Message, Tool

__all__ = ["Around", "Augmentation", "augmentations", "augmented", "check_kinds"]

_TRIED = 60
"""So many other rows or tools are looked at before a row is left alone."""


def shuffle_tools(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """The same tools in another order."""
    tools = tuple(rng.sample(row.tools, len(row.tools)))
    if tools == row.tools:
        tools = tools[1:] + tools[:1]
    return made(row, "shuffle_tools", tools=tools) if tools != row.tools else None


def random_distractors(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """One to eight tools of other rows among the row's own, none that could do what is asked."""
    some = rng.sample(around.tools, min(len(around.tools), _TRIED))
    return _with_distractors(row, rng, some, around, "random_distractors")


def near_distractors(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """One to four tools whose descriptions are nearest to those of the called ones, none that could stand in."""
    near = [tool for one in _called(row) for tool in around.index.nearest(one, 16 + len(row.tools))]
    return _with_distractors(row, rng, near, around, "near_distractors")


def _called(row: Conversation) -> list[Tool]:
    names = {call.name for message in row.messages for call in message.calls}
    return [tool for tool in row.tools if tool.name in names]


def _with_distractors(
    row: Conversation, rng: random.Random, others: Sequence[Tool], around: Around, name: str
) -> Conversation | None:
    """A row that calls nothing is left alone: a tool that is added might be the one that it lacks."""
    most = 4 if name == "near_distractors" else 8
    allowed = harmless(row, others, around)[:most]
    if not allowed:
        return None
    tools = [*row.tools]
    for tool in rng.sample(allowed, rng.randint(1, len(allowed))):
        tools.insert(rng.randint(0, len(tools)), tool)
    return made(row, name, tools=tuple(tools))


def harmless(row: Conversation, others: Sequence[Tool], around: Around) -> list[Tool]:
    """Of other tools those that could not do what any turn of the row asks for, each name once."""
    called = _called(row)
    if not called:
        return []
    requests = [message.text for message in row.messages if message.role == "user"]
    asked = "\n".join(requests)
    unanswered = [
        message.text
        for message, answer in zip(row.messages, row.messages[1:], strict=False)
        if message.role == "user" and not answer.calls
    ]
    taken = {tool.name for tool in row.tools} | {name for text in requests for name in around.called_for(text)}
    # a row may call what it does not declare, which is an error already, and not to be made another
    taken |= {call.name for message in row.messages for call in message.calls}
    return [
        tool
        for tool in {tool.name: tool for tool in others}.values()
        if tool.name not in taken
        and not any(could_stand_in(tool, one, asked) for one in called)
        and not mentions(tool, unanswered)
    ]


# every refusal and question opens with the same word: a greedy reply takes the likeliest first token, and ten openings
# that share what speaks against a call lose to the one opening of a call
_REFUSALS = (
    "I can't do that with the functions I have.",
    "I have no function that can do that.",
    "I don't have a tool for that.",
    "I'm sorry, but I can't assist with that.",
    "I'm afraid that is outside what my tools cover.",
    "I have no tool that fits that request.",
    "I'm sorry, but I don't have the capability to do that.",
    "I can't help with that here.",
)
_OFFERS = (
    "What I can do is {offer}.",
    "I can {offer}, if that helps.",
    "With the tools I have, I could {offer} instead.",
    "My functions only let me {offer}.",
    "If you need me to {offer}, feel free to ask.",
)


def withhold(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """The tools of the first calls taken away, and all of their field with them: the answer becomes a refusal.

    Taken away too are tools that the data call for requests like this one. Left alone are rows that would keep no
    tool, rows in which the assistant has said anything before, and those whose system text speaks of a tool that goes.
    """
    place = next((i for i, message in enumerate(row.messages) if message.role == "assistant"), None)
    if place is None or not row.messages[place].calls:
        return None
    names = {call.name for call in row.messages[place].calls}
    request = "\n".join(message.text for message in row.messages[:place] if message.role == "user")
    called = [tool for tool in row.tools if tool.name in names]
    able = around.called_for(request) | names
    left = tuple(
        tool for tool in row.tools if tool.name not in able and not any(related(tool, one, request) for one in called)
    )
    system = "\n".join(message.text for message in row.messages[:place] if message.role == "system")
    gone = {tool.name for tool in row.tools} - {tool.name for tool in left}
    if not left or names - {tool.name for tool in called} or any(name in system for name in gone):
        return None
    answer = Message("assistant", _refusal(left, rng))
    return made(row, "withhold", tools=left, messages=(*row.messages[:place], answer))


def refused(row: Conversation, tools: Sequence[Tool], rng: random.Random) -> Conversation | None:
    """The row with exactly `tools` declared and a refusal as its answer: None where one of them is called, or does
    something of the field of what is."""
    called = _called(row)
    if not called or {tool.name for tool in called} & {tool.name for tool in tools}:
        return None
    found = withhold(replace(row, tools=(*tools, *called)), rng, Around())
    return found if found is not None and found.tools == tuple(tools) else None


def _refusal(left: Sequence[Tool], rng: random.Random) -> str:
    """A refusal, half of the time with up to three of the things that can be done."""
    text = rng.choice(_REFUSALS)
    offers = [offer for tool in rng.sample(left, len(left)) if (offer := _offer(tool))][:3]
    if not offers or rng.random() < 0.5:
        return text
    listed = f"{', '.join(offers[:-1])} or {offers[-1]}" if len(offers) > 1 else offers[0]
    return f"{text} {rng.choice(_OFFERS).format(offer=listed)}"


def _offer(tool: Tool) -> str | None:
    """A description as what can be done; None where it is long or does not begin with an instruction.

    >>> _offer(Tool("lights_off", "Turn the lights off.", {})), _offer(Tool("news", "News of a topic.", {}))
    ('turn the lights off', None)
    """
    text = tool.description.strip().rstrip(".")
    first, _, rest = text.partition(" ")
    if not rest or len(text) > 80 or re.search(r"[.;:()\n]", text) or first.lower() not in VERBS:
        return None
    return f"{first.lower()} {rest}"


_SENTENCES, _CLAUSES = (". Also, ", ". "), (" and ", ", and ")
_THEN = {". ": ". Then ", " and ": ", then "}
_POINTS_BACK = re.compile(
    r"\b(it|its|them|they|their|that|this|those|these|there|then|same|again|instead|else|another|other|also|too|so|"
    r"he|she|his|her|him|before|previous|one|first|finally|next)\b",
    re.IGNORECASE,
)
_MOST_CALLS = 6


def join(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Two requests in one, with the calls of both in order. Both rows must be one request and its calls.

    The second must stand by itself: a word that points back would point into the first. No call is made twice, and no
    tool of one row may be able to do what the other asks.
    """
    if not _is_request(row) or not around.rows:
        return None
    for other in rng.sample(around.rows, min(len(around.rows), _TRIED)):
        if other.id != row.id and _is_request(other) and _independent(row, other, around):
            break
    else:
        return None
    tools = {tool.name: tool for tool in (*row.tools, *other.tools)}
    calls = (*row.messages[1].calls, *other.messages[1].calls)
    messages = (
        Message("user", _joined(row, other, rng)),
        Message("assistant", "", tuple(replace(call, id="") for call in calls)),
    )
    joined = made(row, "join", tools=tuple(tools.values()), messages=messages)
    both = {**joined.provenance, "origin": [*origin(row), *origin(other)]}
    return replace(joined, id=f"{joined.id}+{other.id}", provenance=both)


def _is_request(row: Conversation) -> bool:
    roles = [message.role for message in row.messages]
    return (
        roles == ["user", "assistant"]
        and bool(row.messages[1].calls)
        and not row.messages[1].text
        and bool(row.messages[0].text.strip(" .!"))
    )


def _independent(row: Conversation, other: Conversation, around: Around) -> bool:
    """Whether two requests can stand side by side, and each of their calls is still the only right one."""
    own = {tool.name: tool for tool in row.tools}
    first, second = row.messages[1].calls, other.messages[1].calls
    if (
        len(first) + len(second) > _MOST_CALLS
        or any(own.get(tool.name, tool) != tool for tool in other.tools)
        or _POINTS_BACK.search(other.messages[0].text)
        or any(one.name == two.name and one.arguments == two.arguments for one in first for two in second)
    ):
        return False
    names = {tool.name for tool in other.tools}
    added = [tool for tool in other.tools if tool.name not in own]
    mine = [tool for tool in row.tools if tool.name not in names]
    return len(added) == len(harmless(row, added, around)) and len(mine) == len(harmless(other, mine, around))


def _joined(row: Conversation, other: Conversation, rng: random.Random) -> str:
    """Both texts. A comma or "and" only where the first does not end in a value, which would seem to go on."""
    first, second = row.messages[0].text.strip(), other.messages[0].text.strip()
    question = first[-1] == "?"
    first = first.rstrip(".!? ")
    values = [str(value) for call in row.messages[1].calls for value in call.arguments.values()]
    free = not question and not any(first.casefold().endswith(value.casefold()) for value in values)
    clause = free and "." not in second.rstrip(".") and first[-1].isalnum()
    joint = rng.choice(_SENTENCES + _CLAUSES if clause else _SENTENCES)
    if second.split()[0].lower() in VERBS and rng.random() < 0.5:
        joint = _THEN.get(joint, joint)
    if question:
        joint = joint.replace(".", "?", 1)
    starts_value = any(
        str(value).casefold().startswith(second.split()[0].casefold())
        for call in other.messages[1].calls
        for value in call.arguments.values()
    )
    if joint[-2:] in (". ", "? "):
        second = second[0].upper() + second[1:] if first[0].isupper() else second
    elif re.match(r"[A-Z][a-z]", second) and not starts_value:
        second = second[0].lower() + second[1:]
    return first + joint + second


augmentations: dict[str, Augmentation] = {
    "shuffle_tools": shuffle_tools,
    "random_distractors": random_distractors,
    "near_distractors": near_distractors,
    "rename": rename,
    "drop_descriptions": drop_descriptions,
    "shorten_descriptions": shorten_descriptions,
    "withhold": withhold,
    "drop_value": drop_value,
    "join": join,
    "restyle": restyle,
}


def check_kinds(kinds: Sequence[str]) -> None:
    """Raises ValueError for an unknown kind, with the nearest name."""
    for kind in kinds:
        if kind not in augmentations:
            near = did_you_mean(kind, augmentations)
            raise ValueError(f"unknown kind '{kind}'{near}; known are {', '.join(augmentations)}")


def augmented(
    rows: Sequence[Conversation], kinds: Sequence[str], copies: float, rng: random.Random
) -> tuple[list[Conversation], dict[str, int]]:
    """About `copies` new rows for each row, of the given kinds in equal parts; and how many of each kind were made.

    Each kind walks the rows in an order of its own and takes those that it can change; where it runs out, the others
    make up for it. Raises DataError for an unknown kind.
    """
    try:
        check_kinds(kinds)
    except ValueError as error:
        raise DataError("augment", str(error)) from None
    tools = {tool.name: tool for row in rows for tool in row.tools}
    around = Around(tuple(tools.values()), rows)
    wanted = round(copies * len(rows))
    passes = max(1, -(-wanted // max(1, len(rows))))
    makers = {
        kind: _makes(augmentations[kind], rows, passes, random.Random(rng.getrandbits(64)), around)
        for kind in dict.fromkeys(kinds)
    }
    counts = dict.fromkeys(makers, 0)
    added: list[Conversation] = []
    while makers and len(added) < wanted:
        for kind in list(makers):
            new = next(makers[kind], None) if len(added) < wanted else None
            if new is not None:
                counts[kind] += 1
                added.append(replace(new, id=f"{new.id}-{len(added)}"))
            elif len(added) < wanted:
                del makers[kind]
    return added, counts


def _makes(
    change: Augmentation, rows: Sequence[Conversation], passes: int, rng: random.Random, around: Around
) -> Iterator[Conversation]:
    for _ in range(passes):
        for row in rng.sample(rows, len(rows)):
            new = change(row, rng, around)
            if new is not None:
                yield new
