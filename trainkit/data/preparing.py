"""From rows as read to Data: split first, then fit on the training split, then apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from math import prod
from typing import Any, Protocol, get_args

import numpy as np
import torch

from trainkit.data.splits import LARGE, Data, Split
from trainkit.data.splitting import Shares, assign, limit, without
from trainkit.data.targets import FittedTargets
from trainkit.errors import DataError
from trainkit.spec import Fitted, Kind, Rows, Spec, SplitName, Target, numbered

Index = np.ndarray[Any, Any]


class Preprocess(Protocol):
    """See `trainkit.parts.preprocessing.Preprocess`."""

    def fit(self, rows: Rows, train: Index) -> Fitted:
        """Learn from the rows numbered ``train``."""

    def restore(self, content: Mapping[str, Any]) -> Fitted:
        """What `Fitted.content` wrote."""


def prepare(
    rows: Rows,
    preprocess: Preprocess,
    shares: Shares,
    *,
    seed: int,
    train_rows: int | None = None,
    dtype: torch.dtype = torch.float32,
    workers: int = 0,
    augmented: bool = False,
    fitted: Mapping[str, Any] | None = None,
) -> Data:
    """Split, fit and prepare. ``fitted`` (of a checkpoint) is applied instead of fitting anew. With ``augmented``,
    the training split stays as it is held, to be changed anew in every epoch.

    Raises DataError for an empty split, a class with too few rows, or a value that does not fit.
    """
    index = assign(rows, shares, seed)
    told = list(_left_out(rows, index))
    rows = without(rows, shares.columns)
    if train_rows is not None:
        labels = rows.targets if rows.target_kind == "class" else None
        index["train"] = limit(index["train"], labels, train_rows, seed)
    if fitted is None:
        targets, inputs = FittedTargets.fit(rows, index["train"]), preprocess.fit(rows, index["train"])
    else:
        targets, inputs = FittedTargets.restore(fitted["targets"]), preprocess.restore(fitted["inputs"])
    splits = {name: _split(rows, numbers, inputs, targets, dtype, workers) for name, numbers in index.items()}
    known = fingerprint(splits)
    spec = spec_of(rows, splits["train"], inputs, targets)
    large = sum(map(len, splits.values())) * prod(spec.shape) * dtype.itemsize > LARGE
    ready = {
        name: split if split.streams or large or (augmented and name == "train") else split.settled()
        for name, split in splits.items()
    }
    return Data(spec, ready, {"inputs": inputs.content(), "targets": targets.content()}, known, (*inputs.told(), *told))


def _left_out(rows: Rows, index: Mapping[SplitName, Index]) -> Iterator[str]:
    """Rows that are in no split, and why."""
    left = len(rows) - sum(map(len, index.values()))
    if left and rows.splits is None:
        yield f"{left:,} rows reach from one split into the next, and are in none"
    if skipped := getattr(rows.inputs, "skipped", ()):
        named = ", ".join(f"{path} ({why})" for path, why in skipped[:10])
        more = f" and {len(skipped) - 10:,} more" if len(skipped) > 10 else ""
        yield f"{len(skipped):,} pictures are skipped: {named}{more}"


def whole(
    rows: Rows, preprocess: Preprocess, fitted: Mapping[str, Any], dtype: torch.dtype = torch.float32, workers: int = 0
) -> Split:
    """Every row, with the preprocessing of a checkpoint."""
    targets, inputs = FittedTargets.restore(fitted["targets"]), preprocess.restore(fitted["inputs"])
    split = _split(rows, np.arange(len(rows)), inputs, targets, dtype, workers)
    return split if split.streams else split.settled()


def _split(rows: Rows, index: Index, inputs: Fitted, targets: FittedTargets, dtype: torch.dtype, workers: int) -> Split:
    """The rows numbered ``index``, on the CPU."""
    wanted = torch.from_numpy(targets(rows, index))
    if wanted.is_floating_point():
        wanted = wanted.to(dtype)
    place = rows.places or partial(numbered, rows.file)  # not rows.place, which would keep all rows in memory
    return Split(inputs.held(rows, index), wanted, torch.from_numpy(index), inputs, dtype, place, workers=workers)


def check_rows(rows: Rows) -> None:
    """What a source promises: a slip in one of the user's own shows here, not as a wrong answer. Raises DataError."""
    if fault := next(_slips(rows), None):
        mend = "Mend the source's build: see trainkit.spec.Rows for what it gives."
        raise DataError(f"the source gives {fault}.", key=("data",), suggestion=mend)


def _slips(rows: Rows) -> Iterator[str]:
    targets, lengths = rows.targets, rows.lengths
    if rows.kind not in get_args(Kind):
        yield f"the kind {rows.kind!r}: there are {', '.join(get_args(Kind))}"
    if rows.target_kind not in get_args(Target):
        yield f"the target_kind {rows.target_kind!r}: there are {', '.join(get_args(Target))}"
    if not isinstance(targets, np.ndarray):
        yield f"targets as {type(targets).__name__}: they are a NumPy array"
    if isinstance(rows.inputs, list | tuple | dict | str) or not (hasattr(rows.inputs, "__len__") or hasattr(rows.inputs, "shape")):
        yield f"inputs as {type(rows.inputs).__name__}: they are a NumPy array, a Polars frame, or a trainkit.spec.Reader"
    elif isinstance(rows.inputs, np.ndarray):
        dimensions = {"table": 2, "image": 4, "sequence": 3, "tokens": 2}[rows.kind]
        if rows.inputs.ndim != dimensions or rows.inputs.dtype.kind not in "iufb":
            asked = f"kind {rows.kind} has {dimensions} dimensions of numbers, rows first"
            yield f"inputs of shape {rows.inputs.shape} and type {rows.inputs.dtype}: {asked}"
    count = len(rows.inputs) if hasattr(rows.inputs, "__len__") else rows.inputs.shape[0]
    if count != len(targets):
        yield f"{count} rows of inputs, and {len(targets)} of targets"
    if lengths is not None:
        steps = rows.inputs.shape[1]
        wrong = (lengths < 1) | (lengths > steps)
        if wrong.any():
            row = int(wrong.argmax())
            yield f"row {row + 1} a length of {lengths[row]}: lengths lie between 1 and the {steps} steps"
    if rows.kind == "tokens" and isinstance(rows.inputs, np.ndarray) and rows.vocabulary < 1:
        yield "token ids, and no vocabulary"
    if rows.target_kind != "class":
        if targets.ndim == 1:
            yield f"targets of shape {targets.shape}: they are (rows, how many), so write targets[:, None]"
        elif targets.ndim != 2 or targets.shape[1] != len(rows.target_names):
            yield f"targets of shape {targets.shape}, and {len(rows.target_names)} target_names: these name the columns"
        elif rows.target_kind == "labels" and not np.isin(targets, (0, 1)).all():
            yield "labels that are neither 0 nor 1"
    if rows.splits is not None and not len(rows.splits.get("train", ())):
        yield "splits, and no row to train on"


def spec_of(rows: Rows, train: Split, inputs: Fitted, targets: FittedTargets) -> Spec:
    """The shapes and names that the training split shows."""
    outputs = len(targets.classes) or len(targets.center)
    counts = torch.empty(0)
    if rows.target_kind == "class":
        counts = torch.bincount(train.targets, minlength=outputs)
    elif rows.target_kind == "labels":
        counts = train.targets.sum(dim=0)
    told = dict(inputs.spec())
    shape = tuple(told.pop("shape", None) or train.held.values.shape[1:])
    return Spec(
        rows.kind,
        shape,
        outputs,
        rows.target_kind,
        classes=targets.classes,
        counts=tuple(map(int, counts)),
        rows=len(train),
        target_names=rows.target_names,
        center=targets.center,
        scale=targets.spread,
        **told,
    )


def fingerprint(splits: Mapping[SplitName, Split]) -> str:
    """sha256 over every split's rows, inputs and targets: another file, seed or split gives another."""
    digest = sha256()
    for name in sorted(splits):
        digest.update(splits[name].digest())
    return digest.hexdigest()
