"""What pydantic found wrong, in words that name the key, the mistake and the mend."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from trainkit.config.reader import dump
from trainkit.errors import Key, Problem, dotted
from trainkit.part import Registry, Settings

_SHOULD = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "string_type": "text", "tuple_type": "a list, such as [a, b]", "dict_type": "a mapping, such as {key: value}",
    "model_type": "a mapping, such as {key: value}", "model_attributes_type": "a mapping, such as {key: value}",
    "none_required": "null", "finite_number": "a finite number",
    "greater_than": "greater than {gt:g}", "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}", "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}", "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}", "part_type": "{}",
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
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def _problem(key: Key, errors: Sequence[ErrorDetails], tree: Any, root: type[Settings]) -> Problem:
    error, name, value = errors[0], dotted(key), at(tree, key)
    context: dict[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            owner = settings_at(key[:-1], tree, root)
            whose = getattr(owner, "model_fields", {})
            what = at(tree, (*key[:-1], "name")) if len(key) > 1 else None
            of = what if isinstance(what, str) else at(tree, key[:-1]) if isinstance(at(tree, key[:-1]), str) else dotted(key[:-1])
            return Problem(f"{name} is not a setting{f' of {of}' if of else ''}.", key, _did_you_mean(str(key[-1]), list(whose)))
        case "missing":
            return Problem(f"{name} is missing.", key, f"Write it: {_how(key)}.")
        case "part_unknown":
            return Problem(f"{name}: {_show(value)} {error['msg']}.", key, _did_you_mean(str(_text(value)), context["known"]))
        case "part_name_missing":
            return Problem(f"{name} {error['msg']}", (*key, "name"), f"There are: {', '.join(context['known'])}.")
        case "fault" | "value_error":
            words = error["msg"].removeprefix("Value error, ")
            return Problem(f"{name}: {words}." if name else f"{words}.", key)
        case "string_pattern_mismatch":
            return Problem(
                f"{name}: {_show(value)} is not allowed here.", key, _PATTERNS.get(name, f"It must match {context['pattern']}.")
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
    mend = f"Did you mean {near[0]}?" if near else _mend(value, errors)
    return Problem(f"{name} should be {' or '.join(wanted)}, not {_show(value)}.", key, mend)


_PATTERNS = {
    "device": "Use auto, cpu, cuda, cuda:1 or mps.",
    "name": "Use letters, digits, `_`, `-` and `.`, 100 at most, and no `.` or `-` first.",
}


def _should(error: ErrorDetails) -> str:
    words = _SHOULD.get(error["type"])
    if words is None or error["type"] == "part_type":
        return error["msg"].removeprefix("should be ").removeprefix("Input should be ")
    return words.format(**error.get("ctx", {}))


def _mend(value: Any, errors: Sequence[ErrorDetails]) -> str | None:
    if isinstance(value, str) and any(e["type"] in ("int_type", "float_type", "bool_type") for e in errors):
        try:
            float(value)
            return "Take the quotes off." if value.lower() not in ("nan", "inf") else None
        except ValueError:
            return "YAML's words are true and false." if value.lower() in ("yes", "no", "on", "off") else None
    return None


def _text(value: Any) -> Any:
    return value["name"] if isinstance(value, dict) and "name" in value else value


def _show(value: Any) -> str:
    text = dump(value).strip() if not isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def _did_you_mean(word: str, known: list[str]) -> str | None:
    near = get_close_matches(word, known, 1, 0.6)
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
