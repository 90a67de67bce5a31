"""When nothing improves any more, smaller steps: ReduceOnPlateau."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fallline._arguments import number, one_of, optional, takes, whole
from fallline.optim._base import Optimizer
from fallline.optim._kinds import a_name

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau:
    """A callback for `fit` that lowers the learning rate when a value has not improved for a while.

    Parameters
    ----------
    monitor
        The name in the history; None takes "val_loss" where there is validation, else "loss".
    factor
        What the learning rate is multiplied by.
    patience
        How many epochs without improvement are let pass.
    threshold
        By which share of its size the value must improve to count.
    cooldown
        How many epochs after a reduction do not count.
    min_lr
        The learning rate does not fall below it.
    mode
        "min", or "max" for values that should grow, such as accuracy.

    Notes
    -----
    Counting is PyTorch's, with its relative threshold. A schedule on the learning rate is replaced at the first
    reduction.

    Examples
    --------
    >>> import fallline as fl
    >>> opt, plateau = fl.optim.SGD(0.8), fl.optim.ReduceOnPlateau(factor=0.5, patience=1)
    >>> for epoch, loss in enumerate([3.0, 2.0, 2.0, 2.0]):
    ...     _ = plateau(epoch, {"loss": [loss]}, None, opt)
    >>> opt.hyperparameters()["lr"]
    0.4
    """

    @takes(
        monitor=optional(a_name),
        factor=number("between 0 and 1", lambda x: 0 < x < 1),
        patience=whole(0),
        threshold=number("at least 0", lambda x: x >= 0),
        cooldown=whole(0),
        min_lr=number("at least 0", lambda x: x >= 0),
        mode=one_of("min", "max"),
    )
    def __init__(
        self,
        monitor: str | None = None,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "min",
    ) -> None:
        self.monitor, self.factor, self.patience, self.threshold = monitor, factor, patience, threshold
        self.cooldown, self.min_lr, self.mode = cooldown, min_lr, mode
        self.forget()

    def forget(self) -> None:
        """Count from the beginning."""
        self.best, self.bad, self.waiting = math.inf if self.mode == "min" else -math.inf, 0, 0
        self.lr: float | None = None  # after the last reduction

    def __call__(self, epoch: int, history: Mapping[str, Sequence[float]], model: Any, opt: Optimizer) -> bool:
        """Look at the last epoch; never ends training."""
        name = self.monitor or ("val_loss" if "val_loss" in history else "loss")
        if name not in history:
            raise ValueError(f"[ReduceOnPlateau] the history has no '{name}'; it has {', '.join(history)}")
        self.watch(float(history[name][-1]), opt)
        return False

    def watch(self, value: float, opt: Optimizer) -> None:
        """Count a value, and lower the learning rate of `opt` where it is time; NaN is no value."""
        if math.isnan(value):
            return
        share = self.threshold * (-1 if self.mode == "min" else 1)
        if value < self.best * (1 + share) if self.mode == "min" else value > self.best * (1 + share):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.waiting > 0:
            self.waiting, self.bad = self.waiting - 1, 0
        if self.bad > self.patience:
            self.lr = max(opt.hyperparameters()["lr"] * self.factor, self.min_lr)
            opt.set_hyperparameters(lr=self.lr)
            self.waiting, self.bad = self.cooldown, 0

    def state_dict(self) -> dict[str, Any]:
        """Return what has been counted."""
        return {"best": self.best, "bad": self.bad, "waiting": self.waiting, "lr": self.lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.best, self.bad, self.waiting = float(state["best"]), int(state["bad"]), int(state["waiting"])
        self.lr = state["lr"]

    def __repr__(self) -> str:
        return (
            f"ReduceOnPlateau(monitor={self.monitor!r}, factor={self.factor:g}, patience={self.patience}, "
            f"mode={self.mode!r}; best {self.best:.4g}, {self.bad} epochs without improvement)"
        )
