"""Pictures that stream, augmented: the same training with any number of workers, and resumed with another."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.helpers import StopAfter
from trainkit import evaluate, resume, train
from trainkit.data.splits import Drawn, Split, one_ahead
from trainkit.jobs.driving import Silent
from trainkit.spec import Held
from trainkit.store import checkpoint

CONFIG = """
data: {name: images, path: pictures, memory: false}
preprocess: {size: 8}
augment: [flip, {name: rotation, degrees: 20}, {name: crop, padding: 1}, colour, erasing, mixup]
model: {name: cnn, blocks: [4], hidden: [8], dropout: 0.2}
training: {epochs: 3, batch_size: 8, evaluate_every: 3, log_every: 1}
checkpoint: {every: 2}
loggers: []
device: cpu
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for n in range(45):
        folder = tmp_path / "pictures" / "abc"[n % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.RandomState(n).randint(0, 256, (8 + n % 4, 9, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
    path = tmp_path / "folder.yaml"
    path.write_text(CONFIG)
    return path


def state(run: str | Path) -> dict[str, Any]:
    """Weights, optimizer and position of a run's last checkpoint."""
    content = checkpoint.load(Path(run) / "checkpoints" / "last.pth")
    return {name: content[name] for name in ("network", "optimizer", "state", "fitted", "spec", "fingerprint")}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_any_number_of_workers_gives_the_same_bits(config: Path) -> None:
    runs = [train(config, {"training.workers": workers}) for workers in (0, 1, 3)]
    first = state(runs[0].run)
    assert all(same(first, state(run.run)) for run in runs) and len({str(run.test) for run in runs}) == 1
    assert not same(first, state(train(config, {"seed": 1}).run)) and evaluate(runs[2].run)["metrics"] == runs[0].test


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_resume_with_other_workers_ends_with_the_same_bits(config: Path, stop: int) -> None:
    whole = train(config, {"training.workers": 1})
    cut = train(config, {"training.workers": 1}, screen=StopAfter(stop))
    assert cut.status == "interrupted" and cut.steps == stop
    told: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            told.append(line)

    done = resume(cut.run, {"training.workers": 3}, screen=Listening())
    assert done.status == "finished" and same(state(done.run), state(whole.run)) and done.test == whole.test
    assert "bit-exact yes" in told


def test_a_picture_that_changed_is_noticed(config: Path) -> None:
    cut = train(config, screen=StopAfter(2))
    next((config.parent / "pictures" / "a").iterdir()).write_bytes(
        (config.parent / "pictures" / "b" / "1.png").read_bytes() + b"\0"
    )
    with pytest.raises(Exception, match="its rows or values have changed"):
        resume(cut.run)


class Large:
    """A Reader of rows that take 1,000 bytes each."""

    shape, dtype = (100, 1, 10, 100), np.dtype(np.uint8)

    def read(self, index: Any) -> Any:
        return np.zeros((len(index), 1, 10, 100), np.uint8)

    def digest(self, index: Any) -> bytes:
        return b""


class Opening:
    """Nothing is prepared."""

    def opened(self, held: Held) -> Held:
        return held

    finished = opened


@pytest.mark.parametrize(("room", "ahead"), [(10**9, 17), (60_000, 7), (31_000, 5), (1, 3)])  # bytes; batches of 5,000
def test_batches_that_wait_take_no_more_memory_than_there_is_for_them(
    room: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainkit.data.splits.WAITING", room)
    begun = []

    def steps() -> Iterator[Drawn]:
        for n in range(1000):
            begun.append(n)
            yield Drawn(0, n, torch.arange(5), torch.arange(5))

    opening: Any = Opening()
    rows = Split(Held(Large()), torch.zeros(100), torch.arange(100), opening, torch.float32, str, workers=8)
    batches = rows.drawn(steps(), 5)
    next(batches)
    assert len(begun) == ahead and (ahead * 5_000 <= room or ahead == 3)  # one thread there is in any case
    next(batches)
    assert len(begun) == ahead + 1
    batches.close()  # type: ignore[attr-defined]


def test_of_items_read_one_ahead_no_more_than_one_waits() -> None:
    begun = []
    for n, item in enumerate(one_ahead(begun.append(n) or n for n in range(50))):  # type: ignore[func-returns-value]
        assert item == n and len(begun) <= n + 2
    assert begun == list(range(50))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_training_leaves_no_process(config: Path) -> None:
    words = "from trainkit import train; train('folder.yaml', {'training.workers': 3, 'training.epochs': 100000})"
    child = subprocess.Popen([sys.executable, "-c", words], start_new_session=True)
    folder = config.parent / "runs" / "folder-1" / "metrics.jsonl"
    for _ in range(1200):
        if folder.exists() and folder.stat().st_size:
            break
        time.sleep(0.05)
    assert folder.exists()
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError):  # the whole group is gone
        for _ in range(100):
            os.killpg(child.pid, 0)
            time.sleep(0.02)
