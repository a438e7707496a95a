"""Tasks: what outputs mean, class weights, baselines, figures of each class, and what does not fit."""

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
from trainkit.parts.tasks import tasks
from trainkit.spec import Batch, Spec

CLASSES = Spec("table", (4,), 3, "class", classes=("a", "b", "c"), counts=(6, 3, 1))
AMOUNTS = Spec("table", (4,), 2, "number", target_names=("p", "q"), center=(10.0, -2.0), scale=(3.0, 0.5))
LABELS = Spec("table", (4,), 3, "labels", classes=("x", "y", "z"), counts=(5, 3, 1), rows=7)
TWO = Spec("table", (4,), 2, "class", classes=("no", "yes"), counts=(3, 7))
TASKS = {"class": "classification", "number": "regression", "labels": "multilabel"}
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
    return tasks.read({"name": TASKS[spec.target], **settings}).build(spec)


def test_baselines_are_the_dummies_of_scikit_learn() -> None:
    truth = [2, 2, 0, 1]
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((10, 1)), [0] * 6 + [1] * 3 + [2])
    found = task(CLASSES).baseline(torch.tensor(truth))
    answers = dummy.predict(np.zeros((4, 1)))
    f1 = metrics.f1_score(truth, answers, average="macro", zero_division=0)
    assert found == pytest.approx({"accuracy": dummy.score(np.zeros((4, 1)), truth), "macro_f1": f1})


def test_a_baseline_has_scores_too() -> None:
    found = task(CLASSES, metrics=[{"name": "top_k", "k": 2}, "roc_auc", "mcc"]).baseline(torch.tensor([2, 2, 0, 1]))
    assert found == {"top_2": 0.5, "roc_auc": 0.5, "mcc": 0, "macro_f1": pytest.approx(0.4 / 3)}
    assert task(TWO, loss="bce").baseline(torch.tensor([1, 0, 1]))["accuracy"] == pytest.approx(2 / 3)


def test_the_baseline_of_labels_answers_those_that_most_rows_have() -> None:
    targets = torch.tensor([[1.0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 1]])
    found = task(LABELS, metrics=["subset_accuracy", "hamming", "roc_auc"]).baseline(targets)
    answers = np.array([[1, 0, 0]] * 4)
    assert found == pytest.approx({
        "subset_accuracy": metrics.accuracy_score(targets, answers), "hamming": metrics.hamming_loss(targets, answers),
        "roc_auc": 0.5, "macro_f1": metrics.f1_score(targets, answers, average="macro", zero_division=0),
    })  # fmt: skip


def test_the_baseline_of_amounts_is_the_mean_of_training() -> None:
    run = make_run(["data=diabetes"])
    rows, test = make_config(["data=diabetes"]).data.build(None).targets, run.data["test"]
    mean = DummyRegressor().fit(np.zeros((len(run.data["train"].rows), 1)), rows[run.data["train"].rows])
    own = rows[test.rows]
    guess = mean.predict(np.zeros((len(own), 1)))
    assert run.task.baseline(test.targets) == pytest.approx({
        "mae": metrics.mean_absolute_error(own, guess), "rmse": metrics.root_mean_squared_error(own, guess),
        "r2": metrics.r2_score(own, guess),
    }, rel=1e-5)  # fmt: skip


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


def test_a_weight_for_a_class_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^there is no class 'd' in the data\. The classes are: a, b, c\.$") as caught:
        task(CLASSES, class_weights={"a": 1.0, "d": 2.0})
    assert caught.value.problems[0].key == ("task", "class_weights", "d")


def test_a_misspelt_class_is_guessed() -> None:
    with pytest.raises(ConfigError, match=r"there is no class 'yess' in the data\. Did you mean yes\? The classes are: no, yes\."):
        task(TWO, class_weights={"yess": 2.0})


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_weight_that_is_none(weight: Any) -> None:
    with pytest.raises(ValidationError):
        task(CLASSES, class_weights={"a": weight})


@pytest.mark.parametrize("spec", [AMOUNTS, LABELS, CLASSES])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (1, 2), (1, 3), (5, 2, 1), (5, 3, 1), (4, 2), (4, 3)])
def test_shapes_that_torch_would_broadcast_are_refused(spec: Spec, shape: tuple[int, ...]) -> None:
    targets = torch.zeros(5).long() if spec.target == "class" else torch.zeros(5, spec.outputs)
    with pytest.raises(ConfigError, match="the model answers with shape") as caught:
        task(spec)(Says(torch.zeros(shape)), batch(targets))
    assert caught.value.problems[0].key == ("model",)


# --- what outputs mean


def test_answers_of_classes() -> None:
    assert task(CLASSES).answers(torch.tensor([[0.1, 3.0, 2.0], [0.0, 0.0, 0.0]])).tolist() == [1, 0]
    one = task(TWO, loss="bce")
    assert one.spec.outputs == 1 and one.answers(torch.tensor([[-0.1], [0.0], [0.1]])).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("threshold", "answers"), [(0.5, [[0, 0, 1]]), (0.2, [[0, 1, 1]]), (0.9, [[0, 0, 0]]), (1e-9, [[1, 1, 1]])]
)
def test_a_label_is_answered_above_the_threshold(threshold: float, answers: list[list[int]]) -> None:
    outputs = torch.tensor([[0.1, 0.5, 0.8]], dtype=torch.float64).logit()
    found = task(LABELS, threshold=threshold).answers(outputs)
    assert found.tolist() == answers and found.dtype == torch.int64


def test_answers_of_amounts_are_in_their_own_units() -> None:
    found = task(AMOUNTS).answers(torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
    assert found.tolist() == [[10, -2], [13, -3]] and found.dtype == torch.float64


def test_a_batch_whose_rows_differ_in_length_passes_its_lengths_on() -> None:
    class Reads(nn.Module):
        def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
            return lengths[:, None].float().expand(-1, 3)

    ragged = Batch(torch.zeros(2, 4, 1), torch.tensor([0, 1]), torch.arange(2), lengths=torch.tensor([4, 2]))
    assert task(CLASSES)(Reads(), ragged)["outputs"].tolist() == [[4.0] * 3, [2.0] * 3]


# --- figures of each class


def test_details_of_classes_are_scikit_learn_s() -> None:
    targets, outputs = [0, 0, 1, 1, 1], torch.eye(3)[[0, 1, 1, 1, 0]]
    figures = metrics.precision_recall_fscore_support(targets, [0, 1, 1, 1, 0], labels=range(3), zero_division=0)
    found = task(CLASSES).details(outputs, torch.tensor(targets))
    assert list(found) == ["a", "b", "c"] and list(found["a"]) == ["precision", "recall", "f1", "rows"]
    assert [list(row.values()) for row in found.values()] == [pytest.approx(row) for row in zip(*figures, strict=True)]
    assert found["c"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 0} and type(found["b"]["rows"]) is int


def test_details_of_one_output_are_those_of_both_classes() -> None:
    found = task(TWO, loss="bce").details(torch.tensor([[-1.0], [1.0], [1.0]]), torch.tensor([0, 1, 0]))
    assert found == {
        "no": {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "rows": 2},
        "yes": {"precision": 0.5, "recall": 1, "f1": pytest.approx(2 / 3), "rows": 1},
    }


def test_details_of_labels_are_scikit_learn_s() -> None:
    targets, outputs = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0]]), torch.tensor([[1.0, 1, -1], [-1, 1, -1], [1, 1, -1]])
    figures = metrics.precision_recall_fscore_support(targets.numpy(), (outputs > 0).numpy(), zero_division=0)
    found = task(LABELS).details(outputs, targets)
    assert list(found) == ["x", "y", "z"]
    assert [list(row.values()) for row in found.values()] == [pytest.approx(row) for row in zip(*figures, strict=True)]


def test_details_of_amounts_are_of_each_target_where_there_are_several() -> None:
    outputs, targets = torch.randn(9, 2, generator=TORCH), torch.randn(9, 2, generator=TORCH)
    built = task(AMOUNTS, metrics=["mape"])
    found, own = built.details(outputs, targets), (built.answers(targets).numpy(), built.answers(outputs).numpy())
    for n, name in enumerate("pq"):
        truth, answers = own[0][:, n], own[1][:, n]
        assert found[name] == pytest.approx({
            "mae": metrics.mean_absolute_error(truth, answers), "rmse": metrics.root_mean_squared_error(truth, answers),
            "r2": metrics.r2_score(truth, answers),
        })  # fmt: skip
    single = Spec("table", (4,), 1, "number", center=(0.0,), scale=(1.0,))
    assert task(single).details(outputs[:, :1], targets[:, :1]) == {}


# --- what does not fit


@pytest.mark.parametrize(("name", "loss", "words"), [
    ("classification", "mse",
     "the loss mse compares amounts, and classification has classes: use bce, cross_entropy, focal or hinge"),
    ("regression", "bce", "the loss bce compares classes and labels, and regression has amounts: use huber, l1 or mse"),
    ("multilabel", "cross_entropy", "the loss cross_entropy compares classes, and multilabel has labels: use bce, focal or hinge"),
])  # fmt: skip
def test_a_loss_of_the_other_kind_is_refused_at_its_place(name: str, loss: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config([f"task={{name: {name}, loss: {loss}}}"])
    assert caught.value.problems[0].key == ("task", "loss") and words in caught.value.problems[0].message


def test_a_metric_of_the_other_kind_is_refused_at_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(["task={name: classification, metrics: [accuracy, mae]}"])
    assert caught.value.problems[0].key == ("task", "metrics", 1)
    assert caught.value.problems[0].message.startswith("task.metrics[1]: the metric mae measures amounts")


@pytest.mark.parametrize(("overrides", "words"), [
    (["task=regression"], "task regression does not fit: the targets of digits are classes. Use `task: classification`."),
    (["data=diabetes", "task=classification"], "task classification does not fit: the targets of diabetes are amounts. Use"),
])  # fmt: skip
def test_a_task_that_the_data_is_not_for(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_run(overrides)
    assert str(caught.value).startswith(words)
