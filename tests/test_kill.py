"""kill -9 at random instants: what was resumed ends equal to what nobody disturbed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 6
SETTINGS = ["training.epochs=4", "checkpoint.every=7", "training.accumulate=2", "training.evaluate_every=11"]
UNFREEZING = [
    "model={name: tiny, weights: SEED_3, head: {dropout: 0.2}, cache: file}",
    "training.unfreeze={2: layer4, 4: [layer3, layer2.0]}",
    "optimizer.groups={backbone: 3e-4}",
    "training.ema=0.9",
]
"""Features are kept in a file through the first epoch."""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="kills forks")
@pytest.mark.parametrize(("rounds", "more"), [(ROUNDS, []), (2, UNFREEZING)], ids=["mlp", "unfreezing"])
def test_killed_and_resumed_equals_undisturbed(tmp_path: Path, rounds: int, more: list[str]) -> None:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "tests.killing", str(rounds), str(tmp_path), "configs/digits-mlp.yaml", *SETTINGS, *more]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["differing"] == [] and found["exact"] == rounds and found["kills"] >= rounds
