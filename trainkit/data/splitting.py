"""Which rows train, which validate, which test: seeded fractions, stratified for classes."""

from typing import Any

import numpy as np

from trainkit.data.randomness import key
from trainkit.errors import DataError
from trainkit.spec import SPLITS, SplitName

Index = np.ndarray[Any, np.dtype[np.int64]]
Labels = np.ndarray[Any, Any]


def split(rows: int, labels: Labels | None, *, validation: float, test: float, seed: int) -> dict[SplitName, Index]:
    """Row numbers of each split, ascending; a split whose fraction is 0 is absent.

    ``labels`` (rows,) keeps each class's share the same in all splits, with at least one row of each class in each.
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
    codes = None
    if labels is not None:
        names, codes = _coded(labels)
        _check_classes(names, np.bincount(codes), counts)
    left = np.arange(rows)
    result: dict[SplitName, Index] = {}
    later = len(counts) - 1
    for name in ("test", "validation"):
        if name in counts:
            taken = _take(left, codes, counts[name], key(seed, "split", name), spare=later)
            result[name], left = taken, np.setdiff1d(left, taken, assume_unique=True)
            later -= 1
    result["train"] = left
    return {name: result[name] for name in SPLITS if name in result}


def limit(train: Index, labels: Labels | None, rows: int, seed: int) -> Index:
    """At most ``rows`` of the training rows, each class keeping its share, and one row at least.

    Raises DataError when ``rows`` are fewer than the classes.
    """
    if rows >= len(train):
        return train
    codes = None
    if labels is not None:
        names, codes = _coded(labels)
        if rows < len(names):
            raise DataError(
                f"{rows} training row{'' if rows == 1 else 's'} cannot show all {len(names)} classes.",
                key=("training", "limit"),
                suggestion=f"Allow {len(names)} at least.",
            )
    return _take(train, codes, rows, key(seed, "limit"), spare=0)


def _coded(labels: Labels) -> tuple[list[Any], Index]:
    """The different labels, sorted, and each row's place among them. 2 million rows take 0.3 s; np.unique on words, 3 s."""
    values = labels.tolist()
    names = sorted(set(values))
    known = {name: code for code, name in enumerate(names)}
    return names, np.fromiter((known[value] for value in values), np.int64, len(values))


def _take(left: Index, codes: Index | None, count: int, seed: int, spare: int) -> Index:
    """``count`` of the rows that are ``left``, ascending; of each class one at least, and ``spare`` of it stay."""
    random = np.random.RandomState(seed % 2**32)  # numpy keeps its numbers for ever: a checkpoint's split can be found again
    if codes is None:
        return np.sort(left[random.permutation(len(left))[len(left) - count :]])
    groups = codes[left]
    sizes = np.bincount(groups)
    ordered = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    shares = _shares(sizes, count, random, spare)
    taken = [rows[random.permutation(len(rows))[:share]] for rows, share in zip(ordered, shares, strict=True)]
    return np.sort(left[np.concatenate(taken)])


def _shares(sizes: Index, count: int, random: np.random.RandomState, spare: int) -> Index:
    """Rows to take of each class: by its size, the largest remainders rounded up, equal ones by lot."""
    exact = sizes / sizes.sum() * count
    least, most = np.minimum(1, sizes), sizes - spare
    shares: Index = np.clip(np.floor(exact).astype(np.int64), least, most)
    while missing := int(count - shares.sum()):
        step = 1 if missing > 0 else -1
        owed = np.where(shares < most, exact - shares, -np.inf) if step > 0 else np.where(shares > least, shares - exact, -np.inf)
        first = np.flatnonzero(owed == owed.max())
        shares[random.choice(first, min(len(first), abs(missing)), replace=False)] += step
    return shares


def _check_classes(names: list[Any], sizes: Index, counts: dict[SplitName, int]) -> None:
    if len(names) < 2:
        raise DataError(
            f"the target has one class only, {names[0]!r}: there is nothing to tell apart.",
            key=("data", "target"),
            suggestion="Choose another target column, or more rows.",
        )
    if sizes.min() < len(counts):
        rare = int(sizes.argmin())
        raise DataError(
            f"class {names[rare]!r} has {sizes[rare]} row{'' if sizes[rare] == 1 else 's'}, fewer than the {len(counts)} splits.",
            key=("data", "target"),
            suggestion="Add rows of that class, or leave it out.",
        )
    for name, count in counts.items():
        if count < len(names):
            raise DataError(
                f"the {name} split would have {count} row{'' if count == 1 else 's'} for {len(names)} classes.",
                key=("split",),
                suggestion="Give more rows, or a larger share.",
            )
