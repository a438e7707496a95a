"""Source: linnerud."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled


@sources.register
class Linnerud(Bundled):
    """Weight, waist and pulse of 20 men, from how many of three exercises they did (scikit-learn's)."""

    name: Literal["linnerud"] = "linnerud"
    loader: ClassVar[str] = "load_linnerud"
