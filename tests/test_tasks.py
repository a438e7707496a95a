"""Tasks and losses against scikit-learn and torch.nn."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from tests.helpers import make_config, make_run
from trainkit.errors import ConfigError
from trainkit.parts.losses import losses
from trainkit.parts.tasks import tasks
from trainkit.parts.tasks.classification import confusion
from trainkit.spec import Batch, Spec

CLASSES = Spec("table", (4,), 3, "class", classes=("a", "b", "c"), counts=(6, 3, 1))
AMOUNTS = Spec("table", (4,), 2, "number", target_names=("p", "q"), center=(10.0, -2.0), scale=(3.0, 0.5))
TORCH = torch.Generator().manual_seed(0)


class Says(nn.Module):
    """A network that answers the same whatever it is asked."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        return self.outputs[: len(inputs)]


def batch(targets: Any) -> Batch:
    targets = torch.as_tensor(targets)
    return Batch(torch.zeros(len(targets), 4), targets, torch.arange(len(targets)))


def task(spec: Spec, **settings: Any) -> Any:
    return tasks.read({"name": "classification" if spec.target == "class" else "regression"} | settings).build(spec)


@pytest.mark.parametrize(("targets", "classes"), [
    ([0, 1, 2, 0, 1, 2, 2, 0], 3), ([0, 0, 1], 3), ([2], 3), ([0, 1, 1, 0], 2), ([1, 1, 1], 2), (list(range(10)) * 5, 10),
])  # fmt: skip
@pytest.mark.parametrize("seed", range(5))
def test_classification_measures_as_scikit_learn(targets: list[int], classes: int, seed: int) -> None:
    outputs = torch.randn(len(targets), classes, generator=torch.Generator().manual_seed(seed))
    spec = Spec("table", (4,), classes, "class", classes=tuple("abcdefghij"[:classes]), counts=(1,) * classes)
    found, answers = task(spec).metrics(outputs, torch.tensor(targets)), outputs.argmax(dim=1)
    assert found == pytest.approx({
        "accuracy": metrics.accuracy_score(targets, answers),
        "macro_f1": metrics.f1_score(targets, answers, average="macro", zero_division=0),
    })  # fmt: skip
    counts = metrics.confusion_matrix(targets, answers, labels=range(classes))
    assert confusion(answers, torch.tensor(targets), classes).tolist() == counts.tolist()


@pytest.mark.parametrize("rows", [2, 3, 50])
@pytest.mark.parametrize("columns", [1, 2])
def test_regression_measures_as_scikit_learn_in_the_targets_own_units(rows: int, columns: int) -> None:
    spec = Spec("table", (4,), columns, "number", center=(10.0, -2.0)[:columns], scale=(3.0, 0.5)[:columns])
    outputs, targets = (torch.randn(rows, columns, generator=TORCH) for _ in range(2))
    own = [values.double().numpy() * np.array(spec.scale) + np.array(spec.center) for values in (targets, outputs)]
    assert task(spec).answers(outputs).numpy() == pytest.approx(own[1])
    assert task(spec).metrics(outputs, targets) == pytest.approx({
        "mae": metrics.mean_absolute_error(*own), "rmse": metrics.root_mean_squared_error(*own), "r2": metrics.r2_score(*own),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "outputs", "r2"), [([[0.3]], [[1.0]], 0), ([[0.3]], [[0.3]], 1), ([[0.1]] * 9, [[0.2]] * 9, 0)]
)
def test_r2_of_what_does_not_vary(targets: list[list[float]], outputs: list[list[float]], r2: int) -> None:
    spec = Spec("table", (4,), 1, "number", center=(0.7,), scale=(3.1,))
    assert task(spec).metrics(torch.tensor(outputs), torch.tensor(targets))["r2"] == r2


def test_baselines_are_the_dummies_of_scikit_learn() -> None:
    truth = [2, 2, 0, 1]
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((10, 1)), [0] * 6 + [1] * 3 + [2])
    found = task(CLASSES).baseline(torch.tensor(truth))
    answers = dummy.predict(np.zeros((4, 1)))
    f1 = metrics.f1_score(truth, answers, average="macro", zero_division=0)
    assert found == pytest.approx({"accuracy": dummy.score(np.zeros((4, 1)), truth), "macro_f1": f1})

    run = make_run(["data=diabetes"])
    rows, test = make_config(["data=diabetes"]).data.build(None).targets, run.data["test"]
    mean = DummyRegressor().fit(np.zeros((len(run.data["train"].rows), 1)), rows[run.data["train"].rows])
    own = rows[test.rows]
    guess = mean.predict(np.zeros((len(own), 1)))
    assert run.task.baseline(test.targets) == pytest.approx({
        "mae": metrics.mean_absolute_error(own, guess), "rmse": metrics.root_mean_squared_error(own, guess),
        "r2": metrics.r2_score(own, guess),
    }, rel=1e-5)  # fmt: skip


@pytest.mark.parametrize(("loss", "module"), [
    ("mse", nn.MSELoss()), ("l1", nn.L1Loss()), ("huber", nn.HuberLoss()),
    ({"name": "huber", "delta": 0.3}, nn.HuberLoss(delta=0.3)),
])  # fmt: skip
def test_losses_on_numbers_are_torch_s(loss: Any, module: nn.Module) -> None:
    outputs, targets = torch.randn(7, 2, generator=TORCH), torch.randn(7, 2, generator=TORCH) * 2
    built = task(AMOUNTS, loss=loss)
    found = built(Says(outputs), batch(targets))
    assert torch.equal(found["loss"], module(outputs, targets)) and torch.equal(found["outputs"], outputs)
    assert built.weight(batch(targets)) == 7


WEIGHTS = {"none": None, "balanced": [10 / 18, 10 / 9, 10 / 3], "named": [1.0, 5.0, 1.0]}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("choice", "weights"), [("none", None), ("balanced", WEIGHTS["balanced"]), ({"b": 5.0}, WEIGHTS["named"])])
def test_cross_entropy_is_torch_s_with_these_class_weights(choice: Any, weights: Any, smoothing: float) -> None:
    outputs, targets = torch.randn(6, 3, generator=TORCH), torch.tensor([0, 1, 2, 2, 1, 0])
    built = task(CLASSES, class_weights=choice, loss={"name": "cross_entropy", "label_smoothing": smoothing})
    built.to(torch.device("cpu"), torch.float32)
    weight = None if weights is None else torch.tensor(weights)
    theirs = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)(outputs, targets)
    assert built(Says(outputs), batch(targets))["loss"].item() == pytest.approx(theirs.item(), abs=1e-6)
    assert float(built.weight(batch(targets))) == pytest.approx(6 if weights is None else 2 * sum(weights))


def test_balanced_is_scikit_learn_s() -> None:
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=[0] * 6 + [1] * 3 + [2])
    assert task(CLASSES, class_weights="balanced").weights.tolist() == pytest.approx(theirs.tolist())


@pytest.mark.parametrize("choice", ["none", "balanced", {"b": 5.0, "c": 0.1}])
def test_shares_by_weight_give_the_loss_of_the_whole(choice: Any) -> None:
    outputs, targets = torch.randn(9, 3, generator=TORCH).double(), torch.tensor([0, 0, 0, 1, 2, 2, 1, 0, 1])
    built = task(CLASSES, class_weights=choice)
    built.to(torch.device("cpu"), torch.float64)
    whole = batch(targets)
    parts = [(outputs[:4], batch(targets[:4])), (outputs[4:], batch(targets[4:]))]
    added = sum(built(Says(some), part)["loss"] * (built.weight(part) / built.weight(whole)) for some, part in parts)
    assert float(added) == pytest.approx(float(built(Says(outputs), whole)["loss"]), rel=1e-12)


def test_a_weight_for_a_class_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^there is no class 'd' in the data\. The classes are: a, b, c\.$") as caught:
        task(CLASSES, class_weights={"a": 1.0, "d": 2.0})
    assert caught.value.problems[0].key == ("task", "class_weights", "d")


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_weight_that_is_none(weight: Any) -> None:
    with pytest.raises(ValidationError):
        task(CLASSES, class_weights={"a": weight})


@pytest.mark.parametrize("shape", [(5,), (5, 1), (1, 2), (5, 2, 1), (4, 2)])
def test_shapes_that_torch_would_broadcast_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="the model answers with shape") as caught:
        task(AMOUNTS)(Says(torch.zeros(shape)), batch(torch.zeros(5, 2)))
    assert caught.value.problems[0].key == ("model",)


@pytest.mark.parametrize(("name", "loss", "words"), [
    ("classification", "mse", "the loss mse compares numbers, and classification has classes: use cross_entropy"),
    ("regression", "cross_entropy", "the loss cross_entropy compares classes, and regression has amounts: use mse, l1 or huber"),
])  # fmt: skip
def test_a_loss_of_the_other_kind_is_refused_at_its_place(name: str, loss: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config([f"task={{name: {name}, loss: {loss}}}"])
    assert caught.value.problems[0].key == ("task", "loss") and words in caught.value.problems[0].message


def test_every_loss_belongs_to_a_task() -> None:
    assert {found.target for name in losses.names() if (found := losses.find(name))} == {"class", "number"}
    assert set(losses.names()) == {"cross_entropy", "mse", "l1", "huber"}, "compare the new one with torch above"


@pytest.mark.parametrize(("overrides", "words"), [
    (["task=regression"], "task regression does not fit: the targets of digits are classes. Use `task: classification`."),
    (["data=diabetes", "task=classification"], "task classification does not fit: the targets of diabetes are amounts. Use"),
])  # fmt: skip
def test_a_task_that_the_data_is_not_for(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_run(overrides)
    assert str(caught.value).startswith(words)
