"""Findings: what somebody who trains on this data would want to know of it. Nothing here changes the data or the training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainkit.data.findings import columns, pictures, repeats, steps, targets, texts
from trainkit.data.findings.finding import Finding, Look
from trainkit.errors import DataError, TrainkitError, printable

if TYPE_CHECKING:
    from trainkit.data.splits import Data
    from trainkit.spec import Rows

__all__ = ["Finding", "Look", "lines", "quick", "thorough"]
Check = Callable[[Look], Iterator[Finding]]
QUICK: tuple[Check, ...] = (
    targets.uneven,
    targets.unmeasured,
    targets.small,
    targets.spelling,
    targets.unused_labels,
    repeats.leaks,
    columns.constant,
    columns.identifiers,
    columns.target_copies,
)
"""What takes no time worth mentioning: 100,000 rows of 20 columns of text, 80 ms."""
THOROUGH: tuple[Check, ...] = (
    *QUICK,
    targets.amounts,
    repeats.copies,
    columns.missing,
    columns.large_numbers,
    columns.mixed,
    columns.outliers,
    columns.spellings,
    columns.equal_columns,
    columns.unseen,
    pictures.unreadable,
    pictures.sizes,
    pictures.colours,
    pictures.blank,
    texts.empty,
    texts.vocabulary,
    steps.gaps,
    steps.holes,
    steps.constant,
)
"""All that `trainkit data` looks for."""
_ORDER = ("error", "warning", "note")
_STOPPING = ("mixed", "constant", "id-like", "missing")
"""What may stop the preprocessing of a table too."""
_EACH = 3


def thorough(look: Look, error: TrainkitError | None = None, *, balanced: bool = False) -> list[Finding]:
    """Everything that is found, the gravest first. ``error`` is what stopped the data from being prepared, if anything did.
    ``balanced``: does the training weigh or sample classes evenly already?"""
    found: list[Finding] = []
    for check in THOROUGH:
        try:
            found += check(look)
        except DataError as unread:  # rows that are read when they are looked at
            found += [Finding("error", "stops", problem.message, problem.suggestion or "") for problem in unread.problems]
    for problem in error.problems if error else ():
        alike = (
            n for name in _STOPPING for n, f in enumerate(found) if f.name == name and f"column {f.column!r}" in problem.message
        )
        if (n := next(alike, None)) is not None:  # the same, found twice
            found[n] = replace(found[n], severity="error")
        else:
            found.append(Finding("error", "stops", problem.message, problem.suggestion or ""))
    found = [finding for finding in found if not (balanced and finding.name == "imbalance")]
    return sorted(dict.fromkeys(found), key=lambda finding: _ORDER.index(finding.severity))


def quick(rows: Rows, data: Data, *, left_out: Iterable[str] = (), balanced: bool = False) -> list[Finding]:
    """What may mislead, found in no time; nothing where all is well.

    ``left_out``: columns that the split goes by. ``balanced``: does the training weigh or sample classes evenly already?
    """
    look = Look(rows, {name: split.rows.numpy() for name, split in data.splits.items()}, None, frozenset(left_out), quick=True)
    found = (finding for check in QUICK for finding in check(look) if finding.severity != "note")
    return [finding for finding in found if not (balanced and finding.name == "imbalance")]


def lines(findings: Sequence[Finding], each: int = _EACH) -> list[str]:
    """A line for each, what mends it behind an arrow; of many alike, the first ``each``."""
    told: list[str] = []
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.name] += 1
        if seen[finding.name] <= each:
            told.append(printable(f"{finding.severity:<9} {finding.message}{f' → {finding.fix}' if finding.fix else ''}"))
    return told + [f"{'':<9} … {count - each} more: {name}" for name, count in seen.items() if count > each]
