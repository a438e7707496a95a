"""Measure a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from trainkit.config.explaining import at
from trainkit.config.loading import build
from trainkit.config.plugins import load_plugin
from trainkit.config.reader import read_file, read_text
from trainkit.config.tree import Config
from trainkit.data.preparing import whole
from trainkit.data.splits import Split
from trainkit.data.targets import FittedTargets
from trainkit.engine.assembling import assemble, check_sizes, load_weights, trained_weights
from trainkit.engine.evaluation import Evaluator
from trainkit.engine.hardware import Hardware, prepared, processor
from trainkit.errors import CheckpointError, ConfigError, DataError, GateError, Key, Problem, dotted
from trainkit.jobs.building import read_data, read_rows, workers
from trainkit.jobs.result import clean
from trainkit.spec import Spec, SplitName
from trainkit.store import checkpoint as checkpoints
from trainkit.store.runs import find_checkpoint, run_of, runs_root


def evaluate(
    checkpoint: str | Path,
    *,
    split: SplitName | None = None,
    data: str | Path | None = None,
    minimum: Mapping[str, float] | None = None,
    runs: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
) -> dict[str, Any]:
    """Measure the weights of a checkpoint (a ``.pth``, or the best of a run): checkpoint, split, rows, metrics,
    ``details`` by class, label or target, and the ``differences`` in machine or versions that may move last digits.

    ``data`` names another file for the source, all rows of which are measured unless ``split`` is given.
    Raises GateError when a metric is below its ``minimum``, and what `trainkit.errors` says.
    """
    path = find_checkpoint(str(checkpoint), runs_root(runs))
    content = check_content(checkpoints.load(path), path)
    config = config_of(content, path, plugins=plugins, data=data)
    hardware = hardware_of(content, device)
    with prepared(content["hardware"]["threads"], config.deterministic):
        spec = Spec.restore(content["spec"])
        check_sizes(config, spec, trained_weights(content))
        network, task = assemble(config, spec, hardware)
        load_weights(network, trained_weights(content))
        called, measured = _measured(config, content, hardware, split, new=data is not None)
        evaluator = Evaluator(network, task, hardware, content["evaluation_batch"])
        scores = evaluator(measured.to(hardware.device))
        told = list(differences(content, hardware)) if data is None else []
    facts = {"checkpoint": str(path), "split": called, "rows": len(measured), "metrics": clean(scores.metrics)}
    facts |= {"details": clean(evaluator.details(scores)), "differences": told}
    assert config.task is not None
    _check_minimum(facts, minimum or {}, [name for name, better in config.task.measures.items() if better == "lower"])
    return facts


def _measured(
    config: Config, content: Mapping[str, Any], hardware: Hardware, split: SplitName | None, new: bool
) -> tuple[Literal["all"] | SplitName, Split]:
    """What is measured, and the rows: a split, or all of ``new`` data."""
    with _fixes(config, new):
        rows, _ = read_rows(config)
        if new and split is None:
            return "all", whole(rows, config.preprocess, content["fitted"], hardware.dtype, workers(config))
        data, called = read_data(config, rows, hardware, content["fitted"]), split or "test"
    if not new and data.fingerprint != content["fingerprint"]:
        raise DataError(
            "the data is not what this checkpoint was trained on: its rows or values have changed.",
            suggestion="To measure it as it is now, name it: --data PATH.",
        )
    if called not in data:
        raise ConfigError(f"this checkpoint's config has no {called} split.", suggestion=f"There are: {', '.join(data.splits)}.")
    return called, data[called]


_SETTING = re.compile(r"`|\b(data|preprocess|split)\.\w|the training split")


@contextmanager
def _fixes(config: Config, new: bool) -> Iterator[None]:
    """What is wrong with the data gets a fix that works here, where no setting can be said: they are the checkpoint's."""

    def mended(problem: Problem) -> Problem:
        fix = problem.suggestion or ""
        if not new and problem.key in data_paths(config):
            fix += " If it has moved, say so in the run's config.yaml; another file is measured by --data PATH."
        elif new and problem.key == ("data", "target") and "has no column" in problem.message:
            fix = "To measure takes the answers too; to answer rows without them: trainkit predict."
        elif new and _SETTING.search(fix):
            fix = "Mend the file, or leave such rows out: the settings are those of the training."
        return replace(problem, suggestion=fix.strip() or None)

    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)([mended(problem) for problem in error.problems]) from error


def check_content(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """The same content, once it is what a run writes. Raises CheckpointError."""
    wanted: dict[str, Any] = {
        "config": str, "plugins": dict, "spec": dict, "fitted": dict, "fingerprint": str, "network": dict, "ema": dict | None,
        "optimizer": dict, "scaler": dict | None, "state": dict, "seconds": float, "evaluation_batch": int, "hardware": dict,
        "loggers": dict | None,
    }  # fmt: skip
    wrong = [name for name, kind in wanted.items() if name not in content or not isinstance(content[name], kind)]
    if not wrong:
        hardware = content["hardware"]
        threads = hardware.get("threads")
        texts = all(isinstance(hardware.get(name), str) for name in ("device", "precision", "processor"))
        if not texts or not isinstance(threads, int) or not 1 <= threads <= 1024:
            wrong.append("hardware")
        if content["evaluation_batch"] < 1:
            wrong.append("evaluation_batch")
        try:
            Spec.restore(content["spec"])
        except (KeyError, TypeError, ValueError, AttributeError):
            wrong.append("spec")
        try:
            FittedTargets.restore(content["fitted"]["targets"])
        except (KeyError, TypeError, ValueError, AttributeError):
            wrong.append("fitted")
    if wrong:
        raise CheckpointError(f"{path} is not a whole trainkit checkpoint: {', '.join(wrong)} missing or not understood.")
    return content


def differences(content: Mapping[str, Any], hardware: Hardware) -> Iterator[str]:
    """What differs from where the checkpoint was written, and may move last digits. Call it within `prepared`."""
    was = {**content["hardware"], "torch": content.get("torch_version")}
    now = {
        "torch": str(torch.__version__),
        "device": str(hardware.device),
        "precision": hardware.precision,
        "threads": torch.get_num_threads(),
        "processor": processor(hardware.device),
    }
    for name, value in now.items():
        if was[name] != value:
            yield f"{name} was {was[name]}, is {value}"


def config_of(
    content: Mapping[str, Any],
    path: Path,
    *,
    plugins: Sequence[str | Path] = (),
    data: str | Path | None = None,
    trains: bool = False,
    reads: bool = True,
    said: Collection[Key] = (),
) -> Config:
    """The config that a checkpoint holds, without augmentations unless it ``trains`` on. Where its source ``reads`` files, they
    are those that the run's own config.yaml names, or ``data``: nothing named inside a checkpoint is ever opened or imported.
    The caller replaces those that were ``said``."""
    for plugin in plugins:
        load_plugin(plugin)
    document = read_text(content["config"], str(path))
    tree = {**document.value, "plugins": []}
    if not trains:
        tree["augment"] = []
    try:
        loaded = build(replace(document, value=tree), folder=Path.cwd(), name="run", environment=False)
    except ConfigError as error:
        raise _not_understood(error, content, path) from error
    config = loaded.config
    _check_fitted(config, content, path)
    if data is not None:
        tree["data"] = _with_data(config, data, trains)
        config = build(replace(document, value=tree), folder=Path.cwd(), name="run", environment=False).config
    named = [key for key in config.paths(later=True) if data is None or key[0] != "data"]
    named = [key for key in named if key not in said]
    if not named or not reads:
        return config
    run = run_of(path)
    if run is None:
        one, files = _one_path(config, trains), data_paths(config)
        fix = "Put it back into its run's folder."
        if set(named) <= set(files) and (one or trains):
            fix = f"Name the data: {'--data PATH' if one else each_path(files)}."
        several = ", ".join(map(dotted, named))
        words = f"{path} was trained on files ({several}), and lies outside of its run's folder: where are they?"
        raise ConfigError(words, suggestion=fix)
    written = read_file(run.config)
    tree |= {section: written.value.get(section) for section in {str(key[0]) for key in named}}
    return build(replace(written, value=tree), folder=run.path, name="run", environment=False).config


def _not_understood(error: ConfigError, content: Mapping[str, Any], path: Path) -> ConfigError | CheckpointError:
    """Why the config inside a checkpoint does not build."""
    missing = content.get("plugins") or {}
    if not missing:
        return CheckpointError(f"{path} holds a config that this trainkit does not understand: {error}")
    named = [f"--plugin PATH/{source}" for source in sorted(set(missing.values())) if source.endswith(".py")]
    packages = sorted({source for source in missing.values() if not source.endswith(".py")})
    mend = [f"Name their file again: {' '.join(named)}."] if named else []
    mend += [f"Install {', '.join(packages)} again."] if packages else []
    return ConfigError(
        f"{path} uses parts of your own ({', '.join(sorted(missing))}), which it names but never imports.",
        suggestion=" ".join(mend),
    )


def _check_fitted(config: Config, content: Mapping[str, Any], path: Path) -> None:
    try:
        spec, told = Spec.restore(content["spec"]), config.preprocess.restore(content["fitted"]["inputs"]).spec()
        if any(getattr(spec, name) != value for name, value in told.items()):
            raise ValueError("they give other inputs than the network takes")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path} is not a whole trainkit checkpoint: what was fitted is not understood.") from error


def _with_data(config: Config, data: str | Path, trains: bool) -> dict[str, Any]:
    """The source's settings, with another file or folder in the place of its ``path``, or of the only one that it reads."""
    if not Path(data).exists():
        raise ConfigError(f"--data: {data} is not there.")
    files = data_paths(config)
    if not files:
        raise ConfigError(f"--data: the source {config.data.name} reads no file.", suggestion="Leave --data out.")
    place = _one_path(config, trains)
    if place is None:
        fix = f"Name each: {each_path(files)}." if trains else "Leave --data out."
        raise ConfigError(f"--data: the source {config.data.name} reads {' and '.join(map(dotted, files))}.", suggestion=fix)
    settings: dict[str, Any] = config.data.model_dump(mode="json")
    *above, last = place
    at(settings, tuple(above))[last] = str(Path(data).absolute())
    return settings


def data_paths(config: Config) -> list[Key]:
    """The settings that name the source's files."""
    return [key for key in config.paths() if key[0] == "data"]


def each_path(keys: Iterable[Key]) -> str:
    """How files are named as arguments: ``data.path.train=PATH data.path.test=PATH``."""
    return " ".join(f"{dotted(key)}=PATH" for key in keys)


def _one_path(config: Config, trains: bool) -> Key | None:
    """The one setting of the source that ``--data`` replaces. One file stands for those of all splits where it is measured."""
    files = data_paths(config)
    if len(files) == 1:
        return files[0][1:]
    return ("path",) if files and not trains and {key[1] for key in files} == {"path"} else None


def hardware_of(content: Mapping[str, Any], device: str | None) -> Hardware:
    """Where the checkpoint was trained, if that is here; else where ``auto`` leads."""
    was = content["hardware"]
    if device is None:
        found = Hardware.choose("auto", "fp32").device.type
        device = torch_type(was["device"]) if torch_type(was["device"]) in (found, "cpu") else "auto"
    same = torch_type(device) == torch_type(was["device"])
    elsewhere = "auto" if was["precision"] in ("bf16", "fp16") else was["precision"]
    return Hardware.choose(device, was["precision"] if same else elsewhere)


def torch_type(device: str) -> str:
    """``cuda`` of ``cuda:1``."""
    return device.partition(":")[0]


def _check_minimum(facts: Mapping[str, Any], minimum: Mapping[str, float], lower: Sequence[str]) -> None:
    metrics = facts["metrics"]
    for name, wanted in minimum.items():
        if name not in metrics:
            raise ConfigError(f"--min: there is no metric {name!r}.", suggestion=f"There are: {', '.join(metrics)}.")
        if name in ("loss", *lower):
            raise ConfigError(
                f"--min: {name} is better when it is lower, so a minimum is no gate.", suggestion="Use another metric."
            )
        if metrics[name] is None or metrics[name] < wanted:
            found = metrics[name] if metrics[name] is None else round(metrics[name], 4)
            raise GateError(f"{name} is {found}, below the minimum of {wanted:g} ({facts['split']} rows of {facts['checkpoint']}).")
