"""Sources: where the rows come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self

from trainkit.errors import ConfigError
from trainkit.part import Part, Registry
from trainkit.spec import Kind, Rows, SplitName, Target


class Source(Part):
    """Where the rows come from."""

    @property
    def data_kind(self) -> Kind:
        """The kind of data it gives, as far as its settings tell: decides what `preprocess` may hold."""
        return "table"

    @property
    def given(self) -> tuple[SplitName, ...] | None:
        """The splits that it makes itself, besides train, as its settings tell, which never look at the disk: of these, the
        section `split` says nothing. None: only the data tells."""
        return ()

    def build(self, target: Target | None) -> Rows:
        """Read all rows. ``target`` is the kind that the task wants, None when the source shall find out.

        Raises ConfigError for a path that is not there, DataError for what is wrong inside.
        """
        raise NotImplementedError

    def knowing(self, kinds: Mapping[str, str]) -> Self:
        """The same source, which may read new rows faster where it knows what kind each column had in training."""
        return self

    def fresh(self, inputs: Sequence[str], size: int) -> Iterator[Rows]:
        """New rows to be answered, without targets, at most ``size`` of them at a time: little memory however many there are.

        ``inputs`` are files, folders, or ``-`` for what comes through the standard input.
        Raises ConfigError for a path that is not there, DataError for what is wrong inside.
        """
        raise ConfigError(f"predict: the source {self.name} reads no new rows.")


sources = Registry("sources", "source", Source)
AnySource = Annotated[Source, sources]
