"""Pictures of the data: how often each class comes, how long rows are, and rows as the network sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from trainkit.spec import Batch, Spec, SplitName

COLORS: Mapping[SplitName, str] = {
    "train": "#0072b2",
    "validation": "#e69f00",
    "test": "#777777",
}  # told apart by the colour-blind (Okabe and Ito)
MOST = 40
"""Bars that are still told apart."""
SIDE = 4
"""Samples beside and below each other."""


def balance(classes: Mapping[str, Mapping[SplitName, int]]) -> Figure:
    """Rows of each class in each split; of many classes those with the most."""
    names = list(classes)[:MOST]
    splits = list(classes[names[0]])
    figure = Figure(figsize=(7, 1.4 + 0.3 * len(names)), layout="constrained")
    axes, places = figure.subplots(), np.arange(len(names))
    for n, split in enumerate(splits):
        counts = [classes[name][split] for name in names]
        axes.barh(
            places + (n - (len(splits) - 1) / 2) * 0.8 / len(splits), counts, 0.8 / len(splits), color=COLORS[split], label=split
        )
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    left_out = f" (the first {MOST} of {len(classes):,})" if len(classes) > MOST else ""
    axes.set(xlabel="rows", title=f"rows of each class{left_out}")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def histograms(values: Mapping[str, Mapping[SplitName, np.ndarray[Any, Any]]]) -> Figure:
    """A panel for each name, with the share of each split's rows by value."""
    figure = Figure(figsize=(6.5, 0.6 + 2.6 * len(values)), layout="constrained")
    for axes, (name, by_split) in zip(figure.subplots(len(values), squeeze=False)[:, 0], values.items(), strict=True):
        every = np.concatenate(list(by_split.values()))
        known = every[np.isfinite(every)]
        edges = np.histogram_bin_edges(known, bins=min(MOST, max(5, round(len(known) ** 0.5))))  # few rows fill few bins
        finite = [numbers[np.isfinite(numbers)] for numbers in by_split.values()]
        axes.hist(
            finite,
            edges,
            weights=[np.full(len(numbers), 1 / max(1, len(numbers))) for numbers in finite],
            histtype="bar" if len(edges) <= SIDE**2 else "step",  # lines that lie on each other hide each other
            linewidth=1.5,
            color=[COLORS[split] for split in by_split],
            label=list(by_split),
        )
        axes.set(xlabel=name, ylabel="share of the rows")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def samples(spec: Spec, batches: Mapping[str, Batch], black: Tensor, white: Tensor) -> Figure:
    """Rows of each split as the network gets them, training rows augmented: pictures, or series as lines.

    ``black`` and ``white``, (channels, height, width), are how the network gets these colours: they undo the scaling.
    """
    figure = Figure(figsize=(6 * len(batches), 6.6))  # laid out by hand: finding the layout of 32 panels takes seconds
    for part, (split, batch) in zip(figure.subfigures(1, len(batches), squeeze=False)[0], batches.items(), strict=True):
        part.suptitle(f"{split}, as the network sees it")
        part.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.89, wspace=0.08, hspace=0.28)
        for n, axes in enumerate(part.subplots(SIDE, SIDE).flatten()):
            axes.set_axis_off()
            if n < len(batch):
                steps = None if batch.lengths is None else int(batch.lengths[n])
                _draw(axes, spec, batch.inputs[n].cpu()[:steps], black, white)
                axes.set_title(answer(spec, batch, n), fontsize=8)
    return figure


def _draw(axes: Axes, spec: Spec, values: Tensor, black: Tensor, white: Tensor) -> None:
    if spec.kind == "sequence":
        axes.plot(values[:, :8].numpy(), linewidth=1)
        return
    pixels = ((values - black) / (white - black)).clamp(0, 1).permute(1, 2, 0).float().numpy()
    if pixels.shape[2] not in (1, 3):
        pixels = pixels.mean(axis=2, keepdims=True)
    axes.imshow(pixels if pixels.shape[2] == 3 else pixels[:, :, 0], cmap="gray", vmin=0, vmax=1)


def answer(spec: Spec, batch: Batch, row: int) -> str:
    """The class of a row, its labels or its amounts, in words."""
    if spec.target == "class":
        name = spec.classes[int(batch.targets[row])]
        if batch.others is None:
            return name
        return f"{batch.share:.0%} {name}, {1 - batch.share:.0%} {spec.classes[int(batch.others[row])]}"
    if spec.target == "labels":
        return _short([name for name, has in zip(spec.classes, batch.targets[row].tolist(), strict=True) if has])
    amounts = zip(batch.targets[row].tolist(), spec.center, spec.scale, strict=True)
    return _short([f"{value * scale + center:.4g}" for value, center, scale in amounts])


def _short(words: Sequence[str]) -> str:
    return ", ".join(words[:3]) + (", …" if len(words) > 3 else "")
