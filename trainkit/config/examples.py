"""For every setting a piece of YAML, and an argument, that can be copied and are valid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

from pydantic import ValidationError

from trainkit.config.describing import sample, settings_schema
from trainkit.config.reader import flow
from trainkit.config.tree import Config
from trainkit.config.ways import Way, name_of
from trainkit.part import Part, Settings

BASE: dict[str, Any] = {"data": "digits", "model": "mlp"}
"""What examples are tried on."""


def example(way: Way) -> dict[str, Any]:
    """A config's piece with that setting and what must stand beside it."""
    last = way[-1]
    schema = settings_schema(last.owner)["properties"][last.field]
    value: Any = _beginning(last.part) if last.part else sample(schema, last.field)
    value = [value] if last.part and last.listed else value
    tree = {last.field: value}
    for step in reversed(way[:-1]):
        held = step.part or step.section
        assert held is not None
        inner = {**_required(held), **tree}
        if step.part:
            inner = _completed(step.part, {"name": name_of(step.part), **inner})
        tree = {step.field: [inner] if step.listed else inner}
    return tree


def _completed(part: type[Part], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, and with them what they need: the degree, say, goes with one kind of data only, and a mean with a deviation."""
    others = {key: inner for key, inner in settings_schema(part)["properties"].items() if key not in settings}
    choices = [{key: value} for key, inner in others.items() for value in inner.get("enum", ())]
    single = [{key: sample(inner, key)} for key, inner in others.items()]
    for more in [{}, *choices, *single, *({**one, **two} for one, two in [*combinations(single, 2), *product(choices, single)])]:
        completed = {"name": settings["name"], **more, **settings}
        try:
            part.model_validate(completed)
        except ValidationError:
            continue
        return completed
    return settings


def _beginning(part: type[Part]) -> Any:
    """A part's name, what it must be told, else its first setting."""
    properties = {key: inner for key, inner in settings_schema(part)["properties"].items() if key != "name"}
    name = name_of(part)
    first = {key: sample(inner, key) for key, inner in list(properties.items())[:1]}
    return _completed(part, {"name": name, **(_required(part) or first)}) if properties else name


def _required(settings: type[Settings]) -> dict[str, Any]:
    schema = settings_schema(settings)
    return {key: sample(schema["properties"][key], key) for key in schema.get("required", ())}


def fitting(ways: Sequence[Way]) -> Way:
    """The way to show: a part inside another may not go with it, as a loss with a task."""
    return next((way for way in ways if sum(step.part is not None for step in way) < 2 or _valid(example(way))), ways[0])


def _valid(tree: dict[str, Any]) -> bool:
    try:
        Config.model_validate({**BASE, **tree})
    except ValidationError:
        return False
    return True


def line(way: Way) -> str:
    """The example on one line of YAML."""
    ((key, value),) = example(way).items()
    return f"{key}: {flow(value)}"


def override(way: Way) -> str:
    """The setting as an argument; a list, and a part, as a whole."""
    value, key = example(way), []
    for step in way:
        key.append(step.field)
        value = value[step.field]
        if step.listed or (step.part and step.owner.model_fields[step.field].default is None):
            break  # where a part may be left out, its name must be said too
    text = f"{'.'.join(key)}={flow(value)}"
    return f"'{text}'" if re.search(r"[^\w.=,:/+-]", text) else text
