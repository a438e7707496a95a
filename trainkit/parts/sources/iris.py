"""Source: iris."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled


@sources.register
class Iris(Bundled):
    """Iris flowers, 150 rows of 4 measurements, three species (scikit-learn's)."""

    name: Literal["iris"] = "iris"
    loader: ClassVar[str] = "load_iris"
