"""Print the schema of a config, for editors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Plugin
from trainkit.cli.list_ import tell_unusable
from trainkit.errors import ConfigError


def command(
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.")] = None,
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="It is JSON in any case; this is for what goes wrong.")] = False,
    debug: Debug = False,
) -> None:
    """Print the schema of a config (JSON schema, draft 7): with it an editor completes, explains and checks."""

    def work() -> None:
        from trainkit.config.plugins import load_plugin
        from trainkit.config.schema import config_schema
        from trainkit.store.platform import write_text

        if output is not None and not Path(output).absolute().parent.is_dir():
            raise ConfigError(f"-o: there is no folder {Path(output).parent}.")
        for path in plugin or []:
            load_plugin(path)
        text = json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n"
        tell_unusable()
        if output is None:
            print(text, end="")
            return
        write_text(Path(output), text)
        print(f"next      begin a config with: # yaml-language-server: $schema={output}", file=sys.stderr)

    _shell.run(work, as_json=as_json, debug=debug)
