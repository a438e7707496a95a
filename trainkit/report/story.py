"""A run told in lines of text: what will happen, how it goes, how it ended. The screen and log.txt both say them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainkit.engine.run import Run, split_sizes
from trainkit.engine.summary import count
from trainkit.spec import Event

ARROWS = {True: "↑", False: "↓", None: "="}


def opening(run: Run, threads: int) -> list[str]:
    """What is about to happen: data, model, device and why, steps."""
    config, spec, plan, hardware = run.config, run.data.spec, run.plan, run.hardware
    splits = split_sizes(run.data)
    sizes = " · ".join(f"{size:,} {name}" for name, size in splits.items())
    shape = "×".join(map(str, spec.shape))
    if spec.kind in ("sequence", "tokens"):
        shape += " steps at most" if len(spec.shape) == 1 else ", steps first"
    what = {"class": f"{len(spec.classes)} classes", "labels": f"{len(spec.classes)} labels"}.get(
        spec.target, f"target {', '.join(spec.target_names)}"
    )
    total, trained = count(run.network)
    trains = "all trained" if trained == total else f"{trained:,} trained"
    assert config.task is not None
    return [
        f"data      {config.data.name}: {sizes} rows of {shape}; {what}",
        f"model     {config.model.name}: {total:,} parameters, {trains}",
        f"task      {config.task.name}, loss {getattr(config.task, 'loss', config.task).name}; optimizer {config.optimizer.name}, "
        f"lr {config.optimizer.lr:g}, {config.schedule.name}",
        f"device    {hardware.device} ({hardware.device_reason}), {hardware.precision} ({hardware.precision_reason}), "
        f"{threads} thread{'s' * (threads > 1)}{' (the steps are small)' if threads == 1 and run.small else ''}",
        f"training  {plan.steps:,} steps of {min(plan.batch_size, splits['train'])} rows, {plan.per_epoch:,} an epoch"
        + (f"; at most {plan.patience:g} evaluations without a better {plan.monitor}" if plan.patience != float("inf") else ""),
    ]


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
        cells = [f"{name} {value:.4f}{self._arrow(name, value)}" for name, value in numbers.items()]
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
        return (
            f"Stopped early at epoch {run.epoch(state.step)}: {state.stale} evaluations without a better {plan.monitor}.{best} "
            "(training.early_stopping=null turns this off.)"
        )
    if status == "time_limit":
        return f"Time is up: {run.seconds:.0f} s of training, at step {state.step:,} of {plan.steps:,}.{best}"
    if status == "interrupted":
        return f"Interrupted at step {state.step} of {plan.steps}, saved.{best}"
    still = (
        " It was still getting better: more epochs may help." if best and state.best_step == state.step and plan.steps > 1 else ""
    )
    return f"Done: all {plan.steps:,} steps.{best}{still}"


def measured(test: Mapping[str, float], baseline: Mapping[str, float], target: str) -> list[str]:
    """The test metrics beside the answer that looks at no input."""
    simple = {"class": "always the commonest class", "labels": "always the same labels"}.get(target, "always the mean")
    return [f"test      {numbers(test)}", f"baseline  {numbers(baseline)}  ({simple})"]


def numbers(metrics: Mapping[str, Any]) -> str:
    """``accuracy 0.9741 · loss 0.0912``"""
    return " · ".join(f"{name} {value:.4f}" for name, value in metrics.items())


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
