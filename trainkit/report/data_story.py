"""What `trainkit data` found, in lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainkit.data.findings import Finding, lines
from trainkit.data.findings.finding import share
from trainkit.errors import printable
from trainkit.report.story import counted

MOST = 20
"""So many classes or columns are listed."""
WIDE = 24
"""Cells of the longest bar."""


def told(facts: Mapping[str, Any], findings: Sequence[Finding]) -> list[str]:
    """All of it: sizes, columns, classes, lengths, samples, findings, pictures."""
    return [
        *map(printable, _described(facts)),
        *(lines(findings, each=5) or ["findings  none: nothing looks wrong"]),
        *(["mending   what stands behind an arrow goes into that section of the config, beside what it holds"] * _mends(findings)),
        *_shown(facts),
    ]


def _mends(findings: Sequence[Finding]) -> bool:
    """Is there a fix that is YAML?"""
    return any(": {" in finding.fix for finding in findings)


def _described(facts: Mapping[str, Any]) -> Iterator[str]:
    target = facts["target"]
    what = {"class": "classes", "labels": "labels"}.get(target["kind"], "amounts")
    names = f" of {', '.join(target['names'])}" if target["names"] != ["target"] and target["kind"] != "labels" else ""
    yield f"data      {facts['source']}: {counted(facts['total'], 'row')}, {what}{names}"
    sizes = " · ".join(f"{size:,} {split}" for split, size in facts["rows"].items())
    yield f"splits    {sizes or 'none: see below'}"
    if facts["shape"]:
        steps, *features = facts["shape"]
        shape = "×".join(map(str, facts["shape"]))
        words = {
            "tokens": f"{counted(steps, 'token')} at most",
            "sequence": f"{counted(steps, 'step')} of {counted(sum(features), 'number')}",
        }
        yield f"network   gets rows of {words.get(facts['kind'], shape)}"
    yield from _columns(facts["columns"])
    yield from _classes(facts["classes"])
    yield from _table("amounts", facts["amounts"])
    yield from _table("lengths", facts["lengths"])
    texts = [f"{split}: {text}" for split, samples in facts["samples"].items() for text in samples]
    for n, text in enumerate(texts):
        yield f"{'' if n else 'samples':<9} {text[:110]}{'…' if len(text) > 110 else ''}"


def _columns(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    wide = min(WIDE, max((len(column["name"]) for column in columns), default=0))
    for n, column in enumerate(columns[:MOST]):
        gaps = f"; {share(column['missing'])} missing" if column["missing"] else ""
        yield f"{'' if n else 'columns':<9} {column['name'][:wide]:<{wide}}  {column['kind']:<9} {column['made']}{gaps}"
    if len(columns) > MOST:
        yield f"{'':<9} … {len(columns) - MOST:,} more"


def _classes(classes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    if not classes:
        return
    splits = list(next(iter(classes.values())))
    wide = min(WIDE, max(map(len, classes)))
    most = max(max(counts.values()) for counts in classes.values()) or 1
    total = max(1, sum(counts["train"] for counts in classes.values()))
    yield f"{'classes':<9} {'':<{wide}}  {'':<{WIDE}}  {' · '.join(splits)}"
    for name, counts in list(classes.items())[:MOST]:
        bar = "█" * max(1 if counts["train"] else 0, round(WIDE * counts["train"] / most))
        numbers = " · ".join(f"{counts[split]:,}" for split in splits)
        yield f"{'':<9} {name[:wide]:<{wide}}  {bar:<{WIDE}}  {numbers}  ({share(counts['train'] / total)} of train)"
    if len(classes) > MOST:
        yield f"{'':<9} … {len(classes) - MOST:,} more"


def _table(word: str, figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    """``amounts   price in train: least 3, mean 17.2, greatest 80``, a line each."""
    cells = [(name, split, numbers) for name, by_split in figures.items() for split, numbers in by_split.items()]
    for n, (name, split, numbers) in enumerate(cells[:MOST]):
        shown = (f"{key} {share(value) if key in ('cut', 'unknown') else f'{value:.4g}'}" for key, value in numbers.items())
        yield f"{'' if n else word:<9} {name} in {split}: {', '.join(shown)}"
    if len(cells) > MOST:
        yield f"{'':<9} … {len(cells) - MOST:,} more"


def _shown(facts: Mapping[str, Any]) -> Iterator[str]:
    for n, path in enumerate(facts["pictures"]):
        yield f"{'' if n else 'pictures':<9} {path}"
