"""CSV, Parquet and NDJSON files, in every state that people bring them in."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.helpers import make_run
from trainkit.data.columns import parsed
from trainkit.engine.loop import fit
from trainkit.errors import ConfigError, DataError, Problem, TrainkitError
from trainkit.parts.sources import _tables, sources
from trainkit.parts.sources._tables import nearest
from trainkit.spec import Rows

GOOD = "size,colour,kind\n" + "".join(f"{n / 4},{'red' if n % 3 else 'blue'},{'yes' if n % 2 else 'no'}\n" for n in range(40))
COMMAS = GOOD.replace(",", ";").replace(".", ",")


def source(path: Path | dict[str, str], **settings: Any) -> Any:
    return sources.read({"name": "csv", "path": path if isinstance(path, dict) else str(path), "target": "kind"} | settings)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Write this, read it as a source with these settings."""

    def read(text: str | bytes, task: Any = None, file: str = "a.csv", **settings: Any) -> Rows:
        path = tmp_path / file
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        rows: Rows = source(path, **settings).build(task)
        return rows

    return read


@pytest.fixture
def refusal(read: Any) -> Any:
    """The first problem that reading this finds."""

    def refusal(text: str | bytes, task: Any = None, error: type[TrainkitError] = DataError, **settings: Any) -> Problem:
        with pytest.raises(error) as caught:
            read(text, task, **settings)
        assert "olars" not in str(caught.value) and "chema" not in str(caught.value)
        return caught.value.problems[0]

    return refusal


def said(problem: Problem) -> str:
    return f"{problem.message} {problem.suggestion}"


def test_a_file_is_read_as_text(read: Any) -> None:
    rows = read(GOOD)
    assert rows.inputs.columns == ["size", "colour"] and rows.inputs.row(1) == ("0.25", "red")
    assert set(rows.inputs.dtypes) == {pl.String}
    assert rows.targets.tolist()[:2] == ["no", "yes"] and rows.target_kind == "class" and rows.target_names == ("kind",)
    assert rows.file.endswith("a.csv") and rows.place(2) == f"{rows.file}: row 3" and rows.splits is None


# --- the same, written otherwise

SAME = {
    "BOM": b"\xef\xbb\xbf" + GOOD.encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "gzipped": gzip.compress(GOOD.encode(), mtime=0),
    "Windows": GOOD.replace("\n", "\r\n"),
    "old Mac": GOOD.replace("\n", "\r"),
    "no last line end": GOOD.rstrip(),
    "blank lines": "\n" + GOOD.replace("\n0.5", "\n\n0.5") + "\n \n",
    "rows of commas": GOOD + ",,\n,,\n",
    "spaces": GOOD.replace(",", " , ").replace("kind", " kind "),
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in GOOD.splitlines()),
    "a comma at each end": GOOD.replace("\n", ",\n"),
    "semicolons": GOOD.replace(",", ";"),
    "tabs": GOOD.replace(",", "\t"),
    "bars": GOOD.replace(",", "|"),
    "decimal commas": COMMAS,
    "decimal commas, tabs": COMMAS.replace(";", "\t"),
}


@pytest.mark.parametrize("block", [2**23, 50])
@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_the_same_table_written_otherwise(read: Any, text: str | bytes, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read(GOOD)
    monkeypatch.setattr(_tables, "_BLOCK", block)
    found = read(text)
    assert found.inputs.equals(plain.inputs) and (found.targets == plain.targets).all()


@pytest.mark.parametrize(("text", "settings", "row"), [
    (GOOD.replace(",", "^"), {"separator": "^"}, ("0.25", "red")),
    (GOOD.encode("utf-16-le"), {"encoding": "utf-16-le"}, ("0.25", "red")),
    ("größe,kind\n1,ä\n2,b\n".encode("cp1252"), {"encoding": "windows-1252"}, ("2",)),
    (GOOD.replace("0.25", "?"), {"missing": ["?"]}, (None, "red")),
    ("a;kind\n1;p\n2,5;q\n", {"decimal": "."}, ("2,5",)),
    ("a;kind\n1,5;p\n2,5;q\n", {"format": "csv", "file": "a.parquet"}, ("2.5",)),
])  # fmt: skip
def test_what_is_said_of_a_file_counts(read: Any, text: str | bytes, settings: dict[str, Any], row: tuple[Any, ...]) -> None:
    assert read(text, **settings).inputs.row(1) == row


def test_commas_quotes_line_ends_and_other_alphabets_inside_a_value(read: Any) -> None:
    rows = read('größe,kind\n"1,5",yes\n"two\nlines",no\n"say ""hi""",ja\n日本,no\n')
    assert rows.inputs["größe"].to_list() == ["1,5", "two\nlines", 'say "hi"', "日本"]


def test_a_header_with_line_ends_in_it(read: Any) -> None:
    assert read('"the\nsize",kind\n1,x\n2,y\n').inputs["the\nsize"].to_list() == ["1", "2"]


@pytest.mark.parametrize(("text", "values"), [
    ("a;kind\n1,5;x\n-,5e3;y\n+2;z\n", ["1.5", "-.5e3", "+2"]), ("a;kind\n1,5;x\n1.234,5;y\n", ["1,5", "1.234,5"]),
    ("a;b;kind\n1,5;2.5;x\n", ["1,5"]), ("a;kind\n1,5 m;x\n", ["1,5 m"]),
])  # fmt: skip
def test_decimal_commas_where_nothing_speaks_against_them(read: Any, text: str, values: list[str]) -> None:
    assert read(text).inputs["a"].to_list() == values


def test_gaps_stay_open(read: Any) -> None:
    rows = read('a,b,kind\n1,,x\n NA ,2,y\n"",n/a,z\n')
    assert rows.inputs["a"].to_list() == ["1", None, None] and rows.inputs["b"].to_list() == [None, "2", None]


# --- typed files

TYPED = pl.DataFrame(
    {"n": [1, None, 3], "f": [1.5, float("nan"), 2.0], "t": [" a ", "NA", "ü"], "b": [True, False, None], "kind": ["x", "y", "x"]}
)


@pytest.mark.parametrize("ending", ["parquet", "ndjson", "jsonl", "json", "dat"])
def test_typed_files_keep_their_types(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    TYPED.write_parquet(path) if ending in ("parquet", "dat") else TYPED.write_ndjson(path)
    rows = source(path).build(None)
    assert rows.inputs.schema == {"n": pl.Int64, "f": pl.Float64, "t": pl.String, "b": pl.Boolean}
    assert rows.inputs.rows() == [(1, 1.5, "a", True), (None, None, None, False), (3, 2.0, "ü", None)]


def test_rarer_types(tmp_path: Path) -> None:
    from datetime import date

    path = tmp_path / "a.parquet"
    frame = pl.DataFrame(
        {"c": ["u", "v"], "d": [date(2024, 1, 2)] * 2, "e": ["1.5", "2.5"], "z": [None, None], "kind": [True, False]}
    )
    frame.with_columns(pl.col("c").cast(pl.Categorical), pl.col("e").cast(pl.Decimal(5, 2))).write_parquet(path)
    rows = source(path, kinds={"z": "ignore"}).build(None)
    assert rows.inputs.schema == {"c": pl.String, "d": pl.Date, "e": pl.Float64} and rows.extra.columns == ["z"]
    assert rows.targets.tolist() == ["true", "false"] and rows.inputs["e"].to_list() == [1.5, 2.5]


def test_numbers_that_mean_nothing(read: Any) -> None:
    rows = read('{"a": -999, "kind": "x"}\n{"a": 2, "kind": "y"}\n', file="a.ndjson", missing=["-999"])
    assert rows.inputs["a"].to_list() == [None, 2]


def test_keys_that_are_left_out_are_gaps(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "_BLOCK", 25)
    rows = read('{"a": 1, "kind": "x"}\n\n{"kind": "y", "b": 2.5}\n{"a": 2.5, "kind": "z"}\n', file="a.ndjson")
    assert rows.inputs.rows() == [(1.0, None), (None, 2.5), (2.5, None)]


@pytest.mark.parametrize(("text", "words"), [
    ("", " is empty."), ("\n\n", " is empty."), ("{}\n", " is empty."),
    ('{"a": 1, "kind": 2}\n\n{oops\n', ": line 3 is not JSON."), ('[{"a": 1}]', ": line 1 is not an object. Each line is one"),
    ('{"a": NaN}\n', ": line 1 is not JSON."), ('{"a": 1} {"a": 2}\n', ": line 1 is not JSON."),
    ('{"a": 1}\n1\n', ": line 2 is not an object."),
    ('{"a": 1, "kind": true}\n{"a": 2, "kind": 0.5}\n', ": line 2 holds a number in 'kind', and line 1 true or false."),
    ('{"a": [1], "kind": 0.5}\n', ": column 'a' holds List(Int64), not numbers, text or dates. Leave it out: data.kinds:"),
    ('{"a": 1, "kind": {"b": 1}}\n', ": column 'kind' holds Struct({'b': Int64})"),
    (b'{"a": "\xff", "kind": 1}\n', ": line 1 is not text in UTF-8."),
])  # fmt: skip
def test_json_that_cannot_be_used(refusal: Any, text: str | bytes, words: str) -> None:
    assert words in said(refusal(text, file="a.ndjson"))


def test_parquet_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    TYPED.write_parquet(path)
    whole = path.read_bytes()
    for broken in (
        b"",
        whole[:99],
        whole[:-9],
        whole[:4] + b"abc" * 99 + whole[-4:],
        b"a,kind\n1,x\n",
        gzip.compress(whole, mtime=0),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"a\.parquet(: Parquet is read from a plain file| is no Parquet file, or cut off)"):
            source(path).build(None)
    TYPED.head(0).write_parquet(path)
    with pytest.raises(DataError, match=r"a\.parquet has a header and no rows\."):
        source(path).build(None)
    nested = pl.DataFrame({"a": [[1]], "b": [1], "kind": ["x"]})
    nested.write_parquet(path)
    with pytest.raises(DataError, match="holds List"):
        source(path).build(None)
    assert source(path, columns=["b"]).build(None).inputs.columns == ["b"]
    assert source(path, kinds={"a": "ignore"}).build(None).extra.columns == []


# --- files that cannot be used


@pytest.mark.parametrize(("text", "key", "words"), [
    (b"", "path", "is empty."),
    ("\n\n", "path", "is empty."),
    ("a,kind\n", "path", "has a header and no rows."),
    ("a,kind\n,\n\n", "path", "has a header and no rows."),
    ("a,kind,a\n1,2,3\n", "path", "has two columns named 'a'. Rename one of them."),
    ("a,kind, a \n1,2,3\n", "path", "has two columns named 'a'."),
    (",a,kind\n0,1,yes\n", "path", ": column 1 has no name in the header. Name it, or drop it"),
    ("a,kind\n1,x\n\n1,5,x\n", "path", ": line 4 has 3 values, and the header names 2 columns. A text that holds ',' needs"),
    ("a;kind\n1;x\n1;5;x\n", "path", ": line 3 has 3 values, and the header names 2 columns. A text that holds ';' needs"),
    ('a,kind\n"1\n1",x\n1,5,x\n', "path", ": line 4 has 3 values, and the header names 2 columns."),
    ("a,b,kind\n1,2,x\n\n3,4\n", "path", ": line 4 has 2 values, and the header names 3 columns. Fill up the line."),
    ('a,b,kind\n"1,1",2,x\n3\n', "path", ": line 3 has 1 value, and the header names 3 columns."),
    ('a,kind\n1,x\n"2,x\n3,y\n', "path", ": line 3 has quotes that do not match."),
    ('"a,kind\n1,2\n', "path", ": line 1 has quotes that do not match. Close each quote"),
    ('a,kind\n1,x\n5" pipe,x\n3,y\n', "path", ": line 3 has quotes that do not match."),
    ('a,kind\n1,x\n"a"b,x\n3,y\n', "path", ": line 3 has quotes that do not match."),
    ("a,kind\n1,x\n2,größe\n".encode("latin-1"), "path", ": line 3 is not text in UTF-8. Say how it is written, such as"),
    ("grün,kind\n1,x\n".encode("latin-1"), "path", ": line 1 is not text in UTF-8."),
    ("a,kind\n1,x\n2,\0\n", "path", ": line 3 holds a NUL byte: this is no text."),
    (GOOD.encode("utf-16-le"), "path", ": line 1 holds a NUL byte: this is no text. If it is UTF-16 without a mark, say"),
    (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe", "path", " is not text but a spreadsheet or an archive. Export it as CSV."),
    (b"PAR1\x00", "path", " is not text but a Parquet file. Say `format: parquet`."),
    (gzip.compress(GOOD.encode(), mtime=0)[:60], "path", " is cut off or damaged: it cannot be unpacked. Fetch it anew."),
    (gzip.compress(GOOD.encode(), mtime=0)[:-6], "path", " is cut off or damaged"),
    (b"\x1f\x8b" + GOOD.encode(), "path", " is cut off or damaged"),
    ("a,b\n1,2\n", "target", "has no column 'kind'. There are: a, b."),
    ("a,Kinds\n1,2\n", "target", "has no column 'kind'. Did you mean 'Kinds'?"),
    ("a,kind\n,x\n,y\n", "path", ": column 'a' holds no value at all. Leave the column out: data.kinds: {a: ignore}."),
    ("a,kind\n1,\n2,\n", "target", ": column 'kind' holds no value at all. Choose another target column."),
    ("a,kind\n1,x\n2,\n3,NA\n", "target", ": row 2, column 'kind' has no value (1 more in this column). Fill it, or leave out"),
    ("a,kind\n1,Yes\n2,no\n\n3,yes\n", "target", ": row 1 has the class 'Yes', and "),
    ("a;kind\n1,5;x\n1.500;y\n2,5;y\n", "path", ": row 2, column 'a': '1.500' has a point, where others have a comma before"),
])  # fmt: skip
@pytest.mark.parametrize("block", [2**23, 16])
def test_what_is_said_of_a_file_that_cannot_be_used(
    refusal: Any, text: str | bytes, key: str, words: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "_BLOCK", block)
    problem = refusal(text, decimal="," if "1.500" in str(text) else "auto")
    assert words in said(problem) and problem.key == ("data", key)


def test_a_quote_that_nothing_closes_ends_before_the_memory_does(refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "_BLOCK", 100)
    monkeypatch.setattr(_tables, "_LONGEST", 1000)
    text = "a,kind\n" + "1,x\n" * 50 + '"1,x\n' + "1,x\n" * 5000
    assert ": line 52 has quotes that do not match." in said(refusal(text))
    assert ": line 1 is too long." in said(refusal('{"a": "' + "x" * 5000 + '"}', file="a.ndjson"))


def test_every_empty_column_is_named_at_once(read: Any) -> None:
    with pytest.raises(DataError) as caught:
        read("a,b,c,kind\n1,,,x\n,,,y\n1,,,x\n")
    assert [problem.message.partition(": ")[2] for problem in caught.value.problems] == [
        "column 'b' holds no value at all.", "column 'c' holds no value at all.",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "words"), [
    ("b.csv", r"^the file .*b\.csv is not there\. Did you mean 'a\.csv'\?$"), ("", r"is a folder\. Name its files: .*\*\.csv\.$"),
    ("far/away/x.csv", "is not there"), ("*.tsv", r"^no file fits .*\*\.tsv\."), ("pipe", "is no file to read"),
])  # fmt: skip
def test_a_path_that_is_not_a_file(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    if name == "pipe":
        import os

        os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match=words) as caught:
        source(tmp_path / name).build(None)
    assert caught.value.problems[0].key == ("data", "path")


def test_the_name_that_was_meant() -> None:
    assert nearest("Colour", ["colour", "size"]) == "Did you mean 'colour'?"
    assert nearest("x", ["b", "a"]) == "There are: a, b." and nearest("x", []) == ""


# --- several files


def test_a_pattern_joins_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("kind;a\nx;3,5\n")
    (tmp_path / "a.csv").write_text("a,kind\n1,x\n2,y\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"a,kind\n4,x\n", mtime=0))
    rows = source(tmp_path / "*.csv*").build(None)
    assert rows.inputs["a"].to_list() == ["1", "2", "3.5", "4"] and rows.targets.tolist() == ["x", "y", "x", "x"]
    assert [rows.place(row).partition(str(tmp_path))[2] for row in (1, 2, 3)] == [
        "/a.csv: row 2",
        "/b.csv: row 1",
        "/c.csv.gz: row 1",
    ]


def test_files_of_other_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,kind\n1,2,x\n")
    for columns, words in {"a,kind": "b.csv has no column 'b', which", "a,b,c,d,kind": "a.csv has no column 'c', which"}.items():
        (tmp_path / "b.csv").write_text(f"{columns}\n{','.join('1' for _ in columns.split(','))}\n")
        with pytest.raises(DataError, match=words) as caught:
            source(tmp_path / "?.csv").build(None)
    assert caught.value.problems[0].message.endswith("b.csv has (1 more).")


def test_a_file_for_each_split(tmp_path: Path) -> None:
    for name, rows in {"train": "1,x\n2,y\n3,x\n", "later": "4,y\n", "test": "5,x\n6,y\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"a,kind\n{rows}")
    paths = {"train": str(tmp_path / "train.csv"), "validation": str(tmp_path / "later.csv"), "test": str(tmp_path / "test.csv")}
    rows = source(paths).build(None)
    assert {name: index.tolist() for name, index in rows.splits.items()} == {"train": [0, 1, 2], "validation": [3], "test": [4, 5]}
    assert rows.inputs["a"].to_list() == list("123456") and rows.place(3).endswith("later.csv: row 1")
    assert source(paths).given == ("validation", "test") and source(tmp_path / "train.csv").given == ()
    paths.pop("validation")
    assert source(paths).given == ("test",) and list(source(paths).build(None).splits) == ["train", "test"]
    with pytest.raises(ConfigError, match=r"train\.csv belongs to train too: it would measure what was learnt") as caught:
        source(paths | {"test": str(tmp_path / "tr*.csv")}).build(None)
    assert caught.value.problems[0].key == ("data", "path", "test")
    (tmp_path / "test.csv").write_text("a,kind\n,\n")
    with pytest.raises(DataError, match=r"test\.csv has a header and no rows") as empty:
        source(paths).build(None)
    assert empty.value.problems[0].key == ("data", "path", "test")


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*.csv"
    path.write_text(GOOD)
    assert len(source(path).build(None)) == 40


# --- targets


@pytest.mark.parametrize(("values", "task", "kind", "first"), [
    (["yes", "no"], None, "class", "yes"), (["True", "False"], None, "class", "True"), (["1.5", "2"], None, "number", 1.5),
    (["1", "2"], "class", "class", "1"), (["1", "2"], "number", "number", 1.0), (["-1e-3", "+2."], None, "number", -1e-3),
    ([str(2**70), str(2**70 + 1)], "class", "class", str(2**70)), (["7", "seven"], None, "class", "7"),
    ([" yes", "yes "], None, "class", "yes"),
])  # fmt: skip
def test_the_kind_of_target(read: Any, values: list[str], task: Any, kind: str, first: Any) -> None:
    rows = read("a,kind\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values * 10)), task)
    assert rows.target_kind == kind and rows.targets.ravel()[0] == first
    assert rows.targets.shape == ((20,) if kind == "class" else (20, 1))


@pytest.mark.parametrize(("text", "task", "kind", "targets"), [
    ("1,0\n0,0.5\n", None, "number", [[1, 0], [0, 0.5]]), ("3,1\n4,2\n", None, "number", [[3, 1], [4, 2]]),
    ("1,0\n0,0\n", "labels", "labels", [[1, 0], [0, 0]]), ("1,0\n0,0\n", "number", "number", [[1, 0], [0, 0]]),
    ("Yes,0\nno,1\n", None, "labels", [[1, 0], [0, 1]]), ("true,no\nFALSE,yes\n", None, "labels", [[1, 0], [0, 1]]),
])  # fmt: skip
def test_several_targets(read: Any, text: str, task: Any, kind: str, targets: list[Any]) -> None:
    rows = read("a,b,kind\n" + "".join(f"{n},{line}\n" for n, line in enumerate(text.splitlines())), task, target=["b", "kind"])
    assert rows.target_kind == kind and rows.targets.tolist() == targets and rows.targets.dtype == np.float64
    assert rows.inputs.columns == ["a"] and rows.target_names == ("b", "kind")


@pytest.mark.parametrize(("text", "task", "target", "words"), [
    ("1,0\n2,1\n", None, "kind", "the target 'kind' holds whole numbers: are they classes or amounts? Say so: `task: class"),
    ("1,0\n0,1\n", None, ["a", "kind"], "the targets 'a', 'kind' hold 0 and 1: are they labels or amounts? Say so: `task: multi"),
    ("1,x\n2,y\n", None, ["a", "kind"], "the targets 'a', 'kind' are neither all numbers nor all 0 and 1"),
    ("1,x\n2,y\n", "class", ["a", "kind"], "classification has one target, and data.target names 2. Say `task: regression` for"),
    ("1,0\n2,1\n", "labels", "kind", "multilabel has several targets, and data.target names 1. Name the column of each label"),
    ("1,0\n2,1\n", "labels", ["a", "kind"], "a.csv: row 2, label 'a': '2' is neither 0 nor 1. Write 0 and 1, no and yes, or"),
    ("1,0\n,1\n", "labels", ["a", "kind"], "a.csv: row 2, column 'a' has no value. Fill it"),
    ("1,0\n2,inf\n", "number", "kind", "a.csv: row 2, target 'kind': 'inf' is not a usable number. Mend it, or use `task: class"),
    ("1,yes\n2,no\n", "number", "kind", "a.csv: row 1, target 'kind': 'yes' is not a usable number (1 more)."),
])  # fmt: skip
def test_targets_that_the_task_cannot_use(refusal: Any, text: str, task: Any, target: Any, words: str) -> None:
    problem = refusal("a,c,kind\n" + text.replace(",", ",1,"), task, error=TrainkitError, target=target)
    assert words in said(problem) and problem.key == ("data", "target")


def test_a_number_with_a_mistake_is_no_class(refusal: Any) -> None:
    text = "a,kind\n" + "".join(f"{n},{n + 0.5 if n != 19 else 'oops'}\n" for n in range(40))
    assert ": row 20, target 'kind': 'oops' is not a usable number. Mend it" in said(refusal(text))


def test_rows_without_a_target(read: Any, tmp_path: Path) -> None:
    text = "a,kind\n1,\n2,1.5\n3,NA\n4,2.5\n"
    rows = read(text, drop_missing_targets=True)
    assert rows.inputs["a"].to_list() == ["2", "4"] and rows.targets.tolist() == [[1.5], [2.5]]
    assert [rows.place(row).rpartition(" ")[2] for row in (0, 1)] == ["2", "4"]
    paths = {"train": str(tmp_path / "a.csv"), "test": str(tmp_path / "b.csv")}
    (tmp_path / "b.csv").write_text("a,kind\n5,\n6,3.5\n")
    rows = source(paths, drop_missing_targets=True).build(None)
    assert {name: index.tolist() for name, index in rows.splits.items()} == {"train": [0, 1], "test": [2]}
    assert rows.place(2).endswith("b.csv: row 2")


def test_classes_that_differ_only_in_capital_letters(read: Any, refusal: Any) -> None:
    text = "a,kind\n1,no\n2,Yes\n3,yes\n"
    problem = refusal(text)
    assert "a.csv: row 2 has the class 'Yes', and" in problem.message and problem.message.endswith(
        "row 3 'yes': are they the same?"
    )
    assert "`label_case: lower` makes them one, `label_case: keep`" in str(problem.suggestion)
    assert read(text, label_case="lower").targets.tolist() == ["no", "yes", "yes"]
    assert read(text, label_case="keep").targets.tolist() == ["no", "Yes", "yes"]


# --- columns


def test_columns_by_name_and_pattern(read: Any, refusal: Any) -> None:
    text = "s_1,s_2,x[1],day,kind\n1,2,3,4,x\n5,6,7,8,y\n"
    assert read(text).inputs.columns == ["s_1", "s_2", "x[1]", "day"]
    rows = read(text, columns=["x[1]", "s_*"])
    assert rows.inputs.columns == ["s_1", "s_2", "x[1]"] and rows.extra.rows() == [("4",), ("8",)]
    assert read(text, columns=["*"], kinds={"s_?": "ignore", "s_2": "category"}).inputs.columns == ["s_2", "x[1]", "day"]
    assert refusal(text, columns=["s_1", "t_*"]).key == ("data", "columns", 1)


def test_kinds(read: Any, refusal: Any) -> None:
    rows = read(GOOD, kinds={"size": "ignore", "c*": "category"})
    assert rows.inputs.columns == ["colour"] and rows.kinds == {"colour": "category"} and rows.extra.columns == ["size"]
    assert read(GOOD.replace("red", "").replace("blue", ""), kinds={"colour": "ignore"}).inputs.columns == ["size"]
    unknown = refusal(GOOD, kinds={"color": "category"})
    assert unknown.key == ("data", "kinds", "color") and unknown.suggestion == "Did you mean 'colour'?"


@pytest.mark.parametrize(("settings", "place", "words"), [
    ({"kinds": {"size": "float"}}, ("kinds", "size"), "'number', 'category', 'yes_no', 'date', 'text' or 'ignore'"),
    ({"kinds": {"kind": "category"}}, ("kinds", "kind"), "'kind' is the target: its kind follows from the task"),
    ({"columns": ["size", "kind"]}, ("columns", 1), "'kind' is the target: it cannot be an input too"),
    ({"target": ["size", "size"]}, ("target", 1), "'size' is named twice"),
    ({"encoding": "klingon"}, ("encoding",), "no encoding is called"),
    ({"encoding": "base64"}, ("encoding",), "no encoding is called"),
    ({"separator": ", "}, ("separator",), "', ' cannot separate columns"), ({"separator": ""}, ("separator",), "'' cannot"),
    ({"separator": '"'}, ("separator",), "cannot separate"), ({"separator": "a"}, ("separator",), "cannot separate"),
    ({"separator": "§"}, ("separator",), "cannot separate"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, Any], place: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        source(Path("a.csv"), **settings)
    error = caught.value.errors()[0]
    assert error["loc"][: len(place)] == place and words in error["msg"]


# --- new rows


def answers(path: Path | str, size: int = 7, **settings: Any) -> list[Rows]:
    return list(source(Path("unused.csv"), **settings).fresh([str(path)], size))


@pytest.mark.parametrize("block", [2**23, 60])
def test_new_rows_come_in_pieces(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "_BLOCK", block)
    path = tmp_path / "new.csv"
    path.write_text(COMMAS)
    pieces = answers(path, separator=",")
    assert [len(piece) for piece in pieces] == [7, 7, 7, 7, 7, 5] and {piece.targets.shape[1] for piece in pieces} == {0}
    assert pl.concat([piece.inputs for piece in pieces])["size"].to_list() == [str(n / 4) for n in range(40)]
    assert [piece.place(1) for piece in pieces[::2]] == [f"{path}: row {row}" for row in (2, 16, 30)]


@pytest.mark.parametrize(
    "text", [GOOD.encode(), COMMAS.encode("utf-16"), gzip.compress(GOOD.encode(), mtime=0), b'{"size": "0.0"}\n{"size": "0.25"}\n']
)
@pytest.mark.parametrize("wrap", [io.BytesIO, lambda text: io.BufferedReader(io.BytesIO(text))])
def test_new_rows_from_the_standard_input(text: bytes, wrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(wrap(text)))
    (piece,) = answers("-", 100)
    assert piece.inputs["size"].to_list()[:2] == ["0.0", "0.25"] and piece.place(1) == "the standard input: row 2"


def test_new_rows_of_several_typed_files(tmp_path: Path) -> None:
    TYPED.write_parquet(tmp_path / "a.parquet")
    TYPED.with_columns(kind=[1]).head(1).drop("t").write_ndjson(tmp_path / "b.ndjson")  # other columns, and one that is a list
    pieces = list(source(Path("unused.csv"), format="csv").fresh([str(tmp_path / "a.parquet"), str(tmp_path / "*.ndjson")], 2))
    assert [len(piece) for piece in pieces] == [2, 1, 1] and pieces[1].place(0).endswith("a.parquet: row 3")
    assert pieces[1].inputs.row(0) == (3, 2.0, "ü", None, "x") and pieces[2].inputs.columns == ["n", "f", "b"]


@pytest.mark.parametrize(("text", "words"), [
    ("a,kind\n", r"new\.csv has no rows\."), ("", r"new\.csv is empty\."), ("a,b\n1,2\n1,2\n1\n", r"new\.csv: line 4 has 1 value"),
])  # fmt: skip
def test_new_rows_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        answers(tmp_path / "new.csv")
    with pytest.raises(ConfigError, match=r"old\.csv is not there"):
        answers(tmp_path / "old.csv")


def test_columns_without_a_name_are_left_out_of_new_rows(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(",a\n0,1.5\n1,\n")
    (piece,) = answers(tmp_path / "new.csv")
    assert piece.inputs.columns == ["a"] and piece.inputs["a"].to_list() == ["1.5", None]


NASTY = [
    "", "1e400", "-1e-400", "1e101", "nan", "-nan", "NaN", "inf", "-Infinity", "NA", "null", "x", "é", "true", "1_000", "0x10",
    "1e", "+1", "-0", "007", "1.", ".5", "-.5e-3", "12 ", " 1.5", "\t2", "1,5", "\u22121.5", '"3"', '"3,5"', '"4\n5"', "'1'", "1\r",
    "1,2,3", "9007199254740993", "2.2250738585072011e-308", "17976931348623158" + "0" * 292,
]  # fmt: skip
CELL = st.sampled_from(NASTY) | st.floats(allow_nan=False, allow_infinity=False).map(repr)


def meant(text: bytes, numbers: set[str], known: set[str]) -> Any:
    """What the columns of a file mean, and what is no number of ``numbers``; or the words of the refusal."""
    try:
        blocks = _tables._csv(_tables._Text("a.csv", io.BytesIO(text), _tables.TableFormat(), ()), known)
        frame = _tables._stacked(list(blocks))
    except DataError as error:
        return str(error)
    found = [parsed(frame[name]) for name in sorted(numbers)]
    wrong = [frame[values.name].filter(values.is_null()).cast(pl.String).to_list() for values in found]
    return [[value.hex() if value is not None else None for value in values] for values in found], wrong, frame.drop(numbers).rows()


@settings(max_examples=300, deadline=None)
@given(
    cells=st.lists(st.tuples(CELL, CELL, CELL), max_size=12),
    plain=st.integers(0, 30),
    end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from([",", ";", "\t"]),
    block=st.sampled_from([40, 2**23]),
)
def test_numbers_read_at_once_are_those_that_their_text_would_become(
    cells: list[tuple[str, ...]], plain: int, end: str, separator: str, block: int
) -> None:
    rows = [("a", "b", "c"), *[(f"{n / 7}", f"word{n}", f"{n}e-{n}") for n in range(plain)], *cells]
    text = end.join(separator.join(row) for row in rows).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tables, "_BLOCK", block)
        for numbers in ({"a", "c"}, {"b"}, {"a", "b", "c"}):
            assert meant(text, numbers, known=numbers) == meant(text, numbers, known=set())


def test_what_training_found_to_be_numbers_is_read_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(GOOD.encode())
    knowing = source(Path("unused.csv")).knowing({"size": "number", "colour": "category", "gone": "number"})
    (rows,) = knowing.fresh([str(tmp_path / "a.csv")], 100)
    assert rows.inputs.dtypes == [pl.Float64, pl.String, pl.String] and rows.inputs["size"].to_list() == [n / 4 for n in range(40)]


class Endless(io.RawIOBase):
    """Rows without an end."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        rows = b"1.5,word,x\n" * (len(buffer) // 11 + 2)
        text = rows[self.given % 11 :] if self.given else b"ab,cd,kind\n" + rows
        buffer[:] = text[: len(buffer)]
        self.given += len(buffer)
        return len(buffer)


def test_rows_are_read_as_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "_BLOCK", 10_000)
    endless = Endless()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    pieces = source(Path("unused.csv")).fresh(["-"], 100)
    for n in range(50):
        assert next(pieces).place(99) == f"the standard input: row {100 * (n + 1)}"
    assert endless.given < 5000 * 11 + 3 * 10_000 + io.DEFAULT_BUFFER_SIZE


# --- from a file to a trained network


def run_on(tmp_path: Path, text: str, *overrides: str) -> Any:
    (tmp_path / "a.csv").write_text(text)
    return make_run([f"data={{name: csv, path: {tmp_path / 'a.csv'}, target: kind}}", *overrides])


@pytest.mark.parametrize(("kinds", "inputs"), [("{}", 3), ("{colour: ignore}", 1), ("{size: number}", 3)])
def test_kinds_decide_the_inputs(tmp_path: Path, kinds: str, inputs: int) -> None:
    run = run_on(tmp_path, GOOD, f"data.kinds={kinds}", "split.test=0.2", "split.validation=0.2")
    assert len(run.data.spec.features) <= inputs == run.data.spec.input_size


@pytest.mark.parametrize(
    ("task", "target"), [("null", "yes,no"), ("regression", "1,2"), ("null", "0.5,1.5"), ("classification", "1,2")]
)
def test_from_a_file_to_a_trained_network(tmp_path: Path, task: str, target: str) -> None:
    yes, no = target.split(",")
    text = "a,b,kind\n" + "".join(f"{n % 2 + n / 1000},{'u' if n % 3 else 'v'},{yes if n % 2 else no}\n" for n in range(60))
    run = run_on(tmp_path, text, f"task={task}", "optimizer.lr=0.02", "training.epochs=20", "training.batch_size=16")
    last = list(fit(run))[-1]
    measured = run.evaluator(run.data["test"]).metrics
    assert last.validation is not None and measured.get("accuracy", measured.get("r2", 0)) > 0.9


def test_only_the_target(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column is left to learn from\."):
        run_on(tmp_path, "kind\n" + "yes\nno\n" * 20)
