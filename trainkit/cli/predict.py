"""Answer new rows with a checkpoint."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Plugin, Runs
from trainkit.errors import ConfigError, printable


def command(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A .pth file, a run's folder or name, or `last`.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help="Files or folders of new rows; - is the standard input.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="A .csv, .jsonl or .parquet file; left out: CSV on stdout.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="K", help="The K likeliest classes, not only the first.")] = None,
    runs: Runs = None,
    device: Device = None,
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Answer new rows with a checkpoint."""

    def work() -> None:
        if as_json and output is None:
            raise ConfigError("--json prints one object: it needs a file for the answers.", suggestion="Name one: -o answers.csv.")
        from trainkit.cli._screen import Counting
        from trainkit.jobs.predicting import answers, predict, write
        from trainkit.store.runs import find_checkpoint, runs_root

        def say(note: str) -> None:
            print(printable(f"note      {note}"), file=sys.stderr)

        with Counting() as counting:
            if output is not None:
                facts = predict(
                    checkpoint, inputs, output=output, top=top, runs=runs, plugins=plugin or [], device=device, step=counting.step
                )
            else:
                path = find_checkpoint(checkpoint, runs_root(runs))
                frames = answers(path, inputs, top=top, plugins=plugin or [], device=device, note=say)
                for frame in write(frames, sys.stdout.buffer, ".csv"):
                    sys.stdout.buffer.flush()
                    counting.step(frame.height)
                return
        for note in facts["notes"]:
            say(note)
        if as_json:
            print(json.dumps(facts))
        else:
            print(f"{facts['rows']:,} answers in {facts['output']}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)
