"""Checks of what is to be answered: sizes of the splits, balance and names of the classes, amounts that are classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from trainkit.data.findings.finding import Finding, Look, as_yaml, counted, named, share
from trainkit.data.targets import in_order
from trainkit.spec import SplitName

if TYPE_CHECKING:
    import polars as pl

RARE, FEW, UNEVEN = 10, 20, 10
"""Fewer training rows of a class teach little; fewer rows measure little; a class so many times rarer than another is lost."""


def balance(look: Look) -> dict[str, dict[SplitName, int]]:
    """Rows of each class, or with each label, in each split; classes that train has the most of come first."""
    rows = look.rows
    splits: Mapping[Any, Any] = look.splits or {"train": look.train}
    if rows.target_kind == "labels":
        counts = {split: np.asarray(rows.targets[index]).sum(axis=0) for split, index in splits.items()}
        return {name: {split: int(counts[split][n]) for split in splits} for n, name in enumerate(rows.target_names)}
    if rows.target_kind == "number":
        return {}
    found = {split: dict(look.classes[index].value_counts().iter_rows()) for split, index in splits.items()}
    names = in_order({name for counts in found.values() for name in counts})
    table = {name: {split: counts.get(name, 0) for split, counts in found.items()} for name in names}
    return dict(sorted(table.items(), key=lambda item: -item[1]["train"]))


def uneven(look: Look) -> Iterator[Finding]:
    """Classes that are lost among the others, and those with few rows to learn from."""
    counts = {name: by_split["train"] for name, by_split in balance(look).items() if by_split["train"]}
    if look.rows.target_kind != "class" or len(counts) < 2:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    total = sum(counts.values())
    if counts[most] >= UNEVEN * counts[least]:
        yield Finding(
            "warning",
            "imbalance",
            f"class {least!r} has {share(counts[least] / total)} of the training rows, and {most!r} {share(counts[most] / total)}: "
            "a network may learn to never answer the rare ones",
            "training: {sampler: balanced}",
        )
    if rare := [name for name, count in counts.items() if count < RARE]:
        what = f"class {rare[0]!r} has" if len(rare) == 1 else f"{len(rare)} classes ({named(rare)}) have"
        most_rows = max(counts[name] for name in rare)
        yield Finding(
            "note", "rare-class", f"{what} {counted(most_rows, 'training row')}{' at most' * (len(rare) > 1)}", "more rows of it"
        )


def unmeasured(look: Look) -> Iterator[Finding]:
    """Classes that one split has and another lacks."""
    if look.rows.target_kind != "class" or not look.splits:
        return
    table = balance(look)
    for split in look.others:
        if missing := [name for name, counts in table.items() if counts["train"] and not counts[split]]:
            words = f"the {split} split has no row of {'class' if len(missing) == 1 else 'the classes'} {named(missing)}"
            yield Finding("warning", "class-not-measured", f"{words}: how well it is answered stays unknown")
    if strange := [name for name, counts in table.items() if not counts["train"]]:
        rows = np.flatnonzero(look.classes.is_in(strange).to_numpy())
        where = f"the training split has no row of {'class' if len(strange) == 1 else 'the classes'} {named(strange)}"
        yield Finding("error", "unknown-class", f"{where} ({look.places(rows)})", "training rows of it", tuple(rows.tolist()))


def small(look: Look) -> Iterator[Finding]:
    """Splits that measure little, because a row more or less changes the result."""
    for split, index in look.others.items():
        if 0 < len(index) < FEW:
            words = f"the {split} split has {counted(len(index), 'row')}"
            words += f": each moves its accuracy by {share(1 / len(index))}" if look.rows.target_kind == "class" else " only"
            enough = FEW / len(look.rows)
            larger = len(index) / len(look.rows) < enough < 0.3
            yield Finding(
                "warning", "small-split", words, f"split: {{{split}: {ceil(100 * enough) / 100}}}" if larger else "more rows"
            )


def spelling(look: Look) -> Iterator[Finding]:
    """Classes whose names differ in case and spaces alone."""
    if look.rows.target_kind == "class":
        for alike in variants(look.classes):
            rows = np.flatnonzero(look.classes.is_in(alike[1:]).to_numpy())
            words = f"the classes {named(alike)} differ in case or spaces alone ({look.places(rows)})"
            yield Finding("warning", "class-spelling", words, f"write all of them as {as_yaml(alike[0])}", tuple(rows.tolist()))


def variants(words: pl.Series) -> list[list[str]]:
    """Groups of words that are the same but for case and spaces, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for word, _ in words.drop_nulls().value_counts().sort(["count", words.name], descending=[True, False]).iter_rows():
        groups.setdefault(" ".join(word.casefold().replace("_", " ").split()), []).append(word)
    return [group for group in groups.values() if len(group) > 1]


def unused_labels(look: Look) -> Iterator[Finding]:
    """Labels that no training row has, or every one."""
    if look.rows.target_kind == "labels":
        for name, counts in balance(look).items():
            if counts["train"] in (0, len(look.train)):
                always = "every" if counts["train"] else "no"
                yield Finding("warning", "constant-label", f"{always} training row has the label {name!r}: it can't be learnt")


def amounts(look: Look) -> Iterator[Finding]:
    """Numbers to be answered that look like classes, and a few that lie far from all others."""
    if look.rows.target_kind != "number":
        return
    for n, name in enumerate(look.rows.target_names):
        values = np.asarray(look.rows.targets[look.train, n], dtype=float)
        different = np.unique(values[np.isfinite(values)])
        if 2 <= len(different) <= 10 < len(values) / 3 and (different == different.round()).all() and look.rows.kind != "sequence":
            words = f"the target {name!r} holds {len(different)} different whole numbers: are they classes?"
            yield Finding("note", "few-amounts", words, "task: classification")
        if len(rows := look.train[far(values)]):
            shown = ", ".join(f"{look.rows.targets[row, n]:g}" for row in rows[:3])
            words = f"the target {name!r}: {counted(len(rows), 'value')} far from all others: {shown} ({look.places(rows)})"
            yield Finding("note", "target-outliers", words, "task: {name: regression, loss: huber}", tuple(rows.tolist()))


def far(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Places of the few values that lie far from all others.

    Far: more than 10 robust deviations from the median, and three times as far as the next one, which a long tail is not.
    The deviation is 1.4826 times the median distance from the median (Iglewicz and Hoaglin 1993, "How to detect and handle
    outliers"); where that is 0, most values are one and the same, and the others are just rare. Few: at most 1 %, or all of
    them the same number.
    """
    places = np.flatnonzero(np.isfinite(values))
    if len(places) < FEW:
        return places[:0]
    known = values[places]
    with np.errstate(over="ignore"):  # infinitely far is far
        distance = np.abs(known - np.median(known))
        order = np.argsort(distance, kind="stable")
        steps = distance[order]
        spread = 1.4826 * np.median(distance)
        jumps = np.flatnonzero((spread > 0) & (steps[1:] > 10 * spread) & (steps[1:] >= 3 * steps[:-1]))
    if not len(jumps):
        return places[:0]
    out = np.sort(order[jumps[0] + 1 :])
    few = len(out) <= max(1, 0.01 * len(known)) or len(np.unique(known[out])) == 1
    return places[out] if few else places[:0]
