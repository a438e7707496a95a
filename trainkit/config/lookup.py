"""What a word means in a config: the settings, parts and families of that name, told as plain data for `explain` and `list`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from trainkit.config.describing import Schema, docstring, either, first_line, in_words, settings_schema
from trainkit.config.examples import fitting, line, override
from trainkit.config.reader import flow
from trainkit.config.schema import EXTENDS
from trainkit.config.tree import Config
from trainkit.config.ways import Way, all_ways, down, held_in, name_of, parts_of, path_of, places
from trainkit.errors import ConfigError
from trainkit.part import Part, Registry, field_help, load_installed, unusable
from trainkit.parts import families

Facts = dict[str, Any]


def explain(word: str) -> list[Facts]:
    """What is known of a key (``optimizer.lr``), a part (``mlp``, ``models.mlp``), a family, or a setting (``lr``).

    Raises ConfigError, with the nearest names, for a word that means nothing.
    """
    load_installed()
    keys = re.sub(r"\[\d*\]", "", word.strip()).split(".")
    if keys == ["extends"]:
        return [{"kind": "setting", "key": "extends", "help": EXTENDS, "type": "text", "yaml": "extends: base.yaml"}]
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
    found = [*_told(down(Config, keys))]
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


def _told(ways: Iterable[Way]) -> Iterator[Facts]:
    """The settings at the ends of the ways: one piece for those that stand at one place and are said to be the same."""
    alike: dict[tuple[str, str, str], list[Way]] = {}
    for way in ways:
        last = way[-1]
        if last.part:  # the way ends at a part
            registry = next(held for held, _ in held_in(last.owner, last.field) if isinstance(held, Registry))
            yield describe_part(registry, name_of(last.part))
            continue
        schema = settings_schema(last.owner)["properties"][last.field]
        alike.setdefault((path_of(way), schema.get("description", ""), in_words(schema)), []).append(way)
    for (key, help, kind), same in alike.items():
        way = fitting(same)
        facts: Facts = {"kind": "setting", "key": key, "help": help, "type": kind, "default": _default(same)}
        if len(way) > 1 and (users := _users(same)):
            facts["used_by"] = users
        if inside := _inside(way):
            facts["inside"] = inside
        yield {**facts, "yaml": line(way), "override": override(way)}


def _users(ways: Iterable[Way]) -> list[str]:
    """The parts that have the setting."""
    parts = [[step.part for step in way if step.part][-1:] for way in ways]
    return sorted({name_of(part) for found in parts for part in found})


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
    for held, _ in held_in(way[-1].owner, way[-1].field):
        if isinstance(held, Registry):
            lines |= {name_of(part): first_line(part) for part in parts_of(held)}
        else:
            lines |= {name: inner.get("description", "") for name, inner in settings_schema(held)["properties"].items()}
    return lines


def describe_family(registry: Registry[Any]) -> Facts:
    """A family: where its parts stand, and a line each."""
    found = places(registry)
    return {
        "kind": "family",
        "key": registry.family,
        "help": docstring(registry.base),
        "stands_at": sorted({path_of(way) for way in found}),
        **({"default": registry.default} if registry.default else {}),
        "inside": {name_of(part): first_line(part) for part in parts_of(registry)},
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
    ways = [(*way[:-1], replace(way[-1], part=part, listed=_listed(way))) for way in places(registry)]
    return {
        "kind": registry.singular,
        "key": name,
        "help": docstring(part),
        **({"from": registry.plugin_of[name]} if name in registry.plugin_of else {}),
        "stands_at": sorted({path_of(way) for way in ways}),
        "settings": settings,
        **({"yaml": line(fitting(ways)), "override": override(fitting(ways))} if ways else {}),
    }


def _listed(way: Way) -> bool:
    return any(listed for held, listed in held_in(way[-1].owner, way[-1].field) if isinstance(held, Registry))
