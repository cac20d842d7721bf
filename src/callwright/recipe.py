"""A YAML recipe and key=value overrides -> one validated Recipe. Unknown keys fail with the nearest name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from callwright.data.augment import check_kinds
from callwright.dialects.weights import MEANINGS
from callwright.errors import RecipeError, did_you_mean
from callwright.schema.keys import explain
from callwright.types import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tools(_Part):
    """One fixed tool set for all rows: from a source of tools, or the most frequent of the training file."""

    source: str | None = None
    """A Python file or module, or a JSON file."""
    most_frequent: int | None = Field(default=None, ge=1)
    """Keep the rows whose calls are all among the N tools that the training file calls most."""
    others: float = Field(default=0.0, ge=0)
    """With `most_frequent`: rows that call other functions, asking for nothing that these do, answered without a call;
    as many as this times the rows of their file that are kept."""
    descriptions: Literal["all", "functions"] = "all"
    """'functions' leaves out the descriptions of parameters, where they only repeat the names: of the fixed tools, or
    where there are none, of each row's own."""


class TrainingSource(_Part):
    """One file of a mix: its first `rows`, of which it gives at most `cap`, by `weight` where fewer are drawn."""

    file: str
    weight: float = Field(default=1.0, gt=0)
    cap: int | None = Field(default=None, ge=1)
    rows: int | None = Field(default=None, ge=1)


class Exclusion(_Part):
    """A test file, or bfcl:CATEGORY; training rows that share a request with it go, with `tools` a tool is enough."""

    file: str
    tools: bool = False


class Augment(_Part):
    """Rows added to those read and made: `copies` for each row, of the `kinds` in equal parts."""

    kinds: list[str] = Field(min_length=1)
    copies: float = Field(default=0.3, gt=0)
    seed: int = 0

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        try:
            check_kinds(kinds)
        except ValueError as error:
            raise PydanticCustomError("unknown_kind", "{why}", {"why": str(error)}) from None
        return kinds


def _form(value: object) -> str:
    return "one" if isinstance(value, str | TrainingSource | Exclusion) else "many"


_Train = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[TrainingSource], Tag("many")], Discriminator(_form), Field(min_length=1)
]


class Data(_Part):
    """Rows to train on: one file, of which `rows` takes the first N, or sources, of which it takes N rows by weight.

    `bad_rows` says what an unreadable row, or a lint error, does. `exclude` and `dedupe` leave rows out, made ones
    too; `dedupe` is the share of three-word runs that makes two requests with the same calls one.
    """

    train: _Train | None = None
    rows: int | None = Field(default=None, ge=1)
    seed: int = 0
    bad_rows: Literal["stop", "drop"] = "stop"
    exclude: list[Exclusion] = []
    dedupe: float | None = Field(default=None, gt=0, le=1)
    augment: Augment | None = None

    @field_validator("train", "exclude", mode="before")
    @classmethod
    def _files(cls, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        return [{"file": one} if isinstance(one, str) else one for one in given]

    @property
    def sources(self) -> tuple[TrainingSource, ...]:
        """Where rows are read from, in order; `rows` of a single file is its own."""
        if isinstance(self.train, str):
            return (TrainingSource(file=self.train, rows=self.rows),)
        return tuple(self.train or ())


class Synth(_Part):
    """Rows made from the tools, without a teacher.

    phrases: a phrasebook. examples: the user's own requests with their calls, whose wordings are used again.
    plan: the share of each category, as in synth.Plan; what is not named has none, 'single' is the rest.
    tools_per_row: how many tools a row declares, from-to; without it all of them, so that rows share their prefix.
    """

    rows: int = Field(default=3000, ge=1)
    phrases: str | None = None
    examples: str | None = None
    plan: dict[str, float] | None = None
    tools_per_row: tuple[int, int] | None = None
    seed: int = 0


class Lora(_Part):
    """PEFT's LoRA, by its own names, for the methods `lora` and `qlora`."""

    r: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: str | list[str] = "all-linear"
    use_dora: bool = False
    use_rslora: bool = False


class Choose(_Part):
    """The checkpoint with the best exact match on a dev sample, by real generation every `every` steps.

    data: a file of dev rows, of which `rows` are drawn; without one so many training rows are kept out for it.
    patience: training ends after so many scores in a row that are no better; 0 never.
    """

    data: str | None = None
    rows: int = Field(default=60, ge=1)
    every: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)
    max_new_tokens: int = Field(default=256, ge=1)


class Dpo(_Part):
    """Preference tuning on `pairs`, a file that `callwright data pairs` writes; the reference is the model without its
    adapter. `sft` adds so much of the right reply's own loss."""

    pairs: str
    beta: float = Field(default=0.1, gt=0)
    sft: float = Field(default=0.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)


class Grpo(_Part):
    """Reinforcement by rewards that can be checked (extra 'rl'). `train.batch_size` counts replies: `generations` to
    each prompt, of at most `max_new_tokens` tokens, drawn at `temperature`.

    rewards: what each counts: format (whole, and fits the schemas), name, arguments, abstention.
    epsilon: where the ratio is clipped.
    """

    generations: int = Field(default=8, ge=2)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=128, ge=1)
    epsilon: float = Field(default=0.2, gt=0)
    rewards: dict[Literal["format", "name", "arguments", "abstention"], Annotated[float, Field(ge=0)]] = Field(
        default={"format": 1.0, "name": 1.0, "arguments": 1.0, "abstention": 1.0}, min_length=1
    )


class Train(_Part):
    """The loop. `epochs` or `steps`; `max_tokens` flat tokens a forward pass; `max_length` tokens a row.

    optimizer: adamw, adafactor, sgd, and on CUDA adamw_8bit and paged_adamw_8bit. gradient_checkpointing: 'auto'
    computes activations again where memory would not hold them. shard: FSDP2 instead of DDP where several processes
    train. trackers: where accelerate sends the log: tensorboard, wandb, mlflow, trackio.

    `weights` multiplies the loss of what a token means: thinking, text, decision (what opens a call, or the first word
    of a text), scaffold (what a grammar forces), name, key, argument, stop. What is not named counts 1.
    """

    epochs: float = Field(default=1.0, gt=0)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_ratio: float = Field(default=0.05, ge=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    precision: Literal["auto", "bf16", "fp16", "float32"] = "auto"
    max_tokens: int = Field(default=4096, ge=16)
    max_length: int = Field(default=4096, ge=16)
    share_prefixes: bool = True
    save_every: int = Field(default=50, ge=0)
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd"] = "adamw"
    gradient_checkpointing: Literal["auto"] | bool = "auto"
    shard: bool = False
    trackers: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = []
    choose: Choose | None = None
    threads: int = Field(default=0, ge=0)
    seed: int = 0
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        for name in weights:
            if name not in MEANINGS:
                why = f"there is no meaning '{name}'{did_you_mean(name, MEANINGS)}; known: {', '.join(MEANINGS)}"
                raise PydanticCustomError("unknown_meaning", "{why}", {"why": why})
        if all(weights.get(name, 1.0) == 0 for name in MEANINGS):
            raise PydanticCustomError("no_weight", "every weight is 0, so nothing would be learned")
        return weights


class Eval(_Part):
    """Held-out rows, drawn with `seed` where the file holds more than `rows`; `base` scores what the run began from
    too: the model, or its `adapter`. constrain: replies are held to the tools' schemas. temperature: 0 is greedy."""

    data: str
    rows: int | None = Field(default=None, ge=1)
    seed: int = 1
    mode: Literal["auto", "forced"] = "auto"
    constrain: bool = False
    temperature: float = Field(default=0.0, ge=0)
    max_new_tokens: int = Field(default=256, ge=1)
    batch_size: int = Field(default=32, ge=1)
    base: bool = True


class Retention(_Part):
    """Plain chat rows whose perplexity is measured before and after training; the run fails where it rises by more than
    `most` (0.2: a fifth; null: it is only measured).

    answers: so many of them are asked with the run's tools declared, and the run fails too where the share that is
    answered without a call falls by more than `most`. instructions: so many of sixty short ones whose answers can be
    checked (format, length, words) are asked, and the run fails too where the share that is followed falls by more than
    `most`. replay: so many of the file's other rows are trained on too, as a share of the rows there are.
    """

    data: str
    rows: int = Field(default=100, ge=1)
    answers: int = Field(default=20, ge=0)
    instructions: int = Field(default=0, ge=0, le=60)
    seed: int = 1
    most: float | None = Field(default=0.2, gt=0)
    replay: float = Field(default=0.0, ge=0, le=1)


class Recipe(_Part):
    """Everything that a run depends on. Paths are relative to the folder that the command is given in.

    method: 'lora', 'qlora' (the frozen weights in 4 bits) or 'full'. adapter: a trained one to begin with; it becomes
    part of the frozen model, and of the adapter that is saved. dpo, grpo: preferences or rewards instead of examples.
    call_token: makes what opens a call one new special token, trained with the adapter; plain text does as well.
    """

    output: str
    model: str = "smollm2-135m"
    adapter: str | None = None
    method: Literal["lora", "qlora", "full"] = "lora"
    dialect: str = "auto"
    call_token: str | None = None
    tools: Tools = Tools()
    data: Data = Data()
    synth: Synth | None = None
    lora: Lora = Lora()
    dpo: Dpo | None = None
    grpo: Grpo | None = None
    train: Train = Train()
    retention: Retention | None = None
    eval: Eval | None = None

    def as_json(self) -> JsonObject:
        """The recipe with every default written out."""
        return self.model_dump(mode="json")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and checks a recipe. Raises RecipeError naming the file and the key.

    `overrides` are "key.sub=value" with YAML values: "train.steps=20", "eval=null".
    """
    file = Path(path)
    if not file.is_file():
        raise RecipeError(f"{path}: there is no such recipe file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    for override in overrides:
        _override(content, override)
    return make_recipe(content, str(path))


def make_recipe(content: JsonObject, where: str) -> Recipe:
    """A plain mapping -> Recipe. Raises RecipeError with every wrong key on a line of its own."""
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{where}: {line}" for line in explain(error, Recipe))) from error
    if recipe.data.train is None and recipe.synth is None and recipe.dpo is None:
        raise RecipeError(f"{where}: nothing to train on; give 'data.train' or 'synth'")
    if recipe.dpo is not None and (recipe.data.train is not None or recipe.synth is not None):
        raise RecipeError(f"{where}: 'dpo' trains on its 'pairs'; leave 'data.train' and 'synth' out")
    if recipe.dpo is not None and recipe.method == "full":
        raise RecipeError(f"{where}: 'dpo' compares with the model without its adapter; use method lora or qlora")
    if recipe.grpo is not None:
        _check_grpo(recipe, where)
    if recipe.method == "full" and (recipe.call_token or recipe.adapter):
        raise RecipeError(f"{where}: method full has no adapter; leave 'call_token' and 'adapter' out")
    if recipe.method == "qlora" and recipe.adapter:
        raise RecipeError(
            f"{where}: 'adapter' would be lost in 4 bits, whose steps are larger than what it adds; make it part of "
            "the model (callwright export ADAPTER --to merged --output FOLDER) and give 'model: FOLDER/merged'"
        )
    if recipe.method == "qlora" and recipe.call_token:
        raise RecipeError(f"{where}: 'call_token' trains a row of the embeddings; use method lora")
    if recipe.synth is not None and recipe.tools.source is None:
        raise RecipeError(f"{where}: 'synth' makes rows from tools; give 'tools.source'")
    if recipe.tools.source is not None and recipe.tools.most_frequent is not None:
        raise RecipeError(f"{where}: 'tools.source' and 'tools.most_frequent' both choose the tools; keep one")
    if recipe.tools.others and recipe.tools.most_frequent is None and recipe.dpo is None:
        raise RecipeError(f"{where}: 'tools.others' is for 'tools.most_frequent'; give that, or leave it out")
    if recipe.tools.most_frequent is not None and recipe.data.train is None:
        raise RecipeError(f"{where}: 'tools.most_frequent' counts the calls of 'data.train'; give that file")
    return recipe


def _check_grpo(recipe: Recipe, where: str) -> None:
    assert recipe.grpo is not None
    if recipe.dpo is not None:
        raise RecipeError(f"{where}: 'dpo' and 'grpo' are two ways to train; keep one")
    if recipe.train.batch_size % recipe.grpo.generations:
        raise RecipeError(
            f"{where}: 'train.batch_size' counts replies with 'grpo': {recipe.train.batch_size} is no multiple of "
            f"'grpo.generations' ({recipe.grpo.generations})"
        )
    if recipe.train.choose is not None or recipe.train.shard or recipe.train.weights:
        raise RecipeError(f"{where}: 'grpo' has no 'train.choose', 'train.shard' or 'train.weights'; leave them out")


def _override(content: JsonObject, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override '{override}': write it as key=value, as in train.steps=20")
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        if not isinstance(place.get(parent), dict):
            place[parent] = {}
        place = place[parent]
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"override '{override}': the value is not YAML") from error
