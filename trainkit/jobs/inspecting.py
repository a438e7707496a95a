"""Look at the data that a config names: what it holds, what is wrong with it, and how the network sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainkit.config.loading import as_arguments, load
from trainkit.config.tree import Config
from trainkit.data.batches import Batches
from trainkit.data.findings import Finding, Look, columns, targets, texts, thorough
from trainkit.data.splits import Data, Drawn
from trainkit.data.splitting import Shares, assign
from trainkit.engine.hardware import Hardware
from trainkit.errors import ConfigError, DataError
from trainkit.jobs.building import read_data, read_rows, weighs_classes
from trainkit.jobs.training import placing
from trainkit.parts.sources.series import SeriesSource
from trainkit.report import data_plots
from trainkit.report.data_story import told
from trainkit.report.plots import pixels
from trainkit.spec import Held, SplitName

FACTS = "data.json"
"""Lies in every folder of pictures of the data: one that holds it may be written anew."""


@dataclass(frozen=True)
class Inspection:
    """What was found: ``facts`` are plain values, ``lines`` the same for people."""

    facts: dict[str, Any]
    lines: list[str]


def inspect_data(
    config: str | Path,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    reset: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    out: str | Path | None = None,
) -> Inspection:
    """Read, split and prepare the data as training would, and tell what anybody should know of it before.

    What stops a training does not stop this: it becomes a finding, and the rest is looked at. Pictures and the facts are
    written into the folder ``out``, else ``NAME-data`` for NAME.yaml, in the working directory. Raises DataError where
    nothing can be read, ConfigError for a folder that holds anything else.
    """
    loaded = load(config, as_arguments(overrides), reset=reset, plugins=plugins)
    folder = Path(out if out is not None else f"{Path(config).stem}-data")
    _check_free(folder)
    with placing(loaded):
        rows, settings = read_rows(_lenient(loaded.config))
        shares = Shares(**settings.split.model_dump())
        splits, data, fitted, stopped = {}, None, None, None
        try:
            splits = assign(rows, shares, settings.seed)
            data = read_data(settings, rows, Hardware.choose("cpu", "fp32"))
            splits = {name: split.rows.numpy() for name, split in data.splits.items()}
            fitted = settings.preprocess.restore(data.fitted["inputs"])
        except (DataError, ConfigError) as error:
            stopped = error
        skips = getattr(loaded.config.data, "on_error", "skip") == "skip"
        holes = settings.data.holes() if isinstance(settings.data, SeriesSource) else ()
        look = Look(rows, splits, fitted, frozenset(shares.columns), lenient=skips, holes=holes)
        found = thorough(look, stopped, balanced=weighs_classes(settings))
        facts = _facts(settings, look, data, found)
        facts["pictures"] = _drawn(folder, settings, look, data, facts)
    return Inspection(facts, told(facts, found))


def _check_free(folder: Path) -> None:
    if folder.exists() and not (folder / FACTS).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already, and holds other things.", suggestion="Choose another folder: --out FOLDER.")


def _lenient(config: Config) -> Config:
    """The same, but unreadable pictures are left out, and told, instead of stopping."""
    if not {"on_error", "skip_limit"} <= type(config.data).model_fields.keys():
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"on_error": "skip", "skip_limit": 0.999999})})


def _facts(config: Config, look: Look, data: Data | None, found: Sequence[Finding]) -> dict[str, Any]:
    rows = look.rows
    return {
        "source": config.data.name,
        "file": rows.file,
        "kind": rows.kind,
        "total": len(rows),
        "rows": {name: len(index) for name, index in look.splits.items()},
        "shape": list(data.spec.shape) if data else None,
        "target": {"kind": rows.target_kind, "names": list(rows.target_names)},
        "classes": targets.balance(look),
        "amounts": {name: {s: _moments(v) for s, v in by.items()} for name, by in _amounts(look).items()},
        "columns": list(_columns(look)),
        "lengths": _lengths(look),
        "samples": texts.samples(look),
        "findings": [_finding(look, finding) for finding in found],
    }


def _finding(look: Look, finding: Finding) -> dict[str, Any]:
    """Its rows by their places, the first hundred of them."""
    places = [look.rows.place(row) for row in finding.rows[:100]]
    return asdict(finding) | {"rows": places, "count": len(finding.rows)}


def _columns(look: Look) -> Iterator[dict[str, Any]]:
    """What each column of a table became, or where nothing was fitted, seems to be."""
    known = {name: (kind, made) for name, kind, made, _ in getattr(look.fitted, "describe", list)()}
    for column in columns.columns(look) if hasattr(look.rows.inputs, "columns") else ():
        values = column.values
        kind, made = known.get(column.name, ("number" if column.is_number else "text", f"{values.n_unique():,} different values"))
        yield {"name": column.name, "kind": kind, "made": made, "missing": values.null_count() / max(1, len(values))}


def _amounts(look: Look) -> dict[str, dict[SplitName, np.ndarray[Any, Any]]]:
    """Of each target that is a number: its values by split."""
    if look.rows.target_kind != "number":
        return {}
    splits = dict(look.splits) or {"train": look.train}
    values = look.rows.targets.astype(float)
    return {name: {split: values[index, n] for split, index in splits.items()} for n, name in enumerate(look.rows.target_names)}


def _moments(values: np.ndarray[Any, Any]) -> dict[str, float]:
    return {"least": float(values.min()), "mean": float(values.mean()), "greatest": float(values.max())}


def _lengths(look: Look) -> dict[str, dict[str, dict[str, float]]]:
    """Tokens of the texts, steps of the sequences, by split."""
    if look.reports:
        return {"tokens": {split: asdict(report) for split, report in look.reports.items()}}
    if look.rows.lengths is None:
        return {}
    return {"steps": {split: _moments(look.rows.lengths[index]) for split, index in look.splits.items()}}


def _drawn(folder: Path, config: Config, look: Look, data: Data | None, facts: dict[str, Any]) -> list[str]:
    """The pictures' paths; the facts lie beside them."""
    figures: dict[str, Any] = {}
    if facts["classes"]:
        figures["balance"] = data_plots.balance(facts["classes"])
    if amounts := _amounts(look):
        figures["amounts"] = data_plots.histograms(dict(list(amounts.items())[:6]))
    if data is not None:
        lengths = {name: found.numpy() for name, split in data.splits.items() if (found := split.held.lengths) is not None}
        if lengths:
            figures["lengths"] = data_plots.histograms(
                {"tokens of a text" if data.spec.kind == "tokens" else "steps of a row": lengths}
            )
        if data.spec.kind in ("image", "sequence"):
            figures["samples"] = _samples(config, look, data)
    paths = {name: folder / f"{name}.png" for name in ("balance", "amounts", "lengths", "samples")}
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        path.unlink(missing_ok=True)
        if name in figures:
            _save(figures[name], path)
    written = [str(path) for name, path in paths.items() if name in figures]
    (folder / FACTS).write_text(json.dumps(facts | {"pictures": written}, indent=1) + "\n", encoding="utf-8")
    return written


def _samples(config: Config, look: Look, data: Data) -> Any:
    """The first training batch, augmented, beside validation rows at even distances."""
    count, shape = data_plots.SIDE**2, data.spec.shape
    batches = {"train": next(Batches(data["train"], count, config.seed).between(0, 1))}
    if "validation" in data:
        split = data["validation"]
        index = torch.linspace(0, len(split) - 1, min(count, len(split))).long()
        batches["validation"] = next(split.drawn([Drawn(0, 0, index, index)], len(index)))
    black, white = (look.fitted.finished(Held(torch.full((1, *shape), colour))).values[0] for colour in (0.0, 1.0))
    return data_plots.samples(data.spec, batches, black, white)


def _save(figure: Any, path: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels(figure)).save(path)
