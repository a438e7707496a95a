"""Train from a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from trainkit.config.loading import Loaded, as_arguments, load
from trainkit.engine.assembling import outlined
from trainkit.engine.hardware import prepared
from trainkit.engine.loop import fit
from trainkit.engine.run import Run, split_sizes
from trainkit.engine.summary import Layer, count, summary
from trainkit.errors import TrainkitError
from trainkit.jobs.building import build_run
from trainkit.jobs.driving import Drive, Screen, Silent
from trainkit.jobs.result import Result
from trainkit.report import story
from trainkit.store import checkpoint
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
    loaded = load(config, as_arguments(overrides, name), reset=reset, plugins=plugins)
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
    loaded = load(config, as_arguments(overrides, name), reset=reset, plugins=plugins)
    with placing(loaded), prepared(loaded.config.threads, loaded.config.deterministic):
        run = build_run(loaded.config)
        layers = summary(*outlined(run.config, run.data.spec, run.network, run.data["train"].part(0, 2)))
        lines = story.opening(run, torch.get_num_threads())
        total, trainable = count(run.network)
        event = next(fit(run))
        validation = None
        if "validation" in run.data:
            validation = run.evaluator(run.data["validation"].first(run.plan.evaluation_batch)).metrics
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


@contextmanager
def placing(loaded: Loaded) -> Iterator[None]:
    """Errors that name a key get the file, line and column where it was written."""
    try:
        yield
    except TrainkitError as error:
        raise error.placed(loaded.place) from error.__cause__


def new_folder(run: Run, runs: str | Path | None) -> RunFolder:
    """A run's folder, born with its config, its environment and its first checkpoint."""
    hardware = run.hardware
    facts = environment(device=str(hardware.device), precision=hardware.precision, threads=torch.get_num_threads())
    header = f"# {run.config.name}: every setting of this run. Again: trainkit train THIS_FILE\n"

    def first(folder: RunFolder) -> None:
        best = [folder.best] if run.state.step and run.state.step == run.state.best_step else []  # begun from a best checkpoint
        checkpoint.save(run.content() | {"loggers": None}, *best, folder.last)

    return create(runs_root(runs), run.config.name, {"config.yaml": header + run.config.text(), "environment.json": facts}, first)
