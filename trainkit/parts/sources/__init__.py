"""Sources: where the rows come from."""

from typing import Annotated

from trainkit.part import Part, Registry
from trainkit.spec import Rows, Target


class Source(Part):
    """Where the rows come from."""

    @property
    def splits_itself(self) -> bool:
        """Does it say which rows train, validate and test? Then the section `split` means nothing."""
        return False

    def build(self, target: Target | None) -> Rows:
        """Read all rows. ``target`` is the kind that the task wants, None when the source shall find out.

        Raises ConfigError for a path that is not there, DataError for what is wrong inside.
        """
        raise NotImplementedError


sources = Registry("sources", "source", Source)
AnySource = Annotated[Source, sources]
