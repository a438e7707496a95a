"""Model: rnn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainkit.parts.models import models
from trainkit.parts.models._recurrent import Recurrent

if TYPE_CHECKING:
    from trainkit.networks.recurrent import Cell


@models.register
class RNN(Recurrent):
    """Simple recurrent network, for what an LSTM is for: it is quicker, and remembers less."""

    name: Literal["rnn"] = "rnn"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """What each step passes through; with relu it may grow from step to step: set `training.clip`."""

    def cell(self) -> Cell:
        return "rnn_relu" if self.nonlinearity == "relu" else "rnn_tanh"
