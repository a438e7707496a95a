"""The Config: everything that a run is told, as one frozen tree of settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from trainkit.config.reader import dump
from trainkit.errors import ConfigError, Key
from trainkit.part import IsPath, Part, PathSetting, Settings, fault, inside
from trainkit.parts import families
from trainkit.parts.augmentations import AnyAugmentation, augmentations
from trainkit.parts.loggers import AnyLogger, loggers
from trainkit.parts.models import AnyModel
from trainkit.parts.optimizers import AnyOptimizer, optimizers
from trainkit.parts.preprocessing import NAMES, AnyPreprocess, preprocessing
from trainkit.parts.schedules import AnySchedule, schedules
from trainkit.parts.sources import AnySource, sources
from trainkit.parts.tasks import AnyTask, tasks

RUN_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
Count = Annotated[int, Field(gt=0, le=10**12)]
Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?[smh]$", examples=["90s", "30m", "1.5h"])]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$", examples=["auto", "cpu", "cuda", "cuda:1", "mps"])]


class Split(Settings):
    """Which rows validate and test, of those that the source does not split itself; the rest trains.
    Shares are stratified for classes."""

    validation: float = Field(default=0.15, ge=0, lt=1)
    """Share of the rows that decides which weights are best, and when to stop. 0: none."""
    test: float = Field(default=0.15, ge=0, lt=1)
    """Share of the rows that is measured once, at the end. 0: none."""
    column: str | None = Field(default=None, examples=["split"])
    """A column that says train, validation or test; it is no input then. The shares mean nothing with it."""
    group: str | None = Field(default=None, examples=["patient"])
    """A column: rows with the same value stay in one split, so that nobody is both learnt from and tested. It is no input."""
    time: str | None = Field(default=None, examples=["date"])
    """A column of numbers or dates: the earliest rows train, the latest test, and no moment is in two splits. It is no input."""

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        ways = [name for name in ("column", "group", "time") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise fault((ways[1],), f"the rows are split by {ways[0]} already: keep one of the two")
        return self

    @model_validator(mode="after")
    def _leave_some(self) -> Split:
        if self.validation + self.test >= 1:
            raise fault(("test",), f"validation and test take {self.validation + self.test:g} of the rows: none is left to train")
        return self


class EarlyStopping(Settings):
    """Stop when an evaluation after another brings nothing better."""

    monitor: str = "val_loss"
    """What is watched: train_loss, val_loss, or val_ and a metric of the task. Also decides which weights are best."""
    patience: int = Field(default=10, gt=0, le=10**9)
    """So many evaluations without anything better end the training."""
    min_delta: float = Field(default=0.0, ge=0)
    """A smaller change does not count as better."""


class Training(Settings):
    """How long, in which batches, and how watched."""

    epochs: Count | None = 10
    """Passes over the training split."""
    steps: Count | None = None
    """Optimizer steps, instead of epochs."""
    batch_size: Literal["all"] | Count = 32
    """Rows in one optimizer step; all: the whole training split, so that a step is an epoch."""
    sampler: Literal["auto", "shuffle", "balanced", "buckets"] = "auto"
    """Which rows follow each other. shuffle: all, in a new order each epoch; balanced: every class equally often, rows of rare
    ones several times; buckets: rows of about one length together, to pad less. auto: buckets for texts, else shuffle."""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """Threads that read rows ahead, where they are not held in memory; 0: none; null: as many as there are cores, 8 at most.
    Any number gives the same training."""
    accumulate: Count = 1
    """Pieces in which a batch goes through the network, to save memory; the step stays the same."""
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient (Pascanu et al. 2013, arXiv 1211.5063); null: as it is."""
    l1: float = Field(default=0.0, ge=0, le=1e3)
    """Penalty on the sum of all weights' absolute values: it drives weights to zero. Biases and norms are left alone."""
    max_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the weights that lead into one unit (Srivastava et al. 2014, JMLR 15, section 5.1); null: any."""
    unfreeze: dict[str, str | tuple[str, ...]] = Field(default_factory=dict, examples=[{"3": "layer4", "6": "layer3"}])
    """Parts of a pretrained model that train from the beginning of an epoch on, counted from 1: `{3: layer4, 6: layer3}`; stages,
    or other names and patterns as in model.train."""
    ema: float | None = Field(default=None, gt=0, lt=1, examples=[0.999])
    """Evaluate and keep a running mean of the weights, with this memory, such as 0.999, shorter at first; null: the weights."""
    early_stopping: EarlyStopping | None = None
    """When to stop before the end; null: never."""
    evaluate_every: Literal["epoch"] | Count = "epoch"
    """Evaluate after every epoch, or after so many steps; always at the end."""
    log_every: Count = 10
    """Steps between two records of the loss."""
    max_time: Annotated[float, Field(gt=0)] | Duration | None = None
    """Stop after this time of training: seconds, or text such as 90s, 30m, 1.5h; null: never. Resumes count together, from the
    moment when it is set."""
    limit: Count | None = None
    """Train on at most so many rows of the training split; null: all."""

    @model_validator(mode="before")
    @classmethod
    def _epochs_or_steps(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("steps") is not None:
            if data.get("epochs") is not None:
                raise fault(("steps",), "epochs and steps are both given: keep one, or make the other null")
            return {**data, "epochs": None}
        return data

    @model_validator(mode="after")
    def _epochs_are_numbers(self) -> Training:
        for epoch in self.unfreeze:
            if not re.fullmatch(r"[1-9]\d{0,8}", epoch):
                raise fault(("unfreeze", epoch), f"{epoch!r} is no epoch: they are counted from 1")
        return self

    @model_validator(mode="after")
    def _some_length(self) -> Training:
        if self.epochs is None and self.steps is None:
            raise fault(("epochs",), "neither epochs nor steps say how long to train")
        if self.max_seconds == 0:
            raise fault(("max_time",), "no time is no training: leave it out, or give some")
        if self.batch_size != "all" and self.accumulate > self.batch_size:
            raise fault(("accumulate",), f"a batch of {self.batch_size} rows cannot be cut into {self.accumulate} pieces")
        return self

    @property
    def max_seconds(self) -> float | None:
        """`max_time` in seconds."""
        if isinstance(self.max_time, str):
            return float(self.max_time[:-1]) * {"s": 1, "m": 60, "h": 3600}[self.max_time[-1]]
        return self.max_time


class Checkpointing(Settings):
    """When the state of the run is saved."""

    every: Literal["epoch"] | Count = "epoch"
    """Save after every epoch, or after so many steps; also whenever the best weights change, and at the end."""


class Config(Settings):
    """A training, told completely."""

    trainkit: Annotated[int, Field(ge=1, le=1)] = 1
    """Version of this format."""
    name: Annotated[str, Field(pattern=RUN_NAME, examples=["digits-mlp"])] = "run"
    """Names the run's folder: 100 letters, digits, `_`, `-` or `.` at most, no `-` or `.` first; left out: the file's name."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Decides the split, the first weights, the order of the rows and dropout."""
    data: AnySource
    """Where the rows come from."""
    split: Split = Split()
    """Which share of the rows validates and tests."""
    preprocess: AnyPreprocess = Field(default_factory=lambda: preprocessing.read("table"))
    """What is fitted on the training split and applied to every split. Its name, and so its settings, follow from the kind
    of data: table, image, series or text."""
    augment: tuple[AnyAugmentation, ...] = ()
    """How rows of the training split are changed each time they are seen, in this order."""
    model: AnyModel
    """The network."""
    task: AnyTask | None = None
    """What the outputs mean; left out: follows from the target."""
    optimizer: AnyOptimizer = Field(default_factory=optimizers.read_default)
    """How gradients become steps."""
    schedule: AnySchedule = Field(default_factory=schedules.read_default)
    """How the learning rate changes with the step."""
    training: Training = Training()
    """How long, in which batches, and how watched."""
    checkpoint: Checkpointing = Checkpointing()
    """When the state is saved."""
    device: Device = "auto"
    """What computes; auto: cuda where there is one, else mps, else cpu."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp64"] = "auto"
    """auto: fp32 on a CPU, bf16 on a GPU that has it. fp16 is for GPUs, and scales the loss so that small gradients survive."""
    deterministic: bool = True
    """Use only operations that give the same bits each time."""
    threads: int | None = Field(default=None, gt=0, le=1024, examples=[2])
    """Threads for the CPU; null: one where the steps are small, else PyTorch's choice. Another number changes last digits."""
    loggers: tuple[AnyLogger, ...] = Field(default_factory=lambda: (loggers.read("tensorboard"),))
    """Where the numbers go, besides metrics.jsonl."""
    plugins: tuple[PathSetting, ...] = ()
    """Python files that bring parts of your own."""

    @model_validator(mode="before")
    @classmethod
    def _preprocess_follows_data(cls, values: Any) -> Any:
        """The name that the kind of data asks for, where it is left out."""
        if not isinstance(values, dict):
            return values
        given = values.get("preprocess", {})
        named = not isinstance(given, dict) or "name" in given
        if named:
            return values
        if (name := preprocess_of(values.get("data"))) is None:  # said at its own place
            return {key: value for key, value in values.items() if key != "preprocess"}
        return {**values, "preprocess": {"name": name, **given}}

    @model_validator(mode="after")
    def _kinds_fit(self) -> Config:
        kind = self.data.data_kind
        if self.preprocess.kind != kind:
            words = f"{self.preprocess.name} prepares data of the kind {self.preprocess.kind}, and {self.data.name} gives {kind}"
            raise fault(("preprocess", "name"), f"{words}: use {NAMES[kind]}, or leave the name out")
        for n, change in enumerate(self.augment):
            if kind not in change.kinds:
                fitting = [name for name in augmentations.names() if kind in getattr(augmentations.find(name), "kinds", ())]
                words = f"{change.name} changes data of the kind {' or '.join(change.kinds)}, and {self.data.name} gives {kind}"
                raise fault(("augment", n), f"{words}: use {', '.join(fitting)}" if fitting else words)
        return self

    @model_validator(mode="after")
    def _sampler_fits(self) -> Config:
        if self.training.sampler == "balanced" and self.task is not None and self.task.target != "class":
            raise fault(("training", "sampler"), f"balanced needs classes, and the task is {self.task.name}: use shuffle")
        if self.training.sampler == "balanced" and getattr(self.task, "class_weights", "none") != "none":
            words = "balanced and task.class_weights both make up for rare classes, and together do so twice: keep one of them"
            raise fault(("training", "sampler"), words)
        return self

    @model_validator(mode="after")
    def _monitor_is_measured(self) -> Config:
        stopping = self.training.early_stopping
        if stopping is None:
            return self
        place = ("training", "early_stopping", "monitor")
        if stopping.monitor not in ("train_loss", "val_loss"):
            found = [self.task] if self.task else list(_tasks())
            known = ["train_loss", "val_loss", *(f"val_{measure}" for task in found for measure in task.measures)]
            if stopping.monitor not in known:
                near = get_close_matches(stopping.monitor, known, 1)
                mend = f"did you mean {near[0]}? There are" if near else "there are"
                raise fault(place, f"{stopping.monitor!r} is not measured; {mend}: {', '.join(sorted(set(known)))}")
        if not self._validates and stopping.monitor.startswith("val_"):
            raise fault(
                place, f"{stopping.monitor} needs a validation split, and split.validation is 0: use train_loss, or give a share"
            )
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> Config:
        """Where the steps are known without the data; else the run asks."""
        if self.training.steps is not None:
            try:
                self.schedule.check(self.training.steps)
            except ConfigError as error:
                (problem,) = error.problems
                raise fault(problem.key, f"{problem.message.rstrip('.')}. {(problem.suggestion or '').rstrip('.')}") from None
        return self

    @property
    def _validates(self) -> bool:
        given = self.data.given
        return self.split.validation > 0 or self.split.column is not None or given is None or "validation" in given

    def text(self) -> str:
        """All of it as YAML that reads back as equal: for config.yaml and for the checkpoint."""
        return dump(self.model_dump(mode="json"))

    def parts(self) -> Iterator[tuple[Key, Part]]:
        """Every part with its key."""
        return ((key, value) for key, value, _ in _walk(self) if isinstance(value, Part))

    def paths(self, later: bool = False) -> list[Key]:
        """The keys of all settings that name files, plugins left out; ``later``: those that a checkpoint does not make needless."""
        return [key for key in path_keys(self, later) if key[0] != "plugins"]

    def plugin_parts(self) -> dict[str, str]:
        """Which plugin file each part from outside came from: ``{"models/my_model": "my_model.py"}``."""
        known = {f"{name}/{part}": file for name, family in families().items() for part, file in family.plugin_of.items()}
        used = {
            f"{name}/{part.name}"
            for _, part in self.parts()
            for name, family in families().items()
            if isinstance(part, family.base)
        }
        return {name: file.replace("\\", "/").rpartition("/")[2] for name, file in known.items() if name in used}


def preprocess_of(data: Any) -> str | None:
    """The name of the part that prepares what this source gives; None where ``data`` is no source yet."""
    try:
        return NAMES[sources.read(data).data_kind]
    except (ValidationError, PydanticCustomError):
        return None


def _tasks() -> Iterator[Any]:
    """Every task that needs nothing said."""
    for name in tasks.names():
        with suppress(ValidationError):
            yield tasks.read(name)


def path_keys(settings: Settings, later: bool = False) -> list[Key]:
    """The keys of all settings that are marked as paths and hold one; ``later``: without those that only a new training reads."""
    return [
        key
        for key, value, field in _walk(settings)
        for kind, _ in inside(field.annotation, field.metadata)
        if isinstance(kind, IsPath) and kind.holds(value) and not (later and kind.once)
    ]


def _walk(settings: Settings, above: Key = ()) -> Iterator[tuple[Key, Any, FieldInfo]]:
    """Every setting with its key, and every item of a list for itself."""
    for name, field in type(settings).model_fields.items():
        held, place = getattr(settings, name), (*above, name)
        for key, value in [((*place, n), item) for n, item in enumerate(held)] if isinstance(held, tuple) else [(place, held)]:
            yield key, value, field
            if isinstance(value, Settings):
                yield from _walk(value, key)
