"""A data file -> its rows that pass the checks of synthesis, whoever made them; on any engine."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from callwright.data import canonical, raw
from callwright.data.fields import Fields
from callwright.data.packed import OfRow, map_rows
from callwright.data.similar import request_words
from callwright.data.toolset import declared
from callwright.scale import Engine
from callwright.synth.phrase import Phrasebook
from callwright.synth.verify import synonyms_of, wrong
from callwright.types import BadRow, Conversation, JsonObject, Tool


@dataclass
class Verified:
    """How many rows were read and kept, and how many failed which check first; `failed` has (place, reason)."""

    rows: int = 0
    kept: int = 0
    by_check: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> JsonObject:
        failed = [{"where": where, "why": why} for where, why in self.failed]
        return {"rows": self.rows, "kept": self.kept, "by_check": dict(self.by_check), "failed": failed}


def verify_file(
    source: str,
    *,
    tools: Sequence[Tool] = (),
    book: Phrasebook | None = None,
    output: str | None = None,
    format: str | None = None,
    engine: Engine | None = None,
) -> Verified:
    """Checks format, schema, groundedness and uniqueness of a file's rows; with `output`, writes those that pass.

    `tools` for rows that declare none; `book` says which words mean which value. The result is the same on every
    engine: requests are compared here. Raises DataError where the file as a whole cannot be read.
    """
    result = Verified()
    seen: set[str] = set()
    reading, rows = raw(source, format=format)
    task = _Verifying(tuple(tools), book, output is not None)
    with ExitStack() as stack:
        put = stack.enter_context(canonical.row_writer(output)) if output else None
        for where, row, key, found in map_rows(engine, reading, task, rows):
            result.rows += 1
            why = found or ("unique: the request was made before" if key in seen else "")
            if why:
                result.by_check[why.partition(":")[0]] += 1
                result.failed.append((where, why))
                continue
            seen.add(key)
            result.kept += 1
            if put:
                put(row, where)
    return result


@dataclass(frozen=True, slots=True)
class _Verifying:
    """A row -> where it stood, its canonical form to keep, its request's digest, what is wrong with it."""

    tools: tuple[Tool, ...]
    book: Phrasebook | None
    keep: bool

    def start(self, fields: Fields) -> OfRow:
        synonyms = synonyms_of(self.book) if self.book else {}

        def verify(row: Conversation | BadRow, unread: Sequence[str]) -> list[Any]:
            if isinstance(row, BadRow):
                return [row.where, None, "", f"unreadable: {row.why}"]
            row = declared(row, self.tools)
            by_name = {tool.name: tool for tool in row.tools}
            said = request_words(row.messages).encode("utf-8", "surrogatepass")
            key = hashlib.blake2b(said, digest_size=12).hexdigest()
            kept = canonical.to_row(row) if self.keep else None
            return [row.where, kept, key, wrong(row.messages, by_name, synonyms)]

        return verify
