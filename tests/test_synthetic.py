"""The source that makes rows: the same rows each time, of the shape and difficulty that was asked for, or a fault at its place."""

import subprocess
import sys
from inspect import signature
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import make_blobs, make_circles, make_classification, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from tests.helpers import make_config
from trainkit.errors import ConfigError
from trainkit.part import field_help
from trainkit.parts.sources import _making, sources
from trainkit.parts.sources.synthetic import KINDS, Synthetic
from trainkit.spec import Rows


def make(kind: str, **settings: Any) -> Rows:
    return sources.read({"name": "synthetic", "kind": kind, **settings}).build(None)


def accuracy(estimator: Any, rows: Rows, inputs: Any = None) -> float:
    return float(cross_val_score(estimator, rows.inputs if inputs is None else inputs, rows.targets.astype(int)).mean())


# --- settings


def test_each_kind_is_made_from_exactly_its_settings() -> None:
    assert set(KINDS) == set(get_args(Synthetic.model_fields["kind"].annotation))
    for kind, settings in KINDS.items():
        assert set(signature(getattr(_making, kind)).parameters) == {*settings, "seed"}, kind


def test_help_tells_the_kinds_and_their_defaults() -> None:
    words = field_help(Synthetic)
    for kind, settings in KINDS.items():
        for key, value in settings.items():
            told = words[key].startswith("All kinds but") or kind in words[key]
            assert told and (value is None or f"{value}" in words[key]), (kind, key)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_back_holds_the_kind_s_settings_and_no_other(kind: str) -> None:
    part = sources.read({"name": "synthetic", "kind": kind})
    written = part.model_dump(mode="json")
    assert written == {"name": "synthetic", "kind": kind, "seed": 0} | {k: v for k, v in KINDS[kind].items() if v is not None}
    assert sources.read(written) == part and make_config([f"data={{name: synthetic, kind: {kind}}}"]).data == part
    assert sources.read({**written, next(iter(KINDS[kind])): None}) == part


@pytest.mark.parametrize(("settings", "key", "words"), [
    ("kind: moons, degree: 3", "degree", "degree is a setting of kind polynomial, not of moons; moons has: rows, noise, seed."),
    ("informative: 0, labels: 3", "labels", "of kind multilabel, not of classification; classification has: rows, features, inf"),
    ("kind: tokens, noise: 1.0", "noise", "moons, circles, blobs, xor, polynomial, sequences, not of tokens; tokens has: rows, "),
    ("kind: polynomial, rows: 9", "rows", "polynomial has: train_rows, validation_rows, test_rows, degree, noise, seed."),
    ("kind: moon", "kind", "Did you mean moons?"), ("kind: 3", "kind", "not 3."), ("kind: [moons]", "kind", "not [moons]."),
    ("kind: moons, nois: 0.1", "nois", "nois is not a setting of synthetic. Did you mean noise?"),
    ("kind: moons, noise: -0.1", "noise", "should be at least 0, not -0.1."),
    ("rows: 1", "rows", "should be at least 2, not 1."), ("seed: 4294967296", "seed", "should be less than"),
    ("rows: 9, classes: 10", "classes", "9 rows cannot show 10 classes."),
    ("kind: sequences, rows: 9, classes: 10", "classes", "9 rows cannot show 10 classes."),
    ("kind: multilabel, rows: 9, labels: 10", "labels", "9 rows cannot show 10 labels."),
    ("features: 5, informative: 6", "informative", "6 columns would have to be informative, and features are 5."),
    ("kind: regression, informative: 11", "informative", "11 columns would have to be informative, and features are 10."),
    ("features: 2, classes: 3", "informative", "3 columns would have to be informative, and features are 2."),
    ("informative: 2, classes: 3", "informative", "3 classes are 6 clusters, each in a corner of its own: this needs 3 inform"),
    ("kind: regression, informative: 0, noise: 0.0", "noise", "the target is always 0."),
    ("kind: sequences, steps: 5", "shortest", "the shortest row would have 10 steps, and the longest has 5."),
    ("kind: tokens, shortest: 3, classes: 4", "shortest", "row holds the markers of all 4 classes: it needs 4 steps at least."),
    ("kind: tokens, vocabulary: 2", "vocabulary", "the first 2 are markers, one a class, and at least one more must lie between."),
])  # fmt: skip
def test_what_cannot_be_made(settings: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config([f"data={{name: synthetic, {settings}}}"])
    (problem,) = caught.value.problems
    assert words in str(problem) and problem.key == ("data", key)
    written = settings.partition(f"{key}: ")[2]
    if written:
        assert problem.quoted and problem.column
        assert problem.quoted[problem.column - 1 :].removeprefix(f"{key}: ").startswith(written)


@pytest.mark.parametrize("value", [True, "3", 2.5])
def test_a_count_is_a_whole_number(value: Any) -> None:
    with pytest.raises(ValidationError):
        sources.read({"name": "synthetic", "rows": value})


def test_reading_and_refusing_need_neither_numpy_nor_scikit_learn() -> None:
    code = (
        "import sys; from trainkit.parts.sources import sources; sources.read('synthetic')\n"
        "try: sources.read({'name': 'synthetic', 'classes': 9, 'informative': 2})\n"
        "except ValueError: print(sorted({'numpy', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- rows


@pytest.mark.parametrize(("kind", "settings", "shape", "classes"), [
    ("classification", {}, (1000, 20), 2), ("classification", {"rows": 90, "features": 3, "classes": 4}, (90, 3), 4),
    ("moons", {}, (1000, 2), 2), ("circles", {"rows": 101}, (101, 2), 2), ("xor", {"rows": 402}, (402, 2), 2),
    ("blobs", {}, (1000, 2), 3), ("blobs", {"rows": 60, "features": 7, "classes": 5}, (60, 7), 5),
    ("sequences", {}, (1000, 30, 1), 2), ("sequences", {"rows": 90, "steps": 12, "features": 3, "classes": 4}, (90, 12, 3), 4),
    ("tokens", {}, (1000, 20), 2), ("tokens", {"rows": 90, "steps": 7, "classes": 5}, (90, 7), 5),
])  # fmt: skip
def test_classes(kind: str, settings: dict[str, Any], shape: tuple[int, ...], classes: int) -> None:
    rows = make(kind, **settings)
    assert isinstance(rows.inputs, np.ndarray) and rows.inputs.shape == shape and np.isfinite(rows.inputs).all()
    assert rows.kind == {"sequences": "sequence", "tokens": "tokens"}.get(kind, "table")
    assert rows.inputs.dtype == (np.int64 if kind == "tokens" else np.float64)
    assert rows.target_kind == "class" and rows.targets.shape == (shape[0],) and rows.targets.dtype == object
    names, counts = np.unique(rows.targets.astype(str), return_counts=True)
    assert names.tolist() == [str(number) for number in range(classes)]
    assert counts.max() - counts.min() <= (0.05 * shape[0] if kind == "classification" else 1 + (kind == "xor"))
    assert rows.splits is None and (rows.lengths is None) == (rows.kind == "table") and rows.file is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_rows(kind: str) -> None:
    np.random.seed(1)
    one = make(kind)
    np.random.seed(2)
    same, other = make(kind), make(kind, seed=1)
    assert np.array_equal(one.inputs, same.inputs) and (one.targets == same.targets).all()
    assert not (one.targets == other.targets).all()
    if one.lengths is not None and same.lengths is not None and other.lengths is not None:
        assert (one.lengths == same.lengths).all() and not (one.lengths == other.lengths).all()


EQUAL: list[tuple[str, dict[str, Any], Any]] = [
    (
        "classification",
        {"rows": 1000, "features": 20, "classes": 2, "seed": 42},
        lambda: make_classification(n_samples=1000, n_features=20, n_classes=2, random_state=42),
    ),
    (
        "classification",
        {"features": 9, "informative": 5, "classes": 7},
        lambda: make_classification(1000, 9, n_informative=5, n_classes=7, random_state=0),
    ),
    ("moons", {"noise": 0.3, "seed": 5}, lambda: make_moons(1000, noise=0.3, random_state=5)),
    ("circles", {}, lambda: make_circles(1000, noise=0.1, factor=0.5, random_state=0)),
    ("blobs", {"classes": 4, "seed": 3}, lambda: make_blobs(1000, centers=4, random_state=3)),
]


@pytest.mark.parametrize(("kind", "settings", "other"), EQUAL)
def test_equal_to_scikit_learn_bit_for_bit(kind: str, settings: dict[str, Any], other: Any) -> None:
    rows, (inputs, targets) = make(kind, **settings), other()
    assert np.array_equal(rows.inputs, inputs)
    assert (rows.targets == targets.astype(str)).all()


@pytest.mark.parametrize("seed", range(3))
def test_regression_is_a_weighted_sum_and_noise(seed: int) -> None:
    rows = make("regression", rows=4000, features=8, informative=3, noise=0.5, seed=seed)
    assert rows.inputs.shape == (4000, 8) and rows.targets.shape == (4000, 1) and rows.target_kind == "number"
    fit = LinearRegression().fit(rows.inputs, rows.targets)
    assert np.abs(fit.coef_[0, 3:]).max() < 0.05 and np.linalg.norm(fit.coef_) == pytest.approx(1, abs=0.05)
    assert (rows.targets - fit.predict(rows.inputs)).std() == pytest.approx(0.5, abs=0.05)


def test_regression_that_is_noise_alone() -> None:
    rows = make("regression", rows=20_000, features=10, informative=0, noise=1.0)
    assert rows.inputs.std() == pytest.approx(1, abs=0.02) and rows.targets.std() == pytest.approx(1, abs=0.02)
    assert LinearRegression().fit(rows.inputs, rows.targets).score(rows.inputs, rows.targets) < 0.002


def test_all_columns_are_informative_where_nothing_is_written() -> None:
    rows = make("regression", features=4, noise=0.0)
    assert np.abs(LinearRegression().fit(rows.inputs, rows.targets).coef_).min() > 0.01


@pytest.mark.parametrize(("rows", "labels", "seed"), [(1000, 5, 0), (40, 12, 0), (6, 6, 1), (1000, 1, 0)])
def test_every_label_occurs(rows: int, labels: int, seed: int) -> None:
    found = make("multilabel", rows=rows, labels=labels, seed=seed)
    assert found.target_kind == "labels" and found.targets.shape == (rows, labels) and set(found.targets.flat) <= {0, 1}
    assert (
        found.inputs.shape == (rows, 20)
        and found.targets.any(axis=0).all()
        and found.target_names == tuple(f"label_{n}" for n in range(labels))
    )


# --- points of a line


def test_polynomial_makes_its_own_splits() -> None:
    rows = make("polynomial", validation_rows=7, test_rows=3)
    assert rows.splits is not None and {name: part.tolist() for name, part in rows.splits.items()} == {
        "train": [0, 1, 2, 3, 4], "validation": [*range(5, 12)], "test": [12, 13, 14],
    }  # fmt: skip
    x = np.asarray(rows.inputs)[:, 0]
    assert x[:5].tolist() == [-1, -0.5, 0, 0.5, 1] and (np.abs(x) <= 1).all() and rows.inputs.shape == (15, 6)
    assert np.allclose(rows.inputs, np.cos(np.arange(1, 7) * np.arccos(x)[:, None]))
    assert np.allclose(make("polynomial", noise=0.0).targets[:, 0], make("polynomial").inputs[:, 0])


def test_the_points_do_not_depend_on_the_degree_nor_on_each_other_s_count() -> None:
    line, curve, more = make("polynomial", degree=1), make("polynomial"), make("polynomial", train_rows=500, test_rows=9)
    assert line.inputs.shape == (105, 1) and (line.inputs[:, 0] == curve.inputs[:, 0]).all()
    assert (line.targets == curve.targets).all()
    assert (more.targets[500:550] == line.targets[5:55]).all() and (more.inputs[500:550, 0] == line.inputs[5:55, 0]).all()


def errors(seed: int, **settings: Any) -> tuple[float, float]:
    """Mean squared errors in training and validation, after gradient descent from small weights to its end, all standardised."""
    rows = make("polynomial", seed=seed, **settings)
    assert rows.splits is not None and isinstance(rows.inputs, np.ndarray)
    train, validation = rows.splits["train"], rows.splits["validation"]
    inputs, targets = ((every - every[train].mean(axis=0)) / every[train].std(axis=0) for every in (rows.inputs, rows.targets))
    weights = np.linalg.pinv(inputs[train]) @ targets[train]
    wrong = (inputs @ weights - targets) ** 2
    return float(wrong[train].mean()), float(wrong[validation].mean())


def test_seven_parameters_through_five_points_are_worse_than_a_line() -> None:
    curves, lines = ([errors(seed, **settings) for seed in range(20)] for settings in ({}, {"degree": 1}))
    ratios = [curve[1] / line[1] for curve, line in zip(curves, lines, strict=True)]
    assert max(train for train, _ in curves) < 1e-12 and sum(ratio > 3 for ratio in ratios) >= 19 and np.median(ratios) > 10
    assert np.median([errors(seed, train_rows=500)[1] for seed in range(5)]) < 1.2 * np.median([line[1] for line in lines])


# --- sequences


@pytest.mark.parametrize("kind", ["sequences", "tokens"])
def test_lengths(kind: str) -> None:
    rows = make(kind, steps=12, shortest=4)
    assert rows.lengths is not None and isinstance(rows.inputs, np.ndarray) and rows.lengths.dtype == np.int64
    assert rows.lengths.shape == (1000,) and set(rows.lengths) == set(range(4, 13))
    for row, length in zip(rows.inputs, rows.lengths, strict=True):
        assert not row[length:].any() and row[:length].any()
    same = make(kind, steps=12, shortest=12)
    assert same.lengths is not None and (same.lengths == 12).all()


def test_tokens_hold_each_marker_once_and_the_class_comes_first() -> None:
    rows = make("tokens", classes=3, vocabulary=9, steps=10)
    assert rows.lengths is not None and rows.vocabulary == 9
    for row, length, name in zip(rows.inputs, rows.lengths, rows.targets, strict=True):
        real = row[:length].tolist()
        markers = [token for token in real if token < 3]
        assert sorted(markers) == [0, 1, 2] and str(markers[0]) == name
    assert set(np.unique(rows.inputs)) == set(range(9))
    tight = make("tokens", classes=3, shortest=3, steps=3, vocabulary=4, rows=60)
    assert (np.sort(tight.inputs, axis=1) == [0, 1, 2]).all()


def test_waves_swing_faster_with_the_class() -> None:
    rows = make("sequences", classes=3, steps=48, shortest=48, features=2, noise=0.05)
    spectrum = np.abs(np.fft.rfft(rows.inputs, axis=1)).argmax(axis=1)  # waves in 48 steps
    assert (spectrum == (rows.targets.astype(int)[:, None] + 1) * 4).all()


# --- as difficult as they should be


@pytest.mark.parametrize(("kind", "line"), [("moons", (0.8, 0.92)), ("circles", (0.3, 0.6)), ("xor", (0.3, 0.6))])
def test_no_line_tells_them_apart_and_neighbours_do(kind: str, line: tuple[float, float]) -> None:
    rows = make(kind)
    assert line[0] < accuracy(LogisticRegression(), rows) < line[1] and accuracy(KNeighborsClassifier(), rows) > 0.95


@pytest.mark.parametrize(("kind", "least"), [("classification", 0.85), ("blobs", 0.9)])
def test_a_line_tells_them_apart(kind: str, least: float) -> None:
    assert accuracy(LogisticRegression(), make(kind)) > least


def test_tokens_need_their_order() -> None:
    rows = make("tokens")
    assert rows.lengths is not None
    counts = np.stack([np.bincount(row[:length], minlength=20) for row, length in zip(rows.inputs, rows.lengths, strict=True)])
    assert accuracy(LogisticRegression(), rows, counts) < 0.6 and accuracy(LogisticRegression(), rows, rows.lengths[:, None]) < 0.6
    first = np.stack([np.argmax(rows.inputs == marker, axis=1) for marker in range(2)], axis=1)
    assert accuracy(LogisticRegression(), rows, first) > 0.99


def test_sequences_need_their_order() -> None:
    rows = make("sequences", shortest=30)
    assert isinstance(rows.inputs, np.ndarray)
    flat = rows.inputs[:, :, 0]
    assert accuracy(LogisticRegression(), rows, flat) < 0.65
    assert accuracy(LogisticRegression(), rows, np.abs(np.fft.rfft(flat, axis=1))) > 0.99
    lengths = make("sequences").lengths
    assert lengths is not None and accuracy(LogisticRegression(), make("sequences"), lengths[:, None]) < 0.6


def test_labels_can_be_learned() -> None:
    rows = make("multilabel")
    assert rows.targets.sum(axis=1).mean() == pytest.approx(2, abs=0.1)
    for label in rows.targets.T:
        score = cross_val_score(LogisticRegression(max_iter=1000), rows.inputs, label).mean()
        assert max(label.mean(), 1 - label.mean()) < 0.66 and score > 0.8
