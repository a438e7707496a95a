"""Who wrote a setting, and where: what messages about it name, what `show` says of it, and what its paths are relative to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from trainkit.config.environment import is_variable
from trainkit.config.explaining import at
from trainkit.config.reader import Document
from trainkit.config.tree import Config
from trainkit.errors import Key, Problem, dotted
from trainkit.part import Part, Settings


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
        return f"{document.file}:{line}" + (f", {written}" if is_variable(written) else "")


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
        return placed(problem, origin.layer if origin else self.file, (*origin.key, *key[above:]) if origin else key)

    def folder(self, key: Key) -> Path:
        """The folder against which a path is meant that is written there."""
        return (self.written[key].layer.folder or Path.cwd()) if key in self.written else self.file.folder or Path.cwd()


def placed(problem: Problem, layer: Layer, key: Key) -> Problem:
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
            case ("task",) | ("preprocess", "name"):
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
        meant = key[-1] == bare_setting(owner) or (self._differs(key) and not isinstance(owner, Part))
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


def bare_setting(settings: Any) -> str | None:
    """The setting that a bare value of these settings stands for."""
    return "name" if isinstance(settings, Part) else getattr(settings, "bare", None)
