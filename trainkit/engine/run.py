"""A Run: everything that one training needs, built from a config and its data, or restored from a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from trainkit.config.reader import read_text
from trainkit.config.tree import Config
from trainkit.data.batches import Batches
from trainkit.data.randomness import key
from trainkit.data.splits import LARGE, Data, Split
from trainkit.engine.assembling import assemble, build_optimizer, check_kernels, check_norms, copied, load_weights, outlined
from trainkit.engine.evaluation import Evaluator
from trainkit.engine.features import Features, Keeper
from trainkit.engine.hardware import Hardware, processor
from trainkit.engine.state import State
from trainkit.engine.summary import multiply_adds, summary
from trainkit.engine.unfreezing import Unfreezing
from trainkit.errors import CheckpointError, ConfigError, NumericError
from trainkit.networks.transfer import TransferNetwork
from trainkit.parts.models._transfer import Transfer
from trainkit.parts.optimizers import optimizers
from trainkit.parts.tasks import BuiltTask, Task
from trainkit.spec import Batch, Spec, SplitName
from trainkit.store.environment import versions
from trainkit.store.platform import readable


@dataclass(frozen=True)
class Plan:
    """What the config and the size of the data decide together."""

    steps: int
    """Optimizer steps in all."""
    per_epoch: int
    evaluate_every: int
    log_every: int
    batch_size: int
    accumulate: int
    clip: float | None
    l1: float
    max_norm: float | None
    ema: float | None
    max_seconds: float
    patience: float
    min_delta: float
    monitor: str | None
    """The metric that decides what is best; None without validation: then the last weights are."""
    higher: bool
    evaluation_batch: int

    @classmethod
    def make(cls, config: Config, task: Task, per_epoch: int, batch_size: int, validated: bool, at_once: int) -> Plan:
        """Epochs become steps here, once. ``batch_size``: the config's, or the rows of the training split; ``at_once``: rows that
        the network evaluates together with ease."""
        training, stopping = config.training, config.training.early_stopping
        monitor = stopping.monitor if stopping else "val_loss" if validated else None
        metric = (monitor or "").partition("_")[2]
        if not validated and (monitor or "").startswith("val_"):
            raise ConfigError(
                f"{monitor} needs a validation split, and the data has none.",
                key=("training", "early_stopping", "monitor"),
                suggestion="Use train_loss, or give split.validation a share.",
            )
        return cls(
            steps=training.steps or (training.epochs or 0) * per_epoch,
            per_epoch=per_epoch,
            evaluate_every=per_epoch if training.evaluate_every == "epoch" else training.evaluate_every,
            log_every=training.log_every,
            batch_size=batch_size,
            accumulate=training.accumulate,
            clip=training.clip,
            l1=training.l1,
            max_norm=training.max_norm,
            ema=training.ema,
            max_seconds=inf if training.max_seconds is None else training.max_seconds,
            patience=stopping.patience if stopping else inf,
            min_delta=stopping.min_delta if stopping else 0.0,
            monitor=monitor,
            higher=task.measures.get(metric) == "higher",
            evaluation_batch=max(4 * batch_size, at_once),
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
    averaged: nn.Module | None
    """The running mean of the weights, which is what is evaluated; None without training.ema."""
    scaler: torch.amp.GradScaler | None
    """Scales the loss, in fp16 only."""
    _batches: Batches
    _work: int
    """Multiplications of one row's forward pass, nearly."""
    unfreezing: Unfreezing
    told: tuple[str, ...] = ()
    """What a person should know of the weights that it begins with."""
    features: Features | None = None
    """What a frozen body makes of the rows, computed once; None: it is computed when it is needed."""
    seconds: float = 0.0
    """Time of training up to the last step."""
    _since: float = 0.0
    _unread: Tensor = field(init=False)
    """Bad steps since the last look at the device."""
    _looked: int = 0

    @classmethod
    def build(cls, config: Config, data: Data, hardware: Hardware, begins: bool = True) -> Run:
        """Everything at its first step; pretrained weights are read only where a training ``begins``.

        Raises ConfigError when parts, settings and data don't fit together.
        """
        assert config.task is not None, "inferred before"
        network, task = assemble(config, data.spec, hardware)
        told = config.model.begin(network, data.spec) if begins else []
        data = data.to(hardware.device)
        size = len(data["train"]) if config.training.batch_size == "all" else config.training.batch_size
        sampler = config.training.sampler
        if sampler == "auto":
            sampler = "buckets" if data.spec.kind == "tokens" and data.spec.varying else "shuffle"
        if sampler == "balanced" and data.spec.target != "class":
            raise ConfigError("the sampler balanced needs classes.", key=("training", "sampler"), suggestion="Use shuffle.")
        batches = Batches(data["train"], size, config.seed, sampler)
        outline, example = outlined(config, data.spec, network, data["train"].part(0, 2))
        work = multiply_adds(summary(outline, example))
        plan = Plan.make(config, config.task, batches.per_epoch, size, "validation" in data, _at_once(work, data.spec))
        config.schedule.check(plan.steps, plan.per_epoch)
        if plan.accumulate > min(size, len(data["train"])):
            raise ConfigError(
                f"a batch of {min(size, len(data['train']))} rows cannot be cut into {plan.accumulate} pieces.",
                key=("training", "accumulate"),
                suggestion="Take fewer pieces.",
            )
        unfreezing = Unfreezing.plan(config, network, batches.per_epoch)
        unfreezing.all(network)  # the optimizer knows it from the beginning
        optimizer = build_optimizer(config, network)
        check_norms(network, batches.smallest(plan.accumulate))
        check_kernels(network, task, hardware, next(batches.between(0, 1)))
        unfreezing(network, 0)
        # It keeps requires_grad: where that is off, torch's RNN answers with other last digits, even under no_grad.
        averaged = copied(network, hardware) if plan.ema else None
        return cls(
            config,
            data,
            network,
            task,
            optimizer,
            hardware,
            plan,
            State.new(hardware.device),
            Evaluator(averaged or network, task, hardware, plan.evaluation_batch),
            averaged,
            torch.amp.GradScaler(hardware.device.type) if hardware.precision == "fp16" else None,
            batches,
            work,
            unfreezing,
            tuple(told),
        )

    def __post_init__(self) -> None:
        self._unread = torch.zeros((), device=self.hardware.device)
        self._text = self.config.text()  # writing YAML takes longer than a small step
        learning = {id(p) for group in self.optimizer.param_groups for p in group["params"]}  # some of them later on
        self._parameters = [p for p in self.network.parameters() if id(p) in learning]
        self._weights = [p for p in self._parameters if p.ndim > 1]  # not biases and norms
        if self.averaged is not None:  # walking through the modules takes longer than averaging them
            self._means: list[Tensor] = [*self.averaged.parameters()]
            self._learnt: list[Tensor] = [*self.network.parameters()]
            self._buffers = list(zip(self.averaged.buffers(), self.network.buffers(), strict=True))
        self._waits = self.hardware.device.type != "cpu"  # reading a number would wait for the device
        # Fused optimizers leave a bad update out by themselves; Apple's kernels don't read found_inf.
        self._skips = bool(getattr(self.optimizer, "_step_supports_amp_scaling", False)) and self.hardware.device.type != "mps"

    # What `fit` asks for, in its order.

    def batches(self, start: int) -> Iterator[Batch]:
        """The batches of all steps from ``start`` on; step N is always the same rows. The clock starts."""
        self._since = perf_counter()
        cached = 0 if self.features is None else min(self.unfreezing.frozen_until, self.plan.steps)
        if self.features is not None and start < cached:
            yield from self._batches.between(start, cached, self.features.train)
            if cached < self.plan.steps:
                self.features = None  # up to a gigabyte
        yield from self._batches.between(max(start, cached), self.plan.steps)

    def rows(self, split: SplitName) -> Split:
        """A split to be measured by the network of this step: as features, while its body is still what made them."""
        if self.features is not None and self.state.step <= self.unfreezing.frozen_until:
            return self.features.splits.get(split, self.data[split])
        return self.data[split]

    @property
    def features_ahead(self) -> int:
        """How many pictures a frozen body's features should be computed of once, before the next step; 0: that does not pay."""
        model, train, state = self.config.model, self.data["train"], self.state
        if not isinstance(model, Transfer) or model.cache == "none" or (train.changes and not train.views):
            return 0
        left = min(self.plan.steps, self.unfreezing.frozen_until) - state.step
        if left <= 0 or (left < self.plan.per_epoch * max(1, train.views) and model.cache == "auto"):  # it would not see all
            return 0
        return len(train) * max(1, train.views) + (len(self.data["validation"]) if "validation" in self.data else 0)

    def keep_features(self, folder: Path, heard: Callable[[int], None]) -> str:
        """Compute them; files of them lie in ``folder``. ``heard`` hears how many pictures more are done, and may raise to end it.
        In words, what was kept and where."""
        model, network, rows = self.config.model, self.network, self.features_ahead
        assert isinstance(model, Transfer) and isinstance(network, TransferNetwork)
        size = rows * network.width * self.hardware.dtype.itemsize
        in_file = model.cache == "file" or (model.cache == "auto" and size > LARGE)
        augment = self.config.model_dump(mode="json")["augment"]
        body = model.model_dump(mode="json", exclude={"head", "cache", "train"})
        known = [self.data.fingerprint, self.data.fitted["inputs"], body, versions()]
        known += [augment, self.config.seed] if augment else []
        words = json.dumps(known, default=Tensor.tolist)
        keeper = Keeper(network, self.hardware, folder if in_file else None, words, heard)
        self.features = keeper(self.data)
        views = f"{len(self.features.train.splits)} views of each picture: " if self.data["train"].views else ""
        where = f"a file in {folder.parent.name}/{folder.name} ({readable(size)})" if in_file else "memory"
        return f"{views}{network.width:,} of each of {rows:,} pictures, {'kept' if keeper.made else 'found'} in {where}"

    def rate(self, step: int) -> float:
        """The learning rate at ``step``, a function of it and of what the schedule remembers."""
        schedule = self.config.schedule
        return self.config.optimizer.lr * schedule.factor(step, self.plan.steps) * schedule.reaction(self.state.schedule)

    def set_rate(self) -> None:
        """Unfreeze what the coming step trains, and give the optimizer its rate."""
        self.unfreezing(self.network, self.state.step)
        rate = self.rate(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_factor", 1.0)

    @property
    def taken_rate(self) -> float:
        """The rate of the last step: what the schedule gave, and what the optimizer made of it."""
        return self.config.optimizer.rate_taken(self.optimizer)

    def reseed(self, step: int, piece: int) -> None:
        """Dropout is a function of the position too."""
        self.hardware.reseed(key(self.config.seed, "step", step, piece))

    def autocast(self) -> AbstractContextManager[object]:
        """The context for a forward pass."""
        return self.hardware.autocast()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a piece."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def update(self, loss: Tensor, batch: Batch) -> Tensor | None:
        """Penalise, clip, step if all is finite, forget the gradients, constrain, average; the gradient's norm where it is known.

        Raises NumericError: on a CPU before a bad update, on an accelerator at the next log point or evaluation,
        the bad updates left out meanwhile.
        """
        step = self.state.step + 1
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.plan.l1:
            for weight in self._weights:
                if weight.grad is not None:
                    weight.grad.add_(weight.detach().sign(), alpha=self.plan.l1)
        norm = self._norm(step)
        self._refuse_bad(step, loss, norm, batch)
        if self.scaler is None:
            self.optimizer.step(lambda: loss)  # type: ignore[arg-type,return-value]  # some optimizers want the loss
        else:
            self.scaler.step(self.optimizer, lambda: loss)  # leaves out what overflowed
            self.scaler.update()
        self.optimizer.zero_grad()
        self._constrain()
        self._average(step)
        now = perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        return norm

    def due_log(self, step: int) -> bool:
        """Is this step logged?"""
        return step % self.plan.log_every == 0

    def due_evaluation(self, step: int) -> bool:
        """Is the network evaluated after this step?"""
        return step % self.plan.evaluate_every == 0 or step == self.plan.steps or self.out_of_time

    def judge(self) -> tuple[dict[str, float], dict[str, float] | None, bool]:
        """Evaluate now: means of training since the last time, metrics of validation, and whether they are the best."""
        self.check()
        train = self.state.take_means()
        validation = self.evaluator(self.rows("validation")).metrics if "validation" in self.data else None
        plan, state = self.plan, self.state
        known = {f"train_{k}": v for k, v in train.items()} | {f"val_{k}": v for k, v in (validation or {}).items()}
        heard = plan.monitor or "train_loss"
        if state.schedule and (state.monitor or "train_loss") != heard:  # changed by a resume: two metrics don't compare
            state.schedule = {**state.schedule, "best": None}
        state.schedule = self.config.schedule.hear(state.schedule, known[heard], plan.higher)
        if plan.monitor is None:
            return train, validation, False
        return train, validation, state.judge(known, plan.monitor, plan.higher, plan.min_delta)

    # What the job around `fit` asks for.

    @property
    def small(self) -> bool:
        """On a CPU: a second thread costs about as much as it brings, at 50 million multiplications a step (docs/log.md)."""
        if self.hardware.device.type != "cpu":
            return False
        rows = min(self._batches.size, len(self.data["train"])) / self.plan.accumulate
        return rows * self._work < 50e6

    @property
    def done(self) -> bool:
        """No step is left, or no patience, or no time."""
        return self.state.step >= self.plan.steps or self.state.stale >= self.plan.patience or self.out_of_time

    @property
    def out_of_time(self) -> bool:
        """As of the last step: the clock is looked at once a step."""
        return self.seconds >= self.plan.max_seconds

    def epoch(self, step: int) -> int:
        """The epoch, from 1, that ``step`` (from 1) belongs to; 0 before the first step."""
        return -(-step // self.plan.per_epoch)

    def check(self, last: int | None = None) -> None:
        """Look at the device, up to the step ``last`` (else the last one done). Raises NumericError if one of them was bad."""
        last = self.state.step if last is None else last
        if self._waits and self._unread.item():
            first = self._looked + 1
            raise NumericError(self._bad_news(f"one of the steps {first} to {last}"), suggestion=_CURE)
        if self.scaler is not None and self.scaler.get_scale() < _SMALLEST_SCALE:
            said = f"the gradients overflow in fp16 however the loss is scaled, at step {last} (epoch {self.epoch(last)})."
            raise NumericError(said, suggestion="Use `precision: bf16` or fp32, or a smaller optimizer.lr.")
        self._looked = last

    def content(self) -> dict[str, Any]:
        """All that rebuilds this run: plain values and tensors."""
        self.check()
        return {
            "config": self._text,
            "plugins": self.config.plugin_parts(),
            "spec": self.data.spec.content(),
            "fitted": dict(self.data.fitted),
            "fingerprint": self.data.fingerprint,
            "network": self.network.state_dict(),
            "ema": None if self.averaged is None else self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "state": self.state.content(),
            "seconds": self.seconds if self.plan.max_seconds < inf else 0.0,  # else equal runs would differ in it
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
        load_weights(self.network, content["network"])
        if self.averaged is not None:
            load_weights(self.averaged, content["ema"])
        try:
            before = read_text(content["config"], "the checkpoint").value
            self.unfreezing.all(self.network)  # as the optimizer was built
            settings = self._changed_settings(before["optimizer"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.state.restore(content["state"])
            if before["schedule"]["name"] != self.config.schedule.name:
                self.state.schedule = {}  # what another schedule remembers means nothing to this one
            if self.state.monitor not in (None, self.plan.monitor):
                self.state.stale = 0  # the patience that ran out was for another metric
            if self.scaler is not None:
                self.scaler.load_state_dict(content["scaler"])
            self.seconds = float(content["seconds"])
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise CheckpointError(f"the checkpoint's optimizer or state does not fit this config: {error}.") from error
        for group, changed in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(changed)
        self.unfreezing(self.network, self.state.step)
        self._looked = self.state.step

    def _changed_settings(self, before: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Of each group of the optimizer, what the config says otherwise than ``before``: all else there may be state."""
        groups = self.optimizer.param_groups
        if before == self.config.model_dump(mode="json")["optimizer"]:
            return [{} for _ in groups]
        old = optimizers.read(before).build(self.network).param_groups
        return [
            {key: value for key, value in now.items() if key != "params" and (key not in was or was[key] != value)}
            for was, now in zip(old, groups, strict=True)
        ]

    def _refuse_bad(self, step: int, loss: Tensor, norm: Tensor | None, batch: Batch) -> None:
        checked = loss if norm is None or self.scaler is not None else loss + norm  # in fp16 a gradient may overflow
        if self._waits:
            bad = ~torch.isfinite(checked)
            self._unread += bad
            if self._skips:
                self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]  # fused optimizers skip by it
            if self.due_log(step) or not self._skips:
                self.check(step)
        elif not isfinite(checked.item()):  # on a CPU .item() waits for nothing
            raise NumericError(self._bad_news(f"step {step}", loss, batch), suggestion=_CURE)

    @torch.no_grad()
    def _constrain(self) -> None:
        if self.plan.max_norm is not None:
            for weight in filter(lambda weight: weight.requires_grad, self._weights):
                weight.renorm_(2, 0, self.plan.max_norm)  # each unit's incoming weights are a row

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if self.averaged is None or self.plan.ema is None:
            return
        memory = min(self.plan.ema, (1 + step) / (10 + step))  # short at first: the first weights are noise
        torch._foreach_lerp_(self._means, self._learnt, 1 - memory)
        for mean, now in self._buffers:
            mean.copy_(now)

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
            rows = f", in the batch of rows {some}{' …' if len(batch) > 8 else ''}"
        return f"{what} at {when} (epoch {self.epoch(step)}){rows}. The weights of the last checkpoint are good."


def _at_once(work: int, spec: Spec) -> int:
    """Rows of 200 million multiplications and 2 million inputs at most: below that, calling the layers takes most of the time;
    beyond 2048 rows their numbers leave the processor's cache."""
    return int(min(2048, 2e8 // max(1, work), 2e6 // max(1, spec.input_size)))


_SMALLEST_SCALE = 2.0**-20
_CURE = "Try a smaller optimizer.lr, or training.clip=1.0; look for huge values in the data."


def split_sizes(data: Data) -> dict[SplitName, int]:
    """Rows of each split."""
    return {name: len(rows) for name, rows in data.splits.items()}
