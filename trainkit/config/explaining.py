"""What pydantic found wrong, in words that name the key, the mistake and the mend."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from trainkit.config.reader import flow
from trainkit.errors import Key, Problem, dotted
from trainkit.part import Registry, Settings, field_help

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
_SHOULD = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "string_type": "text", "tuple_type": "a list, such as [a, b]", "dict_type": "a mapping, such as {{key: value}}",
    "model_type": "a mapping, such as {{key: value}}", "model_attributes_type": "a mapping, such as {{key: value}}",
    "none_required": "null", "finite_number": "a finite number",
    "greater_than": "greater than {gt:g}", "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}", "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}", "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}", "part_type": "{}", "string_pattern_mismatch": "text of another form",
}  # fmt: skip


def problems(errors: Sequence[ErrorDetails], tree: Any, root: type[Settings]) -> list[Problem]:
    """One problem a key, its place still to be found. Branches of a union become one sentence."""
    by_key: dict[Key, list[ErrorDetails]] = {}
    for error in errors:
        by_key.setdefault(_written_key(error["loc"], tree, error["type"]), []).append(error)
    deeper = {key[:n] for key in by_key for n in range(len(key))}
    return [
        _problem(key, found, tree, root)
        for key, found in by_key.items()
        if not (key in deeper and isinstance(at(tree, key), dict | list | tuple) and all(e["type"] in _SHOULD for e in found))
    ]


def _written_key(loc: Sequence[str | int], tree: Any, kind: str) -> Key:
    """The error's place without the tags that pydantic adds for a union's branches."""
    key: list[str | int] = []
    here = tree
    for n, part in enumerate(loc):
        last = n == len(loc) - 1
        inside = (isinstance(here, dict) and part in here) or (
            isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)
        )
        if inside:
            here = here[part]
        if inside or (last and kind == "missing") or (kind == "fault" and str(part).isidentifier()):
            key.append(part)
    return tuple(key)


def at(tree: Any, key: Key) -> Any:
    """What the raw tree holds there; None where nothing was written."""
    for part in key:
        try:
            tree = None if isinstance(tree, str) else tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _problem(key: Key, errors: Sequence[ErrorDetails], tree: Any, root: type[Settings]) -> Problem:
    error, name, value = errors[0], dotted(key) or "the config", at(tree, key)
    context: dict[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return not_a_setting(key, tree, root)
        case "missing":
            owner = settings_at(key[:-1], tree, root)
            meaning = field_help(owner).get(str(key[-1]), "") if owner else ""
            return Problem(f"{name} is missing.", key, f"Write it: {_how(key)}. {meaning}".strip())
        case "part_unknown":
            return Problem(f"{name}: {quoted(value)} {error['msg']}.", key, _did_you_mean(str(_text(value)), context["known"]))
        case "part_name_missing" if near := get_close_matches("name", value or (), 1):
            return Problem(f"{dotted((*key, near[0]))} is not a setting.", (*key, near[0]), "Did you mean name?", at="key")
        case "part_name_missing":
            return Problem(f"{name} {error['msg']}", (*key, "name"), f"There are: {', '.join(context['known'])}.")
        case "fault" | "value_error":
            words = error["msg"].removeprefix("Value error, ")
            return Problem(f"{name}: {words}.", key)
        case "string_pattern_mismatch":
            return Problem(
                f"{name}: {quoted(value)} is not allowed here.", key, _PATTERNS.get(name, f"It must match {context['pattern']}.")
            )
    wanted = list(dict.fromkeys(_should(e) for e in errors))
    literals = [e for e in errors if e["type"] == "literal_error" and isinstance(value, str)]
    near = (
        get_close_matches(
            value, [w.strip("'") for e in literals for w in e["ctx"]["expected"].replace(" or ", ", ").split(", ")], 1
        )
        if literals
        else []
    )
    mend = f"Did you mean {near[0]}?" if near else _PATTERNS.get(name) or _mend(value, errors)
    return Problem(f"{name} should be {' or '.join(wanted)}, not {quoted(value)}.", key, mend)


def not_a_setting(key: Key, tree: Any, root: type[Settings]) -> Problem:
    """The problem of a key that nobody has."""
    if key[0] == "extends":  # where it means something, it is gone by now
        words = "extends is not a setting: it is read at the top of a config's file, before all settings."
        return Problem(words, key, "Write it there: `extends: base.yaml`.", at="key")
    owner, section = settings_at(key[:-1], tree, root), at(tree, key[:-1])
    part = section.get("name") if isinstance(section, dict) and len(key) > 1 else section
    of = part if isinstance(part, str) else dotted(key[:-1])
    known = [*(owner.model_fields if owner else ()), *(["extends"] if len(key) == 1 else [])]
    word = str(key[-1])
    sections = root.model_fields if len(key) == 1 else ()
    inside = [f"{name}.{word.lower()}" for name in sections if word.lower() in _names(settings_at((name,), tree, root))]
    mend = f"Did you mean {inside[0]}?" if inside else _did_you_mean(word, known)
    return Problem(f"{dotted(key)} is not a setting{f' of {of}' if of else ''}.", key, mend, at="key")


def _names(owner: type[Settings] | None) -> Iterable[str]:
    return owner.model_fields if owner else ()


_PATTERNS = {
    "device": "Use auto, cpu, cuda, cuda:1 or mps.",
    "training.max_time": "Write seconds, or text such as 90s, 30m, 1.5h.",
    "name": "Use the letters a to z, digits, `_`, `-` and `.`, 100 at most, and no `.` or `-` first.",
}


def _should(error: ErrorDetails) -> str:
    words = _SHOULD.get(error["type"])
    if words is None or error["type"] == "part_type":
        return error["msg"].removeprefix("should be ").removeprefix("Input should be ")
    return words.format(**error.get("ctx", {}))


def _mend(value: Any, errors: Sequence[ErrorDetails]) -> str | None:
    if value is None:
        return "Leave the key out for its default."
    kinds = {error["type"] for error in errors}
    if kinds == {"tuple_type"} and not isinstance(value, dict):
        return f"Write [{value}]."
    word = value.lower() if isinstance(value, str) else ""
    if "bool_type" in kinds and word in ("yes", "no", "on", "off"):
        return "YAML's words are true and false."
    quoted = ("bool_type" in kinds and word in ("true", "false")) or (
        kinds & {"int_type", "float_type"} and _NUMBER.fullmatch(word)
    )
    return "Take the quotes off." if quoted else None


def _text(value: Any) -> Any:
    return value["name"] if isinstance(value, dict) and "name" in value else value


def quoted(value: Any) -> str:
    """A value as messages show it: on one line, and cut where it is long."""
    text = repr(value) if isinstance(value, str) else flow(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _did_you_mean(word: str, known: list[str]) -> str | None:
    near = get_close_matches(word.lower(), known, 1)
    listed = ", ".join(known)
    return f"Did you mean {near[0]}? There are: {listed}." if near else f"There are: {listed}." if known else None


def _how(key: Key) -> str:
    examples: dict[Key, str] = {("data",): "data: digits", ("model",): "model: mlp"}
    return examples.get(key, f"{key[-1]}: …")


def settings_at(key: Key, tree: Any, root: type[Settings]) -> type[Settings] | None:
    """Which settings class a key leads to, following parts by the names that the tree gives; None where it leads to a value."""
    here: type[Settings] | None = root
    for n, part in enumerate(key):
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if here else None
        if field is None:
            return None
        here = _inside(
            field.annotation, field.metadata, at(tree, key[: n + 1 + (len(key) > n + 1 and isinstance(key[n + 1], int))])
        )
    return here


def is_part(key: Key, tree: Any, root: type[Settings]) -> bool:
    """Whether a part stands there, so that text is its bare name."""
    n = len(key) - isinstance(key[-1], int)
    owner = settings_at(key[: n - 1], tree, root)
    field = owner.model_fields.get(str(key[n - 1])) if owner else None
    return field is not None and any(isinstance(mark, Registry) for mark in (*field.metadata, *_arguments(field.annotation)))


def _arguments(annotation: Any) -> Iterator[Any]:
    for inner in typing.get_args(annotation):
        yield inner
        yield from _arguments(inner)


def _inside(annotation: Any, metadata: Sequence[Any], value: Any) -> type[Settings] | None:
    for mark in metadata:
        if isinstance(mark, Registry):
            name = value if isinstance(value, str) else value.get("name", mark.default) if isinstance(value, dict) else mark.default
            return mark.find(name) if isinstance(name, str) else None
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias) and issubclass(annotation, Settings):
        return annotation
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *marks = typing.get_args(annotation)
        return _inside(inner, marks, value)
    for inner in typing.get_args(annotation):
        if inner is not Ellipsis and (found := _inside(inner, (), value)):
            return found
    return None
