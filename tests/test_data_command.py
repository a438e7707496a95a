"""`trainkit data`: every fault that is put into data is found, clean data is left alone, and pictures show what a network sees."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.helpers import make_config
from trainkit.cli import main
from trainkit.data.findings import Finding, Look, lines, quick, thorough
from trainkit.data.findings.targets import far
from trainkit.data.pictures import Pictures
from trainkit.data.series import Windows
from trainkit.engine.hardware import Hardware
from trainkit.jobs.building import read_data, read_rows
from trainkit.parts.preprocessing import preprocessing
from trainkit.spec import Rows

ROOT = Path(__file__).parents[1]
RANDOM = np.random.RandomState(0)
ROWS = 200
COLUMNS = {
    "width": [f"{value:.3f}" for value in RANDOM.randn(ROWS)],
    "height": [f"{value:.3f}" for value in RANDOM.randn(ROWS)],
    "colour": RANDOM.choice(["red", "green", "blue"], ROWS).tolist(),
}
CLASSES = RANDOM.choice(["no", "yes"], ROWS).tolist()
RARE = ["rare" if n % 15 == 0 else "no" for n in range(ROWS)]
AMOUNTS = RANDOM.randn(ROWS)


def table(columns: Mapping[str, list[Any]] = MappingProxyType({}), targets: Any = None, **settings: Any) -> Rows:
    """200 rows without a fault, changed."""
    answers = np.array(CLASSES if targets is None else targets, dtype=object)
    return Rows(
        pl.DataFrame({**COLUMNS, **columns}, strict=False), answers, "table", "class", ("bought",), file="a.csv", **settings
    )


def amounts(columns: Mapping[str, list[Any]] = MappingProxyType({}), targets: Any = AMOUNTS) -> Rows:
    """The same with numbers to be answered."""
    return replace(table(columns), targets=np.asarray(targets, dtype=float)[:, None], target_kind="number")


def with_row(
    row: int, values: Mapping[str, Any], columns: Mapping[str, list[Any]] = MappingProxyType(COLUMNS)
) -> dict[str, list[Any]]:
    """The columns with other values in one row."""
    return {name: [values.get(name, old) if n == row else old for n, old in enumerate(column)] for name, column in columns.items()}


def look(rows: Rows, splits: Any = None, **settings: Any) -> Look:
    """As `trainkit data` looks: the first 60 % train, unless told."""
    ends = [round(share * len(rows)) for share in (0.6, 0.8)]
    given: Any = dict(zip(("train", "validation", "test"), np.split(np.arange(len(rows)), ends), strict=True))
    return Look(rows, given if splits is None else splits, **settings)


def found(rows: Rows, splits: Any = None, **settings: Any) -> list[Finding]:
    return thorough(look(rows, splits, **settings))


def names(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings]


@pytest.mark.parametrize("rows", [table(), amounts()], ids=["classes", "amounts"])
def test_nothing_is_found_where_nothing_is_wrong(rows: Rows) -> None:
    assert not found(rows)


@pytest.mark.parametrize(
    ("rows", "name", "severity", "words", "fix"),
    [
        (table({"empty": [None] * ROWS}), "missing", "warning", "'empty' holds no value at all", "data: {kinds: {empty: ignore}}"),
        (table(with_row(4, {"width": None})), "missing", "note", "'width': 0.5 % of the values are missing (1 row)", ""),
        (table({"unit": ["cm"] * ROWS}), "constant", "warning", "'unit' is always 'cm' in the", "data: {kinds: {unit: ignore}}"),
        (table({"no": [str(n) for n in range(7, 207)]}), "id-like", "warning", "numbers the rows", 'data: {kinds: {"no": ignore}}'),
        (table({"no 2": [str(n) for n in RANDOM.permutation(ROWS)]}), "id-like", "warning", "'no 2' numbers", "{no 2: ignore}}"),
        (table({"name": [f"Ann {n}" for n in range(ROWS)]}), "id-like", "warning", "200 different texts in 200", "{name: ignore}}"),
        (table({"paid": [{"yes": "1", "no": "0"}[y] for y in CLASSES]}), "target-copy", "warning", "'paid' tells", "{paid: ignore"),
        (amounts({"cents": [f"{100 * y:.0f}" for y in AMOUNTS]}), "target-copy", "warning", "as the target 'bought'", "ignore"),
        (table(with_row(9, {"height": "wide"})), "mixed", "error", "'wide' (row 10)", "data: {kinds: {height: category}}"),
        (table(with_row(9, {"height": "175.5"})), "outliers", "warning", "1 value far from all others: 175.5 (row 10)", "robust"),
        (
            table({"age": ["-999" if n % 10 == 3 else f"{30 + n % 9}" for n in range(ROWS)]}),
            "outliers",
            "warning",
            "20 values far from all others: -999 (row 4, row 14, row 24, …)",
            'data: {missing: ["-999"]}',
        ),
        (table(with_row(3, {"colour": "Red "})), "spelling", "warning", "'red', 'Red ' differ in case or spaces alone", "as 'red'"),
        (table({"hue": COLUMNS["colour"]}), "equal-columns", "note", "'colour' and 'hue' hold the same", "{hue: ignore}}"),
        (table(with_row(199, {"colour": "pink"})), "unseen-words", "note", "2.5 % of the test rows hold words that no", ""),
        (table({"code": [str(40_000_000_001 + 7 * n) for n in range(ROWS)]}), "large-numbers", "note", "first 7 digits", "ignore"),
        (table(targets=RARE), "imbalance", "warning", "class 'rare' has 6.7 % of the training rows", "{sampler: balanced}"),
        (table(targets=RARE), "rare-class", "note", "class 'rare' has 8 training rows", ""),
        (table(targets=CLASSES[:160] + ["no"] * 40), "class-not-measured", "warning", "test split has no row of class 'yes'", ""),
        (table(targets=["YES", "NO", *CLASSES[2:]]), "class-spelling", "warning", "differ in case", "write all of them as"),
        (table(targets=CLASSES[:150] + ["maybe"] * 50), "unknown-class", "error", "(row 151, row 152, row 153, …)", "rows of it"),
        (amounts(targets=[n % 3 for n in range(ROWS)]), "few-amounts", "note", "3 different whole numbers", "task: classification"),
        (amounts(targets=[*AMOUNTS[:-1][:50], 1e6, *AMOUNTS[51:]]), "target-outliers", "note", "1e+06 (row 51)", "huber"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_a_fault_in_a_table_is_found(rows: Rows, name: str, severity: str, words: str, fix: str) -> None:
    finding = next(finding for finding in found(rows) if finding.name == name)
    assert finding.severity == severity and words in finding.message and fix in finding.fix


def test_one_fault_is_told_once() -> None:
    assert names(found(table({"no": [str(n) for n in range(ROWS)]}))) == ["id-like"]
    assert names(found(table({"unit": ["cm"] * ROWS}))) == ["constant"]
    assert names(found(table(with_row(9, {"height": "175.5"})))) == ["outliers"]


@pytest.mark.parametrize(
    "columns",
    [
        {"day": [f"2024-03-{1 + n % 28:02} {n % 24:02}:{n % 60:02}:{n % 59:02}" for n in range(ROWS)]},
        {"story": [f"The {n}th customer came back with a long complaint about it" for n in range(ROWS)]},
        {"income": [f"{np.exp(1.5 * z):.2f}" for z in RANDOM.randn(ROWS)]},
        {"rare": ["1" if n % 40 == 0 else "0" for n in range(ROWS)]},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_dates_long_texts_long_tails_and_rare_marks_are_no_faults(columns: dict[str, list[str]]) -> None:
    assert not found(table(columns))


def test_who_says_the_kind_of_a_column_is_not_asked_again() -> None:
    numbered = {"shelf": [str(n) for n in range(ROWS)]}
    assert not found(table(numbered, kinds={"shelf": "number"})) and not found(table(numbered, kinds={"shelf": "ignore"}))
    assert not found(table(numbered), left_out=frozenset({"shelf"}))


def test_rows_that_come_again() -> None:
    first = {name: column[0] for name, column in COLUMNS.items()}
    again = with_row(130, first, with_row(20, first))
    classes = [CLASSES[0] if n == 20 else y for n, y in enumerate(CLASSES)]
    classes[130] = "no" if CLASSES[0] == "yes" else "yes"
    by_name = {finding.name: finding for finding in found(table(again, classes))}
    assert set(by_name) == {"leak", "duplicates", "two-answers"}
    assert by_name["leak"].rows == (130,) and "row 131 as row 1" in by_name["leak"].message
    assert by_name["duplicates"].rows == (20,) and by_name["two-answers"].rows == (0, 20, 130)


@pytest.mark.parametrize(("copies", "severity"), [(1, "note"), (4, "warning")])
def test_a_leak_of_one_row_is_a_note(copies: int, severity: str) -> None:
    columns = {name: [*column[:-copies], *column[:copies]] for name, column in COLUMNS.items()}
    assert [f.severity for f in found(table(columns)) if f.name == "leak"] == [severity]


def test_the_same_file_twice() -> None:
    columns = {name: column[:100] * 2 for name, column in COLUMNS.items()}
    halves = {"train": np.arange(100), "test": np.arange(100, 200)}
    (finding,) = [f for f in found(table(columns, CLASSES[:100] * 2), halves) if f.name == "same-rows"]
    assert finding.severity == "warning" and "every row of test" in finding.message and len(finding.rows) == 100


def test_splits_that_measure_little() -> None:
    halves = {"train": np.arange(180), "validation": np.arange(180, 190), "test": np.arange(190, 200)}
    first, second = found(table(), halves)
    assert "the validation split has 10 rows: each moves its accuracy by 10 %" in first.message and "test" in second.message
    assert first.fix == "split: {validation: 0.1}"


def test_labels_that_no_row_or_every_row_has() -> None:
    marks = np.column_stack([np.ones(ROWS), np.zeros(ROWS), np.arange(ROWS) % 2])
    rows = replace(table(), targets=marks, target_kind="labels", target_names=("all", "none", "some"))
    assert [f.message for f in found(rows) if f.name == "constant-label"] == [
        "every training row has the label 'all': it can't be learnt",
        "no training row has the label 'none': it can't be learnt",
    ]


def test_far_from_all_others() -> None:
    values = RANDOM.randn(1000)
    values[[3, 70]] = 80, -90
    assert far(values).tolist() == [3, 70]
    assert not len(far(np.exp(1.5 * RANDOM.randn(1000))))  # a long tail
    assert not len(far(np.zeros(1000))) and not len(far(np.array([1.0, 1e9])))
    assert not len(far(np.array([*np.zeros(99), 5.0])))  # a rare value
    assert far(np.array([*np.linspace(-1, 1, 99), 1e308, np.nan])).tolist() == [99]


# --- pictures, texts, series


@pytest.fixture
def shots(tmp_path: Path) -> list[Path]:
    """40 coloured pictures of 20 × 10, and one each that is grey, of one colour, very wide, a copy, and no picture."""
    random = np.random.RandomState(1)
    pixels = [random.randint(0, 256, (10, 20, 3), dtype=np.uint8) for _ in range(40)]
    images = [Image.fromarray(array) for array in pixels]
    images += [
        images[0].convert("L"),
        Image.new("RGB", (20, 10), "blue"),
        Image.fromarray(np.tile(pixels[1], (1, 9, 1))),
        images[3],
    ]
    paths = [tmp_path / f"{n:02}.png" for n in range(len(images) + 1)]
    for image, path in zip(images, paths, strict=False):
        image.save(path)
    paths[-1].write_text("not a picture")
    return paths


def test_faults_in_pictures(shots: list[Path]) -> None:
    inputs = Pictures(shots, on_error="skip")
    rows = Rows(inputs, np.array(["a", "b"] * 22, dtype=object), "image", "class", places=inputs.place)
    fitted = preprocessing.read("image").fit(rows, np.arange(30))
    by_name = {finding.name: finding for finding in found(rows, fitted=fitted)}
    assert {name: finding.rows for name, finding in by_name.items()} == {
        "unreadable": (), "grey-among-colour": (40,), "blank": (41,), "odd-size": (42,), "leak": (43,), "duplicates": (43,),
        "small-split": (),
    }  # fmt: skip
    assert by_name["unreadable"].severity == "error" and str(shots[-1]) in by_name["unreadable"].message
    assert f"{shots[42]} (180 × 10)" in by_name["odd-size"].message
    assert [f.severity for f in found(rows, fitted=fitted, lenient=True) if f.name == "unreadable"] == ["note"]


def test_arrays_of_grey_pictures_in_colour() -> None:
    pixels = np.repeat(RANDOM.randint(0, 256, (ROWS, 1, 4, 4), dtype=np.uint8), 3, axis=1)
    rows = Rows(pixels, np.array(CLASSES, dtype=object), "image", "class")
    assert names(found(rows)) == ["all-grey"]
    pixels[7, 0] = 0
    assert [f.name for f in found(rows)] == ["grey-among-colour"]


def test_faults_in_texts() -> None:
    texts = [f"the {word} sat on the mat" for word in RANDOM.choice(["cat", "dog", "cow"], ROWS)]
    texts = [f"{text} {n}" for n, text in enumerate(texts)]
    texts[5], texts[6], texts[199] = "", texts[5] * 12, "zebra okapi gnu"
    rows = Rows(pl.DataFrame({"text": texts}), np.array(CLASSES, dtype=object), "tokens", "class", file="t.csv")
    fitted = preprocessing.read({"name": "text", "max_length": 20}).fit(rows, np.arange(120))
    by_name = {finding.name: finding for finding in found(rows, fitted=fitted)}
    assert {"empty-text", "cut-off", "unknown-words"} <= set(by_name) and by_name["empty-text"].rows == (5,)
    assert "0.83 % of the train texts are cut: 20 tokens are kept" in by_name["cut-off"].message
    assert by_name["cut-off"].fix == ""  # for one giant all batches would grow


def test_rows_are_compared_without_the_columns_that_name_them() -> None:
    columns = {"id": [f"{n}" for n in range(ROWS)], **with_row(7, {name: COLUMNS[name][3] for name in COLUMNS})}
    classes = [*CLASSES[:7], CLASSES[3], *CLASSES[8:]]
    by_name = {f.name: f.message for f in found(table(columns, classes))}
    assert by_name["duplicates"] == "1 row (0.5 %) exactly as one before, but for 'id': row 8"


def test_arrays_have_no_settings_for_their_columns() -> None:
    rows = Rows(np.column_stack([RANDOM.randn(ROWS), np.ones(ROWS)]), AMOUNTS[:, None], "table", "number")
    assert [(f.message, f.fix) for f in found(rows)] == [
        ("column 'input 2' is always 1.0 in the training split: it can teach nothing", "leave it out of the inputs")
    ]


def test_faults_in_series() -> None:
    steps = RANDOM.randn(ROWS + 10, 3)
    steps[:, 1], steps[10:31, 2] = 5, np.nan
    rows = Rows(Windows(steps, np.arange(ROWS), 10), AMOUNTS[:, None], "sequence", "number")
    assert [(f.name, f.message) for f in found(rows)] == [
        ("constant", "feature 2 of 3 is always 5: it can teach nothing"),
        ("gaps", "feature 3 of 3: 10 % of the steps have no value"),
    ]
    named = replace(rows, features=("heat", "load", "wind"), file="a.csv")
    holes = [(2, "a.csv: row 3", "a.csv: row 4"), (1, "a.csv: row 9", "a.csv: row 10")]
    assert [f.message for f in found(named, holes=holes)] == [
        "3 steps missing in series that are regular otherwise: between row 3 and row 4; row 9 and row 10",
        "column 'load' is always 5: it can teach nothing",
        "column 'wind': 10 % of the steps have no value",
    ]
    padded = np.where(np.arange(10)[:, None] < 4, RANDOM.randn(ROWS, 10, 1), 0)
    assert not found(Rows(padded, AMOUNTS[:, None], "sequence", "number", lengths=np.full(ROWS, 4)))


# --- the quick form


@pytest.mark.parametrize("source", ["digits", "iris", "wine", "breast_cancer", "diabetes", "penguins"])
def test_the_quick_form_says_nothing_of_healthy_data(source: str) -> None:
    data = (
        {"name": "csv", "path": str(ROOT / "configs" / "data" / "penguins.csv"), "target": "species"}
        if source == "penguins"
        else source
    )
    config = make_config({"data": data})
    rows, config = read_rows(config)
    assert not quick(rows, read_data(config, rows, Hardware.choose("cpu", "fp32")))


def test_the_quick_form_tells_what_misleads() -> None:
    rows = table({"no": [str(n) for n in range(ROWS)]}, RARE)
    config = make_config({"data": "iris", "split.validation": 0.2})
    data = read_data(config, rows, Hardware.choose("cpu", "fp32"))
    assert names(quick(rows, data)) == ["imbalance", "id-like"] and names(quick(rows, data, balanced=True)) == ["id-like"]
    assert names(quick(rows, data, balanced=True, left_out=["no"])) == []


def test_of_many_alike_the_first_are_told() -> None:
    told = lines(
        [Finding("warning", "constant", f"column {n}", "mend it") for n in range(5)] + [Finding("note", "odd", "\x1b[31m")]
    )
    assert told[:3] == [f"warning   column {n} → mend it" for n in range(3)]
    assert told[3:] == ["note      �[31m", "          … 2 more: constant"]


# --- the command


def pixels(path: str) -> np.ndarray[Any, Any]:
    """(height, width, 3) uint8"""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def trainkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["trainkit", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = Said(left.value.code if isinstance(left.value.code, int) else 1, *capsys.readouterr())
        assert "Traceback" not in said.err
        return said

    return run


def write(folder: Path, columns: Mapping[str, list[Any]], data: str = "") -> None:
    """A CSV of these columns, and a config for it."""
    pl.DataFrame(columns).write_csv(folder / "shop.csv")
    source = f"{{name: csv, path: shop.csv, target: bought{data}}}"
    (folder / "shop.yaml").write_text(f"data: {source}\nmodel: {{name: mlp, hidden: [8]}}\n", encoding="utf-8")


def faulty() -> dict[str, list[Any]]:
    """Ten faults: rows that come again, within a split and in another one, and with another answer; a column each that numbers
    the rows, gives the answer away, never changes, or is mostly empty; a word among numbers, a slip of the pen, two spellings."""
    columns = {**COLUMNS, "paid": [{"yes": "1", "no": "0"}[y] for y in CLASSES], "unit": ["cm"] * ROWS, "bought": CLASSES}
    for again in range(20):  # row 101 is row 1 again, 102 row 2 …
        columns = with_row(100 + again, {name: column[again] for name, column in columns.items()}, columns)
    columns = with_row(50, {**{name: column[51] for name, column in columns.items()}, "bought": "no", "paid": "0"}, columns)
    columns = with_row(51, {"bought": "yes", "paid": "0"}, columns)
    columns = with_row(60, {"width": "wide"}, with_row(70, {"height": "1755"}, with_row(80, {"colour": "RED"}, columns)))
    return {"no": list(range(1, ROWS + 1)), **columns, "notes": ["late" if n % 4 == 0 else None for n in range(ROWS)]}


FAULTS = {"id-like", "target-copy", "constant", "missing", "mixed", "outliers", "spelling", "duplicates", "leak", "two-answers"}


def test_ten_planted_faults_are_all_found(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, faulty())
    said = trainkit("data", "shop.yaml", "--json")
    facts = json.loads(said.out)
    assert said.code == 0 and {finding["name"] for finding in facts["findings"]} == FAULTS
    by_name = {finding["name"]: finding for finding in facts["findings"]}
    places = {name: by_name[name]["rows"] for name in ("mixed", "outliers", "spelling", "two-answers")}
    file = tmp_path / "shop.csv"
    assert places == {
        "mixed": [f"{file}: row 61"], "outliers": [f"{file}: row 71"], "spelling": [f"{file}: row 81"],
        "two-answers": [f"{file}: row 51", f"{file}: row 52"],
    }  # fmt: skip
    assert by_name["duplicates"]["count"] == 20
    assert {name for name, finding in by_name.items() if finding["severity"] == "error"} == {"mixed", "constant"}
    assert by_name["id-like"]["fix"] == 'data: {kinds: {"no": ignore}}' and facts["shape"] is None

    said = trainkit("data", "shop.yaml")
    assert said.code == 0 and said.err == "next      mend the errors, then: trainkit data shop.yaml\n"
    assert [line.split()[0] for line in said.out.splitlines() if "→" in line] == ["error"] * 2 + ["warning"] * 9
    assert said.out.count("have the inputs of a training row") == 2  # one line for validation, one for test


def test_the_facts_of_a_table_without_a_fault(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, {**COLUMNS, "bought": CLASSES})
    said = trainkit("data", "shop.yaml", "--json")
    facts = json.loads(said.out)
    assert facts["findings"] == [] and facts["rows"] == {"train": 140, "validation": 30, "test": 30} and facts["shape"] == [5]
    assert [(column["name"], column["kind"]) for column in facts["columns"]] == [
        ("width", "number"), ("height", "number"), ("colour", "category"),
    ]  # fmt: skip
    assert {name: sum(counts.values()) for name, counts in facts["classes"].items()} == {c: CLASSES.count(c) for c in ("yes", "no")}
    assert json.loads((tmp_path / "shop-data" / "data.json").read_text()) == facts
    assert facts["pictures"] == [str(Path("shop-data") / "balance.png")] and pixels(facts["pictures"][0]).shape[1] > 400
    said = trainkit("data", "shop.yaml")
    assert said.out.startswith("data      csv: 200 rows, classes of bought\nsplits    140 train · 30 validation · 30 test\n")
    assert "findings  none" in said.out and "█" in said.out


def test_a_folder_that_holds_anything_else_is_left_alone(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, {**COLUMNS, "bought": CLASSES})
    (tmp_path / "shop-data").mkdir()
    (tmp_path / "shop-data" / "thesis.txt").write_text("mine")
    said = trainkit("data", "shop.yaml")
    assert said.code == 2 and "shop-data is there already" in said.err and "--out" in said.err
    assert [path.name for path in (tmp_path / "shop-data").iterdir()] == ["thesis.txt"]
    assert trainkit("data", "shop.yaml", "--out", "looks/first").code == 0
    assert trainkit("data", "shop.yaml", "--out", "looks/first").code == 0  # its own are written anew
    assert sorted(path.name for path in (tmp_path / "looks" / "first").iterdir()) == ["balance.png", "data.json"]


@pytest.mark.parametrize(("change", "code"), [("data.path=gone.csv", 2), ("data.target=gone", 3), ("modle=mlp", 2)])
def test_what_cannot_be_read_is_an_error(change: str, code: int, trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, {**COLUMNS, "bought": CLASSES})
    said = trainkit("data", "shop.yaml", change)
    assert said.code == code and not said.out and not (tmp_path / "shop-data").exists()


def test_rows_that_cannot_be_split_are_looked_at_for_all_that(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, {**COLUMNS, "unit": ["cm"] * ROWS, "bought": CLASSES})
    facts = json.loads(trainkit("data", "shop.yaml", "split.column=colour", "--json").out)
    assert facts["rows"] == {} and sorted(finding["name"] for finding in facts["findings"]) == ["constant", "stops"]


def test_what_the_split_goes_by_is_no_input(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    write(tmp_path, {**COLUMNS, "customer": [f"Ann {n}" for n in range(ROWS)], "bought": CLASSES})
    facts = json.loads(trainkit("data", "shop.yaml", "split.group=customer", "--json").out)
    assert facts["findings"] == [] and "customer" not in [column["name"] for column in facts["columns"]]


def test_samples_are_shown_as_the_network_sees_them(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    for n in range(40):
        colour = [(255, 0, 0), (0, 0, 255)][n % 2]
        path = tmp_path / "shots" / ["red", "blue"][n % 2] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 12, 3), colour, np.uint8) - np.uint8(n) * np.array([n % 2 < 1, 0, n % 2], np.uint8)).save(path)
    (tmp_path / "shots" / "red" / "bad.jpg").write_bytes(b"no")
    config = "data: {name: images, path: shots}\nmodel: {name: mlp, hidden: [8]}\naugment: [{name: flip}]\n"
    (tmp_path / "shots.yaml").write_text(config)
    facts = json.loads(trainkit("data", "shots.yaml", "--json").out)
    assert [f["severity"] for f in facts["findings"] if f["name"] == "unreadable"] == ["error"]
    assert facts["shape"] == [3, 12, 12] and facts["pictures"][-1].endswith("samples.png")
    shown = pixels(facts["pictures"][-1]).astype(int)
    red, blue = (((shown[:, :, a] > 200) & (shown[:, :, b] < 5) & (shown[:, :, 1] < 5)).mean() for a, b in ((0, 2), (2, 0)))
    assert red > 0.1 and blue > 0.1  # colours as they were, whatever the scaling


def test_samples_of_texts_mark_unknown_words(trainkit: Callable[..., Said], tmp_path: Path) -> None:
    texts = [f"the {word} sat on item{n}" for n, word in enumerate(RANDOM.choice(["cat", "dog"], ROWS))]
    pl.DataFrame({"text": texts, "label": CLASSES}).write_csv(tmp_path / "t.csv")
    config = "data: {name: text, path: t.csv, text: text, target: label}\nmodel: {name: lstm, hidden: 4, embedding: 4}\n"
    (tmp_path / "t.yaml").write_text(config)
    facts = json.loads(trainkit("data", "t.yaml", "--json").out)
    assert all(text.startswith("the ") and "⟨item" in text for texts in facts["samples"].values() for text in texts)
    assert facts["lengths"]["tokens"]["test"]["unknown"] == pytest.approx(0.2)
    assert [f["name"] for f in facts["findings"]] == ["unknown-words", "unknown-words"]
    assert {Path(path).name for path in facts["pictures"]} == {"balance.png", "lengths.png"}
    assert "samples   train: the" in trainkit("data", "t.yaml").out
