"""Bad numbers and bad files through the command line: one clear message (where, what, what to do), the right exit code, no
traceback, nothing left behind. The letters are those of the list of faults that every tool should survive."""

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainkit.cli import main

ROWS = [f"{n % 13 / 4},{n % 7},{'yes' if n % 7 > 3 else 'no'}" for n in range(80)]
Files = dict[str, Any]


def csv(*rows: str, header: str = "a,b,y") -> str:
    return "\n".join([header, *rows]) + "\n"


def with_row(n: int, row: str) -> Files:
    return {"a.csv": csv(*ROWS[: n - 1], row, *ROWS[n:])}


def third(value: Callable[[int], str]) -> Files:
    return {"a.csv": csv(*(f"{row},{value(n)}" for n, row in enumerate(ROWS)), header="a,b,y,c")}


def folder(*pictures: tuple[str, bytes | None]) -> Files:
    good = {f"pics/{'cats' if n % 2 else 'dogs'}/{n}.png": None for n in range(20)}
    return {**good, **dict(pictures)}


TABLE = "{name: csv, path: a.csv, target: y}"
CASES: dict[str, tuple[Files, str, list[str], int, list[str]]] = {
    "N6 a column without a value": (third(lambda n: ""), TABLE, [], 3, ["a.csv", "'c'", "no value", "kinds"]),
    "N6 no value in train alone": (
        third(lambda n: "" if n < 60 else "1"),
        "{name: csv, path: a.csv, target: y}",
        ["split={time: c2}"],
        2,
        ["split by 'c2'"],
    ),
    "N7 a constant column": (third(lambda n: "5"), TABLE, [], 3, ["'c'", "always '5'", "{c: ignore}"]),
    "N8 infinity": (third(lambda n: "inf" if n == 30 else str(n)), TABLE, [], 3, ["row 31", "'c'", "'inf'"]),
    "N8 not a number in an array": (
        {"x.npz": (np.where(np.eye(40, 3) > 0, np.nan, 1.0) + np.random.RandomState(0).randn(40, 1), np.arange(40) % 2 * 1.0)},
        "{name: arrays, path: x.npz}",
        [],
        3,
        ["row 1", "nan"],
    ),
    "N9 one class": ({"a.csv": csv(*(row.replace("no", "yes") for row in ROWS))}, TABLE, [], 3, ["one class only", "'yes'"]),
    "N10 fewer rows than splits": ({"a.csv": csv(*ROWS[3:5])}, TABLE, [], 3, ["the validation split would be empty", "2 rows"]),
    "N10 an empty validation split": ({"a.csv": csv(*ROWS)}, TABLE, ["split.validation=0.001"], 3, ["validation split"]),
    "N11 batch norm and one row": (
        {"a.csv": csv(*ROWS)},
        TABLE,
        ["model.batch_norm=true", "training.batch_size=1"],
        2,
        ["batch norm", "batch_size"],
    ),
    "N14 numbers too large to be told apart": (third(lambda n: str(2**60 + n)), TABLE, [], 3, ["'c'", "too large", "category"]),
    "I16 no file": ({}, TABLE, [], 2, ["a.csv is not there"]),
    "I16 an empty folder": ({"pics/.keep": b""}, "{name: images, path: pics}", [], 3, ["pics"]),
    "I16 a folder for a table": ({"a.csv/b.csv": csv(*ROWS)}, TABLE, [], 2, ["is a folder"]),
    "I17 a truncated picture": (
        folder(("pics/cats/bad.png", b"\x89PNG\r\n\x1a\n123")),
        "{name: images, path: pics}",
        [],
        3,
        ["bad.png", "on_error"],
    ),
    "I17 an empty picture": (folder(("pics/cats/bad.jpg", b"")), "{name: images, path: pics}", [], 3, ["bad.jpg"]),
    "I17 text called jpg": (
        folder(("pics/cats/bad.jpg", b"hello")),
        "{name: images, path: pics}",
        [],
        3,
        ["bad.jpg is no picture"],
    ),
    "I18 a truncated gz": (
        {"a.csv.gz": gzip.compress(csv(*ROWS * 50).encode(), mtime=0)[:200]},
        "{name: csv, path: a.csv.gz, target: y}",
        [],
        3,
        ["a.csv.gz", "cut off"],
    ),
    "I19 mixed types": (third(lambda n: "x1" if n == 40 else str(n)), TABLE, [], 3, ["row 41", "'c'", "'x1'", "category"]),
    "I19 a ragged row": (with_row(20, "1,2,yes,9"), TABLE, [], 3, ["line 21", "4 values", "3 columns"]),
    "I19 a short row": (with_row(20, "1,2"), TABLE, [], 3, ["line 21", "2 values"]),
    "I19 two columns of one name": ({"a.csv": csv(*ROWS, header="a,a,y")}, TABLE, [], 3, ["two columns named 'a'"]),
    "I19 no target column": ({"a.csv": csv(*ROWS, header="a,b,z")}, TABLE, [], 3, ["no column 'y'"]),
    "I19 a target without a value": (with_row(9, "1,2,"), TABLE, [], 3, ["row 9", "'y'", "drop_missing_targets"]),
    "I19 no rows": ({"a.csv": csv()}, TABLE, [], 3, ["no rows"]),
    "I19 an empty file": ({"a.csv": ""}, TABLE, [], 3, ["a.csv is empty"]),
    "I19 another encoding": (
        {"a.csv": csv(*ROWS, header="größe,b,y").encode("latin-1")},
        TABLE,
        [],
        3,
        ["line 1", "encoding: windows-1252"],
    ),
    "I19 quotes without an end": (with_row(5, '"1,2,yes'), TABLE, [], 3, ["line 6", "quotes"]),
    "I19 labels in two spellings": (with_row(5, "1,2,Yes"), TABLE, [], 3, ["'Yes'", "'yes'", "label_case"]),
    "I19 binary": ({"a.csv": bytes(range(256)) * 9}, TABLE, [], 3, ["a.csv"]),
    "I20 a label that train lacks": (
        {"a.csv": csv(*ROWS), "t.csv": csv("1,2,yes", "1,3,perhaps")},
        "{name: csv, path: {train: a.csv, test: t.csv}, target: y}",
        [],
        3,
        ["t.csv", "'perhaps'", "no, yes"],
    ),
    "I22 one file for two splits": (
        {"a.csv": csv(*ROWS)},
        "{name: csv, path: {train: a.csv, test: a.csv}, target: y}",
        [],
        2,
        ["a.csv"],
    ),
    "I23 whole numbers as target": (
        {"a.csv": csv(*ROWS)},
        "{name: csv, path: a.csv, target: b}",
        [],
        2,
        ["classes or amounts", "task: classification"],
    ),
}


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Write the files, run the command: its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINKIT_RUNS", raising=False)

    def say(files: Files, *arguments: str) -> tuple[int, str]:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                np.savez(path, inputs=content[0], targets=content[1])
            elif content is None:
                pixels = np.random.RandomState(len(name)).randint(0, 256, (9, 9, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setattr(sys, "argv", ["trainkit", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err and not said.out.startswith("{")
        return int(left.value.code or 0), said.err

    return say


@pytest.mark.parametrize("name", CASES)
def test_it_is_named_and_nothing_is_left_behind(name: str, say: Any, tmp_path: Path) -> None:
    files, data, settings, code, words = CASES[name]
    (tmp_path / "a.yaml").write_text(f"data: {data}\nmodel: {{name: mlp, hidden: [4]}}\nloggers: []\ndevice: cpu\n")
    got, said = say(files, "train", "a.yaml", "training.epochs=1", *settings)
    assert got == code and all(word in said for word in words), said
    place = said.split(" ")[0]
    assert place.startswith(("a.yaml:", "argument")), "the place in the config comes first"
    assert not (tmp_path / "runs").exists()


def trained(say: Any, tmp_path: Path) -> str:
    (tmp_path / "a.yaml").write_text(f"data: {TABLE}\nmodel: {{name: mlp, hidden: [4]}}\nloggers: []\ndevice: cpu\n")
    assert say({"a.csv": csv(*ROWS)}, "train", "a.yaml", "training.epochs=1", "-q")[0] == 0
    return "a-1"


@pytest.mark.parametrize(("name", "text", "words"), [
    ("I24 other columns", csv(*ROWS, header="a,c,y"), ["b.csv", "column 'b' is missing", "a, c"]),
    ("I24 other classes", csv(*ROWS[:9], "1,2,perhaps"), ["b.csv", "row 10", "'perhaps'", "no, yes"]),
    ("I24 another type", csv(*ROWS[:9], "1,soon,yes"), ["b.csv", "row 10", "'b'", "'soon'"]),
])  # fmt: skip
def test_a_checkpoint_and_other_data(name: str, text: str, words: list[str], say: Any, tmp_path: Path) -> None:
    run = trained(say, tmp_path)
    code, said = say({"b.csv": text}, "eval", run, "--data", "b.csv")
    assert code == 3 and all(word in said for word in words), said


def test_a_row_of_what_was_never_seen_gets_an_answer(say: Any, tmp_path: Path) -> None:
    run = trained(say, tmp_path)
    code, said = say({"b.csv": csv(",5,", "1e3,-5,", header="b,a,z")}, "predict", run, "b.csv", "-o", "out.csv")
    assert code == 0 and len((tmp_path / "out.csv").read_text().splitlines()) == 3, said
