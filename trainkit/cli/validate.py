"""Check a config without training it."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Device, Json, Overrides, Plugin, Reset


def command(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file.")],
    overrides: Overrides = None,
    reset: Reset = None,
    plugin: Plugin = None,
    device: Device = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a config: every mistake at once, each with its place."""
    from trainkit.config.loading import load
    from trainkit.errors import ConfigError

    changes = [*(overrides or []), *([f"device={device}"] if device else [])]

    def work() -> None:
        try:
            loaded = load(config, changes, reset=reset or [], plugins=plugin or [])
        except ConfigError as error:
            if not as_json:
                raise
            print(json.dumps({"ok": False, "errors": [_shell.record(problem) for problem in error.problems]}))
            _shell.leave(error.exit_code)
        if as_json:
            print(json.dumps({"ok": True, "errors": []}))
            return
        task = loaded.config.task.name if loaded.config.task else "the task follows from the data"
        print(f"{config} is valid: {loaded.config.data.name}, {loaded.config.model.name}, {task}.")
        print(f"next      trainkit train {_shell.again(config, changes, reset, plugin)}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)
