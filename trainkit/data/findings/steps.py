"""Checks of series: gaps and features that never change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainkit.data.findings.finding import SHOWN, Finding, Look, counted, share

Array = np.ndarray[Any, Any]


def features(look: Look) -> Array | None:
    """(steps, features): all real steps, one row after another; None where the data is something else, or is not in memory."""
    rows = look.rows
    if rows.kind != "sequence":
        return None
    if hasattr(rows.inputs, "steps"):  # the one series that windows are cut from
        return np.asarray(rows.inputs.steps)
    if not isinstance(rows.inputs, np.ndarray):
        return None
    if rows.lengths is None:
        return rows.inputs.reshape(-1, rows.inputs.shape[2])
    real: Array = rows.inputs[np.arange(rows.inputs.shape[1]) < rows.lengths[:, None]]
    return real


def _called(look: Look, n: int) -> str:
    """How messages name a number of a step."""
    names = look.rows.features
    return f"column {names[n]!r}" if names else f"feature {n + 1} of {look.rows.inputs.shape[2]}"


def gaps(look: Look) -> Iterator[Finding]:
    """Steps without a value."""
    values = features(look)
    if values is not None and values.dtype.kind == "f":
        for n, part in enumerate(np.isnan(values).mean(axis=0)):
            if part:
                words = f"{_called(look, n)}: {share(float(part))} of the steps have no value"
                yield Finding("warning" if part > 0.2 else "note", "gaps", words, "preprocess: {missing: interpolate}")


def holes(look: Look) -> Iterator[Finding]:
    """Moments without a row, in series that are regular otherwise."""
    if look.holes:
        file = f"{look.rows.file}: "
        where = [f"{before.removeprefix(file)} and {after.removeprefix(file)}" for _, before, after in look.holes]
        count = sum(count for count, _, _ in look.holes)
        words = f"{counted(count, 'step')} missing in series that are regular otherwise: between {'; '.join(where[:SHOWN])}"
        fix = "add rows for them: steps count as equally far apart"
        yield Finding("warning", "missing-steps", f"{words}{'; …' * (len(where) > SHOWN)}", fix)


def constant(look: Look) -> Iterator[Finding]:
    """Features that never change."""
    values = features(look)
    if values is not None:
        for n in range(values.shape[1]):
            known = values[:, n][np.isfinite(values[:, n])]
            if len(known) and known.min() == known.max():
                yield Finding("warning", "constant", f"{_called(look, n)} is always {known[0]:g}: it can teach nothing")
