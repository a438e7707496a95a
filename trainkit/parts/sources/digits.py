"""Source: digits."""

from typing import ClassVar, Literal

from trainkit.parts.sources import sources
from trainkit.parts.sources._sklearn import Bundled
from trainkit.spec import Kind


@sources.register
class Digits(Bundled):
    """Handwritten digits, 1,797 grey images of 8 × 8, ten classes (scikit-learn's)."""

    name: Literal["digits"] = "digits"
    loader: ClassVar[str] = "load_digits"
    kind: ClassVar[Kind] = "image"
    shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
