"""What a word means in a config: the settings, parts and families of that name, told as plain data for `explain` and `list`."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from trainkit.config.describing import Schema, either, in_words, sample, settings_schema
from trainkit.config.reader import flow
from trainkit.config.tree import Config
from trainkit.errors import ConfigError
from trainkit.part import Part, Registry, Settings, field_help, load_installed, unusable
from trainkit.parts import families

Facts = dict[str, Any]
BASE: Facts = {"data": "digits", "model": "mlp"}
"""What examples are tried on."""


@dataclass(frozen=True)
class Step:
    """One step down: a setting of ``owner``, and the part that was chosen there if the way goes on through one."""

    owner: type[Settings]
    field: str
    part: type[Part] | None = None
    section: type[Settings] | None = None
    """Which section the way goes on through."""
    listed: bool = False
    """Does a list stand there, of parts or sections?"""


Way = tuple[Step, ...]
"""From the root of a config down to a setting."""


def explain(word: str) -> list[Facts]:
    """What is known of a key (``optimizer.lr``), a part (``mlp``, ``models.mlp``), a family, or a setting (``lr``).

    Raises ConfigError, with the nearest names, for a word that means nothing.
    """
    load_installed()
    keys = re.sub(r"\[\d*\]", "", word.strip()).split(".")
    if found := _meant(keys):
        return found
    if (split := re.fullmatch(r"(val|train|test)_(\w+)", word)) and (found := _meant([split[2]])):
        name = {"val": "validation", "train": "training", "test": "test"}[split[1]]
        return [{**facts, "help": f"{word} is this on the {name} split. {facts['help']}"} for facts in found]
    known = _words()
    why = "".join(f" The installed package {package} brings no parts: {reason}." for package, reason in unusable.items())
    near = get_close_matches(word.lower(), known, 3) or [key for key in known if word.lower().replace("_", " ") in known[key]][:3]
    raise ConfigError(
        f"{word!r} is not a setting, a part or a family of parts.{why}",
        suggestion=f"Did you mean {either(near)}?" if near else "`trainkit list` names the parts, `trainkit show` the settings.",
    )


def _meant(keys: list[str]) -> list[Facts]:
    """What a dotted key leads to; a single word may be a setting of the config, a part and a setting elsewhere at once."""
    found = [*_told(_down(Config, keys))]
    if keys[0] in families() and not found:
        registry = families()[keys[0]]
        if len(keys) == 1:
            return [describe_family(registry)]
        named, rest = [(registry, keys[1])] if registry.find(keys[1]) else [], keys[2:]
    else:
        named, rest = [(registry, keys[0]) for registry in families().values() if keys[0] in registry.names()], keys[1:]
    if rest and named:
        return [*found, *_told(way for registry, name in named for way in all_ways() if _goes(way, registry.find(name), rest))]
    found += [describe_part(registry, name) for registry, name in named]
    known = {facts["key"] for facts in found}
    others = [way for way in all_ways(into_parts=not found) if [step.field for step in way][-len(keys) :] == keys]
    return [*found, *_told(way for way in others if path_of(way) not in known)]


def _goes(way: Way, part: type[Part] | None, rest: list[str]) -> bool:
    n = len(way) - len(rest)
    return n > 0 and way[n - 1].part is part and [step.field for step in way[n:]] == rest


def _words() -> dict[str, str]:
    """Everything that `explain` knows, and its help in small letters."""
    words: dict[str, str] = {}
    for way in all_ways():
        help = field_help(way[-1].owner).get(way[-1].field, "").lower()
        words |= {".".join(step.field for step in way): help, way[-1].field: help}
    for family, registry in families().items():
        words |= {family: "", **{name: first_line(registry.find(name)).lower() for name in registry.names()}}
    return words


# --- ways


def _down(owner: type[Settings], keys: Sequence[str], above: Way = ()) -> Iterator[Way]:
    """The ways that these words name, through every part that has them; a part may be named between: ``model.mlp.hidden``."""
    name, *rest = keys
    if name not in owner.model_fields:
        return
    if not rest:
        yield (*above, Step(owner, name))
        return
    for held, listed in _held_in(owner, name):
        if not isinstance(held, Registry):
            yield from _down(held, rest, (*above, Step(owner, name, section=held, listed=listed)))
            continue
        named = held.find(rest[0]) if rest[0] in held.names() else None
        for part in [named] if named else _parts(held):
            step = Step(owner, name, part, listed=listed)
            yield from _down(part, rest[1:] if named else rest, (*above, step)) if rest[bool(named) :] else [(*above, step)]


def all_ways(owner: type[Settings] = Config, above: Way = (), *, into_parts: bool = True) -> Iterator[Way]:
    """Every way there is; into all parts, whose import takes a tenth of a second. A family inside itself is entered once."""
    for name in owner.model_fields:
        if name == "name" and issubclass(owner, Part):
            continue
        yield (*above, Step(owner, name))
        for held, listed in _held_in(owner, name):
            if not isinstance(held, Registry):
                yield from all_ways(held, (*above, Step(owner, name, section=held, listed=listed)), into_parts=into_parts)
            elif into_parts and not any(step.part and issubclass(step.part, held.base) for step in above):
                for part in _parts(held):
                    yield from all_ways(part, (*above, Step(owner, name, part, listed=listed)))


def _parts(registry: Registry[Any]) -> list[type[Part]]:
    """The family's parts, its default first."""
    names = sorted(registry.names(), key=lambda name: (name != registry.default, name))
    return [part for name in names if (part := registry.find(name))]


def _held_in(owner: type[Settings], name: str) -> Iterable[tuple[Registry[Any] | type[Settings], bool]]:
    field = owner.model_fields[name]
    return _held(field.annotation, field.metadata)


def _held(
    annotation: Any, marks: Iterable[Any] = (), listed: bool = False
) -> Iterator[tuple[Registry[Any] | type[Settings], bool]]:
    """The families and sections that may stand there, and whether in a list."""
    registries = [mark for mark in marks if isinstance(mark, Registry)]
    if registries:
        yield registries[0], listed
    elif typing.get_origin(annotation) is typing.Annotated:
        inner, *marks = typing.get_args(annotation)
        yield from _held(inner, marks, listed)
    elif isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, Settings):
            yield annotation, listed
    else:
        for inner in typing.get_args(annotation):
            yield from _held(inner, (), listed or typing.get_origin(annotation) is tuple)


# --- facts


def _told(ways: Iterable[Way]) -> Iterator[Facts]:
    """The settings at the ends of the ways: one piece for those that stand at one place and are said to be the same."""
    alike: dict[tuple[str, str, str], list[Way]] = {}
    for way in ways:
        last = way[-1]
        if last.part:  # the way ends at a part
            registry = next(held for held, _ in _held_in(last.owner, last.field) if isinstance(held, Registry))
            yield describe_part(registry, _name(last.part))
            continue
        schema = settings_schema(last.owner)["properties"][last.field]
        alike.setdefault((path_of(way), schema.get("description", ""), in_words(schema)), []).append(way)
    for (key, help, kind), same in alike.items():
        way = _fitting(same)
        facts: Facts = {"kind": "setting", "key": key, "help": help, "type": kind, "default": _default(same)}
        if len(way) > 1 and (users := _users(same)):
            facts["used_by"] = users
        if inside := _inside(way):
            facts["inside"] = inside
        yield {**facts, "yaml": _line(_example(way)), "override": _override(way)}


def path_of(way: Way) -> str:
    """``optimizer.lr``, ``loggers[].graph``."""
    return ".".join(f"{step.field}{'[]' if step.listed and step is not way[-1] else ''}" for step in way)


def _name(part: type[Part]) -> str:
    name: str = part.model_fields["name"].default
    return name


def _users(ways: Iterable[Way]) -> list[str]:
    """The parts that have the setting."""
    parts = [[step.part for step in way if step.part][-1:] for way in ways]
    return sorted({_name(part) for found in parts for part in found})


def _default(ways: Sequence[Way]) -> str:
    """``0.001``, or ``0.001 (adam, adamw); 0.01 (sgd)`` where parts differ."""
    users: dict[str, list[Way]] = {}
    for way in ways:
        schema = settings_schema(way[-1].owner)["properties"][way[-1].field]
        users.setdefault(_said(schema), []).append(way)
    if len(users) == 1:
        return next(iter(users))
    return "; ".join(f"{value} ({', '.join(_users(same))})" for value, same in users.items())


def _said(schema: Schema) -> str:
    if "default" not in schema:
        return "none: it must be given"
    return "that of each setting" if schema["default"] == {} and "properties" in schema else flow(schema["default"])


def _inside(way: Way) -> dict[str, str]:
    """What can stand at the end of the way, if that is a section or a part: a line each."""
    lines: dict[str, str] = {}
    for held, _ in _held_in(way[-1].owner, way[-1].field):
        if isinstance(held, Registry):
            lines |= {_name(part): first_line(part) for part in _parts(held)}
        else:
            lines |= {name: inner.get("description", "") for name, inner in settings_schema(held)["properties"].items()}
    return lines


def first_line(settings: type | None) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(settings) or "").partition("\n")[0]


def describe_family(registry: Registry[Any]) -> Facts:
    """A family: where its parts stand, and a line each."""
    places = _places(registry)
    return {
        "kind": "family",
        "key": registry.family,
        "help": inspect.getdoc(registry.base) or "",
        "stands_at": sorted({path_of(way) for way in places}),
        **({"default": registry.default} if registry.default else {}),
        "inside": {_name(part): first_line(part) for part in _parts(registry)},
    }


def describe_part(registry: Registry[Any], name: str) -> Facts:
    """A part in full. Raises ConfigError, with the nearest name, when nobody has it."""
    part: type[Part] | None = registry.find(name)
    if part is None:
        near = get_close_matches(name.lower(), registry.names(), 1)
        raise ConfigError(
            f"{name!r} is not {registry.called}.",
            suggestion=f"{f'Did you mean {near[0]}? ' if near else ''}There are: {', '.join(registry.names())}.",
        )
    schema = settings_schema(part)
    settings = {
        key: {
            "help": inner.get("description", ""),
            "type": in_words(inner),
            "default": _said(inner),
        }
        for key, inner in schema["properties"].items()
        if key != "name"
    }
    ways = [(*way[:-1], replace(way[-1], part=part, listed=_listed(way))) for way in _places(registry)]
    return {
        "kind": registry.singular,
        "key": name,
        "help": inspect.getdoc(part) or "",
        **({"from": registry.plugin_of[name]} if name in registry.plugin_of else {}),
        "stands_at": sorted({path_of(way) for way in ways}),
        "settings": settings,
        **({"yaml": _line(_example(_fitting(ways))), "override": _override(_fitting(ways))} if ways else {}),
    }


def _listed(way: Way) -> bool:
    return any(listed for held, listed in _held_in(way[-1].owner, way[-1].field) if isinstance(held, Registry))


def _places(registry: Registry[Any]) -> list[Way]:
    """The ways to where a part of that family may stand; top-level ones need no other family read."""
    top = [(Step(Config, name),) for name in Config.model_fields if _holds(Config, name, registry)]
    return list(top) or [way for way in all_ways() if _holds(way[-1].owner, way[-1].field, registry)]


def _holds(owner: type[Settings], name: str, registry: Registry[Any]) -> bool:
    return any(held is registry for held, _ in _held_in(owner, name))


# --- examples


def _example(way: Way) -> Any:
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
            inner = _completed(step.part, {"name": _name(step.part), **inner})
        tree = {step.field: [inner] if step.listed else inner}
    return tree


def _completed(part: type[Part], settings: Facts) -> Facts:
    """The settings, and with them the choice that they need: the degree, say, goes with one kind of data only."""
    choices = {
        key: inner["enum"] for key, inner in settings_schema(part)["properties"].items() if "enum" in inner and key not in settings
    }
    for more in [{}, *({key: value} for key, values in choices.items() for value in values)]:
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
    name = _name(part)
    first = {key: sample(inner, key) for key, inner in list(properties.items())[:1]}
    return {"name": name, **(_required(part) or first)} if properties else name


def _required(settings: type[Settings]) -> Facts:
    schema = settings_schema(settings)
    return {key: sample(schema["properties"][key], key) for key in schema.get("required", ())}


def _fitting(ways: Sequence[Way]) -> Way:
    """The way to show: a part inside another may not go with it, as a loss with a task."""
    return next((way for way in ways if sum(step.part is not None for step in way) < 2 or _valid(_example(way))), ways[0])


def _valid(tree: Facts) -> bool:
    try:
        Config.model_validate({**BASE, **tree})
    except ValidationError:
        return False
    return True


def _line(tree: Facts) -> str:
    ((key, value),) = tree.items()
    return f"{key}: {flow(value)}"


def _override(way: Way) -> str:
    """The setting as an argument; a list, and a part, as a whole."""
    value, key = _example(way), []
    for step in way:
        key.append(step.field)
        value = value[step.field]
        if step.listed:
            break
    text = f"{'.'.join(key)}={flow(value)}"
    return f"'{text}'" if re.search(r"[^\w.=,:/+-]", text) else text
