"""`callwright doctor MODEL`: what a model's tokenizer, template and this machine mean for training."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright doctor smollm2-135m"


def doctor(
    model: Annotated[str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'.")] = "smollm2-135m",
    as_json: AsJson = False,
) -> None:
    """Print EOS, pad, template, dialect and why; then device, precision, attention and threads, and why."""
    from callwright.cli.console import findings_table, out, print_json
    from callwright.models.hardware import detect
    from callwright.models.tokenizer import as_json as findings_json
    from callwright.models.tokenizer import examine

    findings = examine(model)
    machine = detect()
    chosen = {
        "device": machine.device,
        "precision": machine.precision,
        "attention": machine.attention,
        "threads": str(machine.threads),
    }
    if as_json:
        hardware = {name: {"value": value, "why": machine.why.get(name, "")} for name, value in chosen.items()}
        print_json({"model": model, "findings": findings_json(findings), "hardware": hardware})
        return
    rows = [(found.what, found.value, found.advice) for found in findings]
    rows += [(name, value, machine.why.get(name, "")) for name, value in chosen.items()]
    rows.append(("memory", f"{machine.memory_gib} GiB", ""))
    out.print(findings_table(rows))
