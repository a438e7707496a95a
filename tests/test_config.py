"""From YAML and arguments to a Config: what is read, how it merges, and where each mistake is said to be."""

import math
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainkit.config.loading import Loaded, load
from trainkit.config.tree import Config
from trainkit.errors import ConfigError, Problem, dotted
from trainkit.parts.sources import sources

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
BASE = """\
trainkit: 1
data: digits
model: {name: mlp, hidden: [128, 64], dropout: 0.2}
optimizer: {name: adamw, lr: 3e-3, weight_decay: 0.01}
training:
  epochs: 40
  early_stopping: {monitor: val_loss, patience: 8}
"""


def read(folder: Path, text: str, *overrides: str, **options: Any) -> Loaded:
    file = folder / "a.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, overrides, **options)


def config(folder: Path, *overrides: str, text: str = BASE, **options: Any) -> dict[str, Any]:
    return read(folder, text, *overrides, **options).config.model_dump(mode="json")


def mistakes(folder: Path, text: str, *overrides: str, **options: Any) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, *overrides, **options)
    return caught.value.problems


def mistake(folder: Path, text: str, *overrides: str, **options: Any) -> str:
    """The one mistake, without the folder."""
    (problem,) = mistakes(folder, text, *overrides, **options)
    return str(problem).replace(f"{folder}{os.sep}", "")


def held(tree: Any, key: str) -> Any:
    for part in key.replace("[", ".").replace("]", "").split("."):
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return tree


# --- what is read


def test_a_config_is_complete_typed_and_named_after_its_file(tmp_path: Path) -> None:
    read_ = config(tmp_path)
    assert read_["name"] == "a" and read_["optimizer"]["lr"] == 0.003 and read_["schedule"]["name"] == "constant"
    assert (
        read_["data"] == {"name": "digits"}
        and read_["task"] is None
        and read_["loggers"] == [{"name": "tensorboard", "graph": True}]
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_written_reads_back_as_equal(path: Path, tmp_path: Path) -> None:
    first = load(path).config
    again = read(tmp_path, first.text()).config
    assert again == first and again.text() == first.text() and again.text() == first.text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_short_and_begins_with_its_command(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 25 and lines[0] == f"# trainkit train configs/{path.name}"
    assert any(line.startswith("# yaml-language-server: $schema=") for line in lines)


def test_a_config_cannot_be_changed(tmp_path: Path) -> None:
    loaded = read(tmp_path, BASE).config
    for settings_, name in ((loaded, "seed"), (loaded.training, "epochs"), (loaded.model, "hidden")):
        with pytest.raises(ValidationError):
            setattr(settings_, name, 1)


def test_defaults_are_settled_when_the_config_is_made(tmp_path: Path) -> None:
    plain = config(tmp_path, text="data: digits\nmodel: mlp\n")
    spelled = config(tmp_path, text=read(tmp_path, "data: digits\nmodel: mlp\n").config.text())
    assert (
        plain == spelled and plain["optimizer"] == config(tmp_path, "optimizer=adamw", text="data: digits\nmodel: mlp")["optimizer"]
    )


def test_steps_take_the_place_of_the_default_epochs(tmp_path: Path) -> None:
    training = config(tmp_path, text="data: digits\nmodel: mlp\ntraining: {steps: 7}")["training"]
    assert training["steps"] == 7 and training["epochs"] is None


# --- overrides


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["optimizer.lr=1e-2"], "optimizer.lr", 0.01),
        (["optimizer.lr=1e-2"], "optimizer.weight_decay", 0.01),  # its neighbours stay
        (["optimizer={lr: 0.5}"], "optimizer.weight_decay", 0.01),  # mappings merge
        (["model.hidden=[32]"], "model.hidden", [32]),  # lists replace
        (["model.hidden[1]=7"], "model.hidden", [128, 7]),
        (["optimizer=adamw"], "optimizer.lr", 0.003),  # the same name changes nothing
        (["optimizer=sgd"], "optimizer.lr", 0.01),  # a changed name replaces its section
        (["optimizer.name=sgd"], "optimizer.lr", 0.01),
        (["optimizer={name: sgd}"], "optimizer.lr", 0.01),
        (["optimizer=sgd", "optimizer.momentum=0.9"], "optimizer.momentum", 0.9),
        (["optimizer.momentum=0.9", "optimizer=sgd"], "optimizer.momentum", 0.9),  # in any order
        (["optimizer.momentum=0.9", "optimizer.name=sgd"], "optimizer.momentum", 0.9),
        (["model.hidden=8", "model=lstm"], "model.hidden", 8),
        (["seed=1", "seed=2"], "seed", 2),
        ([" seed = 3 "], "seed", 3),
        (["task=classification"], "task.loss.name", "cross_entropy"),
        (["task=regression", "task.loss={name: huber, delta: 2.0}"], "task.loss.delta", 2.0),
        (["task=classification", "task.class_weights.3=2"], "task.class_weights", {"3": 2.0}),  # a class named 3, not an item
        (["loggers[0].graph=false"], "loggers[0].graph", False),  # an item of the default
        (["loggers[0].graph=false", "loggers=[jsonl, tensorboard]", "loggers[0]=tensorboard"], "loggers[0].graph", False),
        (["model.blocks[1].pool=avg", "model=cnn"], "model.blocks[1].pool", "avg"),
        (["data={}"], "data", {"name": "digits"}),
        (["task.loss={delta: 2.0}", "task={name: regression, loss: huber}"], "task.loss", {"name": "huber", "delta": 2.0}),
        (["task.class_weights.a=2", "task={name: classification, class_weights: balanced}"], "task.class_weights", {"a": 2.0}),
        (["training.early_stopping=null"], "training.early_stopping", None),
        (["training.epochs=null", "training.steps=9"], "training.steps", 9),
        (["name='1e-3'"], "name", "1e-3"),
        (["name=b", "name=c"], "model.dropout", 0.2),  # a run's name replaces no section
        (["model.blocks=[{channels: 8, pool: avg}]", "model.blocks[0]=4", "model=cnn"], "model.blocks[0].pool", "max"),
    ],
)
def test_overrides_are_typed_and_merged(overrides: list[str], key: str, value: Any, tmp_path: Path) -> None:
    found = held(config(tmp_path, *overrides), key)
    assert found == value and type(found) is type(value)


def test_the_default_name_of_a_section_can_be_changed(tmp_path: Path) -> None:
    text = "data: digits\nmodel: mlp\noptimizer: {lr: 0.5}\n"
    assert config(tmp_path, "optimizer.name=sgd", text=text)["optimizer"]["lr"] == 0.01


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizr.lr=1", "1:1: optimizr is not a setting. Did you mean optimizer?"),
        ("epochs=1", "1:1: epochs is not a setting. Did you mean training.epochs?"),
        ("optimizer.lrr=1", "1:11: optimizer.lrr is not a setting of adamw. Did you mean lr?"),
        ("data.x=1", "1:6: data.x is not a setting of digits. There are: name."),
        ("seed.x=1", "1:1: seed should be a whole number, not {x: 1}."),
        ("seed[0]=1", "1:6: seed is not a list, so there is no seed[0]."),
        ("model.hidden[2]=1", "1:14: model.hidden[2] is not there: there are model.hidden[0] to [1]."),
        ("loggers[1]=jsonl", "1:9: loggers[1] is not there: 1 item is there. Write the whole list: loggers=[…]."),
        ("model.hidden[0]={a: 1}", "1:17: model.hidden[0] should be a whole number, not {a: 1}."),
        ("seed=", "1:6: seed should be a whole number, not null."),
        ("seed=[", "1:7: A bracket is never closed."),
        ("seed", "1:1: This is not KEY=VALUE. Write, say, optimizer.lr=3e-4."),
        ("[0]=1", "1:1: '[0]' is not a setting's name."),
        ("=1", "1:1: '' is not a setting's name."),
        ("training=null", "1:10: training should be a mapping, such as {key: value}, not null."),
        ("training.steps=9", "1:16: training.steps: epochs and steps are both given: keep one, or make the other null."),
        ("optimizer.lr=\n-1", "2:1: optimizer.lr should be greater than 0, not -1."),
    ],
)
def test_an_override_s_mistake_names_the_argument(override: str, message: str, tmp_path: Path) -> None:
    # An item's mark is the number in its brackets or the value behind it: the reader decides, and the caret is right both times.
    said = mistake(tmp_path, BASE, override)
    assert said.startswith(f"argument {override!r}:")
    place, words = message.split(": ", 1)
    assert words in said
    if "[" not in override.partition("=")[0]:
        assert said.startswith(f"argument {override!r}:{place}: ")


def test_mistakes_stand_in_the_order_of_the_arguments(tmp_path: Path) -> None:
    found = mistakes(tmp_path, BASE.replace("40", "x"), "data.x=1", "seed", "optimizer.lr=-1", "nam=x")
    assert [problem.file for problem in found] == [
        str(tmp_path / "a.yaml"), "argument 'data.x=1'", "argument 'seed'", "argument 'optimizer.lr=-1'", "argument 'nam=x'",
    ]  # fmt: skip


# --- --reset


@pytest.mark.parametrize(
    ("key", "value"),
    [("optimizer.lr", 1e-3), ("optimizer", 1e-3), ("optimizer.name", 3e-3)],
)
def test_reset_puts_a_default_back(key: str, value: float, tmp_path: Path) -> None:
    assert config(tmp_path, reset=[key])["optimizer"]["lr"] == value


def test_reset_reaches_into_lists_and_an_override_still_counts(tmp_path: Path) -> None:
    text = BASE + "loggers: [{name: tensorboard, graph: false}]\n"
    assert config(tmp_path, text=text, reset=["loggers[0].graph"])["loggers"][0]["graph"] is True
    assert config(tmp_path, "optimizer.lr=0.5", reset=["optimizer.lr"])["optimizer"]["lr"] == 0.5
    assert mistake(tmp_path, BASE, "seed=x", reset=["seed"]).endswith("seed should be a whole number, not 'x'.")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sed", "--reset: sed is not a setting. Did you mean seed?"),
        ("optimizer.lrr", "--reset: optimizer.lrr is not a setting of adamw. Did you mean lr?"),
        ("model.hidden[0]", "--reset: model.hidden[0] is an item, and only the whole list has a default. Reset model.hidden."),
        ("seed.x", "--reset: seed.x is not a setting of seed."),
        ("model", "--reset: model has no default. Give it a value: model=…."),
        ("", "--reset: '' is not a setting's name. Write one such as optimizer.lr."),
    ],
)
def test_reset_of_what_has_no_default_is_refused(key: str, message: str, tmp_path: Path) -> None:
    assert mistake(tmp_path, BASE, reset=[key]).startswith(message)


# --- the environment and paths


@pytest.mark.parametrize(
    ("value", "lr"), [("${env:RATE}", 0.02), ("${env:NO_SUCH:-0.5}", 0.5), ("${env:RATE:-9}", 0.02), ("'${env:RATE}'", 0.02)]
)
def test_the_environment_is_read_as_yaml(value: str, lr: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "2e-2")
    text = f"data: digits\nmodel: mlp\noptimizer:\n  lr: {value}\n"
    assert config(tmp_path, text=text)["optimizer"]["lr"] == lr
    assert config(tmp_path, f"optimizer.lr={value}")["optimizer"]["lr"] == lr


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${env:NO_SUCH}", "The environment has no variable NO_SUCH. Set it, or give a default: ${env:NO_SUCH:-value}."),
        ("${env:BROKEN}", "What the environment says for BROKEN is not YAML: A bracket is never closed."),
        ("${env:NO_SUCH:-fast}", "optimizer.lr should be a number, not 'fast'."),
        ("a ${env:RATE}", "optimizer.lr should be a number, not 'a ${env:RATE}'."),
    ],
)
def test_what_the_environment_lacks_is_said_at_its_place(
    value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "[1")
    monkeypatch.setenv("RATE", "1")
    assert mistake(tmp_path, f"data: digits\nmodel: mlp\noptimizer:\n  lr: {value}\n") == f"a.yaml:4:7: {message}"
    assert mistake(tmp_path, BASE, f"optimizer.lr={value}") == f"argument {f'optimizer.lr={value}'!r}:1:14: {message}"


def test_what_the_environment_lacks_is_not_missed_where_another_value_counts(tmp_path: Path) -> None:
    text = "data: digits\nmodel: mlp\noptimizer: {lr: '${env:NO_SUCH}'}\n"
    assert mistake(tmp_path, text).startswith("a.yaml:3:17: The environment has no variable NO_SUCH.")
    assert config(tmp_path, "optimizer.lr=0.5", text=text)["optimizer"]["lr"] == 0.5
    assert config(tmp_path, text=text, reset=["optimizer.lr"])["optimizer"]["lr"] == 1e-3


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        ("data: digits\nmodel: mpl\n", "model.hidden=[8]", "a.yaml:2:8: model.name: 'mpl' is not a model. Did you mean mlp?"),
        ("model: mlp\ndata: {name: csv, path: a.csv}\n", "data.kinds={}", "a.yaml:2:1: data.target is missing."),
        ("data: digits\nmodel: mlp\n", "data.name=csv", "argument 'data.name=csv':1:1: data.path is missing."),
        ("data: {name: csv, path: a.csv, target: y}\nmodel: mlp\n", "data={name: csv, path: null}",
            "argument 'data={name: csv, path: null}':1:24: data.path should be text or a mapping"),
    ],
)  # fmt: skip
def test_the_one_whose_word_counts_is_blamed(text: str, override: str, message: str, tmp_path: Path) -> None:
    found = [str(problem).replace(f"{tmp_path}{os.sep}", "") for problem in mistakes(tmp_path, text, override)]
    assert found[0].startswith(message)


@pytest.mark.parametrize("arguments", [{"overrides": ["extends=b.yaml"]}, {"reset": ["extends"]}])
def test_extends_stands_in_a_file(arguments: dict[str, list[str]], tmp_path: Path) -> None:
    (problem,) = mistakes(tmp_path, BASE, *arguments.get("overrides", ()), reset=arguments.get("reset", ()))
    assert (
        problem.file in ("argument 'extends=b.yaml'", "--reset") and problem.suggestion == "Write it there: `extends: base.yaml`."
    )
    assert problem.message == "extends is not a setting: it is read at the top of a config's file, before all settings."


def test_a_path_is_relative_to_what_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    text = "data: {name: csv, path: ../rows.csv, target: y}\nmodel: mlp\n"
    in_file = read(tmp_path / "configs", text)
    assert held(in_file.config.model_dump(), "data.path") == str(tmp_path / "rows.csv")
    for override in ("data.path=b.csv", "data={name: csv, path: b.csv, target: y}"):
        assert held(config(tmp_path / "configs", override, text=text), "data.path") == str(tmp_path / "here" / "b.csv")
    assert held(config(tmp_path / "configs", "data.target=z", text=text), "data.path") == str(tmp_path / "rows.csv")
    assert held(config(tmp_path / "configs", "data.path=~/b.csv", text=text), "data.path") == str(Path.home() / "b.csv")


# --- what is refused

BOUNDS = [
    ("optimizer.lr", ["-1", "0", ".nan", ".inf", "1e4", "true", "'1e-3'", "null"]),
    ("optimizer.weight_decay", ["-0.1", ".nan", "1e4"]),
    ("optimizer.beta1", ["1", "-0.1"]),
    ("optimizer.eps", ["0", "2"]),
    ("schedule.warmup", ["1.0", "-1", "-0.1", ".nan"]),
    ("model.hidden", ["[0]", "[-1]", "[1.0]", "[true]", "['8']", "[100001]", "8", "null", "{a: 1}"]),
    ("model.dropout", ["1", "-0.1", ".nan", "[0.1]", "[0.1, 1]", "x", "true"]),
    ("model.activation", ["rel", "3"]),
    ("training.batch_size", ["true", "'64'", "7.0", "0", "-1", "1e3", "al", "10000000000000"]),
    ("training.epochs", ["0", "1.5", "null"]),
    ("training.steps", ["0"]),
    ("training.accumulate", ["0", "33", "-1"]),
    ("training.clip", ["0", "-1", ".inf", ".nan"]),
    ("training.limit", ["0"]),
    ("training.log_every", ["0"]),
    ("training.evaluate_every", ["0", "epoc", "[1]"]),
    ("training.early_stopping", ["true", "8", "val_loss"]),
    ("training.early_stopping.patience", ["0", "1.0"]),
    ("training.early_stopping.min_delta", ["-1e-9", ".inf"]),
    ("training.early_stopping.monitor", ["val_los", "accuracy", "3"]),
    ("checkpoint.every", ["0", "never"]),
    ("split.validation", ["1", "-0.1", ".nan", "0.9"]),
    ("split.test", ["1", "0.85"]),
    ("seed", ["-1", "1.0", "true", "null"]),
    ("threads", ["0", "1025", "true"]),
    ("deterministic", ["1", "yes", "'true'", "null"]),
    ("device", ["gpu", "cuda:", "cuda:x", "CPU", "''", "3"]),
    ("precision", ["fp8", "16", "null"]),
    ("name", ["''", "a/b", ".hidden", "-x", "3", "'a b'", "x" * 101]),
    ("trainkit", ["2", "'1'", "null"]),
    ("loggers", ["tensorboard", "null", "[tensorbord]", "[3]"]),
    ("plugins", ["a.py", "[3]", "null"]),
    ("data", ["3", "[digits]", "digit", "null", "{name: 3}"]),
    ("preprocess.scaling", ["minmax", "null"]),
    ("task", ["classificatio", "3"]),
]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BOUNDS for value in values])
def test_every_setting_has_bounds(key: str, value: str, tmp_path: Path) -> None:
    text = BASE.replace("  epochs: 40\n", "") if key == "training.steps" else BASE
    (problem,) = mistakes(tmp_path, text, f"{key}={value}")
    assert problem.file and problem.file.startswith("argument ") and problem.line == 1 and problem.column
    written = dotted(problem.key)
    assert written.startswith(key) or problem.key[:1] == (key.split(".")[0],)
    assert written in problem.message and problem.message.endswith(".") and "Input should" not in problem.message
    assert "tuple" not in str(problem) and "None" not in str(problem) and "dict" not in str(problem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epochs: 3, steps: 4}",
            "3:30: training.steps: epochs and steps are both given: keep one, or make the other null."),
        ("training: {epochs: null}", "3:20: training.epochs: neither epochs nor steps say how long to train."),
        ("training: {early_stopping: {monitor: val_r}}",
            "3:38: training.early_stopping.monitor: 'val_r' is not measured; did you mean val_r2? There are: "
            "train_loss, val_accuracy, …"),
        ("task: regression\ntraining: {early_stopping: {monitor: val_accuracy}}",
            "4:38: training.early_stopping.monitor: 'val_accuracy' is not measured; there are: "
            "train_loss, val_loss, val_mae, val_r2, val_rmse."),
        ("split: {validation: 0}\ntraining: {early_stopping: {}}",
            "4:12: training.early_stopping.monitor: val_loss needs a validation split, and split.validation is 0: "
            "use train_loss, or give a share."),
        ("split: {validation: 0.5, test: 0.5}", "3:32: split.test: validation and test take 1 of the rows: none is left to train."),
        ("optimizer: {name: sgd, nesterov: true}", "3:34: optimizer.nesterov: nesterov needs momentum: set momentum to 0.9, say."),
        ("task: {name: classification, loss: mse}",
            "3:36: task.loss: the loss mse compares amounts, and classification has classes: use …"),
        ("task: {name: classification, class_weights: balance}",
            "3:45: task.class_weights should be 'none' or 'balanced' or a mapping, such as {key: value}, not 'balance'. "
            "Did you mean balanced?"),
        ("training: {evaluate_every: epoc}",
            "3:28: training.evaluate_every should be 'epoch' or a whole number, not 'epoc'. Did you mean epoch?"),
        ("optimizer: {namee: sgd}", "3:13: optimizer.namee is not a setting of adamw. Did you mean name? "
            "There are: name, lr, weight_decay, groups, layer_decay, decay_all, beta1, beta2, eps."),
        ("optimizer.lr: 3", "3:1: optimizer.lr: a dot leads into a section in arguments alone, not in a file. "
            "Write `optimizer: {lr: 3}`."),
        ("split: {}\nsplit.test: 0.3", "4:1: split.test: a dot leads into a section in arguments alone, not in a file. "
            "Write `test: 0.3` into the section split."),
        ("model.hidden: [3]", "3:1: model.hidden: a dot leads into a section in arguments alone, not in a file. "
            "Write `model: {name: mlp, hidden: [3]}`."),
        ("task: {nmae: regression}", "3:8: task.nmae is not a setting. Did you mean name?"),
        ("task: {}", "3:1: task needs a name: which task? There are: classification, …"),
        ("loggers: [{}]", "3:11: loggers[0] needs a name: which logger? There are: jsonl, tensorboard."),
        ("task: {loss: mse}", "3:1: task needs a name: which task? There are: classification, …"),
        ("optimizer: {name: null}", "3:19: optimizer.name: null is not an optimizer. There are: …"),
        ("training:", "3:10: training should be a mapping, such as {key: value}, not null. Leave the key out for its default."),
        ("loggers: jsonl", "3:10: loggers should be a list, such as [a, b], not 'jsonl'. Write [jsonl]."),
        ("seed: '3'", "3:7: seed should be a whole number, not '3'. Take the quotes off."),
        ("deterministic: no", "3:16: deterministic should be true or false, not 'no'. YAML's words are true and false."),
        ("name: a/b", "3:7: name should be text such as digits-mlp, not 'a/b'. Names the run's folder: "
            "100 letters, digits, `_`, `-` or `.` at most, no `-` or `.` first; left out: the file's name."),
        ("training: {max_time: soon}", "3:22: training.max_time should be a number greater than 0, text such as 90s, 30m or 1.5h, "
            "or null, not 'soon'. Stop after this time of training: seconds, or text such as 90s, 30m, 1.5h; null: never."),
        ("training: {max_time: '90'}", "3:22: training.max_time should be a number greater than 0, text such as 90s, 30m or 1.5h, "
            "or null, not '90'. Take the quotes off."),
        ("schedule: {warmup: -1}", "3:20: schedule.warmup should be a number at least 0, less than 1, "
            "or a whole number at least 1, not -1."),
        ("schedule: {warmup: 1.0}", "3:20: schedule.warmup should be less than 1 or a whole number, not 1.0."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_readable_sentence_at_its_place(text: str, message: str, tmp_path: Path) -> None:
    said = mistake(tmp_path, f"data: digits\nmodel: mlp\n{text}\n")
    assert said == f"a.yaml:{message}" or (message.endswith("…") and said.startswith(f"a.yaml:{message[:-1]}"))


def test_odd_shapes_that_mean_something_are_taken(tmp_path: Path) -> None:
    read_ = config(
        tmp_path, text="data: {name: digits}\nmodel: {name: mlp, hidden: []}\ntask: null\nloggers: []\nplugins: []\nsplit: {}"
    )
    assert read_["task"] is None and read_["loggers"] == [] and read_["model"]["hidden"] == [] and read_["split"]["test"] == 0.15


def test_what_is_missing_is_asked_for(tmp_path: Path) -> None:
    assert mistake(tmp_path, "model: mlp\n") == "a.yaml:1:1: data is missing. Write it: data: digits. Where the rows come from."
    csv = mistakes(tmp_path, "model: mlp\ndata: {name: csv}\n")
    assert [problem.message for problem in csv] == ["data.path is missing.", "data.target is missing."]
    assert {(problem.line, problem.column) for problem in csv} == {(2, 1)}


def test_five_mistakes_are_five_problems_each_with_its_place(tmp_path: Path) -> None:
    text = """\
data: digit
model:
  name: mlp
  hiden: [64]
optimizer: {lr: -1}
training:
  batch_size: true
device: gpu
"""
    found = [str(problem).replace(f"{tmp_path}{os.sep}", "") for problem in mistakes(tmp_path, text)]
    assert found == [
        f"a.yaml:1:7: data: 'digit' is not a source. Did you mean digits? There are: {', '.join(sources.names())}.",
        "a.yaml:4:3: model.hiden is not a setting of mlp. Did you mean hidden? "
        "There are: name, hidden, activation, batch_norm, dropout.",
        "a.yaml:5:17: optimizer.lr should be greater than 0, not -1.",
        "a.yaml:7:15: training.batch_size should be 'all' or a whole number, not true.",
        "a.yaml:8:9: device should be text such as auto, cpu, cuda, cuda:1 or mps, not 'gpu'. "
        "What computes; auto: cuda where there is one, else mps, else cpu.",
    ]


# --- any text

KEYS = st.sampled_from(
    ["seed", "name", "data", "model", "model.hidden", "model.hidden[0]", "task.class_weights", "loggers[0].graph", ""]
)


@settings(max_examples=60, deadline=None)
@given(
    key=st.one_of(KEYS, st.text(max_size=12)), value=st.one_of(st.text(max_size=20), st.from_regex(r"[\[{][\w, :{}\[\]'-]{0,12}"))
)
def test_any_override_is_a_config_or_a_config_error(key: str, value: str) -> None:
    base = CONFIGS[0]
    try:
        assert isinstance(load(base, [f"{key}={value}"]), Loaded)
    except ConfigError as error:
        assert error.problems and all(problem.message and problem.file for problem in error.problems)


# --- every key and value of every shipped config, wrong in turn

FREE = {("data", "kinds"), ("task", "class_weights"), ("optimizer", "groups"), ("training", "unfreeze")}
"""Mappings whose keys are the user's: a column, a class, layers, an epoch."""
DECIDING = {("data", "kind")}
"""Settings that decide which others there are: without them it is the others that are said to be wrong."""


def nodes(node: yaml.Node, key: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], yaml.Node | None, yaml.Node]]:
    """Key, the key's node (none for an item), the value's node: by PyYAML itself, not by the reader under test."""
    found: list[tuple[tuple[str | int, ...], yaml.Node | None, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            found += [((*key, name.value), name, value), *nodes(value, (*key, name.value))]
    if isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            found += [((*key, n), None, value), *nodes(value, (*key, n))]
    return found


def place(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


SETTINGS = [
    pytest.param(path, key, name, value, id=f"{path.stem}-{dotted(key)}")
    for path in CONFIGS
    for key, name, value in nodes(yaml.compose(path.read_text(encoding="utf-8")) or yaml.MappingNode("", []))
]


@pytest.mark.parametrize(("path", "key", "name", "value"), SETTINGS)
def test_a_mistyped_key_is_found_at_its_place(path: Path, key: Any, name: Any, value: Any, tmp_path: Path) -> None:
    if name is None or key[:-1] in FREE or key in DECIDING:
        return
    text, start = path.read_text(encoding="utf-8"), name.start_mark.index
    assert text[start : name.end_mark.index] == key[-1]
    wrong = f"{key[-1]}x"
    found = mistakes(tmp_path, text[:start] + wrong + text[name.end_mark.index :])
    (problem,) = [problem for problem in found if "is not a setting" in problem.message]
    assert (problem.line, problem.column) == place(text, start)
    assert problem.message.startswith(f"{dotted((*key[:-1], wrong))} is not a setting") and problem.suggestion is not None
    assert problem.suggestion.startswith(f"Did you mean {key[-1]}?")
    assert problem.quoted is not None and problem.quoted[place(text, start)[1] - 1 :].startswith(wrong)


@pytest.mark.parametrize(("path", "key", "name", "value"), SETTINGS)
def test_a_value_of_the_wrong_kind_is_found_at_its_place(path: Path, key: Any, name: Any, value: Any, tmp_path: Path) -> None:
    text, start, end = path.read_text(encoding="utf-8"), value.start_mark.index, value.end_mark.index
    end = start + len(text[start:end].rstrip())  # a block's node ends where the next begins
    wrong = "[wrong]" if isinstance(value, yaml.MappingNode) else "{wrong: type}"
    places = [start, start + 1, start + len("{wrong: "), *([name.start_mark.index] if name else [])]
    problem, *_ = mistakes(tmp_path, text[:start] + wrong + text[end:])  # several where a mapping of other keys may stand
    assert (problem.line, problem.column) in [place(text[:start] + wrong, offset) for offset in places]
    assert problem.key[: len(key)] == key or (problem.key[:-1] == key)


@pytest.mark.parametrize(("path", "key", "name", "value"), SETTINGS)
def test_a_wrong_override_of_it_is_found_in_the_argument(path: Path, key: Any, name: Any, value: Any) -> None:
    wrong = "[wrong]" if isinstance(value, yaml.MappingNode) else "{wrong: type}"
    overrides = {f"{dotted(key)}={wrong}": {1, dotted(key).rfind(".") + 2, len(dotted(key)) + 2, len(dotted(key)) + 3}}
    overrides = {text: columns | {text.find("type") + 1, text.find("[") + 2} for text, columns in overrides.items()}
    if isinstance(key[-1], str) and key[:-1] not in FREE:
        overrides[f"{dotted(key)}x=1"] = {dotted(key).rfind(".") + 2}
    for text, columns in overrides.items():
        with pytest.raises(ConfigError) as caught:
            load(path, [text])
        problem, *_ = caught.value.problems
        assert problem.file == f"argument {text!r}" and problem.line == 1 and problem.column in columns
        if text.endswith("x=1"):
            assert problem.suggestion is not None and problem.suggestion.startswith(f"Did you mean {key[-1]}?")


def test_a_config_from_python_speaks_of_the_same_limits() -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"data": "digits", "model": "mlp", "optimizer": {"lr": math.nan}})
