"""Which epoch was the best?  A watch on one value of the history, and EarlyStopping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline._arguments import flag, number, one_of, takes, whole
from fallline._hints import did_you_mean
from fallline.train.callbacks import _kinds
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Best", "EarlyStopping", "latest"]

GROW = ("accuracy", "auc", "precision", "recall", "f1", "fbeta", "top_k", "r2", "iou", "dice", "pearson", "explained")


def latest(where: str, monitor: str | None, run: Run) -> tuple[str, float]:
    """Return the name of what is watched, and its value in the last epoch: NaN where it was not measured."""
    history = run.history
    name = monitor or ("val_loss" if "val_loss" in history else "loss")
    if name not in history:
        hint = did_you_mean(name, history, otherwise=f"; it has {', '.join(history)}")
        without = "; pass validation= to fit" if name.startswith("val_") and "val_loss" not in history else hint
        raise ValueError(f"[{where}] the history has no {name!r}{without}")
    return name, history[name][run.epoch]


class Best:
    """The best value so far of one quantity; a better one is better by more than `min_delta`."""

    def __init__(self, where: str, monitor: str | None, mode: str, min_delta: float) -> None:
        self.where, self.monitor, self.mode, self.min_delta = where, monitor, mode, min_delta
        self.value, self.epoch = math.nan, -1

    def improves(self, run: Run) -> bool | None:
        """Look at the last epoch: whether it is the best so far; None where the quantity was not measured."""
        name, value = latest(self.where, self.monitor, run)
        if math.isnan(value):
            return None
        mode = self.mode if self.mode != "auto" else "max" if any(word in name for word in GROW) else "min"
        gain = (self.value - value) if mode == "min" else (value - self.value)
        if self.epoch >= 0 and not gain > self.min_delta:
            return False
        self.value, self.epoch = value, run.epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its epoch."""
        return {"value": self.value, "epoch": self.epoch} if self.epoch >= 0 else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.value, self.epoch = float(state.get("value", math.nan)), int(state.get("epoch", -1))


class EarlyStopping(Callback):
    """End the training when a value has not improved for a while, and take the best epoch's parameters back.

    Parameters
    ----------
    monitor
        The name in the history; None takes "val_loss" where there is validation, else "loss".
    patience
        After how many epochs in a row without improvement the training ends. Epochs without a value
        (``validation_freq``) do not count.
    min_delta
        An improvement is a change by more than this.
    mode
        "min", "max", or "auto": "max" for accuracy and its kin.
    restore_best
        Whether the model holds the best epoch's parameters (those that `averaged` gives) and statistics when the
        training has ended, by this or otherwise; not after an error or Ctrl-C, from where training can go on.
    start_from
        How many epochs are not looked at.

    Attributes
    ----------
    best, best_epoch
        The best value, and its place in the history.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> stopping = fl.train.callbacks.EarlyStopping(patience=3, min_delta=1e-3)
    >>> history = fl.fit(
    ...     fl.nn.Linear(1, 1), x, 3 * x, loss="mse", optimizer=fl.optim.SGD(0.1), epochs=1000,
    ...     validation=(x, 3 * x), callbacks=[stopping], progress=False,
    ... )
    >>> history.epochs == stopping.best_epoch + 4 < 1000
    True
    """

    @takes(
        monitor=_kinds.monitor,
        patience=whole(0),
        min_delta=number("at least 0", lambda x: x >= 0),
        mode=one_of("auto", "min", "max"),
        restore_best=flag,
        start_from=whole(0),
    )
    def __init__(
        self,
        monitor: str | None = None,
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
        start_from: int = 0,
    ) -> None:
        self.patience, self.restore_best, self.start_from = patience, restore_best, start_from
        self._best = Best("EarlyStopping", monitor, mode, min_delta)
        self._weights: dict[str, np.ndarray] = {}
        self._waited = 0

    best = property(lambda self: self._best.value)
    best_epoch = property(lambda self: self._best.epoch)

    def begin(self, run: Run) -> None:
        """Begin anew, unless this run goes on from a saved state."""
        if not run.resumed:
            self.load_state_dict({})

    def epoch(self, run: Run) -> bool:
        """Look at the last epoch."""
        if run.epoch < self.start_from:
            return False
        better = self._best.improves(run)
        if better:
            self._waited = 0
            if self.restore_best:
                self._weights = {path: np.array(a) for path, a in run.evaluated().items()}
        elif better is not None:
            self._waited += 1
        return 0 < self._waited >= self.patience

    def end(self, run: Run) -> None:
        """Give the best parameters back."""
        if run.finished and self._weights:
            run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, the parameters that had it, and how long nothing was better."""
        return {"best": self._best.state_dict(), "waited": self._waited, "weights": dict(self._weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._best.load_state_dict(state.get("best", {}))
        self._waited = int(state.get("waited", 0))
        self._weights = {path: np.array(array) for path, array in state.get("weights", {}).items()}
