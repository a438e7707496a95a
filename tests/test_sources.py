"""Sources: the sets that are bundled. Files of the user's have tests of their own."""

import numpy as np
import pytest

from trainkit.parts.sources import sources


@pytest.mark.parametrize(("name", "rows", "shape", "kind", "classes"), [
    ("digits", 1797, (1, 8, 8), "image", 10), ("breast_cancer", 569, (30,), "table", 2), ("diabetes", 442, (10,), "table", None),
    ("iris", 150, (4,), "table", 3), ("wine", 178, (13,), "table", 3),
])  # fmt: skip
def test_bundled(name: str, rows: int, shape: tuple[int, ...], kind: str, classes: int | None) -> None:
    found = sources.read(name).build(None)
    assert isinstance(found.inputs, np.ndarray) and found.inputs.shape == (rows, *shape) and found.kind == kind
    assert found.target_kind == ("class" if classes else "number") and found.file is None and len(found) == rows
    if classes:
        assert len(set(found.targets)) == classes and all(isinstance(word, str) for word in found.targets)
    else:
        assert found.targets.shape == (rows, 1) and found.targets.dtype == np.float64
        assert found.target_names == ("target",)


def test_the_malignant_are_malignant() -> None:
    assert sources.read("breast_cancer").build(None).targets.tolist()[:2] == ["malignant"] * 2
    assert sources.read("digits").build(None).targets.tolist()[:4] == ["0", "1", "2", "3"]
    assert sources.read("iris").build(None).targets[[0, 50, 100]].tolist() == ["setosa", "versicolor", "virginica"]


def test_three_numbers_from_three_numbers() -> None:
    found = sources.read("linnerud").build(None)
    assert found.inputs.shape == found.targets.shape == (20, 3) and found.target_kind == "number"
    assert found.target_names == ("Weight", "Waist", "Pulse") and found.targets[0].tolist() == [191, 36, 50]
    assert np.asarray(found.inputs)[0].tolist() == [5, 162, 60] and found.targets.dtype == np.float64


def test_every_source_is_tested() -> None:
    bundled = {"digits", "breast_cancer", "diabetes", "iris", "wine", "linnerud"}
    files = {"csv", "images", "idx", "torchvision", "text", "series", "arrays"}
    assert set(sources.names()) == bundled | files | {"synthetic"}
