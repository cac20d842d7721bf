"""llama.cpp's sequences: shared, kept, cut, and on disk; what is written does not depend on any of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from callwright.generate.decode import Decoder, Row
from callwright.generate.draft import Draft, Replies
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.reply import Options
from callwright.generate.steps import Feed
from callwright.generate.written import Written
from callwright.models.bundled import gguf_file
from callwright.models.tokenizer import load_tokenizer

pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")

from callwright.generate.llama_cpp import LlamaModel, LlamaSteps

pytestmark = pytest.mark.native
RNG = random.Random(0)
PREFIX = [RNG.randrange(50, 40_000) for _ in range(60)]


@pytest.fixture(scope="module")
def model() -> LlamaModel:
    return LlamaModel(gguf_file())


def read(steps: LlamaSteps, tokens: Sequence[int], prefix_len: int) -> tuple[np.ndarray, int]:
    """The logits behind the last token, and how many tokens were held already."""
    row, held = steps.open(tokens, prefix_len, 4)
    (made,) = steps.forward([Feed(row, list(tokens[held:]), 1)])
    steps.close(row)
    return made[0], held


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Logits that differ by no more than llama.cpp's rounding, which depends on how many tokens a pass has."""
    return bool(np.corrcoef(one, other)[0, 1] > 0.999)


def test_a_prefix_is_computed_once_and_on_disk_after_a_restart(model: LlamaModel, tmp_path: Path) -> None:
    files = PrefixFiles(tmp_path, "embedded")
    one, other = [*PREFIX, 100, 101], [*PREFIX, 200]
    fresh = LlamaSteps(model, slots=2, kept=0, context=512)
    expected = [read(fresh, tokens, len(PREFIX)) for tokens in (one, other)]
    assert [held for _, held in expected] == [0, 0]
    steps = LlamaSteps(model, slots=2, context=512, files=files)
    first, again = read(steps, one, len(PREFIX)), read(steps, other, len(PREFIX))
    assert (first[1], again[1]) == (0, len(PREFIX))
    assert len(list(tmp_path.iterdir())) == 1
    restarted = read(LlamaSteps(model, slots=2, context=512, files=files), other, len(PREFIX))
    assert restarted[1] == len(PREFIX)
    assert alike(first[0], expected[0][0])
    for found in (again, restarted):
        assert alike(found[0], expected[1][0])


def test_a_conversation_goes_on_from_its_last_turn(model: LlamaModel) -> None:
    steps = LlamaSteps(model, slots=2, context=512)
    turn = [*PREFIX, 100, 101, 102, 103]
    read(steps, turn, len(PREFIX))
    assert read(steps, [*turn, 300, 301], len(PREFIX))[1] == len(turn)


def test_what_is_taken_back_leaves_no_trace(model: LlamaModel) -> None:
    steps = LlamaSteps(model, slots=2, context=512)
    row, _ = steps.open([*PREFIX, 1], 0, 20)
    steps.forward([Feed(row, [*PREFIX, 1], 1)])
    steps.forward([Feed(row, [7, 8, 9], 3)])
    steps.cut(row, len(PREFIX) + 1)
    (made,) = steps.forward([Feed(row, [5], 1)])
    assert alike(made[0], read(LlamaSteps(model, slots=1, kept=0, context=512), [*PREFIX, 1, 5], 0)[0])


def test_kept_sequences_give_way(model: LlamaModel) -> None:
    steps = LlamaSteps(model, slots=1, kept=8, context=256)
    for number in range(12):
        tokens = [300 + number, *PREFIX[1:]]
        _, held = read(steps, tokens, 0)
        assert held == 0


def test_guesses_do_not_change_what_is_written(model: LlamaModel) -> None:
    """But where two tokens are as likely: there rounding decides, which depends on how many tokens a pass has."""
    tokenizer = load_tokenizer("smollm2-135m")
    texts = [f"The numbers: {' '.join(str(n) for n in range(first, first + 12))}" for first in (1, 3, 20, 41, 60, 77)]

    def run(drafted: int) -> tuple[list[list[Written]], int]:
        steps, replies = LlamaSteps(model, slots=1, context=1024), Replies()
        written, passes = [], 0
        for text in texts:
            options = Options(max_new_tokens=24, logprobs=True)
            row = Row(tokenizer(text)["input_ids"], 3, options, frozenset({2}))
            draft = Draft(row.prompt, replies)
            row.draft, row.most_drafted = draft if drafted else None, drafted
            decoder = Decoder(steps)
            decoder.add(row)
            while decoder.rows:
                decoder.round()
            draft.ended(row.tokens)
            written.append(row.written)
            passes += row.passes
        return written, passes

    (plain, all_passes), (guessed, passes) = run(0), run(6)
    assert passes < 0.7 * all_passes
    compared = 0
    for one, other in zip(plain, guessed, strict=True):
        for left, right in zip(one, other, strict=True):
            compared += 1
            if left.token != right.token:
                assert left.logprob == pytest.approx(right.logprob, abs=0.2)
                break
    assert compared > 60
