"""What many tests share: an engine Run from a few settings, on the digits or on rows made in the test."""

import signal
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from trainkit.config.loading import as_arguments, build
from trainkit.config.reader import read_text
from trainkit.config.tree import Config
from trainkit.engine.hardware import Hardware
from trainkit.engine.run import Run
from trainkit.jobs.building import TASKS, read_data, read_rows
from trainkit.jobs.driving import Silent
from trainkit.parts.preprocessing import NAMES, preprocessing
from trainkit.parts.sources import sources
from trainkit.parts.tasks import tasks
from trainkit.spec import Rows

BASE = "data: digits\nmodel: {name: mlp, hidden: [16]}\ndevice: cpu\nloggers: []\n"


def make_config(overrides: Sequence[str] | Mapping[str, Any] = ()) -> Config:
    """A small MLP on the digits, changed by ``["KEY=VALUE"]`` or ``{"dotted.key": value}``."""
    return build(read_text(BASE, "test.yaml"), as_arguments(overrides), folder=Path.cwd(), name="test").config


def make_run(overrides: Sequence[str] | Mapping[str, Any] = (), rows: Rows | None = None) -> Run:
    """A Run at its first step, on the config's source (the digits are read once) or on ``rows``."""
    config = make_config(overrides)
    if rows is None and config.data.name == "digits":
        rows = digits()
    if rows is None:
        rows, config = read_rows(config)
    if rows.kind != config.data.data_kind:  # prepared as a source of that kind would be
        config = config.model_copy(update={"preprocess": preprocessing.read(NAMES[rows.kind])})
    if config.task is None:
        config = config.model_copy(update={"task": tasks.read(TASKS[rows.target_kind])})
    hardware = Hardware.choose(config.device, config.precision)
    return Run.build(config, read_data(config, rows, hardware), hardware)


@cache
def digits() -> Rows:
    """The digits as read."""
    return sources.read("digits").build(None)


class StopAfter(Silent):
    """Presses Ctrl-C after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, step: int, loss: float | None, rows_per_second: float | None) -> None:
        if step == self.steps:
            signal.raise_signal(signal.SIGINT)
