"""Decisions: whatever the order, whatever is undone, wherever a crash cuts the journal, nothing decided is lost."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callwright.data import TO_WRITE, canonical, conversations, read
from callwright.errors import DataError
from callwright.review.store import Review, StaleError, UnfitError, open_review
from callwright.types import BadRow, Conversation, JsonObject, Message, Tool, ToolCall

SET = Tool(
    "set",
    "Set a level.",
    {
        "type": "object",
        "properties": {"level": {"type": "number"}, "room": {"enum": ["hall"]}, "note": {}},
        "required": ["level"],
    },
)
NAMES = ["r0", "r1", "r2", "r3", "w00000000", "w11111111"]


def row(number: int, level: object = 1.0) -> Conversation:
    call = ToolCall("set", {"level": level})
    return Conversation(f"id{number}", (), (Message("user", f"say {number}"), Message("assistant", "", (call,))), "own")


def edited(say: str, **arguments: object) -> JsonObject:
    calls = [{"name": "set", "arguments": arguments}]
    assistant = {"role": "assistant", "content": "", "tool_calls": calls}
    return {"messages": [{"role": "user", "content": say}, assistant], "source": ""}


BLANK = replace(
    row(3),
    messages=(Message("user", ""), Message("assistant", "", (ToolCall("set", {}),))),
    provenance={TO_WRITE: "Write it."},
)
ROWS = [row(0), row(1), row(2), BLANK]


def opened(folder: Path, rows: list[Conversation] = ROWS, **options: Any) -> Review:
    return open_review(rows, (SET,), folder / "out.jsonl", **options)


def standing(review: Review) -> dict[str, tuple[str, str]]:
    """Every row's status and text."""
    now = {key: review.latest(key) for key in review.keys()}  # noqa: SIM118
    return {key: (each.status, json.dumps(canonical.to_row(each.row))) for key, each in now.items()}


def reviews(path: Path) -> list[tuple[str, Any]]:
    return [(each.messages[0].text, each.provenance.get("review")) for each in conversations(path)]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["keep", "edit", "reject", "undo", "save", "reopen"]), st.sampled_from(NAMES)),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, data=st.data())
def test_nothing_decided_is_lost_at_any_byte(
    operations: list[tuple[str, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("review")
    review = opened(folder)
    journal = review.journal.path
    acknowledged = [(journal.stat().st_size, standing(review))]
    for number, (what, key) in enumerate(operations):
        before = standing(review)
        try:
            now = review.latest(key).version if key in before else 0
            if what == "undo":
                last = review.last()
                review.undo(last.version if last else 0)
            elif what == "save":
                review.save()
            elif what == "reopen":
                review.journal.close()
                review = opened(folder)
            else:
                review.decide(
                    key, now, what != "reject", edited(f"{key} {number}", level=number) if what == "edit" else None
                )
        except DataError:
            assert standing(review) == before, "what is refused changes nothing"
        acknowledged.append((journal.stat().st_size, standing(review)))
    review.journal.close()

    whole = journal.read_bytes()
    cut = data.draw(st.integers(acknowledged[0][0], len(whole)))
    expected = [state for size, state in acknowledged if size <= cut][-1]
    journal.write_bytes(whole[:cut])
    (folder / "out.jsonl").unlink(missing_ok=True)
    again = opened(folder)
    assert standing(again) == expected
    kept = {status for status, _ in expected.values()} & {"accepted", "corrected", "written", "open"}
    assert again.save() == sum(status in kept for status, _ in expected.values())
    again.journal.close()


def test_a_crash_while_the_journal_begins(tmp_path: Path) -> None:
    review = opened(tmp_path)
    review.journal.close()
    whole = review.journal.path.read_bytes()
    for cut in range(len(whole)):
        review.journal.path.write_bytes(whole[:cut])
        again = opened(tmp_path)
        again.journal.close()
        assert review.journal.path.read_bytes() == whole


def test_what_the_output_holds(tmp_path: Path) -> None:
    review = opened(tmp_path)
    assert review.progress()["todo"] == 1
    review.decide("r0", 0, True)
    review.decide("r1", 0, True, edited("better", level=2))
    assert review.save() == 3, "r2 is undecided and stays, r3 is still to be written"
    review.decide("r3", 0, True, edited("in my words", level=3))
    review.decide("w00000000", 0, True, edited("all mine", level=4))
    review.save()
    before = [("say 0", "accepted"), ("better", "corrected"), ("say 2", None)]
    assert reviews(tmp_path / "out.jsonl") == [*before, ("in my words", "written"), ("all mine", "written")]
    review.decide("r2", 0, False)
    review.save()
    assert [text for text, _ in reviews(tmp_path / "out.jsonl")] == ["say 0", "better", "in my words", "all mine"]
    found = list(conversations(tmp_path / "out.jsonl"))
    assert [each.id for each in found] == ["id0", "id1", "id3", "written-00000000"]
    assert not any(TO_WRITE in each.provenance for each in found)
    assert not any(each.tools for each in found), "rows without tools stay without"


def test_only_reviewed_leaves_undecided_rows_out(tmp_path: Path) -> None:
    review = opened(tmp_path, only_reviewed=True)
    review.decide("r1", 0, True)
    assert (review.save(), reviews(tmp_path / "out.jsonl")) == (1, [("say 1", "accepted")])


def test_the_status_follows_from_the_row(tmp_path: Path) -> None:
    review = opened(tmp_path)
    same = canonical.to_row(ROWS[0])
    assert review.decide("r0", 0, True, same).status == "accepted", "an edit that changes nothing"
    one = json.loads(json.dumps(same).replace("1.0", "1"))
    assert review.decide("r0", 1, True, one).status == "corrected", "1 is not 1.0"
    assert review.decide("r0", 2, True).status == "corrected", "accepting a corrected row keeps what was corrected"
    assert review.decide("r3", 0, True, edited("mine", level=1)).status == "written"


def test_a_row_with_errors_can_only_be_rejected(tmp_path: Path) -> None:
    review = opened(tmp_path, [row(0, "loud"), BLANK])
    with pytest.raises(UnfitError) as refused:
        review.decide("r0", 0, True)
    assert [(found.path, found.why) for found in refused.value.found] == [
        (("messages", 1, "tool_calls", 0, "arguments", "level"), "'loud' is not of type 'number'")
    ]
    with pytest.raises(UnfitError):
        review.decide("r1", 0, True)
    paths = {found.path for found in review.check("r1", edited("", room="attic"))}
    at = ("messages", 1, "tool_calls", 0, "arguments")
    assert paths == {("messages", 0), (*at, "level"), (*at, "room")}
    with pytest.raises(DataError, match="cannot be written as JSON"):
        review.decide("r0", 0, True, edited("x", level=1, note=float("nan")))
    assert review.version == 0
    assert review.decide("r0", 0, False).status == "rejected"


def test_two_windows_lose_nothing(tmp_path: Path) -> None:
    review = opened(tmp_path)
    review.decide("r0", 0, True, edited("from one", level=1))
    with pytest.raises(StaleError):
        review.decide("r0", 0, True, edited("from the other", level=2))
    with pytest.raises(StaleError):
        review.decide("r0", 0, False)
    assert review.decide("r0", 0, True, edited("from one", level=1)).version == 1, "asked twice, decided once"
    review.decide("r1", 0, True)
    with pytest.raises(StaleError):
        review.undo(1)
    review.undo(2)
    with pytest.raises(StaleError):
        review.decide("r1", 2, False)

    threads = [
        threading.Thread(target=review.decide, args=(f"w{n:08d}", 0, True, edited(f"new {n}", level=n)))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    review.journal.close()
    again = opened(tmp_path)
    assert again.progress() == {"todo": 1, "open": 2, "accepted": 0, "corrected": 1, "written": 20, "rejected": 0}


def test_a_new_row_has_the_tools_of_the_row_it_is_like(tmp_path: Path) -> None:
    other = Tool("other", "", {"type": "object", "properties": {}})
    review = opened(tmp_path, [replace(row(n), tools=(SET, other)[: 2 - n]) for n in range(2)])
    for key, like, expected in (("w00000000", "r0", (SET, other)), ("w11111111", "r1", (SET,))):
        made = review.decide(key, 0, True, edited("new", level=1), like)
        assert made.row.tools == expected
        review.undo(made.version)
        assert review.decide(key, 0, True, edited("again", level=1)).row.tools == expected


def test_one_process_at_a_time(tmp_path: Path) -> None:
    review = opened(tmp_path)
    with pytest.raises(DataError, match="another"):
        opened(tmp_path)
    review.journal.close()
    opened(tmp_path).journal.close()


def test_what_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("mine\n")
    with pytest.raises(DataError, match="no review wrote it"):
        opened(tmp_path)
    target.unlink()
    review = opened(tmp_path)
    review.decide("r0", 0, True)
    review.save()
    review.journal.close()
    target.write_text(target.read_text() + "a line of the user's\n")
    with pytest.raises(DataError, match="changed by something else"):
        opened(tmp_path)
    assert target.read_text().endswith("a line of the user's\n")
    target.unlink()
    assert opened(tmp_path).save() == 3


def test_rows_may_be_added_but_not_changed(tmp_path: Path) -> None:
    review = opened(tmp_path)
    review.decide("r1", 0, True)
    review.decide("w00000000", 0, True, edited("new", level=1))
    review.journal.close()
    with pytest.raises(DataError, match="have changed"):
        opened(tmp_path, [ROWS[1], *ROWS])
    longer = opened(tmp_path, [*ROWS, row(4)])
    assert (longer.latest("r1").status, longer.latest("r4").status) == ("accepted", "open")
    assert longer.latest("w00000000").status == "written"
    longer.decide("r4", 0, False)
    longer.journal.close()
    with pytest.raises(DataError, match="have changed"):
        opened(tmp_path, ROWS)


def test_a_full_disk_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    review = opened(tmp_path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(DataError, match="No space left"):
            review.decide("r0", 0, True)
    assert review.latest("r0").status == "open"
    review.decide("r1", 0, True)
    review.journal.close()
    assert standing(opened(tmp_path))["r1"][0] == "accepted"


def test_unwritten_rows_are_nobodys_rows(tmp_path: Path) -> None:
    file = tmp_path / "todo.jsonl"
    file.write_text(json.dumps(canonical.to_row(BLANK)) + "\n" + json.dumps(canonical.to_row(ROWS[0])) + "\n")
    found = list(read(file))
    assert isinstance(found[0], BadRow)
    assert "still to be written" in found[0].why
    assert [each.id for each in read(file, todo=True) if isinstance(each, Conversation)] == ["id3", "id0"]
    with pytest.raises(DataError, match="still to be written"):
        list(conversations(file))
