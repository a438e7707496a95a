"""Losses against torch.nn, against each other, and by hand; weighted, in every precision, and at their extremes."""

from typing import Any

import pytest
import torch
from sklearn.metrics import hinge_loss
from torch import Tensor, nn
from torch.nn import functional as F

from trainkit.errors import ConfigError
from trainkit.parts.losses import losses
from trainkit.parts.tasks import tasks
from trainkit.spec import Batch, Spec

TASKS = {"class": "classification", "number": "regression", "labels": "multilabel"}
WEIGHTS = torch.tensor([0.5, 2.0, 5.0], dtype=torch.float64)


def spec(target: Any, count: int) -> Spec:
    classes = () if target == "number" else tuple("abcdefgh"[:count])
    return Spec("table", (4,), count, target, classes, counts=(5, 2, 1)[: len(classes)], target_names=("t",) * count)


def rows(target: str, count: int, size: int = 9) -> tuple[Tensor, Tensor]:
    """Outputs (not yet trimmed to what the loss asks for) and targets."""
    random = torch.Generator().manual_seed(count)
    outputs = torch.randn(size, count, generator=random, dtype=torch.float64) * 2
    if target == "class":
        return outputs, torch.arange(size) % count
    other = torch.randn(size, count, generator=random, dtype=torch.float64)
    return outputs, other if target == "number" else (other > 0).double()


def build(loss: Any, weights: Tensor | None = None) -> Any:
    return losses.read(loss).build(weights)


EVERY = [
    (name, target, count)
    for name in losses.names()
    if (found := losses.find(name))
    for target in found.targets
    for count in ([2] if (name, target) == ("bce", "class") else [2, 3])
]


def test_every_kind_of_target_has_its_losses() -> None:
    fitting = {target: {name for name, kind, _ in EVERY if kind == target} for target in TASKS}
    assert fitting == {
        "class": {"cross_entropy", "bce", "focal", "hinge"}, "labels": {"bce", "focal", "hinge"}, "number": {"mse", "l1", "huber"},
    }  # fmt: skip


@pytest.mark.parametrize(("loss", "target", "module"), [
    ("mse", "number", nn.MSELoss()), ("l1", "number", nn.L1Loss()), ("huber", "number", nn.HuberLoss()),
    ({"name": "huber", "delta": 0.3}, "number", nn.HuberLoss(delta=0.3)),
    ("cross_entropy", "class", nn.CrossEntropyLoss()),
    ({"name": "cross_entropy", "label_smoothing": 0.1}, "class", nn.CrossEntropyLoss(label_smoothing=0.1)),
    ("bce", "labels", nn.BCEWithLogitsLoss()),
    ("hinge", "class", nn.MultiMarginLoss()),
    ({"name": "hinge", "p": 2, "margin": 0.7}, "class", nn.MultiMarginLoss(p=2, margin=0.7)),
])  # fmt: skip
def test_losses_are_torch_s(loss: Any, target: str, module: nn.Module) -> None:
    outputs, targets = rows(target, 3)
    assert build(loss)(outputs, targets).item() == pytest.approx(module(outputs, targets).item(), rel=1e-14)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torch_s_to_the_last_bit(weights: Tensor | None, smoothing: float) -> None:
    outputs, targets = rows("class", 3)
    theirs = F.cross_entropy(outputs, targets, weight=weights, label_smoothing=smoothing)
    assert torch.equal(build({"name": "cross_entropy", "label_smoothing": smoothing}, weights)(outputs, targets), theirs)


@pytest.mark.parametrize("weights", [None, WEIGHTS[:2]])
def test_bce_of_two_classes_is_cross_entropy_beside_zero(weights: Tensor | None) -> None:
    outputs, targets = rows("class", 2)
    outputs = outputs[:, :1]
    theirs = F.cross_entropy(F.pad(outputs, (1, 0)), targets, weight=weights)
    assert build("bce", weights)(outputs, targets).item() == pytest.approx(theirs.item(), rel=1e-14)


@pytest.mark.parametrize("classes", [3, 8])
def test_bce_of_more_classes_is_refused_at_its_place(classes: int) -> None:
    with pytest.raises(ConfigError, match=f"tells two classes apart, and the data has {classes}. Use cross_entropy.") as caught:
        tasks.read({"name": "classification", "loss": "bce"}).outputs(spec("class", classes))
    assert caught.value.problems[0].key == ("task", "loss")


@pytest.mark.parametrize(("name", "target", "count"), EVERY)
def test_the_network_is_asked_for_what_the_loss_compares(name: str, target: str, count: int) -> None:
    wanted = 1 if (name, target) == ("bce", "class") else count
    task = tasks.read({"name": TASKS[target], "loss": name})
    assert task.outputs(spec(target, count)) == wanted
    outputs, targets = rows(target, count)
    assert build(name)(outputs[:, :wanted], targets).shape == ()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_without_focus_is_cross_entropy(weights: Tensor | None) -> None:
    focal = build({"name": "focal", "gamma": 0}, weights)
    outputs, targets = rows("class", 3)
    assert focal(outputs, targets).item() == pytest.approx(F.cross_entropy(outputs, targets, weight=weights).item(), rel=1e-14)
    outputs, targets = rows("labels", 3)
    assert build({"name": "focal", "gamma": 0})(outputs, targets).item() == pytest.approx(
        F.binary_cross_entropy_with_logits(outputs, targets).item(), rel=1e-14
    )


def test_focal_by_hand() -> None:
    chances = torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=torch.float64)
    by_row = [-(0.1**2) * torch.tensor(0.9).double().log().item(), -(0.6**2) * torch.tensor(0.4).double().log().item()]
    truth = torch.tensor([0, 0])
    assert build("focal")(chances.log(), truth).item() == pytest.approx(sum(by_row) / 2)
    odds = (chances[:, :1] / chances[:, 1:]).log()
    assert build("focal")(odds, torch.ones(2, 1).double()).item() == pytest.approx(sum(by_row) / 2)
    assert build("focal")(-odds, torch.zeros(2, 1).double()).item() == pytest.approx(sum(by_row) / 2)


def test_hinge_by_hand() -> None:
    outputs, truth = torch.tensor([[2.0, 1.5, -1.0], [0.0, 0.0, 3.0]]), torch.tensor([0, 1])
    # Row 1 misses 0.5 against the second class; row 2 misses 1 against the first and 4 against the third.
    assert build("hinge")(outputs, truth).item() == pytest.approx((0.5 / 3 + 5 / 3) / 2)
    assert build({"name": "hinge", "p": 2})(outputs, truth).item() == pytest.approx((0.25 / 3 + 17 / 3) / 2)
    assert build("hinge", torch.tensor([1.0, 3.0, 9.0]))(outputs, truth).item() == pytest.approx((0.5 / 3 + 3 * 5 / 3) / 4)


def test_hinge_of_labels_is_scikit_learn_s() -> None:
    outputs, targets = rows("labels", 3)
    theirs = sum(hinge_loss(targets[:, n], outputs[:, n]) for n in range(3)) / 3
    assert build("hinge")(outputs, targets).item() == pytest.approx(theirs)
    assert build({"name": "hinge", "margin": 2, "p": 2})(torch.tensor([[1.5, -1.0]]), torch.tensor([[1.0, 1.0]])).item() == (
        pytest.approx((0.25 + 9) / 2)
    )


class Says(nn.Module):
    """A network that answers what it is given."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


def batch(outputs: Tensor, targets: Tensor) -> Batch:
    return Batch(outputs, targets, torch.arange(len(targets)))


CHOICES = [{"class_weights": choice} for choice in ("none", "balanced", {"b": 5.0, "a": 0.1})]


@pytest.mark.parametrize(
    ("name", "target", "count", "settings"),
    [(*case, settings) for case in EVERY for settings in (CHOICES if case[1] == "class" else [{}])],
)
def test_shares_by_weight_give_the_loss_of_the_whole(name: str, target: str, count: int, settings: Any) -> None:
    task: Any = tasks.read({"name": TASKS[target], "loss": name, **settings}).build(spec(target, count))
    task.to(torch.device("cpu"), torch.float64)
    outputs, targets = rows(target, count)
    outputs = outputs[:, : task.spec.outputs].requires_grad_()
    whole = batch(outputs, targets)
    parts = [batch(outputs[:4], targets[:4]), batch(outputs[4:5], targets[4:5]), batch(outputs[5:], targets[5:])]
    added = sum(task(Says(), part)["loss"] * (task.weight(part) / task.weight(whole)) for part in parts)
    loss = task(Says(), whole)["loss"]
    assert added.item() == pytest.approx(loss.item(), rel=1e-12)
    slopes = [torch.autograd.grad(value, outputs)[0] for value in (added, loss)]
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("name", "target", "count"), [case for case in EVERY if case[1] == "class"])
def test_equal_class_weights_change_nothing(name: str, target: str, count: int) -> None:
    outputs, targets = rows(target, count)
    outputs = outputs[:, :1] if name == "bce" else outputs
    weighted = build(name, torch.full((count,), 7.0, dtype=torch.float64))(outputs, targets)
    assert weighted.item() == pytest.approx(build(name)(outputs, targets).item(), rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("name", "target", "count"), EVERY)
def test_losses_in_every_precision(name: str, target: str, count: int, dtype: torch.dtype) -> None:
    task: Any = tasks.read({"name": TASKS[target], "loss": name}).build(spec(target, count))
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    task.to(torch.device("cpu"), exact)
    outputs, targets = rows(target, count)
    outputs = outputs[:, : task.spec.outputs].to(dtype)
    targets = targets.to(exact) if targets.is_floating_point() else targets
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = task(Says(), batch(outputs, targets))
    assert found["loss"].dtype == exact and found["outputs"].dtype == dtype
    assert found["loss"].item() == pytest.approx(build(name)(outputs.to(exact), targets).item(), rel=1e-6)


@pytest.mark.parametrize("gamma", [0, 0.01, 0.5, 1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1e-4, 20.0, 50.0, 1e4, 1e30])
def test_focal_has_a_finite_slope_everywhere(gamma: float, dtype: torch.dtype, size: float) -> None:
    focal = build({"name": "focal", "gamma": gamma})
    outputs = torch.tensor([[size, -size], [-size, size]], dtype=dtype, requires_grad=True)
    for targets in (torch.tensor([0, 0]), torch.tensor([[1, 0], [1, 0]], dtype=dtype)):
        loss = focal(outputs, targets)
        (slope,) = torch.autograd.grad(loss, outputs)
        assert loss.isfinite() and slope.isfinite().all() and loss >= 0


@pytest.mark.parametrize(("name", "target", "count"), EVERY)
def test_slopes_are_those_of_small_steps(name: str, target: str, count: int) -> None:
    outputs, targets = rows(target, count)
    outputs = outputs[:, :1] if (name, target) == ("bce", "class") else outputs
    assert torch.autograd.gradcheck(lambda moved: build(name)(moved, targets), outputs.clone().requires_grad_())


@pytest.mark.parametrize(("name", "target", "count"), EVERY)
def test_huge_outputs_give_a_finite_loss(name: str, target: str, count: int) -> None:
    outputs, targets = rows(target, count)
    outputs = outputs[:, :1] if (name, target) == ("bce", "class") else outputs
    huge = (outputs.float() * 1e10).requires_grad_()
    loss = build(name)(huge, targets.float() if targets.is_floating_point() else targets)
    (slope,) = torch.autograd.grad(loss, huge)
    assert loss.isfinite() and slope.isfinite().all() and slope.any()


@pytest.mark.parametrize("settings", [
    {"name": "focal", "gamma": -1}, {"name": "hinge", "margin": 0}, {"name": "hinge", "p": 3}, {"name": "bce", "gamma": 1},
])  # fmt: skip
def test_settings_that_no_loss_has(settings: Any) -> None:
    with pytest.raises(ValueError, match=r"gamma|margin|p\n"):
        losses.read(settings)


@pytest.mark.parametrize(("loss", "words"), [
    (lambda outputs, targets: outputs.square().sum(dim=1), r"gives a tensor of shape \(4,\), not the mean"),
    (lambda outputs, targets: 1.0, "gives float, not the mean"),
    (lambda outputs, targets: outputs.mean().detach(), "gives a number that does not depend on the outputs"),
])  # fmt: skip
def test_a_users_loss_that_is_no_mean_is_said(loss: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks.read("regression")
    monkeypatch.setattr(type(task.loss), "build", lambda self, class_weights: loss)  # type: ignore[attr-defined]
    built = task.build(Spec("table", (3,), 1, "number", center=(0.0,), scale=(1.0,)))
    batch = Batch(torch.randn(4, 3), torch.randn(4, 1), torch.arange(4))
    with pytest.raises(ConfigError, match=words) as caught:
        built(torch.nn.Linear(3, 1), batch)
    assert caught.value.problems[0].key == ("task", "loss")
