"""The journal: whatever moment a run ends at, what was answered is there, and what may have been paid is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from callwright.errors import DataError
from callwright.synth.journal import Journal, Outcome, Question

QUESTIONS = [Question("m", (("user", f"n° {n} \ud800"),), 0.5, 100) for n in range(3)]


def test_a_question_is_known_by_all_that_is_sent() -> None:
    first = Question("m", (("user", "a"),), 0.5, 100)
    others = [
        Question("n", (("user", "a"),), 0.5, 100),
        Question("m", (("user", "b"),), 0.5, 100),
        Question("m", (("user", "a"),), 0.6, 100),
        Question("m", (("user", "a"),), 0.5, 101),
    ]
    assert len({first.key, *(other.key for other in others)}) == 5
    assert first.key == Question("m", (("user", "a"),), 0.5, 100).key


def test_cut_at_any_byte_nothing_answered_is_lost_and_nothing_paid_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States after each line; a file cut anywhere opens in the state of its last whole line."""
    # the file is cut by hand here, whatever the disk holds
    monkeypatch.setattr("os.fsync", lambda _: None)
    path = tmp_path / "journal.jsonl"
    states = [(0, set[str](), 0)]
    with Journal(path) as journal:

        def note() -> None:
            states.append((path.stat().st_size, set(journal.answers), journal.spent))

        for question in QUESTIONS:
            journal.intend(question, 1000)
            note()
        journal.settle(Outcome(QUESTIONS[0].key, "one\n\u2028two", tokens=70, host="h", finish="stop"))
        note()
        journal.settle(Outcome(QUESTIONS[1].key, error="cut", tokens=1000, bound=True, body="{"))
        note()
        journal.intend(QUESTIONS[1], 1000)
        note()
        journal.settle(Outcome(QUESTIONS[1].key, "later", tokens=80))
        note()
        journal.give_up("k", "too long")
        note()
        assert journal.spent == 70 + 1000 + 80 + 1000
    with Journal(path) as journal:
        assert journal.given_up == {"k": "too long"}
    whole = path.read_bytes()
    ends = [size for size, _, _ in states]
    for at in range(len(whole) + 1):
        if at % 5 and min(abs(at - end) for end in ends) > 3:
            continue
        path.write_bytes(whole[:at])
        _, answers, spent = next(state for state in reversed(states) if state[0] <= at)
        with Journal(path) as journal:
            assert (set(journal.answers), journal.spent) == (answers, spent), at
        assert path.stat().st_size <= at
        if at % 3:
            continue
        with Journal(path) as journal:
            # it goes on as if nothing had happened
            journal.intend(QUESTIONS[2], 500)
            journal.settle(Outcome(QUESTIONS[2].key, "now", tokens=5))
        with Journal(path) as journal:
            assert journal.answers[QUESTIONS[2].key].text == "now"
            assert journal.spent == spent + 5


def test_a_question_that_was_lost_twice_counts_twice(tmp_path: Path) -> None:
    for _ in range(2):
        with Journal(tmp_path / "j") as journal:
            journal.intend(QUESTIONS[0], 1000)
    with Journal(tmp_path / "j") as journal:
        assert (journal.spent, journal.lost, journal.tries) == (2000, 1, 2)


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for text in ('{"messages": []}\n', "[1]\n", "what\n", '{"asked": {"key": "k"}}\n'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"rows\.jsonl:1: is no line of a journal"):
            Journal(path)
        assert path.read_text() == text
    with pytest.raises(DataError, match="cannot be used"):
        Journal(tmp_path)


def test_two_runs_do_not_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(DataError, match="another run"):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").close()


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with Journal(tmp_path / "j") as journal:
        journal.intend(QUESTIONS[0], 10)
        with full.open("wb") as disk:
            journal._file, kept = disk, journal._file
            with pytest.raises(DataError, match="No space left"):
                journal.settle(Outcome(QUESTIONS[0].key, "lost", tokens=3))
        assert QUESTIONS[0].key not in journal.answers
        with pytest.raises(DataError, match="is closed"):
            journal.intend(QUESTIONS[1], 10)
        assert kept is not None
        kept.close()
