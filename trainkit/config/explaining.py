"""What pydantic found wrong, in words that name the key, the mistake and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from trainkit.config.reader import flow
from trainkit.config.tree import preprocess_of
from trainkit.errors import Key, Problem, dotted
from trainkit.part import IsPath, Registry, Settings, field_help, inside

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
_SHOULD = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "string_type": "text", "tuple_type": "a list, such as [a, b]", "dict_type": "a mapping, such as {{key: value}}",
    "model_type": "a mapping, such as {{key: value}}", "model_attributes_type": "a mapping, such as {{key: value}}",
    "none_required": "null", "finite_number": "a finite number",
    "greater_than": "greater than {gt:g}", "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}", "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}", "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}", "part_type": "{}", "string_pattern_mismatch": "text that matches {pattern}",
}  # fmt: skip
_LIMITS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


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
            argument = f" As an argument: {name}.name={context['known'][0]}." if len(key) == 1 else ""
            return Problem(f"{name} {error['msg']}", (*key, "name"), f"There are: {', '.join(context['known'])}.{argument}")
        case "fault" | "value_error":
            words = error["msg"].removeprefix("Value error, ")
            return Problem(f"{name}: {words}.", key)
    literals = [e for e in errors if e["type"] == "literal_error" and isinstance(value, str)]
    known = [word.strip("'") for e in literals for word in e["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    near = get_close_matches(value, known, 1) if literals else []
    wanted, help = _meaning(key, errors, tree, root)
    field = field_at(key, tree, root) if value is None else None  # nothing to fall back on where it must be said
    mend = f"Did you mean {near[0]}?" if near else help if field and field.is_required() else _mend(value, errors) or help
    return Problem(f"{name} should be {wanted}, not {quoted(value)}.", key, mend)


def _meaning(key: Key, errors: Sequence[ErrorDetails], tree: Any, root: type[Settings]) -> tuple[str, str | None]:
    """What should stand there, in words; and the setting's help, where a form is asked for that they may not tell."""
    from trainkit.config.describing import in_words, settings_schema  # 3 ms, and most configs have no such mistake

    kinds = [error["type"] for error in errors]
    formed = "string_pattern_mismatch" in kinds
    owner = settings_at(key[:-1], tree, root)
    if key and owner and key[-1] in owner.model_fields and (formed or sum(kind in _LIMITS for kind in kinds) > 1):
        schema = settings_schema(owner)["properties"][key[-1]]
        return in_words(schema), schema.get("description", "").partition(". ")[0].rstrip(".") + "." if formed else None
    return " or ".join(dict.fromkeys(map(_should, errors))), None


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
    head, *inner = word.split(".")
    if inner and head in known:  # as an argument says it
        value = flow(at(tree, key))
        told = nested = value if len(value) <= 60 else "…"
        for name in reversed(inner):
            told, nested = f"{name}: {nested}", f"{{{name}: {nested}}}"
        here = (*key[:-1], head)
        there = at(tree, here)
        how = f"Write `{told}` into the section {dotted(here)}."
        if not isinstance(there, dict):
            how = f"Write `{head}: {nested if there is None else f'{{name: {flow(there)}, {told}}}'}`."
        return Problem(f"{dotted(key)}: a dot leads into a section in arguments alone, not in a file.", key, how, at="key")
    sections = root.model_fields if len(key) == 1 else ()
    deeper = [f"{name}.{word.lower()}" for name in sections if word.lower() in _names(settings_at((name,), tree, root))]
    mend = f"Did you mean {deeper[0]}?" if deeper else _did_you_mean(word, known)
    return Problem(f"{dotted(key)} is not a setting{f' of {of}' if of else ''}.", key, mend, at="key")


def _names(owner: type[Settings] | None) -> Iterable[str]:
    return owner.model_fields if owner else ()


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
        value = at(tree, key[: n + 1 + (len(key) > n + 1 and isinstance(key[n + 1], int))])
        if key[: n + 1] == ("preprocess",) and isinstance(value, dict | None) and "name" not in (value or {}):
            value = preprocess_of(at(tree, ("data",)))
        found = (_meant(kind, value) for kind, _ in inside(field.annotation, field.metadata))
        here = next(filter(None, found), None)
    return here


def _meant(kind: Registry[Any] | type[Settings] | IsPath, value: Any) -> type[Settings] | None:
    """The settings of what may stand there; of a family, the part that the value names."""
    if not isinstance(kind, Registry):
        return None if isinstance(kind, IsPath) else kind
    name = value if isinstance(value, str) else value.get("name", kind.default) if isinstance(value, dict) else kind.default
    return kind.find(name) if isinstance(name, str) else None


def field_at(key: Key, tree: Any, root: type[Settings]) -> FieldInfo | None:
    """The setting that stands at a key, or whose item does."""
    n = len(key) - isinstance(key[-1], int)
    owner = settings_at(key[: n - 1], tree, root)
    return owner.model_fields.get(str(key[n - 1])) if owner else None


def is_part(key: Key, tree: Any, root: type[Settings]) -> bool:
    """Whether a part stands there, so that text is its bare name."""
    field = field_at(key, tree, root)
    return field is not None and any(isinstance(kind, Registry) for kind, _ in inside(field.annotation, field.metadata))
