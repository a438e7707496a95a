"""The pictures: drawn, not empty, and of the numbers given."""

import numpy as np
import torch

from trainkit.report import plots
from trainkit.spec import Spec

CLASSES = Spec("table", (2,), 3, "class", classes=("ant", "bee", "cat"), counts=(2, 2, 2))
AMOUNTS = Spec("table", (2,), 1, "number", target_names=("price",), center=(0.0,), scale=(1.0,))


def test_a_confusion_matrix_shows_its_counts() -> None:
    truth, answered = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0])
    figure = plots.answers(CLASSES, answered, truth, "test")
    axes = figure.axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "1", "1", "1", "2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ant", "bee", "cat"]
    assert plots.pixels(figure).std() > 10


def test_residuals_of_amounts() -> None:
    truth = torch.linspace(0, 9, 50)[:, None]
    figure = plots.answers(AMOUNTS, truth + 0.5, truth, "test")
    assert figure.axes[0].get_xlabel() == "true price" and plots.pixels(figure).std() > 10


def test_curves_have_a_line_for_each_number() -> None:
    records = [{"kind": "evaluation", "step": n, "train_loss": 1 / n, "val_loss": 2 / n, "val_accuracy": 0.5} for n in (1, 2, 3)]
    figure = plots.curves(records, best_step=2)
    assert figure is not None
    assert {line.get_label() for line in figure.axes[0].lines} == {"train_loss", "val_loss", "best"}
    assert [axes.get_title() for axes in figure.axes] == ["loss", "val_accuracy"]
    assert np.asarray(figure.axes[1].lines[0].get_ydata()).tolist() == [0.5, 0.5, 0.5]
    assert plots.curves([], 0) is None
