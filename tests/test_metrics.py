"""Metrics against scikit-learn, on ordinary and on degenerate splits; and metrics of a user's own."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn import metrics as theirs
from torch import Tensor

from trainkit.errors import NumericError
from trainkit.parts.metrics import Better, Judged, Metric, metrics
from trainkit.parts.tasks import tasks
from trainkit.spec import Spec, Target

TASKS = {"class": "classification", "number": "regression", "labels": "multilabel"}


def spec(target: Any, count: int, outputs: int | None = None) -> Spec:
    classes = () if target == "number" else tuple("abcdefghij"[:count])
    return Spec(
        "table", (4,), outputs or count, target, classes, counts=(1,) * len(classes), target_names=tuple("pqr"[:count]),
        center=(10.0, -2.0, 0.0)[:count], scale=(3.0, 0.5, 1.0)[:count],
    )  # fmt: skip


def judge(kind: Spec, outputs: Tensor, targets: Tensor, **settings: Any) -> Judged:
    built: Any = tasks.read({"name": TASKS[kind.target], **settings}).build(kind)
    judged: Judged = built.judged(outputs, targets)
    return judged


def found(name: Any, judged: Judged) -> float:
    return metrics.read(name).measure(judged)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Numbers with ties among them."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).mul(4).round() / 2


def macro(function: Any, truth: Any, answers: Any) -> float:
    """scikit-learn's macro over the classes that are there or were answered."""
    return float(function(truth, answers, average="macro", zero_division=0))


CLASSES = {
    "accuracy": theirs.accuracy_score,
    "precision": lambda t, a: macro(theirs.precision_score, t, a),
    "recall": lambda t, a: macro(theirs.recall_score, t, a),
    "macro_f1": lambda t, a: macro(theirs.f1_score, t, a),
    "weighted_f1": lambda t, a: theirs.f1_score(t, a, average="weighted", zero_division=0),
    "mcc": theirs.matthews_corrcoef,
    "balanced_accuracy": lambda t, a: theirs.recall_score(t, a, average="macro", labels=np.unique(t), zero_division=0),
}


@pytest.mark.parametrize(("targets", "classes"), [
    ([0, 1, 2, 0, 1, 2, 2, 0], 3), ([0, 0, 1], 3), ([2], 3), ([0, 1, 1, 0], 2), ([1, 1, 1], 2), (list(range(10)) * 5, 10),
])  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_classes_are_measured_as_scikit_learn_does(targets: list[int], classes: int, seed: int) -> None:
    judged = judge(spec("class", classes), random(len(targets), classes, seed=seed), torch.tensor(targets))
    answers = judged.answers.tolist()
    assert {name: found(name, judged) for name in CLASSES} == pytest.approx(
        {name: f(targets, answers) for name, f in CLASSES.items()}
    )
    assert judged.confusion.tolist() == theirs.confusion_matrix(targets, answers, labels=range(classes)).tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [2, 4])
def test_curves_over_classes_are_scikit_learn_s(classes: int, seed: int) -> None:
    targets = torch.arange(40) % (classes + 1) % classes
    judged = judge(spec("class", classes), random(40, classes, seed=seed), targets)
    flags = np.eye(classes)[targets]
    chances = judged.scores.numpy()
    assert chances.sum(axis=1) == pytest.approx(1)
    auc = theirs.roc_auc_score(targets, chances[:, 1] if classes == 2 else chances, multi_class="ovr", average="macro")
    assert found("roc_auc", judged) == pytest.approx(auc)
    assert found("average_precision", judged) == pytest.approx(theirs.average_precision_score(flags, chances, average="macro"))


def test_curves_leave_out_classes_that_are_not_there() -> None:
    outputs, targets = random(20, 4), torch.arange(20) % 2 * 2  # classes 0 and 2 only
    judged = judge(spec("class", 4), outputs, targets)
    flags, chances = np.eye(4)[targets][:, [0, 2]], judged.scores[:, [0, 2]].numpy()
    assert found("roc_auc", judged) == pytest.approx(theirs.roc_auc_score(flags, chances))
    assert found("average_precision", judged) == pytest.approx(theirs.average_precision_score(flags, chances))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k_is_scikit_learn_s(k: int) -> None:
    targets = torch.arange(30) % 4
    judged = judge(spec("class", 4), torch.randn(30, 4, generator=torch.Generator().manual_seed(3)), targets)
    expected = 1.0 if k == 4 else theirs.top_k_accuracy_score(targets, judged.scores, k=k)
    assert found({"name": "top_k", "k": k}, judged) == pytest.approx(expected)
    if k == 1:
        assert expected == found("accuracy", judged)


def test_top_k_of_a_network_that_cannot_tell_is_no_praise() -> None:
    judged = judge(spec("class", 4), torch.zeros(8, 4), torch.arange(8) % 4)
    assert found({"name": "top_k", "k": 1}, judged) == 0.25 and found({"name": "top_k", "k": 3}, judged) == 0.75
    assert metrics.read({"name": "top_k", "k": 3}).label == "top_3" and metrics.read("top_k").label == "top_5"


def test_one_output_for_two_classes_is_judged_as_two() -> None:
    odds, targets = random(12, 1), torch.arange(12) % 2
    one = judge(spec("class", 2), odds, targets, loss="bce")
    two = judge(spec("class", 2), torch.cat([torch.zeros(12, 1), odds], dim=1), targets)
    assert torch.equal(one.answers, two.answers) and torch.equal(one.scores, two.scores)
    assert one.scores[:, 1].numpy() == pytest.approx(odds[:, 0].sigmoid().numpy())


LABELS = {
    "precision": lambda t, a: np.nanmean(_each(t, a)[0]),
    "recall": lambda t, a: np.nanmean(_each(t, a)[1]),
    "macro_f1": lambda t, a: np.nanmean(_each(t, a)[2]),
    "weighted_f1": lambda t, a: theirs.f1_score(t, a, average="weighted", zero_division=0),
    "micro_f1": lambda t, a: theirs.f1_score(t, a, average="micro", zero_division=0),
    "subset_accuracy": theirs.accuracy_score,
    "hamming": theirs.hamming_loss,
}


def _each(truth: Any, answers: Any) -> Any:
    """scikit-learn's precision, recall, F1 of each label; NaN for one that no row has and no answer names."""
    figures = np.array(theirs.precision_recall_fscore_support(truth, answers, average=None, zero_division=0)[:3])
    return np.where((truth + answers).any(axis=0), figures, np.nan)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rows", "labels"), [(30, 4), (30, 2), (2, 5)])
def test_labels_are_measured_as_scikit_learn_does(rows: int, labels: int, seed: int) -> None:
    targets = (random(rows, labels, seed=seed + 50) > 0).float()
    targets[:, 0] = 0
    outputs = random(rows, labels, seed=seed)
    outputs[:, 0] = -1.0  # nobody has the first label, and nobody is said to
    judged = judge(spec("labels", labels), outputs, targets)
    truth, answers = judged.truth.numpy(), judged.answers.numpy()
    assert {name: found(name, judged) for name in LABELS} == pytest.approx({name: f(truth, answers) for name, f in LABELS.items()})
    there = [n for n in range(labels) if 0 < truth[:, n].sum() < rows]
    chances = judged.scores.numpy()
    assert found("roc_auc", judged) == pytest.approx(theirs.roc_auc_score(truth[:, there], chances[:, there]) if there else 0.5)
    expected = theirs.average_precision_score(truth[:, there], chances[:, there]) if there else 0
    assert found("average_precision", judged) == pytest.approx(expected)


@pytest.mark.parametrize("rows", [2, 3, 50])
@pytest.mark.parametrize("columns", [1, 2])
def test_amounts_are_measured_as_scikit_learn_does_in_their_own_units(rows: int, columns: int) -> None:
    judged = judge(spec("number", columns), random(rows, columns), torch.arange(float(rows * columns)).reshape(rows, columns))
    own = (judged.truth.numpy(), judged.answers.numpy())
    assert own[0][0, 0] == 10 and torch.equal(judged.scores, judged.answers)
    assert {name: found(name, judged) for name in ("mae", "rmse", "r2", "mape")} == pytest.approx({
        "mae": theirs.mean_absolute_error(*own), "rmse": theirs.root_mean_squared_error(*own), "r2": theirs.r2_score(*own),
        "mape": theirs.mean_absolute_percentage_error(*own),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "outputs", "r2"), [([[0.3]], [[1.0]], 0), ([[0.3]], [[0.3]], 1), ([[0.1]] * 9, [[0.2]] * 9, 0)]
)
def test_r2_of_what_does_not_vary(targets: list[list[float]], outputs: list[list[float]], r2: int) -> None:
    assert found("r2", judge(spec("number", 1), torch.tensor(outputs), torch.tensor(targets))) == r2


EVERY = [(name, target) for name in metrics.names() if (part := metrics.find(name)) for target in part.targets]
ALIKE = {
    "class": ([5.0, 0.0, 0.0], 0, 2),
    "labels": ([-5.0] * 3, [0.0] * 3, [1.0] * 3),
    "number": ([0.5] * 3, [0.5] * 3, [1.5] * 3),
}
"""Of each kind of target: one row of outputs, what it says rightly, and what it misses."""
BLIND = {("roc_auc", "class"): 0.5, ("roc_auc", "labels"): 0.5, ("mcc", "class"): 0.0, ("top_k", "class"): 1.0}


@pytest.mark.parametrize(("name", "target"), EVERY)
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_every_metric_is_finite_where_all_rows_are_alike(name: str, target: str, rows: int) -> None:
    outputs, *truths = (torch.tensor([row] * rows) for row in ALIKE[target])
    right, wrong = (found(name, judge(spec(target, 3), outputs, truth)) for truth in truths)
    if name == "average_precision" or (name, target) in BLIND:
        assert right == wrong == BLIND.get((name, target), 0.0)
    elif name in ("mae", "rmse", "mape"):
        assert right == 0 and np.isfinite(wrong) and wrong > 0
    elif target == "labels" and name not in ("subset_accuracy", "hamming"):
        assert right == wrong == 0, "no label is answered: scikit-learn's zero_division=0"
    else:
        assert (right, wrong) == ((0, 1) if name == "hamming" else (1, 0))


@pytest.mark.parametrize(("name", "target"), EVERY)
def test_better_is_the_side_of_the_right_answers(name: str, target: str) -> None:
    kind = spec(target, 3)
    targets = torch.arange(12) % 3 if target == "class" else (random(12, 3, seed=4) > 0).float()
    best = torch.nn.functional.one_hot(targets).float() if target == "class" else targets * 2 - 1 if target == "labels" else targets
    settings = {"name": "top_k", "k": 1} if name == "top_k" else name
    right, wrong = found(settings, judge(kind, best, targets)), found(settings, judge(kind, -best, targets))
    assert (right > wrong) == (metrics.read(name).better == "higher") and right != wrong


def test_every_metric_is_compared_with_scikit_learn_here() -> None:
    compared = {*CLASSES, *LABELS, "top_k", "roc_auc", "average_precision", "mae", "rmse", "r2", "mape"}
    assert set(metrics.names()) == compared


def test_ordinary_metrics_load_no_scikit_learn() -> None:
    program = """
import sys, torch
from trainkit.parts.metrics import Judged, metrics
from trainkit.spec import Spec
for target, count in (("class", 2), ("labels", 2), ("number", 2)):
    truth = torch.tensor([0, 1, 1]) if target == "class" else torch.tensor([[0, 1], [1, 0], [1, 1]])
    truth = truth.double() if target == "number" else truth
    judged = Judged(Spec("table", (1,), 2, target, ("a", "b")), torch.zeros(3, 2), truth, truth)
    for name in metrics.names():
        if target in metrics.find(name).targets:
            metrics.read(name).measure(judged)
print("sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_long_splits_lose_no_digits() -> None:
    rows = 300_000
    outputs, targets = torch.randn(rows, 2, generator=torch.Generator().manual_seed(0)), torch.arange(rows) % 2
    judged = judge(spec("class", 2), outputs, targets)
    chances = judged.scores[:, 1].numpy()
    assert found("roc_auc", judged) == pytest.approx(theirs.roc_auc_score(targets, chances), rel=1e-12)


# --- metrics of a user's own


@pytest.fixture
def own() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(metrics._parts)
    yield
    metrics._parts = before


def register(answer: Any) -> type[Metric]:
    @metrics.register
    class Mine(Metric):
        """Mine, for a test."""

        name: Literal["mine"] = "mine"
        gain: float = 1.0
        """How much."""
        targets: ClassVar[tuple[Target, ...]] = ("class", "number", "labels")
        better: ClassVar[Better] = "lower"

        def measure(self, judged: Judged) -> float:
            return answer(judged) * self.gain  # type: ignore[no-any-return]

    return Mine


def measured(outputs: Tensor, targets: Tensor, *written: Any) -> dict[str, float]:
    built = tasks.read({"name": "classification", "metrics": list(written)}).build(spec("class", 3))
    return built.metrics(outputs, targets)


OUTPUTS, TARGETS = torch.eye(3), torch.tensor([0, 1, 1])


@pytest.mark.usefixtures("own")
def test_a_metric_of_one_s_own_is_measured_where_it_is_listed() -> None:
    register(lambda judged: judged.scores[judged.truth == 1, 1].sum())  # a tensor of one number is a number
    task = tasks.read({"name": "classification", "metrics": ["accuracy", {"name": "mine", "gain": 2.0}]})
    assert task.measures == {"accuracy": "higher", "mine": "lower", "macro_f1": "higher"}
    found = task.build(spec("class", 3)).metrics(OUTPUTS, TARGETS)
    assert list(found) == ["accuracy", "mine", "macro_f1"] and type(found["mine"]) is float
    assert found["mine"] == pytest.approx(2 * (np.e + 1) / (np.e + 2))


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("value", "shown"), [
    (float("nan"), "nan"), (float("inf"), "inf"), (None, "None"), ("0.5", "'0.5'"), ([1.0], r"\[1.0\]"),
    (torch.tensor([1.0, 2.0]), r"tensor\(\[1., 2.\]\)"), (np.float64("nan"), r"np.float64\(nan\)"), (10**400, "1000"),
])  # fmt: skip
def test_a_metric_that_gives_no_number_is_named(value: Any, shown: str) -> None:
    class Fixed:
        def __mul__(self, gain: float) -> Any:
            return value

    register(lambda judged: Fixed())
    words = rf"^the metric mine gives {shown}.* for 3 rows, and the network's outputs are finite\. Let it return a number for every"
    with pytest.raises(NumericError, match=words) as caught:
        measured(OUTPUTS, TARGETS, "accuracy", "mine")
    assert caught.value.problems[0].key == ("task", "metrics", 1) and caught.value.exit_code == 6


def fail(judged: Judged) -> float:
    raise ValueError("input contains NaN")


@pytest.mark.usefixtures("own")
def test_a_metric_that_fails_keeps_its_traceback() -> None:
    register(fail)
    with pytest.raises(ValueError, match="input contains NaN"):
        measured(OUTPUTS, TARGETS, "mine")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("answer", [fail, lambda judged: float("inf"), lambda judged: float("nan")])
def test_of_outputs_that_are_not_finite_a_metric_may_be_nan(answer: Any) -> None:
    register(answer)
    found = measured(OUTPUTS.log() * torch.nan, TARGETS, "accuracy", "mine")
    assert np.isnan(found["mine"]) and found.keys() == {"accuracy", "mine", "macro_f1"}


@pytest.mark.usefixtures("own")
def test_a_metric_without_a_number_for_the_baseline_does_not_end_the_training() -> None:
    register(lambda judged: float("nan") if len(judged.answers.unique()) == 1 else 1.0)
    built = tasks.read({"name": "classification", "metrics": ["mine"]}).build(spec("class", 3))
    assert built.metrics(OUTPUTS, TARGETS)["mine"] == 1 and np.isnan(built.baseline(TARGETS)["mine"])


def places(settings: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        tasks.read(settings)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(("task", "written", "place", "words"), [
    ("classification", ["accuracy", "mae"], 1, "the metric mae measures amounts, and classification has classes: use accuracy, "),
    ("regression", ["accuracy"], 0, "the metric accuracy measures classes, and regression has amounts: use mae, mape, r2 or rmse"),
    ("multilabel", ["hamming", "r2"], 1, "the metric r2 measures amounts, and multilabel has labels: use average_precision, "),
    ("classification", ["top_k", {"name": "top_k", "k": 5}], 1, "top_5 is measured already: leave one out, or change its settings"),
    ("multilabel", ["macro_f1", "macro_f1"], 1, "macro_f1 is measured already"),
])  # fmt: skip
def test_metrics_that_do_not_fit_are_refused_at_their_place(task: str, written: list[Any], place: int, words: str) -> None:
    found = places({"name": task, "metrics": written})
    assert list(found) == [("metrics", place)] and found[("metrics", place)].startswith(words)


def test_the_name_of_the_loss_is_taken() -> None:
    class Loss(Metric):
        name: Literal["loss"] = "loss"
        targets: ClassVar[tuple[Target, ...]] = ("class",)
        better: ClassVar[Better] = "lower"

    assert list(places({"name": "classification", "metrics": (Loss(),)})) == [("metrics", 0)]


@pytest.mark.parametrize(("task", "written", "measures"), [
    ("classification", None, ["accuracy", "macro_f1"]), ("classification", [], ["macro_f1"]),
    ("classification", ["macro_f1", "mcc"], ["macro_f1", "mcc"]), ("classification", ["top_k"], ["top_5", "macro_f1"]),
    ("classification", [{"name": "top_k", "k": 2}, {"name": "top_k", "k": 3}], ["top_2", "top_3", "macro_f1"]),
    ("regression", None, ["mae", "rmse", "r2"]), ("regression", [], []), ("regression", ["mape"], ["mape"]),
    ("multilabel", None, ["subset_accuracy", "hamming", "macro_f1"]), ("multilabel", ["roc_auc"], ["roc_auc", "macro_f1"]),
])  # fmt: skip
def test_what_is_measured_in_which_order(task: str, written: Any, measures: list[str]) -> None:
    read = tasks.read({"name": task} | ({} if written is None else {"metrics": written}))
    assert list(read.measures) == measures
    assert tasks.read(read.model_dump(mode="json")) == read
