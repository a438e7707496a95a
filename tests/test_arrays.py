"""Arrays in files: what they hold, what stays in the file, and what is said of those that cannot be used."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from trainkit.data.preparing import prepare
from trainkit.data.splits import Drawn
from trainkit.data.splitting import Shares
from trainkit.errors import ConfigError, DataError, TrainkitError
from trainkit.parts.preprocessing import NAMES as NAMES_OF
from trainkit.parts.preprocessing import preprocessing
from trainkit.parts.sources import sources
from trainkit.spec import Rows

RANDOM = np.random.RandomState(0)
TABLE = RANDOM.rand(12, 3)
AMOUNTS = RANDOM.rand(12)
NAMES = np.array(["cat", "dog", "cat"] * 4)
CODES = np.array([0, 1, 2] * 4)


def safetensors(path: Path, **arrays: Any) -> None:
    """Written by hand, so that what is wrong in a file can be too."""
    header, body = {}, b""
    kinds = {"f": "F", "i": "I", "u": "U"}
    for name, array in arrays.items():
        kind = "BOOL" if array.dtype == bool else f"{kinds[array.dtype.kind]}{array.itemsize * 8}"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(body), len(body) + array.nbytes]}
        body += array.tobytes()
    text = json.dumps({"__metadata__": {"by": "hand"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def write(path: Path, **arrays: Any) -> Path:
    """These arrays, as the path's ending says; without one, as a folder of .npy."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        safetensors(path, **arrays)
    elif path.suffix in (".pt", ".pth"):
        torch.save({name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}, path)
    else:
        path.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    return path


@pytest.fixture
def build(tmp_path: Path) -> Any:
    """Write these inputs and targets to a .npz and read them with these settings."""

    def build(inputs: Any, targets: Any, task: Any = None, more: Any = None, **settings: Any) -> Rows:
        path = write(tmp_path / "a.npz", inputs=np.asarray(inputs), targets=np.asarray(targets), **(more or {}))
        return sources.read({"name": "arrays", "path": str(path)} | settings).build(task)

    return build


@pytest.fixture
def refusal(build: Any, tmp_path: Path) -> Any:
    """What is said of them."""

    def refusal(*arrays: Any, error: type[TrainkitError] = DataError, **settings: Any) -> str:
        with pytest.raises(error) as caught:
            build(*arrays, **settings)
        assert caught.value.problems[0].key[0] == "data"
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refusal


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.pt", "a.pth", "a"])
@pytest.mark.parametrize("memory", ["auto", True, False])
def test_every_format_holds_the_same(tmp_path: Path, name: str, memory: Any) -> None:
    path = write(tmp_path / name, inputs=TABLE, targets=AMOUNTS)
    rows = sources.read({"name": "arrays", "path": str(path), "memory": memory}).build(None)
    index = np.array([3, 1, 1])
    found = rows.inputs[index] if memory else rows.inputs.read(index)
    assert isinstance(rows.inputs, np.ndarray) == bool(memory)
    assert np.array_equal(found, TABLE[index]) and rows.inputs.dtype == np.float64 and rows.inputs.shape == (12, 3)
    assert rows.kind == "table" and rows.target_kind == "number" and rows.target_names == ("target",)
    assert np.array_equal(rows.targets, AMOUNTS[:, None]) and rows.place(4) == f"{path}: row 5"


def test_two_files_and_other_names(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", TABLE)
    np.savez(tmp_path / "y.npz", price=AMOUNTS, other=CODES)
    both = {"name": "arrays", "inputs": str(tmp_path / "X.npy"), "targets": str(tmp_path / "y.npz")}
    rows = sources.read(both | {"targets_key": "price"}).build(None)
    assert np.array_equal(rows.inputs, TABLE) and np.array_equal(rows.targets[:, 0], AMOUNTS)
    with pytest.raises(DataError, match=r"y\.npz has no array 'targets'.*other, price"):
        sources.read(both).build(None)


@pytest.mark.parametrize(("settings", "words"), [
    ({}, "needs files"), ({"inputs": "X.npy"}, "both inputs and targets"),
    ({"path": "a.npz", "targets": "y.npy"}, "say either path, or inputs and targets"),
    ({"path": "a.npz", "vocabulary": 5}, "say kind: tokens"), ({"path": "a.npz", "kind": "picture"}, "table"),
])  # fmt: skip
def test_settings_that_do_not_fit(settings: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        sources.read({"name": "arrays", **settings})


@pytest.mark.parametrize(("shape", "settings", "found"), [
    ((12, 3), {}, (12, 3)), ((12, 4), {"kind": "sequence"}, (12, 4, 1)), ((12, 4, 2), {"kind": "sequence"}, (12, 4, 2)),
    ((12, 5, 4), {"kind": "image"}, (12, 1, 5, 4)), ((12, 3, 5, 4), {"kind": "image"}, (12, 3, 5, 4)),
    ((12, 5, 4, 3), {"kind": "image"}, (12, 3, 5, 4)), ((12, 5, 4, 1), {"kind": "image"}, (12, 1, 5, 4)),
    ((12, 5, 4, 2), {"kind": "image", "layout": "channels_last"}, (12, 2, 5, 4)),
    ((12, 3, 5, 3), {"kind": "image", "layout": "channels_first"}, (12, 3, 5, 3)),
])  # fmt: skip
@pytest.mark.parametrize("memory", [True, False])
def test_kinds_and_shapes(tmp_path: Path, shape: Any, settings: Any, found: Any, memory: bool) -> None:
    inputs = RANDOM.randint(0, 256, shape).astype(np.uint8)
    path = write(tmp_path / "a", inputs=inputs, targets=AMOUNTS)
    rows = sources.read({"name": "arrays", "path": str(path), "memory": memory, **settings}).build(None)
    values = rows.inputs if memory else rows.inputs.read(np.arange(12))
    assert values.shape == rows.inputs.shape == found and values.dtype == np.uint8 and values.flags.c_contiguous
    wanted = np.moveaxis(inputs, 3, 1) if found[1:] != shape[1:] and len(shape) == 4 else inputs
    assert np.array_equal(values.ravel(), wanted.ravel())


@pytest.mark.parametrize(("targets", "task", "kind", "first"), [
    (NAMES, None, "class", "cat"), (NAMES.astype("S"), None, "class", "cat"), (CODES > 0, None, "class", "False"),
    (CODES, "class", "class", "0"), (CODES[:, None], "class", "class", "0"), (CODES.astype(float), "class", "class", "0"),
    (CODES, "number", "number", 0.0), (AMOUNTS.astype(np.float32), None, "number", float(np.float32(AMOUNTS[0]))),
    (TABLE, None, "number", TABLE[0, 0]), ((TABLE > 0.5) * 1, "labels", "labels", float(TABLE[0, 0] > 0.5)),
    ((TABLE > 0.5) * 1, "number", "number", float(TABLE[0, 0] > 0.5)), (AMOUNTS.astype(">f8"), None, "number", AMOUNTS[0]),
])  # fmt: skip
def test_kinds_of_targets(build: Any, targets: Any, task: Any, kind: str, first: Any) -> None:
    rows = build(TABLE, targets, task)
    assert rows.target_kind == kind and rows.targets.ravel()[0] == first and len(rows) == 12
    assert rows.targets.dtype == (object if kind == "class" else np.float64)
    assert rows.targets.ndim == (1 if kind == "class" else 2) and len(rows.target_names) == (rows.targets.size // 12)


def test_names_for_numbers(build: Any) -> None:
    rows = build(TABLE, CODES, classes=["ant", "bee", "cow"])
    assert rows.target_kind == "class" and rows.targets.tolist()[:3] == ["ant", "bee", "cow"]
    assert build(TABLE, (TABLE > 0.5) * 1, "labels", classes=["a", "b", "c"]).target_names == ("a", "b", "c")
    assert build(TABLE, (TABLE > 0.5) * 1, "labels").target_names == ("label 1", "label 2", "label 3")
    assert build(TABLE, TABLE).target_names == ("target 1", "target 2", "target 3")


def changed(array: Any, row: Any, value: Any) -> Any:
    array = array.copy()
    array[row] = value
    return array


@pytest.mark.parametrize(("inputs", "targets", "settings", "words"), [
    (TABLE, AMOUNTS[:11], {}, "a.npz: there are 11 targets, and 12 rows of inputs."),
    (TABLE, np.float64(3), {}, "the targets are of shape ()"),
    (TABLE, np.zeros((12, 2, 2)), {}, "the targets are of shape (12, 2, 2)."),
    (TABLE[:0], AMOUNTS[:0], {}, "the inputs are of shape (0, 3): there is nothing in them."),
    (AMOUNTS, AMOUNTS, {}, "the inputs are of shape (12,); kind table has 2 dimensions."),
    (np.zeros((12, 4, 3)), AMOUNTS, {}, "If each row is a sequence of steps: data.kind=sequence."),
    (np.zeros((12, 3, 5, 5)), AMOUNTS, {}, "If each row is a picture: data.kind=image."),
    (np.zeros((12, 5, 5), np.uint8), AMOUNTS, {}, "If each row is a picture: data.kind=image."),
    (NAMES[:, None], AMOUNTS, {}, "the inputs are of type <U3, and not numbers."),
    (TABLE * 1j, AMOUNTS, {}, "the inputs are of type complex128"),
    (TABLE, AMOUNTS * 1j, {}, "the targets are of type complex128."),
    (TABLE, AMOUNTS, {"task": "class"}, "row 1: the target is 0.612096, and no class. Amounts: `task: regression`."),
    (TABLE, changed(CODES.astype(float), 4, np.nan), {"task": "class"}, "row 5: the target is nan, and no class."),
    (TABLE, changed(NAMES, 6, " "), {}, "row 7 has no class."),
    (TABLE, np.eye(3)[CODES], {"task": "class"}, "a row has 3 targets, and a class is one. If one of a row's numbers is 1"),
    (TABLE, NAMES, {"task": "number"}, "the targets are texts, such as cat, and no numbers. Use `task: classification`."),
    (TABLE, changed(np.eye(3)[CODES], 2, 3), {"task": "labels"}, "row 3: labels are 0 or 1, and these are [3.0, 3.0, 3.0]."),
    (TABLE, CODES, {"classes": ["a", "b"]}, "row 3: the target is 2, and data.classes names 0 to 1."),
    (TABLE, CODES - 1, {"classes": ["a", "b"]}, "row 1: the target is -1, and"),
    (TABLE, AMOUNTS, {"kind": "tokens", "vocabulary": 9}, "tokens are whole numbers, and the inputs are of type float64."),
    (TABLE, AMOUNTS, {"targets_key": "labels"}, "a.npz has no array 'labels'."),
    (TABLE, AMOUNTS, {"splits_key": "targets"}, "row 1 belongs to the split '0.61"),
])  # fmt: skip
def test_arrays_that_cannot_be_used(refusal: Any, inputs: Any, targets: Any, settings: Any, words: str) -> None:
    assert words in refusal(inputs, targets, **settings)


@pytest.mark.parametrize(("inputs", "targets", "settings", "words"), [
    (TABLE, CODES, {}, "whole numbers: are they classes or amounts? Say so: `task: classification` or `task: regression`."),
    (TABLE, (TABLE > 0.5) * 1, {}, "0 and 1: are they labels or amounts? Say so: `task: multilabel` or `task: regression`."),
    (np.zeros((12, 3, 5, 3)), AMOUNTS, {"kind": "image"}, "which dimension holds the channels? Say data.layout=channels_first"),
    (CODES.reshape(6, 2), AMOUNTS[:6], {"kind": "tokens"}, "The largest id in a.npz is 2: data.vocabulary=3 at least."),
    (TABLE, NAMES, {"classes": ["cat", "dog"]}, "the targets are names already, such as cat. Take the setting out."),
    (TABLE, AMOUNTS, {"classes": ["a"]}, "classes are 1 names, and the targets are 1 target."),
])  # fmt: skip
def test_what_is_asked_for(refusal: Any, inputs: Any, targets: Any, settings: Any, words: str) -> None:
    assert words in refusal(inputs, targets, error=ConfigError, **settings)


def test_lengths_and_splits(build: Any, refusal: Any) -> None:
    lengths, steps = np.array([1, 2, 3, 4] * 3), RANDOM.rand(12, 4, 2)
    splits = np.array(["train"] * 8 + ["validation", "test"] * 2)
    more = {"lengths": lengths, "parts": splits, "codes": np.array([0] * 9 + [2] * 3)}
    rows = build(steps, AMOUNTS, kind="sequence", more=more, splits_key="parts")
    assert np.array_equal(rows.lengths, lengths) and rows.lengths.dtype == np.int64
    assert {name: index.tolist() for name, index in rows.splits.items()} == {
        "train": list(range(8)), "validation": [8, 10], "test": [9, 11],
    }  # fmt: skip
    assert set(build(steps, AMOUNTS, kind="sequence", more=more, splits_key="codes").splits) == {"train", "test"}
    assert build(steps, AMOUNTS, kind="sequence").lengths is None
    assert build(TABLE, AMOUNTS, more={"lengths": lengths}).lengths is None
    for wrong, words in [(lengths + 1, "row 4 has the length 5, and the inputs have 4 steps."), (lengths[:3], "of shape (3,)")]:
        assert words in refusal(steps, AMOUNTS, kind="sequence", more={"lengths": wrong})
    assert "no row belongs to train" in refusal(TABLE, AMOUNTS, more={"s": np.full(12, "test")}, splits_key="s")


def test_gaps_and_infinity_are_named_with_their_row(build: Any) -> None:
    steps = RANDOM.rand(12, 4, 2)
    series = preprocessing.read({"name": "series", "missing": "stop"})
    for value, words in [
        (np.nan, r"a\.npz: row 6: step 3 has no value of feature 2"),
        (np.inf, r"row 6: step 3, feature 2 is inf"),
    ]:
        rows = build(changed(steps, (5, 2, 1), value), AMOUNTS, kind="sequence")
        with pytest.raises(DataError, match=words):
            series.fit(rows, np.arange(12)).held(rows, np.arange(12))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["inputs.npy", "a.npz", "a.pt"])
def test_nothing_in_a_file_is_run(tmp_path: Path, name: str) -> None:
    path, trap = tmp_path / name, np.array([Bomb(tmp_path / "ran")] * 2, dtype=object)
    if name == "inputs.npy":
        np.save(path, trap, allow_pickle=True)
    elif name == "a.npz":
        np.savez(path, inputs=trap, targets=AMOUNTS)
    else:
        torch.save({"inputs": Bomb(tmp_path / "ran"), "targets": torch.zeros(2)}, path)
    given = tmp_path if name == "inputs.npy" else path
    with pytest.raises(DataError, match="which could run any program"):
        sources.read({"name": "arrays", "path": str(given)}).build(None)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            [torch.ones(3)],
            "holds no tensors by their names, but an object of type list. Save tensors, each by its name: torch.save",
        ),
        ({0: torch.ones(3)}, "holds no tensors by their names, but an object of type dict."),
        (torch.nn.Linear(2, 3), r"holds Python objects \(torch.nn.modules.linear.Linear\), which could run any program"),
        (torch.ones(3), "holds one array without a name: is it the inputs, or the targets?"),
        (torch.nn.Linear(2, 3).state_dict(), "has no array 'inputs'. There are: bias, weight."),
    ],
)
def test_a_file_of_something_else(content: Any, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(DataError, match=words) as caught:
        sources.read({"name": "arrays", "path": str(tmp_path / "a.pt")}).build(None)
    assert caught.value.problems[0].key == ("data", "path")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_what_was_never_an_array_is_not_called_a_program(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("size,price\n1,2\n")
    with pytest.raises(DataError, match=f"cannot be read as {Path(name).suffix}. It is damaged or cut off, or not"):
        sources.read({"name": "arrays", "inputs": str(tmp_path / name), "targets": str(tmp_path / name)}).build(None)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors", "a.pt"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98])
def test_a_file_that_is_cut_off(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    write(path, inputs=TABLE, targets=AMOUNTS) if name != "a.npy" else np.save(path, TABLE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=rf"{name} cannot be read as \{path.suffix}\."):
        list(sources.read({"name": "arrays", "path": str(path)}).fresh([str(path)], 4))


@pytest.mark.parametrize(("entry", "words"), [
    ({"dtype": "F64", "shape": [4], "data_offsets": [0, 16]}, "cannot be read"),
    ({"dtype": "F64", "shape": [2], "data_offsets": [8, 24]}, "cannot be read"),
    ({"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}, "cannot be read"),
    ({"dtype": "BF16", "shape": [8, 1], "data_offsets": [0, 16]}, ""),
])  # fmt: skip
def test_safetensors_that_lie(tmp_path: Path, entry: Any, words: str) -> None:
    path, text = tmp_path / "a.safetensors", json.dumps({"inputs": entry}).encode()
    values = np.linspace(-2, 2, 8, dtype=np.float32)
    half = (values.view(np.uint32) >> 16).astype("<u2")
    path.write_bytes(len(text).to_bytes(8, "little") + text + half.tobytes())
    source = sources.read({"name": "arrays", "path": str(path)})
    if words:
        with pytest.raises(DataError, match=words):
            list(source.fresh([str(path)], 4))
    else:
        (rows,) = source.fresh([str(path)], 9)
        assert rows.inputs[:, 0] == pytest.approx(values, abs=0.02) and rows.inputs.dtype == np.float32


@pytest.mark.parametrize(("name", "words"), [
    ("b.npz", r"b\.npz is not there\. Did you mean 'a\.npz'"), ("empty", r"holds no \.npy file"),
    ("a.csv", r"does not end in \.npy"),
])  # fmt: skip
def test_paths_that_lead_nowhere(tmp_path: Path, name: str, words: str) -> None:
    write(tmp_path / "a.npz", inputs=TABLE)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=words):
        sources.read({"name": "arrays", "path": str(tmp_path / name)}).build(None)


def test_what_is_left_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", inputs=TABLE, targets=AMOUNTS)
    reader = sources.read({"name": "arrays", "path": str(path), "memory": False}).build(None).inputs
    index = np.array([4, 2])
    digest = reader.digest(index)
    assert digest == reader.digest(index.copy()) != reader.digest(index[::-1])
    np.save(path / "inputs.npy", changed(TABLE, 2, 0.0))
    after = sources.read({"name": "arrays", "path": str(path), "memory": False}).build(None).inputs
    assert after.digest(index) != digest and after.digest(np.array([4])) == reader.digest(np.array([4]))


def test_new_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", inputs=TABLE, targets=AMOUNTS)
    source = sources.read({"name": "arrays", "path": str(path)})
    folder = tmp_path / "more"
    folder.mkdir()
    np.save(folder / "x.npy", TABLE[:2])
    write(folder / "y.pt", inputs=TABLE[5:], other=CODES)
    found = list(source.fresh([str(path), str(folder)], 5))
    assert [len(rows) for rows in found] == [5, 5, 2, 2, 5, 2] and all(rows.targets.shape == (len(rows), 0) for rows in found)
    assert np.array_equal(np.concatenate([rows.inputs for rows in found]), np.concatenate([TABLE, TABLE[:2], TABLE[5:]]))
    assert found[1].place(1) == f"{path}: row 7" and found[3].place(1) == f"{folder / 'x.npy'}: row 2"
    lengths = write(tmp_path / "b.npz", inputs=RANDOM.rand(4, 3), lengths=np.array([1, 2, 3, 1]))
    sequences = sources.read({"name": "arrays", "path": str(path), "kind": "sequence"})
    assert [rows.lengths.tolist() for rows in sequences.fresh([str(lengths)], 3) if rows.lengths is not None] == [[1, 2, 3], [1]]
    with pytest.raises(ConfigError, match="is not there"):
        next(source.fresh([str(tmp_path / "none.npy")], 5))


@pytest.mark.parametrize(("kind", "shape"), [("table", (40, 3)), ("image", (40, 3, 8, 6)), ("sequence", (40, 5, 2))])
def test_rows_left_in_the_file_train_alike(tmp_path: Path, kind: Any, shape: Any) -> None:
    write(tmp_path / "a", inputs=RANDOM.randint(0, 256, shape).astype(np.uint8), targets=RANDOM.rand(40))
    source = {"name": "arrays", "path": str(tmp_path / "a"), "kind": kind}
    held, read = (
        prepare(sources.read(source | {"memory": memory}).build(None), preprocessing.read(NAMES_OF[kind]), Shares(0.2, 0.2), seed=0)
        for memory in (True, False)
    )
    assert read["train"].streams and not held["train"].streams
    index = torch.tensor([3, 0, 7])
    one, other = (next(data["train"].drawn([Drawn(0, 0, index, index)], 3)) for data in (held, read))
    assert torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
    whole = torch.cat([batch.inputs for batch in read["test"].slices(3)])
    assert torch.equal(whole, held["test"].part(0, 8).inputs) and len(whole) == 8
