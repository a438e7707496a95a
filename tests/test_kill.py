"""kill -9 at random instants: what was resumed ends equal to what nobody disturbed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUNDS = 6


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="kills forks")
def test_killed_and_resumed_equals_undisturbed(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    settings = ["training.epochs=4", "checkpoint.every=7", "training.accumulate=2", "training.evaluate_every=11"]
    command = [sys.executable, "-m", "tests.killing", str(ROUNDS), str(tmp_path), "configs/digits-mlp.yaml", *settings]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["differing"] == [] and found["exact"] == ROUNDS and found["kills"] >= ROUNDS
