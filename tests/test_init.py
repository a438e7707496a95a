"""`trainkit init`: templates that are valid, and configs that follow from the data, say why, and train as they are written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from sklearn import datasets

from trainkit import train
from trainkit.cli import main
from trainkit.config.loading import load
from trainkit.config.tree import EarlyStopping
from trainkit.engine.loop import fit
from trainkit.errors import ConfigError, DataError
from trainkit.jobs.building import build_run
from trainkit.jobs.starting import TEMPLATES, init, templates

PENGUINS = Path(__file__).parents[1] / "configs" / "data" / "penguins.csv"


class Said(NamedTuple):
    code: int
    out: str
    err: str


Trainkit = Callable[..., Said]


@pytest.fixture
def trainkit(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Trainkit:
    """Runs the command."""

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["trainkit", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chosen(made: dict[str, Any]) -> dict[str, Any]:
    """The choices by key."""
    return {choice["key"]: choice["value"] for choice in made["choices"]}


def reason(made: dict[str, Any], key: str) -> str:
    (why,) = [choice["why"] for choice in made["choices"] if choice["key"] == key]
    return str(why)


def trains(config: str, steps: int = 3) -> float:
    """Trains the config as it is written, but for few steps; the last loss."""
    run = build_run(load(config, [f"training.steps={steps}", "training.epochs=null", "device=cpu"]).config)
    events = list(fit(run))
    assert len(events) == steps and all(torch.isfinite(event.loss) for event in events)
    assert events[-1].validation is not None
    return float(events[-1].loss)


def numbers(rows: int = 200) -> dict[str, Any]:
    """Two columns of numbers, and what a table may hold besides."""
    random = np.random.RandomState(0)
    return {"a": random.randn(rows).round(4), "b": random.randn(rows).round(4)}


def write(columns: dict[str, Any], file: str = "data.csv") -> str:
    pl.DataFrame(columns).write_csv(file)
    return file


# --- templates


@pytest.mark.parametrize("name", templates())
def test_a_template_is_short_valid_and_says_its_command(name: str, here: Path) -> None:
    lines = (TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# trainkit train {name}.yaml"
    assert len(lines) < 25 and max(map(len, lines)) <= 132
    made = init(name)
    assert made["config"] == f"{name}.yaml" and made["choices"] == []
    assert Path(f"{name}.yaml").read_text(encoding="utf-8") == made["text"] == "\n".join(lines) + "\n"
    loaded = load(f"{name}.yaml")
    assert all("your-" in Path(str(path)).name for path in [getattr(loaded.config.data, "path", "your-")])


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_a_template_without_a_file_trains_at_once(name: str, here: Path) -> None:
    init(name)
    trains(f"{name}.yaml")


def test_the_list_shows_a_line_each(trainkit: Trainkit) -> None:
    for arguments in (["init"], ["init", "--list"]):
        said = trainkit(*arguments)
        assert said.code == 0
        assert [line.split()[0] for line in said.out.splitlines()] == list(templates())
        assert said.err == "next      trainkit init table, or trainkit init --data FILE --target COLUMN\n"
    assert json.loads(trainkit("init", "--list", "--json").out) == {"templates": templates()}
    assert templates()["table"] == "A table in a file (CSV, Parquet, NDJSON): one of its columns is predicted from the others."


def test_a_template_goes_where_it_is_told(trainkit: Trainkit, here: Path) -> None:
    said = trainkit("init", "table", "-o", "my first.yaml", "--name", "prices")
    assert said == (
        0,
        "my first.yaml is written: fill in whatever begins with “your”.\n",
        "next      trainkit data 'my first.yaml'\n          trainkit train 'my first.yaml'\n",
    )
    assert Path("my first.yaml").read_text(encoding="utf-8").startswith("# trainkit train 'my first.yaml'\n# A table")
    assert load("my first.yaml").config.name == "prices"
    said = trainkit("init", "digits", "-o", "-")
    assert said.code == 0 and said.err == "" and said.out.startswith("# trainkit train digits.yaml\n")
    assert [file.name for file in here.iterdir()] == ["my first.yaml"]


def test_nothing_is_written_over_without_force(trainkit: Trainkit) -> None:
    Path("table.yaml").write_text("mine")
    said = trainkit("init", "table")
    assert said.code == 2 and Path("table.yaml").read_text() == "mine"
    assert said.err == "table.yaml is there already. Name another file with -o, or overwrite it with --force.\n"
    assert trainkit("init", "table", "--force").code == 0
    assert load("table.yaml").config.data.name == "csv"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tabel"], "there is no template 'tabel'. Did you mean table? There are: arrays,"),
        (["x.csv"], "x.csv is no template. Is it your data? `trainkit init --data x.csv`"),
        (["table", "--data", "x.csv"], "a first config comes from a template or from your data."),
        (["table", "--target", "y"], "--target and --text name columns of --data."),
        (["--target", "y"], "a first config comes from a template or from your data."),
        (["table", "-o", "tables"], "tables is a folder. Name a file in it: -o tables/first.yaml"),
        (["table", "--name", "a b"], "a b.yaml:4:7: name should be text such as digits-mlp, not 'a b'."),
        (["table", "-o", "no/such/table.yaml"], "there is no folder no/such. Make it: mkdir -p no/such"),
        (["--data", "x.cvs", "--target", "y"], "x.cvs is not there. Did you mean 'x.csv'?"),
        (["--data", "x.npz"], "x.npz holds numbers, and does not say what they are. Fill in a template: trainkit init arrays"),
        (["--data", "tables"], "tables holds tables. Name one: trainkit init --data tables/x.csv"),
        (["--data", "tables", "--target", "y"], "tables is a folder, and has no columns."),
    ],
)
def test_mistakes_end_with_2_and_what_to_type(trainkit: Trainkit, here: Path, arguments: list[str], words: str) -> None:
    (here / "tables").mkdir()
    for file in ("x.csv", "x.npz", "tables/x.csv"):
        (here / file).write_text("a,y\n1,2\n")
    before = sorted(here.rglob("*"))
    said = trainkit("init", *arguments)
    assert said.code == 2 and said.err.startswith(words) and said.out == ""
    error = json.loads(trainkit("init", *arguments, "--json").out)["error"]
    assert error["code"] == 2 and error["message"].startswith(words.partition(":7: ")[2] or words)
    assert sorted(here.rglob("*")) == before


def test_neither_list_nor_template_loads_torch(here: Path) -> None:
    code = (
        "import sys; from trainkit.cli import main\n"
        "for words in (['--list'], ['table'], ['image', '-o', '-']):\n"
        "    sys.argv = ['trainkit', 'init', *words]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'polars', 'numpy', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- from data


def test_penguins_train_to_the_mark_with_no_edit(trainkit: Trainkit) -> None:
    Path("penguins.csv").write_bytes(PENGUINS.read_bytes())
    said = trainkit("init", "--data", "penguins.csv", "--target", "species")
    assert said.code == 0 and said.out == "penguins.yaml is written: it trains as it is.\n"
    assert said.err == "next      trainkit data penguins.yaml\n          trainkit train penguins.yaml\n"
    lines = Path("penguins.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# trainkit train penguins.yaml" and len(lines) < 25
    assert sum(" # " in line for line in lines) >= 12  # a reason each
    result = train("penguins.yaml", {"device": "cpu", "loggers": []})
    assert result.test is not None and result.test["accuracy"] >= 0.95


def test_the_same_data_gives_the_same_text(here: Path) -> None:
    write({**numbers(), "y": ["a", "b"] * 100})
    made = [init(data="data.csv", target="y", output="-") for _ in range(2)]
    assert made[0] == made[1] and made[0]["config"] is None
    assert not (here / "data.yaml").exists()


def test_paths_are_relative_to_the_config(here: Path) -> None:
    (here / "there").mkdir()
    (here / "elsewhere").mkdir()
    write({**numbers(), "y": ["a", "b"] * 100}, "there/data.csv")
    made = init(data=here / "there" / "data.csv", target="y", output="elsewhere/first.yaml")
    assert chosen(made)["data.path"] == "../there/data.csv"
    trains("elsewhere/first.yaml")


def test_the_missing_target_is_asked_for_by_a_command(trainkit: Trainkit) -> None:
    table = {
        **numbers(40),
        "row": range(40),
        "why": [f"text {n}" for n in range(40)],
        "gap": [1.5, None] * 20,
        "kind": ["x", "y"] * 20,
    }
    write(table)
    said = trainkit("init", "--data", "data.csv")
    assert said.code == 2
    assert said.err.splitlines() == [
        "which column of data.csv is to be predicted?",
        *(said.err.splitlines()[1:3]),
        "  row   40 different whole numbers, 0 to 39",
        "  why   40 different texts",
        "  gap   is always '1.5'",
        "  kind  2 different words: x, y → classification",
        "Say which: trainkit init --data data.csv --target kind",
    ]
    assert said.err.splitlines()[1].startswith("  a     40 different numbers, -") and "→ regression" in said.err.splitlines()[1]
    command = said.err.splitlines()[-1].partition("trainkit ")[2].split()
    assert trainkit(*command).code == 0  # what it says to type works


def test_a_target_that_is_not_there(trainkit: Trainkit) -> None:
    write({**numbers(), "species": ["a", "b"] * 100})
    for option in ("--target", "--text"):
        said = trainkit("init", "--data", "data.csv", *(["--target", "a"] if option == "--text" else []), option, "specie")
        assert (said.code, said.err) == (3, "data.csv has no column 'specie'. Did you mean 'species'?\n")


@pytest.mark.parametrize(
    ("target", "task", "why"),
    [
        (["red", "blue"] * 100, "classification", "'y' holds 2 different words: blue, red"),
        ([True, False] * 100, "classification", "'y' holds 2 different words: false, true"),
        ([0, 1] * 100, "classification", "'y' holds 2 different whole numbers; if they are amounts: regression"),
        (list(range(20)) * 10, "classification", "'y' holds 20 different whole numbers; if they are amounts: regression"),
        (list(range(21)) * 9 + [5] * 11, "regression", "'y' holds 21 different whole numbers: amounts"),
        ([1, 2] * 99 + [3, 3], "regression", "'y' holds 3 different whole numbers: amounts"),  # a class of two rows cannot be split
        ([0.5, 1.5, 2.0, 3.0] * 50, "regression", "'y' holds numbers with decimals"),
    ],
)
def test_the_task_follows_from_the_target(here: Path, target: list[Any], task: str, why: str) -> None:
    made = init(data=write({**numbers(), "y": target}), target="y")
    assert (chosen(made)["task.name"], reason(made, "task.name")) == (task, why)
    trains("data.yaml")


def test_regression_on_a_real_table(here: Path) -> None:
    bunch: Any = datasets.load_diabetes(scaled=False)
    write(dict(zip(bunch.feature_names, bunch.data.T, strict=True)) | {"progression": bunch.target.astype(int)}, "diabetes.csv")
    made = init(data="diabetes.csv", target="progression")
    assert chosen(made)["task.name"] == "regression" and "task.loss" not in chosen(made)
    assert load("diabetes.yaml").config.name == "diabetes"
    trains("diabetes.yaml")


def test_a_few_wild_amounts_call_for_another_loss(here: Path) -> None:
    values = numbers()["a"] + 0.5
    values[7] = 1e4
    made = init(data=write({**numbers(), "y": values}), target="y")
    assert chosen(made)["task.loss"] == "huber" and reason(made, "task.loss").startswith("1 row far")
    trains("data.yaml")


def test_rare_classes_are_weighed(here: Path) -> None:
    made = init(data=write({**numbers(), "y": ["no"] * 182 + ["yes"] * 18}), target="y")
    assert chosen(made)["task.class_weights"] == "balanced"
    assert reason(made, "task.class_weights") == "'yes' has 18 rows, another 182: each class counts the same"
    assert load("data.yaml").config.training.early_stopping == EarlyStopping(monitor="val_macro_f1", patience=40)
    assert chosen(made)["task.metrics"] == ["accuracy", "roc_auc"]
    trains("data.yaml")
    even = chosen(init(data=write({**numbers(), "y": ["a", "b", "a", "a"] * 50}), target="y", force=True))
    assert "task.class_weights" not in even and even["training.early_stopping.monitor"] == "val_loss"


def test_columns_that_would_mislead_are_left_out_with_the_reason(here: Path) -> None:
    y = ["no", "yes"] * 100
    made = init(
        data=write(
            {
                "id": range(200),
                **numbers(),
                "who": [f"Mx {n}" for n in range(200)],
                "constant": ["c"] * 200,
                "empty": [None] * 200,
                "rare": [0.5] * 196 + [1.5, 2.5, 3.5, None],
                "answer: code\n# 1": [{"no": 3, "yes": 7}[word] for word in y],
                "y": y,
            }
        ),
        target="y",
    )
    kinds = {key: reason(made, key) for key, value in chosen(made).items() if key.startswith("data.kinds.") and value == "ignore"}
    assert {key.removeprefix("data.kinds.") for key in kinds} == {"id", "who", "constant", "empty", "rare", "answer: code\n# 1"}
    assert "numbers the rows" in kinds["data.kinds.id"] and all(kinds.values())
    assert kinds["data.kinds.rare"] == "is '0.5' in all rows but 4" and kinds["data.kinds.constant"] == "is 'c' in all rows"
    config = load("data.yaml").config
    assert dict(config.data.kinds) == dict.fromkeys((key.removeprefix("data.kinds.") for key in kinds), "ignore")  # type: ignore[attr-defined]
    trains("data.yaml")


@pytest.mark.parametrize("target", ["count", "value"])
def test_any_name_will_do_for_a_column(here: Path, target: str) -> None:
    other = "count" if target == "value" else "value"
    made = init(data=write({**numbers(), other: [1, 2, 2, 3] * 50, target: [0, 1] * 100}), target=target)
    assert chosen(made)["task.name"] == "classification"
    trains("data.yaml")


def test_slips_among_numbers_and_dates_count_as_missing(here: Path) -> None:
    table = {name: list(map(str, values)) for name, values in numbers(300).items()}
    table |= {
        "day": [f"2024-0{n % 9 + 1}-0{n % 7 + 1}" for n in range(300)],
        "q": [f"{n % 50}.5" if n % 3 else "?" for n in range(300)],
    }
    table["a"][7], table["day"][299], table["b"][1] = "abc", "some day", "-inf"
    made = init(data=write({**table, "y": ["a", "b"] * 150}), target="y")
    assert chosen(made)["data.missing"] == ["abc", "-inf", "some day", "?"]
    why = "1 value of 'a' is no usable number, 1 value of 'b' is no usable number, and so in 2 more columns: they count as missing"
    assert reason(made, "data.missing") == why
    assert not any(key.startswith("data.kinds") for key in chosen(made))
    trains("data.yaml")


def test_a_slip_among_amounts_to_predict_leaves_its_row_out(here: Path) -> None:
    made = init(data=write({**numbers(), "y": ["0.5", "1.5", "1,O5", *map(str, numbers(197)["a"])]}), target="y")
    assert chosen(made)["data.missing"] == ["1,O5"] and reason(made, "data.drop_missing_targets") == "1 row without a target"
    trains("data.yaml")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([f"{n},{n:03}" for n in range(1, 201)], "looks like amounts with ',', such as '1,001': write plain numbers to use it"),
        ([f"{n / 2}%" for n in range(200)], "looks like amounts with '%', such as '0.0%': write plain numbers to use it"),
        ([f"${n}.50" for n in range(200)], "looks like amounts with '$', such as '$0.50': write plain numbers to use it"),
        ([f"{n} kg" for n in range(200)], "looks like amounts with 'kg', such as '0 kg': write plain numbers to use it"),
        (
            [f"{n},5" for n in range(200)],
            "looks like numbers with a comma, such as '0,5': write a point, or say decimal: ',' to use it",
        ),
        (["inf", "-inf"] * 100, "holds no usable number, but 'inf', '-inf'"),
        ([float("inf")] * 200, "holds no usable number, but 'inf'"),
        ([float("nan")] * 200, "holds no value at all"),
        (
            [f"note {n}" if n % 20 == 0 else str(n / 7) for n in range(200)],
            "10 different values are no numbers, such as 'note 0', 'note 20', 'note 40', …: mend them to use it",
        ),
        (
            ["red" if n == 9 else str(n / 7) for n in range(200)],
            "'red' is no number here, and a word in 'y': mend it to use the column",
        ),
    ],
)
def test_amounts_that_cannot_be_read_are_left_out_with_the_reason(here: Path, values: list[Any], why: str) -> None:
    made = init(data=write({**numbers(), "x": values, "y": ["red", "blue"] * 100}), target="y")
    assert chosen(made)["data.kinds.x"] == "ignore" and reason(made, "data.kinds.x") == why
    assert "data.missing" not in chosen(made)
    trains("data.yaml")


def test_names_with_digits_are_no_amounts_and_a_third_word_is_read(here: Path) -> None:
    wings = [f"{n % 30}{'bc'[n % 2]}" for n in range(200)]
    read = []
    for row in range(8):  # some of them are training rows
        flags = ["yes", "no"] * 100
        flags[23 * row + 1] = "maybe"
        made = init(data=write({**numbers(), "flag": flags, "wing": wings, "y": ["a", "a", "b", "b"] * 50}), target="y", force=True)
        read.append(chosen(made).get("data.kinds.flag"))
        assert "data.kinds.wing" not in chosen(made)
        trains("data.yaml", 1)
    assert set(read) == {None, "category"}


def test_nothing_to_learn_from_says_why(here: Path) -> None:
    with pytest.raises(DataError, match=r"no column is left to learn from: 'x' looks like amounts with '%'"):
        init(data=write({"x": [f"{n}%" for n in range(200)], "y": ["a", "b"] * 100}), target="y")
    with pytest.raises(DataError, match=r"the target 'x': looks like amounts with '%'"):
        init(data="data.csv", target="x")


@pytest.mark.parametrize(
    ("written", "found"),
    [("utf-8", None), ("utf-16", None), ("cp1252", "windows-1252"), ("cp850", "cp850"), ("utf-16-le", "utf-16-le")],
)
def test_the_encoding_is_found_out(here: Path, written: str, found: str | None) -> None:
    text = "straße,größe,y\n" + "".join(f"{('Äcker', 'Köln')[n % 2]},{n / 7:.3f},{'ab'[n // 2 % 2]}\n" for n in range(120))
    Path("data.csv").write_bytes(text.encode(written))
    made = init(data="data.csv", target="y")
    assert chosen(made).get("data.encoding") == found
    assert found is None or reason(made, "data.encoding").startswith("no UTF-8; read so, it says 'straße'")
    trains("data.yaml")


def test_an_encoding_is_said_where_none_is_found(trainkit: Trainkit, here: Path) -> None:
    text = "цена,x,y\n" + "".join(f"{('Да', 'Нет')[n % 2]},{n / 7:.3f},{'ab'[n // 2 % 2]}\n" for n in range(120))
    Path("data.csv").write_bytes(text.encode("cp1251"))
    assert trainkit("init", "--data", "data.csv", "--target", "цена", "--encoding", "windows-1251").code == 0
    trains("data.yaml")
    said = trainkit("init", "--data", "data.csv", "--target", "y", "--encoding", "nope", "--force")
    assert (said.code, said.err.startswith("no encoding is called 'nope'. There are utf-8,")) == (2, True)
    Path("bad.csv").write_bytes("a,y\nKöln,1\nZürich,2\n".encode() + b"K\xf6ln,3\n")  # UTF-8, but for a letter
    said = trainkit("init", "--data", "bad.csv", "--target", "y")
    assert said.err.startswith("bad.csv: line 4 is not text in UTF-8. Say how it is written, such as --encoding")


def test_a_pattern_of_files_in_quotes(trainkit: Trainkit, here: Path) -> None:
    for n in range(3):
        write({**numbers(60), "y": ["a", "b"] * 30}, f"part-{n}.csv")
    said = trainkit("init", "--data", "part-*.csv", "--target", "y")
    assert said.code == 0 and said.out.startswith("part.yaml is written")
    assert (
        "path: part-*.csv" in Path("part.yaml").read_text() and "180 rows, 3 columns, of 3 files" in Path("part.yaml").read_text()
    )
    trains("part.yaml")
    assert trainkit("init", "--data", "no-*.csv", "--target", "y").err == "no file fits no-*.csv.\n"
    said = trainkit("init", "--data", "part-0.csv", "part-1.csv", "--target", "y")
    assert said.code == 2 and said.err.endswith("Several files are one pattern in quotes: --data 'part-*.csv'.\n")


# --- series


def test_a_series_is_forecast_when_asked_and_hinted_at_else(trainkit: Trainkit, here: Path) -> None:
    days = [f"2024-{n // 28 + 1:02}-{n % 28 + 1:02}" for n in range(200)]
    write({"day": days, "rain": numbers()["a"], "sales": [*map(str, numbers()["b"][:199]), "shut"]}, "sales.csv")
    said = trainkit("init", "--data", "sales.csv", "--target", "sales")
    command = "trainkit init --data sales.csv --target sales --series"
    assert said.code == 0 and said.err.endswith(f"To forecast 'sales' from its own past: {command}\n")
    assert load("sales.yaml").config.data.name == "csv"
    trains("sales.yaml")
    made = init(data="sales.csv", target="sales", series=True, force=True)
    found = chosen(made)
    assert (found["data.name"], found["data.time"], found["data.window"], found["data.missing"]) == ("series", "day", 28, ["shut"])
    assert "`columns: [rain]`" in reason(made, "data.target") and made["hint"] is None
    trains("sales.yaml")


def test_several_series_in_a_table_are_told_apart(here: Path) -> None:
    write(
        {
            "shop": ["a"] * 60 + ["b"] * 60,
            "year": [*range(60)] * 2,
            "on": ["2024-01-01", "2024-01-02"] * 60,
            "sales": numbers(120)["a"],
        }
    )
    with pytest.raises(DataError, match="is there twice, and no column tells several series apart"):
        init(data="data.csv", target="sales", series=True)
    days = [f"2024-{n // 28 + 1:02}-{n % 28 + 1:02}" for n in range(60)]
    write({"shop": ["a"] * 60 + ["b"] * 60, "on": days * 2, "sales": numbers(120)["a"]})
    made = init(data="data.csv", target="sales", series=True)
    assert (chosen(made)["data.group"], chosen(made)["data.window"]) == ("shop", 10)
    trains("data.yaml")


def test_the_only_column_stays_whatever_it_is(here: Path) -> None:
    made = init(data=write({"x": [1, 2] * 100, "y": ["a", "b"] * 100}), target="y")
    assert not [key for key in chosen(made) if key.startswith("data.kinds")]
    trains("data.yaml")


def test_names_from_the_data_cannot_write_settings(here: Path) -> None:
    name = "y\nseed: 7 # x\u2028seed: 8"
    made = init(data=write({**numbers(), name: ["a\nseed: 9", "b"] * 100}), target=name, name="n-1")
    config = load("data.yaml" if Path("data.yaml").exists() else "n-1.yaml").config
    assert (config.seed, config.name, config.data.target) == (0, "n-1", name)  # type: ignore[attr-defined]
    assert made["config"] == "n-1.yaml"
    trains("n-1.yaml")


def test_gaps_and_spellings_in_the_target(here: Path) -> None:
    made = init(data=write({**numbers(), "y": ["Yes", "yes", "no", "no", None] * 40}), target="y")
    assert chosen(made)["data.label_case"] == "lower" and chosen(made)["data.drop_missing_targets"] is True
    assert reason(made, "data.drop_missing_targets") == "40 rows without a target"
    trains("data.yaml")


def test_few_rows_of_a_class_get_larger_shares_or_no_test(here: Path) -> None:
    made = init(data=write({**numbers(40), "y": [f"c{n % 10}" for n in range(40)]}), target="y")
    assert (chosen(made)["split.validation"], chosen(made)["split.test"]) == (0.25, 0.25)
    trains("data.yaml")
    made = init(data=write({**numbers(40), "y": ["a"] * 38 + ["b"] * 2}), target="y", force=True)
    assert (chosen(made)["split.validation"], chosen(made)["split.test"]) == (0.3, 0.0)
    trains("data.yaml")
    with pytest.raises(DataError, match="class 'b' has 1 row"):
        init(data=write({**numbers(40), "y": ["a"] * 39 + ["b"]}), target="y", force=True)


def test_a_target_that_never_changes(here: Path) -> None:
    with pytest.raises(DataError, match="the target 'y' is always '1': there is nothing to tell apart"):
        init(data=write({**numbers(40), "y": [1] * 40}), target="y")
    assert not Path("data.yaml").exists()


def test_more_rows_make_larger_networks_and_batches(here: Path) -> None:
    rows = {}
    for n in (100, 4_000, 40_000):
        made = init(data=write({**numbers(n), "y": ["a", "b"] * (n // 2)}), target="y", force=True)
        rows[n] = (chosen(made)["model.hidden"], chosen(made)["training.batch_size"], chosen(made)["training.epochs"])
    assert rows == {100: ([64, 32], 16, 200), 4_000: ([128, 64], 128, 90), 40_000: ([256, 128], 1024, 70)}


# --- texts and pictures

GOOD, BAD = "a fine and lovely film that we all liked a lot", "a dull and dreadful film that nobody could bear at all"


def texts(rows: int = 200) -> dict[str, Any]:
    return {"review": [f"{(GOOD, BAD)[n % 2]}, number {n}" for n in range(rows)], "mood": ["good", "bad"] * (rows // 2)}


def test_a_column_of_texts(here: Path) -> None:
    made = init(data=write({"id": range(200), **texts()}), target="mood")
    assert (chosen(made)["data.name"], chosen(made)["data.text"], chosen(made)["model.name"]) == ("text", "review", "lstm")
    assert reason(made, "data.text") == "what is read; left out: id"
    assert trains("data.yaml", 20) < 0.4


def test_texts_among_many_columns_are_read_only_when_asked(here: Path) -> None:
    table = {**texts(), **numbers(), "c": [1, 2, 3, 4] * 50}
    assert chosen(init(data=write(table), target="mood", output="-"))["data.name"] == "csv"
    made = init(data="data.csv", target="mood", text="review")
    assert chosen(made)["data.text"] == "review"
    trains("data.yaml")


def test_a_folder_of_texts_for_each_class(here: Path) -> None:
    for n, (text, mood) in enumerate(zip(*texts(80).values(), strict=True)):
        (here / "films" / mood).mkdir(parents=True, exist_ok=True)
        (here / "films" / mood / f"{n}.txt").write_text(text)
    made = init(data="films")
    assert made["config"] == "films.yaml" and chosen(made)["data.name"] == "text"
    trains("films.yaml")


@pytest.mark.parametrize(
    ("sizes", "mode", "blocks", "size"),
    [
        ([(28, 28)], "L", [32, 64, 128], None),
        ([(8, 8)], "L", [32, 64], None),
        ([(80, 70), (90, 64), (200, 100)], "RGB", [32, 64, 128, 256], 64),
        ([(300, 200)], "RGB", [32, 64, 128, 256, 256], 128),
    ],
)
def test_a_folder_of_pictures_for_each_class(
    here: Path, sizes: list[tuple[int, int]], mode: str, blocks: list[int], size: int | None
) -> None:
    random = np.random.RandomState(0)
    for n in range(40):
        width, height = sizes[n % len(sizes)]
        folder = here / "pets" / ("cat", "dog")[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.randint(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{n}.png")
    made = init(data="pets")
    found = chosen(made)
    assert (found["data.name"], found["model.blocks"], found.get("preprocess.size")) == ("images", blocks, size)
    assert [change["name"] for change in found["augment"]] == (["crop"] if mode == "L" else ["flip", "crop"])
    trains("pets.yaml", 2)


def test_a_table_of_pictures(here: Path) -> None:
    random = np.random.RandomState(0)
    (here / "all" / "pixels").mkdir(parents=True)
    for n in range(40):
        Image.fromarray(random.randint(0, 256, (16, 16, 3), dtype=np.uint8)).save(here / "all" / "pixels" / f"{n}.png")
    (here / "all" / "pixels" / "7.png").write_bytes(b"no picture")
    for prefix, folder in (("pixels/", None), ("", "all/pixels")):
        write({"file": [f"{prefix}{n}.png" for n in range(40)], "age": random.rand(40), "who": ["a", "b"] * 20}, "all/pets.csv")
        made = init(data="all/pets.csv", target="age", force=True)
        found = chosen(made)
        assert (found["data.name"], found["data.table"], found["data.image"]) == ("images", "all/pets.csv", "file")
        assert (found.get("data.path"), found["task.name"], found["data.on_error"]) == (folder, "regression", "skip")
        assert reason(made, "data.on_error").startswith("7.png ")
        trains("pets.yaml", 2)


def test_json_tells_the_file_the_choices_and_the_text(trainkit: Trainkit) -> None:
    write({**numbers(), "y": ["a", "b"] * 100})
    made = json.loads(trainkit("init", "--data", "data.csv", "--target", "y", "--json").out)
    assert set(made) == {"config", "choices", "text", "hint"} and made["hint"] is None and made["config"] == "data.yaml"
    assert made["text"] == Path("data.yaml").read_text(encoding="utf-8")
    assert {"key": "data.target", "value": "y", "why": "what is predicted; every other column is an input"} in made["choices"]
    config = load("data.yaml").config
    for choice in made["choices"]:
        if choice["key"] not in ("data.path", "task.metrics"):  # absolute, and parts of their own
            found: Any = config
            for part in choice["key"].split("."):
                found = getattr(found, part)
            assert found == (tuple(choice["value"]) if isinstance(choice["value"], list) else choice["value"])


def test_from_python_the_errors_are_the_librarys(here: Path) -> None:
    with pytest.raises(ConfigError, match="there is no template 'no'"):
        init("no")
    with pytest.raises(ConfigError, match="is not there"):
        init(data="nowhere.csv", target="y")


def test_a_word_among_numbers_with_decimal_commas_is_no_crash(tmp_path: Path) -> None:
    """k.A. is how German tables say that there is none."""
    rows = "".join(f"{n},{n % 10};{n * 7 % 13};{'ab'[n % 2]}\n" for n in range(40))
    (tmp_path / "m.csv").write_text(f"x;z;y\n{rows}k.A.;5;a\n")
    assert init(data=tmp_path / "m.csv", target="y", output=tmp_path / "m.yaml")["config"]
