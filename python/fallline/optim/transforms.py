"""What may happen to gradients before a step: the links of `chain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from fallline import _core, _ops
from fallline._arguments import Kind, number, takes, whole

__all__ = [
    "accumulate",
    "adaptive_clip",
    "add_noise",
    "centralize",
    "clip_global_norm",
    "clip_norm",
    "clip_value",
    "freeze",
    "skip_nonfinite",
]

F = TypeVar("F", bound=Callable[..., Any])
Arrays = dict[str, np.ndarray]
# From gradients and parameters by path, the number of calls before, and a dictionary to keep things in (saved with the
# optimizer): the gradients to step with, or None for no step.
Transform = Callable[[Arrays, Mapping[str, Any], int, dict[str, Any]], Arrays | None]


positive = number("positive", lambda x: x > 0)
not_negative = number("at least 0", lambda x: x >= 0)


class Link:
    """A transform that shows the call that made it, and goes through pickle as that call."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], transform: Transform) -> None:
        self.call, self.transform, self.every = (name, args, kwargs), transform, getattr(transform, "every", 1)

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        """Return the gradients to step with, or None for no step."""
        return self.transform(g, w, t, own)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, self.call

    def __repr__(self) -> str:
        name, args, kwargs = self.call
        return f"{name}({', '.join([*map(repr, args), *(f'{key}={value!r}' for key, value in kwargs.items())])})"


def _made_again(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return globals()[name](*args, **kwargs)


def _link(**kinds: Kind) -> Callable[[F], F]:
    """Return a decorator: the function checks its arguments, and what it makes is a `Link`."""

    def decorate(make: F) -> F:
        checked = takes(**kinds)(make)

        @wraps(make)
        def called(*args: Any, **kwargs: Any) -> Link:
            return Link(make.__name__, args, kwargs, checked(*args, **kwargs))

        return called  # type: ignore[return-value]

    return decorate


def length(arrays: Mapping[str, np.ndarray]) -> float:
    """Return the Euclidean length of all elements together, summed in float64."""
    with np.errstate(over="ignore"):
        return float(np.sqrt(sum(float(np.sum(np.square(a, dtype=np.float64))) for a in arrays.values())))


def shortened(a: np.ndarray, factor: Any) -> np.ndarray:
    """Return a times the factor, without a warning where infinity times 0 is NaN."""
    with np.errstate(invalid="ignore"):
        product: np.ndarray = a * factor
        return product


def shortening(limit: float, found: float) -> float:
    """Return what to multiply by so that `found` becomes `limit` at most; NaN where it is NaN."""
    return float(np.minimum(1.0, limit / np.maximum(found, 1e-300)))


@_link(limit=positive)
def clip_value(limit: float) -> Transform:
    """Bring every element into [-limit, limit].

    >>> import numpy as np
    >>> clip_value(1.0)({"w": np.array([3.0, -0.5])}, {}, 0, {})
    {'w': array([ 1. , -0.5])}
    """
    return lambda g, w, t, own: {path: np.clip(a, -limit, limit) for path, a in g.items()}


@_link(limit=positive)
def clip_norm(limit: float) -> Transform:
    """Shorten every tensor to the length `limit` where it is longer; one NaN makes all of the tensor NaN.

    >>> import numpy as np
    >>> clip_norm(1.0)({"w": np.array([3.0, 4.0])}, {}, 0, {})
    {'w': array([0.6, 0.8])}
    """
    return lambda g, w, t, own: {p: shortened(a, shortening(limit, length({p: a}))) for p, a in g.items()}


@_link(limit=positive)
def clip_global_norm(limit: float) -> Transform:
    """Shorten all tensors together to the length `limit` where they are longer; one NaN makes all NaN.

    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", Algorithm 1.

    >>> import numpy as np
    >>> clip_global_norm(1.0)({"a": np.array([3.0]), "b": np.array([4.0])}, {}, 0, {})
    {'a': array([0.6]), 'b': array([0.8])}
    """

    def transform(g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        factor = shortening(limit, length(g))
        return g if factor == 1 else {path: shortened(a, factor) for path, a in g.items()}

    return transform


@_link(limit=positive, eps=not_negative)
def adaptive_clip(limit: float = 0.01, eps: float = 1e-3) -> Transform:
    r"""Shorten every unit's gradient to `limit` times the length of its weights, which counts as `eps` at least.

    A unit is a row of a weight (out, ...), or a whole vector. Brock et al. 2021, "High-performance large-scale image
    recognition without normalization", eq. (3); vectors as in the authors' code.

    >>> import numpy as np
    >>> adaptive_clip(0.1)({"b": np.array([3.0, 4.0])}, {"b": np.array([0.0, 1.0])}, 0, {})
    {'b': array([0.06, 0.08])}
    """

    def unit_length(a: np.ndarray) -> np.ndarray:
        axes = tuple(range(1, a.ndim)) or None
        return np.asarray(np.sqrt(np.sum(np.square(a, dtype=np.float64), axis=axes, keepdims=True)))

    def transform(g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        out = {}
        for path, a in g.items():
            most = limit * np.maximum(unit_length(np.asarray(w[path])), eps)
            out[path] = shortened(a, np.minimum(1.0, most / np.maximum(unit_length(a), 1e-300))).astype(a.dtype)
        return out

    return transform


@_link()
def centralize() -> Transform:
    """Take the mean over all axes but the first out of every gradient with more than one axis. Yong et al. 2020.

    >>> import numpy as np
    >>> centralize()({"w": np.array([[1.0, 3.0]])}, {}, 0, {})
    {'w': array([[-1.,  1.]])}
    """
    return lambda g, w, t, own: {
        path: a - a.mean(tuple(range(1, a.ndim)), keepdims=True) if a.ndim > 1 else a for path, a in g.items()
    }


@_link(eta=not_negative, gamma=not_negative, seed=whole(0))
def add_noise(eta: float = 0.01, gamma: float = 0.55, seed: int = 0) -> Transform:
    r"""Add normal noise of variance :math:`\eta / (1 + t)^\gamma`, a function of (seed, step, parameter) alone.

    Neelakantan et al. 2015, eq. (1).
    """

    def transform(g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        deviation = float(_ops.sqrt(eta / _ops.power(np.float64(1 + t), gamma)))  # the same on every machine
        key = _core.derive_key(_core.derive_key(seed, 0x6E6F697365), t)
        draws = (
            np.asarray(_core.random_normal(_core.derive_key(key, i), 0, a.shape, a.dtype))
            for i, a in enumerate(g.values())
        )
        return {path: a + a.dtype.type(deviation) * draw for (path, a), draw in zip(g.items(), draws, strict=True)}

    return transform


@dataclass(frozen=True)
class _Accumulate:
    every: int  # schedules of the optimizer behind it count so many batches as one update

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        total = own.setdefault("sum", {})
        for path, a in g.items():
            total[path] = total[path] + a if path in total else np.array(a)
        own["calls"] = own.get("calls", 0) + 1
        if own["calls"] < self.every:
            return None
        del own["sum"], own["calls"]
        return {path: a / self.every for path, a in total.items()}


@_link(k=whole(1))
def accumulate(k: int) -> Transform:
    """Step at every k-th call only, with the mean of the k gradients: k small batches make a large one."""
    return _Accumulate(k)


@_link()
def skip_nonfinite() -> Transform:
    """Make no step where a gradient has NaN or infinity in it; `opt.own["skipped"]` counts them."""

    def transform(g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        if all(np.isfinite(a).all() for a in g.values()):
            return g
        own["skipped"] = own.get("skipped", 0) + 1
        return None

    return transform


@_link()
def freeze(*patterns: str) -> Transform:
    """Leave the parameters alone whose path fits a pattern, such as ``0.*``; a pattern must fit one."""

    def transform(g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        for pattern in patterns:
            if not any(fnmatchcase(path, pattern) for path in g):
                raise ValueError(f"[freeze] no parameter fits '{pattern}'; there are {', '.join(g)}")
        return {path: a for path, a in g.items() if not any(fnmatchcase(path, p) for p in patterns)}

    return transform
