"""Model: lstm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainkit.parts.models import models
from trainkit.parts.models._recurrent import Recurrent

if TYPE_CHECKING:
    from trainkit.networks.recurrent import Cell


@models.register
class LSTM(Recurrent):
    """LSTM (long short-term memory) for sequences and texts, step by step, and for images, row by row."""

    name: Literal["lstm"] = "lstm"

    def cell(self) -> Cell:
        return "lstm"
