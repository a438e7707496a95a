"""Go on exactly where a run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any

from trainkit.config.loading import Loaded, as_arguments, build
from trainkit.config.overrides import parse_key
from trainkit.config.reader import flow, read_file, read_text
from trainkit.config.tree import Config, Training
from trainkit.engine.hardware import Hardware, prepared
from trainkit.engine.run import Run
from trainkit.errors import CheckpointError, ConfigError, DataError, dotted
from trainkit.jobs.building import build_run, read_data, read_rows
from trainkit.jobs.driving import Drive, Screen, Silent
from trainkit.jobs.evaluation import check_content, config_of, data_paths, differences, each_path
from trainkit.jobs.result import Result
from trainkit.jobs.training import new_folder, placing
from trainkit.store import checkpoint as checkpoints
from trainkit.store.platform import write_text
from trainkit.store.runs import RunFolder, find_run, folders, run_of, runs_root

FREE = (
    "training.epochs", "training.steps", "training.log_every", "training.evaluate_every", "training.early_stopping",
    "training.clip", "training.l1", "training.max_norm", "training.max_time", "task.metrics", "optimizer", "schedule",
    "training.workers", "checkpoint", "loggers", "device", "threads", "deterministic", "model.cache",
)  # fmt: skip
"""What may change in a resumed run."""
SILENT = ("loggers", "checkpoint", "training.log_every", "training.max_time", "training.workers", "data.", "model.cache")
"""What may change without moving a bit of the weights; data's files are compared by their rows."""
REASONS = {
    "seed": "it decides the split and which rows a step sees",
    "data": "the rows would be others",
    "split": "the rows would be others",
    "preprocess": "the inputs would be others",
    "augment": "the rows so far were changed otherwise",
    "model": "the weights would not fit",
    "task": "the loss so far would mean something else",
    "optimizer.name": "its state would not fit",
    "optimizer.decay_all": "its state would not fit",
    "optimizer.groups": "the weights would be grouped otherwise",
    "optimizer.layer_decay": "the weights would be grouped otherwise",
    "training.unfreeze": "the optimizer would know other weights",
    "precision": "the numbers so far have another",
    "training.batch_size": "a step would be other rows",
    "training.sampler": "a step would be other rows",
    "training.accumulate": "the pieces of a step would be others",
    "training.limit": "the rows would be others",
    "training.ema": "the mean of the weights so far has another memory",
}


def resume(
    target: str | Path | None = None,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    data: str | Path | None = None,
    runs: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    screen: Screen | None = None,
) -> Result:
    """Continue a run, or begin a new one from a best, older or moved checkpoint.

    ``target`` is a run or a ``.pth``; None means the newest unfinished run. For a run that is finished and not extended
    nothing is done: its result, without ``seconds``, is returned as it was. Raises the errors of `trainkit.errors`.
    """
    started, screen, root = perf_counter(), screen or Silent(), runs_root(runs)
    path, folder = _locate(target, root)
    changes = as_arguments(overrides)
    if folder is not None and not changes and (end := folder.end()):
        return Result.of_finished(folder, end)
    content, notes = _read(path, folder)
    loaded = _config(path, folder, content, changes, plugins, data)
    with placing(loaded):
        return _continue(loaded, content, notes, folder, runs, screen, started)


def _continue(
    loaded: Loaded,
    content: dict[str, Any] | None,
    notes: list[str],
    folder: RunFolder | None,
    runs: str | Path | None,
    screen: Screen,
    started: float,
) -> Result:
    config = loaded.config
    changed: dict[str, str] = {}
    if content is not None:
        changed = dict(changes_between(_tree(content), config))
    threads = config.threads or (content["hardware"]["threads"] if content else None)
    with prepared(threads, config.deterministic):
        with _moved(config):
            run = build_run(config) if content is None else restored(config, content)
        _check_there_is_more(run, finished=folder is None or folder.end() is not None)
        positions = None
        if content is not None and not _secure_best(run, content, folder):
            run.state.forget_best()
            notes.append("best      the best weights so far are not at hand: the next evaluation is the best again")
        if folder is None:
            folder = new_folder(run, runs)
        elif content is not None:
            positions = content["loggers"]
            if changed:
                header = f"# {config.name}: every setting of this run, changed at step {run.state.step}.\n"
                write_text(folder.config, header + run.config.text())
        drive = Drive(run, folder, screen, perf_counter() - started)
        for line in [*_opening(run, content, folder, changed), *notes]:
            drive.say(line)
        return drive(positions)


@contextmanager
def _moved(config: Config) -> Iterator[None]:
    """Files that are not where they were may have moved: an argument says where they are now."""
    files = data_paths(config)
    try:
        yield
    except ConfigError as error:
        fix = f"If it has moved, say where to: {each_path(files)}."
        raise ConfigError(
            [replace(p, suggestion=" ".join(filter(None, [p.suggestion, fix]))) if p.key in files else p for p in error.problems]
        ) from error


def _secure_best(run: Run, content: dict[str, Any], folder: RunFolder | None) -> bool:
    """See to it that the best weights so far lie in the run's folder; False when neither it nor this checkpoint has them."""
    state = run.state
    if state.best is None or (state.step == state.best_step and folder is None):
        return True
    if folder is None:
        return False
    try:
        if checkpoints.load(folder.best)["state"]["step"] == state.best_step:
            return True
    except (CheckpointError, ConfigError):
        pass  # gone or damaged
    if state.step == state.best_step:
        checkpoints.save(content, folder.best)
    return state.step == state.best_step


def _locate(target: str | Path | None, root: Path) -> tuple[Path | None, RunFolder | None]:
    """The one checkpoint to begin from, or the folder to go on in."""
    if target is None:
        unfinished = [run for run in folders(root) if run.end() is None]
        if not unfinished:
            raise ConfigError(
                f"there is no unfinished run in {root}.", suggestion="Extend a finished one: trainkit resume RUN training.epochs=N"
            )
        return None, unfinished[0]
    text = str(target)
    if text.endswith(".pth") or Path(text).is_file():
        path = Path(text).absolute()
        if not path.is_file():
            raise ConfigError(f"the checkpoint {text} is {'a folder' if path.is_dir() else 'not there'}.")
        run = run_of(path)
        return (None, run) if run is not None and path.name == "last.pth" else (path, None)
    return None, find_run(text, root)


def _read(path: Path | None, folder: RunFolder | None) -> tuple[dict[str, Any] | None, list[str]]:
    """The checkpoint's content and what is to be said of it; None where a run was stopped before its first save."""
    if path is not None:
        return check_content(checkpoints.load(path), path), []
    assert folder is not None
    found = checkpoints.newest(folder.checkpoints)
    if found is not None:
        return check_content(found[1], found[0]), [f"skipped   {note}" for note in found[2]]
    damaged = sorted(folder.checkpoints.glob("*.pth"))
    if damaged:
        raise CheckpointError(
            f"{folder.shown}: no checkpoint can be read ({', '.join(file.name for file in damaged)}).",
            suggestion=f"Begin again: trainkit train {folder.config}",
        )
    return None, []


def _config(
    path: Path | None,
    folder: RunFolder | None,
    content: dict[str, Any] | None,
    changes: list[str],
    plugins: Sequence[str | Path],
    data: str | Path | None,
) -> Loaded:
    """The run's own config.yaml where it goes on in place; else what the checkpoint holds, its files found as `eval` finds them."""
    where = path or (folder.last if folder else None)
    if content is not None:
        assert where is not None
        said = {parsed[0] for change in changes if (parsed := parse_key(change.partition("=")[0]))}
        inside = config_of(content, where, plugins=plugins, data=data, trains=True, said=said)
        if folder is None or data is not None:
            document = read_text(inside.text(), str(where))
            return build(document, changes, folder=Path.cwd(), name=inside.name, environment=False)
    assert folder is not None
    written = read_file(folder.config)
    # A folder may have come by mail: the plugins that it names are imported when the user names them again.
    tree = {**written.value, "plugins": [str(Path(plugin).absolute()) for plugin in plugins]}
    return build(replace(written, value=tree), changes, folder=folder.path, name="run")


def _tree(content: Mapping[str, Any]) -> Any:
    return read_text(content["config"], "the checkpoint").value


def restored(config: Config, content: Mapping[str, Any]) -> Run:
    """The run that a checkpoint holds, on this config."""
    hardware = Hardware.choose(config.device, config.precision)
    rows, config = read_rows(config)
    data = read_data(config, rows, hardware, content["fitted"])
    if data.fingerprint != content["fingerprint"]:
        raise DataError(
            "the data is not what this run was trained on so far: its rows or values have changed.",
            key=("data",),
            suggestion="Bring the old data back, or begin a new run with trainkit train.",
        )
    run = Run.build(config, data, hardware, begins=False)
    run.plan = replace(run.plan, evaluation_batch=content["evaluation_batch"])
    run.evaluator = replace(run.evaluator, batch_size=content["evaluation_batch"])
    run.restore(content)
    return run


def changes_between(old: Mapping[str, Any], config: Config) -> Iterator[tuple[str, str]]:
    """``training.epochs``, ``10 → 40`` for each setting that differs. Raises ConfigError for one that can't change."""
    before, after = dict(_flat(old)), dict(_flat(config.model_dump(mode="json")))
    files = {dotted(key) for key in config.paths()}  # the rows decide, and they are compared
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) == after.get(key) or key in ("name", "plugins"):
            continue
        words = f"{flow(before.get(key))} → {flow(after.get(key))}"
        reasons = REASONS | {f"optimizer.{name}": REASONS["optimizer.name"] for name in config.optimizer.fixed}
        nearest = max((start for start in (*FREE, *reasons) if key == start or key.startswith(f"{start}.")), key=len, default="")
        other_rate = nearest == "optimizer.groups" and None not in (before.get(key), after.get(key))
        if key not in files and nearest not in FREE and not other_rate:
            why = reasons.get(nearest, "the training so far depends on it")
            raise ConfigError(
                f"{key} can't change in a resumed run ({words}): {why}.",
                key=tuple(key.split(".")),
                suggestion="Begin a new run with trainkit train.",
            )
        yield key, words


def _flat(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping) and tree and key != "training.unfreeze":  # a plan, told as a whole
        for name, value in tree.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, tree


def _check_there_is_more(run: Run, finished: bool) -> None:
    """Raises ConfigError for a run that is finished and not extended, or told to end before where it is."""
    plan, state = run.plan, run.state
    if state.step > plan.steps or (finished and state.step == plan.steps):
        raise ConfigError(
            f"this run has done {state.step:,} steps ({run.epoch(state.step)} epochs); the config asks for {plan.steps:,} steps.",
            key=("training", "steps" if run.config.training.steps else "epochs"),
            suggestion=f"Extend it: training.epochs={run.epoch(state.step) + 10}.",
        )
    if finished and run.out_of_time:
        raise ConfigError(
            f"this run has trained for {run.seconds:.3g} s, and training.max_time allows {plan.max_seconds:g} s.",
            key=("training", "max_time"),
            suggestion=f"Allow more: training.max_time={ceil(2 * run.seconds)}, or training.max_time=null.",
        )
    if finished and run.done:
        raise ConfigError(
            f"this run stopped early, after {state.stale} evaluations without a better {plan.monitor}.",
            key=("training", "early_stopping", "patience"),
            suggestion=f"Allow more: training.early_stopping.patience={state.stale + 10}, or training.early_stopping=null.",
        )


def _opening(run: Run, content: Mapping[str, Any] | None, folder: RunFolder, changed: Mapping[str, str]) -> Iterator[str]:
    state, plan = run.state, run.plan
    begins = "from the start" if content is None else f"at step {state.step:,} of {plan.steps:,} (epoch {run.epoch(state.step)})"
    yield f"resume    {folder.shown} {begins}"
    for key, words in changed.items():
        yield f"changed   {key}: {words}"
    schedule = run.config.schedule
    if {"training.epochs", "training.steps"} & set(changed) and not schedule.reacts and schedule.name != "constant":
        yield (
            f"schedule  {run.config.schedule.name} now runs over {plan.steps:,} steps: the rate goes on at "
            f"{run.rate(state.step):.4g}, not where the shorter one had brought it"
        )
    if content is not None:
        differing = list(differences(content, run.hardware))
        limit = Training.model_validate(_tree(content)["training"]).max_seconds
        if limit is not None and content["seconds"] >= limit and state.step % plan.evaluate_every:
            differing.append("the time limit ended it with an evaluation of its own")
        telling = [key for key in changed if not key.startswith(SILENT)]
        yield f"bit-exact {'no: ' + ', '.join(differing) if differing else 'no: settings changed' if telling else 'yes'}"
