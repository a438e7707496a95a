"""Train from a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from trainkit.config.loading import Loaded, load, yaml_text
from trainkit.config.reader import dump
from trainkit.data.batches import slices
from trainkit.engine.hardware import prepared
from trainkit.engine.loop import fit
from trainkit.engine.run import Run, split_sizes
from trainkit.engine.summary import Layer, count, summary
from trainkit.errors import TrainkitError
from trainkit.jobs.building import build_run
from trainkit.jobs.driving import Drive, Screen, Silent
from trainkit.jobs.result import Result
from trainkit.report import story
from trainkit.store.environment import environment
from trainkit.store.runs import RunFolder, create, runs_root


def train(
    config: str | Path,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    reset: Sequence[str] = (),
    name: str | None = None,
    runs: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    screen: Screen | None = None,
) -> Result:
    """Train what the YAML file says, in a new run folder, and measure the best weights on the test split.

    ``overrides`` are ``"KEY=VALUE"`` texts or a mapping of dotted keys. Raises the errors of `trainkit.errors`;
    none of them leaves a half-made folder behind.
    """
    started, screen = perf_counter(), screen or Silent()
    loaded = load_named(config, overrides, reset, name, plugins)
    settings = loaded.config
    with placing(loaded), prepared(settings.threads, settings.deterministic):
        run = build_run(settings)
        folder = new_folder(run, runs)
        drive = Drive(run, folder, screen, perf_counter() - started)
        drive.say(f"run       {folder.shown}")
        for line in story.opening(run, torch.get_num_threads()):
            drive.say(line)
        return drive()


def rehearse(
    config: str | Path,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    reset: Sequence[str] = (),
    name: str | None = None,
    plugins: Sequence[str | Path] = (),
) -> tuple[dict[str, Any], list[str], list[Layer]]:
    """One batch through everything, nothing written: facts, the opening lines, and the network layer by layer."""
    loaded = load_named(config, overrides, reset, name, plugins)
    with placing(loaded), prepared(loaded.config.threads, loaded.config.deterministic):
        run = build_run(loaded.config)
        layers = summary(run.network, run.data["train"].inputs[:2])
        lines = story.opening(run, torch.get_num_threads())
        total, trainable = count(run.network)
        event = next(fit(run))
        validation = None
        if "validation" in run.data:
            validation = run.evaluator(next(slices(run.data["validation"], run.plan.evaluation_batch))).metrics
        facts = {
            "dry_run": True,
            "rows": split_sizes(run.data),
            "steps": run.plan.steps,
            "loss": event.loss.item(),
            "validation": validation,
            "parameters": {"total": total, "trainable": trainable},
            "device": str(run.hardware.device),
            "precision": run.hardware.precision,
        }
        return facts, lines, layers


def load_named(
    config: str | Path,
    overrides: Sequence[str] | Mapping[str, Any],
    reset: Sequence[str],
    name: str | None,
    plugins: Sequence[str | Path],
) -> Loaded:
    """The config with its overrides, ``name`` being one more."""
    return load(
        config,
        [*as_arguments(overrides), *([f"name={dump(name).strip()}"] if name is not None else [])],
        reset=reset,
        plugins=plugins,
    )


def as_arguments(overrides: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """``{"optimizer.lr": 1e-3}`` as ``["optimizer.lr=0.001"]``."""
    if isinstance(overrides, Mapping):
        return [f"{key}={dump(value).strip()}" for key, value in overrides.items()]
    return list(overrides)


class placing:
    """Errors that name a key get the file, line and column where it was written."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TrainkitError):
            raise error.placed(self.loaded.place) from error.__cause__


def new_folder(run: Run, runs: str | Path | None) -> RunFolder:
    """A run's folder with its config and its environment."""
    hardware = run.hardware
    facts = environment(device=str(hardware.device), precision=hardware.precision, threads=torch.get_num_threads())
    header = f"# {run.config.name}: every setting of this run. Again: trainkit train THIS_FILE\n"
    return create(runs_root(runs), run.config.name, {"config.yaml": header + yaml_text(run.config), "environment.json": facts})
