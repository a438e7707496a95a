"""The loop computes what a plain PyTorch loop computes, bit for bit; and the same as it always did."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.helpers import make_run
from trainkit.data.randomness import key, order
from trainkit.engine.loop import fit
from trainkit.engine.run import Run
from trainkit.errors import ConfigError, NumericError

GOLDEN = Path(__file__).parent / "golden"


def losses(run: Run, count: int) -> list[float]:
    return [event.loss.item() for event in islice(fit(run), count)]


def plain_loop(
    run: Run, count: int, *, batch: int, accumulate: int = 1, weights: torch.Tensor | None = None, clip: float | None = None
) -> list[float]:
    """Written out by hand, on the run's own first weights; the batches of each epoch in its permutation."""
    network, x, y = run.network, run.data["train"].whole.inputs, run.data["train"].targets
    decayed = [p for p in network.parameters() if p.ndim > 1]
    spared = [p for p in network.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": spared, "weight_decay": 0.0}], lr=1e-3, fused=True
    )
    network.train()
    found: list[float] = []
    for epoch in range(99):
        shuffled = order(0, epoch, len(x))
        ends = [*range(batch, len(x), batch), len(x)]
        if len(x) % batch == 1:
            ends.pop(-2)
        for first, end in zip([0, *ends], ends, strict=False):
            step, index = len(found), shuffled[first:end]
            size = -(-len(index) // accumulate)
            total = 0.0
            whole: Any = len(index) if weights is None else weights[y[index]].sum()
            for n, piece in enumerate(index.split(size)):  # type: ignore[no-untyped-call]
                torch.manual_seed(key(0, "step", step, n))
                mean = F.cross_entropy(network(x[piece]), y[piece], weight=weights)
                share = len(piece) if weights is None else weights[y[piece]].sum()
                (mean * (share / whole)).backward()
                total = mean.detach() * (share / whole) + total
            if clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
            found.append(float(total))
            if len(found) == count:
                return found
    raise AssertionError("too few epochs")


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({}, {}),
        ({"model.dropout": 0.3}, {}),
        ({"training.accumulate": 3, "model.dropout": 0.3}, {"accumulate": 3}),
        ({"training.clip": 0.5}, {"clip": 0.5}),
        ({"model": {"name": "cnn", "blocks": [4], "hidden": [8]}}, {}),
        ({"model": {"name": "lstm", "hidden": 8, "bidirectional": True, "pooling": "max"}}, {}),
    ],
)
def test_the_losses_are_those_of_a_plain_loop(settings: dict[str, Any], plain: dict[str, Any]) -> None:
    overrides = {**settings, "training.batch_size": 100, "training.steps": 40, "training.limit": 301}
    assert losses(make_run(overrides), 30) == plain_loop(make_run(overrides), 30, batch=100, **plain)


def test_class_weights_decide_a_pieces_share() -> None:
    overrides = {
        "task": {"name": "classification", "class_weights": {"3": 5.0, "7": 0.2}},
        "training.accumulate": 4,
        "training.steps": 30,
    }
    weights = torch.ones(10)
    weights[3], weights[7] = 5.0, 0.2
    found = losses(make_run(overrides), 20)
    assert found == plain_loop(make_run(overrides), 20, batch=32, accumulate=4, weights=weights)


def test_accumulating_is_the_whole_batch_in_exact_arithmetic() -> None:
    exact = {"precision": "fp64", "training.steps": 20, "task": {"name": "classification", "class_weights": "balanced"}}
    assert losses(make_run(exact), 20) == pytest.approx(losses(make_run({**exact, "training.accumulate": 5}), 20), rel=1e-12)


def test_evaluating_and_logging_more_often_changes_no_bit() -> None:
    seldom, often = {"training.steps": 45, "model.dropout": 0.3}, {"training.evaluate_every": 3, "training.log_every": 1}
    assert losses(make_run(seldom), 45) == losses(make_run({**seldom, **often}), 45)


def test_one_event_a_step_and_an_evaluation_where_one_is_due() -> None:
    events = list(fit(make_run({"training.epochs": 2, "training.batch_size": 500})))
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.validation is not None for event in events] == [False, False, True] * 2


def test_patience_ends_the_training_and_keeps_it_ended() -> None:
    run = make_run({"optimizer.lr": 1e-9, "training.epochs": 50, "training.early_stopping": {"patience": 2, "min_delta": 1.0}})
    assert list(fit(run))[-1].step == 3 * run.plan.per_epoch
    assert list(fit(run)) == []


def test_a_loss_that_is_not_finite_ends_it_before_the_update() -> None:
    run = make_run({"training.steps": 50})
    run.data["train"].whole.inputs[700] = float("nan")
    before: dict[str, torch.Tensor] = {}
    with pytest.raises(NumericError, match=r"nan at step \d+ \(epoch 1\), in the batch of rows") as caught:
        for _ in fit(run):
            before = {name: value.clone() for name, value in run.network.state_dict().items()}
    assert caught.value.exit_code == 6
    assert all(torch.equal(before[name], value) for name, value in run.network.state_dict().items())


def test_batch_norm_refuses_pieces_of_one_row() -> None:
    settings = {"model": {"name": "mlp", "batch_norm": True}, "training.batch_size": 4, "training.accumulate": 4}
    with pytest.raises(ConfigError, match="batch norm needs more than one row"):
        make_run(settings)


@pytest.mark.parametrize("name", ["mlp", "cnn", "rnn", "gru", "lstm", "transformer"])
def test_golden_curves(name: str) -> None:
    """float64, one thread: a change of the code that moves these numbers has changed the training."""
    models = {
        "mlp": {"name": "mlp", "hidden": [32], "dropout": 0.2},
        "cnn": {"name": "cnn", "blocks": [8, 16], "hidden": [32]},
        **{
            name: {"name": name, "hidden": 16, "layers": 2, "bidirectional": True, "dropout": 0.1}
            for name in ("rnn", "gru", "lstm")
        },
        "transformer": {"name": "transformer", "width": 16, "heads": 2, "feedforward": 32, "dropout": 0.1},
    }
    settings = {"model": models[name], "precision": "fp64", "training.epochs": 3, "schedule": {"name": "cosine", "warmup": 0.1}}
    found = losses(make_run({**settings, "training.clip": 1.0, "training.batch_size": 64}), 60)
    kept = GOLDEN / f"{name}.json"
    if os.environ.get("TRAINKIT_GOLDEN") == "write":  # and say in the commit why they moved
        kept.write_text(json.dumps(found, indent=0) + "\n")
    assert found == pytest.approx(json.loads(kept.read_text()), rel=1e-6)


def test_a_frozen_norm_stays_frozen() -> None:
    run = make_run({"model": {"name": "mlp", "hidden": [8], "batch_norm": True}, "training.epochs": 2})
    norm = next(module for module in run.network.modules() if isinstance(module, nn.BatchNorm1d))
    norm.eval().requires_grad_(False)
    list(fit(run))
    assert norm.running_mean is not None and norm.running_mean.abs().sum() == 0 and not norm.training
