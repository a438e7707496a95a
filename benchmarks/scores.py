"""What the shipped configs reach on their test splits: each trained by its own command, as a user would.

    python benchmarks/scores.py [SEEDS]

Prints a Markdown table: the score of each seed, the median, and the seconds of the slowest whole process.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

METRICS = {"diabetes-mlp": "r2", "overfit-polynomial": "mae", "seed-mlp-2m": "mae"}
SLOW = ["seed-mlp-2m"]
"""Trained once: what counts is its time."""


def train(config: Path, seed: int, runs: str) -> tuple[float, float]:
    """Test score and seconds of one process."""
    began = perf_counter()
    command = [sys.executable, "-m", "trainkit", "train", str(config), "--seed", str(seed), "--runs", runs, "--json", "-q"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["test"][METRICS.get(config.stem, "accuracy")], perf_counter() - began


def main(seeds: int) -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, n = {seeds} seeds\n")
    print("| config | metric | median | seeds 0 … | slowest, s |\n|---|---|---|---|---|")
    for config in sorted((Path(__file__).parents[1] / "configs").glob("*.yaml")):
        with tempfile.TemporaryDirectory() as runs:
            found = [train(config, seed, runs) for seed in range(1 if config.stem in SLOW else seeds)]
        scores = [score for score, _ in found]
        cells = [config.stem, METRICS.get(config.stem, "accuracy"), f"{statistics.median(scores):.4f}"]
        cells += [" ".join(f"{score:.4f}" for score in scores), f"{max(seconds for _, seconds in found):.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
