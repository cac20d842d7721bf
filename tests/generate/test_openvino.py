"""OpenVINO's step engine computes what transformers computes, whatever is shared, cut, kept or on disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from tiny import ARCHITECTURES, VOCABULARY, tiny

pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")

from callwright.errors import EngineError, ModelError
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Feed

pytestmark = pytest.mark.native
RNG = random.Random(0)
TOKENS = [RNG.randrange(3, VOCABULARY) for _ in range(120)]
PREFIX = TOKENS[:40]


def compiled(model: Any, **settings: Any) -> OpenVinoModel:
    return OpenVinoModel(model, **{"weights": "full", "precision": "float32", "positions": 256, **settings})


@pytest.fixture(scope="module")
def llama() -> Any:
    return tiny("llama").eval()


@pytest.fixture(scope="module")
def model(llama: Any) -> OpenVinoModel:
    return compiled(llama)


def reference(model: Any, tokens: Sequence[int]) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.tensor([list(tokens)])).logits[0].numpy()  # type: ignore[no-any-return]


def read(steps: OpenVinoSteps, tokens: Sequence[int], prefix_len: int = 0) -> tuple[np.ndarray, int]:
    """The logits behind the last token, and how many tokens were held already."""
    row, held = steps.open(tokens, prefix_len, 4)
    (made,) = steps.forward([Feed(row, list(tokens[held:]), 1)])
    steps.close(row)
    return made[0], held


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_equals_transformers(architecture: str) -> None:
    """In parts of any size, beside another row, and with its attention windows."""
    model = tiny(architecture).eval()
    steps = OpenVinoSteps(compiled(model), slots=2, context=512)
    expected, other = reference(model, TOKENS), reference(model, TOKENS[::-1])
    one, _ = steps.open(TOKENS, 0, 4)
    two, _ = steps.open(TOKENS[::-1], 0, 4)
    at = 0
    for size in (31, 1, 2, 50, 36):
        here = slice(at, at + size)
        feeds = [Feed(one, TOKENS[here], size), Feed(two, TOKENS[::-1][here], 1)]
        mine, theirs = steps.forward(feeds)
        assert np.allclose(mine, expected[here], atol=1e-4)
        assert np.allclose(theirs[0], other[at + size - 1], atol=1e-4)
        at += size


def test_the_model_is_left_as_it_was(llama: Any) -> None:
    before = reference(llama, TOKENS)
    attention = llama.config._attn_implementation
    compiled(llama)
    assert np.array_equal(reference(llama, TOKENS), before)
    assert llama.config._attn_implementation == attention


def test_int8_stays_close(llama: Any) -> None:
    steps = OpenVinoSteps(compiled(llama, weights="int8"), slots=1, context=256)
    expected = reference(llama, TOKENS)[-1]
    found, _ = read(steps, TOKENS)
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def test_a_prefix_is_computed_once_and_on_disk_after_a_restart(
    llama: Any, model: OpenVinoModel, tmp_path: Path
) -> None:
    files = PrefixFiles(tmp_path, "tiny")
    one, other = [*PREFIX, 5, 6], [*PREFIX, 7]
    steps = OpenVinoSteps(model, slots=2, context=512, files=files)
    held = []
    for engine, tokens in ((steps, one), (steps, other), (OpenVinoSteps(model, slots=2, files=files), other)):
        found, had = read(engine, tokens, len(PREFIX))
        assert np.allclose(found, reference(llama, tokens)[-1], atol=1e-4)
        held.append(had)
    assert held == [0, len(PREFIX), len(PREFIX)]
    assert len(list(tmp_path.iterdir())) == 1


def test_rows_do_not_write_into_what_they_share(llama: Any, model: OpenVinoModel) -> None:
    """The prefix ends in the middle of a block, which its first row goes on to fill."""
    steps = OpenVinoSteps(model, slots=3, context=512)
    rows = [[*PREFIX, number, *TOKENS[50:60]] for number in (5, 6, 7)]
    first, _ = steps.open(rows[0], len(PREFIX), 20)
    steps.forward([Feed(first, rows[0], 1)])
    others = [steps.open(row, len(PREFIX), 20) for row in rows[1:]]
    assert [held for _, held in others] == [len(PREFIX)] * 2
    steps.forward([Feed(number, row[held:], 1) for (number, held), row in zip(others, rows[1:], strict=True)])
    made = steps.forward([Feed(number, [9], 1) for number in (first, others[0][0], others[1][0])])
    for row, found in zip(rows, made, strict=True):
        assert np.allclose(found[0], reference(llama, [*row, 9])[-1], atol=1e-4)


def test_a_conversation_goes_on_from_its_last_turn(model: OpenVinoModel) -> None:
    steps = OpenVinoSteps(model, slots=2, context=512)
    turn = [*PREFIX, 5, 6, 7, 8]
    read(steps, turn, len(PREFIX))
    assert read(steps, [*turn, 9, 10], len(PREFIX))[1] == len(turn)


def test_what_is_taken_back_leaves_no_trace(llama: Any, model: OpenVinoModel) -> None:
    steps = OpenVinoSteps(model, slots=1, context=512)
    row, _ = steps.open(PREFIX, 0, 60)
    steps.forward([Feed(row, PREFIX, 1)])
    steps.forward([Feed(row, TOKENS[60:100], 40)])
    steps.cut(row, len(PREFIX) + 1)
    (made,) = steps.forward([Feed(row, [9], 1)])
    assert np.allclose(made[0], reference(llama, [*PREFIX, TOKENS[60], 9])[-1], atol=1e-4)


def test_kept_sequences_give_way_and_no_block_is_lost(llama: Any, model: OpenVinoModel) -> None:
    steps = OpenVinoSteps(model, slots=2, context=256)
    for number in range(30):
        tokens = [3 + number, *TOKENS[: 20 + 3 * number]]
        found, _ = read(steps, tokens)
        assert np.allclose(found, reference(llama, tokens)[-1], atol=1e-4)
    while steps._kept:
        steps._blocks.give_back(steps._kept.forget())
    assert sorted(steps._blocks.free) == list(range(steps._blocks.count))
    assert not any(steps._blocks.users)


def test_a_row_that_needs_more_than_there_is_is_an_error(model: OpenVinoModel) -> None:
    steps = OpenVinoSteps(model, slots=1, context=64)
    row, _ = steps.open(TOKENS * 2, 0, 4)
    with pytest.raises(EngineError, match="more than 64 tokens"):
        steps.forward([Feed(row, TOKENS * 2, 1)])


def test_a_model_that_it_cannot_compute_is_refused() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": VOCABULARY}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    with pytest.raises(ModelError, match="softcap"):
        compiled(Gemma2ForCausalLM(Gemma2Config(**sizes, **heads)).eval())
    longrope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    with pytest.raises(ModelError, match="dynamic"):
        compiled(tiny("llama", rope_parameters=longrope).eval())


def test_nothing_is_sent_to_anybody() -> None:
    """OpenVINO tells its makers of its import and of every conversion, where its telemetry is there."""
    code = """
import sys
from callwright.generate.openvino_steps import OpenVinoModel
from tiny import tiny
OpenVinoModel(tiny("llama").eval(), positions=64)
print([name for name in sys.modules if "openvino_telemetry" in name])
"""
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
