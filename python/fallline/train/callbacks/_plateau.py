"""When nothing improves any more, smaller steps: `fl.optim.ReduceOnPlateau` told of the history of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fallline import optim
from fallline.train.callbacks._best import latest
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau(optim.ReduceOnPlateau, Callback):
    """Lower the learning rate when a value of the history has not improved for a while.

    Parameters, and how it counts, are those of :class:`fallline.optim.ReduceOnPlateau`. Epochs without a value
    (``validation_freq``) do not count.
    """

    def begin(self, run: Run) -> None:
        """Begin anew, unless this run goes on from a saved state."""
        if not run.resumed:
            self.forget()
        elif self.lr is not None:  # it may stand where a schedule was
            run.optimizer.set_hyperparameters(lr=self.lr)

    def epoch(self, run: Run) -> None:
        """Look at the last epoch."""
        self.watch(latest("ReduceOnPlateau", self.monitor, run)[1], run.optimizer)
