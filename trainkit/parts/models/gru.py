"""Model: gru."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainkit.parts.models import models
from trainkit.parts.models._recurrent import Recurrent

if TYPE_CHECKING:
    from trainkit.networks.recurrent import Cell


@models.register
class GRU(Recurrent):
    """GRU (gated recurrent unit), for what an LSTM is for: three quarters of its weights."""

    name: Literal["gru"] = "gru"

    def cell(self) -> Cell:
        return "gru"
