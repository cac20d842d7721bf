"""Tools + seed rows + a teacher model -> checked rows in their quotas, and every rejected one with its reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from callwright.data.dedupe import Dropped, dedupe
from callwright.data.similar import request_words
from callwright.errors import ToolError, did_you_mean
from callwright.synth.answers import Candidate, Rejected, candidates
from callwright.synth.endpoint import Asked, Endpoint, ask_all
from callwright.synth.journal import Journal
from callwright.synth.judge import judge_question, opinion
from callwright.synth.prompts import WISHES, Assignment, Style, assignments
from callwright.synth.vet import Run, Vetting
from callwright.types import Conversation, JsonObject, Tool

SHARES: Mapping[str, float] = {"single": 0.5, "parallel": 0.17, "no_call": 0.12, "missing": 0.09, "multi_turn": 0.12}
"""Of the categories, where none are given."""

_FRUITLESS = 3
_REFUSED = 12
"""So many rounds in a row without a row, and so many rejected since the last one, end the asking."""


@dataclass(frozen=True)
class Teaching:
    """What is to be made and who is asked. Journals are kept from run to run: the same settings ask nothing twice.

    shares: of the categories, by name; they are scaled to sum to 1. rounds: how often rows are asked for at most, those
    in place of rejected ones included; three that give none end it. licence: what the user says of the rows' licence.
    """

    rows: int
    teacher: Endpoint
    journal: Path
    judge: Endpoint | None = None
    judge_journal: Path | None = None
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    style: Style = field(default_factory=Style)
    rounds: int = 16
    licence: str = ""


@dataclass(frozen=True)
class Taught:
    """Rows in the order of their questions, what was rejected, and what it took.

    lacking: rows that are missing, by category; capped: for want of tokens. tokens and judge_tokens: all that the
    journals hold, of earlier runs too. unanswered: questions without an answer, with the reason, by key.
    """

    rows: tuple[Conversation, ...]
    rejected: tuple[Rejected, ...]
    lacking: dict[str, int]
    capped: bool
    tokens: int
    judge_tokens: int
    unanswered: dict[str, str]


def teach(tools: Sequence[Tool], seeds: Sequence[Conversation], settings: Teaching, run: Run | None = None) -> Taught:
    """Asks a teacher for rows in rounds, until each category has its share, the rounds are over, or the cap is met.

    `seeds` are rows of the user's own: examples in the prompts, and never repeated in the result. With `run`
    (`Runner.call`) each call of a row is made. With a judge, rows stay that it calls right. The same answers give the
    same rows: after an interruption, or a kill, the same settings go on where the journal ends.

    Raises ToolError without tools or for unknown categories, and all that `ask_all` raises.
    """
    if not tools:
        raise ToolError("rows cannot be made without tools; give a source of tools")
    wanted = quotas(tools, settings)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(Journal(settings.journal))
        judged = stack.enter_context(Journal(_judge_path(settings))) if settings.judge else None
        teaching = _Teaching(tuple(tools), tuple(seeds), settings, _Court(settings.judge, judged), run)
        for number in range(1, settings.rounds + 1):
            lacking = teaching.lacking(wanted)
            if not lacking or teaching.capped or teaching.is_hopeless:
                break
            made = assignments(tools, seeds, lacking, settings.teacher, settings.style, number)
            asked = ask_all(settings.teacher, [each.question for each in made], journal)
            teaching.take(made, asked, lacking)
        return Taught(
            tuple(teaching.rows),
            tuple(teaching.rejected),
            teaching.lacking(wanted),
            teaching.capped,
            journal.spent,
            judged.spent if judged else 0,
            teaching.unanswered,
        )


def quotas(tools: Sequence[Tool], settings: Teaching) -> dict[str, int]:
    """Rows by category, the largest remainders rounded up; 'missing' goes to 'single' where no tool requires a value.

    Raises ToolError for a category that there is not, and shares that cannot be scaled.
    """
    shares = {name: share for name, share in settings.shares.items() if share}
    for name in shares:
        if name not in WISHES:
            raise ToolError(f"unknown category '{name}'{did_you_mean(name, WISHES)}; known are {', '.join(WISHES)}")
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise ToolError("the shares of the categories must be positive")
    exact = {name: settings.rows * share / total for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[: settings.rows - sum(counts.values())]:
        counts[name] += 1
    if not any(tool.parameters.get("required") for tool in tools) and counts.get("missing"):
        counts["single"] = counts.get("single", 0) + counts.pop("missing")
    return {name: count for name, count in counts.items() if count}


def _judge_path(settings: Teaching) -> Path:
    return settings.judge_journal or settings.journal.with_name(f"{settings.journal.name}.judge")


@dataclass(frozen=True)
class _Court:
    """The judge, where there is one."""

    judge: Endpoint | None
    journal: Journal | None

    def ask(self, rows: Iterable[Conversation]) -> Asked:
        assert self.judge is not None
        assert self.journal is not None
        return ask_all(self.judge, [judge_question(row, self.judge) for row in rows], self.journal)

    def settled(self, row: Conversation, asked: Asked) -> Conversation | tuple[str, str]:
        """The row with its verdict, or (kind, why) it is rejected."""
        assert self.judge is not None
        key = judge_question(row, self.judge).key
        answer = asked.answers.get(key)
        if answer is None:
            return "not judged", asked.failed.get(key, "the judge's cap leaves no room for it")
        said = opinion(answer.text)
        if said.right is not True:
            return "judge", said.why or "the judge calls it wrong"
        verdict = {"model": self.judge.model, "host": answer.host, "question": key, "right": True}
        checks = [*row.provenance["checks"], "judge"]
        return replace(row, provenance={**row.provenance, "checks": checks, "judge": verdict})


@dataclass
class _Teaching:
    """What has been made so far."""

    tools: tuple[Tool, ...]
    seeds: tuple[Conversation, ...]
    settings: Teaching
    court: _Court
    run: Run | None
    rows: list[Conversation] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unanswered: dict[str, str] = field(default_factory=dict)
    capped: bool = False
    fruitless: int = 0
    """Rounds in a row that gave no row."""
    refused: int = 0
    """Rows that these rounds rejected: a single lacking row is refused by chance, a dozen are not."""
    _from: dict[str, Candidate] = field(default_factory=dict)

    @property
    def is_hopeless(self) -> bool:
        """Whether to stop: nothing came of the last rounds, and not for want of tries; silence counts as refusal."""
        asked_enough = self.refused >= _REFUSED or self.fruitless >= 2 * _FRUITLESS
        return self.fruitless >= _FRUITLESS and asked_enough

    def lacking(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Rows that each category still needs."""
        made = [row.source.removeprefix("synth:") for row in self.rows]
        left = {category: count - made.count(category) for category, count in wanted.items()}
        return {category: count for category, count in left.items() if count > 0}

    def take(self, made: Sequence[Assignment], asked: Asked, lacking: Mapping[str, int]) -> None:
        """Checks the answers of one round in the order of the questions, and keeps what its category lacks."""
        self.capped |= asked.unasked > 0
        self.unanswered |= asked.failed
        # the judge is paid too: it sees what is needed, and nothing that fails for less
        before = len(self.rejected)
        vetted = [row for each in made for row in self._vetted(each, asked)]
        new = self._judged(self._needed(self._distinct(vetted), lacking))
        self.fruitless = 0 if new else self.fruitless + 1
        self.refused = 0 if new else self.refused + len(self.rejected) - before
        self.rows += new

    def _vetted(self, assignment: Assignment, asked: Asked) -> list[Conversation]:
        key = assignment.question.key
        answer = asked.answers.get(key)
        if answer is None:
            return []
        vetting = Vetting(assignment, self.run)
        kept = []
        for number, found in enumerate(candidates(answer.text, assignment.category, key), 1):
            if isinstance(found, Rejected):
                self.rejected.append(found)
                continue
            row = vetting.check(found, f"teacher-{key}-{number}")
            if isinstance(row, Rejected):
                self.rejected.append(row)
                continue
            self._from[row.id] = found
            kept.append(replace(row, provenance={**self._provenance(assignment, answer.host), **row.provenance}))
        return kept

    def _provenance(self, assignment: Assignment, host: str) -> JsonObject:
        question = assignment.question
        who = {"generator": "teacher", "model": question.model, "host": host}
        how = {"prompt": question.key, "temperature": question.temperature}
        return {**who, **how, **({"licence": self.settings.licence} if self.settings.licence else {})}

    def _distinct(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Rows whose requests are not those, or nearly those, of the seeds and of earlier rows."""
        own = [replace(row, id=f"seed {row.id}") for row in self.seeds]
        heard = {request_words(row.messages): row.id for row in [*own, *self.rows]}
        new = []
        for row in rows:
            twin = heard.setdefault(request_words(row.messages), row.id)
            if twin == row.id:
                new.append(row)
            else:
                self._reject(row, "duplicate", f"the same words as {twin}")
        dropped = Dropped()
        stays = {row.id for row in dedupe([*own, *self.rows, *new], dropped)}
        twins = dict([*dropped.equal, *dropped.near])
        for row in new:
            if row.id not in stays:
                self._reject(row, "duplicate", f"nearly the words of {twins[row.id]}")
        return [_passed(row, "distinct") for row in new if row.id in stays]

    def _needed(self, rows: Sequence[Conversation], lacking: Mapping[str, int]) -> list[Conversation]:
        left = dict(lacking)
        kept = []
        for row in rows:
            category = row.source.removeprefix("synth:")
            if left[category] > 0:
                left[category] -= 1
                kept.append(row)
            else:
                self._reject(row, "surplus", f"the category '{category}' has all its rows")
        return kept

    def _judged(self, rows: list[Conversation]) -> list[Conversation]:
        if self.court.judge is None or not rows:
            return rows
        asked = self.court.ask(rows)
        self.capped |= asked.unasked > 0
        kept = []
        for row in rows:
            settled = self.court.settled(row, asked)
            if isinstance(settled, Conversation):
                kept.append(settled)
            else:
                self._reject(row, *settled)
        return kept

    def _reject(self, row: Conversation, kind: str, why: str) -> None:
        self.rejected.append(Rejected(self._from[row.id], kind, why))


def _passed(row: Conversation, check: str) -> Conversation:
    return replace(row, provenance={**row.provenance, "checks": [*row.provenance["checks"], check]})
