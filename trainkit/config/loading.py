"""From a file and arguments to a Config, with the place of every setting at hand for later messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainkit.config.explaining import at, problems, settings_at
from trainkit.config.overrides import merge, parse_key, read_override, without
from trainkit.config.plugins import load_plugin
from trainkit.config.reader import Document, dump, read_file, read_text
from trainkit.config.tree import Config, path_keys
from trainkit.errors import ConfigError, Key, Problem, TrainkitError

_ENV = re.compile(r"\$\{env:([A-Za-z_]\w*)(?::-(.*))?\}", re.DOTALL)


@dataclass(frozen=True)
class Places:
    """Where settings were written: the file first, then each override; a later one wins."""

    documents: tuple[Document, ...]

    def __call__(self, problem: Problem) -> Problem:
        """The problem with the file, line and column of its key, or of the nearest setting above it that was written."""
        file, key = self.documents[0], problem.key
        for n in range(len(key), 0, -1):
            for document in reversed(self.documents):
                if key[:n] in document.keys:
                    return self._in(document, problem)
        return self._in(file, problem)

    def _in(self, document: Document, problem: Problem) -> Problem:
        at = "key" if "is not a setting" in problem.message else "value"
        return document.problem(problem.message, problem.key, at=at, suggestion=problem.suggestion)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Loaded:
    """A config, and where each of its settings was written."""

    config: Config
    place: Places


def load(
    path: str | Path, overrides: Sequence[str] = (), *, reset: Sequence[str] = (), plugins: Sequence[str | Path] = ()
) -> Loaded:
    """Read, merge and validate. Raises ConfigError with all problems at once, each with its file, line and column."""
    file = read_file(path)
    return build(file, overrides, reset=reset, plugins=plugins, folder=Path(path).absolute().parent, name=Path(path).stem)


def from_text(text: str, called: str, overrides: Sequence[str] = (), *, plugins: Sequence[str | Path] = ()) -> Loaded:
    """The config that a checkpoint holds; ``called`` is what messages call it."""
    return build(read_text(text, called), overrides, plugins=plugins, folder=Path.cwd(), name="run")


def build(
    file: Document,
    overrides: Sequence[str] = (),
    *,
    reset: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    folder: Path,
    name: str,
) -> Loaded:
    """A Config from a document and arguments. Paths are relative to ``folder`` in the document, to the working directory in overrides."""
    arguments, faults = _read_all(overrides)
    documents = (file, *arguments)
    for plugin in plugins:
        load_plugin(plugin)
    tree = _with_environment(file, file.value)
    for key in reset:
        tree = without(tree, parse_key(key, f"--reset {key}")[0])
    changes: Any = {}
    for document in arguments:
        changes = merge(changes, _with_environment(document, document.value))
    tree = merge(tree, changes)
    place = Places(documents)
    if isinstance(tree, dict):
        tree.setdefault("name", re.sub(r"[^\w.-]", "-", name, flags=re.ASCII).lstrip(".-")[:100] or "run")
        _load_plugins(tree.get("plugins"), place, folder)
    for key in reset:
        _check_key(parse_key(key, f"--reset {key}")[0], tree, f"--reset {key}")
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        found = [place(problem) for problem in problems(error.errors(include_url=False), tree, Config)]
        raise ConfigError(sorted([*faults, *found], key=lambda p: (p.file != file.file, p.line or 0, p.column or 0))) from None
    except TrainkitError as error:
        raise error.placed(place) from None
    if faults:
        raise ConfigError(faults)
    return Loaded(_with_absolute_paths(config, documents, folder), place)


def _read_all(overrides: Iterable[str]) -> tuple[list[Document], list[Problem]]:
    documents: list[Document] = []
    faults: list[Problem] = []
    for argument in overrides:
        try:
            documents.append(read_override(argument))
        except ConfigError as error:
            faults += error.problems
    return documents, faults


def _check_key(key: Key, tree: Any, file: str) -> None:
    owner = settings_at(key[:-1], tree, Config)
    if owner is None or key[-1] not in owner.model_fields:
        raise ConfigError([Problem(f"{'.'.join(map(str, key))} is not a setting.", key, None, file, 1, len("--reset ") + 1, file)])


def _with_environment(document: Document, value: Any, key: Key = ()) -> Any:
    """``${env:NAME:-default}``, where it is a whole value, becomes what the environment says, read as YAML."""
    if isinstance(value, Mapping):
        return {k: _with_environment(document, v, (*key, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_environment(document, v, (*key, n)) for n, v in enumerate(value)]
    match = _ENV.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    text = os.environ.get(match[1], match[2])
    if text is None:
        raise ConfigError(
            [
                document.problem(
                    f"the environment has no variable {match[1]}.",
                    key,
                    suggestion=f"Set it, or give a default: ${{env:{match[1]}:-value}}.",
                )
            ]
        )
    return read_text(text, f"environment variable {match[1]}").value


def _load_plugins(named: Any, place: Places, folder: Path) -> None:
    for n, plugin in enumerate(named if isinstance(named, list) else []):
        if isinstance(plugin, str):
            key: Key = ("plugins", n)
            try:
                load_plugin(_base(key, place.documents, folder) / plugin, key)
            except TrainkitError as error:
                raise error.placed(place) from error.__cause__


def _base(key: Key, documents: Sequence[Document], folder: Path) -> Path:
    """The folder against which a path written there is meant."""
    for document in reversed(documents[1:]):
        if any(key[:n] in document.values for n in range(1, len(key) + 1)) and at(document.value, key) is not None:
            return Path.cwd()
    return folder


def _with_absolute_paths(config: Config, documents: Sequence[Document], folder: Path) -> Config:
    keys = list(path_keys(config))
    if not keys:
        return config
    tree = config.model_dump(mode="json")
    for key in keys:
        holder = at(tree, key[:-1])
        path = Path(os.path.normpath(_base(key, documents, folder) / Path(holder[key[-1]]).expanduser()))
        holder[key[-1]] = str(path)
    return Config.model_validate(tree)


def yaml_text(config: Config) -> str:
    """The complete config as YAML that `load` reads back as equal."""
    return dump(config.model_dump(mode="json"))
