"""Every shipped config: short, its first line the command, valid, and it trains."""

import gzip
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from trainkit.config.loading import load
from trainkit.config.reader import read_text
from trainkit.engine.loop import fit
from trainkit.jobs.building import build_run

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_is_short_and_says_its_command(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 25
    assert lines[0] == f"# trainkit train configs/{path.name}"
    assert any(line.startswith("# yaml-language-server: $schema=") for line in lines)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows of noise in the files of the sets that nobody ships, where the configs look for them."""
    random = np.random.RandomState(0)
    for half, count in (("train", 200), ("t10k", 40)):
        for what, numbers in (("images-idx3", random.randint(0, 256, (count, 28, 28))), ("labels-idx1", np.arange(count) % 10)):
            head = struct.pack(f">HBB{numbers.ndim}I", 0, 8, numbers.ndim, *numbers.shape)
            (tmp_path / f"{half}-{what}-ubyte.gz").write_bytes(gzip.compress(head + numbers.astype(np.uint8).tobytes(), mtime=0))
    cifar = tmp_path / "cifar-10-batches-py"
    cifar.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        rows = {"data": random.randint(0, 256, (40, 3072)).astype(np.uint8), "labels": [n % 10 for n in range(40)]}
        (cifar / name).write_bytes(pickle.dumps(rows))
    (cifar / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path))
    monkeypatch.setenv("FASHION_MNIST", str(tmp_path))
    monkeypatch.setenv("TORCHVISION_SETS", str(tmp_path))
    for name in ("RESNET18", "RESNET50", "VIT"):  # nothing is fetched in a test
        monkeypatch.setenv(name, "none")


@pytest.mark.usefixtures("sets")
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_trains_two_steps_and_is_written_back_as_equal(path: Path) -> None:
    few = ["data.rows=20000"] if "rows: 2000000" in path.read_text() else []
    few += ["preprocess.size=32", "split={validation: 0.2}"] if path.stem.endswith(("-features", "-finetune")) else []
    config = load(path, ["training.epochs=null", "training.steps=2", "device=cpu", *few]).config
    run = build_run(config)
    events = list(fit(run))
    assert len(events) == 2 and all(torch.isfinite(event.loss) for event in events)
    assert events[-1].validation is not None
    assert read_text(config.text(), "again").value == config.model_dump(mode="json")
