"""Source: wine."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled


@sources.register
class Wine(Bundled):
    """Wines, 178 rows of 13 chemical measurements, three growers (scikit-learn's)."""

    name: Literal["wine"] = "wine"
    loader: ClassVar[str] = "load_wine"
