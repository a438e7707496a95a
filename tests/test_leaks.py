"""Nothing is learnt from rows that do not train: whatever stands in validation and test, a training is the same, bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from tests.helpers import make_run
from trainkit.data.pictures import Pictures
from trainkit.engine.loop import fit
from trainkit.spec import Rows

RANDOM = np.random.RandomState(0)
COUNT = 60
CLASSES = np.array(["yes", "no", "perhaps"] * 20, dtype=object)
WORDS = ["red", "green", "blue", "small", "large", "round", "square", "old", "new"]


def table() -> Rows:
    columns = {
        "size": [str(n / 7) if n % 9 else None for n in RANDOM.permutation(COUNT)],
        "colour": [WORDS[n % 3] if n % 11 else None for n in range(COUNT)],
        "code": [f"c{n % 12}" for n in range(COUNT)],
        "made": [f"20{n % 20 + 10}-0{n % 9 + 1}-11" for n in range(COUNT)],
        "who": [f"p{n // 3}" for n in range(COUNT)],
        "when": [f"2024-01-{n // 2 + 1:02}" for n in range(COUNT)],
    }
    return Rows(pl.DataFrame(columns), CLASSES, "table", "class", file="a.csv")


def texts() -> Rows:
    said = [" ".join(RANDOM.choice(WORDS, RANDOM.randint(3, 9))) for _ in range(COUNT)]
    return Rows(pl.DataFrame({"text": said}), CLASSES, "tokens", "class")


def amounts() -> Rows:
    return Rows(RANDOM.randn(COUNT, 3) * [1, 20, 300], RANDOM.randn(COUNT, 2) + 5, "table", "number", target_names=("a", "b"))


def series() -> Rows:
    lengths = RANDOM.randint(2, 7, COUNT)
    return Rows(RANDOM.randn(COUNT, 6, 2), CLASSES, "sequence", "class", lengths=lengths)


def pixels() -> Rows:
    return Rows(RANDOM.randint(0, 200, (COUNT, 1, 6, 6)).astype(np.uint8), CLASSES, "image", "class")


def other_frame(rows: Rows, index: Any) -> Rows:
    """Wild numbers, strange words, later dates, longer texts."""
    there = set(index.tolist())
    wild = {"size": "1e9", "colour": "ultraviolet", "code": "zz", "made": "2031-12-31", "text": "zebra " * 30}
    frame = rows.inputs.with_columns(
        pl.Series(name, [wild[name] if n in there else value for n, value in enumerate(rows.inputs[name])])
        for name in rows.inputs.columns
        if name in wild
    )
    return replace(rows, inputs=frame)


def other_numbers(rows: Rows, index: Any) -> Rows:
    inputs, targets = rows.inputs.copy(), rows.targets.copy()
    inputs[index] = 255 if rows.kind == "image" else inputs[index] * -1e3
    if rows.target_kind == "number":
        targets[index] += 1e4
    return replace(rows, inputs=inputs, targets=targets)


DATA: dict[str, Any] = {  # whose place the rows take
    "table": "iris", "image": "digits", "sequence": {"name": "synthetic", "kind": "sequences"},
    "tokens": {"name": "text", "path": "a.csv", "target": "b"},
}  # fmt: skip
SMALL = {"training.steps": 6, "training.epochs": None, "training.batch_size": 8}
CASES: dict[str, tuple[Callable[[], Rows], Callable[[Rows, Any], Rows], dict[str, Any]]] = {
    "table": (table, other_frame, {"split.validation": 0.2}),
    "embedded": (table, other_frame, {"preprocess": {"name": "table", "categories": "embedding", "scaling": "robust"}}),
    "group": (table, other_frame, {"split": {"group": "who"}}),
    "time": (table, other_frame, {"split": {"time": "when"}}),
    "texts": (texts, other_frame, {"model": {"name": "gru", "hidden": 4, "embedding": 4}, "augment": ["word_dropout"]}),
    "amounts": (amounts, other_numbers, {"task": "regression"}),
    "minmax": (amounts, other_numbers, {"task": "regression", "preprocess": {"name": "table", "scaling": "minmax"}}),
    "series": (series, other_numbers, {"model": {"name": "gru", "hidden": 4}}),
    "pixels": (pixels, other_numbers, {"augment": ["flip", {"name": "crop", "padding": 1}, "mixup"]}),
}


def training(rows: Rows, settings: dict[str, Any]) -> tuple[str, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """All that was fitted, in words; the weights after six steps; and what would be measured on."""
    run = make_run({"data": DATA[rows.kind], **SMALL, **settings}, rows)
    list(islice(fit(run), 6))
    measured = {name: run.data[name].whole.inputs for name in ("validation", "test")}
    return f"{run.data.spec} {run.data.fitted}", {**run.network.state_dict()}, measured


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest) -> tuple[Rows, Rows, dict[str, Any]]:
    """Rows, and the same with other values wherever they do not train."""
    make, other, settings = CASES[request.param]
    rows = make()
    run = make_run({"data": DATA[rows.kind], **SMALL, **settings}, rows)
    return rows, other(rows, np.concatenate([run.data.index["validation"], run.data.index["test"]])), settings


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def test_rows_that_do_not_train_change_nothing_that_is_fitted_and_no_weight(pair: Any) -> None:
    rows, changed, settings = pair
    fitted, weights, measured = training(rows, settings)
    again, weights_again, measured_again = training(changed, settings)
    assert fitted == again and same(weights, weights_again) and not same(measured, measured_again)


def test_the_test_sees_a_fit_before_the_split(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting on all rows, as if it came before the split, is what the test above must find."""
    from trainkit.parts.preprocessing import preprocessing

    rows, changed, settings = pair
    part = preprocessing.find({"table": "table", "tokens": "text", "image": "image", "sequence": "series"}[rows.kind])
    assert part is not None
    honest = part.fit
    monkeypatch.setattr(part, "fit", lambda self, rows, train: honest(self, rows, np.arange(len(rows))))
    assert training(rows, settings)[0] != training(changed, settings)[0]


def test_sizes_and_colours_of_pictures_come_from_train(tmp_path: Path) -> None:
    def folder(name: str, late: tuple[int, int], mode: str) -> Any:
        (tmp_path / name).mkdir()
        for n in range(COUNT):
            size, kind = ((8, 8), "L") if n < 40 else (late, mode)
            Image.fromarray(np.random.RandomState(n).randint(0, 256, (*size, 3)).astype(np.uint8)).convert(kind).save(
                tmp_path / name / f"{n:02}.png"
            )
        own: Any = {"train": np.arange(40), "validation": np.arange(40, 50), "test": np.arange(50, 60)}
        pictures = Pictures([tmp_path / name / f"{n:02}.png" for n in range(COUNT)])
        return training(Rows(pictures, CLASSES, "image", "class", splits=own), {})

    plain, other = folder("a", (8, 8), "L"), folder("b", (20, 30), "RGB")
    assert plain[0] == other[0] and same(plain[1], other[1]) and not same(plain[2], other[2])


@pytest.mark.parametrize("settings", [{"split": {"group": "who"}}, {"split": {"time": "when"}}])
def test_groups_and_moments_are_in_one_split_and_no_inputs(settings: dict[str, Any]) -> None:
    ((_, column),) = settings["split"].items()
    rows = table()
    run = make_run({"data": DATA[rows.kind], **SMALL, **settings}, rows)
    held = [set(rows.inputs[column][index].to_list()) for index in run.data.index.values()]
    assert len(held) == 3 and sum(map(len, held)) == len(set.union(*held))
    assert not any(column in name for name in run.data.spec.features)
