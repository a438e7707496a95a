"""Settings in words, from pydantic's JSON schema of them: for `explain`, `list`, and the messages of the editor's schema."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python
from pydantic_core.core_schema import ModelSchema

from trainkit.part import Part, Registry, Settings, field_help
from trainkit.parts import families

Schema = dict[str, Any]


@cache
def settings_schema(settings: type[Settings]) -> Schema:
    """What pydantic knows of a section or part, with the sections inside written out in place.

    A place where a part of a family may stand is ``{"family": …}``.
    """
    schema = settings.model_json_schema(schema_generator=_Generator)
    inlined: Schema = _inlined(schema, schema.pop("$defs", {}))
    return inlined


class _Generator(GenerateJsonSchema):
    """Pydantic's, and with it the help and every default; a ``bare`` setting is named."""

    def model_schema(self, schema: ModelSchema) -> Schema:
        told, settings = super().model_schema(schema), schema["cls"]
        assert issubclass(settings, Settings)
        help = field_help(settings)
        for name, field in settings.model_fields.items():
            if not field.is_required():
                told["properties"][name]["default"] = brief(field.get_default(call_default_factory=True))
            if name in help:
                told["properties"][name]["description"] = help[name]
        return {**told, "bare": settings.bare} if settings.bare else told


def brief(value: Any) -> Any:
    """A value as shortly as YAML may say it: settings that have their defaults are left out; a part with no others is its name."""
    if isinstance(value, tuple):
        return [brief(item) for item in value]
    if not isinstance(value, Settings):
        return to_jsonable_python(value)
    fields = type(value).model_fields
    said = {name: brief(item) for name, item in value if item != fields[name].get_default(call_default_factory=True)}
    if isinstance(value, Part):
        return {"name": value.name, **said} if said else value.name
    return said[value.bare] if value.bare and list(said) == [value.bare] else said


def docstring(settings: type | None) -> str:
    """A docstring as a person reads it."""
    return (inspect.getdoc(settings) or "").replace("``", "`")


def first_line(settings: type | None) -> str:
    """The first line of a docstring."""
    return docstring(settings).partition("\n")[0]


def _inlined(schema: Any, definitions: Mapping[str, Schema], within: tuple[str, ...] = ()) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name in within:  # a section that holds its like: anything, there
            return {}
        return _inlined({**definitions[name], **{k: v for k, v in schema.items() if k != "$ref"}}, definitions, (*within, name))
    verbatim = ("default", "enum", "const", "required", "examples")
    return {
        key: {name: _inlined(inner, definitions, within) for name, inner in value.items()}
        if key == "properties"
        else value
        if key in verbatim
        else _inlined(value, definitions, within)
        for key, value in schema.items()
        if key != "title"
    }


def branches(schema: Schema) -> list[Schema]:
    """The kinds of values that may stand there, one schema each; what a bare value is short for included."""
    found: list[Schema] = []
    for branch in schema.get("anyOf", [schema]):
        found.append(branch)
        if "bare" in branch:
            found += branches(branch["properties"][branch["bare"]])
    return found


def in_words(schema: Schema) -> str:
    """``a number greater than 0, at most 1000``, ``relu, gelu or silu``, ``a list of whole numbers at least 1, or null``."""
    return either([_branch(branch) for branch in branches(schema)])


def either(words: Sequence[str]) -> str:
    """``a, b or c``; ``a, or b`` where the parts are long."""
    comma = "," if any(" " in word for word in words) else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}" if len(words) > 1 else "".join(words)


_KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text", "null": "null"}
_LIMITS = {"exclusiveMinimum": "greater than", "minimum": "at least", "exclusiveMaximum": "less than", "maximum": "at most"}


HUGE = 10**9
"""Limits from here on are guards against slips, and not worth a word."""


def _branch(schema: Schema) -> str:
    match schema:
        case {"family": family}:
            registry = families()[family]
            return f"{registry.called} ({either(registry.names())})"
        case {"const": value}:
            return str(value)
        case {"enum": values}:
            return either([str(value) for value in values])
        case {"type": "array"}:
            least = f" of at least {schema['minItems']}" if schema.get("minItems") else ""
            return f"a list{least}, each item {in_words(schema['items'])}"
        case {"type": "object", "properties": _}:
            return "a mapping of settings"
        case {"type": "object", "additionalProperties": dict(inner)}:
            return f"a mapping from names to values, each {in_words(inner)}"
        case {"type": "string", "format": "path"}:
            return "a path"
        case {"type": "string", "pattern": pattern}:
            return f"text such as {either(schema['examples'])}" if "examples" in schema else f"text that matches {pattern}"
        case {"type": kind}:
            limits = [f"{words} {_number(schema[key])}" for key, words in _LIMITS.items() if abs(schema.get(key, HUGE)) < HUGE]
            return " ".join([_KINDS[kind], ", ".join(limits)]).strip()
    return "any value"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.9g}"


def _needs_nothing(registry: Registry[Any], name: str) -> bool:
    """Is its name all that this part must be told?"""
    try:
        return bool(registry.read(name))
    except ValidationError:
        return False


def sample(schema: Schema, name: str = "") -> Any:
    """A value to show: the default where it says something, else a legal one."""
    if schema.get("default") not in (None, [], {}, ""):
        return schema["default"]
    if schema.get("examples"):
        return schema["examples"][0]
    match next(branch for branch in branches(schema) if branch.get("type") != "null"):
        case {"family": family}:
            registry = families()[family]
            return registry.default or next(name for name in registry.names() if _needs_nothing(registry, name))
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"type": "integer"} as kind:
            most = min(kind.get("maximum", 10), kind.get("exclusiveMaximum", 11) - 1, 10)
            return max(most, kind.get("minimum", most), kind.get("exclusiveMinimum", most - 1) + 1)
        case {"type": "number"} as kind:
            least: float = next((kind[key] for key in ("minimum", "exclusiveMinimum") if key in kind), 0)
            below: float = next((kind[key] for key in ("maximum", "exclusiveMaximum") if key in kind), least + 2)
            return (least + min(below, least + 2)) / 2
        case {"type": "boolean"}:
            return True
        case {"type": "array", "items": inner} as kind:
            return [sample(inner, name)] * max(1, kind.get("minItems", 1))
        case {"type": "object", "properties": properties} as kind:
            keys = kind.get("required") or list(properties)[:1]
            return {key: sample(properties[key], key) for key in keys}
        case {"type": "object", "additionalProperties": dict(inner)}:
            return {"a_name": sample(inner)}
        case {"format": "path"}:
            return "parts.py" if name == "plugins" else "file.csv"
    return f"my_{name}"
