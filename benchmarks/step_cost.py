"""What a step costs: trainkit's loop against the same loop written bare, on the same tensors, in one interleaved run.

    python benchmarks/step_cost.py [ROUNDS]

Prints a Markdown table: medians of microseconds a step, and ratios to the bare loop, round by round.
`fit` is the loop alone; `train` adds what a run does besides (loggers, checkpoints each epoch, evaluation each epoch).
"""

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import torch
from torch.nn import functional as F

from trainkit.config.loading import load
from trainkit.engine.hardware import processor
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.jobs.building import build_run
from trainkit.jobs.driving import Drive, Silent
from trainkit.jobs.training import new_folder

CONFIG = Path(__file__).parents[1] / "configs/digits-mlp.yaml"
STEPS = 800


def make(evaluate_every: int | str) -> Run:
    settings = ["training.epochs=null", f"training.steps={STEPS}", f"training.evaluate_every={evaluate_every}"]
    return build_run(load(CONFIG, [*settings, "training.early_stopping=null", "device=cpu"]).config)


def bare() -> float:
    run = make(STEPS)
    network, inputs, targets = run.network, run.data["train"].whole.inputs, run.data["train"].targets
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    network.train()
    began, done = perf_counter(), 0
    while done < STEPS:
        for index in torch.randperm(len(inputs)).split(64):  # type: ignore[no-untyped-call]
            loss = F.cross_entropy(network(inputs[index]), targets[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            done += 1
    return (perf_counter() - began) / done


def loop() -> float:
    run = make(STEPS)
    began = perf_counter()
    for _ in fit(run):
        pass
    return (perf_counter() - began) / STEPS


def whole() -> float:
    run = make("epoch")
    with tempfile.TemporaryDirectory() as folder:
        result = Drive(run, new_folder(run, folder), Silent(), 0.0)()
        assert result.seconds is not None
        return result.seconds["train"] / STEPS


def main(rounds: int) -> None:
    contenders: dict[str, Callable[[], float]] = {"bare": bare, "fit": loop, "train": whole}
    for work in contenders.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(work() * 1e6)
    where = processor(torch.device("cpu"))
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, Python {platform.python_version()},")
    print(f"digits MLP, batch 64, {STEPS} steps a round, n = {rounds} rounds\n")
    print("| loop | µs a step (median) | min–max | × bare (median of rounds) |\n|---|---|---|---|")
    for name, found in times.items():
        ratios = [a / b for a, b in zip(found, times["bare"], strict=True)]
        print(f"| {name} | {statistics.median(found):.0f} | {min(found):.0f}–{max(found):.0f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
