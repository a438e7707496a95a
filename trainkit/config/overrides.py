"""Settings from the command line: KEY=VALUE, typed and placed like the file's."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainkit.config.reader import Document, Mark, read_text
from trainkit.errors import ConfigError, Key, Problem

_KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+|\[\d+\])*")


def parse_key(text: str, file: str) -> tuple[Key, tuple[Mark, ...]]:
    """``model.hidden[0]`` as a key, and the place of each of its segments. Raises ConfigError."""
    if not _KEY.fullmatch(text):
        raise ConfigError([Problem(f"{text!r} is not a setting's name.", (), "Write one such as optimizer.lr.", file, 1, 1, text)])
    found = list(re.finditer(r"[^.\[\]]+", text))
    key = tuple(int(part.group()) if part.group().isdecimal() else part.group() for part in found)
    return key, tuple(Mark(1, part.start() + 1) for part in found)


def read_override(argument: str) -> Document:
    """One ``KEY=VALUE`` as a document that holds just that setting. Raises ConfigError, which names the argument."""
    file = f"argument {argument}" if len(argument) <= 60 else f"argument {argument[:57]}…"
    name, equals, text = argument.partition("=")
    if not equals:
        raise ConfigError([Problem("This is not KEY=VALUE.", (), "Write, say, optimizer.lr=3e-4.", file, 1, 1, argument)])
    key, marks = parse_key(name.strip(), file)
    shift = len(name) + 1
    try:
        inner = read_text(text, file)
    except ConfigError as error:
        raise ConfigError([_shifted(problem, shift, argument, key) for problem in error.problems]) from None

    def move(mark: Mark) -> Mark:
        return Mark(mark.line, mark.column + shift) if mark.line == 1 else mark

    value: Any = inner.value
    for part in reversed(key):
        value = {part: value}
    keys = {key[: n + 1]: mark for n, mark in enumerate(marks)} | {(*key, *below): move(mark) for below, mark in inner.keys.items()}
    values = {(): Mark(1, 1)} | {key[: n + 1]: mark for n, mark in enumerate(marks)}
    values |= {(*key, *below): move(mark) for below, mark in inner.values.items()}
    return Document(file, value, tuple(argument.splitlines()) or ("",), keys, values)


def _shifted(problem: Problem, shift: int, argument: str, key: Key) -> Problem:
    column = (problem.column or 1) + (shift if problem.line in (None, 1) else 0)
    return Problem(problem.message, key, problem.suggestion, problem.file, problem.line or 1, column, argument)


def merge(base: Any, change: Any) -> Any:
    """``change`` over ``base``: mappings merge, except that a changed name replaces its section; the rest replaces.

    A bare name is a mapping with that name, and a key that is a number is an item of a list.
    """
    if not isinstance(change, Mapping):
        return change
    if isinstance(base, str) and "name" not in change:
        base = {"name": base}
    if isinstance(base, Sequence) and not isinstance(base, str) and all(isinstance(key, int) for key in change):
        items = list(base)
        for place, value in change.items():
            items[place : place + 1] = [merge(items[place] if place < len(items) else None, value)]
        return items
    if not isinstance(base, Mapping) or ("name" in change and _name(base) not in (None, _name(change))):
        base = {}
    return {**base, **{key: merge(base.get(key), value) for key, value in change.items()}}


def _name(section: Mapping[Any, Any]) -> Any:
    return section.get("name")


def without(tree: Any, key: Key) -> Any:
    """The tree without that setting, which then takes its default."""
    first, rest = key[0], key[1:]
    if not isinstance(tree, Mapping) or first not in tree:
        return tree
    return {k: without(v, rest) if k == first else v for k, v in tree.items() if k != first or rest}
