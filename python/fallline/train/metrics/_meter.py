"""How are metrics measured over an epoch?  Their states are arrays that each step of a plan gives new values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fallline import _core, _tree
from fallline._array import Array, asarray
from fallline._hints import did_you_mean
from fallline.nn import losses
from fallline.train.metrics import _classes, _curves, _regression
from fallline.train.metrics._metric import Function, Metric, Sums, number
from fallline.transforms._effects import read_buffer, update_buffer

REGISTRY: dict[str, Metric] = {
    name: found
    for module in (_classes, _regression, _curves)
    for name, found in vars(module).items()
    if isinstance(found, Sums)
}
RESERVED = ("loss", "grad_norm")


def get(metrics: Iterable[Any], loss: Callable[..., Any], where: str = "fit") -> dict[str, Metric]:
    """Return metrics by the names they have in a history, suited to a loss; each is a name, a metric or a function."""
    found: dict[str, Metric] = {}
    for given in metrics:
        metric = _known(given, where) if isinstance(given, str) else given
        metric = metric if isinstance(metric, Metric) else Function(metric)
        if metric.key in found or metric.key in RESERVED:
            wrong = f"two metrics are named {metric.key!r}"
            wrong = wrong if metric.key in found else f"{metric.key!r} is the name of something else in a history"
            raise ValueError(f"[{where}] {wrong}; give one another name: {_renamed(given, metric)}")
        found[metric.key] = metric.suited(loss)
    return found


def _known(name: str, where: str) -> Any:
    if name in REGISTRY:
        return REGISTRY[name]
    if name in losses._BY_NAME:
        return losses._BY_NAME[name]
    hint = did_you_mean(name, REGISTRY, otherwise=f"; there are {', '.join(REGISTRY)}, or pass a function")
    raise ValueError(f"[{where}] no metric is named {name!r}{hint}")


def _renamed(given: Any, metric: Metric) -> str:
    if isinstance(given, str) and isinstance(metric, Sums):
        return f"fl.train.metrics.{given}(name='...')"
    return f"{metric.key}(name='...')" if isinstance(metric, Sums) else "a function's is its __name__, a metric's .name"


class Meter:
    """The metrics of one kind of epoch, training or evaluation, and what they have summed up so far.

    `add` is traced into a plan, as a layer's running statistics are: the new states are written after each step that
    counts, in native code.
    """

    def __init__(self, metrics: Mapping[str, Metric] | None = None, *, per_step: bool = False) -> None:
        self.metrics = dict(metrics or {})
        self.per_step = per_step
        self._states: dict[str, Any] = {}  # trees of arrays, made when the first step is traced
        self._first: dict[str, list[np.ndarray]] = {}  # what each of them is before the first batch

    @property
    def summed(self) -> dict[str, Metric]:
        """The metrics that add batch to batch."""
        return {name: metric for name, metric in self.metrics.items() if not metric.everything}

    @property
    def everything(self) -> dict[str, Metric]:
        """The metrics that need all outputs."""
        return {name: metric for name, metric in self.metrics.items() if metric.everything}

    @property
    def steps(self) -> list[str]:
        """The names of the numbers that each step has, in the order of `add`'s."""
        return list(self.summed) if self.per_step else []

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what has been summed up, by path: arrays that may be written to."""
        return {path: np.asarray(array) for path, array in _tree.flatten(self._states).items()}

    def start(self) -> None:
        """Begin an epoch."""
        for name, state in self._states.items():
            buffers = list(_tree.flatten(state).values())
            for buffer, first in zip(buffers, self._first[name], strict=True):
                np.asarray(buffer)[...] = first
            _core.written(buffers)

    def add(self, output: Array, target: Array, weight: Array | None = None) -> list[Array]:
        """Add a batch, inside a trace; return the numbers of this batch alone, where they are asked for."""
        alone = []
        for name, metric in self.summed.items():
            first = metric.start(output, target)
            if name not in self._states:
                self._begin(name, first)
            buffers = self._states[name]
            state = metric.add(_tree.replace(buffers, read_buffer), output, target, weight)
            self._hold(name, buffers, state)
            if self.per_step:
                value = asarray(metric.finish(metric.add(first, output, target, weight)))
                alone.append(value if value.size == 1 else value.mean())
        return alone

    def finish(self, output: Any = None, target: Any = None, weight: Any = None) -> dict[str, float | np.ndarray]:
        """Return the numbers of the epoch; those that need all outputs from all of them."""
        found = {}
        for name, metric in self.metrics.items():
            with _core.no_grad():
                if not metric.everything:
                    found[name] = number(metric.finish(self._states[name]))
                elif output is not None:
                    found[name] = number(metric.of_all(output, target, weight))
        return found

    def _begin(self, name: str, first: Any) -> None:
        self._first[name] = [np.array(a) for a in _tree.flatten(first).values()]
        self._states[name] = _tree.replace(first, lambda a: _core.wrap(np.array(a)))

    def _hold(self, name: str, buffers: Any, state: Any) -> None:
        old, new = _tree.flatten(buffers), _tree.flatten(state)
        shapes = [{path: tuple(np.shape(a)) for path, a in tree.items()} for tree in (old, new)]
        if shapes[0] != shapes[1]:
            raise _core.ShapeError(
                f"[{name}] a metric's add returns a state like start's, got shapes {shapes[1]} after {shapes[0]}"
            )
        for path, buffer in old.items():
            update_buffer(buffer, _core.astype(asarray(new[path]), buffer.dtype))
