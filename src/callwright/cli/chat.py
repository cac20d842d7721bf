"""`callwright chat MODEL`: type requests, see the calls, and with --run what they give."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from callwright.agent.plan import Plan
    from callwright.types import Reply

EXAMPLE = "Example: callwright chat smollm2-135m --adapter runs/home/adapter --tools examples/home/tools.py"


def chat(  # noqa: PLR0913  # one argument an option
    model: Annotated[str | None, typer.Argument(help="A hub id, a folder, or 'smollm2-135m'.")] = None,
    tools: Annotated[str | None, typer.Option("--tools", help="The functions that may be called.")] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="A trained adapter's folder.")] = None,
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    forced: Annotated[bool, typer.Option("--forced", help="Begin every reply with a call.")] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Run the calls; you are asked before one that changes something.")
    ] = False,
    policy: Annotated[str | None, typer.Option("--policy", help="With --run: what may be called, in YAML.")] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="The tuned example: no model, adapter or tools to name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read requests from stdin, one a line, and print the reply. Without --run calls are shown, not executed."""
    from callwright.errors import RecipeError

    if demo:
        from callwright.models.bundled import BUNDLED
        from callwright.pipeline.demo import home_folder

        home = home_folder()
        model, adapter, tools = model or BUNDLED, adapter or str(home / "adapter"), tools or str(home / "tools.py")
    if model is None or tools is None:
        raise RecipeError("name a model, and its functions with --tools; or try --demo")
    if policy and not run:
        raise RecipeError("--policy rules on calls that are run; add --run")
    if run:
        from callwright.agent.plan import Plan

        _run(Plan(model=model, adapter=adapter, dialect=dialect, engine="torch", tools=[tools], policy=policy or {}))
        return
    _show(model, adapter, dialect, tools, forced=forced, as_json=as_json)


def _run(plan: Plan) -> None:
    from callwright.cli.agent import confirmed, lines, show
    from callwright.pipeline.agent import open_plan

    with open_plan(plan, confirmed if sys.stdin.isatty() else None) as opened:
        assert opened.agent is not None
        for request in lines(sys.stdin):
            for event in opened.agent.ask(request):
                show(event)


def _show(model: str, adapter: str | None, dialect: str, tools: str, *, forced: bool, as_json: bool) -> None:
    from callwright.cli.agent import lines
    from callwright.cli.console import print_json
    from callwright.generate.reply import Options, reply
    from callwright.models.bundled import cache_folder
    from callwright.pipeline.serving import Wanted, open_served
    from callwright.tools import load_tools
    from callwright.types import Conversation, Message

    declared = load_tools(tools)
    # of several engines the one that begins soonest; what it computed of these tools is kept on the disk
    wanted = Wanted(
        model,
        (str(Path(adapter)),) if adapter else (),
        dialect=dialect,
        slots=1,
        engine="torch",
        cache=cache_folder() / "prefixes",
    )
    (served,) = open_served(wanted)
    options = Options(mode="forced" if forced else "auto")
    for line in lines(sys.stdin):
        row = Conversation("chat", declared, (Message("user", line),))
        answer = next(reply([row], served.dialect, served.tokenizer, served.engine, options)).reply
        if as_json:
            calls = [{"name": call.name, "arguments": call.arguments} for call in answer.calls]
            broken = [{"text": bad.text, "reason": bad.reason} for bad in answer.broken]
            thinking = {"thinking": answer.thinking} if answer.thinking else {}
            print_json(
                {**thinking, "text": answer.text, "calls": calls, "broken": broken, "ending": answer.ending.value}
            )
            continue
        print(_written(answer), flush=True)


def _written(answer: Reply) -> str:
    from callwright.dialects.syntax.jsoncalls import dump

    lines = [f"(thinking) {answer.thinking}"] if answer.thinking else []
    lines += [answer.text] if answer.text else []
    lines += [f"{call.name}({dump(call.arguments)})" for call in answer.calls]
    lines += [f"broken call: {bad.reason}: {bad.text}" for bad in answer.broken]
    return "\n".join(lines) or "(an empty reply)"
