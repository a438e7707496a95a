"""The schema of a whole config for editors: JSON schema, draft 7, made from the Config and the parts that are known now.

A place for a part is an `if` and a `then` for each name, so that an editor marks the wrong key in the part that was named.
With `extends` a config is a piece of one: what must be there is asked for only without it, beside the rest (`_needed`).
A value may always be ``${env:NAME:-default}``, so a place for numbers takes such texts as well. Editors that know the keys
``errorMessage`` and ``patternErrorMessage`` (yaml-language-server, VS Code) say what should stand there; others skip them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainkit.config.describing import Schema, branches, in_words, settings_schema
from trainkit.config.environment import VARIABLE
from trainkit.config.tree import Config
from trainkit.part import Part, Registry, load_installed
from trainkit.parts import families

_VARIABLE = f"^{VARIABLE}$"


EXTENDS = "Another config, which this one changes: its path, relative to this file."
"""What `extends` is: no setting of a config, but a word to those who read it."""


def config_schema() -> Schema:
    """All of it, for every part that ships, was brought by a plugin, or comes with an installed package."""
    load_installed()
    root = settings_schema(Config)
    definitions: Schema = {"variable": {"type": "string", "pattern": _VARIABLE}}
    for family, registry in families().items():
        found: dict[str, type[Part] | None] = {name: registry.find(name) for name in registry.names()}
        parts = {name: settings_schema(part) for name, part in found.items() if part}
        definitions[family] = _named(registry, parts)
        definitions[f"whole-{family}"] = _whole(registry, parts)
        definitions |= {f"{family}.{name}": _section(part) for name, part in parts.items()}
    schema = _section(root)
    schema["properties"] = {
        "extends": {"type": "string", "description": EXTENDS},
        **schema["properties"],
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "trainkit",
        **schema,
        "if": {"required": ["extends"]},
        "else": _needed(root),
        "definitions": definitions,
    }


def _section(schema: Schema) -> Schema:
    """The mapping itself, without what must be there."""
    return {
        "description": schema["description"],
        "type": "object",
        "properties": {name: _setting(inner) for name, inner in schema["properties"].items()},
        "additionalProperties": False,
    }


def _setting(schema: Schema, *, whole: bool = False) -> Schema:
    """What may stand there. Kinds of values become one schema where they can: then each mistake has one message."""
    about: Schema = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    words, kinds = f"should be {in_words(schema)}", branches(schema)
    listed = [value for kind in kinds for value in (kind.get("enum") or [kind["const"]] if {"enum", "const"} & {*kind} else [])]
    open_: list[Schema] = []
    for kind in kinds:
        if "family" in kind:
            place: Schema = {"$ref": f"#/definitions/{kind['family']}"}
            open_.append({"allOf": [place, {"$ref": f"#/definitions/whole-{kind['family']}"}] if whole else [place]})
        elif "type" in kind and not {"enum", "const"} & {*kind}:
            flat = _flat(kind, whole=whole)
            if open_ and "type" in open_[-1] and not _overlap(open_[-1]["type"], flat["type"]):
                open_[-1] |= {**flat, "type": [*open_[-1]["type"], *flat["type"]]}
            else:
                open_.append(flat)
    if listed:
        open_.append({"enum": listed, **({} if len(kinds) == 1 else {"errorMessage": words})})
    if not any("allOf" in kind for kind in open_):  # a place for a part takes variables itself
        open_ = _with_variable(open_, words)
    return {**about, **open_[0]} if len(open_) == 1 else {**about, "anyOf": open_} if open_ else about


def _overlap(one: list[str], other: list[str]) -> bool:
    return bool({*one} & {*other}) or {"integer", "number"} <= {*one, *other}


def _flat(kind: Schema, *, whole: bool) -> Schema:
    """One kind of value; its `type` a list, so that another kind can join it: limits speak of one type each."""
    flat = {key: value for key, value in kind.items() if key in _LIMITS}
    if "properties" in kind:
        flat |= {key: value for key, value in _section(kind).items() if key != "description"}
        if whole:
            flat |= _needed(kind)
    elif isinstance(kind.get("additionalProperties"), dict):
        flat["additionalProperties"] = _setting(kind["additionalProperties"], whole=True)
    if "items" in kind:
        flat["items"] = _setting(kind["items"], whole=True)  # lists replace: an item is whole, also with `extends`
    return {"type": [kind["type"]], **{key: value for key, value in flat.items() if key != "type"}}


_LIMITS = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern"),
}  # fmt: skip


def _with_variable(kinds: list[Schema], words: str) -> list[Schema]:
    """The same, open to variables: a text matches their pattern where no other text may stand."""
    for kind in kinds:
        if "type" not in kind:
            continue
        if "string" not in kind["type"]:
            kind |= {"type": [*kind["type"], "string"], "pattern": _VARIABLE}
        elif "pattern" in kind:
            kind["pattern"] = f"{_VARIABLE}|{kind['pattern']}"
        # errorMessage would take the place of the message on an unknown key.
        kind["patternErrorMessage" if "properties" in kind else "errorMessage"] = words
        return kinds
    return [*kinds, {"$ref": "#/definitions/variable"}]


def _named(registry: Registry[Any], parts: dict[str, Schema]) -> Schema:
    """A place for a part of that family: a bare name, or a mapping whose keys depend on its name."""
    bare = [name for name, part in parts.items() if not part.get("required")]
    lines = {name: part["description"].partition("\n")[0] for name, part in parts.items()}
    variable = {"$ref": "#/definitions/variable"}
    return {
        "if": {"type": "string"},
        "then": {"anyOf": [_names(bare, lines), variable]},
        "else": {
            "type": "object",
            "errorMessage": f"should be the name of {registry.called}, or a mapping with a name",
            "properties": {"name": {"description": f"Which {registry.singular}.", "anyOf": [_names(list(parts), lines), variable]}},
            "allOf": [
                *(_where(name, {"$ref": f"#/definitions/{registry.family}.{name}"}) for name in parts),
                *([_unnamed(registry, parts)] if registry.implied else []),
            ],
        },
        "examples": bare,
    }


def _unnamed(registry: Registry[Any], parts: dict[str, Schema]) -> Schema:
    """Which part it is follows from elsewhere: it is one of them."""
    one = {"anyOf": [{"$ref": f"#/definitions/{registry.family}.{name}"} for name in parts]}
    return {"if": {"not": {"required": ["name"]}}, "then": one}


def _names(names: list[str], lines: dict[str, str]) -> Schema:
    return {"enum": names, "enumDescriptions": [lines[name] for name in names]}


def _where(name: str, then: Schema) -> Schema:
    return {"if": {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]}, "then": then}


def _whole(registry: Registry[Any], parts: dict[str, Schema]) -> Schema:
    """What a part must say when no other config says it: its name, or else it is the default; and what has no default."""
    needs = [_where(name, needed) for name, part in parts.items() if (needed := _needed(part))]
    if registry.implied:
        return {}
    if registry.default is None:
        return {"if": {"type": "object"}, "then": {"required": ["name"], **({"allOf": needs} if needs else {})}}
    default = {"allOf": [{"$ref": f"#/definitions/{registry.family}.{registry.default}"}, _needed(parts[registry.default])]}
    unnamed = {"if": {"not": {"required": ["name"]}}, "then": default}
    return {"if": {"type": "object"}, "then": {"allOf": [unnamed, *needs]}}


def _needed(schema: Schema) -> Schema:
    """What must be there in a section, and in the sections and parts inside it."""
    inside = {name: needed for name, inner in schema["properties"].items() if (needed := _needed_at(inner))}
    found = {"required": schema.get("required"), "properties": inside}
    return {key: value for key, value in found.items() if value}


def _needed_at(schema: Schema) -> Schema:
    found = list(_needs(schema))
    return {"allOf": found} if len(found) > 1 else found[0] if found else {}


def _needs(schema: Schema) -> Iterator[Schema]:
    for kind in schema.get("anyOf", [schema]):
        if "family" in kind:
            yield {"$ref": f"#/definitions/whole-{kind['family']}"}
        elif "properties" in kind and (needed := _needed(kind)):
            yield needed
