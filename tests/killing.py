"""Kill a training at random instants with SIGKILL, resume it until it is done, and compare it with one that nobody disturbed.

    python tests/killing.py KILLS FOLDER CONFIG [KEY=VALUE …]

Every training is a fork of this process, so torch is imported once. Prints one JSON object.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import torch
import torch._dynamo  # the first optimizer imports it: once here, not in every fork
import torch.utils.tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import trainkit.jobs.resuming
import trainkit.jobs.training
import trainkit.report.plots
from tests.tiny_body import Tiny
from trainkit.parts.models import models
from trainkit.store import checkpoint
from trainkit.store.runs import RunFolder, folders

torch.set_num_threads(1)  # before any fork: threads don't survive one


def digest(value: Any) -> str:
    """sha256 over a nest of plain values and tensors."""
    found = sha256()

    def walk(item: Any) -> None:
        if isinstance(item, torch.Tensor):
            found.update(repr((item.dtype, tuple(item.shape))).encode())
            found.update(item.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(item, dict):
            for key in sorted(item, key=repr):
                found.update(repr(key).encode())
                walk(item[key])
        elif isinstance(item, list | tuple):
            for part in item:
                walk(part)
        else:
            found.update(repr(item).encode())

    walk(value)
    return found.hexdigest()


def outcome(run: RunFolder) -> dict[str, Any]:
    """All that must be equal: the state, the best weights, metrics.jsonl, and TensorBoard's points."""
    last, best = checkpoint.load(run.last), checkpoint.load(run.best)
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    points = {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in events.Tags()["scalars"] if tag != "rows_per_second"}
    pictures = {tag: [p.step for p in events.Images(tag)] for tag in events.Tags()["images"]}
    state = [{part: content[part] for part in ("network", "ema", "optimizer", "scaler", "state")} for content in (last, best)]
    return {"state": digest(state), "metrics": run.metrics.read_text(), "points": points, "pictures": pictures}


def fork(work: Callable[[], object]) -> int:
    """A child that does the work and exits 0."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def survive(config: str, overrides: list[str], root: Path, moments: random.Random, seconds: float) -> tuple[RunFolder, int]:
    """Start, kill, resume, kill … up to four times at random moments of the run's length, then let it end."""
    kills = 0
    while True:
        known = folders(root)
        if known and known[0].end():
            return known[0], kills
        if known:
            child = fork(partial(trainkit.jobs.resuming.resume, known[0].path))
        else:
            child = fork(partial(trainkit.jobs.training.train, config, overrides, runs=root))
        done = 0, 0
        if kills < 4:
            deadline = time.monotonic() + moments.uniform(0.05, seconds)
            while time.monotonic() < deadline and (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
                time.sleep(0.002)
            if done == (0, 0):
                os.kill(child, signal.SIGKILL)
                kills += 1
        if done == (0, 0):
            done = os.waitpid(child, 0)
        assert done[1] in (0, signal.SIGKILL), f"a training failed by itself: status {done[1]}"


def main(rounds: int, folder: Path, config: str, overrides: list[str]) -> dict[str, Any]:
    """So many trainings, each killed several times."""
    models.register(Tiny)
    began = time.monotonic()
    os.waitpid(fork(lambda: trainkit.jobs.training.train(config, overrides, runs=folder / "whole")), 0)
    seconds = time.monotonic() - began
    expected = outcome(folders(folder / "whole")[0])
    exact, kills, differing = 0, 0, []
    for n in range(rounds):
        run, killed = survive(config, overrides, folder / f"killed-{n}", random.Random(n), seconds)
        found = outcome(run)
        wrong = [name for name in expected if found[name] != expected[name]]
        exact, kills = exact + (not wrong), kills + killed
        differing += [(n, wrong)] if wrong else []
    return {"rounds": rounds, "exact": exact, "kills": kills, "differing": differing, "seconds": round(seconds, 2)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:])) + "\n")
