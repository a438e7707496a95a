"""Checks for rows that come again: within the data, in two splits, with two answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trainkit.data.findings.finding import SHOWN, Finding, Look, counted, share

MANY = 0.01
"""In most tables of coarse numbers a row or two come again: only such a share of a split misleads."""


def leaks(look: Look) -> Iterator[Finding]:
    """Rows of validation and test that train has too: on them a network can answer by heart."""
    import polars as pl

    if look.keys is None or not look.splits:
        return
    trained = look.keys[look.train]
    known = pl.Series(trained).implode()
    for split, index in look.others.items():
        again = index[pl.Series(look.keys[index]).is_in(known).to_numpy()]
        if not len(again):
            continue
        if len(again) == len(index):
            words = f"every row of {split} is in the training split too{look.but}: is it the same file?"
            fix = f"rows of its own for {split}, or split: {{{split}: 0.15}}"
            yield Finding("warning", "same-rows", words, fix, tuple(again.tolist()))
            continue
        pairs = []
        for row in again[:SHOWN]:
            twin = int(look.train[(trained == look.keys[row]).argmax()])
            pairs.append(f"{look.place(row)} as {look.place(twin)}")
        words = f"{counted(len(again), 'row')} of {split} ({share(len(again) / len(index))}) "
        words += f"{'has' if len(again) == 1 else 'have'} the inputs of a training row{look.but}: {', '.join(pairs)}"
        severity = "warning" if len(again) > 1 and len(again) >= MANY * len(index) else "note"
        fix = "take the copies out of the data, or keep them together with split: {group: COLUMN}"
        yield Finding(severity, "leak", words, fix, tuple(again.tolist()))  # type: ignore[arg-type]


def copies(look: Look) -> Iterator[Finding]:
    """Rows that are exactly as one before, answer and all; and inputs that have several answers."""
    import polars as pl

    if look.keys is None:
        return
    targets = look.rows.targets.reshape(len(look.rows), -1)
    answers = look.classes if look.rows.target_kind == "class" else [row.tobytes() for row in np.ascontiguousarray(targets)]
    frame = pl.DataFrame({"key": look.keys, "answer": answers}).with_row_index("row")
    same = frame.filter(~pl.struct("key", "answer").is_first_distinct())["row"].to_list()
    if same:
        words = (
            f"{counted(len(same), 'row')} ({share(len(same) / len(frame))}) exactly as one before{look.but}: {look.places(same)}"
        )
        yield Finding(
            "warning" if len(same) > 1 and len(same) >= MANY * len(frame) else "note",
            "duplicates",
            words,
            "take them out, unless the same really happened several times",
            tuple(same),
        )
    if look.rows.target_kind == "number":  # the same input measured twice gives two amounts
        return
    several = frame.filter(pl.col("answer").n_unique().over("key") > 1)
    if len(several):
        rows = several.sort(pl.col("row").min().over("key"), "row")["row"].to_list()
        words = f"{counted(several['key'].n_unique(), 'input')} with more than one answer, in {len(rows)} rows{look.but}: "
        words += look.places(rows)
        yield Finding("warning", "two-answers", words, "mend the answers: no network can give both", tuple(rows))
