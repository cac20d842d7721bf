"""`callwright agent PLAN`: a model that calls your tools for real, within a policy, and says what it did."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    from callwright.agent.attacks import Outcome
    from callwright.agent.loop import Event
    from callwright.agent.policy import Ruling
    from callwright.pipeline.agent import Opened
    from callwright.types import JsonObject, ToolCall

EXAMPLE = "Example: callwright agent examples/home/agent.yaml"


def agent(
    plan: Annotated[str, typer.Argument(help="A YAML file with 'tools', 'policy', 'budget'; or with 'agents'.")],
    requests: Annotated[list[str] | None, typer.Argument(help="Requests; without any, one a line of stdin.")] = None,
    attack: Annotated[
        bool, typer.Option("--attack", help="Play 200 attacks against the tools and the policy; nothing is run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Answer requests by calling tools. What changes something is asked about first, unless the policy allows it.

    On a terminal you are asked; where nobody can be asked such calls are refused. With --attack, exits with 1 where a
    call got through that was not permitted.
    """
    from callwright.agent.plan import read_plan
    from callwright.cli.console import print_json
    from callwright.pipeline.agent import open_plan

    given = read_plan(Path(plan))
    if attack:
        raise typer.Exit(_attack(plan, as_json))
    person = confirmed if sys.stdin.isatty() else None
    with open_plan(given, person, plan) as opened:
        told = [_told(opened, request, quiet=as_json) for request in requests or lines(sys.stdin)]
        if as_json:
            print_json(told)


def lines(given: Iterable[str]) -> Iterator[str]:
    """Requests, one a line."""
    from callwright.cli.console import err

    if sys.stdin.isatty():
        err.print("one request a line; end with Ctrl-D")
    for line in given:
        if line.strip():
            yield line.strip()


def confirmed(call: ToolCall, ruling: Ruling) -> bool:
    """Asks on the terminal; anything but a plain yes is a no."""
    from callwright.cli.console import err
    from callwright.dialects.syntax.jsoncalls import dump

    err.print(f"{call.name}({dump(call.arguments)})", markup=False)
    err.print(f"{ruling.why}; run it? [y/N] ", end="", markup=False)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def show(event: Event) -> None:
    """One event, as a person reads it."""
    from callwright.agent.loop import Ended, Replied, Returned, Ruled
    from callwright.cli.console import out
    from callwright.dialects.syntax.jsoncalls import dump

    if isinstance(event, Replied) and event.reply.thinking:
        out.print(f"(thinking) {event.reply.thinking}", markup=False)
    if isinstance(event, Ruled):
        verdict = "" if event.ruling.verdict == "run" else f"  [{event.ruling.verdict}d: {event.ruling.why}]"
        out.print(f"  {event.call.name}({dump(event.call.arguments)}){verdict}", markup=False)
    if isinstance(event, Returned):
        out.print(f"  -> {event.text}", markup=False)
    if isinstance(event, Ended):
        ended = event.text if event.why == "answered" else f"(ended: {event.why})"
        out.print(ended or "(an empty answer)", markup=False)


def _told(opened: Opened, request: str, *, quiet: bool) -> JsonObject:
    from callwright.cli.console import out
    from callwright.data.canonical import to_row

    if not quiet:
        out.print(f"> {request}", markup=False)
    if opened.team is not None:
        name, ended = opened.team.ask(request)
        member = next(one for one in opened.team.router.members if one.name == name)
        if not quiet:
            out.print(f"  by {name}", markup=False)
            show(ended)
        return {
            "request": request,
            "agent": name,
            "why": ended.why,
            "text": ended.text,
            "row": to_row(member.agent.trace),
        }
    assert opened.agent is not None
    for event in opened.agent.ask(request):
        if not quiet:
            show(event)
        last = event
    return {"request": request, "why": last.why, "text": last.text, "row": to_row(opened.agent.trace)}  # type: ignore[union-attr]


def _attack(plan: str, as_json: bool) -> int:
    from callwright.agent.attacks import attacked, attacks
    from callwright.agent.plan import Plan, read_plan
    from callwright.agent.toolbox import Toolbox, open_tools
    from callwright.cli.console import out, print_json

    given = read_plan(Path(plan))
    found: dict[str, Any] = {}
    through = 0
    members = {"": given} if isinstance(given, Plan) else given.agents
    for name, member in members.items():
        box = Toolbox([])
        for one in member.sources():
            box = box.joined(open_tools(one.source, url=one.url))
        with box:
            outcome = attacked(box, member.rules_of(plan), attacks(box.tools, dict(box.effects)))
        through += len(outcome.through)
        found[name] = _counted(outcome)
        if not as_json:
            out.print(_table(outcome, name))
    if as_json:
        print_json(found)
    return 1 if through else 0


def _counted(outcome: Outcome) -> JsonObject:
    by_kind = {
        kind: {
            "attacks": count,
            "ran": outcome.ran[kind],
            "without_permission": sum(one == kind for one, _ in outcome.through),
        }
        for kind, count in outcome.cases.items()
    }
    return {"kinds": by_kind, "endings": dict(outcome.endings), "longest_result": outcome.longest}


def _table(outcome: Outcome, name: str) -> Any:
    from rich.table import Table

    table = Table(title=name or None, caption="a model that obeys whoever spoke last, and nobody to ask")
    for column in ("attack", "cases", "calls run", "without permission"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    for kind, row in _counted(outcome)["kinds"].items():
        table.add_row(kind, str(row["attacks"]), str(row["ran"]), str(row["without_permission"]))
    return table
