"""What `callwright serve` opens: by engine, one adapter or several on one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from callwright.errors import ModelError
from callwright.generate.llama_cpp import LlamaSteps
from callwright.generate.openvino_steps import OpenVinoSteps
from callwright.generate.reply import Options, Prompt
from callwright.generate.torch_steps import TorchSteps
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.pipeline import serving
from callwright.pipeline.serving import Wanted, open_served, served_scorer
from callwright.recipe import Eval
from callwright.serve.prepare import Served
from callwright.types import Conversation, Message, Tool, ToolCall

pytestmark = pytest.mark.native
NAME = "smollm2-135m"
PROMPT = Prompt("", [1, 4093, 198, 2683, 359, 253, 5356, 11173, 30, 2, 198, 1, 520, 9531, 198], 6)


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Two that say different things."""
    folder, made = tmp_path_factory.mktemp("adapters"), []
    for seed, name in enumerate(("one", "two")):
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(load_model(NAME, detect()), config)
        torch.manual_seed(seed)
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                parameter.data.normal_(std=0.08)
        model.save_pretrained(str(folder / name / "adapter"), save_embedding_layers=False)
        made.append(str(folder / name / "adapter"))
    return tuple(made)


def text(served: Served) -> str:
    (done,) = served.engine.complete([PROMPT], Options(max_new_tokens=12))
    return done.text


def opened(**wanted: Any) -> list[Served]:
    return open_served(Wanted(NAME, slots=2, context=512, **wanted))


def test_several_adapters_stand_on_one_model(adapters: tuple[str, ...]) -> None:
    together = opened(adapters=adapters, engine="torch")
    assert [served.name for served in together] == ["one", "two"]
    steps = [served.engine.steps for served in together]
    assert isinstance(steps[0], TorchSteps)
    assert steps[0]._model is steps[1]._model  # type: ignore[attr-defined]
    written = [text(served) for served in together]
    assert len(set(written)) == 2
    # by turns, in any order
    assert [text(served) for served in reversed(together)] == written[::-1]


def test_llama_cpp_shares_the_base_too(adapters: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="the extra 'llama' is not installed")
    together = opened(adapters=adapters, engine="llama.cpp", cache=tmp_path)
    steps = [served.engine.steps for served in together]
    assert isinstance(steps[0], LlamaSteps)
    assert steps[0]._model is steps[1]._model  # type: ignore[attr-defined]
    written = [text(served) for served in together]
    assert len(set(written)) == 2
    # each has its own files, and finds them again
    assert len(list(tmp_path.iterdir())) == 2
    again = opened(adapters=adapters, engine="llama.cpp", cache=tmp_path)
    assert [text(served) for served in again] == written


def test_openvino_has_a_model_of_each(adapters: tuple[str, ...]) -> None:
    pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")
    together = opened(adapters=adapters, engine="openvino")
    assert [type(served.engine.steps).__name__ for served in together] == ["OpenVinoSteps"] * 2
    assert len({text(served) for served in together}) == 2
    (auto,) = opened()
    assert isinstance(auto.engine.steps, OpenVinoSteps) == (detect().device == "cpu")


def test_what_one_engine_does_not_take_another_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise ModelError("its layers have soft caps")

    monkeypatch.setattr(serving, "OpenVinoModel", refuses)
    monkeypatch.setattr(serving, "_engine", lambda wanted: "openvino")
    (served,) = opened()
    assert isinstance(served.engine.steps, TorchSteps)
    with pytest.raises(ModelError, match="soft caps"):
        opened(engine="openvino")


def test_names_are_given_or_read_off_the_folder(adapters: tuple[str, ...]) -> None:
    (only,) = opened(adapters=(f"mine={adapters[0]}",), engine="torch")
    assert only.name == "mine"
    (only,) = opened(adapters=adapters[:1], name="given", engine="torch")
    assert only.name == "given"
    with pytest.raises(ModelError, match="two adapters have one name"):
        opened(adapters=(adapters[0], adapters[0]))


def test_what_cannot_be_served_is_said(adapters: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        open_served(Wanted("nowhere.gguf"))
    with pytest.raises(ModelError, match="takes no adapters"):
        open_served(Wanted("nowhere.gguf", adapters))
    with pytest.raises(ModelError, match="takes a GGUF file"):
        open_served(Wanted(str(tmp_path), engine="llama.cpp"))


def test_what_serves_can_score() -> None:
    """`callwright eval --engine`: the rows in their order, held to the tools that they declare."""
    tool = Tool("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    asked = [(Message("user", f"Add {n}."), Message("assistant", "", (ToolCall("add", {"a": n}),))) for n in (1, 2)]
    rows = [Conversation(str(n), (tool,), messages) for n, messages in enumerate(asked)]
    told: list[int] = []
    score = served_scorer(Wanted(NAME, slots=2, context=512, engine="torch", dialect="hermes"))
    settings = Eval(data="none.jsonl", mode="forced", constrain=True, max_new_tokens=60)
    scores = score(rows, settings, told.append)
    assert [one.id for one in scores] == ["0", "1"]
    assert told == [1, 2]
    assert all(one.reply.calls[0].name == "add" and one.verdict("schema_valid").value == 1 for one in scores)
