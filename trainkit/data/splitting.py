"""Which rows train, which validate, which test: seeded shares, stratified for classes; by a column, by groups, by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainkit.data.dates import moments
from trainkit.data.randomness import key
from trainkit.errors import ConfigError, DataError
from trainkit.spec import SPLITS, Rows, SplitName

if TYPE_CHECKING:
    import polars as pl

Index = np.ndarray[Any, np.dtype[np.int64]]
Labels = np.ndarray[Any, Any]
SPLIT_WORDS: Mapping[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Shares:
    """How rows are split: shares, and the column that says more, if one does."""

    validation: float = 0.15
    test: float = 0.15
    column: str | None = None
    """Its values name the splits."""
    group: str | None = None
    """Rows with the same value stay together."""
    time: str | None = None
    """The earliest rows train, the latest test."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that split, and so are no inputs."""
        return tuple(name for name in (self.column, self.group, self.time) if name)


def assign(rows: Rows, shares: Shares, seed: int) -> dict[SplitName, Index]:
    """Row numbers of each split, ascending; a split without rows is absent, and train never is.

    What the source splits itself stays so; what it leaves open, of validation and test, is taken from its training rows.
    Raises DataError when a split would be empty, a class has too few rows, or the column does not serve.
    """
    if rows.splits is not None and shares.columns:
        setting = next(name for name in ("column", "group", "time") if getattr(shares, name))
        raise ConfigError(
            f"the data is split already, and cannot be split by {setting} besides.",
            key=("split", setting),
            suggestion="Leave it out, or give all rows in one file.",
        )
    given = dict(rows.splits or {})
    pool = given.pop("train", None) if rows.splits else None
    open_shares = replace(shares, **dict.fromkeys(given, 0.0))  # type: ignore[arg-type]
    index = np.arange(len(rows)) if pool is None else np.asarray(pool)
    splits: dict[SplitName, Index] = {name: np.asarray(there) for name, there in given.items()}
    if rows.splits is not None and not open_shares.validation and not open_shares.test:
        splits["train"] = index
    else:
        splits |= _assigned(rows, index, open_shares, seed)
    return {name: splits[name] for name in SPLITS if name in splits and (len(splits[name]) or name == "train")}


def _assigned(rows: Rows, index: Index, shares: Shares, seed: int) -> dict[SplitName, Index]:
    if shares.column:
        return _by_word(rows, index, shares.column)
    if shares.group:
        return _by_group(column_of(rows, shares.group, "group").to_numpy()[index], index, shares, seed)
    if shares.time:
        clock = moments(column_of(rows, shares.time, "time"), rows.place, ("split", "time"))[index]
        return _by_time(clock, clock, index, shares)
    if rows.moments:
        begins, ends = (column_of(rows, name, "time").to_numpy()[index] for name in rows.moments)
        return _by_time(begins, ends, index, shares)
    labels = rows.targets[index] if rows.target_kind == "class" else None
    found = split(len(index), labels, validation=shares.validation, test=shares.test, seed=seed)
    return {name: index[there] for name, there in found.items()}


def column_of(rows: Rows, name: str, setting: str) -> pl.Series:
    """The column by which to split. Raises ConfigError when there is none of that name, DataError for a gap in it."""
    import polars as pl

    frames = [frame for frame in (rows.inputs, rows.extra) if isinstance(frame, pl.DataFrame)]
    for frame in frames:
        if name in frame.columns:
            values = frame[name]
            if (gaps := values.is_null()).any():
                raise DataError(
                    f"{rows.place(int(gaps.arg_true()[0]))}: column {name!r} has no value, and the rows are split by it.",
                    key=("split", setting),
                    suggestion="Fill it, or leave the row out.",
                )
            return values
    names = [column for frame in frames for column in frame.columns]
    if name in rows.target_names:
        words = f"the rows cannot be split by {name!r}: it is the target, which new rows do not have yet."
        raise ConfigError(words, key=("split", setting), suggestion=f"Name another column: {', '.join(names[:20])}.")
    raise ConfigError(
        f"the rows cannot be split by {name!r}: the data has no such column.",
        key=("split", setting),
        suggestion=f"There are: {', '.join(names[:20])}." if names else "This source has no columns to split by.",
    )


def without(rows: Rows, names: tuple[str, ...]) -> Rows:
    """The rows, without these columns as inputs: what splits them is none."""
    import polars as pl

    held = [name for name in names if isinstance(rows.inputs, pl.DataFrame) and name in rows.inputs.columns]
    return replace(rows, inputs=rows.inputs.drop(held)) if held else rows


def _by_word(rows: Rows, index: Index, name: str) -> dict[SplitName, Index]:
    values = column_of(rows, name, "column")
    words = [str(value).strip().lower() for value in values.to_list()]
    strange = next((row for row in index.tolist() if words[row] not in SPLIT_WORDS), None)
    if strange is not None:
        raise DataError(
            f"{rows.place(strange)}: column {name!r} says {values[strange]!r}, which is no split.",
            key=("split", "column"),
            suggestion="Write train, validation or test.",
        )
    codes = np.array([SPLIT_WORDS[words[row]] for row in index.tolist()])
    found = {split_name: index[codes == split_name] for split_name in SPLITS}
    if not len(found["train"]):
        raise DataError(f"column {name!r} sends no row to train.", key=("split", "column"), suggestion="Write train for some.")
    return found


def _by_group(groups: Labels, index: Index, shares: Shares, seed: int) -> dict[SplitName, Index]:
    """Groups in a random order fill test, then validation, as near to the share asked for as they come; one group at least."""
    names, codes = _coded(groups)
    wanted = {name: share for name, share in (("test", shares.test), ("validation", shares.validation)) if share}
    if len(names) <= len(wanted):
        raise DataError(
            f"{len(names)} group{'s' * (len(names) != 1)} cannot fill {len(wanted) + 1} splits.",
            key=("split", "group"),
            suggestion="Give rows of more groups, or set split.validation or split.test to 0.",
        )
    sizes = np.bincount(codes)
    left = list(np.random.RandomState(key(seed, "split", "group") % 2**32).permutation(len(names)))
    found: dict[SplitName, Index] = {}
    for n, (name, share) in enumerate(wanted.items()):
        spare = len(wanted) - n  # each later split, train among them, needs a group too
        chosen: list[int] = []
        for group in list(left):
            have = sizes[chosen].sum() if chosen else 0
            nearer = abs(have + sizes[group] - share * len(index)) < abs(have - share * len(index))
            if len(left) > spare and nearer:
                chosen.append(group)
                left.remove(group)
        if not chosen:  # every group is larger than twice the share
            chosen = [min(left, key=lambda group: sizes[group])]
            left.remove(chosen[0])
        found[name] = index[np.isin(codes, chosen)]  # type: ignore[index]
    return {"train": index[np.isin(codes, left)], **found}


def _by_time(begins: Labels, ends: Labels, index: Index, shares: Shares) -> dict[SplitName, Index]:
    """The earliest rows train, the latest test. A moment belongs to one split: a row that speaks of moments in two is left out."""
    sizes = {"test": round(len(index) * shares.test), "validation": round(len(index) * shares.validation)}
    ordered, last = np.sort(begins, kind="stable"), len(index)
    found: dict[SplitName, Index] = {}
    until: Any = None
    for name in ("test", "validation", "train"):
        last -= sizes.get(name, last)
        if name != "train" and not sizes[name]:
            continue
        since = ordered[last] if name != "train" else None
        there = np.ones(len(index), dtype=bool) if since is None else begins >= since
        if until is not None:
            there &= ends < until
        found[name], until = index[there], since if since is not None else until
        if not there.any():
            raise DataError(
                f"the {name} split would be empty: too few different moments.",
                key=("split",),
                suggestion="Give more rows, or change split.validation and split.test.",
            )
    return found


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
                f"the {name} split would be empty: {parts[name]:.4g} of {rows} row{'' if rows == 1 else 's'}.",
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
