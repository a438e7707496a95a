"""List the parts that a config can name."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Json, Plugin
from trainkit.errors import ConfigError


def command(
    family: Annotated[str | None, typer.Argument(metavar="FAMILY", help="models, optimizers, sources …; left out: all.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the parts that a config can name, one line each."""

    def work() -> None:
        from difflib import get_close_matches

        from trainkit.config.plugins import load_plugin
        from trainkit.parts import families

        for path in plugin or []:
            load_plugin(path)
        known = families()
        if family is not None and family not in known:
            near = get_close_matches(family, known, 1)
            raise ConfigError(
                f"{family!r} is not a family of parts.",
                suggestion=f"{f'Did you mean {near[0]}? ' if near else ''}There are: {', '.join(known)}.",
            )
        shown = {
            name: {part: _line(registry.find(part)) for part in registry.names()}
            for name, registry in known.items()
            if family in (None, name)
        }
        if as_json:
            print(json.dumps(shown))
            return
        for name, parts in shown.items():
            print(f"{name}\n" + "\n".join(f"  {part:<16} {line}" for part, line in parts.items()))
        print("next      trainkit validate CONFIG", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)


def _line(part: type | None) -> str:
    return (inspect.getdoc(part) or "").partition("\n")[0]
