"""Sources: the sets that are bundled, and CSV files in every state that people bring them in."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from tests.helpers import make_run
from trainkit.data.preprocessing import Preprocessing
from trainkit.engine.loop import fit
from trainkit.errors import ConfigError, DataError, Problem, TrainkitError
from trainkit.parts.sources import sources
from trainkit.spec import Rows

GOOD = "size,colour,kind\n" + "".join(f"{n / 4},{'red' if n % 3 else 'blue'},{'yes' if n % 2 else 'no'}\n" for n in range(40))


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Write this text, read it as a source with these settings."""

    def read(text: str | bytes, task: Any = None, **settings: Any) -> Rows:
        path = tmp_path / "a.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return sources.read({"name": "csv", "path": str(path), "target": "kind"} | settings).build(task)

    return read


@pytest.fixture
def refusal(read: Any) -> Any:
    """The first problem that reading this finds, its file without the folder."""

    def refusal(text: str | bytes, task: Any = None, error: type[TrainkitError] = DataError, **settings: Any) -> Problem:
        with pytest.raises(error) as caught:
            rows = read(text, task, **settings)
            Preprocessing.fit(rows, np.arange(len(rows)), "standard")
        assert "Polars" not in str(caught.value) and "Schema" not in str(caught.value)
        return caught.value.problems[0]

    return refusal


@pytest.mark.parametrize(("name", "rows", "shape", "kind", "classes"), [
    ("digits", 1797, (1, 8, 8), "image", 10), ("breast_cancer", 569, (30,), "table", 2), ("diabetes", 442, (10,), "table", None),
    ("iris", 150, (4,), "table", 3), ("wine", 178, (13,), "table", 3),
])  # fmt: skip
def test_bundled(name: str, rows: int, shape: tuple[int, ...], kind: str, classes: int | None) -> None:
    found = sources.read(name).build(None)
    assert isinstance(found.inputs, np.ndarray) and found.inputs.shape == (rows, *shape) and found.kind == kind
    assert found.target_kind == ("class" if classes else "number") and found.file is None and len(found) == rows
    if classes:
        assert len(set(found.targets)) == classes and all(isinstance(word, str) for word in found.targets)
    else:
        assert found.targets.shape == (rows, 1) and found.targets.dtype == np.float64
        assert found.target_names == ("target",)


def test_the_malignant_are_malignant() -> None:
    assert sources.read("breast_cancer").build(None).targets.tolist()[:2] == ["malignant"] * 2
    assert sources.read("digits").build(None).targets.tolist()[:4] == ["0", "1", "2", "3"]
    assert sources.read("iris").build(None).targets[[0, 50, 100]].tolist() == ["setosa", "versicolor", "virginica"]


def test_three_numbers_from_three_numbers() -> None:
    found = sources.read("linnerud").build(None)
    assert found.inputs.shape == found.targets.shape == (20, 3) and found.target_kind == "number"
    assert found.target_names == ("Weight", "Waist", "Pulse") and found.targets[0].tolist() == [191, 36, 50]
    assert np.asarray(found.inputs)[0].tolist() == [5, 162, 60] and found.targets.dtype == np.float64


def test_every_source_is_tested() -> None:
    here = {"digits", "breast_cancer", "diabetes", "iris", "wine", "linnerud", "csv"}
    assert set(sources.names()) == here | {"synthetic"}


def test_a_file_is_read_as_text(read: Any) -> None:
    rows = read(GOOD)
    assert rows.inputs.columns == ["size", "colour"] and rows.inputs.row(1) == ("0.25", "red")
    assert rows.targets.tolist()[:2] == ["no", "yes"] and rows.target_kind == "class" and rows.target_names == ("kind",)
    assert rows.file.endswith("a.csv")


SAME = {
    "BOM": b"\xef\xbb\xbf" + GOOD.encode(),
    "Windows": GOOD.replace("\n", "\r\n"),
    "no last line end": GOOD.rstrip(),
    "blank lines": GOOD.replace("\n0.5", "\n\n0.5") + "\n \n",
    "rows of commas": GOOD + ",,\n,,\n",
    "spaces": GOOD.replace(",", " , ").replace("kind", " kind "),
    "quotes": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in GOOD.splitlines()),
    "a comma at each end": GOOD.replace("\n", ",\n"),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_the_same_table_written_otherwise(read: Any, text: str | bytes) -> None:
    found, plain = read(text), read(GOOD)
    assert found.inputs.equals(plain.inputs) and (found.targets == plain.targets).all()


def test_commas_quotes_line_ends_and_other_alphabets_inside_a_value(read: Any) -> None:
    rows = read('größe,kind\n"1,5",yes\n"two\nlines",no\n"say ""hi""",ja\n日本,no\n')
    assert rows.inputs["größe"].to_list() == ["1,5", "two\nlines", 'say "hi"', "日本"]


@pytest.mark.parametrize(("values", "task", "kind", "first"), [
    (["yes", "no"], None, "class", "yes"), (["True", "False"], None, "class", "True"), (["1.5", "2"], None, "number", 1.5),
    (["1", "2"], "class", "class", "1"), (["1", "2"], "number", "number", 1.0), (["-1e-3", "+2."], None, "number", -1e-3),
    ([str(2**70), str(2**70 + 1)], "class", "class", str(2**70)), (["7", "seven"], None, "class", "7"),
])  # fmt: skip
def test_the_kind_of_target(read: Any, values: list[str], task: Any, kind: str, first: Any) -> None:
    rows = read("a,kind\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values * 10)), task)
    assert rows.target_kind == kind and rows.targets.ravel()[0] == first
    assert rows.targets.shape == ((20,) if kind == "class" else (20, 1))


def test_whole_numbers_are_asked_for(refusal: Any) -> None:
    problem = refusal("a,kind\n1,0\n2,1\n", error=ConfigError)
    assert problem.message == "the target 'kind' holds whole numbers: are they classes or amounts?"
    assert problem.key == ("data", "target") and "`task: classification` or `task: regression`" in problem.suggestion


def column(*values: str, target: str = "yes,no") -> str:
    """A file with the numbers 0 … and these values last, under the name ``a``."""
    cells = [*map(str, range(40)), *values]
    return "a,kind\n" + "".join(f"{cell},{target.split(',')[n % 2]}\n" for n, cell in enumerate(cells))


@pytest.mark.parametrize(("text", "key", "words"), [
    (b"", "path", "is empty."),
    ("\n\n", "path", "is empty."),
    ("a,kind\n", "path", "has a header and no rows."),
    ("a,kind\n,\n\n", "path", "has a header and no rows."),
    ("a,kind,a\n1,2,3\n", "path", "has two columns named 'a'. Rename one of them."),
    ("a,kind, a \n1,2,3\n", "path", "has two columns named 'a'."),
    (",a,kind\n0,1,yes\n", "path", ": column 1 has no name in the header. Name it, or drop it"),
    ("a;kind\n1;2\n", "path", ": its columns are separated by ';', not by commas."),
    ("a\tkind\n1\t2\n", "path", ": its columns are separated by '\\t', not by commas."),
    ("a,kind\r1,2\r3,4\r", "path", ": its lines do not end as those of other files do."),
    ("a,kind\n1,x\n\n1,5,x\n", "path", ": line 4 has 3 values, and the header names 2 columns."),
    ('a,kind\n"1\n1",x\n1,5,x\n', "path", ": line 4 has 3 values, and the header names 2 columns."),
    ('a,kind\n1,x\n"2,x\n3,y\n', "path", ": line 3 has quotes that do not match."),
    ("a,kind\n1,x\n2,größe\n".encode("latin-1"), "path", ": line 3 is not text in UTF-8. Save the file as CSV in UTF-8"),
    ("grün,kind\n1,x\n".encode("latin-1"), "path", ": line 1 is not text in UTF-8."),
    (GOOD.encode("utf-16"), "path", ": line 1 is not text in UTF-8."),
    (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xf1\x0c\n\xff\xfe", "path", "is not text in UTF-8."),
    ("a,b\n1,2\n", "target", "has no column 'kind'. There are: a, b."),
    ("a,Kinds\n1,2\n", "target", "has no column 'kind'. Did you mean 'Kinds'?"),
    ("a,kind\n1,x\n,y\n3,y\nNA,y\n", "path", ": row 2, column 'a' has no value (1 more in this column). Fill it,"),
    ("a,kind\n1,x\n  ,y\n", "path", ": row 2, column 'a' has no value. Fill it"),
    ("a,kind\n1,x\n n/a ,y\n", "path", ": row 2, column 'a' has no value. Fill it"),
    ("a,b,kind\n1,2,x\n3,4\n", "path", ": row 2, column 'kind' has no value. Fill it, or drop the row."),
    ("a,kind\n,x\n,y\n", "path", ": column 'a' holds no value at all. Leave the column out: data.kinds: {a: ignore}."),
    ("a,kind\n1,\n2,\n", "path", ": column 'kind' holds no value at all. Choose another target column."),
    (column(target="1.5,oops").replace("oops", "2.5", 19), "target", ": row 40, target 'kind': 'oops' is not a usable number."),
])  # fmt: skip
def test_what_is_said_of_a_file_that_cannot_be_used(refusal: Any, text: str | bytes, key: str, words: str) -> None:
    problem = refusal(text)
    assert words in f"{problem.message} {problem.suggestion}" and problem.key == ("data", key)


def test_every_column_with_gaps_is_named_at_once(read: Any) -> None:
    with pytest.raises(DataError) as caught:
        read("a,b,c,kind\n1,,3,x\n,2,3,y\n1,2,3,x\n")
    assert [problem.message.partition(": ")[2] for problem in caught.value.problems] == [
        "row 2, column 'a' has no value.", "row 1, column 'b' has no value.",
    ]  # fmt: skip


@pytest.mark.parametrize(("task", "values", "words"), [
    ("class", [n / 7 for n in range(40)], "holds 40 different numbers: these are amounts, not classes. Use `task: regression`."),
    ("class", [n % 25 + 0.5 for n in range(90)], "holds 25 different numbers: these are amounts"),
    ("class", list(range(40)), "holds 40 different numbers: these are amounts"),
    (None, [f"Ann{n}" for n in range(40)], "holds 40 different texts: these are names, not classes. Choose another target column."),
    ("number", [*range(9), "inf"], ": row 10, target 'kind': 'inf' is not a usable number."),
    ("number", ["yes", "no"], ": row 1, target 'kind': 'yes' is not a usable number (1 more)."),
])  # fmt: skip
def test_a_target_that_the_task_cannot_use(refusal: Any, task: Any, values: list[Any], words: str) -> None:
    problem = refusal("a,kind\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)), task)
    assert words in f"{problem.message} {problem.suggestion}" and problem.key == ("data", "target")


@pytest.mark.parametrize("values", [list(range(20)), [n % 30 for n in range(90)], [n % 3 + 0.5 for n in range(90)]])
def test_many_classes_may_be_numbers(read: Any, values: list[float]) -> None:
    assert read("a,kind\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)), "class").target_kind == "class"


@pytest.mark.parametrize(("name", "words"), [
    ("b.csv", r"^the file .*b\.csv is not there\. Did you mean 'a\.csv'\?$"), ("", "is a folder"),
    ("far/away/x.csv", "is not there"),
])  # fmt: skip
def test_a_path_that_is_not_a_file(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    with pytest.raises(ConfigError, match=words) as caught:
        sources.read({"name": "csv", "path": str(tmp_path / name), "target": "kind"}).build(None)
    assert caught.value.problems[0].key == ("data", "path")


def test_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*.csv"
    path.write_text(GOOD)
    assert len(sources.read({"name": "csv", "path": str(path), "target": "kind"}).build(None)) == 40


def test_kinds(read: Any, refusal: Any) -> None:
    assert read(GOOD, kinds={"size": "ignore"}).inputs.columns == ["colour"]
    assert read(GOOD.replace("red", ""), kinds={"colour": "ignore"}).inputs.columns == ["size"]
    unknown = refusal(GOOD, kinds={"color": "category"})
    assert unknown.key == ("data", "kinds", "color") and unknown.suggestion == "Did you mean 'colour'?"
    target = refusal(GOOD, error=ConfigError, kinds={"kind": "category"})
    assert target.message == "'kind' is the target: its kind follows from the task." and target.key == ("data", "kinds", "kind")
    with pytest.raises(ValidationError):
        sources.read({"name": "csv", "path": "a.csv", "target": "kind", "kinds": {"size": "float"}})


def run_on(tmp_path: Path, text: str, *overrides: str) -> Any:
    (tmp_path / "a.csv").write_text(text)
    return make_run([f"data={{name: csv, path: {tmp_path / 'a.csv'}, target: kind}}", *overrides])


@pytest.mark.parametrize(("kinds", "inputs"), [("{}", 3), ("{size: category}", 26), ("{colour: ignore}", 1), ("{size: number}", 3)])
def test_kinds_decide_the_inputs(tmp_path: Path, kinds: str, inputs: int) -> None:
    assert run_on(tmp_path, GOOD, f"data.kinds={kinds}", "split.test=0.2", "split.validation=0.2").data.spec.shape == (inputs,)


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


def test_a_single_feature(tmp_path: Path) -> None:
    assert run_on(tmp_path, column()).data.spec.shape == (1,)


def test_the_text_of_a_file_is_not_changed(read: Any) -> None:
    assert isinstance(read(GOOD).inputs, pl.DataFrame) and set(read(GOOD).inputs.dtypes) == {pl.String}
