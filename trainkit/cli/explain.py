"""Explain a setting or a part in plain words."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from trainkit.cli import _shell
from trainkit.cli._options import Debug, Json, Plugin


def command(
    key: Annotated[str, typer.Argument(metavar="KEY", help="optimizer.lr, model.hidden, training, mlp, accuracy, lr …")],
    plugin: Plugin = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Explain a setting or a part: what it is, what it may be, its default, an example."""

    def work() -> None:
        from trainkit.config.lookup import explain
        from trainkit.config.plugins import load_plugin

        for path in plugin or []:
            load_plugin(path)
        found = explain(key)
        if as_json:
            print(json.dumps({"key": key, "found": found}))
            return
        print("\n\n".join(map(shown, found)))
        inside = next((f"{facts['key']}.{name}" for facts in found for name in facts.get("inside", {})), None)
        following = f"explain {inside}" if inside else f"train CONFIG {found[0].get('override', '')}".rstrip()
        print(
            f"next      trainkit {' '.join([following, *(f'--plugin {_shell.quoted(path)}' for path in plugin or [])])}",
            file=sys.stderr,
        )

    _shell.run(work, as_json=as_json, debug=debug)


_ROWS = {
    "stands_at": "stands at",
    "from": "from",
    "type": "type",
    "default": "default",
    "used_by": "used by",
    "yaml": "YAML",
    "override": "override",
}


def shown(facts: Mapping[str, Any]) -> str:
    """Facts as an indented piece of text."""
    title = facts["key"] if facts["kind"] in ("setting", "family") else f"{facts['key']} ({facts['kind']})"
    lines = [title, *_wrapped(facts["help"], 2)]
    for key, words in _ROWS.items():
        if facts.get(key):
            text = ", ".join(facts[key]) if isinstance(facts[key], list) else facts[key]
            lines += _wrapped(text, 13, first=f"  {words:<11}", fold=key not in ("yaml", "override"))
    for name, line in facts.get("inside", {}).items():
        lines += _wrapped(line, 21, first=f"    {name:<16} ")
    for name, setting in facts.get("settings", {}).items():
        lines += [f"  {name}", *_wrapped(setting["help"], 4)]
        lines += _wrapped(f"{setting['type']}; default {setting['default']}", 4)
    return "\n".join(lines)


def _wrapped(text: str, indent: int, first: str | None = None, fold: bool = True) -> list[str]:
    """Lines of a screen's width; where ``fold`` is off they stay whole, to be copied."""
    margin = " " * indent
    if not fold:
        return [f"{first or margin}{text}"]
    lines = [line for paragraph in text.split("\n\n") for line in textwrap.wrap(paragraph, 100 - indent, break_on_hyphens=False)]
    return [f"{margin if n or first is None else first}{line}".rstrip() for n, line in enumerate(lines)]
