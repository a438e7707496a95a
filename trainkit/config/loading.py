"""From files and arguments to a Config, with the place and the origin of every setting at hand for later."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from trainkit.config.environment import with_environment
from trainkit.config.explaining import at, field_at, not_a_setting, problems, quoted
from trainkit.config.merging import Merged
from trainkit.config.origins import Layer, Loaded, Places
from trainkit.config.overrides import breadth_first, called, parse_key, read_override
from trainkit.config.plugins import load_plugin
from trainkit.config.reader import Document, dump, read_file
from trainkit.config.tree import Config, path_keys
from trainkit.errors import ConfigError, Key, Problem, TrainkitError, dotted

__all__ = ["LEVELS", "Loaded", "as_arguments", "build", "load"]
LEVELS = 20
"""So many files may extend one another."""


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
    merged = Merged()
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
    named = with_environment(document, document.value["extends"], faults, ("extends",))
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
    if isinstance(key[-1], int):
        return Problem(
            f"{dotted(key)} is an item, and only the whole list has a default.", key, f"Reset {dotted(key[:-1])}.", "--reset"
        )
    field = field_at(key, tree, Config)
    if field is None:
        return replace(not_a_setting(key, tree, Config), file="--reset")
    if field.is_required():
        return Problem(f"{dotted(key)} has no default.", key, f"Give it a value: {dotted(key)}=….", "--reset")
    return None


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
    keys = path_keys(config)
    if not keys:
        return config
    tree = config.model_dump(mode="json")
    for key in keys:
        holder = at(tree, key[:-1])
        holder[key[-1]] = os.path.normpath(place.folder(key) / Path(holder[key[-1]]).expanduser())
    return Config.model_validate(tree)
