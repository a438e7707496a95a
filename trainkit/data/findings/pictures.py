"""Checks of pictures: unreadable files, sizes far from the others', grey ones among coloured, blank ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainkit.data.findings.finding import SHOWN, Finding, Look, counted, share

ODD = 4
"""A side so many times longer or shorter than the middle picture's, or proportions so far from its, are odd."""
_AT_ONCE = 256


def unreadable(look: Look) -> Iterator[Finding]:
    """Files that are no pictures, or bad ones."""
    if skipped := getattr(look.rows.inputs, "skipped", ()):
        shown = ", ".join(f"{path} {why}" for path, why in skipped[:SHOWN]) + (", …" if len(skipped) > SHOWN else "")
        words = f"{counted(len(skipped), 'file')} can't be read as a picture: {shown}"
        if look.lenient:
            yield Finding("note", "unreadable", words)
        else:
            yield Finding("error", "unreadable", words, "mend or remove them, or data: {on_error: skip}")


def sizes(look: Look) -> Iterator[Finding]:
    """Pictures much larger, smaller, longer or narrower than the middle one: brought to one size they look different."""
    if looks := getattr(look.rows.inputs, "looks", ()):
        height, width = np.array([(seen.height, seen.width) for seen in looks], dtype=float).T
        from_middle = [value / np.median(value) for value in (height, width, width / height)]
        odd = np.flatnonzero(np.any([(ratio > ODD) | (ratio < 1 / ODD) for ratio in from_middle], axis=0))
        if len(odd):
            shown = ", ".join(f"{look.place(row)} ({width[row]:.0f} × {height[row]:.0f})" for row in odd[:SHOWN])
            words = f"{counted(len(odd), 'picture')} of an odd size, where {np.median(width):.0f} × {np.median(height):.0f} is "
            words += f"usual: {shown}{', …' if len(odd) > SHOWN else ''}"
            yield Finding("warning", "odd-size", words, "look at them, or preprocess: {resize: pad}", tuple(odd.tolist()))


def colours(look: Look) -> Iterator[Finding]:
    """Grey pictures among coloured ones: a class that is photographed in grey is known by that alone."""
    grey = _grey(look)
    if grey is not None and grey.any():
        rows = np.flatnonzero(grey)
        if len(rows) == len(grey):
            yield Finding("note", "all-grey", "every picture is grey, and has three channels", "preprocess: {channels: grey}")
        else:
            words = (
                f"{counted(len(rows), 'picture')} of {len(grey):,} ({share(len(rows) / len(grey))}) are grey, the others coloured"
            )
            fix = "preprocess: {channels: grey} if colour says nothing"
            yield Finding("note", "grey-among-colour", f"{words}: {look.places(rows)}", fix, tuple(rows.tolist()))


def blank(look: Look) -> Iterator[Finding]:
    """Pictures of one colour all over."""
    if look.rows.kind == "image" and look.fitted is not None:
        every = [index for index in look.splits.values() if len(index)]
        found: list[int] = []
        for index in np.split(rows := np.sort(np.concatenate(every)), range(_AT_ONCE, len(rows), _AT_ONCE)):
            pixels = look.fitted.pixels(look.rows, index)
            found += index[(pixels == pixels[:, :, :1, :1]).all(axis=(1, 2, 3))].tolist()
        if found:
            words = f"{counted(len(found), 'picture')} of one colour all over: {look.places(found)}"
            yield Finding("warning", "blank", words, "look at them, and take them out", tuple(found))


def _grey(look: Look) -> Any:
    """(rows,) true where a picture with colours to show has none; None where there are no colours, or nobody knows."""
    inputs = look.rows.inputs
    if looks := getattr(inputs, "looks", ()):
        grey = np.array([seen.grey for seen in looks])
        return None if grey.all() else grey
    if look.rows.kind == "image" and isinstance(inputs, np.ndarray) and inputs.shape[1] == 3:
        return (inputs == inputs[:, :1]).all(axis=(1, 2, 3))
    return None
