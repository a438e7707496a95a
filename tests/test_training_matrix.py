"""Every model with every task, on every kind of rows that it takes, with every optimizer: it runs, each weight learns, a batch
is learnt by heart, a resume in the middle is bit for bit, and the file measures as the run did."""

from functools import cache
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from tests.helpers import make_run
from tests.killing import digest
from trainkit.engine.assembling import assemble, load_weights, trained_weights
from trainkit.engine.evaluation import Evaluator
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.parts.models import models
from trainkit.parts.models._transfer import Transfer
from trainkit.parts.optimizers import optimizers
from trainkit.parts.tasks import tasks
from trainkit.spec import Kind, Rows, Spec
from trainkit.store import checkpoint

SHAPES: dict[Kind, tuple[int, ...]] = {"table": (12,), "image": (2, 8, 9), "sequence": (7, 5), "tokens": (7,)}
SMALL: dict[str, dict[str, object]] = {
    "mlp": {"hidden": [8]},
    "cnn": {"blocks": [4], "hidden": [8]},
    "transformer": {"width": 8, "heads": 2, "layers": 1},
}
RECURRENT: dict[str, object] = {"hidden": 8, "bidirectional": True}
ROWS = 48


@cache
def rows(kind: Kind, target: str, varying: bool) -> Rows:
    """Rows of noise: whoever learns them has learnt them by heart."""
    random = np.random.RandomState(0)
    inputs = random.randint(0, 11, (ROWS, 7)) if kind == "tokens" else random.randn(ROWS, *SHAPES[kind])
    lengths = random.randint(1, 8, ROWS) if varying else None
    targets, names = random.randn(ROWS, 2) * [3, 0.1] + [100, 0], ("p", "q")
    if target == "class":
        targets = random.choice(np.array(["a", "b", "c"], dtype=object), ROWS)
    if target == "labels":
        targets = (random.rand(ROWS, 2) < 0.5).astype(float)
    vocabulary = 11 if kind == "tokens" else 0
    return Rows(inputs, targets, kind, target, target_names=names, lengths=lengths, vocabulary=vocabulary)  # type: ignore[arg-type]


def built(model: str, task: str, kind: Kind, varying: bool, *overrides: str) -> Run:
    part = tasks.find(task)
    assert part is not None
    return make_run([f"model={{name: {model}}}", f"task={task}", *overrides], rows(kind, part.target, varying))


def inputs(model: str) -> list[tuple[Kind, bool]]:
    """The kinds of rows that a model takes, and whether they differ in length."""
    part = models.find(model)
    assert part is not None
    return [(kind, varying) for kind in part.inputs for varying in (False, True) if not varying or _vary(part, kind)]


def _vary(part: type, kind: Kind) -> bool:
    return bool(getattr(part, "varying", False)) and kind in ("sequence", "tokens")


MODELS = [name for name in models.names() if not issubclass(models.find(name) or Transfer, Transfer)]
"""Those that begin anew: tests/test_transfer.py and test_pretrained.py have the others."""
CASES = [(model, task, *taken) for model in MODELS for task in tasks.names() for taken in inputs(model)]
EVERY = pytest.mark.parametrize(("model", "task", "kind", "varying"), CASES)


def test_every_kind_is_here() -> None:
    assert set(SHAPES) == set(get_args(Kind)) == {kind for model in MODELS for kind, _ in inputs(model)}


@EVERY
def test_it_runs_evaluates_and_answers(model: str, task: str, kind: Kind, varying: bool) -> None:
    split = "split={validation: 0.25, test: 0.25}"
    run = built(model, task, kind, varying, split, "training.epochs=2", "training.batch_size=8", "training.accumulate=2")
    events = list(fit(run))
    assert len(events) == 6 and all(event.loss.isfinite() for event in events)
    assert events[-1].validation is not None and set(run.config.task.measures) < set(events[-1].validation)  # type: ignore[union-attr]
    answers = run.task.answers(run.evaluator(run.data["test"]).outputs)
    assert answers.shape == ((12,) if run.data.spec.target == "class" else (12, 2))


@EVERY
def test_each_weight_gets_a_gradient(model: str, task: str, kind: Kind, varying: bool) -> None:
    run = built(model, task, kind, varying)
    run.task(run.network, run.data["train"].whole)["loss"].backward()  # type: ignore[no-untyped-call]
    lost = [name for name, p in run.network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not lost and all(p.requires_grad for p in run.network.parameters())


@EVERY
def test_one_batch_is_learnt_by_heart(model: str, task: str, kind: Kind, varying: bool) -> None:
    split, by_heart = "split={validation: 0.25, test: 0.25}", "optimizer={name: adam, lr: 0.01}"
    model = f"{model}, dropout: 0"
    run = built(model, task, kind, varying, split, "training.steps=150", "training.batch_size=all", by_heart)
    losses = [event.loss for event in fit(run)]
    assert run.plan.per_epoch == 1 and torch.stack(losses[-5:]).mean() < 0.05 * losses[0]


@pytest.mark.parametrize("optimizer", optimizers.names())
@EVERY
def test_a_resume_is_bit_for_bit_and_the_file_measures_the_same(
    model: str, task: str, kind: Kind, varying: bool, optimizer: str, tmp_path: Path
) -> None:
    small = str({"name": model, **SMALL.get(model, RECURRENT)}).replace("'", "").replace("True", "true")
    settings = [f"model={small}", f"optimizer={optimizer}", "training.steps=4", "training.batch_size=16", "training.ema=0.9"]
    undisturbed, stopped = (built(model, task, kind, varying, *settings) for _ in range(2))
    list(fit(undisturbed))
    list(islice(fit(stopped), 2))
    checkpoint.save(stopped.content() | {"loggers": {}}, tmp_path / "last.pth")
    content = checkpoint.load(tmp_path / "last.pth")
    resumed = built(model, task, kind, varying, *settings)
    resumed.restore(content)
    list(fit(resumed))
    assert digest(resumed.content()) == digest(undisturbed.content()) != digest(stopped.content())

    network, built_task = assemble(stopped.config, Spec.restore(content["spec"]), stopped.hardware)
    load_weights(network, trained_weights(content))
    measured = Evaluator(network, built_task, stopped.hardware, content["evaluation_batch"])(stopped.data["test"])
    assert measured.metrics == stopped.evaluator(stopped.data["test"]).metrics


def test_the_matrix_is_whole() -> None:
    """4 models on 4 kinds and 2 of them varying, mlp on 3, cnn on 1; each with 3 tasks and 9 optimizers."""
    assert len(CASES) == (4 * (3 + 2) + 3 + 1) * 3 and len(optimizers.names()) == 9
