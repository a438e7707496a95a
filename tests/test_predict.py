"""Predict: the answers of eval for the same rows, however the file is written; what is missing or wrong is named."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from trainkit import evaluate, predict, train
from trainkit.cli import main
from trainkit.errors import ConfigError, DataError, TrainkitError

PENGUINS = Path(__file__).parents[1] / "configs" / "data" / "penguins.csv"
SMALL = {"loggers": [], "device": "cpu", "training.epochs": 3}


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the penguins, in a folder of its own: nothing else of its run is there."""
    folder = tmp_path_factory.mktemp("birds")
    config = folder / "birds.yaml"
    config.write_text(f"data: {{name: csv, path: '{PENGUINS}', target: species}}\nmodel: {{name: mlp, hidden: [16]}}\n")
    run = Path(train(config, {**SMALL, "optimizer.lr": 0.01}, runs=folder / "runs").run)
    lone = Path(shutil.copy(run / "checkpoints" / "best.pth", folder / "birds.pth"))
    (folder / "whole").write_text(json.dumps(evaluate(lone, data=PENGUINS)["metrics"]))
    shutil.rmtree(run)
    return lone


def frame() -> pl.DataFrame:
    return pl.read_csv(PENGUINS, infer_schema=False)


def answered(checkpoint: Path, table: pl.DataFrame, tmp_path: Path, **how: Any) -> list[Any]:
    table.write_csv(tmp_path / "rows.csv", **how)
    rows = predict(checkpoint, tmp_path / "rows.csv")["answers"]
    return [(row["row"], row["answer"], row["probability"]) for row in rows]


def test_the_answers_are_those_that_eval_measures(birds: Path, tmp_path: Path) -> None:
    found = answered(birds, frame(), tmp_path)
    right = np.mean([answer == truth for (_, answer, _), truth in zip(found, frame()["species"], strict=True)])
    measured = json.loads((birds.parent / "whole").read_text())
    assert right == pytest.approx(measured["accuracy"], abs=1e-9) and right > 0.8
    chance = np.array([chance for *_, chance in found])
    assert ((chance > 1 / 3) & (chance <= 1)).all() and [row for row, *_ in found] == list(range(1, 345))


def test_order_further_columns_separators_and_decimals_change_nothing(birds: Path, tmp_path: Path) -> None:
    plain = answered(birds, frame(), tmp_path)
    numbers = [name for name in frame().columns if name.endswith(("_mm", "_g"))]
    commas = frame().with_columns(pl.col(numbers).str.replace(".", ",", literal=True))
    others: list[tuple[pl.DataFrame, dict[str, Any]]] = [
        (frame().select(reversed(frame().columns)), {}), (frame().with_columns(colour=pl.lit("black")), {}),
        (frame().drop("species"), {}), (frame(), {"separator": ";"}), (commas, {"separator": ";"}), (frame(), {"separator": "\t"}),
        (frame(), {"quote_style": "always"}), (frame(), {"include_bom": True}),
    ]  # fmt: skip
    for table, how in others:
        assert answered(birds, table, tmp_path, **how) == plain
    frame().write_parquet(tmp_path / "a.parquet")
    pl.read_csv(PENGUINS, null_values="NA").write_ndjson(tmp_path / "a.jsonl")
    for file in ("a.parquet", "a.jsonl"):
        rows = predict(birds, tmp_path / file)["answers"]
        assert [(row["row"], row["answer"], row["probability"]) for row in rows] == plain


def test_pieces_of_any_size_give_the_same_answers(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = answered(birds, frame(), tmp_path)
    monkeypatch.setattr("trainkit.jobs.predicting._AT_ONCE", 1)  # as many rows as a batch of evaluation has
    assert answered(birds, frame(), tmp_path) == plain
    several = predict(birds, [PENGUINS, tmp_path / "rows.csv", tmp_path / "rows.csv"])["answers"]
    assert [row["row"] for row in several] == [*range(1, 345)] * 3 and several[0]["file"] == str(PENGUINS)


@pytest.mark.parametrize(("change", "words"), [
    (lambda table: table.drop("bill_depth_mm", "sex"), "columns 'bill_depth_mm', 'sex' are missing"),
    (lambda table: table.with_columns(year=pl.Series(["2007"] * 299 + 45 * ["soon"])), "row 300, column 'year': 'soon' is not"),
    (lambda table: table.head(0), "no rows"),
])  # fmt: skip
def test_what_is_missing_or_mistyped_is_named(birds: Path, tmp_path: Path, change: Any, words: str) -> None:
    change(frame()).write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=words):
        predict(birds, tmp_path / "rows.csv")
    with pytest.raises(TrainkitError):
        predict(birds, tmp_path / "rows.csv", output=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_new_rows_in_another_encoding_than_the_trainings(tmp_path: Path) -> None:
    cities = ["Zürich", "Genève", "Bern"]
    table = pl.DataFrame({"city": [cities[n % 3] for n in range(90)], "y": ["ab"[n % 3 == 0] for n in range(90)]})
    (tmp_path / "old.csv").write_bytes(table.write_csv().encode("windows-1252"))
    config = "data: {name: csv, path: old.csv, target: y, encoding: windows-1252}\nmodel: mlp\n"
    (tmp_path / "a.yaml").write_text(config)
    run = train(tmp_path / "a.yaml", {**SMALL, "optimizer.lr": 0.01}, runs=tmp_path / "runs").run
    (tmp_path / "new.csv").write_bytes(table.write_csv().encode())
    (tmp_path / "wide.csv").write_bytes(table.write_csv().encode("utf-16"))
    table.write_ndjson(tmp_path / "new.jsonl")
    wanted = [row["probability"] for row in predict(run, tmp_path / "old.csv")["answers"]]
    for name in ("new.csv", "wide.csv", "new.jsonl"):
        assert [row["probability"] for row in predict(run, tmp_path / name)["answers"]] == wanted, name


def test_answers_never_take_the_place_of_the_rows(birds: Path, tmp_path: Path) -> None:
    rows = Path(shutil.copy(PENGUINS, tmp_path / "rows.csv"))
    with pytest.raises(ConfigError, match="holds the rows to be answered"):
        predict(birds, [PENGUINS, rows], output=tmp_path / "." / "rows.csv")
    assert rows.read_bytes() == PENGUINS.read_bytes()


def test_an_unknown_category_and_a_gap_get_an_answer(birds: Path, tmp_path: Path) -> None:
    odd = frame().head(2).with_columns(island=pl.lit("Elsewhere"), bill_length_mm=pl.lit(None))
    assert len(answered(birds, odd, tmp_path)) == 2
    (note,) = predict(birds, tmp_path / "rows.csv")["notes"]
    assert note.startswith("column 'island': 2 of 2 values are not among the training rows' ('Elsewhere')")
    assert predict(birds, PENGUINS)["notes"] == []


@pytest.mark.parametrize(("settings", "words"), [
    ({"inputs": "gone.csv"}, "gone.csv"), ({"inputs": str(PENGUINS), "top": 0}, "--top: 0"),
    ({"inputs": str(PENGUINS), "output": "a.txt"}, "a.txt is no file for answers"),
    ({"inputs": str(PENGUINS), "output": "no/where.csv"}, "its folder is not there"),
])  # fmt: skip
def test_what_cannot_be_asked(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        predict(birds, **settings)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_of_answers(birds: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"answers{suffix}"
    assert predict(birds, PENGUINS, output=out, top=2)["rows"] == 344
    read = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[suffix](out)  # type: ignore[operator]
    assert read.columns == ["file", "row", "answer", "probability", "answer_2", "probability_2"]
    assert (read["probability"] >= read["probability_2"]).all() and (read["answer"] != read["answer_2"]).all()


def test_from_the_standard_input_to_the_standard_output(birds: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PENGUINS.read_bytes())))
    monkeypatch.setattr(sys, "argv", ["trainkit", "predict", str(birds), "-"])
    with pytest.raises(SystemExit) as left:
        main()
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert not left.value.code and len(lines) == 345 and lines[0] == "file,row,answer,probability"


@pytest.mark.skipif(sys.platform != "linux", reason="tells by /proc when a process waits")
def test_ctrl_c_ends_the_wait_for_more_rows(birds: Path, tmp_path: Path) -> None:
    import fcntl
    import termios

    words = "import signal; signal.signal(2, signal.default_int_handler); from trainkit.cli import main; main()"
    command = [sys.executable, "-c", words, "predict", str(birds), "-", "-o", "out.csv"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stderr is not None

        def waits() -> bool:
            """All that was sent is read, and it sleeps."""
            unread = int.from_bytes(fcntl.ioctl(child.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)  # type: ignore[arg-type]
            return not unread and Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

        try:
            child.stdin.write(PENGUINS.read_bytes())
            child.stdin.flush()
            end = time.monotonic() + 120
            while not waits() and time.monotonic() < end:
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            code = child.wait(20)  # a second where nobody else computes
        finally:
            child.kill()
        said = child.stderr.read()
    assert code == 130 and b"Stopped at once" in said and b"Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_amounts_are_answered_in_their_own_units(tmp_path: Path) -> None:
    random = np.random.RandomState(0).randn(200, 2)
    table = pl.DataFrame({"a": random[:, 0], "b": random[:, 1], "x": 1000 + 10 * random[:, 0], "y": random.sum(axis=1)})
    table.write_csv(tmp_path / "a.csv")
    (tmp_path / "a.yaml").write_text("data: {name: csv, path: a.csv, target: [x, y]}\nmodel: mlp\n")
    run = train(tmp_path / "a.yaml", {**SMALL, "training.epochs": 30, "optimizer.lr": 0.01}, runs=tmp_path / "runs")
    rows = predict(run.run, tmp_path / "a.csv")["answers"]
    assert set(rows[0]) == {"file", "row", "x", "y"}
    errors = np.array([[row["x"], row["y"]] for row in rows]) - table.select("x", "y").to_numpy()
    measured = evaluate(run.run, data=tmp_path / "a.csv")["metrics"]["rmse"]
    assert np.sqrt((errors**2).mean(axis=0)).mean() == pytest.approx(measured, rel=1e-5)
    assert np.abs(errors[:, 0]).mean() < 3
    with pytest.raises(ConfigError, match="only classes have a second best"):
        predict(run.run, tmp_path / "a.csv", top=2)


def test_every_label_gets_its_chance(tmp_path: Path) -> None:
    random = np.random.RandomState(0).randn(200, 2)
    table = pl.DataFrame({"a": random[:, 0], "b": random[:, 1], "up": random[:, 0] > 0, "right": random[:, 1] > 0})
    table.write_csv(tmp_path / "a.csv")
    config = "data: {name: csv, path: a.csv, target: [up, right]}\ntask: multilabel\nmodel: mlp\n"
    (tmp_path / "a.yaml").write_text(config)
    run = train(tmp_path / "a.yaml", {**SMALL, "training.epochs": 30, "optimizer.lr": 0.01}, runs=tmp_path / "runs")
    rows = predict(run.run, tmp_path / "a.csv")["answers"]
    assert set(rows[0]) == {"file", "row", "up", "up probability", "right", "right probability"}
    assert all((row["up"] == 1) == (row["up probability"] > 0.5) for row in rows)
    assert np.mean([row["up"] == truth for row, truth in zip(rows, table["up"], strict=True)]) > 0.9


def test_the_first_of_equals_is_the_answer_however_many_are_asked_for() -> None:
    from trainkit.jobs.predicting import _frame
    from trainkit.parts.tasks import tasks
    from trainkit.spec import Rows, Spec

    spec = Spec("table", (1,), 3, "class", ("a", "b", "c"), (1, 1, 1))
    rows = Rows(np.zeros((4, 1)), np.zeros((4, 0)), "table", "number", file="x.csv")
    task = tasks.read("classification").build(spec)
    for outputs in (torch.zeros(4, 3), torch.tensor([[0.0, 1, 1]] * 4)):
        frames = [_frame(rows, 1, spec, task, outputs, top) for top in (1, 2, 3)]
        assert len({frame["answer"].to_list()[0] for frame in frames}) == 1
        last = frames[-1].select(pl.col("^answer.*$")).row(0)
        assert sorted(last) == ["a", "b", "c"] and frames[-1]["row"].to_list() == [1, 2, 3, 4]


def test_pictures_in_files_and_folders(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    for kind, level in (("dark", 40), ("light", 215)):
        (tmp_path / "train" / kind).mkdir(parents=True)
        for n in range(20):
            pixels = np.clip(random.normal(level, 20, (12, 10, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / kind / f"{n}.png")
    (tmp_path / "a.yaml").write_text("data: {name: images, path: train}\nmodel: {name: mlp, hidden: [8]}\n")
    run = train(tmp_path / "a.yaml", {**SMALL, "optimizer.lr": 0.01}, runs=tmp_path / "runs")
    rows = predict(run.run, [tmp_path / "train" / "dark", tmp_path / "train" / "light" / "3.png"])["answers"]
    assert len(rows) == 21 and set(rows[0]) == {"file", "answer", "probability"}
    assert [row["answer"] for row in rows] == ["dark"] * 20 + ["light"] and rows[-1]["file"].endswith("3.png")
