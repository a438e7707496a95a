"""Look at the data: sizes, gaps, duplicates, leaks, samples."""

from __future__ import annotations

import io
import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Json, Overrides, Plugin, Reset


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file.")],
    overrides: Overrides = None,
    out: Annotated[str | None, typer.Option("--out", metavar="FOLDER", help="Where pictures go (else CONFIG-data).")] = None,
    reset: Reset = None,
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Look at the data that a config names: what it holds, what is wrong with it, and how the network sees it."""

    def work() -> None:
        from trainkit.config.loading import load

        load(config, overrides or [], reset=reset or [], plugins=plugin or [])  # before torch loads
        from trainkit.jobs.inspecting import inspect_data

        found = inspect_data(config, overrides or [], reset=reset or [], plugins=plugin or [], out=out)
        if as_json:
            print(json.dumps(found.facts))
            return
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # a bar of a chart is no letter of every console
        for line in found.lines:
            print(line)
        stops = any(finding["severity"] == "error" for finding in found.facts["findings"])
        words = "mend the errors, then: trainkit data" if stops else "trainkit train"
        print(f"next      {words} {_shell.again(config, overrides or [], reset, plugin)}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)
