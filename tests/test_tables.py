"""Tables: kinds, gaps, categories, dates and texts are learnt from the training rows alone, and kept exactly."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainkit.data.columns import asked_kind, parsed
from trainkit.data.tables import FittedTable
from trainkit.errors import DataError
from trainkit.networks.embedded import Embedded, width
from trainkit.parts.preprocessing.table import Table
from trainkit.spec import Rows, Spec

RANDOM = np.random.RandomState(0)
ALL = np.arange(40)
SIZE = [str(n / 7) for n in range(40)]
COLOUR = ["red", "green", "blue", "red"] * 10
NO_KINDS: Mapping[str, str] = MappingProxyType({})


def table(columns: Mapping[str, Any], kinds: Mapping[str, str] = NO_KINDS) -> Rows:
    """Rows as a file gives them."""
    frame = pl.DataFrame(columns, strict=False)
    return Rows(frame, np.zeros((len(frame), 0)), "table", "class", kinds=kinds, file="a.csv")


def plain(inputs: Any) -> Rows:
    """Rows of a source that gives numbers."""
    return Rows(inputs, np.zeros((len(inputs), 0)), "table", "number")


def fit(columns: Mapping[str, Any] | Rows, kinds: Mapping[str, str] = NO_KINDS, train: Any = None, **choices: Any) -> Any:
    """Fitted on all rows, or on those numbered ``train``."""
    rows = columns if isinstance(columns, Rows) else table(columns, kinds)
    return Table(**choices).fit(rows, np.arange(len(rows)) if train is None else train)


def numbers(fitted: Any, rows: Rows) -> Any:
    """What the network gets of all rows, as a list."""
    return fitted.finished(fitted.opened(fitted.held(rows, np.arange(len(rows))))).values.tolist()


def inputs(columns: Mapping[str, Any], kinds: Mapping[str, str] = NO_KINDS, **choices: Any) -> dict[str, list[float]]:
    """What a table becomes when it is fitted on itself, unscaled: by the name of the input."""
    fitted, rows = fit(columns, kinds, **{"scaling": "none", **choices}), table(columns)
    return dict(zip(fitted.spec()["features"], map(list, zip(*numbers(fitted, rows), strict=True)), strict=True))


def failure(columns: Mapping[str, Any] | Rows, kinds: Mapping[str, str] = NO_KINDS, **choices: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        fit(columns, kinds, **choices)
    return caught.value


SENTENCES = [f"the {'good' if n % 2 else 'bad'} film number {n} was seen by us yesterday" for n in range(40)]
FULL: dict[str, Any] = {
    "size": [None, *SIZE[1:]],
    "colour": COLOUR,
    "smoker": ["Yes", "no", None, "NO"] * 10,
    "born": [f"20{n % 3 + 10}-0{n % 9 + 1}-11" for n in range(40)],
    "city": [None, *(f"city {n % 11}" for n in range(39))],
    "review": SENTENCES,
}
FULL_CHOICES: dict[str, Any] = {"most": 10, "words": 3}


def test_what_becomes_of_each_kind_of_column() -> None:
    fitted = fit(FULL, **FULL_CHOICES)
    assert fitted.describe() == [
        ("size", "number", "an amount, gaps become 2.85714", 2),
        ("colour", "category", "3 values, one-hot", 3),
        ("smoker", "yes_no", "no 0, yes 1, gaps become 0", 2),
        ("born", "date", "year, month, weekday, days", 4),
        ("city", "category", "11 values, vectors of 11", 1),
        ("review", "text", "2 words", 2),
    ]
    spec = fitted.spec()
    assert spec["shape"] == (14,) and spec["embedded"] == ((11, 13, 11),) and spec["amounts"] == (0, 7, 8, 9, 10)
    assert spec["features"] == (
        "size", "size is missing", "colour=blue", "colour=green", "colour=red", "smoker=yes", "smoker is missing",
        "born: year", "born: month", "born: weekday", "born: days", "city", "review has bad", "review has good",
    )  # fmt: skip
    values = np.array(numbers(fitted, table(FULL)))
    assert values[1:, 0].mean() == pytest.approx(0) and values[1:, 0].std() == pytest.approx(1)  # of those that are known


def test_mean_0_and_deviation_1_of_numbers_without_names() -> None:
    rows = plain(RANDOM.rand(40, 3) * [1, 20, 300] + 7)
    fitted = fit(rows)
    assert np.array_equal(numbers(fitted, rows), (rows.inputs - rows.inputs.mean(axis=0)) / rows.inputs.std(axis=0))
    assert fitted.spec() == {"shape": (3,), "amounts": (0, 1, 2)} and fitted.describe() == []
    assert np.array_equal(numbers(fit(rows, scaling="none"), rows), rows.inputs)
    with pytest.raises(DataError, match=r"a row has 2 numbers here, and 3 in the training split\."):
        numbers(fitted, plain(rows.inputs[:, :2]))


@pytest.mark.parametrize(("scaling", "expected"), [
    ("standard", [-0.5, -0.5, -0.5, 1.5, 0]), ("minmax", [0, 0, 0, 1, 0.25]), ("none", [2, 2, 2, 10, 4]),
    ("robust", [0, 0, 0, 4, 1]),
])  # fmt: skip
def test_scalings(scaling: str, expected: list[float]) -> None:
    """By hand, of 2, 2, 2, 10, and 4: mean 4, deviation 12**0.5; quartiles 2 and 4."""
    values = np.array([2.0, 2, 2, 10, 4])
    if scaling == "standard":
        expected = ((values - 4) / np.std(values)).tolist()
    if scaling == "robust":
        expected = ((values - 2) / 2).tolist()
    found = inputs({"n": [f"{value:g}" for value in values]}, scaling=scaling)["n"]
    assert (
        found == pytest.approx(expected)
        and [row[0] for row in numbers(fit(plain(values[:, None]), scaling=scaling), plain(values[:, None]))] == found
    )


def test_robust_scaling_of_mostly_one_value_makes_the_wild_ones_small() -> None:
    values = [0.0] * 39 + [1e9]
    assert max(inputs({"n": list(map(str, values))}, scaling="robust")["n"]) == pytest.approx(1e9 / np.std(values))


@pytest.mark.parametrize("value", [0.1, 1e9, -3.7e-9, 0.0])
@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_a_constant_number_without_a_name_keeps_its_scale(value: float, scaling: str) -> None:
    """Rounding gives 0.1, a thousand times over, a deviation of 1e-17: the next value would become 1e16."""
    fitted = fit(plain(np.column_stack([np.full(1000, value), RANDOM.rand(1000)])), scaling=scaling)
    assert fitted.scale[0] == 1 and fitted.scale[1] != 1 and fitted.center[0] == pytest.approx(value)


class Stored:
    """A Reader of numbers; remembers the most rows that were asked for at once."""

    def __init__(self, values: Any) -> None:
        self.values, self.shape, self.dtype, self.most = values, values.shape, values.dtype, 0

    def read(self, index: Any) -> Any:
        self.most = max(self.most, len(index))
        return self.values[index]

    def digest(self, index: Any) -> bytes:
        return bytes(self.values[index].tobytes())


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", "none"])
@pytest.mark.parametrize("at_once", [2**22, 30])
def test_numbers_that_are_read_when_they_are_asked_for(scaling: str, at_once: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("trainkit.data.tables._AT_ONCE", at_once)
    values = np.column_stack([RANDOM.rand(101) * 1e-3 + 1e3, RANDOM.rand(101), np.full(101, 0.1)]).astype(np.float32)
    stored, train = Stored(values), np.random.RandomState(1).permutation(101)[:70]
    rows = Rows(stored, np.zeros((101, 0)), "table", "number")
    fitted, whole = fit(rows, train=train, scaling=scaling), fit(plain(values), train=train, scaling=scaling)
    assert stored.most <= max(10, at_once // 3)
    if scaling != "robust" or at_once > 30:
        assert fitted.center == pytest.approx(whole.center, rel=1e-12) and fitted.scale == pytest.approx(whole.scale, rel=1e-9)
    held = fitted.held(rows, train[::-1]).values
    assert held.shape == (70, 3) and held.read(np.array([3, 0])) == pytest.approx(
        fitted.numbers(plain(values), train[::-1][[3, 0]])
    )
    assert held.digest(np.array([1])) == values[train[::-1][1:2]].tobytes()


@pytest.mark.parametrize(("missing", "fills"), [
    ("median", 2.5), ("mean", 4.0), ("most_frequent", 2.0), ("constant", -1.0),
])  # fmt: skip
def test_gaps_in_numbers_are_filled_and_shown(missing: str, fills: float) -> None:
    fill: dict[str, Any] = {"fill": -1.0} if missing == "constant" else {}
    columns = {"n": ["2", None, "3", "9", "2", None], "m": list("123456")}
    found = inputs(columns, missing=missing, **fill)
    assert found["n"] == [2, fills, 3, 9, 2, fills] and found["n is missing"] == [0, 1, 0, 0, 0, 1] and "m is missing" not in found
    assert list(inputs(columns, missing=missing, indicator=False, **fill)) == ["n", "m"]


def test_gaps_that_training_rows_do_not_have_are_filled_all_the_same() -> None:
    columns = {"n": list("12345"), "c": list("aabbc"), "b": ["yes", "yes", "no", "yes", "no"]}
    fitted = fit({**columns, "d": [f"2020-01-0{n}" for n in range(1, 6)]}, scaling="none")
    assert fitted.spec()["features"] == ("n", "c=a", "c=b", "c=c", "b=yes", "d: day", "d: weekday", "d: days")
    empty = table({name: pl.Series([None, None], dtype=pl.String) for name in "dcbn"})
    assert numbers(fitted, empty) == [[3, 0, 0, 0, 1, 3, 5, 2]] * 2


def test_settings_that_do_not_fit_together() -> None:
    for wrong, key in (({"missing": "constant"}, "missing"), ({"fill": 1.0}, "fill"), ({"fill": 1.0, "missing": "mean"}, "fill")):
        with pytest.raises(ValidationError) as caught:
            Table(**wrong)
        assert caught.value.errors()[0]["loc"] == (key,)


def test_an_unknown_category_is_all_0_and_a_missing_one_has_its_place() -> None:
    fitted = fit({"colour": ["red", "green", None, "red"]})
    assert fitted.spec()["features"] == ("colour=green", "colour=red", "colour is missing")
    assert numbers(fitted, table({"colour": ["red", "violet", None, "green"]})) == [[0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_rare_categories_teach_what_an_unknown_one_means() -> None:
    columns = {"colour": ["red", "red", "blue", "blue", "pink", None]}
    fitted = fit(columns, min_count=2)
    assert fitted.spec()["features"] == ("colour=blue", "colour=red", "colour is another", "colour is missing")
    assert numbers(fitted, table({"colour": ["pink", "violet", None]})) == [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert "holds no value that 5 training rows share" in str(failure(columns, min_count=5))


def test_categories_become_codes_beyond_most() -> None:
    columns = {"city": ["Rome", "Oslo", None, "Bern", "Rome"], "few": list("aabba")}
    fitted = fit(columns, most=2)
    assert fitted.spec()["embedded"] == ((0, 5, 5),) and fitted.spec()["features"] == ("city", "few=a", "few=b")
    codes = [row[0] for row in numbers(fitted, table({"city": ["Bern", "Oslo", "Rome", None, "Graz"], "few": list("aaaaa")}))]
    assert codes == [1, 2, 3, 4, 0]
    assert fit(columns, categories="embedding", embedding=7).spec()["embedded"] == ((0, 5, 7), (1, 3, 7))
    assert fit(columns, categories="onehot", most=1).spec()["embedded"] == ()
    without_gaps = fit({"city": list("abcabd")}, most=2)
    assert [row[0] for row in numbers(without_gaps, table({"city": ["d", None]}))] == [4, 0]


@pytest.mark.parametrize(("words", "expected"), [
    (["Yes", "NO", "no"], ("x=yes", [1, 0, 0])), (["nein", "Ja", "ja"], ("x=ja", [0, 1, 1])),
    (["sí", "no", "no"], ("x=sí", [1, 0, 0])),
    ([True, False, True], ("x=true", [1, 0, 1])), (["f", "t", "t"], ("x=t", [0, 1, 1])), (["n", "J", "n"], ("x=j", [0, 1, 0])),
])  # fmt: skip
def test_yes_and_no_are_one_input(words: list[Any], expected: tuple[str, list[int]]) -> None:
    assert inputs({"x": words}) == dict([expected])


def test_yes_and_no_by_order() -> None:
    kinds = {"sex": "yes_no"}
    fitted = fit({"sex": ["m", "f", "m", None]}, kinds, indicator=False)
    assert fitted.spec()["features"] == ("sex=m",) and numbers(fitted, table({"sex": ["F", "M", None]})) == [[0], [1], [1]]
    with pytest.raises(DataError, match=r"^a.csv: row 2, column 'sex': 'x' is not 'f' or 'm'\. Mend it, or read .*: category}\.$"):
        numbers(fitted, table({"sex": ["m", "x"]}))
    assert "column 'sex' holds 3 different values, not two." in str(failure({"sex": list("abc")}, kinds))


@pytest.mark.parametrize("written", [
    ["2023-12-31", "2024-02-01"], ["2023/12/31", "2024/02/01"], ["31.12.2023", "1.2.2024"], ["31/12/2023", "01/02/2024"],
    ["12/31/2023", "02/01/2024"], ["2023-12-31T00:00:00Z", "2024-02-01T00:00:00+02:00"], [date(2023, 12, 31), date(2024, 2, 1)],
    ["2023-12-31 00:00", "2024-02-01"], ["31.12.2023 00:00", "1.2.2024 00:00:00 +01"],
])  # fmt: skip
def test_dates_become_the_parts_that_vary(written: list[Any]) -> None:
    found = inputs({"on": written})
    assert found == {"on: year": [2023, 2024], "on: month": [12, 2], "on: day": [31, 1], "on: weekday": [7, 4], "on: days": [0, 32]}


def test_months_are_their_first_days() -> None:
    assert inputs({"in": ["2023-12", "2024-02"]}) == inputs({"in": ["2023-12-01", "2024-02-01"]})


def test_moments_have_an_hour_too() -> None:
    for written in (["2024-02-01T06:30:00", "2024-02-01 18:00"], [datetime(2024, 2, 1, 6, 30), datetime(2024, 2, 1, 18)]):
        assert inputs({"at": written}) == {"at: hour": [6.5, 18], "at: days": [0, 11.5 / 24]}
    fitted = fit({"at": ["2024-02-01T06:30:00", "2024-02-01 18:00"]}, scaling="none")
    assert numbers(fitted, table({"at": [datetime(2024, 2, 2, 6, 30)]})) == [[6.5, 1]]


def test_words_of_texts() -> None:
    found = inputs({"review": SENTENCES, "n": SIZE}, words=1)
    assert found.keys() == {"review has bad", "n"} and found["review has bad"] == [1, 0] * 20
    fitted = fit({"review": SENTENCES})
    assert numbers(fitted, table({"review": ["GOOD, good!", "nothing known", None, ""]})) == [[0, 1], [0, 0], [0, 0], [0, 0]]
    assert inputs({"say": ["a b", "b c", "c a"]}, {"say": "text"})["say has a"] == [1, 0, 1]


HUGE = ["1e200", "inf", "nan", "-Infinity"]
LARGE = [str(2**53 + n) for n in range(1, 41)]


@pytest.mark.parametrize(("columns", "kinds", "message"), [
    ({"size": ["3"] * 40, "n": SIZE}, {}, "a.csv: column 'size' is always '3' in the training split: it can teach nothing."),
    ({"size": ["3", "3.0"] * 20}, {}, "a.csv: column 'size' is always '3' in the training split"),
    ({"on": ["2024-01-01", "2024-01-01T00:00"] * 20}, {}, "a.csv: column 'on' is always '2024-01-01' in the training split"),
    ({"size": [*"0123456789" * 3, *"01234567x9"]}, {}, "a.csv: row 39, column 'size': 'x' is not a usable number. Mend it"),
    ({"size": [*"0123456789" * 3, *"01234567xx"]}, {}, "a.csv: row 39, column 'size': 'x' is not a usable number (1 more"),
    *[({"size": [*"0123456789" * 3, *"01234567", v, "9"]}, {}, f"row 39, column 'size': {v!r} is not a usable") for v in HUGE],
    ({"size": [*range(39), float("inf")]}, {}, "a.csv: row 40, column 'size': inf is not a usable number."),
    ({"who": [f"Ann{n}" for n in range(40)]}, {}, "column 'who' holds 40 different texts in 40 training rows: it looks like a"),
    ({"size": [f"{n},5" for n in range(40)]}, {}, "column 'size' holds numbers with a comma, such as '0,5'"),
    ({"a": ["x", "y"] * 20}, {"a": "ignore"}, "no column is left to learn from."),
    ({"a": ["x", "y"] * 20}, {"a": "number"}, "column 'a': 'x' is not a usable number (39 more in this column)."),
    ({"a": ["x", "y"] * 20}, {"a": "date"}, "a.csv: column 'a' holds no dates: 'x' is none."),
    ({"on": ["1/2/2020", "3/4/2021"]}, {}, "column 'on' holds dates such as '1/2/2020', of which the day might be the month."),
    ({"on": [*(f"2020-01-{n}" for n in range(10, 29)), "2020-02-30"]}, {}, "row 20, column 'on': '2020-02-30' is not a date as"),
    ({"a": ["one two", "three four"]}, {"a": "text"}, "column 'a' holds no word that stands in several of its texts."),
    ({"a": [None] * 40, "b": SIZE}, {}, "a.csv: column 'a' holds no value in the training split. Leave it out: data.kinds: {a: "),
    ({"a": [float("nan")] * 40, "b": SIZE}, {}, "a.csv: column 'a' holds no value in the training split."),
    ({"id": LARGE}, {}, "column 'id' holds whole numbers too large to be told from their neighbours, such as 9007199254740993."),
    ({"id": list(map(int, LARGE))}, {}, "column 'id' holds whole numbers too large"),
    ({"a": [[1], [2]] * 20}, {}, "column 'a' holds values of type List(Int64), of which nothing can be made."),
    ({"a: b": ["1"] * 40}, {}, 'Leave it out: data.kinds: {"a: b": ignore}.'),
])  # fmt: skip
def test_what_is_said_of_columns_that_do_not_fit(columns: dict[str, Any], kinds: dict[str, str], message: str) -> None:
    error = failure(columns, kinds)
    assert message in str(error) and error.problems[0].key == ("data",) and error.problems[0].suggestion


@pytest.mark.parametrize(("values", "message"), [
    ([[1.0]] * 30 + [[np.nan]] * 10, "row 31: an input is nan"), ([[1.0]] * 39 + [[np.inf]], "row 40: an input is inf"),
    ([[1.0]] * 39 + [[1e200]], "row 40: an input is 1e+200"),
])  # fmt: skip
def test_numbers_without_names_that_nothing_can_be_computed_with(values: Any, message: str) -> None:
    assert message in str(failure(plain(np.array(values))))
    stored = Rows(Stored(np.array(values)), np.zeros((40, 0)), "table", "number")
    assert message in str(failure(stored))
    reader = fit(stored, train=np.arange(30)).held(stored, ALL).values
    with pytest.raises(DataError, match="row"):
        reader.read(ALL)


def test_numbers_beyond_2_to_53_may_be_meant() -> None:
    assert fit({"id": LARGE}, {"id": "number"}).spec()["features"] == ("id",)
    assert fit({"n": ["1e17", "3.5", "7"]}).spec()["features"] == ("n",)  # no identifier is written so


def test_all_columns_that_are_wrong_are_named_at_once() -> None:
    error = failure({"a": ["1"] * 40, "b": ["x"] * 40, "c": [*"0123456789" * 3, *"01234567x9"], "size": SIZE})
    assert [problem.message[:28] for problem in error.problems] == [
        "a.csv: column 'a' is always ", "a.csv: column 'b' is always ", "a.csv: row 39, column 'c': '",
    ]  # fmt: skip
    fitted = fit({"a": SIZE, "b": SIZE})
    with pytest.raises(DataError) as caught:
        numbers(fitted, table({"a": ["x", "1"], "b": ["2", "y"]}))
    assert [problem.message[:27] for problem in caught.value.problems] == [
        "a.csv: row 1, column 'a': '",
        "a.csv: row 2, column 'b': '",
    ]


def test_a_row_has_the_name_that_its_source_gives_it() -> None:
    rows = replace(table({"a": ["x", "1"]}), places=lambda row: f"part-{row}.csv: row 7")
    with pytest.raises(DataError, match=r"^part-0.csv: row 7, column 'a': 'x' is not"):
        numbers(fit({"a": SIZE}), rows)


def test_kinds_by_name_and_by_pattern() -> None:
    kinds = {"q*": "category", "q2": "number", "*": "ignore", "r": "category"}
    assert [asked_kind(kinds, name) for name in ("q1", "q2", "q20", "r", "z")] == [
        "category",
        "number",
        "category",
        "category",
        "ignore",
    ]
    assert fit({"q1": list("1212"), "q2": list("1212"), "z": list("1234")}, kinds).spec()["features"] == ("q1=1", "q1=2", "q2")


@pytest.mark.parametrize("typed", [True, False])
def test_typed_values_and_their_text_are_the_same(typed: bool) -> None:
    columns: dict[str, list[Any]] = {
        "i": [1, 2, 3, 4],
        "f": [0.5, 1.0, 2.0, None],
        "b": [True, False, None, True],
        "c": [7, 8, 8, 7],
        "k": [7.0, 8.0, 8.0, None],
    }
    on = [date(2024, 1, n) for n in (1, 5, 9, 10)]
    text = {
        name: [None if v is None else str(v) for v in values]
        for name, values in {**columns, "k": [7, 8, 8, None], "on": on}.items()
    }
    kinds = {"c": "category", "k": "category"}
    one, other = table({**columns, "on": on}, kinds), table(text, kinds)
    fitted = fit(one if typed else other)
    assert numbers(fitted, one) == numbers(fitted, other) and fitted.content()["columns"] == fit(one).content()["columns"]


def test_new_rows_may_have_other_columns_in_another_order_and_none_may_lack() -> None:
    fitted, rows = fit(FULL, **FULL_CHOICES), table(FULL)
    names = rows.inputs.columns
    shuffled = replace(rows, inputs=rows.inputs.select(*reversed(names)).with_columns(more=pl.lit("x")))
    assert numbers(fitted, shuffled) == numbers(fitted, rows)
    with pytest.raises(DataError, match=r"^a.csv: column 'colour' is missing\. The file has: size, smoker, born, city, review\.$"):
        numbers(fitted, replace(rows, inputs=rows.inputs.drop("colour")))
    with pytest.raises(DataError, match=r"^a.csv: columns 'size', 'city' are missing\. The file has: colour, "):
        numbers(fitted, replace(rows, inputs=rows.inputs.drop("size", "city")))


def test_a_row_is_the_same_alone_and_among_many(monkeypatch: Any) -> None:
    fitted, rows = fit(FULL, **FULL_CHOICES), table(FULL)
    together = numbers(fitted, rows)
    assert fitted.held(rows, np.array([7])).values.tolist() == [together[7]]
    for file in ("tables", "columns"):
        monkeypatch.setattr(f"trainkit.data.{file}.ROWS", 7)
    assert numbers(fitted, rows) == together and repr(fit(FULL, **FULL_CHOICES).content()) == repr(fitted.content())


def test_nothing_is_learnt_from_rows_that_do_not_train() -> None:
    """Other rows hold other numbers, categories, gaps, dates and words: nothing of them shows in what is kept."""
    train, others = (np.flatnonzero(kept) for kept in (ALL % 4 != 1, ALL % 4 == 1))
    strange = dict(zip(FULL, ("1e9", "violet", None, "1900-12-31", "Atlantis", "quite other words"), strict=True))
    changed = {name: [strange[name] if n in others else v for n, v in enumerate(values)] for name, values in FULL.items()}
    before, after = (fit(columns, train=train, **FULL_CHOICES, min_count=2) for columns in (FULL, changed))
    assert repr(before.content()) == repr(after.content()) and before.spec() == after.spec()
    assert repr(fit(changed, **FULL_CHOICES, min_count=2).content()) != repr(before.content())
    kept = numbers(before, table(FULL))
    assert [kept[n] for n in train] == [numbers(after, table(changed))[n] for n in train] and kept != numbers(after, table(changed))


@pytest.mark.parametrize("rows", [table(FULL), plain(RANDOM.rand(40, 3))], ids=["columns", "numbers"])
@pytest.mark.parametrize("choices", [FULL_CHOICES, {"scaling": "none", "missing": "constant", "fill": 0.1, "categories": "onehot"}])
def test_what_is_kept_gives_the_same_bits(rows: Rows, choices: dict[str, Any], tmp_path: Any) -> None:
    before = fit(rows, **choices)
    torch.save(before.content(), tmp_path / "fitted.pth")
    after = Table(**choices).restore(torch.load(tmp_path / "fitted.pth", weights_only=True))
    assert numbers(after, rows) == numbers(before, rows)
    assert after.spec() == before.spec() and repr(after.content()) == repr(before.content())


@pytest.mark.parametrize("wrong", [
    {"columns": None}, {"center": torch.zeros(3)}, {"scale": torch.zeros(14)}, {"center": torch.full((14,), torch.nan)},
    {"columns": [{"name": "a", "kind": "colour", "how": {}, "fills": [], "gaps": False}]}, {"columns": [{"name": "a"}]},
    {"columns": [{"name": "a", "kind": "number", "how": {"more": 1}, "fills": [0.0], "gaps": False}]},
    {"columns": [{"name": "a", "kind": "number", "how": {}, "fills": [], "gaps": False}]},
    {"columns": [{"name": "a", "kind": "text", "how": {"words": [1]}, "fills": [], "gaps": False}]},
    {"columns": [{"name": "a", "kind": "date", "how": {"style": "%Y", "parts": [], "start": 0}, "fills": [], "gaps": False}]},
])  # fmt: skip
def test_what_was_never_kept_is_refused(wrong: dict[str, Any]) -> None:
    content = {"center": torch.zeros(1), "scale": torch.ones(1)} if wrong.get("columns") else fit(FULL, **FULL_CHOICES).content()
    if "columns" in wrong and wrong["columns"] is None:
        content["center"] = content["center"][:2]
    with pytest.raises((KeyError, TypeError, ValueError)):
        Table().restore({**content, **wrong})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=8), st.floats().map(str), st.integers().map(str)), min_size=2, max_size=30))
def test_any_text_is_learnt_or_refused_in_words(values: list[str | None]) -> None:
    rows = table({"a": pl.Series(values, dtype=pl.String)})
    try:
        fitted = fit(rows)
    except DataError:
        return
    assert np.isfinite(numbers(fitted, rows)).all()
    assert numbers(FittedTable.restore(fitted.content()), rows) == numbers(fitted, rows)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("-2.5e3", -2500.0), ("inf", None), ("nan", None), ("1e101", None), ("x", None)]
)
def test_parsed(text: str, number: float | None) -> None:
    assert parsed(pl.Series([text])).to_list() == [number]


SPEC = Spec("table", (4,), 2, "class", features=("a", "city", "b", "shop"), amounts=(0, 2), embedded=((1, 3, 2), (3, 4, 1)))  # type: ignore[arg-type,unused-ignore]


def test_codes_are_replaced_by_vectors_behind_the_other_inputs() -> None:
    wide = SPEC.widened
    assert wide.shape == (5,) and wide.features == ("a", "b", "city: 1", "city: 2", "shop: 1")
    assert wide.amounts == (0, 1) and wide.embedded == () and wide.outputs == 2
    network = Embedded(torch.nn.Identity(), SPEC.embedded, 4)  # type: ignore[arg-type,unused-ignore]
    city, shop = (dict(network.named_parameters())[f"vectors.{n}.weight"].tolist() for n in (0, 1))
    assert city[0] == [0, 0] and shop[0] == [0] and all(map(any, city[1:] + shop[1:]))
    rows = torch.tensor([[0.5, 2, 0.25, 3], [0.5, 9, 0.25, -1], [7, torch.nan, 8, 0]])
    assert network(rows).tolist() == [[0.5, 0.25, *city[2], *shop[3]], [0.5, 0.25, 0, 0, 0], [7, 8, 0, 0, 0]]


def test_only_vectors_of_codes_that_occur_are_trained() -> None:
    network = Embedded(torch.nn.Linear(3, 1), ((0, 4, 2),), 2)
    network(torch.tensor([[1.0, 5.0], [3.0, 6.0]])).sum().backward()
    gradient = dict(network.named_parameters())["vectors.0.weight"].grad
    assert gradient is not None and gradient.any(dim=1).tolist() == [False, True, False, True]
    assert set(network.state_dict()) == {"vectors.0.weight", "network.weight", "network.bias"}


@pytest.mark.parametrize(("codes", "expected"), [(2, 2), (21, 13), (1001, 34), (1_000_000, 190)])
def test_width(codes: int, expected: int) -> None:
    assert width(codes) == expected
