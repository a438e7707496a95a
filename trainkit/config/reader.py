"""Reads YAML strictly: YAML 1.2's plain scalars, every key and value with its line and column, every fault in plain words."""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml

from trainkit.errors import ConfigError, Key, Problem, dotted

SIZE_BYTES = 100_000  # 1 MB would take PyYAML 4 to 8 s
DEPTH = 50

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # PyYAML's line breaks; str.splitlines knows more
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_SPACE = re.compile(r"\s*(?:- +)*[\w.-]+:[^\s:/\\]")  # lr:1e-3, but neither http://… nor C:\…
_PLAIN = {  # what text without quotes means in YAML 1.2's core schema, if it is not a string
    kind: re.compile(rf"(?:{pattern})\Z")
    for kind, pattern in {
        "null": r"~|null|Null|NULL|",
        "bool": r"true|True|TRUE|false|False|FALSE",
        "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
        "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "merge": r"<<",  # a string, but not as a key
    }.items()
}
_WHOLE = re.compile(r"(?:0|[1-9][0-9]*)\Z")  # can be a key, which is its text: an epoch, or a column in a file without names
_KINDS = {type(None): "nothing", bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}


@dataclass(frozen=True)
class Mark:
    """A place in a text; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """What a text holds, and where each part of it was written.

    ``value`` is plain: dict, list, str, int, float, bool, None. ``keys`` has the place of each key (of each item, in a list),
    ``values`` of each value, with ``()`` for the root. ``file`` is what messages call the text, ``lines`` is for quoting it.
    """

    file: str
    value: Any
    lines: tuple[str, ...]
    keys: Mapping[Key, Mark]
    values: Mapping[Key, Mark]

    def problem(self, message: str, key: Key, *, at: Literal["value", "key"] = "value", suggestion: str | None = None) -> Problem:
        """A problem at the place of ``key``; where it was not written, at the key of its nearest parent that was."""
        written = next((key[:n] for n in range(len(key), 0, -1) if key[:n] in self.keys), ())
        marks = self.keys if written and (at == "key" or written != key) else self.values
        mark = marks[written]
        return Problem(message, key, suggestion, self.file, mark.line, mark.column, self.lines[mark.line - 1])


def read_text(text: str, file: str) -> Document:
    """Read a value of any kind; an empty text is None. ``file`` is what messages call the text.

    A key that is a whole number is its text: ``{3: a}`` is ``{"3": "a"}``. Raises ConfigError, with the place, for whatever is
    not plain YAML, and for equal keys, keys of another kind (``03`` too), anchors, aliases, merges, tags, integers beyond 64
    bits, more than `DEPTH` levels or `SIZE_BYTES`.
    """
    text = text.removeprefix("\ufeff")
    lines = tuple(_BREAK.split(_UNSEEN.sub("\ufffd", text)))  # fit to be shown
    if unseen := _UNSEEN.search(text):
        before, code = _BREAK.split(text[: unseen.start()]), ord(unseen[0])
        mark = Mark(len(before), len(before[-1]) + 1)
        if 0xDC80 <= code <= 0xDCFF:  # how Python hands on a byte that it could not decode
            raise _error(file, lines, f"The byte 0x{code - 0xDC00:02X} here is not UTF-8.", "Save the text as UTF-8.", mark)
        raise _error(file, lines, f"An unprintable character (U+{code:04X}) stands here.", "Delete it.", mark)
    _check_size(len(text.encode()), file)
    walk = _Walk(text, file, lines)
    try:
        value = walk.document()
    except yaml.MarkedYAMLError as error:
        walk.fail_syntax(error)
    except (ValueError, OverflowError):  # from PyYAML's chr("\UFFFFFFFF") and int("1" * 5000), in %YAML 1.111…
        walk.fail("This number or escape is too large.", "Write a smaller one.", _mark(walk.loader.get_mark()))
    return Document(file, value, lines, walk.keys, walk.values)


def read_file(path: str | Path, *, written: str | None = None) -> Document:
    """Read a config, whose root is a mapping. ``written``: what the user wrote for it, if that is not the path.

    Raises ConfigError for a file that is missing, unreadable, not UTF-8 or without a mapping, and as `read_text` does.
    """
    file = str(path) or "''"
    try:
        with open(path, "rb") as stream:
            data = stream.read(SIZE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        message, suggestion = _why_unreadable(path, error, Path(written or path).parent)
        raise ConfigError([Problem(message, (), suggestion, file)]) from error
    _check_size(len(data), file)
    document = read_text(data.decode(errors="surrogateescape"), file)
    value, mend = document.value, "Write lines such as `model: mlp`."
    if value is None:
        raise ConfigError([document.problem("The file is empty, or all comments.", (), suggestion=mend)])
    if isinstance(value, str) and _NO_SPACE.match(value):
        raise ConfigError([document.problem(_SPACE[0], (), suggestion=_SPACE[1])])
    if not isinstance(value, dict):
        raise ConfigError([document.problem(f"The file holds {_KINDS[type(value)]} in place of settings.", (), suggestion=mend)])
    return document


def dump(value: Any) -> str:
    """Write a plain value as YAML that `read_text` reads back as equal: mappings as blocks, lists of scalars in brackets."""
    text = yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.replace("\n...\n", "\n")  # PyYAML's end of a lone scalar; within a string a line break is an escape


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    return _inside(value) if isinstance(value, Mapping | list | tuple) else dump(value).strip()


def _inside(value: Any) -> str:
    """The same within brackets, where a comma in a text needs quotes around it."""
    if isinstance(value, Mapping):
        keys = (key if _WHOLE.match(key) else _inside(key) for key in value)
        return f"{{{', '.join(f'{key}: {_inside(item)}' for key, item in zip(keys, value.values(), strict=True))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inside, value))}]"
    return dump([value]).strip()[1:-1]


def _error(file: str, lines: Sequence[str], message: str, suggestion: str, mark: Mark, key: Key = ()) -> ConfigError:
    return ConfigError([Problem(message, key, suggestion, file, mark.line, mark.column, lines[mark.line - 1])])


def _check_size(size_bytes: int, file: str) -> None:
    if size_bytes > SIZE_BYTES:
        message, suggestion = f"This is larger than {SIZE_BYTES // 1000} kB.", "Keep settings here and data in files of its own."
        raise ConfigError([Problem(message, (), suggestion, file)])


def _why_unreadable(path: str | Path, error: OSError | ValueError, shown: Path) -> tuple[str, str]:
    if os.path.isdir(path):
        return "This is a folder.", "Name a YAML file in it."
    if not isinstance(error, FileNotFoundError):
        return f"This file cannot be read: {getattr(error, 'strerror', error)}.", "Look at the path and its permissions."
    folder = Path(path).parent
    if not folder.is_dir():
        return f"There is no such file, nor a folder {folder}.", "Look at the path."
    from difflib import get_close_matches

    near = get_close_matches(Path(path).name, [other.name for other in folder.glob("*")])  # glob: quiet where it may not look
    names = " or ".join(str(shown / name) for name in near)
    return "There is no such file.", f"Did you mean {names}?" if near else "Look at the path."


def _mark(place: Any) -> Mark:
    """The place of PyYAML's mark or event, which count from 0."""
    place = getattr(place, "start_mark", place)
    return Mark(place.line + 1, place.column + 1)


class _Walk:
    """One walk over PyYAML's events, which makes plain values of them and notes where each stands."""

    def __init__(self, text: str, file: str, lines: tuple[str, ...]) -> None:
        self.file, self.lines = file, lines
        self.keys: dict[Key, Mark] = {}
        self.values: dict[Key, Mark] = {(): Mark(1, 1)}
        self.loader = yaml.BaseLoader(text)  # pure Python: libyaml reports other columns
        self.next: Callable[[], Any] = self.loader.get_event

    def document(self) -> Any:
        self.next()  # the stream starts
        if isinstance(start := self.next(), yaml.StreamEndEvent):
            return None
        if start.tags:
            self.fail(*_REFERENCE, _mark(start))
        value = self.value(self.next(), ())
        self.next()  # the document ends
        if not isinstance(event := self.next(), yaml.StreamEndEvent):
            self.fail("A second document begins here.", "Keep one: remove this `---` or what stands before it.", _mark(event))
        return value

    def value(self, event: Any, key: Key) -> Any:
        mark = self.values[key] = self.check(event, key)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, mark, key)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := self.next(), yaml.SequenceEndEvent):
                place = (*key, len(items))
                self.keys[place] = _mark(item)
                items.append(self.value(item, place))
            return items
        table = {}
        while not isinstance(word := self.next(), yaml.MappingEndEvent):
            name = self.name(word, key, in_braces=event.flow_style)
            table[name] = self.value(self.next(), (*key, name))
        return table

    def check(self, event: Any, key: Key) -> Mark:
        mark = _mark(event)
        if event.anchor is not None or event.tag is not None:
            self.fail(*_REFERENCE, mark, key)
        if len(key) >= DEPTH and not isinstance(event, yaml.ScalarEvent):  # before going down: 100,000 brackets end here
            self.fail(f"Lists and sections are nested more than {DEPTH} deep here.", "Write them flatter.", mark)
        return mark

    def name(self, event: Any, key: Key, *, in_braces: bool) -> str:
        mark = self.check(event, key)
        if not isinstance(event, yaml.ScalarEvent):
            self.fail("A key must be a word, not a list or a section.", "Write `key: value`.", mark, key)
        plain = event.implicit[0]
        name = event.value if plain and _WHOLE.match(event.value) else self.scalar(event, mark, key)
        if plain and not event.value:
            self.fail("There is no key before the colon.", "Write `key: value`.", mark, key)
        if not isinstance(name, str):
            self.fail(f"The key {event.value} is read as {_KINDS[type(name)]}.", f'Write it in quotes: "{event.value}".', mark, key)
        if plain and name == "<<":
            self.fail("`<<` merges settings, which a config does not do.", "Write the settings out.", mark, key)
        if plain and in_braces and _NO_SPACE.match(name):
            self.fail(*_SPACE, mark, key)
        place = (*key, name)
        if first := self.keys.get(place):
            where = f"on line {first.line} and again on line {mark.line}"
            self.fail(f"{dotted(place)} is written {where}.", "Keep one of them.", mark, place)
        self.keys[place] = mark
        return name

    def scalar(self, event: Any, mark: Mark, key: Key) -> str | int | float | bool | None:
        text: str = event.value
        match next((kind for kind, pattern in _PLAIN.items() if event.implicit[0] and pattern.match(text)), "str"):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                number = int(text, base) if len(text) < 99 else 2**63  # Python itself refuses thousands of digits
                if not -(2**63) <= number < 2**63:
                    self.fail("This whole number does not fit into 64 bits.", "Write a smaller one, or quote it.", mark, key)
                return number
            case "float":
                return float(text.replace(".", "", 1) if text[-1] in "fFnN" else text)  # Python's .inf is inf
        if _SURROGATE.search(text):
            self.fail("An escape in this text (\\ud800 to \\udfff) is no character.", "Write the character itself.", mark, key)
        return text

    def fail(self, message: str, suggestion: str, mark: Mark, key: Key = ()) -> NoReturn:
        raise _error(self.file, self.lines, message, suggestion, mark, key)

    def fail_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        words = f"{error.context}: {error.problem}"
        begins, message, suggestion = next((b, m, s) for pattern, b, m, s in _SYNTAX if re.search(pattern, words))
        end = error.problem_mark or self.loader.get_mark()
        start = error.context_mark or end
        mark = _mark(start if begins else end)
        if re.search("could not find|mapping values", words):  # here or on the line above a space may be missing
            for line in (mark.line, max(mark.line - 1, 1)):
                if _NO_SPACE.match(text := self.lines[line - 1]):
                    self.fail(*_SPACE, Mark(line, text.index(":") + 2))
        self.fail(message, suggestion.format(line=start.line + 1), mark)


_SPACE = "There is no space after the colon.", "Write `key: value`."
_REFERENCE = "Text that begins with &, * or ! is an anchor, alias or tag: a config has none.", "Write it out, or in quotes."
# fmt: off
_SYNTAX = (  # PyYAML's words · whether to point at where the broken thing begins · our words, two sentences
    (r"an anchor|an alias|a tag|tag handle", True, *_REFERENCE),
    (r"'\\t' that cannot start", False, "A tab stands here.", "Replace it with spaces."),
    (r"cannot start any token", False, "A value cannot begin with this character.", "Put the value in quotes."),
    (r"could not find expected ':'", True, "This line lacks a colon with a space after it.", "Write `key: value`."),
    (r"sequence entries", False, "A list item cannot begin here.", "Begin each `- item` on a line of its own, or write [a, b]."),
    (r"mapping (keys|values)", False, "A `key: value` cannot begin here.",
        "Mend this line's indentation or the line above; put text that holds a colon in quotes."),
    (r"directive|YAML document|start>', but found '<stream end", True, "A line that begins with % is a directive; this is none.",
        "Remove it."),
    (r"block scalar", True, "Text cannot begin with | or >, which announce an indented text below.", "Put it in quotes."),
    (r"double-quoted", False, "A backslash in double quotes begins an escape; this is none.", "Double it, or use single quotes."),
    (r"quoted scalar", True, "The quote that opens here is never closed.", "Close it."),
    (r"flow.*<stream end>", True, "A bracket is never closed.", "Close it."),
    (r"found ':'", False, "There is no key before the colon.", "Write `key: value`."),
    (r"flow (sequence|mapping)", False, "A comma or a closing bracket is missing before this.", "It opens on line {line}."),
    (r"node content", False, "A value is missing here.", "Write one; put text that begins with a sign in quotes."),
    (r"<block end>.*found '(<block|[-?])", False, "This line's indentation fits no line above.", "Align a section's keys."),
    (r"", False, "This does not belong to what stands before it.", "Put the whole text in quotes, or close what is still open."),
)
# fmt: on


class _Writer(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # a list that two keys share is written twice

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """Keys that are whole numbers without quotes, as people write them."""
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            if isinstance(key.value, str) and _WHOLE.match(key.value):
                key.tag, key.style = f"{_TAG}int", None
        return node


_TAG = "tag:yaml.org,2002:"
_WORDS = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
_Writer.yaml_implicit_resolvers = {None: [(_TAG + kind, pattern) for kind, pattern in _PLAIN.items()]}  # what it must quote
_Writer.add_representer(float, lambda writer, x: writer.represent_scalar(f"{_TAG}float", _WORDS.get(repr(x), repr(x))))
_Writer.add_representer(  # PyYAML writes some line breaks as they are, and reads them back as others
    str, lambda writer, text: writer.represent_scalar(f"{_TAG}str", text, '"' if _BREAK.search(text) else None)
)
_Writer.add_representer(
    list, lambda writer, x: writer.represent_sequence(f"{_TAG}seq", x, not any(isinstance(item, dict | list) for item in x))
)
