"""From rows to splits: fitted on the training rows alone, kept exactly, clear about rows that don't fit."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from tests.helpers import digits
from trainkit.data.preparing import check_rows, fingerprint, prepare
from trainkit.data.preparing import whole as whole_of
from trainkit.data.splits import Split
from trainkit.data.splitting import Shares
from trainkit.data.targets import FittedTargets
from trainkit.errors import DataError
from trainkit.parts.preprocessing import NAMES, preprocessing
from trainkit.spec import Rows

RANDOM = np.random.RandomState(0)
YES_NO = np.array(["yes", "no"] * 20, dtype=object)


def table(columns: dict[str, list[str]] | None = None, targets: Any = YES_NO, kinds: Any = MappingProxyType({})) -> Rows:
    """40 rows as a file gives them: one column of numbers and one of colours, unless told."""
    columns = columns or {"size": [str(n / 7) for n in range(40)], "colour": ["red", "green", "blue", "red"] * 10}
    return Rows(pl.DataFrame(columns), targets, "table", "class", kinds=kinds, file="a.csv")


def numbers(inputs: Any, **settings: Any) -> Rows:
    """Rows of a source that gives numbers."""
    return replace(Rows(inputs, np.arange(len(inputs), dtype=float)[:, None], "table", "number"), **settings)


IMAGES = numbers(RANDOM.rand(40, 2, 5, 4) * [[[3]], [[50]]], kind="image")
SEQUENCES = numbers(RANDOM.rand(40, 6, 3) * [1, 20, 300], kind="sequence")
PLAIN = numbers(RANDOM.rand(40, 3) * [1, 20, 300] + 7)
ALL = pytest.mark.parametrize("rows", [table(), PLAIN, IMAGES, SEQUENCES], ids=["text", "table", "image", "sequence"])


def part(rows: Rows, **settings: Any) -> Any:
    return preprocessing.read({"name": NAMES[rows.kind], **settings})


def prepared(rows: Rows, *, scaling: str | None = None, validation: float = 0.2, test: float = 0.2, **settings: Any) -> Any:
    how = {} if scaling is None else {"scaling": scaling}
    return prepare(rows, part(rows, **how), Shares(validation, test), **{"seed": 0} | settings)


def whole(rows: Rows, fitted: Any) -> Split:
    return whole_of(rows, part(rows), fitted).settled()


def inputs_of(split: Split) -> torch.Tensor:
    return split.part(0, len(split)).inputs


def failure(rows: Rows, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepared(rows, **settings)
    assert caught.value.problems[0].key[0] == "data"
    return str(caught.value)


@pytest.mark.parametrize(
    ("rows", "axes"), [(PLAIN, 0), (IMAGES, (0, 2, 3)), (SEQUENCES, (0, 1))], ids=["table", "image", "sequence"]
)
def test_mean_0_and_deviation_1_of_each_column_channel_or_feature(rows: Rows, axes: Any) -> None:
    inputs = inputs_of(prepared(rows, dtype=torch.float64)["train"]).numpy()
    assert inputs.mean(axis=axes) == pytest.approx(0, abs=1e-12) and inputs.std(axis=axes) == pytest.approx(1, abs=1e-12)


@ALL
def test_no_scaling_leaves_the_numbers(rows: Rows) -> None:
    train = prepared(rows, scaling="none", dtype=torch.float64)["train"]
    if isinstance(rows.inputs, np.ndarray) and rows.kind != "image":  # pictures go from 0 to 1
        assert np.array_equal(inputs_of(train).numpy(), rows.inputs[train.rows.numpy()])


@ALL
@pytest.mark.parametrize("split", ["validation", "test"])
def test_nothing_is_learnt_from_rows_that_don_t_train(rows: Rows, split: Any) -> None:
    before = prepared(rows)
    index = before[split].rows.numpy()
    if isinstance(rows.inputs, np.ndarray):
        inputs, targets = rows.inputs.copy(), rows.targets.copy()
        inputs[index] *= -1e3
        targets[index] += 1e6
        changed = numbers(inputs, targets=targets, kind=rows.kind)
    else:
        index_of = set(index.tolist())
        frame = rows.inputs.with_row_index("n")
        changed = table({
            "size": [str(1e9 * (n + 2)) if n in index_of else size for n, size in zip(frame["n"], frame["size"], strict=True)],
            "colour": ["violet" if n in index_of else word for n, word in zip(frame["n"], frame["colour"], strict=True)],
        })  # fmt: skip
    after = prepared(changed)
    assert repr(after.fitted) == repr(before.fitted) and after.spec == before.spec
    assert torch.equal(inputs_of(after["train"]), inputs_of(before["train"]))
    assert not torch.equal(inputs_of(after[split]), inputs_of(before[split]))
    assert after.fingerprint != before.fingerprint


@ALL
@pytest.mark.parametrize("scaling", ["standard", "none"])
def test_what_is_kept_gives_the_same_bits(rows: Rows, scaling: str, tmp_path: Any) -> None:
    before = prepared(rows, scaling=scaling)
    torch.save(before.fitted, tmp_path / "fitted.pth")
    kept = torch.load(tmp_path / "fitted.pth", weights_only=True)
    after = prepared(rows, scaling=scaling, fitted=kept)
    assert after.fingerprint == before.fingerprint and after.spec == before.spec
    assert torch.equal(inputs_of(whole(rows, kept))[before["test"].rows], inputs_of(before["test"]))


def test_the_digits_corners_are_always_white() -> None:
    assert bool(inputs_of(prepared(digits())["test"]).isfinite().all())


@pytest.mark.parametrize(("names", "order"), [
    ({"10", "9", "-1", "2.5"}, ("-1", "2.5", "9", "10")), ({"b", "a", "10", "9"}, ("10", "9", "a", "b")),
    ({"1.0", "1", "01", "1e0"}, ("01", "1", "1.0", "1e0")), ({"NAN", "2", "1", "inf"}, ("1", "2", "NAN", "inf")),
    ({str(2**70), str(2**70 - 1), "3"}, ("3", str(2**70 - 1), str(2**70))),
])  # fmt: skip
def test_the_order_of_names_never_depends_on_their_hashes(names: set[str], order: tuple[str, ...]) -> None:
    rows = table({"size": [str(n) for n in range(len(names))]}, targets=np.array(sorted(names, key=hash), dtype=object))
    assert FittedTargets.fit(rows, np.arange(len(names))).classes == order


def test_targets_are_standardised_on_the_training_rows() -> None:
    rows = numbers(RANDOM.rand(50, 2), targets=RANDOM.rand(50, 2) * [1, 1000] + 5, target_names=("a", "b"))
    data = prepared(rows, dtype=torch.float64)
    raw, spec = torch.from_numpy(rows.targets), data.spec
    train = raw[data["train"].rows]
    assert spec.center == pytest.approx(train.mean(dim=0)) and spec.scale == pytest.approx(train.std(dim=0, correction=0))
    for split in data.splits.values():
        assert torch.allclose(split.targets * torch.tensor(spec.scale) + torch.tensor(spec.center), raw[split.rows])


def test_class_numbers_counts_and_spec() -> None:
    data = prepared(table())
    assert data.spec.classes == ("no", "yes") and data.spec.counts == (12, 12) and data.spec.outputs == 2
    assert [data.spec.classes[n] for n in data["test"].targets] == YES_NO[data["test"].rows].tolist()
    assert type(data.spec).restore(data.spec.content()) == data.spec


def test_classes_may_be_numbers_in_a_source_of_one_s_own() -> None:
    data = prepared(numbers(RANDOM.rand(40, 2), targets=np.arange(40) % 2 + 9, target_kind="class"))
    assert data.spec.classes == ("9", "10") and data["train"].targets.bincount().tolist() == [12, 12]


def test_the_fingerprint_tells_another_value_seed_or_split() -> None:
    other = table({**table().inputs.to_dict(as_series=False), "size": ["0.001", *(str(n / 7) for n in range(1, 40))]})
    found = [prepared(table(), **changes).fingerprint for changes in ({}, {}, {"seed": 1}, {"test": 0.25})]
    assert found[0] == found[1] and len({*found, prepared(other).fingerprint}) == 4
    assert fingerprint(prepared(table()).splits) != fingerprint(prepared(other).splits)


HUGE = ["1e200", "inf", "nan", "-Infinity"]


@pytest.mark.parametrize(("rows", "message"), [
    (table({"size": ["3"] * 40, "n": list("0123456789") * 4}), "a.csv: column 'size' is always '3' in the training split"),
    (table({"size": ["3", "3.0"] * 20}), "a.csv: column 'size' is always '3' in the training split"),
    (table({"size": [*"0123456789" * 3, *"01234567x9"]}), "a.csv: row 39, column 'size': 'x' is not a usable number."),
    (table({"size": [*"0123456789" * 3, *"01234567xx"]}), "a.csv: row 39, column 'size': 'x' is not a usable number (1 more"),
    *[(table({"size": [*"0123456789" * 3, *"01234567", v, "9"]}), f"row 39, column 'size': {v!r} is not a usable") for v in HUGE],
    (table({"who": [f"Ann{n}" for n in range(40)]}), "column 'who' holds 24 different texts in 24 training rows: it looks"),
    (table({"size": [f"{n},5" for n in range(40)]}), "column 'size' holds numbers with a comma, such as"),
    (table({"a": ["x"] * 40}, kinds={"a": "ignore"}), "no column is left to learn from."),
    (table({"a": ["x", "y"] * 20}, kinds={"a": "number"}), "column 'a': 'x' is not a usable number (39 more in this column)."),
    (numbers(np.array([[1.0]] * 30 + [[np.nan]] * 10)), "an input is nan"),
    (numbers(np.array([[1.0]] * 39 + [[np.inf]])), "row 40: an input is inf"),
    (numbers(np.array([[1.0], [2.0]] * 20), targets=np.ones((40, 1))), "the target 'target' is always 1 in the training split"),
    (numbers(np.array([[1.0], [2.0]] * 20), targets=np.full((40, 1), 0.1)), "the target 'target' is always 0.1 in the training"),
    (numbers(np.array([[1.0], [2.0]] * 20), targets=np.array([[1.0], [np.nan]] * 20)), "the target is nan"),
])  # fmt: skip
def test_what_is_said_of_data_that_does_not_fit(rows: Rows, message: str) -> None:
    assert message in failure(rows)


def test_all_columns_that_are_wrong_are_named_at_once() -> None:
    with pytest.raises(DataError) as caught:
        prepared(table({"a": ["1"] * 40, "b": ["x"] * 40, "size": [str(n) for n in range(40)]}))
    assert [problem.message[:19] for problem in caught.value.problems] == ["a.csv: column 'a' i", "a.csv: column 'b' i"]


def test_a_number_beyond_float32() -> None:
    inputs = RANDOM.rand(40, 2)
    inputs[7, 1] = 1e60
    words = failure(numbers(inputs), scaling="none")
    assert words.startswith("row 8: a value is no number, or so far from the training rows' that it does not fit into float32.")
    assert bool(prepared(numbers(inputs), scaling="none", dtype=torch.float64)["train"].held.values.isfinite().all())


def test_other_rows_than_those_that_were_learnt_from() -> None:
    fitted = prepared(table()).fitted
    with pytest.raises(DataError, match=r"^a.csv: row 2: class 'maybe' is not among the training split's: no, yes\."):
        whole(table({"size": ["1", "2"], "colour": ["red", "red"]}, targets=np.array(["no", "maybe"], dtype=object)), fitted)
    with pytest.raises(DataError, match=r"^a.csv: column 'colour' is missing. The file has: size, shade\.$"):
        whole(table({"size": ["1"], "shade": ["red"]}, targets=YES_NO[:1]), fitted)


def tokens(inputs: list[list[int]], lengths: list[int]) -> Rows:
    random = np.array(["a", "b"] * (len(inputs) // 2), dtype=object)
    return Rows(np.array(inputs), random, "tokens", "class", lengths=np.array(lengths), vocabulary=5)


def test_lengths_are_part_of_the_fingerprint() -> None:
    found = {prepared(tokens([[1, 0]] * 20, [length] * 20)).fingerprint for length in (1, 2)}
    assert len(found) == 2


def test_a_source_may_split_its_rows_itself() -> None:
    rows = numbers(np.random.RandomState(0).randn(10, 2))
    own: Any = {"train": np.array([7, 1, 3]), "validation": np.array([0, 2]), "test": np.array([], dtype=int)}
    data = prepared(replace(rows, splits=own))
    assert {name: batch.rows.tolist() for name, batch in data.splits.items()} == {"train": [7, 1, 3], "validation": [0, 2]}


SLIPS = [
    ({"lengths": np.array([2] * 9 + [0])}, "row 10 a length of 0: lengths lie between 1 and the 2 steps"),
    ({"lengths": np.array([3] + [1] * 9)}, "row 1 a length of 3"),
    ({"kind": "tokens", "inputs": np.zeros((10, 2), int)}, "token ids, and no vocabulary"),
    ({"targets": np.zeros(10)}, r"targets of shape \(10,\): .* so write targets\[:, None\]"),
    ({"kind": "tabel"}, "the kind 'tabel': there are table, image, sequence, tokens"),
    ({"target_kind": "numbers"}, "the target_kind 'numbers': there are class, number, labels"),
    ({"targets": [1.0] * 10}, "targets as list"),
    ({"inputs": [[1.0]] * 10}, "inputs as list"),
    ({"kind": "image"}, r"inputs of shape \(10, 2, 1\) and type float64: kind image has 4 dimensions"),
    ({"inputs": np.full((10, 2, 1), "a")}, "inputs of shape .* and type <U1"),
    ({"targets": np.zeros((10, 2))}, r"targets of shape \(10, 2\), and 1 target_names"),
    ({"target_kind": "labels", "targets": np.full((10, 1), 2.0)}, "labels that are neither 0 nor 1"),
    ({"targets": np.zeros((9, 1))}, "10 rows of inputs, and 9 of targets"),
    ({"splits": {"test": np.arange(10)}}, "splits, and no row to train on"),
]


@pytest.mark.parametrize(("slip", "words"), SLIPS)
def test_what_a_users_source_gets_wrong_is_said(slip: dict[str, Any], words: str) -> None:
    sound = numbers(np.random.RandomState(0).randn(10, 2, 1), kind="sequence", targets=np.arange(10.0)[:, None])
    with pytest.raises(DataError, match=f"the source gives {words}"):
        check_rows(replace(sound, **slip))
