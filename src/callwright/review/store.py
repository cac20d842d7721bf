"""Rows and decisions on them -> the rows as they now stand: nothing decided is lost, nothing undecided changes."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from callwright.data import TO_WRITE, canonical, write
from callwright.data.fields import Fields, dump
from callwright.data.toolset import declared
from callwright.errors import DataError
from callwright.review.findings import Finding, findings
from callwright.review.journal import Journal, open_journal
from callwright.types import Conversation, JsonObject, Tool

Status = Literal["todo", "open", "accepted", "corrected", "written", "rejected"]
STATUSES: tuple[Status, ...] = ("todo", "open", "accepted", "corrected", "written", "rejected")

_NEW = re.compile(r"w[0-9a-f-]{8,36}")


class StaleError(DataError):
    """The row, or the last decision, is no longer what the page showed: it was changed from another window."""


class UnfitError(DataError):
    """A row that has errors, which can be rejected but not kept."""

    def __init__(self, where: str, found: Sequence[Finding]) -> None:
        super().__init__(where, "; ".join(each.why for each in found))
        self.found = tuple(found)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided on one row. `version` counts the journal's entries; `row` is the row as it then stands."""

    version: int
    key: str
    status: Status
    row: Conversation


@dataclass
class Review:
    """The rows of a file and what was decided on them. Open it with `open_review`; its methods may run in threads.

    A row's key is "r" and its place in the file, or, for one written here, "w" and what the page chose.
    """

    rows: tuple[Conversation, ...]
    tools: tuple[Tool, ...]
    output: Path
    only_reviewed: bool
    journal: Journal
    _standing: list[Decision] = field(default_factory=list)
    _of_key: dict[str, list[Decision]] = field(default_factory=dict)
    _changed: list[str] = field(default_factory=list)
    _saved: set[str] = field(default_factory=set)
    _undone: dict[str, Conversation] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def version(self) -> int:
        """How many decisions and undos there were."""
        return len(self._changed)

    def keys(self) -> list[str]:
        """Every row: those of the file in its order, then those written here in theirs."""
        with self._lock:
            written = [key for key, decisions in self._of_key.items() if key[0] == "w" and decisions]
        return [f"r{n}" for n in range(len(self.rows))] + written

    def latest(self, key: str) -> Decision:
        """A row as it stands; version 0 is the row of the file. Raises DataError for a key that no row has."""
        with self._lock:
            if self._of_key.get(key):
                return self._of_key[key][-1]
            row = self._original(key)
            if row is None:
                raise DataError(str(self.output), f"there is no row '{key}'")
            return Decision(0, key, _before(row), row)

    def tools_of(self, key: str) -> tuple[Tool, ...]:
        """The tools that a row may call: its own, or those of the review."""
        return self.latest(key).row.tools or self.tools

    def changed_since(self, version: int) -> list[str]:
        """Keys of the rows that were decided on, or undone, after a version."""
        return list(dict.fromkeys(self._changed[max(0, version) :]))

    def last(self) -> Decision | None:
        """What `undo` would take back."""
        with self._lock:
            return self._standing[-1] if self._standing else None

    def progress(self) -> dict[str, int]:
        """Rows by status."""
        todo = sum(TO_WRITE in row.provenance for row in self.rows)
        counts = Counter({"todo": todo, "open": len(self.rows) - todo})
        with self._lock:
            for key, decisions in self._of_key.items():
                if decisions:
                    counts[decisions[-1].status] += 1
                    original = self._original(key)
                    counts[_before(original)] -= original is not None
        return {status: counts[status] for status in STATUSES}

    def check(self, key: str, raw: JsonObject, like: str | None = None) -> list[Finding]:
        """What is wrong with an edited row; nothing is decided. Raises DataError for what is no row at all."""
        return self._findings(self._edited(key, raw, like))

    def decide(
        self, key: str, version: int, keep: bool, raw: JsonObject | None = None, like: str | None = None
    ) -> Decision:
        """Keep a row (as it stands, or as `raw` has it) or reject it; it is on the disk when this returns.

        `version` is that of the row that the person saw. `raw` has "messages" and "source"; tools and id stay.
        A key that no row has makes a new row, with the tools of the row `like`. The status follows from the row:
        accepted where it is that of the file, corrected where it is not, written where the file had none.

        Raises StaleError where the row has another version by now, UnfitError where a row to keep has errors.
        """
        with self._lock:
            now = self.latest(key) if self._of_key.get(key) else None
            row = self._edited(key, raw, like) if raw is not None else self.latest(key).row
            if now is not None and now.version != version:
                if (now.status != "rejected") == keep and _text(now.row) == _text(row):
                    # asked again by a page that never got the answer
                    return now
                raise StaleError(key, "this row was decided in another window meanwhile")
            if now is None and version:
                raise StaleError(key, "the decision on this row was undone in another window meanwhile")
            if keep and (wrong := [found for found in self._findings(row) if found.severity == "error"]):
                raise UnfitError(key, wrong)
            status = self._status(key, row) if keep else "rejected"
            row_json = canonical.to_row(row)
            dump(row_json, key)
            self.journal.append({"key": key, "status": status, "row": row_json})
            return self._take(key, status, row)

    def undo(self, version: int) -> Decision:
        """Takes the last decision back, and gives it. Raises StaleError where its version is another."""
        with self._lock:
            last = self.last()
            if last is None or last.version != version:
                raise StaleError("undo", "something else was decided meanwhile" if last else "there is nothing to undo")
            self.journal.append({"undo": version})
            return self._take_back()

    def kept(self) -> Iterator[Conversation]:
        """The rows of the output: none that was rejected, none that is still to be written."""
        for key in self.keys():
            now = self.latest(key)
            if now.status in ("accepted", "corrected", "written"):
                yield replace(now.row, provenance={**_without_todo(now.row).provenance, "review": now.status})
            elif now.status == "open" and not self.only_reviewed:
                yield now.row

    def save(self) -> int:
        """Writes the output, whole or not at all, and gives the number of rows."""
        with self._lock:
            kept = list(self.kept())
        part = self.output.with_name(f".{self.output.name}.next.jsonl")
        count = write(part, kept)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        if digest not in self._saved:
            # before the file is there, so that no crash makes it a stranger's
            with self._lock:
                self.journal.append({"saved": digest})
            self._saved.add(digest)
        Path(part).replace(self.output)
        return count

    def _original(self, key: str) -> Conversation | None:
        place = key[1:]
        if key[:1] == "r" and place.isascii() and place.isdigit() and len(place) < 10 and int(place) < len(self.rows):
            return self.rows[int(place)]
        return None

    def _edited(self, key: str, raw: JsonObject, like: str | None) -> Conversation:
        if self._of_key.get(key) or self._original(key) is not None:
            now = self.latest(key).row
        elif key in self._undone:
            now = self._undone[key]
        elif _NEW.fullmatch(key):
            tools = self.latest(like).row.tools if like else () if self.rows and not self.rows[0].tools else self.tools
            now = Conversation(f"written-{key[1:]}", tools, (), "written", key)
        else:
            raise DataError(str(self.output), f"there is no row '{key}'")
        read = canonical.from_row({"messages": raw.get("messages"), "source": raw.get("source")}, key, Fields())
        return replace(now, messages=read.messages, source=read.source or now.source)

    def _findings(self, row: Conversation) -> list[Finding]:
        return findings(declared(row, self.tools))

    def _status(self, key: str, row: Conversation) -> Status:
        original = self._original(key)
        if original is None or TO_WRITE in original.provenance:
            return "written"
        return "accepted" if _text(row) == _text(original) else "corrected"

    def _take(self, key: str, status: Status, row: Conversation) -> Decision:
        self._changed.append(key)
        decision = Decision(len(self._changed), key, status, row)
        self._standing.append(decision)
        self._of_key.setdefault(key, []).append(decision)
        return decision

    def _take_back(self) -> Decision:
        decision = self._standing.pop()
        self._of_key[decision.key].pop()
        self._changed.append(decision.key)
        if self._original(decision.key) is None:
            # written again, it has the tools that it had
            self._undone[decision.key] = decision.row
        return decision


def open_review(
    rows: Sequence[Conversation], tools: Sequence[Tool], output: Path, *, only_reviewed: bool = False
) -> Review:
    """Begins a review, or goes on where the last one of these rows stopped; the journal stands beside the output.

    `tools` are for rows that declare none, and for new ones. `only_reviewed` leaves undecided rows out of the output.
    Rows may have been added to the end of the file meanwhile. Raises DataError where others changed, where the output
    is not what the review wrote last, and as `open_journal`.
    """
    if output.suffix != ".jsonl":
        raise DataError(str(output), "the name must end in .jsonl; 'callwright data convert' makes other files of it")
    path = output.with_name(f".{output.name}.journal")
    if output.exists() and not path.exists():
        raise DataError(str(output), "exists already, and no review wrote it; give another --output")
    journal, entries = open_journal(path, lambda: {"rows": len(rows), "sha256": _digest(rows)})
    try:
        about = next((entry for entry in reversed(entries) if "sha256" in entry), journal.header)
        if _digest(rows[: about["rows"]]) != about["sha256"]:
            what = "the rows that it is about have changed; give another --output, or bring the old file back"
            raise DataError(str(path), what)
        if len(rows) > about["rows"]:
            journal.append({"rows": len(rows), "sha256": _digest(rows)})
        review = Review(tuple(rows), tuple(tools), output, only_reviewed, journal)
        _replay(review, entries)
        if output.exists() and hashlib.sha256(output.read_bytes()).hexdigest() not in review._saved:
            what = "was changed by something else; move it away, and the review will write it again without that"
            raise DataError(str(output), what)
    except BaseException:
        journal.close()
        raise
    return review


def _replay(review: Review, entries: Sequence[JsonObject]) -> None:
    fields = Fields()
    for entry in entries:
        if "saved" in entry:
            review._saved.add(entry["saved"])
        elif "undo" in entry:
            review._take_back()
        elif "key" in entry:
            row = canonical.from_row(entry["row"], entry["key"], fields)
            review._take(entry["key"], entry["status"], row)


def _before(row: Conversation | None) -> Status:
    """The status of a row that nothing was decided on."""
    return "todo" if row is not None and TO_WRITE in row.provenance else "open"


def _text(row: Conversation) -> str:
    """What a person can edit; as JSON text, since Python holds 1, 1.0 and True for equal."""
    made = canonical.to_row(row)
    return json.dumps([made["messages"], made["source"]], sort_keys=True)


def _digest(rows: Sequence[Conversation]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(canonical.to_row(row), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _without_todo(row: Conversation) -> Conversation:
    return replace(row, provenance={name: value for name, value in row.provenance.items() if name != TO_WRITE})
