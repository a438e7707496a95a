"""The functions behind the commands: what a run leaves on the disk, and what eval and resume make of it."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.helpers import StopAfter
from trainkit import evaluate, resume, train
from trainkit.config.loading import load
from trainkit.errors import CheckpointError, ConfigError, DataError, GateError, NumericError, TrainkitError
from trainkit.jobs.training import rehearse
from trainkit.store import checkpoint

CONFIG = """
data: digits
model: {name: mlp, hidden: [16], dropout: 0.2}
optimizer: {lr: 1e-2}
training: {epochs: 3, batch_size: 100, log_every: 5}
loggers: [{name: tensorboard, graph: false}]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "trainkit.report.plots.pixels", lambda figure: np.zeros((4, 4, 3), np.uint8)
    )  # drawing costs more than training
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def table(tmp_path: Path, config: Path) -> Path:
    rows = [f"{n % 7}.5,{'red' if n % 3 else 'blue'},{'yes' if n % 7 > 3 else 'no'}" for n in range(120)]
    (tmp_path / "rows.csv").write_text("\n".join(["size,colour,good", *rows]) + "\n")
    path = tmp_path / "table.yaml"
    path.write_text("data: {name: csv, path: rows.csv, target: good}\nmodel: mlp\ntraining: {epochs: 2}\nloggers: []\n")
    return path


def records(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_what_the_readme_says(config: Path) -> None:
    result = train(config)
    folder = Path(result.run)
    assert folder == Path("runs/tiny-1")
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and "tfevents" not in file.name}
    assert names == {"config.yaml", "environment.json", "log.txt", "metrics.jsonl", "checkpoints/best.pth", "checkpoints/last.pth",
                     "checkpoints/previous.pth", "plots/curves.png", "plots/confusion_matrix_test.png"}  # fmt: skip
    assert result.status == "finished" and result.steps == 39 and result.epochs == 3
    assert result.test and result.test["accuracy"] > 0.8 and result.baseline and result.baseline["accuracy"] < 0.2
    assert json.loads(json.dumps(result.facts()))["best"]["checkpoint"] == str((folder / "checkpoints/best.pth").absolute())
    assert load(folder / "config.yaml").config.task is not None, "what was inferred is written down"


def test_records_are_one_a_log_point_and_epoch(config: Path) -> None:
    found = [(record["kind"], record["step"]) for record in records(train(config).run)]
    steps = [("step", n) for n in range(5, 40, 5)]
    *others, end = found
    assert end == ("end", 39)
    assert others == sorted([*steps, ("evaluation", 13), ("evaluation", 26), ("evaluation", 39)], key=lambda r: r[1])


def test_the_same_command_again_makes_a_new_run_with_the_same_weights(config: Path) -> None:
    first, second = train(config), train(config)
    assert second.run == "runs/tiny-2" and first.test == second.test
    weights = [checkpoint.load(Path(r.run).absolute() / "checkpoints/last.pth")["network"] for r in (first, second)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_eval_repeats_the_test_metrics_to_the_last_digit_from_anywhere(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(config)
    best = Path(result.run).absolute() / "checkpoints/best.pth"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(best, elsewhere / "mine.pth")
    monkeypatch.chdir(elsewhere)
    assert evaluate(best)["metrics"] == evaluate("mine.pth")["metrics"] == result.test
    assert evaluate(best, split="validation")["metrics"] == result.validation


@pytest.mark.parametrize("name", ["last", "tiny-1", "tiny", "runs/tiny-1", "runs/tiny-1/checkpoints/best.pth"])
def test_a_run_is_found_by_what_people_type(config: Path, name: str) -> None:
    train(config, ["training.epochs=1"])
    assert evaluate(name)["rows"] == 270


def test_the_gate(config: Path) -> None:
    train(config, ["training.epochs=1"])
    with pytest.raises(GateError, match=r"accuracy is .*, below the minimum of 1"):
        evaluate("last", minimum={"accuracy": 1.0})
    with pytest.raises(ConfigError, match="no metric 'acuracy'"):
        evaluate("last", minimum={"acuracy": 0.1})


def test_a_file_source_is_found_through_the_runs_own_config(table: Path, tmp_path: Path) -> None:
    result = train(table)
    assert evaluate(result.run)["metrics"] == result.test
    lone = shutil.copy(Path(result.run) / "checkpoints/best.pth", tmp_path / "lone.pth")
    with pytest.raises(ConfigError, match="where are they") as caught:
        evaluate(lone)
    assert caught.value.exit_code == 2
    assert evaluate(lone, data="rows.csv")["rows"] == 120
    assert evaluate(lone, data="rows.csv", split="test")["metrics"] == result.test
    (tmp_path / "rows.csv").write_text((tmp_path / "rows.csv").read_text().replace("6.5", "9.5"))
    with pytest.raises(DataError, match="not what this checkpoint was trained on"):
        evaluate(result.run)


def test_ctrl_c_saves_and_resume_ends_like_an_undisturbed_run(config: Path) -> None:
    whole = train(config)
    stopped = train(config, screen=StopAfter(17))
    assert (stopped.status, stopped.steps, stopped.signal, stopped.test) == ("interrupted", 17, signal.SIGINT, None)
    resumed = resume()
    assert resumed.run == stopped.run and resumed.test == whole.test
    assert records(resumed.run) == records(whole.run)
    assert scalars(resumed.run) == scalars(whole.run)


def scalars(folder: str) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(folder, size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in events.Tags()["scalars"] if tag != "rows_per_second"}


def test_tensorboard_gets_curves_text_and_a_picture(config: Path) -> None:
    result = train(config, {"loggers": ["tensorboard"], "training.clip": 1.0})
    events = EventAccumulator(result.run)
    events.Reload()
    tags = events.Tags()
    wanted = {
        "loss/train",
        "loss/validation",
        "loss/step",
        "metrics/val_accuracy",
        "learning_rate",
        "gradient_norm",
        "rows_per_second",
    }
    assert wanted <= set(tags["scalars"]) and tags["graph"]
    assert tags["images"] == ["confusion_matrix/test"] and tags["tensors"] == ["config/text_summary"]


def test_resume_begins_anew_where_nothing_was_saved(config: Path) -> None:
    whole = train(config)
    stopped = train(config, screen=StopAfter(17))
    shutil.rmtree(Path(stopped.run) / "checkpoints")
    (Path(stopped.run) / "checkpoints").mkdir()
    resumed = resume("last")
    assert resumed.run == stopped.run and records(resumed.run) == records(whole.run)


def test_resume_passes_over_a_damaged_checkpoint(config: Path) -> None:
    whole = train(config)
    stopped = train(config, screen=StopAfter(17))
    last = Path(stopped.run) / "checkpoints/last.pth"
    last.write_bytes(last.read_bytes()[:-100])
    assert resume(stopped.run).test == whole.test
    assert "skipped" in (Path(stopped.run) / "log.txt").read_text()


def test_a_finished_run_is_left_alone_and_can_be_extended(config: Path) -> None:
    result = train(config)
    before = {file: file.read_bytes() for file in Path(result.run).rglob("*") if file.is_file()}
    again = resume(result.run)
    assert again.seconds is None
    assert again.record() == result.record()
    with pytest.raises(ConfigError, match="done 39 steps"):
        resume(result.run, ["optimizer.lr=1e-4"])
    assert before == {file: file.read_bytes() for file in Path(result.run).rglob("*") if file.is_file()}
    extended = resume(result.run, ["training.epochs=5"])
    assert extended.run == result.run and extended.steps == 65
    assert records(extended.run)[:-1] == records(train(config, ["training.epochs=5"]).run)[:-1], "the schedule is constant"
    assert load(Path(result.run) / "config.yaml").config.training.epochs == 5


def test_an_early_stopped_run_says_what_would_let_it_go_on(config: Path) -> None:
    settings = {"optimizer.lr": 1e-9, "training.early_stopping": {"patience": 1, "min_delta": 1.0}}
    result = train(config, settings)
    assert result.status == "early_stopped" and result.epochs == 2
    with pytest.raises(ConfigError, match="Allow more"):
        resume(result.run, ["training.epochs=9"])
    assert resume(result.run, ["training.early_stopping=null"]).epochs == 3


def test_another_checkpoint_begins_a_new_run(config: Path, tmp_path: Path) -> None:
    result = train(config)
    for file in ("best", "previous"):
        moved = shutil.copy(Path(result.run) / f"checkpoints/{file}.pth", tmp_path / f"{file}.pth")
        again = resume(moved, ["training.epochs=4"])
        assert again.run != result.run and again.steps == 52 and (Path(again.run) / "checkpoints/best.pth").exists()


@pytest.mark.parametrize("change", ["seed=1", "model.hidden=[8]", "training.batch_size=64", "split.test=0.2", "precision=fp64"])
def test_what_cannot_change_is_refused_with_the_reason(config: Path, change: str) -> None:
    stopped = train(config, screen=StopAfter(3))
    with pytest.raises(ConfigError, match="can't change in a resumed run") as caught:
        resume(stopped.run, [change])
    assert change in str(caught.value.problems[0].file), "the place is the argument's"
    assert resume(stopped.run).status == "finished"


def test_changed_keys_are_shown(config: Path) -> None:
    stopped = train(config, screen=StopAfter(3))
    resume(stopped.run, ["optimizer.lr=1e-4", "threads=1"])
    told = (Path(stopped.run) / "log.txt").read_text()
    assert "changed   optimizer.lr: 0.01 → 0.0001" in told and "bit-exact no: settings changed" in told


def test_without_validation_the_last_weights_are_the_best(config: Path) -> None:
    result = train(config, ["split.validation=0"])
    best, last = (checkpoint.load(Path(result.run).absolute() / f"checkpoints/{name}.pth") for name in ("best", "last"))
    assert result.validation is None and result.test is not None
    assert all(torch.equal(best["network"][name], last["network"][name]) for name in last["network"])


def test_without_a_test_split_test_is_null(config: Path) -> None:
    result = train(config, ["split.test=0"])
    assert result.test is None and result.validation is not None
    with pytest.raises(ConfigError, match="no test split"):
        evaluate(result.run)


@pytest.mark.parametrize("setting", ["data: {name: csv, path: gone.csv, target: x}", "data: diabetes\ntask: classification"])
def test_an_error_leaves_no_folder(config: Path, setting: str) -> None:
    config.write_text(f"{setting}\nmodel: mlp\n")
    with pytest.raises(TrainkitError):
        train(config)
    assert not Path("runs").exists()


def test_a_dry_run_writes_nothing(config: Path, tmp_path: Path) -> None:
    facts, lines, layers = rehearse(config)
    assert facts["parameters"]["total"] == 1210 == sum(layer.parameters for layer in layers)
    assert facts["steps"] == 39 and lines and list(tmp_path.iterdir()) == [config]


def test_a_checkpoint_with_a_part_from_a_plugin_names_the_file(config: Path, tmp_path: Path) -> None:
    (tmp_path / "my_model.py").write_text(
        "from typing import Literal\n"
        "from torch import nn\n"
        "from trainkit.parts.models import Model, models\n"
        "@models.register\n"
        "class Mine(Model):\n"
        '    """Mine."""\n'
        '    name: Literal["test_jobs_mine"] = "test_jobs_mine"\n'
        "    def build(self, spec):\n"
        "        return nn.Sequential(nn.Flatten(), nn.Linear(spec.input_size, spec.outputs))\n"
    )
    result = train(config, {"model": "test_jobs_mine"}, plugins=["my_model.py"])
    assert evaluate(result.run, plugins=["my_model.py"])["metrics"] == result.test
    from trainkit.parts.models import models

    del models._parts["test_jobs_mine"]  # as in another process, which has not loaded the file
    with pytest.raises(ConfigError, match=r"--plugin PATH/my_model\.py"):
        evaluate(result.run)


def test_a_checkpoint_that_is_not_one(config: Path) -> None:
    Path("junk.pth").write_text("<html>")
    with pytest.raises(CheckpointError):
        evaluate("junk.pth")
    with pytest.raises(ConfigError, match="not there"):
        evaluate("gone.pth")


def test_a_moved_checkpoint_that_is_done_is_not_begun_again(config: Path, tmp_path: Path) -> None:
    moved = shutil.copy(Path(train(config).run) / "checkpoints/last.pth", tmp_path / "moved.pth")
    with pytest.raises(ConfigError, match="done 39 steps"):
        resume(moved)
    assert [path.name for path in Path("runs").iterdir()] == ["tiny-1"]


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_best_weights_that_are_not_at_hand_are_looked_for_anew(config: Path, harm: str) -> None:
    stopped = train(config, {"training.epochs": 4}, screen=StopAfter(30))
    best = Path(stopped.run) / "checkpoints/best.pth"
    best.unlink() if harm == "gone" else best.write_bytes(b"PK")
    result = resume(stopped.run)
    assert result.best and result.best["step"] > 30
    assert "not at hand" in (Path(result.run) / "log.txt").read_text()


def test_names_from_every_alphabet_survive_the_checkpoint(table: Path, tmp_path: Path) -> None:
    text = (tmp_path / "rows.csv").read_text().replace("yes", "😀 $x$").replace("no\n", "年\n").replace("good", "price_$_in_$")
    (tmp_path / "rows.csv").write_text(text)
    settings = {"task": {"name": "classification", "class_weights": {"😀 $x$": 2.0}}, "data.target": "price_$_in_$"}
    result = train(table, settings)
    assert evaluate(result.run)["metrics"] == result.test


def test_a_failed_training_keeps_the_curve_into_the_failure(config: Path) -> None:
    with pytest.raises(NumericError):
        train(config, {"data": "diabetes", "optimizer": {"name": "sgd", "lr": 1000.0}, "training.log_every": 1})
    assert records("runs/tiny-1")


def test_a_checkpoint_reads_no_environment_and_must_be_whole(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    content = checkpoint.load(Path(train(config).run).absolute() / "checkpoints/best.pth")
    secret = content["config"].replace("name: tiny", 'name: "${env:SECRET}"')
    for name, value in {"config": secret, "hardware": {}, "spec": {}}.items():
        checkpoint.save({**content, name: value}, Path("odd.pth").absolute())
        with pytest.raises(CheckpointError) as caught:
            evaluate("odd.pth")
        assert "hunter2" not in str(caught.value)


def test_new_data_for_a_stopped_run_sticks(table: Path, tmp_path: Path) -> None:
    stopped = train(table, ["training.epochs=20"], screen=StopAfter(3))
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")
    with pytest.raises(ConfigError):
        resume(stopped.run)
    assert resume(stopped.run, data="moved.csv").status == "finished"
    assert evaluate(stopped.run)["split"] == "test"


def test_new_rows_may_be_few(table: Path, tmp_path: Path) -> None:
    result = train(table)
    (tmp_path / "two.csv").write_text("size,colour,good\n1.5,red,no\n6.5,green,yes\n")
    assert evaluate(result.run, data="two.csv")["rows"] == 2


def test_two_monitors_do_not_mix(config: Path) -> None:
    stopped = train(config, {"training.epochs": 8, "training.early_stopping": {"monitor": "val_accuracy"}}, screen=StopAfter(60))
    result = resume(stopped.run, ["training.early_stopping=null"])
    losses = {r["step"]: r["val_loss"] for r in records(result.run) if r["kind"] == "evaluation" and r["step"] > 60}
    assert result.best and result.best["step"] == min(losses, key=losses.__getitem__)


def test_a_minimum_is_no_gate_for_what_should_be_low(config: Path) -> None:
    train(config, ["training.epochs=1"])
    with pytest.raises(ConfigError, match="better when it is lower"):
        evaluate("last", minimum={"loss": 0.5})


def test_a_model_that_is_no_network_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "five.py").write_text(
        "from typing import Literal\nfrom trainkit.parts.models import Model, models\n@models.register\nclass Five(Model):\n"
        '    """Five."""\n    name: Literal["five"] = "five"\n    def build(self, spec):\n        return 5\n'
    )
    with pytest.raises(ConfigError, match=r"gives int, not a torch\.nn\.Module"):
        train(config, {"model": "five"}, plugins=["five.py"])


def test_a_run_that_its_time_limit_ended_off_the_grid_says_that_it_is_not_the_same_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(10**6))
    monkeypatch.setattr("trainkit.engine.run.perf_counter", lambda: float(next(moments)))
    for steps, said in ((5, "bit-exact no: the time limit ended it with an evaluation of its own"), (4, "bit-exact yes")):
        settings = {"training.max_time": steps, "training.evaluate_every": 4, "loggers": [], "device": "cpu"}
        result = train("configs/digits-mlp.yaml", settings, runs=tmp_path)
        assert (result.status, result.steps) == ("time_limit", steps)
        resume(result.run, {"training.max_time": steps + 3}, runs=tmp_path)
        assert said in (Path(result.run) / "log.txt").read_text().splitlines()


PATHS = {
    "arrays": ("{name: arrays, inputs: x.npy, targets: y.npy}", "x.npy", "the source arrays reads data.inputs and data.targets"),
    "pictures": ("{name: images, table: t.csv, image: file, target: kind}", "t2.csv", None),
}


@pytest.mark.parametrize("name", PATHS)
def test_data_takes_the_place_of_the_one_path_there_is(name: str, config: Path, tmp_path: Path) -> None:
    from PIL import Image

    source, given, refused = PATHS[name]
    random = np.random.RandomState(0)
    np.save("x.npy", random.randn(60, 3))
    np.save("y.npy", random.randn(60))
    for n in range(60):
        Image.fromarray(random.randint(0, 256, (4, 4)).astype(np.uint8)).save(f"{n}.png")
    table = "file,kind\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(60))
    Path("t.csv").write_text(table)
    Path("t2.csv").write_text(table)
    (tmp_path / "a.yaml").write_text(f"data: {source}\nmodel: {{name: mlp, hidden: [4]}}\nloggers: []\ntraining: {{epochs: 1}}\n")
    lone = shutil.copy(Path(train("a.yaml").run) / "checkpoints/best.pth", "lone.pth")
    for file in ("t.csv", "y.npy"):
        Path(file).unlink()  # nothing that the checkpoint names is asked for
    if refused is None:
        assert evaluate(lone, data=given)["rows"] == 60
    else:
        with pytest.raises(ConfigError, match=refused):
            evaluate(lone, data=given)


def test_a_checkpoint_that_describes_a_giant_is_refused_before_memory_is_taken(config: Path) -> None:
    path = Path(train(config).run) / "checkpoints/best.pth"
    content = checkpoint.load(path)
    content["config"] = content["config"].replace("- 16", "- 100000").replace("[16]", "[100000, 100000]")
    checkpoint.save({name: value for name, value in content.items() if name not in ("format", "torch_version")}, path)
    with pytest.raises(CheckpointError, match="weights do not fit"):
        evaluate(path)
