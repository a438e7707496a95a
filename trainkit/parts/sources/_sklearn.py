"""What the sets that scikit-learn carries inside its package share."""

from typing import Any, ClassVar, Literal

from trainkit.parts.sources import Source
from trainkit.spec import Kind, Rows


class Bundled(Source):
    """A set that comes with scikit-learn: nothing is downloaded."""

    loader: ClassVar[str]
    kind: ClassVar[Kind] = "table"
    shape: ClassVar[tuple[int, ...]] = ()

    def build(self, target: Literal["class", "number"] | None) -> Rows:
        import numpy as np
        from sklearn import datasets

        bunch: Any = getattr(datasets, self.loader)()
        inputs = bunch.data.reshape(len(bunch.data), *self.shape) if self.shape else bunch.data
        if "target_names" in bunch:
            names = np.array([str(name) for name in bunch.target_names], dtype=object)
            return Rows(inputs, names[bunch.target], self.kind, "class")
        return Rows(inputs, bunch.target.astype(np.float64)[:, None], self.kind, "number")
