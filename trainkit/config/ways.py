"""The ways from a config's root down to its settings, through the sections and parts that may stand there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trainkit.config.tree import Config
from trainkit.part import IsPath, Part, Registry, Settings, inside


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


def path_of(way: Way) -> str:
    """``optimizer.lr``, ``loggers[].graph``."""
    return ".".join(f"{step.field}{'[]' if step.listed and step is not way[-1] else ''}" for step in way)


def name_of(part: type[Part]) -> str:
    """The name by which the YAML knows a part."""
    name: str = part.model_fields["name"].default
    return name


def down(owner: type[Settings], keys: Sequence[str], above: Way = ()) -> Iterator[Way]:
    """The ways that these words name, through every part that has them; a part may be named between: ``model.mlp.hidden``."""
    name, *rest = keys
    if name not in owner.model_fields:
        return
    if not rest:
        yield (*above, Step(owner, name))
        return
    for held, listed in held_in(owner, name):
        if not isinstance(held, Registry):
            yield from down(held, rest, (*above, Step(owner, name, section=held, listed=listed)))
            continue
        named = held.find(rest[0]) if rest[0] in held.names() else None
        if named:
            step = Step(owner, name, named, listed=listed)
            yield from down(named, rest[1:], (*above, step)) if rest[1:] else [(*above, step)]
        for part in parts_of(held):  # a setting may bear the name of a part: `data.text`
            if not named or rest[0] in part.model_fields:
                yield from down(part, rest, (*above, Step(owner, name, part, listed=listed)))


def all_ways(owner: type[Settings] = Config, above: Way = (), *, into_parts: bool = True) -> Iterator[Way]:
    """Every way there is; into all parts, whose import takes a tenth of a second. A family inside itself is entered once."""
    for name in owner.model_fields:
        if name == "name" and issubclass(owner, Part):
            continue
        yield (*above, Step(owner, name))
        for held, listed in held_in(owner, name):
            if not isinstance(held, Registry):
                yield from all_ways(held, (*above, Step(owner, name, section=held, listed=listed)), into_parts=into_parts)
            elif into_parts and not any(step.part and issubclass(step.part, held.base) for step in above):
                for part in parts_of(held):
                    yield from all_ways(part, (*above, Step(owner, name, part, listed=listed)))


def parts_of(registry: Registry[Any]) -> list[type[Part]]:
    """The family's parts, its default first."""
    names = sorted(registry.names(), key=lambda name: (name != registry.default, name))
    return [part for name in names if (part := registry.find(name))]


def held_in(owner: type[Settings], name: str) -> Iterator[tuple[Registry[Any] | type[Settings], bool]]:
    """The families and sections that may stand there, and whether in a list."""
    field = owner.model_fields[name]
    return ((kind, listed) for kind, listed in inside(field.annotation, field.metadata) if not isinstance(kind, IsPath))


def places(registry: Registry[Any]) -> list[Way]:
    """The ways to where a part of that family may stand; top-level ones need no other family read."""
    top = [(Step(Config, name),) for name in Config.model_fields if _holds(Config, name, registry)]
    return list(top) or [way for way in all_ways() if _holds(way[-1].owner, way[-1].field, registry)]


def _holds(owner: type[Settings], name: str, registry: Registry[Any]) -> bool:
    return any(held is registry for held, _ in held_in(owner, name))
