"""What the sets that scikit-learn carries inside its package share."""

from typing import Any, ClassVar

from trainkit.parts.sources import Source
from trainkit.spec import Kind, Rows, Target


class Bundled(Source):
    """A set that comes with scikit-learn: nothing is downloaded."""

    loader: ClassVar[str]
    kind: ClassVar[Kind] = "table"
    shape: ClassVar[tuple[int, ...]] = ()

    @property
    def data_kind(self) -> Kind:
        return self.kind

    def build(self, target: Target | None) -> Rows:
        import numpy as np
        from sklearn import datasets

        bunch: Any = getattr(datasets, self.loader)()
        inputs = bunch.data.reshape(len(bunch.data), *self.shape) if self.shape else bunch.data
        names = tuple(str(name) for name in bunch.get("target_names", ("target",)))
        if bunch.target.dtype.kind == "f":
            return Rows(inputs, bunch.target.reshape(len(inputs), -1), self.kind, "number", names)
        return Rows(inputs, np.array(names, dtype=object)[bunch.target], self.kind, "class")
