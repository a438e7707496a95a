"""Source: synthetic."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from trainkit.part import fault
from trainkit.parts.sources import Source, sources
from trainkit.spec import Kind, Rows, SplitName, Target

KINDS: dict[str, dict[str, int | float | None]] = {
    "classification": {"rows": 1000, "features": 20, "informative": None, "classes": 2},
    "regression": {"rows": 1000, "features": 10, "informative": None, "noise": 0.1},
    "multilabel": {"rows": 1000, "features": 20, "labels": 5},
    "moons": {"rows": 1000, "noise": 0.2},
    "circles": {"rows": 1000, "noise": 0.1},
    "blobs": {"rows": 1000, "features": 2, "classes": 3, "noise": 1.0},
    "xor": {"rows": 1000, "noise": 0.3},
    "polynomial": {"train_rows": 5, "validation_rows": 50, "test_rows": 50, "degree": 6, "noise": 0.1},
    "sequences": {"rows": 1000, "features": 1, "classes": 2, "steps": 30, "shortest": 10, "noise": 0.2},
    "tokens": {"rows": 1000, "classes": 2, "steps": 20, "shortest": 5, "vocabulary": 20},
}
"""The settings that each kind has besides the seed, and what they are where nothing is written."""

Count = Annotated[int, Field(ge=1, le=10**8)]
Size = Annotated[int, Field(ge=1, le=10_000)]


@sources.register
class Synthetic(Source):
    """Rows made from random numbers, to learn from: ten kinds of problem, each with settings of its own."""

    name: Literal["synthetic"] = "synthetic"
    kind: Literal[
        "classification", "regression", "multilabel", "moons", "circles", "blobs", "xor", "polynomial", "sequences", "tokens"
    ] = "classification"
    """Which problem. classification, regression, multilabel: tables with informative columns and others; moons, circles, xor:
    points of two classes that no line tells apart; blobs: round clusters; polynomial: a line with noise, to overfit;
    sequences: waves, told apart by how fast they swing; tokens: told apart by which marker comes first."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Decides the rows; the config's own seed decides the split and the training."""
    rows: Count | None = Field(default=None, ge=2)
    """All kinds but polynomial: how many. Left out: 1000."""
    features: Size | None = None
    """Columns of classification and multilabel (left out: 20), regression (10) and blobs (2); numbers a step of sequences (1)."""
    informative: int | None = Field(default=None, ge=0, le=10_000)
    """Columns that the target depends on. Left out: as few as can hold the classes (classification), all (regression)."""
    classes: int | None = Field(default=None, ge=2, le=1_000)
    """How many, for classification, sequences, tokens (left out: 2) and blobs (3)."""
    labels: int | None = Field(default=None, ge=1, le=1_000)
    """multilabel: how many there are; a row has two of them on average, or half of fewer than four. Left out: 5."""
    noise: float | None = Field(default=None, ge=0, le=1e6)
    """Deviation of what is added to the points of moons (left out: 0.2), circles (0.1), blobs (1.0) and xor (0.3), to the target of
    regression (0.1, of a target that has 1) and polynomial (0.1, of a line from -1 to 1), to the waves of sequences (0.2)."""
    degree: int | None = Field(default=None, ge=1, le=100)
    """polynomial: its columns are the polynomials up to this degree. 1: a line. Left out: 6."""
    train_rows: Count | None = Field(default=None, ge=2)
    """polynomial: points to train on. Left out: 5."""
    validation_rows: Count | None = None
    """polynomial: points to validate on. Left out: 50."""
    test_rows: Count | None = None
    """polynomial: points to test on. Left out: 50."""
    steps: Size | None = None
    """Length of the longest row of sequences (left out: 30) and tokens (20)."""
    shortest: Size | None = None
    """Length of the shortest row of sequences (left out: 10) and tokens (5); as long as the longest: all are."""
    vocabulary: int | None = Field(default=None, ge=2, le=10**6)
    """tokens: how many there are; the first few are the markers, one a class. Left out: 20."""

    @model_validator(mode="before")
    @classmethod
    def _of_the_kind(cls, data: Any) -> Any:
        kind = data.get("kind", cls.model_fields["kind"].default) if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in KINDS or not data.keys() <= cls.model_fields.keys():
            return data  # what is wrong with these is said elsewhere
        for key in data:
            others = [other for other, settings in KINDS.items() if key in settings]
            if others and kind not in others:
                known = ", ".join([*KINDS[kind], "seed"])
                words = f"{key} is a setting of kind {', '.join(others)}, not of {kind}; {kind} has: {known}"
                raise fault((key,), f"{words}. To take it out of a file's settings: --reset data.{key}")
        return KINDS[kind] | {key: value for key, value in data.items() if value is not None or key not in KINDS[kind]}

    @model_validator(mode="after")
    def _can_be_made(self) -> "Synthetic":
        match self._own():
            case {"rows": rows, "classes": classes} if classes > rows:
                raise fault(("classes",), f"{rows} rows cannot show {classes} classes")
            case {"rows": rows, "labels": labels} if labels > rows:
                raise fault(("labels",), f"{rows} rows cannot show {labels} labels")
            case {"informative": told, "features": features} if told > features:
                raise fault(("informative",), f"{told} columns would have to be informative, and features are {features}")
            case {"informative": told, "classes": classes} if told < _sides(classes):
                words = f"{classes} classes are {2 * classes} clusters, each in a corner of its own"
                raise fault(("informative",), f"{words}: this needs {_sides(classes)} informative columns at least")
            case {"informative": 0, "noise": 0}:
                raise fault(("noise",), "with no noise and nothing informative the target is always 0")
            case {"steps": steps, "shortest": shortest} if shortest > steps:
                raise fault(("shortest",), f"the shortest row would have {shortest} steps, and the longest has {steps}")
            case {"shortest": shortest, "classes": classes, "vocabulary": _} if shortest < classes:
                raise fault(
                    ("shortest",), f"every row holds the markers of all {classes} classes: it needs {classes} steps at least"
                )
            case {"vocabulary": words, "classes": classes} if words <= classes:
                raise fault(
                    ("vocabulary",), f"the first {classes} are markers, one a class, and at least one more must lie between"
                )
        return self

    @model_serializer(mode="wrap")
    def _of_the_kind_only(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if value is not None}

    @property
    def data_kind(self) -> Kind:
        kinds: dict[str, Kind] = {"sequences": "sequence", "tokens": "tokens"}
        return kinds.get(self.kind, "table")

    @property
    def given(self) -> tuple[SplitName, ...]:
        return ("validation", "test") if self.kind == "polynomial" else ()

    def _own(self) -> dict[str, Any]:
        """What the kind is made from, nothing left out."""
        own = {key: getattr(self, key) for key in (*KINDS[self.kind], "seed")}
        if own.get("informative", 0) is None:
            own["informative"] = _sides(own["classes"]) if "classes" in own else own["features"]
        return own

    def build(self, target: Target | None) -> Rows:
        from trainkit.parts.sources import _making

        make: Callable[..., Rows] = getattr(_making, self.kind)
        return make(**self._own())


def _sides(classes: int) -> int:
    """Sides of the smallest cube that has a corner for both clusters of each class."""
    return (2 * classes - 1).bit_length()
