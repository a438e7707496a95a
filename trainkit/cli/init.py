"""Write a first config, from a template or from your own data."""

from __future__ import annotations

import io
import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Json


def command(
    template: Annotated[str | None, typer.Argument(metavar="TEMPLATE", help="One of those that --list names.")] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="Your table, pattern of files, or folder.")] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="The column of the table to predict.")] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Predict from this column's texts alone.")] = None,
    series: Annotated[bool, typer.Option("--series", help="Forecast the target's next values from those before.")] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="How the text is written, if not UTF-8.")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="The file to write; -: stdout.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Names the runs (else the file's name).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show the templates.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a first config: from a template, or from your own data, with the reason for each choice beside it."""
    from trainkit.jobs.starting import init, templates

    def work() -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as a config must be, also where the console's is another
        if list_ or not (template or data or target or text or series or encoding):
            found = templates()
            width = max(map(len, found))
            lines = "\n".join(f"{one:<{width}}  {line}" for one, line in found.items())
            print(json.dumps({"templates": found}) if as_json else lines)
            print("next      trainkit init table, or trainkit init --data FILE --target COLUMN", file=sys.stderr)
            return
        made = init(
            template, data=data, target=target, text=text, series=series, encoding=encoding, output=output, name=name, force=force
        )
        if as_json or made["config"] is None:
            print(json.dumps(made) if as_json else made["text"], end="\n" if as_json else "")
            return
        told = "fill in whatever begins with “your”" if "your-" in made["text"] and template else "it trains as it is"
        print(f"{made['config']} is written: {told}.")
        path = _shell.again(made["config"])
        print(f"next      trainkit data {path}\n          trainkit train {path}", file=sys.stderr)
        if made["hint"]:
            print(f"note      {made['hint']}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)
