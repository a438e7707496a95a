"""From a config to a Run: read, infer the task, split, prepare, assemble."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from trainkit.config.tree import Config
from trainkit.data.preparing import check_rows, prepare
from trainkit.data.splits import Change, Data
from trainkit.data.splitting import Shares
from trainkit.engine.hardware import Hardware
from trainkit.engine.run import Run
from trainkit.errors import ConfigError, DataError
from trainkit.parts.models._transfer import Transfer
from trainkit.parts.tasks import WORDS, tasks
from trainkit.spec import Rows, Spec, Target

TASKS: dict[Target, str] = {"class": "classification", "number": "regression", "labels": "multilabel"}
"""What a target asks for, where the config leaves the task out."""


def read_rows(config: Config) -> tuple[Rows, Config]:
    """All rows of the source, and the config with the task that their target asks for, where it was left out."""
    rows = config.data.build(config.task.target if config.task else None)
    if not isinstance(rows, Rows):
        what = f"the source's build gives {type(rows).__name__}, not trainkit.spec.Rows."
        raise ConfigError(what, key=("data",), suggestion="Let it return Rows(inputs, targets, kind, target_kind).")
    check_rows(rows)
    if rows.kind != config.data.data_kind:
        what = f"the source gives rows of the kind {rows.kind}, and its data_kind says {config.data.data_kind}."
        mend = f'Let its property data_kind return "{rows.kind}".'
        raise ConfigError(what, key=("data",), suggestion=mend)
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
    data = prepare(
        rows,
        config.preprocess if fitted is not None else config.preprocess.following(config.model.asked()),
        Shares(**config.split.model_dump()),
        seed=config.seed,
        fitted=fitted,
        train_rows=config.training.limit,
        dtype=hardware.dtype,
        workers=workers(config),
        augmented=bool(config.augment),
    )
    if not config.augment:
        if isinstance(config.model, Transfer) and config.model.augment_copies and fitted is None:
            words = "there is no augmentation, of which views could come round."
            raise ConfigError(words, key=("model", "augment_copies"), suggestion="Leave it out, or say how: `augment: [flip]`.")
        return data
    return data.changed(list(_changes(config, data.spec)), config.seed, _views(config))


def _views(config: Config) -> int:
    """How many changed views of each picture come round; 0: every epoch has its own. Raises ConfigError where features of what
    changes in every epoch should be kept."""
    model = config.model
    if not isinstance(model, Transfer):
        return 0
    if model.augment_copies is None and model.cache in ("memory", "file"):
        raise ConfigError(
            f"augmentation changes the pictures in every epoch: their features cannot be kept (cache: {model.cache}).",
            key=("model", "cache"),
            suggestion="Keep so many changed views of each: `model.augment_copies: 5`; or leave cache or augment out.",
        )
    if model.augment_copies and (mixing := [n for n, part in enumerate(config.augment) if part.mixes]):
        words = f"{config.augment[mixing[0]].name} mixes pictures anew in every step: no views of them can come round."
        raise ConfigError(words, key=("augment", mixing[0]), suggestion="Leave it out, or model.augment_copies.")
    return model.augment_copies or 0


def _quick(config: Config, rows: Rows, data: Data) -> list[str]:
    """What a quick look at the data warns of, where it is the user's own."""
    if not any(key[0] == "data" for key in config.paths()):  # nothing that somebody could mend, and Polars takes 0.2 s to load
        return []
    from trainkit.data.findings import lines, quick

    columns = Shares(**config.split.model_dump()).columns
    return lines(quick(rows, data, left_out=columns, balanced=weighs_classes(config)))


def weighs_classes(config: Config) -> bool:
    """Does the training make up for rare classes already?"""
    return getattr(config.task, "class_weights", "none") != "none" or config.training.sampler == "balanced"


def workers(config: Config) -> int:
    """Threads that read ahead."""
    if config.training.workers is not None:
        return config.training.workers
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _changes(config: Config, spec: Spec) -> Iterator[Change]:
    """The augmentations, built; what one of them says does not fit gets its place in the list."""
    loss = getattr(config.task, "loss", None)
    for n, part in enumerate(config.augment):
        if part.mixes and spec.target == "labels" and loss is not None and not loss.soft:
            words = f"{part.name} makes labels between 0 and 1, and the loss {loss.name} takes 0 and 1 only."
            raise ConfigError(words, key=("augment", n), suggestion="Use the loss bce.")
        try:
            yield Change(part.name, part.build(spec), part.mixes)
        except (ConfigError, DataError) as error:
            problems = [replace(problem, key=("augment", n, *problem.key)) for problem in error.problems]
            raise type(error)(problems) from error


def build_run(config: Config) -> Run:
    """A Run at its first step, on one thread where that is enough: call it within `prepared`, which puts the threads back.

    Raises SetupError, ConfigError or DataError before anything is written.
    """
    hardware = Hardware.choose(config.device, config.precision)  # first: the cheapest to get wrong
    rows, config = read_rows(config)
    data = read_data(config, rows, hardware)
    run = Run.build(config, replace(data, found=tuple(_quick(config, rows, data))), hardware)
    if run.small and config.threads is None and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # two that wait for each other took 5 ms a step, one 1.8: docs/log.md
    return run
