"""Which rows train, which validate, which test: seeded fractions, stratified for classes."""

from typing import Any

import numpy as np

from trainkit.data.randomness import key
from trainkit.errors import DataError
from trainkit.spec import SPLITS, SplitName

Index = np.ndarray[Any, np.dtype[np.int64]]


def split(rows: int, labels: np.ndarray[Any, Any] | None, *, validation: float, test: float, seed: int) -> dict[SplitName, Index]:
    """Row numbers of each split, ascending; a split whose fraction is 0 is absent.

    ``labels`` (rows,) keeps each class's share the same in all splits.
    Raises DataError when a split would be empty or a class has too few rows.
    """
    wanted: dict[SplitName, float] = {"train": 1 - validation - test, "validation": validation, "test": test}
    parts = {name: fraction for name, fraction in wanted.items() if fraction > 0}
    counts: dict[SplitName, int] = {name: round(rows * fraction) for name, fraction in parts.items() if name != "train"}
    counts["train"] = rows - sum(counts.values())
    for name, count in counts.items():
        if count < 1:
            raise DataError(
                f"the {name} split would be empty: {parts[name]:.4g} of {rows} rows.",
                key=("split",),
                suggestion="Give more rows, or change split.validation and split.test (0 leaves one out).",
            )
    if labels is not None:
        _check_classes(labels, counts)
    left = np.arange(rows)
    result: dict[SplitName, Index] = {}
    for name in ("test", "validation"):
        if name in counts:
            taken = _take(left, labels, counts[name], key(seed, "split", name) % 2**32)
            result[name], left = taken, np.setdiff1d(left, taken, assume_unique=True)
    result["train"] = left
    return {name: result[name] for name in SPLITS if name in result}


def limit(train: Index, labels: np.ndarray[Any, Any] | None, rows: int, seed: int) -> Index:
    """At most ``rows`` of the training rows, each class keeping its share where that is possible."""
    if rows >= len(train):
        return train
    if labels is not None and rows < len(np.unique(labels[train])):
        labels = None
    return _take(train, labels, rows, key(seed, "limit") % 2**32)


def _take(left: Index, labels: np.ndarray[Any, Any] | None, count: int, seed: int) -> Index:
    from sklearn.model_selection import train_test_split

    if count == len(left):
        return left
    stratify = None if labels is None else labels[left]
    taken, _ = train_test_split(left, train_size=count, random_state=seed, stratify=stratify)
    return np.sort(taken)


def _check_classes(labels: np.ndarray[Any, Any], counts: dict[SplitName, int]) -> None:
    names, sizes = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise DataError(
            f"the target has one class only, {names[0]!r}: there is nothing to tell apart.",
            key=("data",),
            suggestion="Choose another target column, or more rows.",
        )
    if sizes.min() < len(counts):
        rare = names[sizes.argmin()]
        raise DataError(
            f"class {rare!r} has {sizes.min()} row{'s' * (sizes.min() > 1)}, fewer than the {len(counts)} splits.",
            key=("data",),
            suggestion="Add rows of that class, or leave it out.",
        )
    for name, count in counts.items():
        if count < len(names):
            raise DataError(
                f"the {name} split would have {count} rows for {len(names)} classes.",
                key=("split",),
                suggestion="Give more rows, or a larger share.",
            )
