"""Source: diabetes."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled


@sources.register
class Diabetes(Bundled):
    """Disease progression after a year, 442 patients, 10 measurements (scikit-learn's)."""

    name: Literal["diabetes"] = "diabetes"
    loader: ClassVar[str] = "load_diabetes"
