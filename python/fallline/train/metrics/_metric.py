"""What is a metric?  Something that starts, adds batch after batch, and finishes with one number for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline._hints import did_you_mean

State = Any  # a tree of arrays
M = TypeVar("M", bound="Metric")


class Metric:
    """A number that is found from all samples of an epoch, batch after batch.

    Subclass it for one of your own. `add` becomes a part of the step that `fit` runs natively, so it is made of
    functions of fallline or NumPy. A plain function of (outputs, targets), or of (outputs, targets, sample_weight), is
    a metric too: its values are averaged, each by the samples of its batch.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> class Worst(fl.train.Metric):
    ...     def start(self, output, target):
    ...         return np.zeros(())
    ...
    ...     def add(self, state, output, target, weight):
    ...         return np.maximum(state, np.abs(output - target).max())
    ...
    ...     def finish(self, state):
    ...         return state
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> fl.evaluate(fl.nn.Identity(), x, 2 * x, loss="mse", metrics=[Worst()], batch_size=30)["Worst"]
    1.0
    """

    name: str = ""
    everything = False  # whether it looks at all outputs together; then `of_all` takes the place of the sums

    def start(self, output: Any, target: Any) -> State:
        """Return the state before the first batch: an array, or a tuple, list or dict of arrays. Numbers are float64.

        Of `output` and `target`, those of a batch, only shapes and dtypes are known.
        """
        raise NotImplementedError(f"{type(self).__name__}.start(output, target) -> state")

    def add(self, state: State, output: Any, target: Any, weight: Any) -> State:
        """Return the state after one more batch; `weight` holds what each sample counts, or is None."""
        raise NotImplementedError(f"{type(self).__name__}.add(state, output, target, weight) -> state")

    def finish(self, state: State) -> Any:
        """Return the number, from the state after the last batch."""
        raise NotImplementedError(f"{type(self).__name__}.finish(state) -> number")

    def of_all(self, output: Array, target: Array, weight: Array | None) -> Any:
        """Return the number for samples that are all there."""
        return self.finish(self.add(self.start(output, target), output, target, weight))

    def suited(self: M, loss: Callable[..., Any]) -> M:
        """Return the metric that reads outputs as this loss does."""
        return self

    @property
    def key(self) -> str:
        """What the history calls it."""
        return self.name or type(self).__name__


class Function(Metric):
    """A plain function of outputs and targets: the mean of its values, by the samples of the batches."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.name = getattr(f, "__name__", "") or getattr(getattr(f, "func", None), "__name__", "metric")

    def start(self, output: Any, target: Any) -> State:
        return np.zeros(()), np.zeros(())

    def add(self, state: State, output: Any, target: Any, weight: Any) -> State:
        weighs = weight is not None and takes_weights(self.f)
        value = self.f(output, target, sample_weight=weight) if weighs else self.f(output, target)
        if not isinstance(value, Array | np.ndarray | np.generic | bool | int | float) or np.size(value) != 1:
            got = f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__
            raise _core.ShapeError(f"[fit] the metric {self.name!r} must return one number for a batch, got {got}")
        count = mass(weight if weighs else None, output.shape[0])
        return state[0] + count * _ops.reshape(double(value), ()), state[1] + count

    def finish(self, state: State) -> Any:
        return ratio(*state)


def takes_weights(f: Callable[..., Any]) -> bool:
    """Return whether a function of outputs and targets takes what samples count."""
    from inspect import signature  # only here

    try:
        return "sample_weight" in signature(f).parameters
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Sums(Metric):
    """A metric of this library: its fields are its options, and its state is the sum over batches of `of_batch`.

    Called with outputs and targets it returns their number; called with options, the metric with these.
    """

    name: str = ""

    def of_batch(self, output: Any, target: Any, weight: Any) -> tuple[Array, ...]:
        """Return what one batch adds."""
        raise NotImplementedError

    def result(self, *sums: Array) -> Any:
        """Return the number."""
        return ratio(*sums)

    def start(self, output: Any, target: Any) -> State:
        return tuple(np.zeros(a.shape) for a in self.of_batch(output, target, None))

    def add(self, state: State, output: Any, target: Any, weight: Any) -> State:
        return tuple(a + b for a, b in zip(state, self.of_batch(output, target, weight), strict=True))

    def finish(self, state: State) -> Any:
        return self.result(*state)

    @property
    def options(self) -> dict[str, Any]:
        """What it was made with besides a name, where that is not the default."""
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return {name: value for name, value, default in given if name != "name" and value != default}

    def __call__(self, *batch: Any, sample_weight: Any = None, **options: Any) -> Any:
        """Return the number for (outputs, targets), or the metric with other options."""
        known = [f.name for f in fields(self)]
        for option in options:
            if option not in known:
                hint = did_you_mean(option, known, otherwise=f"; there are {', '.join(known)}")
                raise TypeError(f"[{self.key}] there is no option {option!r}{hint}")
        metric = replace(self, **options)
        if not batch and sample_weight is None:
            if "name" in options or not options:
                return metric
            ending = "_".join(str(value) for value in options.values() if value is not True)
            flags = "_".join(option for option, value in options.items() if value is True)
            return replace(metric, name="_".join(filter(None, (self.name, flags, ending))))
        if len(batch) != 2:
            raise TypeError(
                f"[{self.key}] takes (outputs, targets), got {len(batch)} argument{'s' * (len(batch) != 1)}; options "
                f"have names: {self.key}({next((k for k in known if k != 'name'), 'name')}=...)"
            )
        with _core.no_grad():
            output, target = (asarray(a).detach() for a in batch)
            return number(metric.of_all(output, target, None if sample_weight is None else asarray(sample_weight)))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


# What metrics share: sums in float64, whatever the outputs are.


def double(x: Any) -> Array:
    """Return an array in float64."""
    return _core.astype(asarray(x), np.float64)


def total(values: Any, weight: Any) -> Array:
    """Return the sum over the first axis, each entry as often as it counts."""
    values = double(values)
    if weight is not None:
        values = values * _ops.reshape(double(weight), (-1,) + (1,) * (values.ndim - 1))
    return _ops.sum(values, axis=0)


def mass(weight: Any, samples: int) -> Array:
    """Return how much samples count together."""
    return asarray(np.float64(samples)) if weight is None else _ops.sum(double(weight))


def repeated(weight: Any, times: int) -> Any:
    """Return the weights of rows, of which each sample has so many; None stays None."""
    if weight is None or times == 1:
        return weight
    column = _ops.reshape(double(weight), (-1, 1))
    return _ops.reshape(_ops.broadcast_to(column, (column.shape[0], times)), (-1,))


def ratio(part: Any, whole: Any) -> Array:
    """Return part / whole, and NaN where there is nothing at all."""
    part, whole = asarray(part), asarray(whole)
    return _ops.where(whole == 0, np.nan, part / _ops.where(whole == 0, 1.0, whole))


def share(part: Any, whole: Any) -> Array:
    """Return part / whole, and 0 where there is nothing."""
    part, whole = asarray(part), asarray(whole)
    return asarray(part / _ops.where(whole == 0, 1.0, whole))


def number(value: Any) -> float | np.ndarray:
    """Return a result as a number, or as an array where it is a table."""
    array = np.asarray(value.detach() if isinstance(value, Array) else value)
    return float(array.reshape(())) if array.size == 1 and array.ndim <= 1 else array.copy()
