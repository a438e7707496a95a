"""Checks of series: gaps and features that never change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainkit.data.findings.finding import Finding, Look, share

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


def gaps(look: Look) -> Iterator[Finding]:
    """Steps without a value."""
    values = features(look)
    if values is not None and values.dtype.kind == "f":
        for n, part in enumerate(np.isnan(values).mean(axis=0)):
            if part:
                words = f"feature {n + 1}: {share(float(part))} of the steps have no value"
                yield Finding("warning" if part > 0.2 else "note", "gaps", words, "preprocess: {missing: interpolate}")


def constant(look: Look) -> Iterator[Finding]:
    """Features that never change."""
    values = features(look)
    if values is not None:
        for n in range(values.shape[1]):
            known = values[:, n][np.isfinite(values[:, n])]
            if len(known) and known.min() == known.max():
                yield Finding("warning", "constant", f"feature {n + 1} is always {known[0]:g}: it can teach nothing")
