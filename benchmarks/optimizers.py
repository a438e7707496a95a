"""Every optimizer on one network, and AdamZ's curves beside Adam's.

    python benchmarks/optimizers.py [SEEDS]

Prints a Markdown table for docs/optimizers.md (configs/optimizers.yaml, each optimizer with its own defaults), and draws
docs/adamz.png: validation loss by epoch on three configs, mean over the seeds, the range between best and worst seed shaded.
"""

import json
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from trainkit import train
from trainkit.parts.optimizers import optimizers

ROOT = Path(__file__).parents[1]
CURVES = ("digits-mlp", "breast-cancer-mlp", "regularised-mlp")


def run(config: str, seed: int, runs: str, **changes: Any) -> tuple[dict[str, float], list[float], float]:
    """Test metrics, validation loss of each epoch, and seconds of training."""
    result = train(ROOT / "configs" / f"{config}.yaml", {"seed": seed, "loggers": [], "device": "cpu", **changes}, runs=runs)
    records = map(json.loads, (Path(result.run) / "metrics.jsonl").read_text().splitlines())
    losses = [record["val_loss"] for record in records if record["kind"] == "evaluation"]
    assert result.test is not None and result.seconds is not None
    return result.test, losses, result.seconds["train"]


def table(seeds: int, runs: str) -> None:
    print("| optimizer | lr | median test accuracy | seeds 0 … | best val_loss, median | seconds of training, median |")
    print("|---|---|---|---|---|---|")
    for name in optimizers.names():
        found = [run("optimizers", seed, runs, optimizer=name) for seed in range(seeds)]
        scores = [test["accuracy"] for test, _, _ in found]
        cells = [name, f"{optimizers.read(name).lr:g}", f"{median(scores):.4f}", " ".join(f"{score:.4f}" for score in scores)]
        cells += [f"{median(min(losses) for _, losses, _ in found):.4f}", f"{median(s for _, _, s in found):.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def curves(seeds: int, runs: str) -> None:
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for panel, config in zip(figure.subplots(1, len(CURVES)), CURVES, strict=True):
        for name, color in (("adam", "#0072b2"), ("adamz", "#e69f00")):
            changes = {"optimizer": {"name": name, "lr": 3e-3}, "training.early_stopping": None, "training.epochs": 30}
            losses = np.array([run(config, seed, runs, **changes)[1] for seed in range(seeds)])
            epochs = np.arange(1, losses.shape[1] + 1)
            panel.plot(epochs, losses.mean(axis=0), color=color, label=name)
            panel.fill_between(epochs, losses.min(axis=0), losses.max(axis=0), color=color, alpha=0.2, linewidth=0)
        panel.set(title=f"{config}, n = {seeds}", xlabel="epoch", ylabel="validation loss", yscale="log")
        panel.legend(frameon=False)
    figure.savefig(ROOT / "docs" / "adamz.png", dpi=80)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    torch.set_num_threads(1)
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, n = {count} seeds\n")
    with tempfile.TemporaryDirectory() as folder:
        table(count, folder)
        curves(count, folder)
