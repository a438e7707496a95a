"""Files and arguments put over one another: mappings merge, except that a changed name replaces its section; lists replace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainkit.config.environment import with_environment
from trainkit.config.explaining import at, field_at, is_part, settings_at
from trainkit.config.origins import Layer, Origin, bare_setting, placed
from trainkit.config.tree import Config
from trainkit.errors import ConfigError, Key, Problem, dotted
from trainkit.part import Registry, Settings


class Merged:
    """What files and arguments say together, each over those before it, and who wrote what stands there now."""

    def __init__(self) -> None:
        self.tree: Any = {}
        self.written: dict[Key, Origin] = {}
        self._failed: list[Problem] = []
        self._unread: list[tuple[Layer, Problem]] = []

    def add(self, layer: Layer, key: Key = (), *, environment: bool = True) -> None:
        """Put a layer over the tree; ``key`` is what an argument names."""
        document, unread, replaced = layer.document, list[Problem](), set[Key]()
        value = with_environment(document, document.value, unread) if environment else document.value
        try:
            self.tree = merge(self._ready(key, value), value, replaced=replaced)
        except ConfigError as error:
            self._failed += [placed(problem, layer, problem.key) for problem in error.problems]
            return
        self._unread += [(layer, problem) for problem in unread]
        self._forget(replaced)
        for place, item in _all(value):
            said = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in document.keys), ())
            self.written.setdefault(place, Origin(layer, said, not isinstance(item, Mapping)))
        self._say_names()

    def reset(self, key: Key) -> None:
        """Take a setting out, which then has its default."""
        self.tree = without(self.tree, key)
        self._forget({key})
        self._say_names()

    def faults(self) -> list[Problem]:
        """What could not be merged, and what the environment lacks where nobody has said something else since."""
        now = self.written
        return self._failed + [fault for layer, fault in self._unread if fault.key in now and now[fault.key].layer is layer]

    def _forget(self, keys: set[Key]) -> None:
        """Nobody wrote these settings, nor what is in them."""
        for key in [key for key in self.written if any(key[:n] in keys for n in range(len(key) + 1))]:
            del self.written[key]

    def _say_names(self) -> None:
        """Sections that leave out their part's name say the default's, so that a later layer can change it."""
        for key, field in Config.model_fields.items():
            default = next((mark.default for mark in field.metadata if isinstance(mark, Registry)), None)
            if default is not None and isinstance(section := at(self.tree, (key,)), dict) and "name" not in section:
                self.tree = {**self.tree, key: {"name": default, **section}}

    def _ready(self, key: Key, value: Any) -> Any:
        """The tree with what a layer goes into written out: a bare value as a mapping, a list that was left out as its default."""
        tree = self.tree
        for above, change in _all(value):
            bare = at(tree, above)
            if not isinstance(change, dict) or bare is None or isinstance(bare, dict | list):
                continue
            name = "name" if is_part(above, tree, Config) else bare_setting(settings_at(above, tree, Config))
            if name:
                tree = merge(tree, _under(above, {name: bare}))
                self.written[(*above, name)] = self.written[above]
        n = next((n for n, part in enumerate(key) if isinstance(part, int)), 0)
        field = field_at(key[:n], tree, Config) if n else None
        if field is None or field.is_required() or at(tree, key[:n]) is not None:
            return tree
        default = field.get_default(call_default_factory=True)
        if not isinstance(default, tuple):
            return tree
        items = [item.model_dump(mode="json") if isinstance(item, Settings) else item for item in default]
        return merge(tree, _under(key[:n], items))


def _all(tree: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Everything in a tree with its key, what is above first."""
    for part, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*key, part), item
        yield from _all(item, (*key, part))


def _under(key: Key, value: Any) -> Any:
    for part in reversed(key):
        value = {part: value}
    return value


def merge(base: Any, change: Any, key: Key = (), replaced: set[Key] | None = None) -> Any:
    """``change`` over ``base``: mappings merge, except that a changed name replaces its section; the rest replaces.

    The name of the whole is the run's, and replaces nothing. A key that is a number is an item of a list. Raises
    ConfigError where there is no such item. ``key`` is where both stand; what is not merged is noted in ``replaced``.
    """
    replaced = set() if replaced is None else replaced
    if not isinstance(change, Mapping):
        if isinstance(base, Mapping) and isinstance(change, str) and base.get("name") == change:
            return base
        replaced.add(key)
        return change
    for place in change:
        if isinstance(place, int):  # an override's, and then alone
            return _with_item(base, place, change[place], key, replaced)
    if not isinstance(base, Mapping) or (key and "name" in change and base.get("name") not in (None, change["name"])):
        replaced.add(key)
        base = {}
    return {**base, **{part: merge(base.get(part), value, (*key, part), replaced) for part, value in change.items()}}


def _with_item(base: Any, place: int, change: Any, key: Key, replaced: set[Key]) -> Any:
    if not isinstance(base, list):
        raise ConfigError(f"{dotted(key)} is not a list, so there is no {dotted((*key, place))}.", key=(*key, place))
    if place >= len(base):
        there = f"there are {dotted((*key, 0))} to [{len(base) - 1}]" if len(base) > 1 else f"{len(base) or 'no'} item is there"
        raise ConfigError(
            f"{dotted((*key, place))} is not there: {there}.",
            key=(*key, place),
            suggestion=f"Write the whole list: {dotted(key)}=[…].",
        )
    return [merge(item, change, (*key, n), replaced) if n == place else item for n, item in enumerate(base)]


def without(tree: Any, key: Key) -> Any:
    """The tree without that setting, which then takes its default."""
    first, rest = key[0], key[1:]
    if isinstance(tree, list):
        return [without(item, rest) if n == first and rest else item for n, item in enumerate(tree)]
    if not isinstance(tree, Mapping) or first not in tree:
        return tree
    return {k: without(v, rest) if k == first else v for k, v in tree.items() if k != first or rest}
