"""Rows made from random numbers: a function for each kind of the source `synthetic`, its settings as arguments.

The same arguments give the same rows, bit for bit. Where scikit-learn has a maker that is quick, it is called with these numbers.
"""

from typing import Any

import numpy as np
from numpy.random import RandomState

from trainkit.spec import Kind, Rows, SplitName

Array = np.ndarray[Any, Any]


def _classes(inputs: Array, numbers: Array, kind: Kind = "table", **more: Any) -> Rows:
    """Rows whose classes are called by their numbers: "0", "1", …"""
    names = np.array([str(number) for number in range(int(numbers.max()) + 1)], dtype=object)
    return Rows(inputs, names[numbers], kind, "class", **more)


def classification(rows: int, features: int, informative: int, classes: int, seed: int) -> Rows:
    """Two clusters a class at the corners of a cube of the informative columns; two more columns are mixtures of these, where
    there is room (Guyon 2003, "Design of experiments for the NIPS 2003 variable selection benchmark"; ``make_classification``).
    """
    from sklearn.datasets import make_classification

    mixed = min(2, features - informative)
    return _classes(
        *make_classification(rows, features, n_informative=informative, n_redundant=mixed, n_classes=classes, random_state=seed)
    )


def regression(rows: int, features: int, informative: int, noise: float, seed: int) -> Rows:
    """A weighted sum of the first columns, of deviation 1, and noise. 2 million rows of 10: 0.6 s, ``make_regression`` 2.4 s."""
    random = RandomState(seed)
    inputs = random.standard_normal((rows, features))
    weights = random.standard_normal(informative)
    sums = inputs[:, :informative] @ (weights / np.linalg.norm(weights)) if informative else 0.0
    return Rows(inputs, (sums + noise * random.standard_normal(rows))[:, None], "table", "number")


def multilabel(rows: int, features: int, labels: int, seed: int) -> Rows:
    """Counts of words in texts of about 100, on any number of subjects: each subject, a label, has its own mixture of words.

    Each label occurs. Like ``make_multilabel_classification``, which takes 25 s where chance makes a label rare (its seed 1).
    """
    random = RandomState(seed)
    mixtures = random.dirichlet(np.full(features, 0.5), labels)
    marks = random.rand(rows, labels) < min(0.5, 2 / labels)
    marks[random.choice(rows, labels, replace=False), np.arange(labels)] = True
    words = (marks @ mixtures + 1 / features) / (marks.sum(axis=1, keepdims=True) + 1)
    names = tuple(f"label_{number}" for number in range(labels))
    return Rows(random.poisson(100 * words).astype(np.float64), marks.astype(np.int64), "table", "labels", names)


def moons(rows: int, noise: float, seed: int) -> Rows:
    """Two half circles, each reaching into the other (``make_moons``)."""
    from sklearn.datasets import make_moons

    return _classes(*make_moons(rows, noise=noise, random_state=seed))


def circles(rows: int, noise: float, seed: int) -> Rows:
    """A ring of radius 1, and one of radius 0.5 inside (``make_circles``)."""
    from sklearn.datasets import make_circles

    return _classes(*make_circles(rows, noise=noise, random_state=seed, factor=0.5))


def blobs(rows: int, features: int, classes: int, noise: float, seed: int) -> Rows:
    """A round cluster for each class, centres between -10 and 10 (``make_blobs``)."""
    from sklearn.datasets import make_blobs

    return _classes(*make_blobs(rows, features, centers=classes, cluster_std=noise, random_state=seed))


def xor(rows: int, noise: float, seed: int) -> Rows:
    """Clusters around the corners of a square, from -1 to 1; opposite corners are of one class: no line tells them apart."""
    random = RandomState(seed)
    corner = random.permutation(np.arange(rows) % 4)
    inputs = np.stack([corner % 2, corner // 2], axis=1) * 2.0 - 1
    return _classes(inputs + noise * random.standard_normal((rows, 2)), corner % 2 ^ corner // 2)


def polynomial(train_rows: int, validation_rows: int, test_rows: int, degree: int, noise: float, seed: int) -> Rows:
    """Points of the line y = x between -1 and 1, with noise; columns are the Chebyshev polynomials T1(x), T2(x), … of x.

    These span the same curves as the powers of x, and gradient descent reaches them in a few hundred steps instead of millions.
    The training points lie evenly, the others anywhere. A split's points depend on its own count, the noise and the seed alone.
    """
    sizes: dict[SplitName, int] = {"train": train_rows, "validation": validation_rows, "test": test_rows}
    random = {name: RandomState([seed, number]) for number, name in enumerate(sizes)}
    x = {name: np.linspace(-1, 1, size) if name == "train" else random[name].uniform(-1, 1, size) for name, size in sizes.items()}
    y = np.concatenate([x[name] + noise * random[name].standard_normal(size) for name, size in sizes.items()])
    inputs = np.polynomial.chebyshev.chebvander(np.concatenate([*x.values()]), degree)[:, 1:]
    ends = np.cumsum([*sizes.values()])[:-1]
    splits = dict(zip(sizes, np.split(np.arange(len(y)), ends), strict=True))
    return Rows(inputs, y[:, None], "table", "number", splits=splits)


def sequences(rows: int, features: int, classes: int, steps: int, shortest: int, noise: float, seed: int) -> Rows:
    """Waves that begin anywhere, with noise; the class is how fast they swing, from one wave in four steps down.

    Single values say nothing of the class, nor do lengths: the order of the steps does.
    """
    random = RandomState(seed)
    numbers, lengths, real = _drawn(random, rows, classes, steps, shortest)
    waves = (numbers[:, None, None] + 1) / (4 * classes) * np.arange(steps)[:, None] + random.rand(rows, 1, features)
    inputs = np.sin(2 * np.pi * waves) + noise * random.standard_normal((rows, steps, features))
    inputs[~real] = 0
    return _classes(inputs, numbers, kind="sequence", lengths=lengths)


def tokens(rows: int, classes: int, steps: int, shortest: int, vocabulary: int, seed: int) -> Rows:
    """Rows that hold each of the tokens 0 to ``classes`` - 1 once, between others; the class is the one that comes first.

    Counts of tokens say nothing of the class, nor do lengths: the order of the steps does
    (after the temporal order problem of Hochreiter & Schmidhuber 1997, "Long short-term memory").
    """
    random = RandomState(seed)
    numbers, lengths, real = _drawn(random, rows, classes, steps, shortest)
    inputs = random.randint(classes, vocabulary, (rows, steps), dtype=np.int64)
    places = np.sort(np.argsort(np.where(real, random.rand(rows, steps), 2.0), axis=1)[:, :classes], axis=1)
    turns = random.rand(rows, classes)
    turns[np.arange(rows), numbers] = -1
    np.put_along_axis(inputs, places, np.argsort(turns, axis=1), axis=1)
    inputs[~real] = 0
    return _classes(inputs, numbers, kind="tokens", lengths=lengths, vocabulary=vocabulary)


def _drawn(random: RandomState, rows: int, classes: int, steps: int, shortest: int) -> tuple[Array, Array, Array]:
    """Class numbers (rows,), as many of each; lengths (rows,); and which steps are real (rows, steps)."""
    numbers = random.permutation(np.arange(rows) % classes)
    lengths = random.randint(shortest, steps + 1, rows, dtype=np.int64)
    return numbers, lengths, np.arange(steps) < lengths[:, None]
