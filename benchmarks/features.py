"""Five epochs on 1,000 JPEGs of 224 × 224 with a frozen ResNet-18: trainkit, which keeps its features, beside the usual loop.

    python benchmarks/features.py [ROUNDS] [PICTURES] [EPOCHS] [PRECISION]

The usual loop is a DataLoader with two workers that decodes every picture in every epoch, a frozen backbone in evaluation mode,
Adam on the head. Each round runs both in turn, in fresh processes with the same weights, batch and threads.
Times begin when data and network are ready to be read and end with the last step; trainkit's contain its checkpoints and logs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

OURS = """
import json, sys
from time import perf_counter
from trainkit import train
from trainkit.jobs.driving import Silent
folder, epochs, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class Clock(Silent):
    times, began, counted = [], 0.0, None
    def bar(self, steps, done, word="step"):
        self.counted = word
        if not self.began:
            self.began = perf_counter()
        return super().bar(steps, done, word)
    def step(self, step, loss, rows_per_second):
        if self.counted == "step":
            self.times.append(perf_counter())

clock = Clock()
train(f"{folder}/frozen.yaml", {"training.epochs": epochs, "precision": precision}, runs=f"{folder}/runs", screen=clock)
per = len(clock.times) // epochs
ends = [clock.times[per * (n + 1) - 1] for n in range(epochs)]
later = [b - a for a, b in zip(ends, ends[1:])]
print(json.dumps({"total": ends[-1] - clock.began, "first": ends[0] - clock.began, "later": sum(later) / len(later)}))
"""
USUAL = """
import json, sys
from time import perf_counter
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2
folder, epochs, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def main():
    torch.manual_seed(0)
    network = models.resnet18(weights=None)
    network.load_state_dict(torch.load(f"{folder}/resnet18.pth", weights_only=True))
    network.requires_grad_(False)
    network.fc = nn.Linear(512, 10)
    network.eval()
    way = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    data = ImageFolder(f"{folder}/pictures", v2.Compose(way))
    loader = DataLoader(data, batch_size=32, shuffle=True, num_workers=2, persistent_workers=True)
    adam, measure = torch.optim.Adam(network.fc.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    began, ends = perf_counter(), []
    for _ in range(epochs):
        for pictures, classes in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = measure(network(pictures), classes)
            loss.backward()
            adam.step()
            adam.zero_grad()
        ends.append(perf_counter())
    later = [b - a for a, b in zip(ends, ends[1:])]
    print(json.dumps({"total": ends[-1] - began, "first": ends[0] - began, "later": sum(later) / len(later)}))

if __name__ == "__main__":
    main()
"""
CONFIG = """
trainkit: 1
data: {name: images, path: pictures}
split: {validation: 0, test: 0}
model: {name: resnet, variant: 18, weights: ./resnet18.pth}
optimizer: {name: adam, lr: 1e-3}
training: {batch_size: 32}
threads: 2
"""


def make(folder: Path, pictures: int) -> None:
    """Pictures of smooth noise, ten classes; random weights in a file."""
    import numpy as np
    import torch
    from PIL import Image
    from torchvision.models import resnet18  # type: ignore[import-untyped]

    random = np.random.RandomState(0)
    for n in range(pictures):
        place = folder / "pictures" / str(n % 10)
        place.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.randint(0, 256, (28, 28, 3)).astype(np.uint8))
        small.resize((224, 224), Image.Resampling.BICUBIC).save(place / f"{n}.jpg", quality=90)
    torch.manual_seed(0)
    torch.save(resnet18(weights=None).state_dict(), folder / "resnet18.pth")
    (folder / "frozen.yaml").write_text(CONFIG)


def main(rounds: str = "3", pictures: str = "1000", epochs: str = "5", precision: str = "fp32") -> None:
    """Print seconds and ratios."""
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), int(pictures))
        found: dict[str, list[dict[str, float]]] = {"trainkit": [], "usual": []}
        for _ in range(int(rounds)):
            for label, script in (("trainkit", OURS), ("usual", USUAL)):
                words = [sys.executable, "-c", script, name, epochs, precision]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                found[label].append(json.loads(done.stdout.splitlines()[-1]))
    for label, times in found.items():
        print(label, {key: round(median(time[key] for time in times), 3) for key in times[0]})
    pairs = list(zip(found["trainkit"], found["usual"], strict=True))
    ratios = {key: round(median(usual[key] / ours[key] for ours, usual in pairs), 2) for key in ("total", "later")}
    print(f"usual / trainkit, {precision}, median of {rounds}:", ratios)


if __name__ == "__main__":
    main(*sys.argv[1:])
