"""A million rows of CSV through `predict`, beside a bare script: read with Polars, scale, run the network in large batches.

    python benchmarks/predict.py [ROUNDS] [ROWS]

Each round runs both, in turn, in fresh processes that import first and then time themselves; medians, ratio, peak memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

OURS = """
import json, resource, sys, time
from trainkit.jobs.predicting import predict
predict(sys.argv[1], sys.argv[4])  # imports what it needs
began = time.perf_counter()
rows = predict(sys.argv[1], sys.argv[2], output=sys.argv[3])["rows"]
print(json.dumps([time.perf_counter() - began, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""
BARE = """
import json, resource, sys, time
import polars as pl, torch
from trainkit.jobs.evaluation import check_content
from trainkit.store import checkpoint
from pathlib import Path
content = check_content(checkpoint.load(Path(sys.argv[1])), Path(sys.argv[1]))
layers = [torch.nn.Linear(w.shape[1], w.shape[0]) for w in content["network"].values() if w.ndim == 2]
for layer, (w, b) in zip(layers, zip(*[iter(content["network"].values())] * 2)):
    layer.weight.data, layer.bias.data = w, b
network = torch.nn.Sequential(layers[0], torch.nn.ReLU(), *layers[1:2], torch.nn.ReLU(), *layers[2:])
fitted = content["fitted"]["inputs"]
center, scale = fitted["center"].float(), fitted["scale"].float()
torch.set_num_threads(content["hardware"]["threads"])
pl.read_csv(sys.argv[4])
began = time.perf_counter()
frame = pl.read_csv(sys.argv[2])
numbers = frame.select([name for name in frame.columns if name.startswith("n")]).to_torch(dtype=pl.Float32)
colours = torch.stack([torch.from_numpy((frame["colour"] == name).to_numpy()) for name in ("blue", "green", "red")], dim=1)
inputs = (torch.cat([numbers, colours.float()], dim=1) - center) / scale
with torch.no_grad():
    found = torch.cat([network(part).softmax(dim=1).max(dim=1).indices for part in inputs.split(8192)])
print(json.dumps([time.perf_counter() - began, len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]))
"""


def make(folder: Path, rows: int) -> tuple[Path, Path]:
    """The table, and a checkpoint trained on its first rows."""
    import numpy as np
    import polars as pl

    from trainkit import train

    random = np.random.RandomState(0)
    numbers = random.randn(rows, 8)
    columns: dict[str, Any] = {f"n{k}": numbers[:, k].round(6) for k in range(8)}
    columns["colour"] = np.array(["red", "green", "blue"])[random.randint(0, 3, rows)]
    columns["answer"] = np.where(numbers[:, 0] + numbers[:, 1] > 0, "yes", "no")
    frame = pl.DataFrame(columns)
    frame.write_csv(folder / "rows.csv")
    frame.head(5000).write_csv(folder / "few.csv")
    (folder / "few.yaml").write_text(
        "data: {name: csv, path: few.csv, target: answer}\nmodel: {name: mlp, hidden: [64, 32]}\ntraining: {epochs: 2}\n"
    )
    return folder / "rows.csv", Path(train(folder / "few.yaml", runs=folder / "runs").run) / "checkpoints" / "best.pth"


def main(rounds: int = 5, rows: int = 1_000_000) -> None:
    """Print seconds, ratio and memory."""
    with tempfile.TemporaryDirectory() as name:
        table, checkpoint = make(Path(name), rows)
        found: dict[str, list[list[float]]] = {"predict": [], "bare": []}
        for _ in range(rounds):
            for label, script in (("predict", OURS), ("bare", BARE)):
                words = [sys.executable, "-c", script, str(checkpoint), str(table), f"{name}/answers.csv", f"{name}/few.csv"]
                out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
                found[label].append(json.loads(out.splitlines()[-1]))
        for label, runs in found.items():
            seconds = [run[0] for run in runs]
            print(
                f"{label:8} {median(seconds):6.2f} s  ({', '.join(f'{s:.2f}' for s in seconds)})  {max(r[2] for r in runs):.0f} MB"
            )
        print(f"ratio    {median([p[0] / b[0] for p, b in zip(found['predict'], found['bare'], strict=True)]):.2f}  (n = {rounds})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
