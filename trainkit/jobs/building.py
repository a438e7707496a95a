"""From a config to a Run: read, infer the task, split, prepare, assemble."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from trainkit.config.tree import Config
from trainkit.data.preparing import check_rows, prepare
from trainkit.engine.hardware import Hardware
from trainkit.engine.run import Run
from trainkit.errors import ConfigError
from trainkit.parts.tasks import WORDS, tasks
from trainkit.spec import Data, Rows, Target

TASKS: dict[Target, str] = {"class": "classification", "number": "regression", "labels": "multilabel"}
"""What a target asks for, where the config leaves the task out."""


def read_rows(config: Config) -> tuple[Rows, Config]:
    """All rows of the source, and the config with the task that their target asks for, where it was left out."""
    rows = config.data.build(config.task.target if config.task else None)
    if not isinstance(rows, Rows):
        what = f"the source's build gives {type(rows).__name__}, not trainkit.spec.Rows."
        raise ConfigError(what, key=("data",), suggestion="Let it return Rows(inputs, targets, kind, target_kind).")
    check_rows(rows)
    if config.task is None:
        config = config.model_copy(update={"task": tasks.read(TASKS[rows.target_kind])})
    return rows, config


def read_data(config: Config, rows: Rows, hardware: Hardware, fitted: Mapping[str, Any] | None = None) -> Data:
    """Split and prepared; with what a checkpoint had ``fitted``, or fitted now."""
    if config.task is not None and config.task.target != rows.target_kind:
        raise ConfigError(
            f"task {config.task.name} does not fit: the targets of {config.data.name} are {WORDS[rows.target_kind]}.",
            key=("task",),
            suggestion=f"Use `task: {TASKS[rows.target_kind]}`.",
        )
    return prepare(
        rows,
        validation=config.split.validation,
        test=config.split.test,
        seed=config.seed,
        fitted=fitted,
        scaling=config.preprocess.scaling,
        train_rows=config.training.limit,
        dtype=hardware.dtype,
    )


def build_run(config: Config) -> Run:
    """A Run at its first step, on one thread where that is enough: call it within `prepared`, which puts the threads back.

    Raises SetupError, ConfigError or DataError before anything is written.
    """
    hardware = Hardware.choose(config.device, config.precision)  # first: the cheapest to get wrong
    rows, config = read_rows(config)
    run = Run.build(config, read_data(config, rows, hardware), hardware)
    if run.small and config.threads is None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # two that wait for each other took 5 ms a step, one 1.8: docs/log.md
    return run
