"""Every shipped config: short, its first line the command, valid, and it trains."""

from pathlib import Path

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


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_trains_two_steps_and_is_written_back_as_equal(path: Path) -> None:
    few = ["data.rows=20000"] if "rows: 2000000" in path.read_text() else []
    config = load(path, ["training.epochs=null", "training.steps=2", "device=cpu", *few]).config
    run = build_run(config)
    events = list(fit(run))
    assert len(events) == 2 and all(torch.isfinite(event.loss) for event in events)
    assert events[-1].validation is not None
    assert read_text(config.text(), "again").value == config.model_dump(mode="json")
