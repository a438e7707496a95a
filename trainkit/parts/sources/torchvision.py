"""Source: torchvision's sets."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from trainkit.errors import ConfigError, DataError
from trainkit.part import PathSetting
from trainkit.parts.sources import Source, sources
from trainkit.spec import Kind, Rows, SplitName, Target


@sources.register
class Torchvision(Source):
    """A well-known set of pictures, in the files that torchvision keeps: MNIST, CIFAR10, SVHN and others."""

    name: Literal["torchvision"] = "torchvision"
    set: Literal["MNIST", "FashionMNIST", "KMNIST", "USPS", "CIFAR10", "CIFAR100", "SVHN", "STL10"]
    """Which one. Train and test are as its makers split them."""
    root: PathSetting
    """The folder that holds its files, in torchvision's own layout."""
    download: bool = False
    """Fetch what is missing, 2.6 GB for STL10, 170 MB for CIFAR and less for the others."""
    data_kind: ClassVar[Kind] = "image"
    given: ClassVar[tuple[SplitName, ...]] = ("test",)

    def build(self, target: Target | None) -> Rows:
        import numpy as np

        if target not in (None, "class"):
            raise ConfigError(f"{self.set} holds classes, and the task wants something else.", key=("task",))
        (inputs, labels), (more, answers) = self._half(train=True), self._half(train=False)
        rows = np.arange(len(inputs) + len(more))
        splits: dict[SplitName, Any] = {"train": rows[: len(inputs)], "test": rows[len(inputs) :]}
        return Rows(np.concatenate([inputs, more]), np.concatenate([labels, answers]), "image", "class", splits=splits)

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        from trainkit.data.pictures import fresh

        return fresh(inputs, size)

    def _half(self, *, train: bool) -> tuple[Any, Any]:
        """uint8 (rows, channels, height, width), and the names of their classes."""
        import numpy as np

        made = self._made(train)
        images, numbers = np.asarray(made.data), np.asarray(getattr(made, "targets", getattr(made, "labels", None)))
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[-1] == 3:
            images = images.transpose(0, 3, 1, 2)
        classes = getattr(made, "classes", None) or [str(digit) for digit in range(10)]
        names = np.array([name.partition(" - ")[0] for name in classes], dtype=object)  # "0 - zero"
        return np.ascontiguousarray(images), names[numbers]

    def _made(self, train: bool) -> Any:
        from trainkit.packages import torchvision_fault

        try:
            from torchvision import datasets  # type: ignore[import-untyped]
        except (ImportError, RuntimeError, OSError, AttributeError) as error:
            if fault := torchvision_fault(error):
                raise fault from error
            raise
        kind = getattr(datasets, self.set)
        half: Any = {"split": "train" if train else "test"} if self.set in ("SVHN", "STL10") else {"train": train}
        try:
            with contextlib.redirect_stdout(sys.stderr):  # it reports on stdout, which is for results
                return kind(self.root, **half, download=self.download)
        except (RuntimeError, OSError, EOFError, ValueError, AssertionError) as error:  # not there, no network, other content
            files = _files(kind)
            missing = [name for name in files if not os.path.exists(os.path.join(self.root, name))]
            there = f"Into the folder {self.root} belong: {', '.join(files)} ({_from(kind)})."
            if not missing:
                words = f"{self.set}: a file in {self.root} is not what it should be: its checksum or content differs."
                raise DataError(words, key=("data", "root"), suggestion=f"Remove it and fetch it again. {there}") from error
            why = f", and fetching failed ({str(error).strip().splitlines()[-1]})" if self.download and str(error).strip() else ""
            raise ConfigError(
                f"{self.set} is not in {self.root}: {missing[0]} is missing{why}.",
                key=("data", "root"),
                suggestion=f"{there}{'' if self.download else ' Or let it be fetched: data.download=true.'}",
            ) from error


def _files(kind: Any) -> list[str]:
    """The files that a set is read from, below its root."""
    if hasattr(kind, "resources"):  # MNIST and its like, unpacked
        return [f"{kind.__name__}/raw/{name.removesuffix('.gz')}" for name, _ in kind.resources]
    if hasattr(kind, "split_list"):
        return [kind.split_list[split][1] for split in ("train", "test")]
    meta = [kind.meta["filename"]] if hasattr(kind, "meta") else []
    return [f"{kind.base_folder}/{name}" for name in [*(name for name, _ in kind.train_list + kind.test_list), *meta]]


def _from(kind: Any) -> str:
    """Where to get them."""
    if hasattr(kind, "resources"):
        return f"unpacked from {kind.mirrors[0]}"
    return f"from {kind.split_list['train'][0].rpartition('/')[0]}/" if hasattr(kind, "split_list") else f"unpacked from {kind.url}"
