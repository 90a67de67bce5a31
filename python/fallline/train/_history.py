"""What came of a training run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fallline.train._show import aligned, axes, pandas
from fallline.train._writing import write_atomically

__all__ = ["DivergedError", "History"]

FORMAT = "fallline history 1"
MOST = 12  # epochs that a table shows at the end of a long run


class History(Mapping[str, list[Any]]):
    """One value per epoch and quantity: ``history["loss"]``, ``history["val_accuracy"]``, ``history["grad_norm"]``.

    Attributes
    ----------
    steps
        The same per step, as NumPy arrays, where ``fit(record_steps=True)`` asked for them.
    initial
        What was measured before the first step, where ``fit(initial=True)`` asked for it.
    interrupted
        Whether Ctrl-C ended the run.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[Any]] = {}
        self.steps: dict[str, np.ndarray] = {}
        self.initial: dict[str, Any] = {}
        self.interrupted = False

    def __getitem__(self, name: str) -> list[Any]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def curves(self) -> dict[str, list[float]]:
        """Those of its values that are numbers; a confusion matrix is none."""
        return {name: values for name, values in self._values.items() if not any(np.ndim(v) for v in values)}

    @property
    def epochs(self) -> int:
        """How many epochs are whole."""
        return len(self._values.get("loss", []))

    def put(self, epoch: int, values: Mapping[str, Any]) -> None:
        """Write the values of an epoch behind those before it; what stood there goes, a new name was NaN."""
        for name, given in values.items():
            value = float(given) if np.ndim(given) == 0 else np.array(given)
            if name in self._values:
                self._values[name][epoch:] = [value]
            else:
                self._values[name] = [math.nan] * epoch + [value]

    def put_steps(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """Write the values of an epoch's steps behind those before them; what stood there goes."""
        for name, value in values.items():
            self.steps[name] = np.concatenate([self.steps.get(name, np.empty(0))[:step], value])

    def state_dict(self) -> dict[str, Any]:
        """Return everything, for a file."""
        return {"values": {name: list(values) for name, values in self._values.items()}, "steps": dict(self.steps),
                "initial": self.initial}  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Return the history that `state_dict` told of."""
        made = cls()
        made._values = {name: list(values) for name, values in state["values"].items()}
        made.initial = dict(state["initial"])
        made.steps = {name: np.array(values) for name, values in state["steps"].items()}
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file of JSON, whole or not at all."""
        state = {"format": FORMAT, "interrupted": self.interrupted, **self.state_dict()}
        write_atomically(Path(path), json.dumps(state, default=_listed, indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote; ValueError on any damage."""
        try:
            state = json.loads(Path(path).read_bytes())
            if state["format"] != FORMAT:
                raise ValueError(f"its format is {state['format']!r}")
            made = cls.from_state(state)
            made._values = {n: [np.array(v) if isinstance(v, list) else float(v) for v in vs] for n, vs in made.items()}
            made.interrupted = bool(state["interrupted"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"[History] {os.fspath(path)} holds no history of fallline: {error}") from None
        return made

    def to_pandas(self) -> Any:
        """Return a data frame with a row for each epoch; ``steps``, where they were asked for, make one themselves."""
        frame = pandas().DataFrame(self.curves, index=range(1, self.epochs + 1))
        frame.index.name = "epoch"
        return frame

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw curves with matplotlib, those named or all but the norm of the gradient, and return the axes."""
        if ax is None:
            ax = axes()
        for name in names or [name for name in self.curves if name != "grad_norm"]:
            values = self.curves[name]
            ax.plot(range(1, len(values) + 1), values, label=name, marker="." if len(values) < 30 else None)
        ax.set_xlabel("epoch")
        ax.legend()
        return ax

    def __str__(self) -> str:
        rows = [[str(i + 1), *(f"{v[i]:.5g}" if i < len(v) else "" for v in self.curves.values())]
                for i in range(self.epochs)]  # fmt: skip
        shown = rows if len(rows) <= 2 * MOST else [*rows[:3], ["...", *("" for _ in self.curves)], *rows[-MOST:]]
        return aligned([["epoch", *self.curves], *shown])

    def _repr_html_(self) -> str:
        from fallline._html import of_history  # only in notebooks

        return of_history(self.curves)

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={values[-1]:.4g}" for name, values in self.curves.items())
        return f"History({self.epochs} epochs{': ' + last if last else ''})"


def _listed(value: Any) -> Any:
    return np.asarray(value).tolist()


class DivergedError(ArithmeticError):
    """The loss or a gradient became NaN or infinite; the model holds the parameters of the last good epoch.

    Attributes
    ----------
    history
        The epochs before.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[type[DivergedError], tuple[str, History]]:
        return type(self), (str(self), self.history)
