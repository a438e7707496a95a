"""A config as a person wants to see it: some or all of its settings, as YAML that loads again, each with its origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from trainkit.config.loading import Loaded
from trainkit.config.reader import dump
from trainkit.errors import Key, dotted, printable
from trainkit.part import Part, Settings

Which = Literal["written", "changed", "full"]
"""What somebody wrote, and every part's name; what differs from the defaults; everything."""


def origins(loaded: Loaded) -> dict[str, str]:
    """Where the value of every setting came from: ``{"optimizer.lr": "a.yaml:7"}``."""
    return {dotted(key): loaded.origin(key) for _, key in _lines(loaded.config.model_dump(mode="json")) if key}


def text(loaded: Loaded, which: Which = "written") -> str:
    """The config as YAML, a comment on each line. It loads as an equal config, from any folder and under any file name.

    A task that follows from the data is left out, and a comment says so.
    """
    tree = _chosen(loaded, loaded.config, loaded.config.model_dump(mode="json"), which)
    lines = list(_lines(tree))
    width = max((len(line) for line, key in lines if key and len(line) <= 60), default=0)
    said = [f"{line:<{width}}  # {_on_one_line(loaded.origin(key))}" if key else line for line, key in lines]
    if loaded.config.task is None and which != "changed":
        said.append("# task: left out, it follows from the data")
    return "\n".join(said) + "\n"


def _chosen(loaded: Loaded, settings: Settings, plain: dict[str, Any], which: Which, key: Key = ()) -> dict[str, Any]:
    """Those settings, as plain values. What is left out has the default that a reader puts back; a name is never left out."""
    chosen: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value, place, inside = getattr(settings, name), (*key, name), False
        if name not in plain or (place == ("task",) and value is None):
            continue
        if place == ("preprocess", "name") and which != "full" and not loaded.said(place):  # as the data says
            continue
        shown = plain[name]
        if isinstance(value, Settings):
            shown = _chosen(loaded, value, shown, which, place)
            inside = bool(shown)
        elif isinstance(value, tuple) and any(isinstance(item, Settings) for item in value):  # a list is shown with all its items
            shown = [
                _chosen(loaded, item, shown[n], which, (*place, n)) if isinstance(item, Settings) else shown[n]
                for n, item in enumerate(value)
            ]
            inside = any(isinstance(item, Part) for item in value)
        default = field.get_default(call_default_factory=True) if place != ("preprocess",) else type(value)()
        if which == "full" or name == "name" or value != default or (which == "written" and (inside or loaded.said(place))):
            chosen[name] = shown
    return chosen


def _lines(tree: Any, key: Key = ()) -> Iterator[tuple[str, Key | None]]:
    """A mapping or list as YAML, line by line, each with the key of the setting that it holds; None: it only begins a section."""
    for part, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        place, head = (*key, part), "-" if isinstance(tree, list) else f"{_scalar(part)}:"
        if not isinstance(value, dict | list) or not _takes_lines(value):
            yield f"{head} {_scalar(value)}", place
            continue
        lines = _lines(value, place)
        if head == "-":
            line, inner = next(lines)
            yield f"- {line}", inner
        else:
            yield head, None
        yield from ((f"  {line}", inner) for line, inner in lines)


def _takes_lines(value: dict[str, Any] | list[Any]) -> bool:
    """Where `dump` would write a block: a list of plain values stays in brackets."""
    return bool(value) if isinstance(value, dict) else any(isinstance(item, dict | list) for item in value)


def _scalar(value: Any) -> str:
    return dump(value).rstrip("\n")


def _on_one_line(words: str) -> str:
    return printable(words).replace("\n", " ")
