"""Settings from the command line: KEY=VALUE, typed and placed like the file's."""

import re
from typing import Any

from trainkit.config.reader import Document, Mark, read_text
from trainkit.errors import ConfigError, Key, Problem

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
