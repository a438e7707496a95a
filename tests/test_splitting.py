"""Splits: every row once, the sizes asked for, the same for the same seed, each class in its share."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trainkit.data.randomness import key
from trainkit.data.splitting import Shares, assign, limit, split
from trainkit.errors import ConfigError, DataError
from trainkit.spec import Rows


def labels(**sizes: int) -> Any:
    """Words, shuffled: ``labels(a=3, b=2)``."""
    names = np.array([name for name, size in sizes.items() for _ in range(size)], dtype=object)
    return np.random.RandomState(1).permutation(names)


def counts(words: Any, index: Any) -> dict[str, int]:
    return {str(name): int((words[index] == name).sum()) for name in np.unique(words.astype(str))}


@pytest.mark.parametrize(("rows", "validation", "test", "sizes"), [
    (100, 0.15, 0.15, (70, 15, 15)), (442, 0.15, 0.15, (310, 66, 66)), (10, 0.0, 0.3, (7, None, 3)),
    (10, 0.25, 0.0, (8, 2, None)), (7, 0.0, 0.0, (7, None, None)), (3, 0.4, 0.4, (1, 1, 1)),
])  # fmt: skip
@pytest.mark.parametrize("stratified", [False, True])
def test_sizes_and_every_row_once(rows: int, validation: float, test: float, sizes: Any, stratified: bool) -> None:
    words = labels(a=rows // 2, b=rows - rows // 2) if stratified and rows > 3 else None
    found = split(rows, words, validation=validation, test=test, seed=0)
    assert tuple(len(found[name]) if name in found else None for name in ("train", "validation", "test")) == sizes
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(rows))
    assert all((np.diff(index) > 0).all() for index in found.values())


def test_a_function_of_the_seed() -> None:
    first, again, other = (split(100, None, validation=0.2, test=0.2, seed=seed) for seed in (3, 3, 4))
    assert all((first[name] == again[name]).all() for name in first)
    assert not any((first[name] == other[name]).all() for name in first)


def test_rows_without_classes_are_pinned() -> None:
    """The split of a checkpoint must be found again by every later version, of numpy too."""
    found = split(12, None, validation=0.25, test=0.25, seed=0)
    assert {name: index.tolist() for name, index in found.items()} == {
        "train": [0, 4, 6, 7, 8, 9], "validation": [1, 2, 11], "test": [3, 5, 10],
    }  # fmt: skip
    assert limit(found["train"], None, 2, 0).tolist() == [0, 6]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_as_scikit_learn(seed: int) -> None:
    words = load_digits().target.astype(str).astype(object)
    found = split(len(words), words, validation=0.15, test=0.15, seed=seed)["test"]
    theirs, _ = train_test_split(
        np.arange(len(words)), train_size=270, stratify=words, random_state=key(seed, "split", "test") % 2**32
    )
    assert (found == np.sort(theirs)).all()


@pytest.mark.parametrize("sizes", [{"a": 500, "b": 300, "c": 200}, {"a": 997, "b": 3}, {"a": 333, "b": 333, "c": 334}])
def test_each_class_keeps_its_share(sizes: dict[str, int]) -> None:
    words = labels(**sizes)
    for name, index in split(1000, words, validation=0.2, test=0.1, seed=0).items():
        for word, size in counts(words, index).items():
            assert abs(size - max(1, sizes[word] * len(index) / 1000)) < 2, (name, word)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("validation", "test"), [(0.45, 0.45), (0.1, 0.5), (0.5, 0.1), (0.5, 0.0)])
def test_a_rare_class_is_in_every_split(validation: float, test: float, seed: int) -> None:
    words = labels(common=37, rare=3)
    for index in split(40, words, validation=validation, test=test, seed=seed).values():
        assert counts(words, index)["rare"] >= 1


@pytest.mark.parametrize(("rows", "words", "message", "key_"), [
    (3, None, "the validation split would be empty: 0.1 of 3 rows.", "split"),
    (10, labels(a=10), "the target has one class only, 'a'", "data"),
    (10, labels(a=9, b=1), "class 'b' has 1 row, fewer than the 3 splits.", "data"),
    (10, labels(a=8, b=2), "class 'b' has 2 rows, fewer than the 3 splits.", "data"),
    (10, labels(a=4, b=3, c=3), "the validation split would have 1 row for 3 classes.", "split"),
])  # fmt: skip
def test_what_cannot_be_split(rows: int, words: Any, message: str, key_: str) -> None:
    with pytest.raises(DataError) as caught:
        split(rows, words, validation=0.1, test=0.3, seed=0)
    problem = caught.value.problems[0]
    assert problem.message.startswith(message) and problem.key[0] == key_ and problem.suggestion


@pytest.mark.parametrize("rows", [2, 3, 50, 97, 98, 99, 100, 1000])
@pytest.mark.parametrize("words", [None, labels(a=90, b=10)])
def test_limit(rows: int, words: Any) -> None:
    train = np.arange(100)
    few = limit(train, words, rows, seed=0)
    assert len(few) == min(rows, 100) and len(set(few.tolist())) == len(few) and set(few) <= set(train)
    assert (few == limit(train, words, rows, seed=0)).all()
    assert words is None or abs(counts(words, few)["b"] - max(1, len(few) / 10)) <= 1


def test_a_limit_below_the_classes() -> None:
    with pytest.raises(DataError, match=r"^1 training row cannot show all 2 classes\. Allow 2 at least\.") as caught:
        limit(np.arange(100), labels(a=90, b=10), 1, seed=0)
    assert caught.value.problems[0].key == ("training", "limit")


def rows_with(columns: dict[str, Any], **more: Any) -> Rows:
    """Rows of one number each, split by these columns beside it."""
    count = len(next(iter(columns.values())))
    numbers = np.arange(count, dtype=float)
    return Rows(numbers[:, None], numbers[:, None], "table", "number", extra=pl.DataFrame(columns, strict=False), **more)


def test_a_column_says_which_split() -> None:
    words = ["train", "Test", " val ", "train", "validation", "dev", "training", "testing"]
    found = assign(rows_with({"part": words}), Shares(column="part"), 0)
    assert {name: index.tolist() for name, index in found.items()} == {
        "train": [0, 3, 6], "validation": [2, 4, 5], "test": [1, 7],
    }  # fmt: skip
    assert list(assign(rows_with({"part": ["train", "test"]}), Shares(column="part"), 0)) == ["train", "test"]


@pytest.mark.parametrize(("words", "said"), [
    (["train", "tset"], "row 2: column 'part' says 'tset', which is no split"),
    (["train", None], "row 2: column 'part' has no value"),
    (["test", "val"], "column 'part' sends no row to train"),
])  # fmt: skip
def test_a_column_that_does_not_say_it(words: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        assign(rows_with({"part": words}), Shares(column="part"), 0)


@pytest.mark.parametrize("setting", ["column", "group", "time"])
def test_a_column_that_is_not_there(setting: str) -> None:
    with pytest.raises(ConfigError, match="no such column") as caught:
        assign(rows_with({"here": [1, 2, 3]}), Shares(**{setting: "gone"}), 0)  # type: ignore[arg-type]
    assert caught.value.problems[0].key == ("split", setting) and "here" in str(caught.value.problems[0].suggestion)


@given(st.lists(st.integers(0, 12), min_size=30, max_size=80), st.integers(0, 5))
def test_no_group_is_in_two_splits_and_every_row_in_one(groups: list[int], seed: int) -> None:
    if len(set(groups)) < 3:
        return
    found = assign(rows_with({"who": groups}), Shares(group="who"), seed)
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(groups)))
    held = [{groups[row] for row in index} for index in found.values()]
    assert len(held) == 3 and all(held) and sum(map(len, held)) == len(set(groups))


def test_groups_fill_about_their_share_and_follow_the_seed() -> None:
    rows = rows_with({"who": [n // 5 for n in range(1000)]})
    sizes = {name: len(index) for name, index in assign(rows, Shares(group="who"), 0).items()}
    assert abs(sizes["test"] - 150) <= 5 and abs(sizes["validation"] - 150) <= 5
    tests = {tuple(assign(rows, Shares(group="who"), seed)["test"].tolist()) for seed in (0, 0, 1)}
    assert len(tests) == 2
    with pytest.raises(DataError, match="2 groups cannot fill 3 splits"):
        assign(rows_with({"who": [1, 1, 2, 2]}), Shares(group="who"), 0)


@pytest.mark.parametrize("seed", range(20))
def test_a_large_group_trains(seed: int) -> None:
    rows = rows_with({"who": ["large"] * 900 + ["small"] * 50 + ["other"] * 50})
    assert {name: len(index) for name, index in assign(rows, Shares(group="who"), seed).items()} == {
        "train": 900, "validation": 50, "test": 50,
    }  # fmt: skip
    few = rows_with({"who": ["a"] * 40 + ["b"] * 35 + ["c"] * 25})
    assert {len(index) for index in assign(few, Shares(group="who"), seed).values()} == {40, 35, 25}


@pytest.mark.parametrize("moments", [
    [f"2024-{n // 28 + 1:02}-{n % 28 + 1:02}" for n in range(100)],
    [f"{n % 28 + 1:02}.{n // 28 + 1:02}.2024" for n in range(100)],
    [f"2024-01-01T00:{n // 60:02}:{n % 60:02}" for n in range(100)],
    [f"{n % 28 + 1:02}/{n // 28 + 1:02}/2024" for n in range(100)],
    [f"{n % 28 + 1:02}.{n // 28 + 1:02}.2024 10:00" for n in range(100)],
    [f"2024-01-01T{n // 60 + (z := n % 3 - 1) + 1:02}:{n % 60:02}:00{'Z' if z == 0 else f'{z:+03}:00'}" for n in range(100)],
    [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(100)],
    list(range(100)), [str(n) for n in range(100)], [n // 7 for n in range(100)],
])  # fmt: skip
def test_by_time_no_moment_is_in_two_splits_and_later_ones_test(moments: list[Any]) -> None:
    shuffled = np.random.RandomState(0).permutation(100)
    found = assign(rows_with({"when": [moments[n] for n in shuffled]}), Shares(time="when"), 0)
    places = {name: shuffled[index] for name, index in found.items()}
    assert places["train"].max() < places["validation"].min() and places["validation"].max() < places["test"].min()
    assert sum(map(len, places.values())) == 100 and len(places["test"]) >= 15
    held = [{moments[n] for n in there} for there in places.values()]
    assert sum(map(len, held)) == len(set(moments))


def test_a_moment_that_is_none() -> None:
    with pytest.raises(DataError, match=r"row 3, column 'when': 'soon' is neither a number nor a date"):
        assign(rows_with({"when": ["2024-01-01", "2024-01-02", "soon"]}), Shares(time="when"), 0)


def test_days_that_might_be_months() -> None:
    with pytest.raises(
        DataError, match=r"row 1: column 'when' holds dates such as '1/2/2024', of which the day might be the month"
    ):
        assign(rows_with({"when": ["1/2/2024", "1/3/2024", "1/4/2024"]}), Shares(time="when"), 0)


def test_no_window_reaches_into_a_later_split() -> None:
    begins = np.arange(100)
    rows = rows_with({"first": begins, "last": begins + 4}, moments=("first", "last"))
    found = assign(rows, Shares(), 0)
    assert found["train"].max() + 4 < found["validation"].min() and found["validation"].max() + 4 < found["test"].min()
    assert 100 - sum(map(len, found.values())) == 8 and len(found["test"]) == 15  # four windows cross each border


def test_what_the_source_splits_itself_stays_and_the_rest_comes_from_train() -> None:
    made = {"train": np.arange(80), "test": np.arange(80, 100)}
    found = assign(rows_with({"x": [0] * 100}, splits=made), Shares(validation=0.25, test=0.5), 0)
    assert found["test"].tolist() == list(range(80, 100)) and len(found["validation"]) == 20 and len(found["train"]) == 60
    for setting in ("group", "time", "column"):
        with pytest.raises(ConfigError, match="is split already"):
            assign(rows_with({"x": [0] * 100}, splits=made), Shares(**{setting: "x"}), 0)  # type: ignore[arg-type]
    whole = {**made, "validation": np.array([], dtype=int)}
    assert list(assign(rows_with({"x": [0] * 100}, splits=whole), Shares(), 0)) == ["train", "test"]
