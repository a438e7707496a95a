"""Checks of texts: empty ones, what is cut off, words that the vocabulary lacks."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from trainkit.data.findings.finding import Finding, Look, counted, share
from trainkit.data.texts import UNKNOWN as UNKNOWN_TOKEN

CUT, UNKNOWN = 0.05, 0.1
"""So many texts cut, so many words unknown, are worth a warning."""


def column(look: Look) -> pl.Series | None:
    """The texts; None where the data is something else."""
    if look.rows.kind == "tokens" and isinstance(look.rows.inputs, pl.DataFrame):
        return look.rows.inputs.to_series(0)
    return None


def empty(look: Look) -> Iterator[Finding]:
    """Texts without a word."""
    texts = column(look)
    if texts is not None:
        rows = (texts.fill_null("").str.strip_chars() == "").arg_true().to_list()
        if rows:
            words = f"{counted(len(rows), 'text')} ({share(len(rows) / len(texts))}) without a word: {look.places(rows)}"
            yield Finding("warning", "empty-text", words, "take them out: there is nothing to learn from", tuple(rows))


def vocabulary(look: Look) -> Iterator[Finding]:
    """Texts that are cut off, and words of validation and test that no training text has."""
    for split, report in look.reports.items():
        cut = look.fitted.cut if split == "train" else report.cut
        if cut > 0:
            kept = f"{look.fitted.steps:,} tokens are kept, and the longest has {report.longest:,}"
            words = f"{share(cut)} of the {split} texts are cut: {kept}"
            # Without a cut in train no training text is longer; and for a few giants all batches would grow.
            fix = f"preprocess: {{max_length: {report.longest}}}" if look.fitted.cut > CUT else ""
            yield Finding("warning" if cut > CUT else "note", "cut-off", words, fix)
        if split != "train" and report.unknown > 0:
            words = f"{share(report.unknown)} of the words in {split} are unknown: they are not in the vocabulary"
            bad = report.unknown > UNKNOWN
            yield Finding("warning" if bad else "note", "unknown-words", words, "preprocess: {tokens: bpe}" if bad else "")


def samples(look: Look, each: int = 2) -> dict[str, list[str]]:
    """The first texts of each split as tokens, unknown ones between ⟨⟩, and what is cut off left out."""
    texts = column(look)
    if texts is None or look.fitted is None:
        return {}
    shown: dict[str, list[str]] = {}
    for split, index in look.splits.items():
        shown[split] = []
        for text in texts[index[:each]].fill_null("").to_list():
            encoding = look.fitted.tokenizer.encode(text)
            tokens = zip(encoding.ids[: look.fitted.steps], encoding.offsets, strict=False)
            words = ((id, text[first:end].strip()) for id, (first, end) in tokens)
            shown[split].append(" ".join(f"⟨{word}⟩" if id == UNKNOWN_TOKEN else word for id, word in words))
    return shown
