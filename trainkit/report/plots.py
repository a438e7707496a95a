"""Pictures of a run, as Matplotlib figures that need no display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import Tensor

from trainkit.parts.metrics import confusion
from trainkit.spec import Spec

_BLUE, _ORANGE, _GREY = "#0072b2", "#e69f00", "#777777"  # told apart by the colour-blind (Okabe and Ito)


def pixels(figure: Figure) -> np.ndarray[Any, Any]:
    """The figure drawn once, as (height, width, 3) uint8: drawing takes a quarter of a second."""
    figure.set_dpi(110)
    canvas: Any = FigureCanvasAgg(figure)
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a column called price_$ is no formula
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def answers(spec: Spec, answered: Tensor, truth: Tensor, title: str) -> Figure:
    """What was answered against what was true: a confusion matrix for classes, rows by outcome for labels, true against
    answered for amounts.

    Classes: both (rows,) int64. Labels: both (rows, labels), 0 and 1. Amounts: both (rows, targets) in their own units; the
    first target is drawn.
    """
    return {"class": _confusion, "labels": _labels, "number": _residuals}[spec.target](spec, answered, truth, title)


def _confusion(spec: Spec, answered: Tensor, truth: Tensor, title: str) -> Figure:
    classes = len(spec.classes)
    counts = confusion(answered, truth, classes).cpu().numpy()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = min(12.0, 2.5 + 0.45 * classes)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    if classes <= 30:
        axes.set_xticks(range(classes), spec.classes, rotation=45 if max(map(len, spec.classes)) > 3 else 0, ha="center")
        axes.set_yticks(range(classes), spec.classes)
        for row in range(classes):
            for column in range(classes):
                if counts[row, column]:
                    axes.text(
                        column,
                        row,
                        str(counts[row, column]),
                        ha="center",
                        va="center",
                        fontsize=8,
                        color="white" if shares[row, column] > 0.5 else "black",
                    )
    axes.set(xlabel="answered", ylabel="true", title=title)
    return figure


def _labels(spec: Spec, answered: Tensor, truth: Tensor, title: str) -> Figure:
    said, true = answered.cpu().bool(), truth.cpu().bool()
    outcomes = {"answered, true": said & true, "missed": ~said & true, "answered, not true": said & ~true}
    figure = Figure(figsize=(6.5, min(12.0, 1.5 + 0.35 * len(spec.classes))), layout="constrained")
    axes, left = figure.subplots(), np.zeros(len(spec.classes))
    for (name, rows), color in zip(outcomes.items(), (_BLUE, _GREY, _ORANGE), strict=True):
        width = rows.sum(dim=0).numpy()
        axes.barh(spec.classes, width, left=left, color=color, label=name)
        left = left + width
    axes.invert_yaxis()
    axes.set(xlabel="rows", title=title)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _residuals(spec: Spec, answered: Tensor, truth: Tensor, title: str) -> Figure:
    finite = truth[:, 0].isfinite().cpu() & answered[:, 0].isfinite().cpu()
    true, said = truth[:, 0].cpu()[finite].numpy(), answered[:, 0].cpu()[finite].numpy()
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    if not len(true):
        left.set(title=f"{title}: no finite answer")
        return figure
    left.scatter(true, said, s=12, alpha=0.6, color=_BLUE)
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    left.plot(ends, ends, color=_GREY, linewidth=1)
    left.set(xlabel=f"true {spec.target_names[0]}", ylabel="answered", title=title)
    errors = (said - true).astype(float)
    low, high = errors.min(), errors.max()
    room = 0.01 * max(1.0, abs(low), abs(high)) if high - low < 1e-5 * max(1.0, abs(low), abs(high)) else 0.0  # all errors alike
    right.hist(errors, bins=30, range=(low - room, high + room), color=_BLUE)
    right.axvline(0, color=_GREY, linewidth=1)
    right.set(xlabel="answered − true", ylabel="rows", title="errors")
    return figure


def curves(records: Sequence[dict[str, Any]], best_step: int) -> Figure | None:
    """Loss of training and validation, and the first seven metrics, by step. None when nothing was evaluated."""
    evaluated = [record for record in records if record.get("kind") == "evaluation"]
    if not evaluated:
        return None
    metrics = [name for name in evaluated[0] if name.startswith("val_") and name != "val_loss"][:7]
    wide = min(4, 1 + len(metrics))
    high = -(-(1 + len(metrics)) // wide)
    figure = Figure(figsize=(1 + 3.6 * wide, 3.4 * high), layout="constrained")
    panels = figure.subplots(high, wide, squeeze=False).flatten()
    for panel in panels[1 + len(metrics) :]:
        panel.set_axis_off()
    steps = [record["step"] for record in evaluated]
    for name, color in (("train_loss", _BLUE), ("val_loss", _ORANGE)):
        if name in evaluated[0]:
            panels[0].plot(
                steps, [record[name] for record in evaluated], color=color, label=name, marker="." if len(steps) < 40 else ""
            )
    for panel, name in zip(panels[1:], metrics, strict=False):  # a panel each: their scales have nothing in common
        panel.plot(steps, [record[name] for record in evaluated], color=_ORANGE, marker="." if len(steps) < 40 else "")
        panel.set(title=name)
    for panel in panels[: 1 + len(metrics)]:
        if best_step:
            panel.axvline(best_step, color=_GREY, linewidth=1, linestyle=":", label="best" if panel is panels[0] else None)
        panel.set(xlabel="step")
    panels[0].set(title="loss")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
