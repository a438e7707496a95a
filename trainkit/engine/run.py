"""A Run: everything that one training needs, built from a config and its data, or restored from a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from trainkit.config.tree import Config
from trainkit.data.batches import Batches
from trainkit.data.randomness import key
from trainkit.engine.evaluation import Evaluator, evaluating
from trainkit.engine.hardware import Hardware, processor
from trainkit.engine.state import State
from trainkit.engine.summary import multiply_adds, summary
from trainkit.errors import CheckpointError, ConfigError, NumericError, SetupError
from trainkit.parts.tasks import BuiltTask, Task
from trainkit.spec import Batch, Data, Spec, SplitName


@dataclass(frozen=True)
class Plan:
    """What the config and the size of the data decide together."""

    steps: int
    """Optimizer steps in all."""
    per_epoch: int
    evaluate_every: int
    log_every: int
    accumulate: int
    clip: float | None
    patience: float
    min_delta: float
    monitor: str | None
    """The metric that decides what is best; None without validation: then the last weights are."""
    higher: bool
    evaluation_batch: int

    @classmethod
    def make(cls, config: Config, task: Task, per_epoch: int, validated: bool) -> Plan:
        """Epochs become steps here, once."""
        training, stopping = config.training, config.training.early_stopping
        monitor = stopping.monitor if stopping else "val_loss" if validated else None
        metric = (monitor or "").partition("_")[2]
        return cls(
            steps=training.steps or (training.epochs or 0) * per_epoch,
            per_epoch=per_epoch,
            evaluate_every=per_epoch if training.evaluate_every == "epoch" else training.evaluate_every,
            log_every=training.log_every,
            accumulate=training.accumulate,
            clip=training.clip,
            patience=stopping.patience if stopping else inf,
            min_delta=stopping.min_delta if stopping else 0.0,
            monitor=monitor,
            higher=task.measures.get(metric) == "higher",
            evaluation_batch=4 * training.batch_size,
        )


@dataclass
class Run:
    """A network in training: build it with `Run.build`, drive it with `fit`."""

    config: Config
    data: Data
    network: nn.Module
    task: BuiltTask
    optimizer: torch.optim.Optimizer
    hardware: Hardware
    plan: Plan
    state: State
    evaluator: Evaluator
    _batches: Batches
    _unread: Tensor = field(init=False)
    """Bad steps since the last look at the device."""
    _looked: int = 0

    @classmethod
    def build(cls, config: Config, data: Data, hardware: Hardware) -> Run:
        """Everything at its first step. Raises ConfigError when parts, settings and data don't fit together."""
        assert config.task is not None, "inferred before"
        network, task = assemble(config, data.spec, hardware)
        splits = {name: _on(rows, hardware.device) for name, rows in data.splits.items()}
        data = Data(data.spec, splits, data.fitted, data.fingerprint)
        batches = Batches(data["train"], config.training.batch_size, config.seed)
        plan = Plan.make(config, config.task, batches.per_epoch, "validation" in data)
        _check_norms(network, batches.smallest(plan.accumulate))
        _check_kernels(network, task, hardware, next(batches.between(0, 1)))
        return cls(
            config,
            data,
            network,
            task,
            config.optimizer.build(network),
            hardware,
            plan,
            State.new(hardware.device),
            Evaluator(network, task, hardware, plan.evaluation_batch),
            batches,
        )

    def __post_init__(self) -> None:
        self._unread = torch.zeros((), device=self.hardware.device)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._waits = self.hardware.device.type != "cpu"  # reading a number would wait for the device
        # Fused optimizers leave a bad update out by themselves; Apple's kernels don't read found_inf.
        self._skips = bool(getattr(self.optimizer, "_step_supports_amp_scaling", False)) and self.hardware.device.type != "mps"

    # What `fit` asks for, in its order.

    def batches(self, start: int) -> Iterator[Batch]:
        """The batches of all steps from ``start`` on; step N is always the same rows."""
        return self._batches.between(start, self.plan.steps)

    def rate(self, step: int) -> float:
        """The learning rate at ``step``, a pure function of it."""
        return self.config.optimizer.lr * self.config.schedule.factor(step, self.plan.steps)

    def set_rate(self) -> float:
        """Give the optimizer the rate of the coming step."""
        rate = self.rate(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def reseed(self, step: int, piece: int) -> None:
        """Dropout is a function of the position too."""
        self.hardware.reseed(key(self.config.seed, "step", step, piece))

    def autocast(self) -> AbstractContextManager[object]:
        """The context for a forward pass."""
        return self.hardware.autocast()

    def update(self, loss: Tensor, batch: Batch) -> Tensor | None:
        """Clip, step if all is finite, forget the gradients; the gradient's norm where it is known.

        Raises NumericError: on a CPU before a bad update, on an accelerator at the next log point or evaluation,
        the bad updates left out meanwhile.
        """
        step = self.state.step + 1
        norm = self._norm(step)
        if self._waits:
            bad = ~torch.isfinite(loss if norm is None else loss + norm)
            self._unread += bad
            if self._skips:
                self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # fused optimizers skip by it
            if self.due_log(step) or self.due_evaluation(step) or not self._skips:
                self.check(step)
        elif not isfinite(loss.item()) or (norm is not None and not isfinite(norm.item())):  # on a CPU .item() waits for nothing
            raise NumericError(self._bad_news(f"step {step}", loss, batch), suggestion=_CURE)
        self.optimizer.step(lambda: loss)  # type: ignore[arg-type,return-value]  # some optimizers want the loss
        self.optimizer.zero_grad()
        return norm

    def due_log(self, step: int) -> bool:
        """Is this step logged?"""
        return step % self.plan.log_every == 0

    def due_evaluation(self, step: int) -> bool:
        """Is the network evaluated after this step?"""
        return step % self.plan.evaluate_every == 0 or step == self.plan.steps

    def judge(self) -> tuple[dict[str, float], dict[str, float] | None, bool]:
        """Evaluate now: means of training since the last time, metrics of validation, and whether they are the best."""
        train = self.state.take_means()
        validation = self.evaluator(self.data["validation"]).metrics if "validation" in self.data else None
        if self.plan.monitor is None:
            return train, validation, False
        known = {f"train_{k}": v for k, v in train.items()} | {f"val_{k}": v for k, v in (validation or {}).items()}
        return train, validation, self.state.judge(known, self.plan.monitor, self.plan.higher, self.plan.min_delta)

    # What the job around `fit` asks for.

    @property
    def small(self) -> bool:
        """On a CPU: a second thread costs about as much as it brings, at 50 million multiplications a step (docs/log.md)."""
        if self.hardware.device.type != "cpu":
            return False
        rows = min(self._batches.size, len(self.data["train"].rows)) / self.plan.accumulate
        return rows * multiply_adds(summary(self.network, self.data["train"].inputs[:2])) < 50e6

    @property
    def done(self) -> bool:
        """No step is left, or no patience."""
        return self.state.step >= self.plan.steps or self.state.stale >= self.plan.patience

    def epoch(self, step: int) -> int:
        """The epoch, from 1, that ``step`` (from 1) belongs to; 0 before the first step."""
        return -(-step // self.plan.per_epoch)

    def check(self, last: int | None = None) -> None:
        """Look at the device, up to the step ``last`` (else the last one done). Raises NumericError if one of them was bad."""
        last = self.state.step if last is None else last
        if self._waits and self._unread.item():
            first = self._looked + 1
            raise NumericError(self._bad_news(f"one of the steps {first} to {last}"), suggestion=_CURE)
        self._looked = last

    def content(self) -> dict[str, Any]:
        """All that rebuilds this run: plain values and tensors."""
        self.check()
        return {
            "config": self.config.text(),
            "plugins": self.config.plugin_parts(),
            "spec": self.data.spec.content(),
            "fitted": dict(self.data.fitted),
            "fingerprint": self.data.fingerprint,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": self.state.content(),
            "evaluation_batch": self.plan.evaluation_batch,
            "hardware": {
                "device": str(self.hardware.device),
                "precision": self.hardware.precision,
                "threads": torch.get_num_threads(),
                "processor": processor(self.hardware.device),
            },
        }

    def restore(self, content: Mapping[str, Any]) -> None:
        """Become the run that `content` wrote. Raises CheckpointError when it does not fit."""
        settings = [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups]
        load_weights(self.network, content)
        try:
            self.optimizer.load_state_dict(content["optimizer"])
            self.state.restore(content["state"])
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise CheckpointError(f"the checkpoint's optimizer or state does not fit this config: {error}.") from error
        for group, mine in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(mine)  # the config decides, also where a resume changed it
        self._looked = self.state.step

    def _norm(self, step: int) -> Tensor | None:
        if self.plan.clip is not None:
            return clip_grad_norm_(self._parameters, self.plan.clip)
        if self.due_log(step):
            return get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        return None

    def _bad_news(self, when: str, loss: Tensor | None = None, batch: Batch | None = None) -> str:
        step = self.state.step + 1
        what = "the loss or its gradient is NaN or infinite" if loss is None else f"the loss is {loss.item():g}"
        if loss is not None and isfinite(loss.item()):
            what = "the loss is finite, its gradient is not"
        rows = ""
        if batch is not None:
            some = ", ".join(str(int(row) + 1) for row in batch.rows[:8])
            rows = f", in the batch of rows {some}{' …' if len(batch.rows) > 8 else ''}"
        return f"{what} at {when} (epoch {self.epoch(step)}){rows}. The weights of the last checkpoint are good."


_CURE = "Try a smaller optimizer.lr, or training.clip=1.0; look for huge values in the data."


def assemble(config: Config, spec: Spec, hardware: Hardware) -> tuple[nn.Module, BuiltTask]:
    """The network, its weights a function of the seed, and the task, both on the device.

    Raises ConfigError when the model cannot take the data, or answers with another shape than the task needs.
    """
    assert config.task is not None, "inferred before"
    torch.manual_seed(key(config.seed, "init"))
    network = config.model.build(spec)
    if not isinstance(network, nn.Module):
        what = f"the model's build gives {type(network).__name__}, not a torch.nn.Module."
        raise ConfigError(what, key=("model",), suggestion="Let it return the network.")
    probe = torch.zeros(2, *spec.shape)
    with evaluating(network):
        shape = tuple(network(probe).shape)
    if shape != (2, spec.outputs):
        raise ConfigError(
            f"the model answers two rows with shape {shape}; the data needs {(2, spec.outputs)}.",
            key=("model",),
            suggestion="End it with spec.outputs numbers a row.",
        )
    task = config.task.build(spec)
    task.to(hardware.device, hardware.dtype)
    return network.to(hardware.device, hardware.dtype), task


def load_weights(network: nn.Module, content: Mapping[str, Any]) -> None:
    """Raises CheckpointError when names or shapes differ."""
    try:
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        what = "; ".join(line.strip() for line in str(error).splitlines()[1:4]) or str(error)
        raise CheckpointError(f"the checkpoint's weights do not fit the model of its config: {what}") from error


def _on(rows: Batch, device: torch.device) -> Batch:
    return Batch(rows.inputs.to(device), rows.targets.to(device), rows.rows)


def _check_norms(network: nn.Module, smallest: int) -> None:
    norms = nn.modules.batchnorm._BatchNorm
    if smallest == 1 and any(isinstance(module, norms) for module in network.modules()):
        raise ConfigError(
            "batch norm needs more than one row at a time, and some piece would have just one.",
            key=("training",),
            suggestion="Change training.batch_size or training.accumulate.",
        )


def _check_kernels(network: nn.Module, task: BuiltTask, hardware: Hardware, batch: Batch) -> None:
    """Two rows forth and back through a copy, where a kernel may be missing. Raises SetupError before anything is written."""
    if hardware.device.type == "cpu" and hardware.precision != "bf16":
        return
    few = Batch(batch.inputs[:2], batch.targets[:2], batch.rows[:2])
    try:
        with hardware.autocast():
            loss = task(copy.deepcopy(network), few)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        words = str(error).splitlines()[0]
        if "deterministic" in words:
            fix = "Set `deterministic: false`; runs may then differ in last digits."
            raise SetupError(f"{words}.", key=("deterministic",), suggestion=fix) from error
        if hardware.precision == "bf16":
            said = f"this model does not train in bf16 on this {hardware.device.type}: {words}."
            raise SetupError(said, key=("precision",), suggestion="Use `precision: fp32`.") from error
        raise


def split_sizes(data: Data) -> dict[SplitName, int]:
    """Rows of each split."""
    return {name: len(rows.rows) for name, rows in data.splits.items()}
