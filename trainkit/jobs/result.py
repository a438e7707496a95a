"""What a training came to, as plain facts: the same for Python, for `--json`, and for the record that ends metrics.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainkit.config.reader import read_file
from trainkit.engine.run import Run
from trainkit.engine.summary import count
from trainkit.store.runs import RunFolder


@dataclass
class Result:
    """What a training came to. Metrics are None for a split that is not there, and all of them after an interruption."""

    run: str
    status: str
    """finished, early_stopped, time_limit or interrupted."""
    epochs: int
    steps: int
    best: dict[str, Any] | None
    """epoch, step, checkpoint, and the metrics there."""
    parameters: dict[str, int]
    """total, trainable."""
    device: str
    precision: str
    validation: dict[str, float] | None = None
    test: dict[str, float] | None = None
    baseline: dict[str, float] | None = None
    """What the best answer that looks at no input would measure on test."""
    details: dict[str, dict[str, float]] | None = None
    """Figures of each class, label or target on test."""
    seconds: dict[str, float] | None = None
    """setup, train, total; None when nothing was done."""
    samples_per_second: float | None = None
    signal: int | None = None
    """The signal that interrupted it."""
    longer: str = ""
    """The setting that would extend it."""

    @classmethod
    def of(cls, run: Run, folder: RunFolder) -> Result:
        """What can be said before anything is measured."""
        state, best = run.state, None
        status = "interrupted"
        if run.done:
            early = "time_limit" if run.out_of_time else "early_stopped"
            status = "finished" if state.step >= run.plan.steps else early
        if folder.best.exists():
            step = state.best_step or state.step
            best = {"epoch": run.epoch(step), "step": step, "checkpoint": str(folder.best), "metrics": dict(state.best_metrics)}
        total, trainable = count(run.network)
        sizes = {"total": total, "trainable": trainable}
        device, precision = str(run.hardware.device), run.hardware.precision
        result = cls(folder.shown, status, run.epoch(state.step), state.step, best, sizes, device, precision)
        result.longer = _longer(run.config.training.steps, result.epochs)
        if status == "time_limit":
            result.longer = _LONGER
        if status == "early_stopped":
            result.longer = _more_patience(run.plan.patience)
        return result

    @classmethod
    def of_finished(cls, folder: RunFolder, end: Mapping[str, Any]) -> Result:
        """What the record says that ended a run."""
        facts = {name: value for name, value in end.items() if name in cls.__dataclass_fields__}
        best = end["best"] and {**end["best"], "checkpoint": str(folder.best)}
        training = read_file(folder.config).value.get("training", {})
        longer = _LONGER if end["status"] == "time_limit" else _longer(training.get("steps"), end["epoch"])
        if end["status"] == "early_stopped":
            longer = _more_patience((training.get("early_stopping") or {}).get("patience", 10))
        return cls(**{**facts, "run": folder.shown, "epochs": end["epoch"], "steps": end["step"], "best": best, "longer": longer})

    def facts(self) -> dict[str, Any]:
        """As `train --json` prints them."""
        return {name: clean(value) for name, value in vars(self).items() if name not in ("signal", "longer")}

    def record(self) -> dict[str, Any]:
        """As metrics.jsonl ends: no clock and no path in it, so that equal runs write equal files."""
        best = self.best and {name: value for name, value in self.best.items() if name != "checkpoint"}
        facts = {**self.facts(), "best": clean(best)}
        kept = ("status", "best", "parameters", "device", "precision", "validation", "test", "baseline", "details")
        return {"kind": "end", "step": self.steps, "epoch": self.epochs, **{name: facts[name] for name in kept}}


_LONGER = "training.max_time=null"


def _more_patience(patience: float) -> str:
    return f"training.early_stopping.patience={2 * patience:g}"


def _longer(steps: int | None, epochs: int) -> str:
    return f"training.steps={2 * steps}" if steps else f"training.epochs={2 * epochs}"


def clean(value: Any) -> Any:
    """NaN and infinity as None: JSON has neither."""
    if isinstance(value, Mapping):
        return {key: clean(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
