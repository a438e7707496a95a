"""A run that is restored goes on bit for bit, wherever it stopped; and every part of its state is needed for that."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers import make_run
from tests.killing import digest
from trainkit import evaluate, resume, train
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.errors import ConfigError, DataError
from trainkit.jobs.resuming import restored

SETTINGS = {
    "model": {"name": "mlp", "hidden": [24], "dropout": 0.3, "batch_norm": True},
    "task": {"name": "classification", "class_weights": "balanced"},
    "optimizer": {"name": "adamw", "lr": 0.3},
    "schedule": {"name": "plateau", "warmup": 0.1, "patience": 2, "gamma": 0.3},
    "training": {"epochs": 12, "batch_size": 100, "accumulate": 3, "clip": 1.0, "limit": 450,
                 "early_stopping": {"patience": 3, "min_delta": 0.02}},
}  # fmt: skip
PER_EPOCH = 5


def go_on(run: Run) -> list[Any]:
    """Everything that a training shows from where it stands."""
    seen = [(e.step, e.loss.item(), e.rate, e.train, e.validation, e.improved) for e in fit(run)]
    return [*seen, digest(run.content())]


def stopped_at(step: int) -> tuple[dict[str, Any], list[Any]]:
    """The content of a run stopped there, and what it shows when nobody stops it."""
    content, seen = _undisturbed(step)
    return _copied(content), seen


@cache
def _undisturbed(step: int) -> tuple[dict[str, Any], list[Any]]:
    run = make_run(SETTINGS)
    content, seen = _copied(run.content()), []
    for e in fit(run):
        seen.append((e.step, e.loss.item(), e.rate, e.train, e.validation, e.improved))
        if e.step == step:
            content, seen = _copied(run.content()), []
    return content, [*seen, digest(run.content())]


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return [_copied(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("step", [0, 1, PER_EPOCH - 1, PER_EPOCH, PER_EPOCH + 1, 3 * PER_EPOCH + 2, 27])
def test_it_goes_on_bit_for_bit(step: int) -> None:
    content, undisturbed = stopped_at(step)
    run = make_run(SETTINGS)
    run.restore(content)
    assert go_on(run) == undisturbed


STATE = ("step", "loss_sum", "weight_sum", "best", "best_step", "best_metrics", "anchor", "stale", "monitor", "schedule")


def test_the_state_has_no_part_that_these_tests_forget() -> None:
    assert set(make_run(SETTINGS).state.content()) == set(STATE)


@pytest.mark.parametrize("part", [*STATE, "network", "optimizer"])
def test_every_part_of_the_state_is_needed(part: str) -> None:
    step = 27  # within an epoch, stale since the last best, and no better one to come
    content, undisturbed = stopped_at(step)
    fresh = make_run(SETTINGS).content()
    if part in STATE:
        assert content["state"][part] != fresh["state"][part], "the test stops where this part says nothing"
        content["state"][part] = fresh["state"][part]
    elif part == "optimizer":
        content[part]["state"] = {}
    else:
        content[part] = fresh[part]
    run = make_run(SETTINGS)
    run.restore(content)
    assert go_on(run) != undisturbed


def test_batch_norms_running_means_are_part_of_the_network() -> None:
    content, undisturbed = stopped_at(27)
    name = next(name for name in content["network"] if name.endswith("running_mean"))
    content["network"][name].zero_()
    run = make_run(SETTINGS)
    run.restore(content)
    assert go_on(run) != undisturbed


def test_the_size_of_evaluation_batches_is_the_checkpoints() -> None:
    run = make_run(SETTINGS)
    again = restored(run.config, {**_copied(run.content()), "evaluation_batch": 7})
    assert again.evaluator.batch_size == again.plan.evaluation_batch == 7 != run.plan.evaluation_batch


FILES = {"train": 40, "validation": 20, "test": 20}


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on a file for each split, which lie elsewhere since: in new/."""
    monkeypatch.chdir(tmp_path)
    Path("old").mkdir()
    for name, rows in FILES.items():
        Path("old", f"{name}.csv").write_text("size,kind\n" + "".join(f"{n * 7 % 13},{'xy'[n % 2]}\n" for n in range(rows)))
    paths = ", ".join(f"{name}: old/{name}.csv" for name in FILES)
    Path("a.yaml").write_text(
        f"data: {{name: csv, path: {{{paths}}}, target: kind}}\nmodel: {{name: mlp, hidden: [4]}}\n"
        "loggers: []\ndevice: cpu\ntraining: {epochs: 1}\n"
    )
    run = Path(train("a.yaml").run)
    Path("old").rename("new")
    return run


ASKED = "data.path.train=PATH data.path.validation=PATH data.path.test=PATH"


def test_data_that_has_moved_is_named_file_by_file(moved: Path) -> None:
    named = {f"data.path.{name}": f"new/{name}.csv" for name in FILES}
    lone = shutil.copy(moved / "checkpoints" / "last.pth", "lone.pth")
    longer = {"training.epochs": 2}
    refused: list[tuple[str | Path, str | None, str]] = [
        (moved, None, f"train.csv is not there. If it has moved, say where to: {ASKED}"),
        (moved, "new/train.csv", f"reads data.path.train and data.path.validation and data.path.test. Name each: {ASKED}"),
        (lone, None, f"lies outside of its run's folder: where are they\\? Name the data: {ASKED}"),
    ]
    for target, data, words in refused:
        with pytest.raises(ConfigError, match=words):
            resume(target, longer, data=data)
    with pytest.raises(ConfigError, match=r"files \(data.path.test\), and lies outside"):  # nothing that it names itself is opened
        resume(lone, {**longer, **{key: path for key, path in named.items() if "test" not in key}})
    with pytest.raises(ConfigError, match=r"If it has moved, say so in the run's config\.yaml; another file is measured by --data"):
        evaluate(moved)
    with pytest.raises(DataError, match="not what this run was trained on"):
        resume(moved, {**longer, **named, "data.path.test": "new/train.csv", "data.path.train": "new/test.csv"})
    assert resume(lone, {**longer, **named}).epochs == resume(moved, {**longer, **named}).epochs == 2
    assert evaluate(moved)["rows"] == FILES["test"]  # its config.yaml says where they are now


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1,x\n2,z\n", r"b.csv: row 2: class 'z' is not among .* Mend the file, or leave such rows out: the settings are those of"),
        ("1,x\ntiny,y\n", r"b.csv: row 2, column 'size': 'tiny' is not a usable number. Mend the file, or leave such rows out"),
        ("1,x\n2,\n", r"b.csv: row 2, column 'kind' has no value. Mend the file, or leave such rows out"),
    ],
)
def test_new_data_that_does_not_fit_gets_a_fix_without_settings(moved: Path, rows: str, words: str) -> None:
    Path("b.csv").write_text(f"size,kind\n{rows}")
    with pytest.raises(DataError, match=words) as caught:
        evaluate(moved, data="b.csv")
    assert "data." not in str(caught.value).replace("b.csv", "") and "`" not in str(caught.value)
    Path("b.csv").write_text("size\n1\n")
    with pytest.raises(DataError, match=r"no column 'kind'\. To measure takes the answers too; .* trainkit predict"):
        evaluate(moved, data="b.csv")
