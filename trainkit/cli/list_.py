"""List the parts that a config can name."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Json, Plugin
from trainkit.errors import ConfigError


def command(
    family: Annotated[str | None, typer.Argument(metavar="FAMILY", help="models, optimizers, sources …; left out: all.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One of its parts, to be shown in full.")] = None,
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the parts that a config can name, one line each; or one of them in full."""

    def work() -> None:
        from difflib import get_close_matches

        from trainkit.config.describing import first_line
        from trainkit.config.plugins import load_plugin
        from trainkit.part import load_installed
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
        load_installed()
        tell_unusable()
        if family is not None and name is not None:
            _tell(family, name, as_json)
            return
        shown = {
            title: {part: first_line(registry.find(part)) for part in registry.names()}
            for title, registry in known.items()
            if family in (None, title)
        }
        if as_json:
            print(json.dumps(shown))
            return
        width = max(16, *(len(part) for parts in shown.values() for part in parts))
        for title, parts in shown.items():
            print(f"{title}\n" + "\n".join(f"  {part:<{width}} {line}" for part, line in parts.items()))
        print(f"next      trainkit list {family or 'models'} {next(iter(shown[family or 'models']))}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)


def _tell(family: str, name: str, as_json: bool) -> None:
    from trainkit.cli.explain import shown
    from trainkit.config.lookup import describe_part
    from trainkit.parts import families

    facts = describe_part(families()[family], name)
    print(json.dumps(facts) if as_json else shown(facts))
    print(f"next      trainkit list {family}", file=sys.stderr)


def tell_unusable() -> None:
    """Say which installed packages were to bring parts, and why they don't."""
    from trainkit.part import unusable

    for package, why in unusable.items():
        print(f"The installed package {package} brings no parts: {why}", file=sys.stderr)
