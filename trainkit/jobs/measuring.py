"""The end of a training: the best weights on validation and test, and the pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trainkit.engine.assembling import load_weights, trained_weights
from trainkit.engine.evaluation import Scores
from trainkit.engine.run import Run
from trainkit.parts.loggers import BuiltLogger
from trainkit.report import story
from trainkit.spec import SPLITS
from trainkit.store import checkpoint
from trainkit.store.runs import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metrics = dict[str, float] | None
Details = dict[str, dict[str, float]] | None


def measure(
    run: Run, folder: RunFolder, loggers: Mapping[str, BuiltLogger], say: Callable[[str], None]
) -> tuple[Metrics, Metrics, Metrics, Details]:
    """Metrics of validation, of test, and of the baseline on test, and test's details; None for a split that is not there.

    Leaves the best weights in the network that is evaluated.
    """
    if run.state.best is not None or run.plan.monitor is None:
        load_weights(run.evaluator.network, trained_weights(checkpoint.load(folder.best)))
    scores = {split: run.evaluator(run.rows(split)) for split in SPLITS[1:] if split in run.data}
    found = {split: score.metrics for split, score in scores.items()}
    validation, test, baseline, details = found.get("validation"), found.get("test"), None, None
    if test is not None:
        baseline = run.task.baseline(run.data["test"].targets)
        details = run.evaluator.details(scores["test"])
        for line in [*story.measured(test, baseline, run.data.spec.target), *story.details(details)]:
            say(line)
    loggers["jsonl"].position()
    try:
        for split in list(scores)[-1:]:  # test, or else validation
            _picture(run, folder, loggers, split, scores[split])
        _curves(run, folder)
    except Exception as error:  # a class's name, say, that the drawing library stumbles over: no reason to fail a training
        say(f"plots     could not be drawn: {error}")
    return validation, test, baseline, details


def _picture(run: Run, folder: RunFolder, loggers: Mapping[str, BuiltLogger], split: str, scores: Scores) -> None:
    from trainkit.report import plots

    spec = run.data.spec
    truth = run.task.answers(scores.targets) if spec.target == "number" else scores.targets
    name = {"class": "confusion_matrix", "labels": "labels", "number": "residuals"}[spec.target]
    pixels = _keep(
        folder, f"{name}_{split}", plots.answers(spec, run.task.answers(scores.outputs), truth, f"{split}, best weights")
    )
    for logger in loggers.values():
        logger.picture(f"{name}/{split}", pixels, run.state.step)


def _curves(run: Run, folder: RunFolder) -> None:
    from trainkit.report import plots

    records = [json.loads(line) for line in folder.metrics.read_text(encoding="utf-8").splitlines()]
    figure = plots.curves(records, run.state.best_step)
    if figure is not None:
        _keep(folder, "curves", figure)


def _keep(folder: RunFolder, name: str, figure: Figure) -> Any:
    from PIL import Image

    from trainkit.report import plots

    folder.plots.mkdir(exist_ok=True)
    pixels = plots.pixels(figure)
    Image.fromarray(pixels).save(folder.plots / f"{name}.png")
    return pixels
