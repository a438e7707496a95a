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
from trainkit.engine.run import Run
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
        "flag": [["no", "yes"][n % 4 > 1] for n in range(COUNT)],
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
    wild = {"size": "1e9", "colour": "ultraviolet", "code": "zz", "flag": "yes", "made": "2031-12-31", "text": "zebra " * 30}
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


# --- the same in files, read by the sources


def as_csv(rows: Rows, folder: Path) -> Any:
    frame = rows.inputs if isinstance(rows.inputs, pl.DataFrame) else pl.DataFrame(rows.inputs, list("uvw"))
    more = {"y": rows.targets} if rows.target_kind == "class" else dict(zip("ab", rows.targets.T, strict=True))
    frame.with_columns(**{name: pl.Series(values) for name, values in more.items()}).write_csv(folder / "a.csv")
    return {"name": "csv", "path": str(folder / "a.csv"), "target": "y" if len(more) == 1 else [*more]}


def as_text(rows: Rows, folder: Path) -> Any:
    return {**as_csv(rows, folder), "name": "text"}


def as_pictures(rows: Rows, folder: Path) -> Any:
    for n, (pixels, label) in enumerate(zip(rows.inputs, rows.targets, strict=True)):
        (folder / label).mkdir(exist_ok=True)
        Image.fromarray(pixels[0]).save(folder / label / f"{n:02}.png")
    return {"name": "images", "path": str(folder)}


def as_idx(rows: Rows, folder: Path) -> Any:
    numbers = np.unique(rows.targets, return_inverse=True)[1].astype(np.uint8)
    for name, part in (("train", slice(0, 45)), ("t10k", slice(45, None))):
        for what, values in (("images-idx3", rows.inputs[part, 0]), ("labels-idx1", numbers[part])):
            head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
            (folder / f"{name}-{what}-ubyte").write_bytes(head + values.tobytes())
    return {"name": "idx", "path": str(folder)}


def as_arrays(rows: Rows, folder: Path) -> Any:
    lengths = {} if rows.lengths is None else {"lengths": rows.lengths}
    targets = rows.targets.astype(str) if rows.target_kind == "class" else rows.targets
    np.savez(folder / "a.npz", inputs=rows.inputs, targets=targets, **lengths)  # type: ignore[arg-type]
    return {"name": "arrays", "path": str(folder / "a.npz"), "kind": rows.kind}


def as_steps(rows: Rows, folder: Path) -> Any:
    return {"name": "series", "path": as_csv(rows, folder)["path"], "target": "u", "columns": ["v"], "window": 4}


def as_sequences(rows: Rows, folder: Path) -> Any:
    assert rows.lengths is not None
    whose = np.repeat(np.arange(COUNT), rows.lengths)
    columns = {f"x{n}": np.concatenate([row[:end, n] for row, end in zip(rows.inputs, rows.lengths, strict=True)]) for n in (0, 1)}
    pl.DataFrame({"who": whose, **columns, "y": rows.targets[whose]}).write_csv(folder / "a.csv")
    return {"name": "series", "path": str(folder / "a.csv"), "label": "y", "group": "who"}


def sorted_pixels() -> Rows:
    """In the order in which folders of classes are read."""
    return replace(pixels(), targets=np.sort(CLASSES))


def short() -> Rows:
    return replace(series(), lengths=RANDOM.randint(2, 5, COUNT))


def longer(rows: Rows, index: Any) -> Rows:
    assert rows.lengths is not None
    lengths = rows.lengths.copy()
    lengths[index] = 6
    return replace(other_numbers(rows, index), lengths=lengths)


def later_steps(rows: Rows, windows: Any) -> Rows:
    """Other numbers from the first step on that no training window looks at, or forecasts."""
    return other_numbers(rows, np.arange(windows.min() + 4, COUNT))


GRU: dict[str, Any] = {"model": {"name": "gru", "hidden": 4, "embedding": 4}}
FILES: dict[str, tuple[Callable[[], Rows], Callable[[Rows, Any], Rows], dict[str, Any], Callable[[Rows, Path], Any]]] = {
    "csv": (table, other_frame, {}, as_csv),
    "csv of amounts": (amounts, other_numbers, {"task": "regression"}, as_csv),
    "text": (texts, other_frame, GRU, as_text),
    "text, pieces": (texts, other_frame, {**GRU, "preprocess": {"name": "text", "tokens": "bpe", "vocabulary": 40}}, as_text),
    "images": (sorted_pixels, other_numbers, {}, as_pictures),
    "idx": (pixels, other_numbers, {}, as_idx),
    "arrays": (amounts, other_numbers, {"task": "regression"}, as_arrays),
    "arrays of pictures": (pixels, other_numbers, {}, as_arrays),
    "arrays of sequences": (short, longer, {"model": {"name": "gru", "hidden": 4}}, as_arrays),
    "forecasts": (amounts, later_steps, {"model": {"name": "gru", "hidden": 4}}, as_steps),
    "sequences": (short, longer, {"model": {"name": "gru", "hidden": 4}}, as_sequences),
}


def started(rows: Rows | None, settings: dict[str, Any]) -> Run:
    """On these rows, or on those that the settings' source reads."""
    return make_run({**({} if rows is None else {"data": DATA[rows.kind]}), **SMALL, **settings}, rows)


def training(rows: Rows | None, settings: dict[str, Any]) -> tuple[str, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """All that was fitted, in words; the weights after six steps; and what would be measured on."""
    run = started(rows, settings)
    list(islice(fit(run), 6))
    measured = {name: run.data[name].whole.inputs for name in ("validation", "test")}
    return f"{run.data.spec} {run.data.fitted}", {**run.network.state_dict()}, measured


Given = tuple[Rows | None, dict[str, Any]]


@pytest.fixture(params=[*CASES, *FILES])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Given, Given, str]:
    """Rows and settings; the same with other values wherever they do not train; and what prepares them."""
    write = None
    if request.param in FILES:
        make, other, settings, write = FILES[request.param]
    else:
        make, other, settings = CASES[request.param]

    def given(rows: Rows, called: str) -> Given:
        if write is None:
            return rows, settings
        (tmp_path / called).mkdir()
        return None, {"data": write(rows, tmp_path / called), **settings}

    first = given(rows := make(), "old")
    run = started(*first)
    changed = other(rows, np.concatenate([run.data.index["validation"], run.data.index["test"]]))
    return first, given(changed, "new"), run.config.preprocess.name


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def test_rows_that_do_not_train_change_nothing_that_is_fitted_and_no_weight(pair: Any) -> None:
    given, changed, _ = pair
    fitted, weights, measured = training(*given)
    again, weights_again, measured_again = training(*changed)
    assert fitted == again and same(weights, weights_again) and not same(measured, measured_again)


def test_the_test_sees_a_fit_before_the_split(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting on all rows, as if it came before the split, is what the test above must find."""
    from trainkit.parts.preprocessing import preprocessing

    given, changed, name = pair
    part = preprocessing.find(name)
    assert part is not None
    honest = part.fit
    monkeypatch.setattr(part, "fit", lambda self, rows, train: honest(self, rows, np.arange(len(rows))))
    assert training(*given)[0] != training(*changed)[0]


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
