"""Results of the leaderboard's rows -> shares by category, its groups and its overall score, and tables of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from callwright.score.bfcl import CATEGORIES, entries
from callwright.score.stats import paired_difference, wilson
from callwright.types import JsonObject

_AST = ("multiple", "parallel", "parallel_multiple")
_LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
_SIMPLE = ("simple_python", "simple_java", "simple_javascript")
_TURNS = tuple(category for category in CATEGORIES if category.startswith("multi_turn"))

PARTS = ("non-live", "live", "irrelevance", "multi-turn", "web search", "memory")
_WEIGHTS = dict(zip(PARTS, (0.1, 0.1, 0.1, 0.3, 0.2, 0.2), strict=True))
_OFFLINE_NEVER = {"web search": "needs the web and a key", "memory": "needs packages and a model that the wheel lacks"}


def part_weights(part: str) -> dict[str, float]:
    """A part of the overall score -> what each of its categories weighs in it; nothing for those that are never run.

    Of the leaderboard's version 4: the three simple categories are one of four of the non-live part, live ones weigh
    as many rows as they have, all others the same.

    >>> part_weights("irrelevance")
    {'irrelevance': 0.5, 'live_irrelevance': 0.5}
    """
    if part == "non-live":
        return {**dict.fromkeys(_SIMPLE, 1 / 12), **dict.fromkeys(_AST, 1 / 4)}
    if part == "live":
        counts = {category: len(entries(category)) for category in _LIVE}
        return {category: count / sum(counts.values()) for category, count in counts.items()}
    if part == "irrelevance":
        return dict.fromkeys(("irrelevance", "live_irrelevance"), 1 / 2)
    return dict.fromkeys(_TURNS, 1 / 4) if part == "multi-turn" else {}


def summary(rows: Sequence[JsonObject]) -> JsonObject:
    """Rows of results -> shares.

    categories: `{category: {"n", "of", "theirs", "low", "high", "strict", "unread", "differs"}}`, n rows of all; theirs
    with its 95% Wilson interval; unread: replies with a call that cannot be read, or that the engine failed to give;
    differs: rows where the two verdicts differ, by reason. parts: each part of the overall score, by theirs and by
    ours, None where a category is missing. overall: the same of the whole, where the leaderboard counts what is missing
    as 0. missing: what, with its weight in the whole.
    """
    found: JsonObject = {}
    for category in CATEGORIES:
        own = [row for row in rows if row["category"] == category]
        if own:
            found[category] = _category(category, own)
    parts, missing = {}, {}
    for part, weight in _WEIGHTS.items():
        inner = part_weights(part)
        parts[part] = _mean(inner, found) if inner and all(category in found for category in inner) else None
        if not inner:
            missing[f"{part} ({_OFFLINE_NEVER[part]})"] = weight
        missing |= {category: weight * share for category, share in inner.items() if category not in found}
    whole = {category: _WEIGHTS[part] * share for part in PARTS for category, share in part_weights(part).items()}
    return {"categories": found, "parts": parts, "overall": _mean(whole, found), "missing": missing}


def _category(category: str, rows: Sequence[JsonObject]) -> JsonObject:
    right = sum(row["theirs"] for row in rows)
    interval = wilson(right, len(rows))
    return {
        **{"n": len(rows), "of": len(entries(category))},
        **{"theirs": right / len(rows), "low": interval.low, "high": interval.high},
        "strict": sum(row["strict"] for row in rows) / len(rows),
        "unread": sum(row["unread"] for row in rows) / len(rows),
        "differs": dict(Counter(row["differs"] for row in rows if row["differs"]).most_common()),
    }


def _mean(weights: Mapping[str, float], found: JsonObject) -> JsonObject:
    return {
        by: sum(weight * found[category][by] for category, weight in weights.items() if category in found)
        for by in ("theirs", "strict")
    }


def bench_table(runs: Mapping[str, Sequence[JsonObject]], without: Collection[str] = ()) -> Table:
    """Run name -> rows of results, as a line for each category and run, and one for each part and the whole.

    without: ids of rows that are left out.
    """
    kept = {name: [row for row in rows if row["id"] not in without] for name, rows in runs.items()}
    sums = {name: summary(rows) for name, rows in kept.items()}
    caption = "value [95% interval]; unread: broken calls and engine errors"
    table = Table(caption=caption, box=SIMPLE, pad_edge=False)
    for name in ("category", *(["model"] if len(runs) > 1 else []), "n", "BFCL's", "strict", "unread"):
        table.add_column(name, justify="left" if name in ("category", "model") else "right", no_wrap=True)

    def lines(label: str, cells: Callable[[JsonObject], list[str] | None]) -> None:
        for number, (name, made) in enumerate(sums.items()):
            shown = cells(made)
            if shown is not None:
                model = [name] if len(runs) > 1 else []
                table.add_row(*(Text(cell) for cell in ("" if number else label, *model, *shown)))

    for category in CATEGORIES:
        lines(category, lambda made, category=category: _cells(made["categories"].get(category)))  # type: ignore[misc]
    table.add_section()
    for part in PARTS:
        lines(part, lambda made, part=part: _part(made["parts"][part]))  # type: ignore[misc]
    lines("overall", lambda made: _part(made["overall"]))
    return table


def _cells(found: JsonObject | None) -> list[str] | None:
    if found is None:
        return None
    n = str(found["n"]) if found["n"] == found["of"] else f"{found['n']}/{found['of']}"
    theirs = f"{found['theirs']:.1%} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
    return [n, theirs, f"{found['strict']:.1%}", f"{found['unread']:.1%}"]


def _part(found: JsonObject | None) -> list[str] | None:
    return None if found is None else ["", f"{found['theirs']:.2%}", f"{found['strict']:.2%}", ""]


def changes_table(runs: Mapping[str, Sequence[JsonObject]]) -> Table:
    """Two runs or more -> how the leaderboard's verdicts change from each to the next, on the same rows."""
    table = Table(caption="change of BFCL's, in points [95% interval], on the same rows", box=SIMPLE, pad_edge=False)
    table.add_column("category", no_wrap=True)
    made = {f"{before} → {after}": _changes(runs[before], runs[after]) for before, after in pairwise(runs)}
    for name in made:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for category in CATEGORIES:
        if any(category in found for found in made.values()):
            table.add_row(category, *(Text(found.get(category, "")) for found in made.values()))
    return table


def _changes(before: Sequence[JsonObject], after: Sequence[JsonObject]) -> dict[str, str]:
    """Category -> the difference of theirs on the rows that both have, in points."""
    first = {row["id"]: row for row in before}
    found = {}
    for category in CATEGORIES:
        pairs = [(first[row["id"]], row) for row in after if row["category"] == category and row["id"] in first]
        counts = Counter((bool(a["theirs"]), bool(b["theirs"])) for a, b in pairs)
        if pairs:
            only_before, only_after = counts[True, False], counts[False, True]
            interval = paired_difference(counts[True, True], only_before, only_after, counts[False, False])
            points = 100 * (only_after - only_before) / len(pairs)
            found[category] = f"{points:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return found


def missing_words(made: JsonObject) -> str:
    """What the overall score lacks, in words; the leaderboard counts it as 0.

    >>> missing_words({"missing": {"memory (needs a model)": 0.2, "live_simple": 0.0191}})
    'overall counts as 0, as the leaderboard does: memory (needs a model) 20.0%, live_simple 1.9%'
    """
    listed = ", ".join(f"{name} {weight:.1%}" for name, weight in made["missing"].items())
    return f"overall counts as 0, as the leaderboard does: {listed}"


def differences_table(runs: Mapping[str, Sequence[JsonObject]]) -> Table:
    """Run name -> rows of results, as a line for each reason why the two checkers differ, with one row's id."""
    table = Table(caption="rows that the two checkers judge differently", box=SIMPLE, pad_edge=False)
    for name in ("right by", "reason", *runs, "for example"):
        table.add_column(name, justify="right" if name in runs else "left", overflow="fold")
    counts = {name: Counter((row["theirs"], row["differs"]) for row in rows) for name, rows in runs.items()}
    for theirs, reason in sorted({key for found in counts.values() for key in found if key[1]}, reverse=True):
        key = (theirs, reason)
        example = next(row["id"] for rows in runs.values() for row in rows if (row["theirs"], row["differs"]) == key)
        numbers = (str(found[key]) for found in counts.values())
        table.add_row("BFCL's" if theirs else "strict", Text(reason), *numbers, Text(example))
    return table
