"""Computed prefixes on disk: what was saved comes back, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from callwright.generate.local import LocalEngine
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.reply import Options, Prompt
from callwright.generate.torch_steps import TorchSteps
from generate.test_local import Numbers
from tiny import tiny

STATE = {"state": np.arange(1000, dtype=np.uint8)}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    files = PrefixFiles(tmp_path / "new", "a model")
    assert files.load([1, 2]) is None
    files.save([1, 2], STATE)
    found = files.load([1, 2])
    assert found is not None
    assert np.array_equal(found["state"], STATE["state"])


def test_other_tokens_and_other_models_have_their_own(tmp_path: Path) -> None:
    PrefixFiles(tmp_path, "a model").save([1, 2], STATE)
    assert PrefixFiles(tmp_path, "a model").load([1, 2, 3]) is None
    assert PrefixFiles(tmp_path, "another").load([1, 2]) is None


@pytest.mark.parametrize("harm", ["cut", "altered", "emptied"])
def test_a_file_that_is_harmed_goes(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    files = PrefixFiles(tmp_path, "a model")
    files.save([1, 2], STATE)
    [path] = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    if harm == "altered":
        raw[-10] ^= 1
    path.write_bytes({"cut": raw[:-5], "altered": raw, "emptied": b""}[harm])
    assert files.load([1, 2]) is None
    assert "computed again" in caplog.text
    assert not list(tmp_path.iterdir())


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    files = PrefixFiles(tmp_path, "a model", max_bytes=2600)
    for number in range(2):
        files.save([number], STATE)
    for age, path in enumerate(sorted(tmp_path.iterdir(), key=lambda path: path != files._path([0]))):
        os.utime(path, (age, age))
    assert files.load([0]) is not None
    files.save([2], STATE)
    assert [files.load([number]) is not None for number in range(3)] == [True, False, True]


def test_a_folder_that_cannot_be_written_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    PrefixFiles(tmp_path / "file" / "folder", "a model").save([1], STATE)
    assert "was not written" in caplog.text


def test_a_restarted_engine_computes_no_prefix_and_writes_the_same(tmp_path: Path) -> None:
    model = tiny("llama").eval().to(torch.bfloat16)
    files = PrefixFiles(tmp_path, "tiny")
    prompts = [Prompt("", [*range(3, 40), 50 + number], 37) for number in range(2)]
    plain = list(LocalEngine(model, Numbers(), ()).complete(prompts, Options(max_new_tokens=5)))

    def texts() -> list[str]:
        engine = LocalEngine(model, Numbers(), ())
        engine.steps = TorchSteps(model, slots=2, files=files)
        return [done.text for done in engine.complete(prompts, Options(max_new_tokens=5))]

    assert texts() == [done.text for done in plain]
    assert len(list(tmp_path.iterdir())) == 1
    assert texts() == [done.text for done in plain]
