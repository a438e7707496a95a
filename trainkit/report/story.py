"""A run told in lines of text: what will happen, how it goes, how it ended. The screen and log.txt both say them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainkit.engine.run import Run, split_sizes
from trainkit.engine.summary import count
from trainkit.networks.transfer import parts
from trainkit.spec import Event

ARROWS = {True: "↑", False: "↓", None: "="}


def opening(run: Run, threads: int) -> list[str]:
    """What is about to happen: data, model, device and why, steps."""
    config, spec, plan, hardware = run.config, run.data.spec, run.plan, run.hardware
    splits = split_sizes(run.data)
    sizes = " · ".join(f"{size:,} {name}" for name, size in splits.items())
    shape = "×".join(map(str, spec.shape))
    if spec.kind in ("sequence", "tokens"):
        most = " at most" if spec.varying else ""
        of = f"{spec.vocabulary:,} tokens" if spec.kind == "tokens" else counted(spec.shape[1], "number")
        shape = f"{counted(spec.shape[0], 'step')}{most} of {of}"
    names = "one number" if spec.target_names == ("target",) else f"target {', '.join(spec.target_names)}"
    what = {"class": f"{len(spec.classes)} classes", "labels": counted(len(spec.classes), "label")}.get(spec.target, names)
    total, trained = count(run.network)
    trains = "all trained" if trained == total else f"{trained:,} trained ({', '.join(_trained(run))})"
    assert config.task is not None
    batch, patience = counted(min(plan.batch_size, splits["train"]), "row"), ""
    if plan.patience != float("inf"):
        patience = f"; at most {counted(int(plan.patience), 'evaluation')} without a better {plan.monitor}"
    return [
        f"data      {config.data.name}: {sizes} rows of {shape}; {what}",
        *(f"columns   {line}" if spec.kind == "table" else f"inputs    {line}" for line in run.data.told),
        f"model     {config.model.name}: {total:,} parameters, {trains}",
        *(f"weights   {line}" for line in run.told),
        f"task      {config.task.name}, loss {getattr(config.task, 'loss', config.task).name}; optimizer {config.optimizer.name}, "
        f"lr {config.optimizer.lr:g}, {config.schedule.name}",
        f"device    {hardware.device} ({hardware.device_reason}), {hardware.precision} ({hardware.precision_reason}), "
        f"{counted(threads, 'thread')}{' (the steps are small)' if threads == 1 and run.small else ''}",
        f"training  {counted(plan.steps, 'step')} of {batch}, {plan.per_epoch:,} an epoch{patience}",
        *run.data.found,
    ]


def _trained(run: Run) -> list[str]:
    """The parts that train, and those that will."""
    names = [part.names[-1] for part in parts(run.network) if part.parameter.requires_grad and part.names]
    later = [
        f"{names if isinstance(names, str) else ', '.join(names)} from epoch {epoch}"
        for epoch, names in run.config.training.unfreeze.items()
        if epoch != "1"
    ]
    return [*reversed(dict.fromkeys(names)), *later]


def counted(number: int, word: str) -> str:
    """``1 step``, ``2,000 steps``."""
    return f"{number:,} {word}{'s' * (number != 1)}"


class Rows:
    """One lasting line an evaluation, each number with an arrow against the best so far."""

    def __init__(self, run: Run) -> None:
        self.run, self.best = run, dict(run.state.best_metrics)

    def line(self, event: Event) -> str:
        """``epoch 3/40  train_loss 0.4211  val_loss 0.3321 ↓  val_accuracy 0.9111 ↑  ★``"""
        plan = self.run.plan
        numbers = values(event)
        epochs = self.run.epoch(plan.steps)
        begin = f"epoch {event.epoch:{len(str(epochs))}}/{epochs}"
        if plan.evaluate_every != plan.per_epoch:
            begin = f"step {event.step:{len(str(plan.steps))}}/{plan.steps}"
        cells = [f"{name} {figure(value)}{self._arrow(name, value)}" for name, value in numbers.items()]
        if event.improved:
            self.best = {**self.run.state.best_metrics}
        return "  ".join([begin, *cells]) + ("  ★" if event.improved else "")

    def _arrow(self, name: str, value: float) -> str:
        if not self.best or name not in self.best or value != value:
            return ""
        change = value - self.best[name]
        return f" {ARROWS[None if change == 0 else change > 0]}"


def values(event: Event) -> dict[str, float]:
    """The numbers of an evaluation by the names that users see: train_loss, val_loss, val_accuracy …"""
    return {f"train_{k}": v for k, v in (event.train or {}).items()} | {f"val_{k}": v for k, v in (event.validation or {}).items()}


def ending(run: Run, status: str) -> str:
    """Why it stopped, and where the best was."""
    state, plan = run.state, run.plan
    best = ""
    if plan.monitor and state.best is not None:
        best = f" Best: {plan.monitor} {state.best:.4g} at epoch {run.epoch(state.best_step)} (step {state.best_step})."
    if status == "early_stopped":
        waited = f"{counted(state.stale, 'evaluation')} without a better {plan.monitor}"
        off = "(training.early_stopping=null turns this off.)"
        return f"Stopped early at epoch {run.epoch(state.step)}: {waited}.{best} {off}"
    if status == "time_limit":
        return f"Time is up: {run.seconds:.3g} s of training, at step {state.step:,} of {plan.steps:,}.{best}"
    if status == "interrupted":
        return f"Interrupted at step {state.step:,} of {plan.steps:,}, saved.{best}"
    never = [
        f"{names if isinstance(names, str) else ', '.join(names)} from epoch {epoch}"
        for epoch, names in run.config.training.unfreeze.items()
        if (int(epoch) - 1) * plan.per_epoch >= state.step
    ]
    best += f" It ended before {' and '.join(never)} would have trained." if never else ""
    better = best and state.best_step == state.step > plan.evaluate_every
    still = " It was still getting better: more epochs may help." if better else ""
    return f"Done: {'the step' if plan.steps == 1 else f'all {plan.steps:,} steps'}.{best}{still}"


def measured(test: Mapping[str, float], baseline: Mapping[str, float], target: str) -> list[str]:
    """The test metrics beside the answer that looks at no input."""
    simple = {"class": "always the commonest class", "labels": "always the same labels"}.get(target, "always the mean")
    return [f"test      {numbers(test)}", f"baseline  {numbers(baseline)}  ({simple})"]


def numbers(metrics: Mapping[str, Any]) -> str:
    """``accuracy 0.9741 · loss 0.0912``"""
    return " · ".join(f"{name} {figure(value)}" for name, value in metrics.items())


def figure(value: float) -> str:
    """Four decimals; what rounds to zero has no sign."""
    return f"{value:.4f}".replace("-0.0000", "0.0000")


def details(figures: Mapping[str, Mapping[str, float]], most: int = 20) -> list[str]:
    """A line for each class, label or target with its figures, ``most`` at most."""
    if not figures:
        return []
    width = min(24, max(map(len, figures)))
    lines = [
        f"  {name[:width]:<{width}}  " + "  ".join(f"{n} {int(x):,}" if n == "rows" else f"{n} {x:.4f}" for n, x in values.items())
        for name, values in list(figures.items())[:most]
    ]
    return [*lines, *([f"  … {len(figures) - most} more"] if len(figures) > most else [])]
