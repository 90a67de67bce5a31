"""What does a training tell those who listen?  Its events, and what they must keep to go on after a break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fallline._arguments import function, optional, takes

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Callback", "Lambda", "as_callback", "hears_batches"]


class Callback:
    """Listens to a training: a subclass writes the events that it wants.

    Every event gets the :class:`fallline.train.Run`, which knows `model`, `optimizer`, `history`, `epoch` and `step`. A
    true result of `batch` or `epoch` ends the training.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> class Print(fl.train.callbacks.Callback):
    ...     def epoch(self, run):
    ...         print(run.epoch, run.step, round(run.history["loss"][-1], 2))
    >>> x = np.ones((64, 1), np.float32)
    >>> model = fl.nn.Linear(1, 1, weight_init="zeros")
    >>> _ = fl.fit(model, x, x, loss="mse", epochs=2, optimizer=fl.optim.SGD(0.1), callbacks=[Print()], progress=False)
    0 2 0.68
    1 4 0.09
    """

    #: Steps between two calls of `batch`; None: whenever `fit` looks up, about ten times a second.
    every: int | None = 1
    #: Whether this one hears of an epoch after all others, since it keeps what they have done.
    last: ClassVar[bool] = False

    def begin(self, run: Run) -> Any:
        """Before the first step."""

    def batch(self, run: Run) -> Any:
        """After a step; ``run.values`` are those of the last one. Without this method no step waits for Python."""

    def epoch(self, run: Run) -> Any:
        """After an epoch, when its values stand in ``run.history``."""

    def end(self, run: Run) -> Any:
        """After the last epoch, and after an error or Ctrl-C: ``run.finished`` tells which."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that was broken off needs to go on: numbers, texts, arrays, and dicts and lists of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class Lambda(Callback):
    """Functions as a callback.

    Parameters
    ----------
    epoch
        A function of (epoch, history, model, optimizer), as `fit` takes it among its callbacks.
    begin, batch, end
        Functions of the :class:`fallline.train.Run`.

    Examples
    --------
    >>> import fallline as fl
    >>> stop = fl.train.callbacks.Lambda(batch=lambda run: run.step == 100)  # a true result ends the training
    """

    @takes(epoch=optional(function), begin=optional(function), batch=optional(function), end=optional(function))
    def __init__(
        self,
        epoch: Callable[..., Any] | None = None,
        *,
        begin: Callable[[Run], Any] | None = None,
        batch: Callable[[Run], Any] | None = None,
        end: Callable[[Run], Any] | None = None,
    ) -> None:
        self._after = epoch
        for event, given in {"begin": begin, "batch": batch, "end": end}.items():
            if given is not None:
                setattr(self, event, given)

    def epoch(self, run: Run) -> Any:
        """Call the function of four."""
        return self._after and self._after(run.epoch, run.history, run.model, run.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Ask the function, which may be an object that keeps something."""
        ask = getattr(self._after, "state_dict", None)
        return ask() if callable(ask) else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Tell the function."""
        if state:
            self._after.load_state_dict(state)  # type: ignore[union-attr]


def as_callback(given: Any) -> Callback:
    """Return a callback as it is, and a function as one."""
    return given if isinstance(given, Callback) else Lambda(given)


def hears_batches(callback: Callback) -> bool:
    """Whether a callback wants to hear of steps."""
    return "batch" in vars(callback) or type(callback).batch is not Callback.batch
