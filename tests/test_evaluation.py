"""Evaluation: the numbers of one pass over all rows at once, whatever the batches, and training none the wiser."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers import make_run
from trainkit.data.splits import Split
from trainkit.engine.evaluation import Evaluator
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.spec import Held

KINDS: dict[str, list[str]] = {
    "plain": [],
    "weights": ["task={name: classification, class_weights: {'0': 9.0, '1': 0.1}}"],
    "balanced": ["task={name: classification, class_weights: balanced}", "data=breast_cancer"],
    "smoothed": ["task={name: classification, loss: {name: cross_entropy, label_smoothing: 0.2}, class_weights: {'3': 7.0}}"],
    "amounts": ["data=diabetes"],
    "norms": ["model={name: cnn, dropout: 0.4}"],
}


def built(kind: str) -> tuple[Run, Split]:
    run = make_run([*KINDS[kind], "training.steps=3"])
    list(fit(run))
    return run, run.data["test"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_of_the_whole_split_at_once_whatever_the_batch(kind: str) -> None:
    run, rows = built(kind)
    run.network.eval()
    with torch.no_grad():
        outputs = run.network(rows.whole.inputs)
        whole = {"loss": float(run.task.loss(outputs, rows.targets)), **run.task.metrics(outputs, rows.targets)}  # type: ignore[attr-defined]
    for size in (1, 7, 64, len(rows.rows) - 1, len(rows.rows), 10**6):
        scores = Evaluator(run.network, run.task, run.hardware, size)(rows)
        assert scores.metrics == pytest.approx(whole, rel=1e-6), size
        assert scores.outputs.shape == outputs.shape and torch.allclose(scores.outputs, outputs, atol=1e-5)
        assert torch.equal(scores.targets, rows.targets)


def test_an_uneven_last_batch_counts_by_its_weight() -> None:
    """Three rows of the light class, then one of the heavy: the mean of two means would be another number."""
    run = make_run(["task={name: classification, class_weights: {'1': 10.0}}"])
    rows = run.data["test"]
    order = torch.cat([torch.where(rows.targets == 0)[0][:4], torch.where(rows.targets == 1)[0][:2]])
    inputs = rows.whole.inputs[order]
    few = replace(rows, held=Held(inputs), targets=rows.targets[order], rows=rows.rows[order])
    found = Evaluator(run.network, run.task, run.hardware, 4)(few).metrics["loss"]
    with torch.no_grad():
        each = nn.functional.cross_entropy(run.network.eval()(inputs), few.targets, reduction="none")
    assert found == pytest.approx(float((each[:4].sum() + 10 * each[4:].sum()) / 24), rel=1e-6)
    assert found != pytest.approx(float((each[:4].mean() + each[4:].mean()) / 2), rel=1e-3)


class Spy(nn.Module):
    """Remembers in which mode it was asked, and can fail."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append((self.training, torch.is_grad_enabled()))
        if self.fails:
            raise RuntimeError("no")
        return inputs


@pytest.mark.parametrize("fails", [False, True])
def test_every_module_gets_its_own_mode_back(fails: bool) -> None:
    run = make_run(["model={name: cnn, dropout: 0.5}"])
    spy = Spy(fails)
    network = nn.Sequential(run.network, spy).train()
    frozen = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in frozen:
        module.eval()
    before = [module.training for module in network.modules()]
    try:
        Evaluator(network, run.task, run.hardware, 50)(run.data["test"])
    except RuntimeError:
        assert fails
    assert [module.training for module in network.modules()] == before and False in before and True in before
    assert set(spy.seen) == {(False, False)} and torch.is_grad_enabled()


@pytest.mark.parametrize("kind", ["norms", "amounts"])
def test_nothing_of_the_training_changes(kind: str) -> None:
    run, rows = built(kind)
    state = {name: value.clone() for name, value in run.network.state_dict().items()}
    generator, buffers = torch.default_generator.get_state(), {name: id(p) for name, p in run.network.named_parameters()}
    run.evaluator(rows)
    assert torch.equal(torch.default_generator.get_state(), generator)
    assert all(torch.equal(value, state[name]) for name, value in run.network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in run.network.parameters())
    assert {name: id(p) for name, p in run.network.named_parameters()} == buffers


def losses(evaluations: int, overrides: list[str]) -> list[float]:
    run = make_run(["model={name: cnn, dropout: 0.5}", "training.steps=6", *overrides])
    found = []
    for event in fit(run):
        found.append(event.loss.item())
        for _ in range(evaluations):
            run.evaluator(run.data["test"])
    return found


def test_training_goes_the_same_way_with_and_without() -> None:
    assert losses(0, []) == losses(2, []) == losses(0, ["training.evaluate_every=1"])


def test_in_bf16_the_outputs_are_float32_again() -> None:
    run = make_run(["precision=bf16"])
    scores = run.evaluator(run.data["test"])
    full = make_run().evaluator(run.data["test"])
    assert scores.outputs.dtype == torch.float32 and not torch.equal(scores.outputs, full.outputs)
    assert scores.metrics["loss"] == pytest.approx(full.metrics["loss"], rel=0.05)


def test_in_fp64() -> None:
    run: Any = make_run(["precision=fp64"])
    assert run.evaluator(run.data["test"]).outputs.dtype == torch.float64
