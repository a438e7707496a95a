"""Settings from the command line: KEY=VALUE, typed and placed like the file's."""

import re
from collections.abc import Mapping
from typing import Any

from trainkit.config.reader import Document, Mark, read_text
from trainkit.errors import ConfigError, Key, Problem, dotted

_KEY = re.compile(r"\s*[A-Za-z_][\w-]*(\.[\w-]+|\[\d{1,9}\])*\s*")


def parse_key(text: str) -> tuple[Key, tuple[int, ...]] | None:
    """``model.hidden[0]`` as a key, and the column of each of its segments; None when it cannot be a setting's name."""
    if not _KEY.fullmatch(text):
        return None
    found = list(re.finditer(r"\[(\d+)\]|[\w-]+", text))
    return tuple(int(part[1]) if part[1] else part[0] for part in found), tuple(
        part.start(part.lastindex or 0) + 1 for part in found
    )


def called(argument: str) -> str:
    """What messages call an argument."""
    return f"argument {argument if len(argument) <= 60 else f'{argument[:57]}…'!r}"


def read_override(argument: str) -> tuple[Key, Document]:
    """One ``KEY=VALUE``: its key, and a document that holds just that setting. Raises ConfigError, which names the argument."""
    file, line = called(argument), argument.partition("\n")[0]
    name, equals, text = argument.partition("=")
    if not equals:
        raise ConfigError([Problem("This is not KEY=VALUE.", (), "Write, say, optimizer.lr=3e-4.", file, 1, 1, line)])
    parsed = parse_key(name)
    if parsed is None:
        raise ConfigError([Problem(f"{name!r} is not a setting's name.", (), "Write one such as optimizer.lr.", file, 1, 1, line)])
    key, columns = parsed
    shift = len(name) + 1

    def move(mark: Mark) -> Mark:
        return Mark(mark.line, mark.column + shift) if mark.line == 1 else mark

    try:
        inner = read_text(text, file)
    except ConfigError as error:
        (fault,) = error.problems
        mark = move(Mark(fault.line or 1, fault.column or 1))
        quoted = line if mark.line == 1 else fault.quoted
        raise ConfigError([Problem(fault.message, key, fault.suggestion, file, mark.line, mark.column, quoted)]) from None
    value: Any = inner.value
    for part in reversed(key):
        value = {part: value}
    marks = {key[: n + 1]: Mark(1, column) for n, column in enumerate(columns)}
    keys = marks | {(*key, *below): move(mark) for below, mark in inner.keys.items()}
    values = {(): Mark(1, 1)} | marks | {(*key, *below): move(mark) for below, mark in inner.values.items()}
    return key, Document(file, value, (f"{argument[:shift]}{inner.lines[0]}", *inner.lines[1:]), keys, values)


def breadth_first(key: Key) -> int:
    """Sorts overrides: a section goes before what lies in it, whatever their order; a part's name stands for its section."""
    return len(key) - (key[-1] == "name")


def merge(base: Any, change: Any, key: Key = (), replaced: set[Key] | None = None) -> Any:
    """``change`` over ``base``: mappings merge, except that a changed name replaces its section; the rest replaces.

    The name of the whole is the run's, and replaces nothing. A key that is a number is an item of a list. Raises
    ConfigError where there is no such item. ``key`` is where both stand; what is not merged is noted in ``replaced``.
    """
    replaced = set() if replaced is None else replaced
    if not isinstance(change, Mapping):
        if isinstance(base, Mapping) and isinstance(change, str) and base.get("name") == change:
            return base
        replaced.add(key)
        return change
    for place in change:
        if isinstance(place, int):  # an override's, and then alone
            return _with_item(base, place, change[place], key, replaced)
    if not isinstance(base, Mapping) or (key and "name" in change and base.get("name") not in (None, change["name"])):
        replaced.add(key)
        base = {}
    return {**base, **{part: merge(base.get(part), value, (*key, part), replaced) for part, value in change.items()}}


def _with_item(base: Any, place: int, change: Any, key: Key, replaced: set[Key]) -> Any:
    if not isinstance(base, list):
        raise ConfigError(f"{dotted(key)} is not a list, so there is no {dotted((*key, place))}.", key=(*key, place))
    if place >= len(base):
        there = f"there are {dotted((*key, 0))} to [{len(base) - 1}]" if len(base) > 1 else f"{len(base) or 'no'} item is there"
        raise ConfigError(
            f"{dotted((*key, place))} is not there: {there}.",
            key=(*key, place),
            suggestion=f"Write the whole list: {dotted(key)}=[…].",
        )
    return [merge(item, change, (*key, n), replaced) if n == place else item for n, item in enumerate(base)]


def without(tree: Any, key: Key) -> Any:
    """The tree without that setting, which then takes its default."""
    first, rest = key[0], key[1:]
    if isinstance(tree, list):
        return [without(item, rest) if n == first and rest else item for n, item in enumerate(tree)]
    if not isinstance(tree, Mapping) or first not in tree:
        return tree
    return {k: without(v, rest) if k == first else v for k, v in tree.items() if k != first or rest}
