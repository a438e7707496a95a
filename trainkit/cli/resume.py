"""Go on exactly where a run stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Plugin, Quiet, Runs


def command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|KEY=VALUE",
            help=("A run's folder or name, `last`, or a .pth file; left out: the newest unfinished run. Then settings to change."),
        ),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="The data file, for a moved checkpoint.")] = None,
    runs: Runs = None,
    device: Device = None,
    plugin: Plugin = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Go on exactly where a run stopped, or extend a finished one (training.epochs=N)."""
    words = list(arguments or [])
    target = words.pop(0) if words and ("=" not in words[0] or words[0].endswith(".pth")) else None
    changes = [*words, *([f"device={device}"] if device else [])]

    def work() -> None:
        from trainkit.cli._screen import TerminalScreen
        from trainkit.cli.train import finish
        from trainkit.jobs.resuming import resume

        screen = TerminalScreen(quiet)
        result = resume(target, changes, data=data, runs=runs, plugins=plugin or [], screen=screen)
        if result.seconds is None:
            screen.say(f"{result.run} is finished already ({result.status}, {result.steps:,} steps). Nothing was done.")
        finish(result, as_json, screen, plugin or [])

    _shell.run(work, as_json=as_json, debug=debug)
