"""From rows as read to Data: split first, then fit on the training split, then apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, get_args

import numpy as np
import torch

from trainkit.data.preprocessing import Preprocessing
from trainkit.data.splitting import limit, split
from trainkit.errors import DataError
from trainkit.spec import Batch, Data, Kind, Rows, Spec, SplitName, Target


def prepare(
    rows: Rows,
    *,
    validation: float,
    test: float,
    seed: int,
    scaling: str = "standard",
    train_rows: int | None = None,
    dtype: torch.dtype = torch.float32,
    fitted: Mapping[str, Any] | None = None,
) -> Data:
    """Split, fit and transform. ``fitted`` (of a checkpoint) is applied instead of fitting anew.

    Raises DataError for an empty split, a class with too few rows, or a value that does not fit.
    """
    labels = rows.targets if rows.target_kind == "class" else None
    index = dict(rows.splits or split(len(rows), labels, validation=validation, test=test, seed=seed))
    if train_rows is not None:
        index["train"] = limit(index["train"], labels, train_rows, seed)
    preprocessing = Preprocessing.fit(rows, index["train"], scaling) if fitted is None else Preprocessing.restore(fitted)
    splits = {name: transform(rows, numbers, preprocessing, dtype) for name, numbers in index.items()}
    return Data(spec_of(rows, splits["train"], preprocessing), splits, preprocessing.content(), fingerprint(splits))


def whole(rows: Rows, fitted: Mapping[str, Any], dtype: torch.dtype = torch.float32) -> Batch:
    """Every row, with the preprocessing of a checkpoint."""
    return transform(rows, np.arange(len(rows)), Preprocessing.restore(fitted), dtype)


def transform(rows: Rows, index: np.ndarray[Any, Any], preprocessing: Preprocessing, dtype: torch.dtype) -> Batch:
    """The rows numbered ``index`` as tensors on the CPU."""
    targets = torch.from_numpy(preprocessing.targets(rows, index))
    inputs = torch.from_numpy(preprocessing.inputs(rows, index))
    lengths = None if rows.lengths is None else torch.from_numpy(rows.lengths[index])
    if rows.kind == "tokens":
        return Batch(inputs, _in(dtype, targets), torch.from_numpy(index), lengths)
    inputs = inputs.to(dtype)
    if not (fine := inputs.isfinite().flatten(1).all(dim=1)).all():
        where = f"{rows.file}: row" if rows.file else "row"
        raise DataError(
            f"{where} {int(index[int(fine.int().argmin())]) + 1}: a value is so far from the training rows' that it does not fit "
            f"into {str(dtype).removeprefix('torch.')}.",
            key=("data",),
            suggestion="Mend the value, leave the row out, or use `preprocess: {scaling: standard}`.",
        )
    return Batch(inputs, _in(dtype, targets), torch.from_numpy(index), lengths)


def _in(dtype: torch.dtype, targets: torch.Tensor) -> torch.Tensor:
    """Amounts and labels in the network's type; class numbers as they are."""
    return targets.to(dtype) if targets.is_floating_point() else targets


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
    if isinstance(rows.inputs, np.ndarray):
        dimensions = {"table": 2, "image": 4, "sequence": 3, "tokens": 2}[rows.kind]
        if rows.inputs.ndim != dimensions or rows.inputs.dtype.kind not in "iufb":
            asked = f"kind {rows.kind} has {dimensions} dimensions of numbers, rows first"
            yield f"inputs of shape {rows.inputs.shape} and type {rows.inputs.dtype}: {asked}"
    elif not hasattr(rows.inputs, "columns"):
        yield f"inputs as {type(rows.inputs).__name__}: they are a NumPy array, or a Polars frame of text"
    if len(rows.inputs) != len(targets):
        yield f"{len(rows.inputs)} rows of inputs, and {len(targets)} of targets"
    if lengths is not None:
        steps = rows.inputs.shape[1]
        wrong = (lengths < 1) | (lengths > steps)
        if wrong.any():
            row = int(wrong.argmax())
            yield f"row {row + 1} a length of {lengths[row]}: lengths lie between 1 and the {steps} steps"
    if rows.kind == "tokens" and rows.vocabulary < 1:
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


def spec_of(rows: Rows, train: Batch, preprocessing: Preprocessing) -> Spec:
    """The shapes and names that the training split shows."""
    outputs = len(preprocessing.classes) or len(preprocessing.center)
    counts = torch.empty(0)
    if rows.target_kind == "class":
        counts = torch.bincount(train.targets, minlength=outputs)
    elif rows.target_kind == "labels":
        counts = train.targets.sum(dim=0)
    return Spec(
        rows.kind,
        tuple(train.inputs.shape[1:]),
        outputs,
        rows.target_kind,
        classes=preprocessing.classes,
        counts=tuple(map(int, counts)),
        rows=len(train),
        target_names=rows.target_names,
        center=preprocessing.center,
        scale=preprocessing.spread,
        vocabulary=rows.vocabulary,
        varying=rows.lengths is not None,
    )


def fingerprint(splits: Mapping[SplitName, Batch]) -> str:
    """sha256 over every split's rows, inputs and targets: another file, seed or split gives another."""
    digest = sha256()
    for name in sorted(splits):
        batch = splits[name]
        for tensor in (batch.inputs, batch.targets, batch.rows, *([] if batch.lengths is None else [batch.lengths])):
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
