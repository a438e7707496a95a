"""One config on top of another: what merges, whose mistake it is, and what each file's paths are relative to."""

import os
from pathlib import Path
from typing import Any

import pytest

from trainkit.config.loading import LEVELS, Loaded, build, load
from trainkit.config.merging import merge
from trainkit.config.reader import read_text
from trainkit.errors import ConfigError, Problem

BASE = """\
trainkit: 1
name: base
data: digits
model: {name: mlp, hidden: [128, 64], dropout: 0.2}
optimizer: {name: sgd, lr: 0.5, momentum: 0.9}
training:
  epochs: 40
  early_stopping: {monitor: val_loss, patience: 8}
"""
PLUGIN = '''
from typing import ClassVar, Literal

from trainkit.part import Settings
from trainkit.parts.models import Model, models


class Block(Settings):
    bare: ClassVar[str | None] = "size"
    size: int
    pool: bool = False


@models.register
class Mine(Model):
    """Mine."""

    name: Literal["mine"] = "mine"
    def build(self, spec): ...
    gain: float = 1.0
    blocks: tuple[Block, ...] = ()
'''


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def on(folder: Path, text: str, *overrides: str, base: str = BASE, **options: Any) -> Loaded:
    """``text`` on top of ``base``."""
    write(folder, base=base, top=f"extends: base.yaml\n{text}")
    return load(folder / "top.yaml", overrides, **options)


def mistakes(folder: Path, path: str, *overrides: str) -> list[str]:
    """Every mistake, without the folder."""
    with pytest.raises(ConfigError) as caught:
        load(folder / path, overrides)
    return [str(problem).replace(f"{folder}{os.sep}", "").replace("\\", "/") for problem in caught.value.problems]


# --- what merges


@pytest.mark.parametrize(
    ("base", "change", "merged"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": {"p": 1, "q": 2}}}, {"a": {"x": {"q": 3}, "z": 4}}, {"a": {"x": {"p": 1, "q": 3}, "z": 4}}),
        ({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}),  # lists replace
        ({"a": [{"x": 1}]}, {"a": [{"y": 1}]}, {"a": [{"y": 1}]}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
        ({"m": {"name": "p", "x": 1}}, {"m": {"name": "q", "y": 1}}, {"m": {"name": "q", "y": 1}}),  # a changed name replaces
        ({"m": {"name": "p", "x": 1}}, {"m": {"name": "p", "y": 1}}, {"m": {"name": "p", "x": 1, "y": 1}}),
        ({"m": {"name": "p", "x": 1}}, {"m": {"y": 1}}, {"m": {"name": "p", "x": 1, "y": 1}}),
        ({"m": {"x": 1}}, {"m": {"name": "p"}}, {"m": {"x": 1, "name": "p"}}),
        ({"m": {"name": "p", "x": 1}}, {"m": "p"}, {"m": {"name": "p", "x": 1}}),
        ({"m": {"name": "p", "x": 1}}, {"m": "q"}, {"m": "q"}),
        ({"m": {"n": {"name": "p", "x": 1}, "y": 1}}, {"m": {"n": {"name": "q"}}}, {"m": {"n": {"name": "q"}, "y": 1}}),
        ({"name": "one", "a": 1}, {"name": "two", "b": 1}, {"name": "two", "a": 1, "b": 1}),  # the run's name replaces nothing
    ],
)
def test_merge(base: Any, change: Any, merged: Any) -> None:
    before = repr(base), repr(change)
    assert merge(base, change) == merged
    assert (repr(base), repr(change)) == before


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("", "model.hidden", (128, 64)),
        ("seed: 3", "seed", 3),
        ("model: {hidden: [8]}", "model.hidden", (8,)),
        ("model: {hidden: [8]}", "model.dropout", 0.2),
        ("model: mlp", "model.dropout", 0.2),
        ("model: cnn", "model.dropout", 0.0),
        ("model: {name: cnn}", "model.dropout", 0.0),
        ("optimizer: {weight_decay: 0.1}", "optimizer.momentum", 0.9),
        ("optimizer: adamw", "optimizer.lr", 1e-3),
        ("training: {batch_size: 8}", "training.epochs", 40),
        ("training: {early_stopping: null}", "training.early_stopping", None),
        ("training: {early_stopping: {patience: 3}}", "training.early_stopping.patience", 3),
        ("training: {epochs: null, steps: 9}", "training.steps", 9),
        ("loggers: []", "loggers", ()),
    ],
)
def test_what_a_file_says_counts_over_its_base(text: str, key: str, value: Any, tmp_path: Path) -> None:
    found: Any = on(tmp_path, text).config
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("base", "text", "model"),
    [
        ("model: mlp", "model: {hidden: [8]}", {"name": "mlp", "hidden": [8]}),
        ("model: mlp", "model: {name: mlp, hidden: [8]}", {"name": "mlp", "hidden": [8]}),
        ("model: {hidden: [8]}", "model: mlp", {"name": "mlp", "hidden": [128, 64]}),
        ("model: {dropout: 0.1}", "model: {name: mlp, hidden: [8]}", {"name": "mlp", "hidden": [8], "dropout": 0.1}),
    ],
)
def test_a_bare_name_and_its_settings_meet(base: str, text: str, model: dict[str, Any], tmp_path: Path) -> None:
    merged = on(tmp_path, text, base=f"data: digits\n{base}\n").config
    assert {key: merged.model_dump(mode="json")["model"][key] for key in model} == model


def test_a_default_name_is_a_name_too(tmp_path: Path) -> None:
    base = "data: digits\nmodel: mlp\noptimizer: {lr: 0.5}\n"
    assert on(tmp_path, "optimizer: sgd", base=base).config.optimizer.lr == 0.01  # 0.5 was adamw's
    assert on(tmp_path, "optimizer: {weight_decay: 0.5}", base=base).config.optimizer.lr == 0.5


def test_a_bare_value_is_the_setting_that_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    base = "data: digits\nplugins: [mine.py]\nmodel: {name: mine, blocks: [3, {size: 4, pool: true}]}\n"
    loaded = on(tmp_path, "", "model.blocks[0].pool=true", base=base, plugins=[tmp_path / "mine.py"])
    assert loaded.config.model.model_dump()["blocks"] == ({"size": 3, "pool": True}, {"size": 4, "pool": True})
    replaced = on(tmp_path, "", "model.blocks[1]=5", base=base).config.model.model_dump()["blocks"]
    assert replaced == ({"size": 3, "pool": False}, {"size": 5, "pool": False})


def test_overrides_and_reset_come_last(tmp_path: Path) -> None:
    assert on(tmp_path, "optimizer: {lr: 0.1}", "optimizer.lr=0.2").config.optimizer.lr == 0.2
    assert on(tmp_path, "optimizer: {lr: 0.1}", reset=["optimizer.lr"]).config.optimizer.lr == 0.01
    assert on(tmp_path, "optimizer: {name: adam, lr: 0.1}", reset=["optimizer.name"]).config.optimizer.name == "adamw"


def test_a_run_is_named_after_the_file_that_was_named(tmp_path: Path) -> None:
    assert on(tmp_path, "").config.name == "top"
    assert on(tmp_path, "name: mine\nmodel: {hidden: [8]}").config.name == "mine"
    assert on(tmp_path, "", "name=other").config.name == "other"
    assert load(tmp_path / "base.yaml").config.name == "base"


def test_a_chain_is_merged_from_its_far_end(tmp_path: Path) -> None:
    depth = LEVELS - 1
    write(tmp_path, c0="data: digits\nmodel: mlp\nseed: 0\nsplit: {test: 0.3}\n")
    for n in range(1, depth + 1):
        write(tmp_path, **{f"c{n}": f"extends: c{n - 1}.yaml\nseed: {n}\ntraining: {{epochs: {100 + n}}}\n"})
    found = load(tmp_path / f"c{depth}.yaml").config
    assert (found.seed, found.split.test, found.training.epochs, found.name) == (depth, 0.3, 100 + depth, f"c{depth}")
    write(tmp_path, deep=f"extends: c{depth}.yaml\n")
    assert mistakes(tmp_path, "deep.yaml") == [
        "c1.yaml:1:10: extends goes more than 20 files deep here. Put some of them together."
    ]


def test_a_config_is_complete_and_extends_nothing(tmp_path: Path) -> None:
    text = on(tmp_path, "seed: 4").config.text()
    assert "extends" not in text
    write(tmp_path, alone=text)
    assert load(tmp_path / "alone.yaml").config == load(tmp_path / "top.yaml").config


# --- paths, plugins and the environment


def test_paths_are_relative_to_the_file_that_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, far__base="data: {name: csv, path: rows.csv, target: y}\nmodel: mlp\n", near__top="extends: ../far/base.yaml\n")
    monkeypatch.chdir(tmp_path)

    def path(*overrides: str) -> Any:
        return load("near/top.yaml", overrides).config.data.model_dump()["path"]

    assert path() == str(tmp_path / "far" / "rows.csv")
    assert path("data.path=rows.csv") == str(tmp_path / "rows.csv")
    assert path("data.target=z") == str(tmp_path / "far" / "rows.csv")
    write(tmp_path, near__top="extends: ../far/base.yaml\ndata: {path: rows.csv}\n")
    assert path() == str(tmp_path / "near" / "rows.csv")
    write(tmp_path, near__top="extends: ../far/base.yaml\ndata: {target: z}\n")
    assert path() == str(tmp_path / "far" / "rows.csv")


def test_a_base_brings_its_plugins(tmp_path: Path) -> None:
    write(tmp_path, far__base="data: digits\nplugins: [mine.py]\nmodel: {name: mine, gain: 2.0}\n", top="extends: far/base.yaml\n")
    (tmp_path / "far" / "mine.py").write_text(PLUGIN)
    loaded = load(tmp_path / "top.yaml")
    assert loaded.config.plugins == (str(tmp_path / "far" / "mine.py"),) and loaded.config.model.model_dump()["gain"] == 2.0
    (tmp_path / "far" / "mine.py").unlink()
    (said,) = mistakes(tmp_path, "top.yaml")
    assert said.startswith("far/base.yaml:2:11: the plugin ")


def test_the_environment_counts_in_a_base_and_in_extends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "7")
    monkeypatch.setenv("WHICH", "base.yaml")
    monkeypatch.setenv("MODEL", "{dropout: 0.5}")
    base = "data: digits\nmodel: mlp\nseed: ${env:SEED}\nthreads: ${env:NO_SUCH}\n"
    write(tmp_path, base=base, top="extends: ${env:WHICH}\nthreads: 2\nmodel: ${env:MODEL}\n")
    loaded = load(tmp_path / "top.yaml").config
    assert (loaded.seed, loaded.threads, loaded.model.name) == (7, 2, "mlp") and loaded.model.model_dump()["dropout"] == 0.5
    write(tmp_path, top="extends: ${env:WHICH}\n")
    assert mistakes(tmp_path, "top.yaml")[0].startswith("base.yaml:4:10: The environment has no variable NO_SUCH.")


# --- whose mistake it is


def test_a_mistake_is_where_it_was_written(tmp_path: Path) -> None:
    base = BASE.replace("lr: 0.5", "lr: -1").replace("epochs", "epoch")
    write(tmp_path, base=base, top="extends: base.yaml\nseed: x\nmodel: {hiden: [8]}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "top.yaml", ["threads=0"])
    seen = [(Path(str(problem.file)).name, problem.line, problem.column, problem.quoted) for problem in caught.value.problems]
    assert seen == [
        ("top.yaml", 2, 7, "seed: x"),
        ("top.yaml", 3, 9, "model: {hiden: [8]}"),
        ("base.yaml", 5, 28, "optimizer: {name: sgd, lr: -1, momentum: 0.9}"),
        ("base.yaml", 7, 3, "  epoch: 40"),
        ("argument 'threads=0'", 1, 9, "threads=0"),
    ]


@pytest.mark.parametrize(
    ("base", "text", "message"),
    [
        ("model: {name: mlp, dropout: 2}", "data: digits\nmodel: {hidden: [8]}", "base.yaml:1:29: model.dropout should be less"),
        ("model: mlp", "data: {name: csv, path: a}", "top.yaml:2:1: data.target is missing."),
        ("data: {name: csv, path: a}\nmodel: mlp", "data: {kinds: {a: number}}", "base.yaml:1:1: data.target is missing."),
        # a section that was replaced has nothing more to say
        ("data: {name: csv, path: a, target: b}\nmodel: mlp", "data: {name: csv2}", "top.yaml:2:14: data.name: 'csv2' is not"),
        ("optimizer: {name: sgd, lr: 1}\nmodel: mlp", "data: digits\noptimizer: {name: adam, momentum: 1}",
            "top.yaml:3:25: optimizer.momentum is not a setting of adam."),
        ("model: mlp", "", "top.yaml:1:1: data is missing."),
        ("training: {epochs: 3}\nmodel: mlp", "data: digits\ntraining: {steps: 9}", "top.yaml:3:19: training.steps: epochs and"),
        ("model: mlp\nseed: [1", "data: digits", "base.yaml:2:7: A bracket is never closed."),
        ("", "data: digits", "base.yaml:1:1: The file is empty, or all comments."),
        ("- 1", "data: digits", "base.yaml:1:1: The file holds a list in place of settings."),
        ("model: mpl", "data: digits\nmodel: {hidden: [8]}", "base.yaml:1:8: model.name: 'mpl' is not a model. Did you mean mlp?"),
        ("model: mlp\nmodle: 3", "data: digits", "base.yaml:2:1: modle is not a setting. Did you mean model?"),
        ("model: {name: mlp, extends: x}", "data: digits\nmodel: mlp", "base.yaml:1:20: model.extends is not a setting of mlp."),
    ],
)  # fmt: skip
def test_a_mistake_of_two_files_has_one_place(base: str, text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, base=f"{base}\n", top=f"extends: base.yaml\n{text}\n")
    assert mistakes(tmp_path, "top.yaml")[0].startswith(message)


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("base", "2:10: extends: base: There is no such file. Did you mean base.yaml?"),
        ("./bas.yaml", "2:10: extends: bas.yaml: There is no such file. Did you mean base.yaml…"),
        ("in/bas.yaml", "2:10: extends: in/bas.yaml: There is no such file. Did you mean in/base.yaml?"),
        ("no/base.yaml", "2:10: extends: no/base.yaml: There is no such file, nor a folder no. Look at the path."),
        ("in", "2:10: extends: in: This is a folder. Name a YAML file in it."),
        ("[base.yaml, in/base.yaml]", "2:10: extends should be the path of one file, not [base.yaml, in/base.yaml]. "
            "A file extends one other, which may extend another."),
        ("{file: base.yaml}", "2:10: extends should be the path of one file, not {file: base.yaml}. Write `extends: base.yaml`."),
        ("3", "2:10: extends should be the path of one file, not 3. Write `extends: base.yaml`."),
        ("true", "2:10: extends should be the path of one file, not true. Write `extends: base.yaml`."),
        ("''", "2:10: extends should be the path of one file, not ''. Write `extends: base.yaml`."),
        ("", "2:9: extends should be the path of one file, not null. Write `extends: base.yaml`."),
        ("${env:NO_SUCH}", "2:10: The environment has no variable NO_SUCH. "
            "Set it, or give a default: ${env:NO_SUCH:-value}."),
        ("${env:NO_SUCH:-[a]}", "2:10: extends should be the path of one file, not [a]. "
            "A file extends one other, which may extend another."),
        ('"a\\0b"', "2:10: extends should be the path of one file, not 'a…"),
        ("big.yaml", "2:10: extends: big.yaml: This is larger than 100 kB. Keep settings here and data in files of its own."),
        ("top.yaml", "2:10: extends goes in a circle: top.yaml → top.yaml. Take one of these files out of it."),
        ("in/../top.yaml", "2:10: extends goes in a circle: top.yaml → top.yaml. Take one of these files out of it."),
    ],
)  # fmt: skip
def test_a_bad_extends_is_found_at_its_place(extends: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, base=BASE, in__base=BASE, big="# " + "x" * 100_000, top=f"# top\nextends: {extends}\n")
    with pytest.raises(ConfigError) as caught:
        load("top.yaml")
    (problem,) = caught.value.problems
    said = str(problem).replace("\\", "/")
    assert said == f"top.yaml:{message}" or (message.endswith("…") and said.startswith(f"top.yaml:{message[:-1]}"))
    assert problem.quoted == f"extends: {extends}"
    assert problem.key == ("extends",)


def test_a_circle_is_named_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, a="extends: in/b.yaml\n", in__b="seed: 1\nextends: ../c.yaml\n", c="extends: in/b.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load("a.yaml")
    said = str(caught.value).replace("\\", "/")
    assert (
        said == "c.yaml:1:10: extends goes in a circle: a.yaml → in/b.yaml → c.yaml → in/b.yaml. Take one of these files out of it."
    )


def test_a_mistake_deep_in_a_chain_is_at_its_own_extends(tmp_path: Path) -> None:
    write(tmp_path, a="extends: in/b.yaml\n", in__b="extends: bse.yaml\n", in__base=BASE)
    (said,) = mistakes(tmp_path, "a.yaml")
    assert said.startswith("in/b.yaml:1:10: extends: in/bse.yaml: There is no such file. Did you mean base.yaml")


def test_a_document_that_is_no_file_extends_nothing(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    with pytest.raises(ConfigError) as caught:
        build(read_text("data: digits\nmodel: mlp\nextends: base.yaml\n", "last.pth"), folder=tmp_path, name="x")
    assert str(caught.value).startswith("last.pth:3:1: extends is not a setting: it is read at the top of a config's file")


def test_a_key_and_its_value_have_their_own_place(tmp_path: Path) -> None:
    place = on(tmp_path, "seed: 3\n").place
    for at, column in (("key", 1), ("value", 7)):
        assert place(Problem("", ("seed",), at=at)).column == column  # type: ignore[arg-type]
    assert place(Problem("", ("optimizer", "momentum"))).where.endswith("base.yaml:5:43")
    assert place(Problem("", ("device",))).where.endswith("top.yaml:1:1")  # nobody wrote it
