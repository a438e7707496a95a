"""Begin: a first config, from a template or from the user's own data, each choice with its reason. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from trainkit.config.reader import dump, flow, read_text
from trainkit.errors import ConfigError, dotted, printable

if TYPE_CHECKING:
    from trainkit.jobs.choosing import Choice

TEMPLATES = Path(__file__).parent / "templates"
STDOUT = "-"


def templates() -> dict[str, str]:
    """The templates by name, each with its one line: what its first comment says."""
    return {path.stem: _lines(path)[1].removeprefix("# ") for path in sorted(TEMPLATES.glob("*.yaml"))}


def init(
    template: str | None = None,
    *,
    data: str | Path | None = None,
    target: str | None = None,
    text: str | None = None,
    series: bool = False,
    encoding: str | None = None,
    output: str | Path | None = None,
    name: str | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write a first config: ``{config: its path, choices: [{key, value, why}], text, hint}``.

    Either from a template, or from ``data``: a table in a file, or in files that a pattern (``part-*.csv``) finds, or a folder with
    a folder of pictures or texts for each class. Of a table, ``target`` is the column to predict; ``text``, where one column's
    texts are what to read; ``series``: forecast the target; ``encoding``: how it is written, where that is not found out. What is
    written follows from the data alone, the same each time, and trains as it is; ``hint`` says what else might be made of the data,
    often nothing. ``output`` is the file to write, left out: ``name``, else what the template or
    the data is called; "-" writes none, and ``config`` is None.

    Raises ConfigError for a file that is there already (unless ``force``), for data that is not, and, naming the columns, where
    ``target`` is missing; DataError for data that nothing can be learnt from.
    """
    from trainkit.config.loading import build

    if (template is None) == (data is None):
        fix = "Type `trainkit init table`, or `trainkit init --data FILE --target COLUMN`."
        if template is not None and os.path.exists(template):
            fix = "Several files are one pattern in quotes: --data 'part-*.csv'."
        raise ConfigError("a first config comes from a template or from your data.", suggestion=fix)
    if template is not None and (target or text):
        raise ConfigError(
            "--target and --text name columns of --data.", suggestion="Type `trainkit init --data FILE --target COLUMN`."
        )
    if template is not None and (series or encoding):
        raise ConfigError("--series and --encoding say how --data is to be read.", suggestion="Give --data FILE --target COLUMN.")
    source = Path(data or "").expanduser()
    called = name or template or _called(source)
    shown = str(output) == STDOUT
    path = Path(output if output and not shown else f"{called}.yaml")
    choices: Sequence[Choice] = []
    hint = ""
    if template is not None:
        _, about, _, *lines = _find(template)
    if not shown:
        _check_free(path, force)
    if template is None:
        from trainkit.jobs.choosing import Asked, choose

        asked = Asked(source, target, text, series, encoding)
        choices, hint = choose(asked, folder=path.absolute().parent)
        about, lines = (
            f"# Written by `trainkit init {asked.typed()}`; the reason for each choice stands beside it.",
            commented(choices),
        )
    named = [f"name: {flow(name)}"] if name else []
    head = [f"# trainkit train {quote(str(path))}", about, "trainkit: 1"]
    content = "\n".join([*map(_plain, head), *named, *lines]) + "\n"
    build(read_text(content, str(path)), folder=path.absolute().parent, name=called)  # a --name that is none is told now
    if not shown:
        path.write_text(content, encoding="utf-8", newline="\n")
    told = [{"key": dotted(choice.key), "value": choice.value, "why": choice.why} for choice in choices]
    return {"config": None if shown else str(path), "choices": told, "text": content, "hint": _plain(hint) or None}


def commented(choices: Sequence[Choice]) -> list[str]:
    """The choices as lines of YAML, each with its reason behind it."""
    tree: dict[str, Any] = {}
    for choice in choices:
        *above, last = choice.key
        inner: dict[str, Any] = tree
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = choice
    lines = list(_block(tree))
    width = max(len(line) for line, why in lines if why and len(line) <= 50)
    return [f"{line:<{width}}  # {_plain(why)}" if why else line for line, why in lines]


def _block(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part, value in tree.items():
        key = dump(part).strip()
        if isinstance(value, dict):
            found += [(f"{key}:", ""), *((f"  {line}", why) for line, why in _block(value))]
        else:
            texts = isinstance(value.value, list) and all(isinstance(item, str) for item in value.value)  # may hold commas
            found.append((f"{key}: {dump(value.value).strip() if texts else flow(value.value)}", value.why))
    return found


def _called(data: Path) -> str:
    """What the config of this data is called: what its file or folder is, without what makes a pattern."""
    if data.is_dir():
        return data.resolve().name or "first"
    stem = Path(data.name.removesuffix(".gz")).stem
    return stem if data.exists() else re.sub(r"\[.*?\]|[*?]+", "", stem).strip(" -_.") or "first"


def _find(template: str) -> list[str]:
    """The lines of a template."""
    known = templates()
    if template in known:
        return _lines(TEMPLATES / f"{template}.yaml")
    if os.path.exists(template):
        raise ConfigError(f"{template} is no template.", suggestion=f"Is it your data? `trainkit init --data {quote(template)}`")
    near = get_close_matches(template.lower(), known, 1)
    there = f"There are: {', '.join(known)}."
    raise ConfigError(f"there is no template {template!r}.", suggestion=f"Did you mean {near[0]}? {there}" if near else there)


def _check_free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder.", suggestion=f"Name a file in it: -o {quote(str(path / 'first.yaml'))}")
    if os.path.lexists(path) and not force:
        raise ConfigError(f"{path} is there already.", suggestion="Name another file with -o, or overwrite it with --force.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}.", suggestion=f"Make it: mkdir -p {quote(str(path.parent))}")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _plain(words: str) -> str:
    """On one line: names and values from somebody's data cannot end the comment that they stand in."""
    return printable(words).replace("\n", " ")
