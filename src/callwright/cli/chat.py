"""`callwright chat MODEL`: type requests, see the calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright chat smollm2-135m --adapter runs/home/adapter --tools examples/home/tools.py"


def chat(
    model: Annotated[str, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'.")],
    tools: Annotated[str, typer.Option("--tools", help="The functions that may be called.")],
    adapter: Annotated[str | None, typer.Option("--adapter", help="A trained adapter's folder.")] = None,
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    forced: Annotated[bool, typer.Option("--forced", help="Begin every reply with a call.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read requests from stdin, one a line, and print the reply. Calls are shown, not executed."""
    from callwright.cli.console import err, print_json
    from callwright.dialects.syntax.jsoncalls import dump
    from callwright.generate.local import LocalEngine
    from callwright.generate.reply import Options, reply
    from callwright.pipeline.evaluate import open_subject
    from callwright.tools import load_tools
    from callwright.types import Conversation, Message

    declared = load_tools(tools)
    subject = open_subject(model, Path(adapter) if adapter else None, dialect)
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops)
    options = Options(mode="forced" if forced else "auto")
    if sys.stdin.isatty():
        err.print("one request a line; end with Ctrl-D")
    for line in sys.stdin:
        if not line.strip():
            continue
        row = Conversation("chat", declared, (Message("user", line.strip()),))
        answer = next(reply([row], subject.dialect, subject.tokenizer, engine, options)).reply
        if as_json:
            calls = [{"name": call.name, "arguments": call.arguments} for call in answer.calls]
            broken = [{"text": bad.text, "reason": bad.reason} for bad in answer.broken]
            thinking = {"thinking": answer.thinking} if answer.thinking else {}
            print_json(
                {**thinking, "text": answer.text, "calls": calls, "broken": broken, "ending": answer.ending.value}
            )
            continue
        lines = [f"(thinking) {answer.thinking}"] if answer.thinking else []
        lines += [answer.text] if answer.text else []
        lines += [f"{call.name}({dump(call.arguments)})" for call in answer.calls]
        lines += [f"broken call: {bad.reason}: {bad.text}" for bad in answer.broken]
        print("\n".join(lines) or "(an empty reply)", flush=True)
