"""Series: windows that never see the future, whole sequences, gaps and scaling learnt from the training rows alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from trainkit.data.preparing import prepare
from trainkit.data.series import Windows
from trainkit.data.splitting import Shares
from trainkit.errors import ConfigError, DataError, TrainkitError
from trainkit.parts.preprocessing import preprocessing
from trainkit.parts.sources import sources
from trainkit.spec import Rows

RANDOM = np.random.RandomState(0)
VALUES = RANDOM.rand(40, 6, 3) * [1, 20, 300] + [0, 5, -100]
LENGTHS = RANDOM.randint(1, 7, 40)
REAL = np.arange(6) < LENGTHS[:, None]
ALL = np.arange(40)
nan = np.nan


def rows_of(inputs: Any, **settings: Any) -> Rows:
    return replace(Rows(inputs, np.arange(inputs.shape[0], dtype=float)[:, None], "sequence", "number", file="a.csv"), **settings)


def fitted(rows: Rows, train: Any = None, **settings: Any) -> Any:
    part = preprocessing.read({"name": "series", **settings})
    return part.fit(rows, np.arange(len(rows)) if train is None else train)


def held(rows: Rows, train: Any = None, **settings: Any) -> Any:
    """All rows, prepared with what the training rows teach."""
    return fitted(rows, train, **settings).held(rows, np.arange(len(rows))).values.numpy()


# --- what is fitted


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize(("scaling", "center", "spread"), [
    ("standard", np.mean, np.std), ("minmax", np.min, np.ptp),
    ("robust", np.median, lambda x, axis: np.quantile(x, 0.75, axis) - np.quantile(x, 0.25, axis)),
])  # fmt: skip
def test_scaling_over_the_real_steps_of_the_training_rows(lengths: Any, scaling: str, center: Any, spread: Any) -> None:
    rows, train = rows_of(VALUES, lengths=lengths), ALL[:30]
    steps = VALUES[:30].reshape(-1, 3) if lengths is None else VALUES[:30][REAL[:30]]
    wanted = (VALUES - center(steps, axis=0)) / spread(steps, axis=0)
    if lengths is not None:
        wanted[~REAL] = 0
    assert held(rows, train, scaling=scaling) == pytest.approx(wanted, abs=1e-12)


def test_no_scaling_leaves_the_numbers() -> None:
    assert np.array_equal(held(rows_of(VALUES), scaling="none"), VALUES)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_parts_together_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch, scaling: str) -> None:
    before = held(rows_of(VALUES, lengths=LENGTHS), scaling=scaling)
    monkeypatch.setattr("trainkit.data.series._AT_ONCE", 40)
    assert held(rows_of(VALUES, lengths=LENGTHS), scaling=scaling) == pytest.approx(before, abs=1e-12)


def test_robust_does_not_mind_wild_values_nor_half_of_them_equal() -> None:
    values = np.concatenate([np.arange(9.0), [1e6]])[:, None, None] * [1, 0] + np.array([0.0] * 9 + [5.0])[:, None, None] * [0, 1]
    found = fitted(rows_of(values), scaling="robust")
    assert found.center == pytest.approx([4.5, 0]) and found.scale == pytest.approx(
        [4.5, 1.5]
    )  # quartiles 2.25, 6.75; std of 0 × 9, 5


@pytest.mark.parametrize("value", [0.1, 1e9, 0.0])
def test_a_constant_feature_keeps_its_scale(value: float) -> None:
    values = np.full((1000, 3, 1), value)
    assert fitted(rows_of(values)).scale.tolist() == [1.0] and held(rows_of(values)) == pytest.approx(0, abs=1e-6)


def test_nothing_is_learnt_from_rows_that_don_t_train() -> None:
    changed = VALUES.copy()
    changed[30:] *= -1e3
    changed[31, 2] = nan
    for scaling in ("standard", "minmax", "robust"):
        one, other = (fitted(rows_of(values), ALL[:30], scaling=scaling).content() for values in (VALUES, changed))
        assert repr(one) == repr(other)
    longer = LENGTHS.copy()
    longer[30:] = 6
    assert fitted(rows_of(VALUES, lengths=longer.clip(max=4)), ALL[:30]).shape == (4, 3)


def test_what_is_kept_gives_the_same_bits(tmp_path: Path) -> None:
    import torch

    rows = rows_of(np.where(RANDOM.rand(40, 6, 3) < 0.2, nan, VALUES), lengths=LENGTHS)
    part = preprocessing.read({"name": "series", "scaling": "robust", "missing": "interpolate"})
    before = part.fit(rows, ALL[:30])
    torch.save(before.content(), tmp_path / "a.pth")
    after = part.restore(torch.load(tmp_path / "a.pth", weights_only=True))
    one, other = before.held(rows, ALL[::3]), after.held(rows, ALL[::3])
    assert one.lengths is not None and other.lengths is not None and torch.equal(one.lengths, other.lengths)
    assert torch.equal(one.values, other.values) and after.spec() == before.spec()
    assert after.spec() == {"shape": (6, 3), "varying": True}
    with pytest.raises(ValueError, match="features"):
        part.restore(before.content() | {"mean": torch.zeros(2)})


# --- gaps


@pytest.mark.parametrize(("missing", "wanted"), [
    ("forward", [6, 1, 1, 4, 4, 4]), ("interpolate", [1, 1, 2.5, 4, 4, 4]), ("mean", [6, 1, 6, 4, 6, 6]),
])  # fmt: skip
def test_gaps(missing: str, wanted: list[float]) -> None:
    """The mean of the known numbers, 1, 4 and 6 × 2.5 …, is 6."""
    values = np.array([[nan, 1, nan, 4, nan, nan], [5, 10, 10, nan, nan, nan]])[:, :, None]
    rows = rows_of(values, lengths=np.array([6, 3]))
    found = held(rows, scaling="none", missing=missing)
    assert found[0, :, 0].tolist() == wanted and found[1, :, 0].tolist() == [5, 10, 10, 0, 0, 0]


@pytest.mark.parametrize("missing", ["forward", "interpolate"])
def test_a_row_of_gaps_becomes_the_mean_and_features_do_not_mix(missing: str) -> None:
    values = VALUES.copy()
    values[3, :, 1] = nan
    values[5, 2, 0] = nan
    found, mean = held(rows_of(values), scaling="none", missing=missing), np.nanmean(values[:, :, 1])
    assert found[3, :, 1] == pytest.approx(mean) and np.array_equal(found[3, :, [0, 2]], VALUES[3, :, [0, 2]])
    assert np.array_equal(found[5, [0, 1, 3, 4, 5]], VALUES[5, [0, 1, 3, 4, 5]]) and found[5, 2, 1] == VALUES[5, 2, 1]


@pytest.mark.parametrize(("value", "missing", "words"), [
    (nan, "stop", "a.csv: row 5: step 3 has no value of feature 2. Mend it, or have it filled: preprocess.missing=forward."),
    (np.inf, "forward", "a.csv: row 5: step 3, feature 2 is inf: nothing can be computed with that."),
    (-1e200, "mean", "a.csv: row 5: step 3, feature 2 is -1e+200"),
])  # fmt: skip
@pytest.mark.parametrize("windows", [True, False])
def test_values_that_cannot_be_used(value: float, missing: str, words: str, windows: bool) -> None:
    values = VALUES.copy()
    values[4, 2, 1] = value
    inputs = Windows(values.reshape(-1, 3), np.arange(0, 240, 6), 6) if windows else values
    with pytest.raises(DataError) as caught:
        held(rows_of(inputs), missing=missing)
    assert words in str(caught.value) and caught.value.problems[0].key == ("data",)


def test_a_feature_without_any_value() -> None:
    values = VALUES.copy()
    values[:30, :, 2] = nan
    with pytest.raises(DataError, match="feature 3 of 3 holds no value in the training split"):
        fitted(rows_of(values), ALL[:30])


def test_rows_of_another_shape() -> None:
    even, uneven = fitted(rows_of(VALUES)), fitted(rows_of(VALUES, lengths=LENGTHS))
    for rows, words in [
        (rows_of(VALUES[:, :, :2]), "a step has 2 numbers here, and 3 in the training split"),
        (rows_of(VALUES[:, :5]), "row 1 has 5 steps, and every row of the training split 6"),
        (rows_of(VALUES, lengths=np.array([6, 6, 4] + [6] * 37)), "row 3 has 4 steps"),
    ]:
        with pytest.raises(DataError, match=words):
            even.held(rows, ALL)
    assert uneven.held(rows_of(VALUES[:, :5]), ALL).lengths.tolist() == [5] * 40
    assert even.held(rows_of(VALUES, lengths=np.full(40, 6)), ALL).lengths is None


# --- windows


def test_windows_are_cut_out_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    series, starts = RANDOM.rand(50, 2), np.array([3, 4, 5, 30, 44])
    inputs = Windows(series, starts, 6)
    copied = np.stack([series[start : start + 6] for start in starts])
    assert inputs.shape == copied.shape and np.array_equal(inputs.read(np.array([4, 0])), copied[[4, 0]])
    rows, train = rows_of(inputs), np.arange(3)
    ahead = held(rows, train)
    monkeypatch.setattr("trainkit.data.series._SMALL", 0)
    reader = fitted(rows, train).held(rows, np.array([1, 4, 2])).values
    assert np.array_equal(reader.read(np.array([2, 0])), ahead[[2, 1]]) and reader.shape == (3, 6, 2)
    digest = reader.digest(np.array([0, 1]))
    series[43] += 1  # in no window
    assert reader.digest(np.array([0, 1])) == digest
    series[45] += 1  # in the last window
    assert reader.digest(np.array([0, 1])) != digest and reader.digest(np.array([0])) == inputs.digest(np.array([1]))


def test_each_step_counts_once() -> None:
    series = np.array([100.0, 0, 1, 2, 3, 4, 5, 50, 50])[:, None]
    found = fitted(rows_of(Windows(series, np.array([1, 2, 3, 4, 6]), 3)), np.arange(4))
    assert found.mean.tolist() == [2.5] and found.scale == pytest.approx(np.std([0, 1, 2, 3, 4, 5]))


# --- the source


@pytest.fixture
def build(tmp_path: Path) -> Any:
    """Write this text and read it as series, to forecast ``y`` from two steps unless told."""

    def build(text: str, task: Any = None, **settings: Any) -> Rows:
        (tmp_path / "a.csv").write_text(text)
        use = {} if "label" in settings else {"target": "y", "window": 2}
        return sources.read({"name": "series", "path": str(tmp_path / "a.csv"), **use, **settings}).build(task)

    return build


@pytest.fixture
def refusal(build: Any, tmp_path: Path) -> Any:
    def refusal(text: str, error: type[TrainkitError] = DataError, **settings: Any) -> str:
        with pytest.raises(error) as caught:
            build(text, **settings)
        assert caught.value.problems[0].key[0] == "data"
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refusal


def table(**columns: Any) -> str:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


PLAIN = table(t=range(8), y=[10 * n for n in range(8)], x=[n / 2 for n in range(8)])


def windows(rows: Rows) -> Any:
    return rows.inputs.read(np.arange(len(rows))).tolist()


def test_the_next_value(build: Any) -> None:
    rows = build(PLAIN)
    assert windows(rows)[0] == [[0], [10]] and windows(rows)[-1] == [[50], [60]] and len(rows) == 6
    assert rows.targets.tolist() == [[20], [30], [40], [50], [60], [70]] and rows.target_names == ("y +1",)
    assert rows.kind == "sequence" and rows.target_kind == "number" and rows.place(1).endswith("a.csv: row 2")


def test_several_steps_targets_inputs_a_gap_and_a_stride(build: Any) -> None:
    rows = build(PLAIN, target=["y", "x"], horizon=2, gap=1, stride=2)
    assert windows(rows) == [[[0, 0], [10, 0.5]], [[20, 1], [30, 1.5]]]
    assert rows.targets.tolist() == [[30, 40, 1.5, 2], [50, 60, 2.5, 3]]
    assert rows.target_names == ("y +2", "y +3", "x +2", "x +3")
    more = build(PLAIN, columns=["x", "t"])
    assert windows(more)[0] == [[0, 0, 0], [10, 1, 0.5]] and more.target_names == ("y +1",)
    assert windows(build(PLAIN, columns=["*"], time="t")) == windows(build(PLAIN, columns=["x"]))


def test_rows_are_sorted_by_time_and_columns_may_stand_anyhow(build: Any) -> None:
    lines = PLAIN.splitlines()
    mixed = "\n".join([lines[0], *(lines[n] for n in (3, 8, 1, 6, 2, 5, 7, 4))])
    rows, plain = build(mixed, time="t", columns=["x"]), build(PLAIN, time="t", columns=["x"])
    assert windows(rows) == windows(plain) and np.array_equal(rows.targets, plain.targets)
    assert rows.place(0).endswith("row 3") and rows.extra.equals(plain.extra)
    turned = "\n".join(",".join(reversed(line.split(","))) for line in lines)
    assert windows(build(turned, columns=["x", "t"])) == windows(build(PLAIN, columns=["x", "t"]))


WRITTEN = {
    "days": ["2024-02-28", "2024-02-29", "2024-03-01"],
    "months": ["1999-11", "1999-12", "2000-01"],
    "European": ["28.2.2024", "1.3.2024", "2.3.2024"],
    "British": ["28/02/2024", "29/02/2024", "01/03/2024"],
    "American": ["2/28/2024", "2/29/2024", "3/1/2024"],
    "minutes": ["2024-01-01 09:59", "2024-01-01 10:00", "2024-01-01T10:01"],
    "seconds": ["2024-01-01T09:59:59.5", "2024-01-01T10:00:00", "2024-01-01 10:00:01"],
    "zones with seconds": ["2024-10-27T02:30:00.5+0230", "2024-10-27T00:00:01-01", "2024-10-27 01:30:00 Z"],
    "European minutes": ["31.1.2024 10:00", "1.2.2024 9:59", "1.2.2024 10:00"],
    "zones": ["2024-10-27T02:30:00+02:00", "2024-10-27T02:00:00+01:00", "2024-10-27T01:30:00Z"],
    "numbers": ["9", "10", "11.5"],
    "nanoseconds": ["1700000000000000001", "1700000000000000002", "1700000000000000003"],
}


@pytest.mark.parametrize("moments", WRITTEN.values(), ids=WRITTEN)
def test_moments_are_written_in_many_ways(build: Any, moments: list[str]) -> None:
    rows = build(table(t=[moments[n] for n in (2, 0, 1)], y=[3, 1, 2]), time="t")
    assert windows(rows) == [[[1], [2]]] and rows.targets.tolist() == [[3]]


def test_windows_do_not_cross_groups(build: Any) -> None:
    text = table(g=["a", "b"] * 4 + ["c"], t=[0, 0, 1, 1, 2, 2, 3, 3, 0], y=[0, 100, 1, 101, 2, 102, 3, 103, 200])
    for settings in ({}, {"time": "t"}):
        rows = build(text, group="g", **settings)
        assert windows(rows) == [[[0], [1]], [[1], [2]], [[100], [101]], [[101], [102]]]
        assert rows.targets.ravel().tolist() == [2, 3, 102, 103] and rows.extra["g"].to_list() == ["a", "a", "b", "b"]
        assert rows.extra["target_begins"].to_list() == rows.extra["target_ends"].to_list() == [2, 3, 2, 3]


def test_each_file_is_a_series_of_its_own(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 100)):
        (tmp_path / f"{name}.csv").write_text(table(y=range(first, first + 4)))
    settings = {"name": "series", "target": "y", "window": 2}
    rows = sources.read({**settings, "path": str(tmp_path / "*.csv")}).build(None)
    assert windows(rows) == [[[0], [1]], [[1], [2]], [[100], [101]], [[101], [102]]]
    files = sources.read({**settings, "path": {"train": str(tmp_path / "a.csv"), "test": str(tmp_path / "b.csv")}})
    splits = files.build(None).splits or {}
    assert files.given == ("test",) and {name: index.tolist() for name, index in splits.items()} == {
        "train": [0, 1],
        "test": [2, 3],
    }


@pytest.mark.parametrize("horizon", [1, 3])
def test_nothing_trains_on_what_comes_later(build: Any, horizon: int) -> None:
    """Values are their moments: so a window's own numbers say what it has seen."""
    rows = build(table(t=range(100, 160), y=range(60)), time="t", window=5, horizon=horizon)
    splits = prepare(rows, preprocessing.read({"name": "series", "scaling": "none"}), Shares(0.2, 0.2), seed=0).splits
    touched = {name: rows.targets[split.rows.numpy()] for name, split in splits.items()}
    assert touched["train"].max() < touched["validation"].min() <= touched["validation"].max() < touched["test"].min()
    assert splits["train"].held.values.max() < touched["train"].max()
    assert sum(map(len, touched.values())) == len(rows) - 2 * (horizon - 1)


def test_what_later_values_are_changes_nothing_that_is_learnt(build: Any) -> None:
    part, values = preprocessing.read("series"), RANDOM.rand(60).tolist()

    def learnt(values: list[float]) -> Any:
        data = prepare(build(table(y=values), window=5), part, Shares(0.2, 0.2), seed=0)
        return data.fitted, data["train"].held.values, data["train"].targets

    first = int(build(table(y=values), window=5).extra["target_begins"].max()) - 20
    one, other = learnt(values), learnt([*values[:first], *(value * -50 for value in values[first:])])
    assert repr(one) == repr(other)


def test_gaps_in_what_is_to_be_forecast(build: Any, refusal: Any) -> None:
    text = PLAIN.replace("40,", "NA,")
    assert "a.csv: row 5, column 'y' has no value, and is to be forecast. Fill it, or leave out such windows" in refusal(text)
    rows = build(text, drop_missing_targets=True)
    assert rows.targets.ravel().tolist() == [20, 30, 50, 60, 70] and np.isnan(rows.inputs.read(np.array([3]))[0, 0, 0])
    assert "no window has all of its targets" in refusal(table(y=[1, 2, "NA", "NA"]), drop_missing_targets=True)


@pytest.mark.parametrize(("text", "settings", "words"), [
    (PLAIN, {"target": "z"}, "a.csv has no column 'z'. There are: t, x, y."),
    (PLAIN, {"columns": ["sensor_*"]}, "a.csv has no column 'sensor_*'."),
    (PLAIN, {"time": "when"}, "a.csv has no column 'when'."),
    (PLAIN, {"group": "G"}, "a.csv has no column 'G'."),
    (PLAIN.replace("2.5", "abc"), {"columns": ["x"]}, "a.csv: row 6, column 'x': 'abc' is not a usable number."),
    (PLAIN.replace("2.5", "inf"), {"columns": ["x"]}, "a.csv: row 6, column 'x': 'inf' is not a usable number."),
    (table(y=range(4), x=[""] * 4), {"columns": ["x"]}, "a.csv: column 'x' holds no value at all."),
    (PLAIN.replace("\n3,", "\n2,"), {"time": "t"}, "a.csv: row 3 and a.csv: row 4 are of the same moment, 2. Leave one out; or"),
    (PLAIN.replace("\n3,", "\nsoon,"), {"time": "t"}, "a.csv: row 4, column 't': 'soon' is neither a number nor a date. Write"),
    (PLAIN.replace("\n3,", "\n,"), {"time": "t"}, "a.csv: row 4, column 't' has no value."),
    (PLAIN.replace("\n3,", "\ninf,"), {"time": "t"}, "a.csv: row 4, column 't': 'inf' is neither a number nor a date."),
    (table(t=["1/2/2024", "1/3/2024", "1/4/2024"], y=range(3)), {"time": "t"}, "of which the day might be the month."),
    (PLAIN, {"window": 8}, "the longest series has 8 steps, too few for a single window. A window of 8 and a horizon of 1 need 9."),
    (table(g=["a", ""], y=[1, 2]), {"group": "g"}, "a.csv: row 2, column 'g' has no value"),
])  # fmt: skip
def test_tables_that_cannot_be_used(refusal: Any, text: str, settings: Any, words: str) -> None:
    assert words in refusal(text, **settings)


@pytest.mark.parametrize(("settings", "words"), [
    ({"target": "y"}, "how many steps does the network see"), ({"target": "y", "window": 0}, "greater than 0"),
    ({"target": "y", "label": "z", "window": 2}, "say one of them"), ({"group": "g"}, "needs a target to forecast, or a label"),
    ({"label": "z", "horizon": 2}, "is of forecasts"), ({"target": [], "window": 2}, "at least 1"),
])  # fmt: skip
def test_settings_that_do_not_fit(settings: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        sources.read({"name": "series", "path": "a.csv", **settings})


def test_a_forecast_is_an_amount(refusal: Any) -> None:
    assert "forecast as an amount. Use `task: regression`" in refusal(PLAIN, ConfigError, task="class")


# --- whole sequences

WHOLE = table(
    g=["a", "b", "a", "b", "a", "c"], t=[0, 0, 1, 1, 2, 9], v=[1, 10, 2, 20, 3, 7], kind=["up", "down"] * 2 + ["up", "up"]
)


def test_a_row_for_each_group(build: Any, tmp_path: Path) -> None:
    rows = build(WHOLE, label="kind", group="g", time="t")
    assert rows.inputs[:, :, 0].tolist() == [[1, 2, 3], [10, 20, 0], [7, 0, 0]] and rows.lengths.tolist() == [3, 2, 1]
    assert rows.targets.tolist() == ["up", "down", "up"] and rows.target_kind == "class" and rows.target_names == ("kind",)
    assert rows.place(1) == f"{tmp_path / 'a.csv'}: g b" and rows.extra["g"].to_list() == ["a", "b", "c"]
    last = build(WHOLE, label="kind", group="g", time="t", window=2)
    assert last.inputs[:, :, 0].tolist() == [[2, 3], [10, 20], [7, 0]] and last.lengths.tolist() == [2, 2, 1]
    assert build(WHOLE, label="kind", group="g", time="t", window=1).lengths.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("labels", "task", "kind", "first"), [
    (["1.5", "2.5"], None, "number", [1.5]), (["1", "2"], "class", "class", "1"), (["1", "2"], "number", "number", [1.0]),
])  # fmt: skip
def test_labels_of_sequences(build: Any, labels: list[str], task: Any, kind: str, first: Any) -> None:
    rows = build(table(g=[0, 0, 1, 1], v=range(4), kind=[labels[0]] * 2 + [labels[1]] * 2), task, label="kind", group="g")
    assert rows.target_kind == kind and rows.targets[0].tolist() if kind == "number" else rows.targets[0] == first
    assert rows.targets.shape == ((2, 1) if kind == "number" else (2,))


@pytest.mark.parametrize(("text", "settings", "error", "words"), [
    (WHOLE.replace("2,3,up", "2,3,down"), {}, DataError,
     "a.csv: row 1 says 'up' in column 'kind', and a.csv: row 5 of the same series 'down'."),
    (WHOLE.replace("2,3,up", "2,3,"), {}, DataError, "a.csv: row 5, column 'kind' has no value."),
    (WHOLE.replace("up", "1").replace("down", "0"), {}, ConfigError, "holds whole numbers: are they classes or amounts?"),
    (WHOLE, {"task": "labels"}, ConfigError, "a sequence has one label here."),
    (WHOLE, {"columns": ["kinds"]}, DataError, "a.csv has no column 'kinds'."),
])  # fmt: skip
def test_sequences_that_cannot_be_used(refusal: Any, text: str, settings: Any, error: Any, words: str) -> None:
    assert words in refusal(text, error, label="kind", group="g", time="t", **settings)


def test_a_mistake_among_the_amounts_of_sequences(refusal: Any) -> None:
    text = table(g=range(20), v=range(20), kind=[*(n / 2 for n in range(19)), "oops"])
    assert "a.csv: row 20, target 'kind': 'oops' is not a usable number" in refusal(text, label="kind", group="g")


@pytest.mark.parametrize("test", [[1, 2], [1, 2, 3, 4], [1, 2, 3], [-5, 1e6, 3]])
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_other_files_teach_nothing_about_sequences(tmp_path: Path, test: list[float], scaling: str) -> None:
    def learnt(test: list[float]) -> tuple[Any, Rows, Any]:
        series: dict[str, list[list[float]]] = {"train": [[1, 2, 3], [5, 6, 8]], "test": [test]}
        for name, groups in series.items():
            steps = [(g, value, "ab"[g]) for g, values in enumerate(groups) for value in values]
            (tmp_path / f"{name}.csv").write_text("g,v,kind\n" + "".join(f"{g},{value},{kind}\n" for g, value, kind in steps))
        files = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
        rows = sources.read({"name": "series", "path": files, "label": "kind", "group": "g"}).build("class")
        assert rows.splits is not None
        return fitted(rows, rows.splits["train"], scaling=scaling), rows, rows.splits

    (one, *_), (other, rows, splits) = learnt([9, 9, 9]), learnt(test)
    kept, again = one.content(), other.content()
    assert kept.keys() == again.keys() and all(np.array_equal(kept[name], again[name]) for name in kept)
    assert one.spec() == other.spec() == {"shape": (3, 1), "varying": False}
    assert other.held(rows, splits["train"]).values.shape == (2, 3, 1)
    if len(test) != 3:
        with pytest.raises(DataError, match=f"g 0 has {len(test)} steps, and every row of the training split 3"):
            other.held(rows, splits["test"])


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name, values in (("sit/1", [1, 2]), ("sit/2", [3]), ("walk/1", [9, 8, 7])):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text(table(v=values))
    source = sources.read({"name": "series", "path": str(tmp_path)})
    rows = source.build(None)
    assert rows.targets.tolist() == ["sit", "sit", "walk"] and rows.lengths is not None
    assert rows.lengths.tolist() == [2, 1, 3]
    assert rows.inputs[:, :, 0].tolist() == [[1, 2, 0], [3, 0, 0], [9, 8, 7]]
    assert rows.place(2) == str(tmp_path / "walk/1.csv")
    found = list(source.fresh([str(tmp_path / "walk"), str(tmp_path)], 2))
    assert [len(rows) for rows in found] == [1, 2, 1] and found[1].lengths is not None and found[0].targets.shape == (1, 0)
    with pytest.raises(ConfigError, match="the name of a file's folder is its class"):
        source.build("number")


def test_one_long_sequence_does_not_fill_the_memory(build: Any, refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainkit.parts.sources.series._PADDED", 100)
    text = table(g=[0] * 50 + list(range(1, 10)), v=range(59), kind=["a"] * 59)
    assert "a.csv: g 0 has 50 steps, and most series far fewer" in refusal(text, label="kind", group="g")
    assert build(text, label="kind", group="g", window=5).inputs.shape == (10, 5, 1)


# --- new rows


def test_new_files_may_have_other_columns_beside(build: Any, tmp_path: Path) -> None:
    rows = build(table(g=[0, 0, 1, 1], v=[1, 2, 3, 5], w=[9, 8, 7, 5], kind=list("aabb")), label="kind", group="g")
    taught, source = fitted(rows), sources.read({"name": "series", "path": str(tmp_path / "a.csv"), "label": "kind", "group": "g"})

    def held(**columns: Any) -> Any:
        (tmp_path / "new.csv").write_text(table(**columns))
        (found,) = source.fresh([str(tmp_path / "new.csv")], 9)
        return taught.held(found, np.arange(len(found))).values.tolist()

    assert rows.features == ("v", "w")
    wanted = held(g=[0, 0], v=[1, 2], w=[9, 8])
    assert held(note=["x", "y"], w=[9, 8], a=[0, 0], v=[1, 2], g=[0, 0], z=["", ""]) == wanted
    with pytest.raises(DataError, match=r"new.csv: column 'w' is missing. There are: u, v."):
        held(g=[0, 0], v=[1, 2], u=[9, 8])
    with pytest.raises(DataError, match=r"new.csv: row 2, column 'w': 'x' is not a usable number."):
        held(g=[0, 0], v=[1, 2], w=[9, "x"])


def test_the_forecast_of_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    text = table(g=["a", "b"] * 3, t=[0, 0, 1, 1, 2, 2], y=[1, 10, 2, 20, 3, 30])
    (tmp_path / "a.csv").write_text(text)
    source = sources.read(
        {"name": "series", "path": "none.csv", "target": "y", "window": 2, "group": "g", "time": "t", "horizon": 9}
    )
    one, two = source.fresh([str(tmp_path / "a.csv")], 1)
    assert one.inputs.tolist() == [[[2], [3]]] and two.inputs.tolist() == [[[20], [30]]] and one.targets.shape == (1, 0)
    assert two.place(0) == f"{tmp_path / 'a.csv'}: g b"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    (both,) = source.fresh(["-"], 10)
    assert both.inputs.tolist() == [[[2], [3]], [[20], [30]]]
    (tmp_path / "a.csv").write_text("g,t,y\na,0,1\n")
    with pytest.raises(DataError, match=r"a\.csv: g a has 1 steps, and a window 2\."):
        list(source.fresh([str(tmp_path / "a.csv")], 10))


def test_the_sunspots_that_ship() -> None:
    path = Path(__file__).parent.parent / "configs" / "data" / "sunspots.csv"
    rows = sources.read({"name": "series", "path": str(path), "time": "year", "target": "sunspots", "window": 22}).build(None)
    assert len(rows) == 309 - 22 and rows.targets.max() == 190.2 and windows(rows)[0][:3] == [[5], [11], [16]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("shop", "'shop' is data.group: it cannot be an input too."),
        ("day", "'day' is data.time: it cannot be an input too."),
        ("sales", "'sales' is data.target: its past is an input anyway."),
    ],
)
def test_an_input_that_is_something_else_already(column: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,shop,sales,heat\n" + "".join(f"{n},a,{n},{n}\n" for n in range(9)))
    settings = {"name": "series", "path": str(tmp_path / "a.csv"), "target": "sales", "window": 2, "time": "day", "group": "shop"}
    with pytest.raises(ConfigError) as caught:
        sources.read({**settings, "columns": ["heat", column]}).build(None)
    (problem,) = caught.value.problems
    assert (problem.message, problem.key) == (words, ("data", "columns", 1))


MONTHS = [f"20{year}-{month:02d}-01" for year in (21, 22) for month in range(1, 13)]


@pytest.mark.parametrize(
    ("moments", "left_out", "holes"),
    [
        (MONTHS, (), []),
        (MONTHS, (5, 14, 15), [(1, "row 5", "row 6"), (2, "row 13", "row 14")]),
        ([f"2024-01-{day:02d}" for day in range(1, 29) if day % 7 < 5], (), []),  # weekends are none
        (range(20, 0, -1), (4,), [(1, "row 5", "row 4")]),
        (np.cumsum([1, 5, 2, 9, 3, 7, 1, 40, 2, 6, 3, 8, 2]).tolist(), (), []),  # regular nowhere
    ],
)
def test_missing_steps_of_a_regular_series(moments: Any, left_out: Any, holes: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    kept = [moment for n, moment in enumerate(moments) if n not in left_out]
    path.write_text("day,sales\n" + "".join(f"{moment},{n}\n" for n, moment in enumerate(kept)))
    source = sources.read({"name": "series", "path": str(path), "target": "sales", "window": 2, "time": "day"})
    assert source.holes() == [(count, f"{path}: {before}", f"{path}: {after}") for count, before, after in holes]  # type: ignore[attr-defined]
