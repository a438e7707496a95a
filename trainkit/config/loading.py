"""From files and arguments to a Config, with the place and the origin of every setting at hand for later."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from trainkit.config.explaining import at, is_part, not_a_setting, problems, quoted, settings_at
from trainkit.config.overrides import breadth_first, called, merge, parse_key, read_override, without
from trainkit.config.plugins import load_plugin
from trainkit.config.reader import Document, dump, read_file, read_text
from trainkit.config.tree import Config, path_keys
from trainkit.errors import ConfigError, Key, Problem, TrainkitError, dotted
from trainkit.part import Part, Registry, Settings

LEVELS = 20
"""So many files may extend one another."""
_ENV = re.compile(r"\$\{env:([A-Za-z_]\w*)(?::-(.*))?\}", re.DOTALL)


@dataclass(frozen=True)
class Layer:
    """One of the texts that a config is merged from."""

    document: Document
    folder: Path | None = None
    """What its paths are relative to. None: an argument, whose paths are relative to the working directory."""


@dataclass(frozen=True)
class Origin:
    """Who wrote a setting, and where in it. As text: ``a.yaml:7``, ``argument 'seed=1'``, ``a.yaml:7, ${env:SEED}``."""

    layer: Layer
    key: Key
    """Where that text says it: above the setting, if that is a bare name or comes from the environment."""
    bare: bool
    """Does no mapping stand there?"""

    def __str__(self) -> str:
        document, written = self.layer.document, at(self.layer.document.value, self.key)
        if self.layer.folder is None:
            return document.file
        line = document.keys.get(self.key, document.values[()]).line
        return f"{document.file}:{line}" + (f", {written}" if isinstance(written, str) and _ENV.fullmatch(written) else "")


@dataclass(frozen=True)
class Places:
    """Where settings were written: of the files and arguments that name one, the one whose word counted."""

    file: Layer
    """The file that the user named: what nobody wrote is missing there."""
    written: Mapping[Key, Origin]

    def __call__(self, problem: Problem) -> Problem:
        """The problem with the file, line and column of its key, or of the nearest setting above it that was written."""
        key = problem.key
        above = next((n for n in range(len(key), 0, -1) if key[:n] in self.written), 0)
        origin = self.written.get(key[:above])
        return _placed(problem, origin.layer if origin else self.file, (*origin.key, *key[above:]) if origin else key)

    def folder(self, key: Key) -> Path:
        """The folder against which a path is meant that is written there."""
        return (self.written[key].layer.folder or Path.cwd()) if key in self.written else self.file.folder or Path.cwd()


def _placed(problem: Problem, layer: Layer, key: Key) -> Problem:
    """The problem at the place of ``key`` in that layer."""
    found = layer.document.problem(problem.message, key, at=problem.at, suggestion=problem.suggestion)
    return replace(found, key=problem.key, at=problem.at)


@dataclass(frozen=True)
class Loaded:
    """A config, and where each of its settings came from."""

    config: Config
    place: Places
    resets: tuple[Key, ...] = ()

    def said(self, key: Key) -> bool:
        """Was this setting, or one in it, written or reset? Then its value is no silent default."""
        return self._origin(key) is not None or self._reset(key)

    def origin(self, key: Key) -> str:
        """Where a setting's value came from: ``a.yaml:7``, ``argument 'seed=1'``, ``--reset``, ``follows from …``, ``default``.

        A list of which an argument changed an item has two origins.
        """
        if origin := self._origin(key):
            items = (self._origin((*key, n)) for n in count())
            changed = [str(item) for item in takewhile(bool, items) if item and item.layer is not origin.layer]
            return ", ".join(dict.fromkeys([str(origin), *changed]))
        if self._reset(key):
            return "--reset"
        match key:
            case ("name",):
                return "follows from the file's name"
            case ("task",):
                return "follows from the data"
            case ("training", "epochs") if self.config.training.epochs is None:
                return "follows from training.steps"
        return f"follows from the rest of {dotted(key[:-1])}" if self._differs(key) else "default"

    def _origin(self, key: Key) -> Origin | None:
        """Who wrote it, or the bare value that it is: ``model: mlp`` writes model.name."""
        above = self.place.written.get(key[:-1])
        if key in self.place.written or above is None or not above.bare:
            return self.place.written.get(key)
        owner = _held(self.config, key[:-1])
        meant = key[-1] == _bare(owner) or (self._differs(key) and not isinstance(owner, Part))
        return above if meant else None

    def _differs(self, key: Key) -> bool:
        """Has the setting another value than its default?"""
        owner = _held(self.config, key[:-1])
        field = type(owner).model_fields.get(str(key[-1])) if isinstance(owner, Settings) else None
        return field is not None and _held(owner, key[-1:]) != field.get_default(call_default_factory=True)

    def _reset(self, key: Key) -> bool:
        return any(key[: len(reset)] == reset for reset in self.resets)


def _held(settings: Any, key: Key) -> Any:
    for part in key:
        settings = settings[part] if isinstance(part, int) else getattr(settings, part, None)
    return settings


def _bare(settings: Any) -> str | None:
    """The setting that a bare value of these settings stands for."""
    return "name" if isinstance(settings, Part) else getattr(settings, "bare", None)


def load(
    path: str | Path, overrides: Sequence[str] = (), *, reset: Sequence[str] = (), plugins: Sequence[str | Path] = ()
) -> Loaded:
    """Read, merge and validate a file and those that it extends.

    ``extends: base.yaml`` at the top of a file names another, relative to it, which it changes: mappings merge, except that a
    changed name replaces its section, lists replace. The run's name is not inherited: it is what the named file says, or its
    stem. Raises ConfigError with all problems at once, each with its file, line and column.
    """
    return _build(_extended(path), overrides, reset=reset, plugins=plugins, name=Path(path).stem)


def as_arguments(overrides: Sequence[str] | Mapping[str, Any], name: str | None = None) -> list[str]:
    """``{"optimizer.lr": 1e-3}`` as ``["optimizer.lr=0.001"]``; ``name`` is one more."""
    if isinstance(overrides, Mapping):
        overrides = [f"{key}={dump(value).strip()}" for key, value in overrides.items()]
    return [*overrides, *([] if name is None else [f"name={dump(name).strip()}"])]


def build(
    file: Document,
    overrides: Sequence[str] = (),
    *,
    reset: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    folder: Path,
    name: str,
    environment: bool = True,
) -> Loaded:
    """A Config from a document, which extends nothing, and arguments. Paths are relative to ``folder``, in arguments to the
    working directory.

    ``environment``: may the document read variables? A checkpoint's may not.
    """
    return _build([Layer(file, folder)], overrides, reset=reset, plugins=plugins, name=name, environment=environment)


def _build(
    files: Sequence[Layer],
    overrides: Sequence[str],
    *,
    reset: Sequence[str],
    plugins: Sequence[str | Path],
    name: str,
    environment: bool = True,
) -> Loaded:
    """``files``: the one that was named, then what it extends."""
    faults: list[Problem] = []
    arguments = _read_all(overrides, faults)
    for plugin in plugins:
        load_plugin(plugin)
    resets = _read_resets(reset, faults)
    merged = _Merged()
    for layer in reversed(files):
        merged.add(layer, environment=environment)
    for key in resets:
        merged.reset(key)
    for key, layer in arguments:
        if not _in_list(key):
            merged.add(layer, key)
    place = Places(files[0], merged.written)
    if isinstance(merged.tree, dict):
        merged.tree.setdefault("name", re.sub(r"[^\w.-]", "-", name, flags=re.ASCII).lstrip(".-")[:100] or "run")
        _load_plugins(merged.tree.get("plugins"), place)
    for key, layer in arguments:
        if _in_list(key):  # once the list is settled, and a plugin may explain its items
            merged.add(layer, key)
    faults += [*merged.faults(), *(fault for key in resets if (fault := _reset_fault(key, merged.tree)))]
    try:
        config = Config.model_validate(merged.tree)
    except ValidationError as error:
        told = {fault.key for fault in faults if fault.key}
        found = map(place, problems(error.errors(include_url=False), merged.tree, Config))
        faults += [problem for problem in found if not any(problem.key[: len(key)] == key for key in told)]
    except TrainkitError as error:
        raise error.placed(place) from None
    if faults:
        order = [*(layer.document.file for layer in files), *map(called, overrides)]
        raise ConfigError(
            sorted(faults, key=lambda p: (order.index(p.file) if p.file in order else len(order), p.line or 0, p.column or 0))
        )
    return Loaded(_with_absolute_paths(config, place), place, tuple(resets))


# --- which files and arguments


def _extended(path: str | Path) -> list[Layer]:
    """The file, the one that it extends, the one that that extends, …"""
    layers = [Layer(read_file(path), Path(path).absolute().parent)]
    chain = [str(path)]
    while "extends" in (document := layers[-1].document).value:
        written = _extends(document)
        file = os.path.normpath(os.path.join(os.path.dirname(chain[-1]), os.path.expanduser(written)))
        chain.append(file)
        if any(os.path.realpath(file) == os.path.realpath(other) for other in chain[:-1]):
            _refuse(document, f"extends goes in a circle: {' → '.join(chain)}.", "Take one of these files out of it.")
        if len(layers) == LEVELS:
            _refuse(document, f"extends goes more than {LEVELS} files deep here.", "Put some of them together.")
        try:
            layers.append(Layer(read_file(file, written=written), Path(file).absolute().parent))
        except ConfigError as error:
            (problem,) = error.problems
            if problem.line is not None:  # the mistake is in what it holds
                raise
            _refuse(document, f"extends: {file}: {problem.message}", problem.suggestion)
    return [_inherited(layer, own=layer is layers[0]) for layer in layers]


def _inherited(layer: Layer, own: bool) -> Layer:
    """The layer without what is not passed on."""
    left_out = {"extends"} if own else {"extends", "name"}
    value = {key: item for key, item in layer.document.value.items() if key not in left_out}
    return replace(layer, document=replace(layer.document, value=value))


def _extends(document: Document) -> str:
    """What the file extends, as it is written."""
    faults: list[Problem] = []
    named = _with_environment(document, document.value["extends"], faults, ("extends",))
    if faults:
        raise ConfigError(faults)
    if not isinstance(named, str) or not named or "\0" in named:
        mend = "A file extends one other, which may extend another." if isinstance(named, list) else "Write `extends: base.yaml`."
        _refuse(document, f"extends should be the path of one file, not {quoted(named)}.", mend)
    return named


def _refuse(document: Document, message: str, suggestion: str | None) -> NoReturn:
    raise ConfigError([document.problem(message, ("extends",), suggestion=suggestion)])


def _read_all(overrides: Iterable[str], faults: list[Problem]) -> list[tuple[Key, Layer]]:
    read: list[tuple[Key, Layer]] = []
    for argument in overrides:
        try:
            key, document = read_override(argument)
            read.append((key, Layer(document)))
        except ConfigError as error:
            faults += error.problems
    return sorted(read, key=lambda pair: breadth_first(pair[0]))


def _in_list(key: Key) -> bool:
    return key[0] != "plugins" and any(isinstance(part, int) for part in key)


def _read_resets(reset: Iterable[str], faults: list[Problem]) -> list[Key]:
    parsed = {text: parse_key(text) for text in reset}
    faults += [
        Problem(f"{text!r} is not a setting's name.", (), "Write one such as optimizer.lr.", "--reset")
        for text, key in parsed.items()
        if key is None
    ]
    return [key[0] for key in parsed.values() if key is not None]


def _reset_fault(key: Key, tree: Any) -> Problem | None:
    owner, last = settings_at(key[:-1], tree, Config), key[-1]
    field = owner.model_fields.get(str(last)) if owner else None
    if isinstance(last, int):
        return Problem(
            f"{dotted(key)} is an item, and only the whole list has a default.", key, f"Reset {dotted(key[:-1])}.", "--reset"
        )
    if owner is None or field is None:
        return replace(not_a_setting(key, tree, Config), file="--reset")
    if field.is_required():
        return Problem(f"{dotted(key)} has no default.", key, f"Give it a value: {dotted(key)}=….", "--reset")
    return None


# --- merging


class _Merged:
    """What files and arguments say together, each over those before it, and who wrote what stands there now."""

    def __init__(self) -> None:
        self.tree: Any = {}
        self.written: dict[Key, Origin] = {}
        self._failed: list[Problem] = []
        self._unread: list[tuple[Layer, Problem]] = []

    def add(self, layer: Layer, key: Key = (), *, environment: bool = True) -> None:
        """Put a layer over the tree; ``key`` is what an argument names."""
        document, unread, replaced = layer.document, list[Problem](), set[Key]()
        value = _with_environment(document, document.value, unread) if environment else document.value
        try:
            self.tree = merge(self._ready(key, value), value, replaced=replaced)
        except ConfigError as error:
            self._failed += [_placed(problem, layer, problem.key) for problem in error.problems]
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
            name = "name" if is_part(above, tree, Config) else _bare(settings_at(above, tree, Config))
            if name:
                tree = merge(tree, _under(above, {name: bare}))
                self.written[(*above, name)] = self.written[above]
        n = next((n for n, part in enumerate(key) if isinstance(part, int)), 0)
        owner = settings_at(key[: n - 1], tree, Config) if n else None
        field = owner.model_fields.get(str(key[n - 1])) if owner else None
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


def _with_environment(document: Document, value: Any, faults: list[Problem], key: Key = ()) -> Any:
    """``${env:NAME:-default}``, where it is a whole value, becomes what the environment says, read as YAML."""
    if isinstance(value, Mapping):
        return {k: _with_environment(document, v, faults, (*key, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_environment(document, v, faults, (*key, n)) for n, v in enumerate(value)]
    match = _ENV.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    name, text = match[1], os.environ.get(match[1], match[2])
    if text is None:
        message, mend = f"The environment has no variable {name}.", f"Set it, or give a default: ${{env:{name}:-value}}."
    else:
        try:
            return read_text(text, name).value
        except ConfigError as error:
            message, mend = f"What the environment says for {name} is not YAML: {error.problems[0].message}", ""
    faults.append(document.problem(message, key, suggestion=mend or None))
    return value


# --- plugins and paths


def _load_plugins(named: Any, place: Places) -> None:
    for n, plugin in enumerate(named if isinstance(named, list) else []):
        if isinstance(plugin, str):
            key: Key = ("plugins", n)
            try:
                load_plugin(place.folder(key) / Path(plugin).expanduser(), key)
            except TrainkitError as error:
                raise error.placed(place) from error.__cause__


def _with_absolute_paths(config: Config, place: Places) -> Config:
    keys = list(path_keys(config))
    if not keys:
        return config
    tree = config.model_dump(mode="json")
    for key in keys:
        holder = at(tree, key[:-1])
        holder[key[-1]] = os.path.normpath(place.folder(key) / Path(holder[key[-1]]).expanduser())
    return Config.model_validate(tree)
