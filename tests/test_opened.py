"""Nothing named inside a checkpoint is ever opened: what is read is what the user names, or the config of the run around it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from tests.helpers import StopAfter
from trainkit import evaluate, predict, resume, train
from trainkit.config.reader import dump, read_text
from trainkit.errors import ConfigError, TrainkitError
from trainkit.store import checkpoint

RANDOM = np.random.RandomState(0)
REST = "{}\nloggers: []\ndevice: cpu\ntraining: {{epochs: 1, batch_size: 20}}\n"
SOURCES: dict[str, tuple[str, str, str]] = {  # what the config says, then what predict and --data are given of the user's copy
    "csv": ("{name: csv, path: theirs/t.csv, target: y}", "t.csv", "t.csv"),
    "csv by a pattern": ('{name: csv, path: "theirs/part?.csv", target: y}', "t.csv", "t.csv"),
    "csv for each split": ("{name: csv, path: {train: theirs/t.csv, test: theirs/part1.csv}, target: y}", "t.csv", "t.csv"),
    "parquet": ("{name: csv, path: theirs/t.parquet, target: y}", "t.parquet", "t.parquet"),
    "text": ("{name: text, path: theirs/t.csv, text: c, target: y}", "t.csv", "t.csv"),
    "text in folders": ("{name: text, path: theirs/texts}", "texts", "texts"),
    "images": ("{name: images, path: theirs/pictures}", "pictures", "pictures"),
    "images by a table": ("{name: images, table: theirs/list.csv, target: y}", "pictures", "list.csv"),
    "images by a table, elsewhere": ("{name: images, path: theirs, table: theirs/list.csv, target: y}", "pictures", ""),
    "series": ("{name: series, path: theirs/t.csv, target: a, window: 3}", "t.csv", "t.csv"),
    "arrays": ("{name: arrays, path: theirs/x.npz}", "x.npz", "x.npz"),
    "arrays in two files": ("{name: arrays, inputs: theirs/x.npy, targets: theirs/y.npy}", "x.npy", ""),
    "arrays, mapped": ("{name: arrays, path: theirs/x.pt, memory: false}", "x.pt", "x.pt"),
    "idx": ("{name: idx, path: theirs/idx}", "idx/train-images-idx3-ubyte", "idx"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same files three times: ``theirs``, which runs learn from; ``mine``, which the user names; ``canary``, of nobody."""
    folder = tmp_path_factory.mktemp("opened")
    theirs = folder / "theirs"
    pixels = RANDOM.randint(0, 256, (60, 5, 5)).astype(np.uint8)
    for n, picture in enumerate(pixels):
        for kind in ("pictures", "texts"):
            (theirs / kind / "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(theirs / "pictures" / "ab"[n % 2] / f"{n}.png")
        (theirs / "texts" / "ab"[n % 2] / f"{n}.txt").write_text(f"word {n % 5}")
    columns = {"a": RANDOM.randn(60), "c": ["red", "green", "blue"] * 20, "y": ["a", "b"] * 30}
    table = pl.DataFrame(columns)
    table.write_parquet(theirs / "t.parquet")
    for name, part in (("t", table), ("part1", table.head(20).with_columns(a=-table["a"].head(20))), ("part2", table.tail(40))):
        part.write_csv(theirs / f"{name}.csv")
    table.select(pl.Series("image", [f"pictures/{'ab'[n % 2]}/{n}.png" for n in range(60)]), "y").write_csv(theirs / "list.csv")
    arrays = {"inputs": RANDOM.randn(60, 3), "targets": RANDOM.randn(60)}
    np.savez(theirs / "x.npz", **arrays)  # type: ignore[arg-type]
    np.save(theirs / "x.npy", arrays["inputs"])
    np.save(theirs / "y.npy", arrays["targets"])
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, theirs / "x.pt")
    (theirs / "idx").mkdir()
    (theirs / "idx" / "train-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 3, 0, 0, 0, 60, 0, 0, 0, 5, 0, 0, 0, 5]) + pixels.tobytes()
    )
    (theirs / "idx" / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 60]) + bytes([0, 1] * 30))
    (theirs / "words.csv").write_text("red,crimson\n")
    (theirs / "part.py").write_text("raise SystemExit('imported')\n")
    (theirs / "base.yaml").write_text("seed: 1\n")
    for copy in ("mine", "canary"):
        shutil.copytree(theirs, folder / copy)
    return folder


_heard: list[str] | None = None


def _hear(event: str, arguments: Any) -> None:
    """A hook stays for good: it listens only within `opened`."""
    if _heard is not None and event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes | os.PathLike):
        _heard.append(os.fsdecode(arguments[0]))


@cache
def _listening() -> None:
    sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[set[str]]:
    """Which of the three folders hold a file or folder that is opened here, by any thread."""
    global _heard
    _listening()
    found: set[str] = set()
    heard: list[str] = []
    _heard = heard
    try:
        yield found
    finally:
        _heard = None
        found |= {part for path in heard for part in Path(os.path.abspath(path)).parts if part in ("theirs", "mine", "canary")}


@cache
def trained(place: Path, name: str) -> Path:
    """The folder of a run on that source."""
    data, kind = SOURCES[name][0], SOURCES[name][0].split()[1].rstrip(",")
    model = "{name: gru, hidden: 4}" if kind in ("series", "text") else "{name: mlp, hidden: [4]}"
    config = place / f"{name.replace(' ', '-').replace(',', '')}.yaml"
    config.write_text(f"data: {data}\nmodel: {REST.format(model)}")
    with opened() as found:
        run = train(config, runs=place / "runs", screen=StopAfter(1)).run  # before anything is drawn, which takes a second
    assert found == {"theirs"}, "the files of every source are seen when they are opened"
    return Path(run)


@pytest.mark.parametrize("name", SOURCES)
def test_a_checkpoint_away_from_its_run_opens_what_the_user_names(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    lone = shutil.copy(trained(place, name) / "checkpoints" / "last.pth", place / "lone.pth")
    asking = r"trained on files \(data\.\w+.*lies outside of its run's folder: where are they\? (Name the data: |Put it back)"
    with opened() as found:
        for work in (evaluate, resume):
            with pytest.raises(ConfigError, match=asking) as refused:
                work(lone)
            assert refused.value.exit_code == 2
    assert not found
    _, rows, data = SOURCES[name]
    with opened() as found:
        assert predict(lone, f"mine/{rows}")["rows"]
    assert found == {"mine"}
    with opened() as found:
        if data:
            assert evaluate(lone, data=f"mine/{data}")["rows"] >= 57
        else:
            with pytest.raises(ConfigError, match=r"the source \w+ reads data\.\w+ and data\.\w+"):
                evaluate(lone, data="mine")
        said = {f"data.{key}": path.replace("theirs", "mine") for key, path in files(read_text(SOURCES[name][0], "").value)}
        assert resume(lone, said, runs=place / "further", screen=StopAfter(2)).steps == 2
    assert found == {"mine"}


def files(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings and the files that they name."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{below}", path) for below, path in files(value))
        elif str(value).startswith("theirs"):
            yield key, value


def csv(**more: Any) -> dict[str, Any]:
    return {"data": {"name": "csv", "path": "{0}/t.csv", "target": "y", **more}}


HOSTILE: dict[str, tuple[str, dict[str, Any]]] = {  # what is written into the config inside the checkpoint of a run
    "a file": ("csv", csv(path="{0}/t.csv")),
    "a pattern": ("csv", csv(path="{0}/*.csv")),
    "a file for each split": ("csv", csv(path={"train": "{0}/part1.csv", "test": "{0}/part2.csv"})),
    "a file by way of home": ("csv", csv(path="~/canary/t.csv")),
    "a file by way of a variable": ("csv", csv(path="${{env:CANARY}}/t.csv")),
    "another source": ("csv", {"data": {"name": "arrays", "inputs": "{0}/x.npy", "targets": "{0}/y.npy"}}),
    "texts": ("text in folders", {"data": {"name": "text", "path": "{0}/texts"}}),
    "synonyms": ("text", {"augment": [{"name": "synonyms", "file": "{0}/words.csv"}]}),
    "pictures": ("images", {"data": {"name": "images", "path": "{0}/pictures"}}),
    "a table of pictures": ("images", {"data": {"name": "images", "path": "{0}", "table": "{0}/list.csv", "target": "y"}}),
    "a config": ("csv", {"extends": "{0}/base.yaml"}),
    "a plugin": ("csv", {"plugins": ["{0}/part.py"]}),
}  # fmt: skip


def filled(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        return value.format(folder)
    if isinstance(value, dict):
        return {name: filled(item, folder) for name, item in value.items()}
    return [filled(item, folder) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a run"])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_forger_names_is_never_opened(
    name: str, within: bool, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("HOME", place), ("CANARY", place / "canary")):
        monkeypatch.setenv(variable, str(value))
    monkeypatch.chdir(place)
    source, change = HOSTILE[name]
    content = checkpoint.load(trained(place, source) / "checkpoints" / "last.pth")
    content["config"] = dump(read_text(content["config"], "inside").value | filled(change, str(place / "canary")))
    if within:
        shutil.copytree(trained(place, source), tmp_path / "run-1")
    target = tmp_path / ("run-1" if within else "lone.pth")
    checkpoint.save(content, target / "checkpoints" / "last.pth" if within else target)
    _, rows, data = SOURCES[source]
    on: dict[str, Any] = {"runs": tmp_path / "runs", "screen": StopAfter(2)}
    works: list[Callable[[], Any]] = [
        lambda: evaluate(target), lambda: predict(target, f"mine/{rows}"), lambda: evaluate(target, data=f"mine/{data}"),
        lambda: resume(target, data=f"mine/{data}", **on), lambda: resume(target, **on),
    ]  # fmt: skip
    for n, work in enumerate(works):
        with opened() as found, suppress(TrainkitError):
            work()
        assert found <= ({"theirs", "mine"} if within else {"mine"})
        assert n or found == ({"theirs"} if within and name != "a config" else set())  # the run's own config says where
