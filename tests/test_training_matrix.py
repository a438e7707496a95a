"""Every model with every task, on every kind of rows that it takes: it runs, each weight learns, a batch is learnt by heart."""

from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch

from tests.helpers import make_run
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.parts.models import models
from trainkit.parts.tasks import tasks
from trainkit.spec import Kind, Rows

SHAPES: dict[Kind, tuple[int, ...]] = {"table": (12,), "image": (2, 8, 9), "sequence": (7, 5)}
TARGETS = {"class": 3, "number": 2}


@cache
def rows(kind: Kind, target: str) -> Rows:
    """48 rows of noise: whoever learns them has learnt them by heart."""
    random = np.random.RandomState(0)
    inputs = random.randn(48, *SHAPES[kind])
    if target == "class":
        return Rows(inputs, random.choice(np.array(["a", "b", "c"], dtype=object), 48), kind, "class")
    return Rows(inputs, random.randn(48, 2) * [3, 0.1] + [100, 0], kind, "number", target_names=("p", "q"))


def built(model: str, task: str, kind: Kind, *overrides: str) -> Run:
    part = tasks.find(task)
    assert part is not None and part.target in TARGETS
    split = "split={validation: 0.25, test: 0.25}"
    return make_run([split, f"model={{name: {model}}}", f"task={task}", *overrides], rows(kind, part.target))


def kinds(model: str) -> tuple[Kind, ...]:
    part = models.find(model)
    assert part is not None
    return part.inputs


EVERY = pytest.mark.parametrize(
    ("model", "task", "kind"), [(model, task, kind) for model in models.names() for task in tasks.names() for kind in kinds(model)]
)


def test_every_kind_is_here() -> None:
    assert set(SHAPES) == set(get_args(Kind)) == {kind for model in models.names() for kind in kinds(model)}


@EVERY
def test_it_runs_evaluates_and_answers(model: str, task: str, kind: Kind) -> None:
    run = built(model, task, kind, "training.epochs=2", "training.batch_size=8", "training.accumulate=2")
    events = list(fit(run))
    assert len(events) == 6 and all(event.loss.isfinite() for event in events)
    assert events[-1].validation is not None and set(run.config.task.measures) < set(events[-1].validation)  # type: ignore[union-attr]
    answers = run.task.answers(run.evaluator(run.data["test"]).outputs)
    assert answers.shape == ((12,) if run.data.spec.target == "class" else (12, 2))


@EVERY
def test_each_weight_gets_a_gradient(model: str, task: str, kind: Kind) -> None:
    run = built(model, task, kind)
    run.task(run.network, run.data["train"])["loss"].backward()  # type: ignore[no-untyped-call]
    lost = [name for name, p in run.network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not lost and all(p.requires_grad for p in run.network.parameters())


@EVERY
def test_one_batch_is_learnt_by_heart(model: str, task: str, kind: Kind) -> None:
    run = built(model, task, kind, "training.steps=150", "training.batch_size=24", "optimizer={name: adam, lr: 0.01}")
    losses = [event.loss for event in fit(run)]
    assert run.plan.per_epoch == 1 and torch.stack(losses[-5:]).mean() < 0.05 * losses[0]
