"""Run folders: their names, their files, and how a few typed letters find one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainkit.errors import ConfigError, StorageError


@dataclass(frozen=True)
class RunFolder:
    """A run on the disk."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.pth"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.pth"

    @property
    def previous(self) -> Path:
        return self.checkpoints / "previous.pth"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def shown(self) -> str:
        """The path as short as it can be typed here."""
        try:
            return str(self.path.relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)

    def started(self) -> str:
        """When the run began, as ISO 8601 text that sorts by time; empty where nothing says so."""
        try:
            return str(json.loads((self.path / "environment.json").read_text(encoding="utf-8"))["started"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def end(self) -> dict[str, Any] | None:
        """The record that a finished run ends with; None while it is unfinished."""
        try:
            with self.metrics.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
                last = json.loads(file.read().splitlines()[-1])
        except (OSError, ValueError, IndexError):
            return None
        return last if isinstance(last, dict) and last.get("kind") == "end" else None

    def say(self, line: str) -> None:
        """Add a line to log.txt."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def runs_root(runs: str | Path | None = None) -> Path:
    """The folder of all runs: the argument, else TRAINKIT_RUNS, else ``runs`` in the working directory."""
    return Path(runs or os.environ.get("TRAINKIT_RUNS") or "runs").absolute()


def create(root: Path, name: str, files: Mapping[str, str], first: Callable[[RunFolder], None]) -> RunFolder:
    """A new folder ``name-N`` that holds these files, and what ``first`` saves in it, from its first moment on.

    N is the first number that is free. Raises StorageError when the disk says no; then nothing is left of it.
    """
    draft = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
        draft.chmod(0o777 & ~_umask())
        (draft / "checkpoints").mkdir()
        for file, text in files.items():
            (draft / file).write_text(text, encoding="utf-8")
        first(RunFolder(draft))
        return RunFolder(_claim(draft, root, name))
    except BaseException as error:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise StorageError(
            f"the run's folder cannot be made in {root}: {error.strerror}.",
            suggestion="Choose another place with --runs or TRAINKIT_RUNS.",
        ) from error


def _claim(draft: Path, root: Path, name: str) -> Path:
    taken = [int(end) for path in root.glob(f"{name}-*") if (end := path.name[len(name) + 1 :]).isdecimal()]
    number = max(taken, default=0) + 1
    while True:
        path = root / f"{name}-{number}"
        try:
            return draft.rename(path)  # a folder that is not empty is never replaced: one of two wins the name
        except OSError:
            if not path.exists():
                raise
            number += 1


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def folders(root: Path) -> list[RunFolder]:
    """All runs, the latest start first."""
    found = [RunFolder(path) for path in root.glob("*") if (path / "config.yaml").is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda run: (run.started(), run.path.name), reverse=True)


def find_run(text: str, root: Path) -> RunFolder:
    """A run's folder, its name, a prefix that only one name has, or ``last``. Raises ConfigError."""
    path = Path(text)
    if (path / "config.yaml").is_file():
        return RunFolder(path.absolute())
    known = folders(root)
    if text == "last" and known:
        return known[0]
    matching = [run for run in known if run.path.name == text] or [run for run in known if run.path.name.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ConfigError(
            f"{text!r} could be any of {', '.join(sorted(run.path.name for run in matching)[:8])}.",
            suggestion="Type more of the name.",
        )
    what = "is a folder without a run in it" if path.is_dir() else "is neither a file nor a run"
    names = f"Runs in {root}: {', '.join(run.path.name for run in known[:8])}." if known else f"There is no run in {root} yet."
    raise ConfigError(f"{text!r} {what}.", suggestion=names)


def find_checkpoint(text: str, root: Path) -> Path:
    """A ``.pth`` file, or the best weights of a run. Raises ConfigError when there is none."""
    if Path(text).is_file() or text.endswith(".pth"):
        path = Path(text).absolute()
        if not path.is_file():
            raise ConfigError(f"the checkpoint {text} is {'a folder' if path.is_dir() else 'not there'}.")
        return path
    run = find_run(text, root)
    for path in (run.best, run.last):
        if path.is_file():
            return path
    raise ConfigError(f"{run.shown} holds no checkpoint yet.", suggestion=f"Finish it: trainkit resume {run.shown}")


def run_of(checkpoint: Path) -> RunFolder | None:
    """The run whose folder this checkpoint lies in; None for a file elsewhere."""
    folder = checkpoint.absolute().parent
    return RunFolder(folder.parent) if folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file() else None
