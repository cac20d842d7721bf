"""`callwright export RUN --to TARGETS`: a trained model as others serve it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright export runs/home --to merged,gguf:q8_0,ollama --output exports/home"

_TO = "adapter, merged, gguf (gguf:f16, gguf:q8_0, gguf:q4_k_m), ollama, llamacpp, vllm, sglang; several with commas."


def export(  # noqa: PLR0913  # one argument an option
    run: Annotated[str, typer.Argument(help="A folder of `callwright run`, an adapter's, or a whole model's.")],
    to: Annotated[str, typer.Option("--to", help=_TO)],
    output: Annotated[str, typer.Option("--output", help="A folder is written in it for each target.")],
    model: Annotated[str | None, typer.Option("--model", help="The base, where the adapter names none.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools, where the run names none.")] = None,
    dtype: Annotated[
        str,
        typer.Option("--dtype", help="Of adapters and merged weights: auto (as they are), bf16, fp16, float32."),
    ] = "auto",
    onto_4bit: Annotated[
        bool,
        typer.Option("--onto-4bit", help="Merge a QLoRA adapter onto its base's values in 4 bits, not the full ones."),
    ] = False,
    converter: Annotated[
        str | None, typer.Option("--converter", help="llama.cpp's convert_hf_to_gguf.py, for models that need it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the tuned model as files that others serve, with the prompts of training and a page on how to ask them."""
    from callwright.cli.console import err, out, print_json
    from callwright.errors import RecipeError
    from callwright.pipeline.export import Wish, targets_of
    from callwright.pipeline.export import export as write
    from callwright.pipeline.trained import find_trained

    if dtype not in ("auto", "bf16", "fp16", "float32"):
        raise RecipeError(f"--dtype '{dtype}': give auto, bf16, fp16 or float32")
    targets, weights = targets_of(to)
    wish = Wish(targets, weights, dtype, onto_4bit, Path(converter) if converter else None, tools)  # type: ignore[arg-type]
    made = write(find_trained(Path(run), model), wish, Path(output), lambda line: err.print(f"writing {line}"))
    if as_json:
        files = {name: str(path) for name, path in made.files.items()}
        print_json({"folder": str(made.folder), "files": files, "notes": made.notes})
        return
    for note in made.notes:
        err.print(note, markup=False)
    for name, path in made.files.items():
        out.print(f"{name}: {path}", markup=False)
