"""The table of verbs."""

from __future__ import annotations

import typer

from callwright.cli import (
    agent,
    calibrate,
    chat,
    compare,
    curve,
    data,
    dialects,
    doctor,
    estimate,
    evaluate,
    export,
    init,
    merge,
    push,
    report,
    run,
    serve,
    synth,
    tools,
    train,
    verify,
)

app = typer.Typer(
    name="callwright",
    help="Turn your functions into a small language model that calls them reliably, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init", epilog=init.EXAMPLE)(init.init)
app.command("run", epilog=run.EXAMPLE)(run.run)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("eval", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command("report", epilog=report.EXAMPLE)(report.report)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("curve", epilog=curve.EXAMPLE)(curve.curve)
app.command("calibrate", epilog=calibrate.EXAMPLE)(calibrate.calibrate)
app.command("chat", epilog=chat.EXAMPLE)(chat.chat)
app.command("agent", epilog=agent.EXAMPLE)(agent.agent)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("merge", epilog=merge.EXAMPLE)(merge.merge)
app.command("verify", epilog=verify.EXAMPLE)(verify.verify)
app.command("push", epilog=push.EXAMPLE)(push.push)
app.command("estimate", epilog=estimate.EXAMPLE)(estimate.estimate)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("dialects", epilog=dialects.EXAMPLE)(dialects.dialects)
app.command("synth", epilog=synth.EXAMPLE)(synth.synth)
app.add_typer(tools.app, name="tools")
app.add_typer(data.app, name="data")
