"""Source: breast_cancer."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled


@sources.register
class BreastCancer(Bundled):
    """Tumours, 569 rows of 30 measurements, malignant or benign (scikit-learn's)."""

    name: Literal["breast_cancer"] = "breast_cancer"
    loader: ClassVar[str] = "load_breast_cancer"
