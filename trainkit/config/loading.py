"""From a file and arguments to a Config, with the place of every setting at hand for later messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainkit.config.explaining import at, is_part, not_a_setting, problems, settings_at
from trainkit.config.overrides import breadth_first, called, merge, parse_key, read_override, without
from trainkit.config.plugins import load_plugin
from trainkit.config.reader import Document, dump, read_file, read_text
from trainkit.config.tree import Config, path_keys
from trainkit.errors import ConfigError, Key, Problem, TrainkitError, dotted
from trainkit.part import Registry, Settings

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
    """A Config from a document and arguments. Paths are relative to ``folder``, in arguments to the working directory.

    ``environment``: may the document read variables? A checkpoint's may not.
    """
    faults: list[Problem] = []
    arguments = _read_all(overrides, faults)
    documents = (file, *(document for _, document in arguments))
    place = Places(documents)
    for plugin in plugins:
        load_plugin(plugin)
    resets = _read_resets(reset, faults)
    tree = _with_environment(file, file.value, faults) if environment else file.value
    for key in resets:
        tree = without(tree, key)
    tree = _with_names(tree)
    into_lists = [(key, document) for key, document in arguments if key[0] != "plugins" and any(isinstance(k, int) for k in key)]
    for key, document in arguments:
        if (key, document) not in into_lists:
            tree = _merged(tree, key, document, place, faults)
    if isinstance(tree, dict):
        tree.setdefault("name", re.sub(r"[^\w.-]", "-", name, flags=re.ASCII).lstrip(".-")[:100] or "run")
        _load_plugins(tree.get("plugins"), place, folder)
    for key, document in into_lists:
        tree = _merged(tree, key, document, place, faults)
    faults += [fault for key in resets if (fault := _reset_fault(key, tree))]
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        told = {fault.key for fault in faults if fault.key}
        found = map(place, problems(error.errors(include_url=False), tree, Config))
        faults += [problem for problem in found if problem.key not in told]
    except TrainkitError as error:
        raise error.placed(place) from None
    if faults:
        order = [file.file, *map(called, overrides)]
        raise ConfigError(
            sorted(faults, key=lambda p: (order.index(p.file) if p.file in order else len(order), p.line or 0, p.column or 0))
        )
    return Loaded(_with_absolute_paths(config, documents, folder), place)


def _read_all(overrides: Iterable[str], faults: list[Problem]) -> list[tuple[Key, Document]]:
    read: list[tuple[Key, Document]] = []
    for argument in overrides:
        try:
            read.append(read_override(argument))
        except ConfigError as error:
            faults += error.problems
    return sorted(read, key=lambda pair: breadth_first(pair[0]))


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
        return Problem(*not_a_setting(key, tree, Config), file="--reset")
    if field.is_required():
        return Problem(f"{dotted(key)} has no default.", key, f"Give it a value: {dotted(key)}=….", "--reset")
    return None


def _with_names(tree: Any) -> Any:
    """Sections that leave out their part's name say the default's, so that an override can change it."""
    if not isinstance(tree, dict):
        return tree
    named = dict(tree)
    for key, field in Config.model_fields.items():
        default = next((mark.default for mark in field.metadata if isinstance(mark, Registry)), None)
        if default is not None and isinstance(tree.get(key), dict):
            named[key] = {"name": default, **tree[key]}
    return named


def _merged(tree: Any, key: Key, document: Document, place: Places, faults: list[Problem]) -> Any:
    try:
        return merge(_ready(tree, key, document), _with_environment(document, document.value, faults))
    except ConfigError as error:
        faults += error.placed(place).problems
        return tree


def _ready(tree: Any, key: Key, document: Document) -> Any:
    """The tree with what an override goes into written out: a bare name as a mapping, a list that was left out as its default."""
    for above in document.keys:
        name = at(tree, above)
        if isinstance(name, str) and isinstance(at(document.value, above), dict) and is_part(above, tree, Config):
            tree = merge(tree, _under(above, {"name": name}))
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


def _load_plugins(named: Any, place: Places, folder: Path) -> None:
    for n, plugin in enumerate(named if isinstance(named, list) else []):
        if isinstance(plugin, str):
            key: Key = ("plugins", n)
            try:
                load_plugin(_base(key, place.documents, folder) / Path(plugin).expanduser(), key)
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
