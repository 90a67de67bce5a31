"""What may happen to gradients before a step: the links of `chain`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from fallline import _core, _ops
from fallline._arguments import Kind, number, takes, whole
from fallline._array import Array, asarray
from fallline.optim._program import Program, Values, length

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


class Pure:
    """A transform that is a function of gradients and parameters, written with fallline's functions."""

    plannable = True

    def __init__(self, f: Callable[[dict[str, Array], Mapping[str, Any]], dict[str, Array]]) -> None:
        self.f = f

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        with _core.no_grad():
            found = self.f({path: asarray(a) for path, a in g.items()}, w)
        return {path: np.asarray(a) for path, a in found.items()}

    def add_to(self, program: Program, own: dict[str, Any], scopes: ExitStack) -> None:
        paths = program.paths
        program.add(lambda v: v.g.update(self.f({path: v.g[path] for path in paths}, v.w)))


class Link:
    """A transform that shows the call that made it, and goes through pickle as that call."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], transform: Any) -> None:
        self.call, self.transform, self.every = (name, args, kwargs), transform, getattr(transform, "every", 1)

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        """Return the gradients to step with, or None for no step."""
        found: Arrays | None = self.transform(g, w, t, own)
        return found

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


def shortening(limit: Any, found: Any) -> Any:
    """Return what to multiply by so that `found` becomes `limit` at most; NaN where it is NaN."""
    return _ops.minimum(1.0, limit / _ops.maximum(found, 1e-300))


@_link(limit=positive)
def clip_value(limit: float) -> Transform:
    """Bring every element into [-limit, limit].

    >>> import numpy as np
    >>> clip_value(1.0)({"w": np.array([3.0, -0.5])}, {}, 0, {})
    {'w': array([ 1. , -0.5])}
    """
    return Pure(lambda g, w: {path: _ops.clip(a, -limit, limit) for path, a in g.items()})


@_link(limit=positive)
def clip_norm(limit: float) -> Transform:
    """Shorten every tensor to the length `limit` where it is longer; one NaN makes all of the tensor NaN.

    >>> import numpy as np
    >>> clip_norm(1.0)({"w": np.array([3.0, 4.0])}, {}, 0, {})
    {'w': array([0.6, 0.8])}
    """
    return Pure(lambda g, w: {p: a * shortening(limit, length([a])).astype(a.dtype) for p, a in g.items()})


@_link(limit=positive)
def clip_global_norm(limit: float) -> Transform:
    """Shorten all tensors together to the length `limit` where they are longer; one NaN makes all NaN.

    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", Algorithm 1.

    >>> import numpy as np
    >>> clip_global_norm(1.0)({"a": np.array([3.0]), "b": np.array([4.0])}, {}, 0, {})
    {'a': array([0.6]), 'b': array([0.8])}
    """

    def shorten(g: dict[str, Array], w: Mapping[str, Any]) -> dict[str, Array]:
        factor = shortening(limit, length(g.values()))
        return {path: a * factor.astype(a.dtype) for path, a in g.items()}

    return Pure(shorten)


@_link(limit=positive, eps=not_negative)
def adaptive_clip(limit: float = 0.01, eps: float = 1e-3) -> Transform:
    r"""Shorten every unit's gradient to `limit` times the length of its weights, which counts as `eps` at least.

    A unit is a row of a weight (out, ...), or a whole vector. Brock et al. 2021, "High-performance large-scale image
    recognition without normalization", eq. (3); vectors as in the authors' code.

    >>> import numpy as np
    >>> adaptive_clip(0.1)({"b": np.array([3.0, 4.0])}, {"b": np.array([0.0, 1.0])}, 0, {})
    {'b': array([0.06, 0.08])}
    """

    def unit_length(a: Any) -> Any:
        return _ops.sqrt(_core.inner(a, a, min(1, a.ndim - 1) if a.ndim else 0))

    def shorten(g: dict[str, Array], w: Mapping[str, Any]) -> dict[str, Array]:
        out = {}
        for path, a in g.items():
            most = limit * _ops.maximum(unit_length(asarray(w[path])), eps)
            factor = shortening(most, unit_length(a)).astype(a.dtype)
            out[path] = a * factor.reshape((-1, *(1,) * (a.ndim - 1))) if factor.ndim else a * factor
        return out

    return Pure(shorten)


@_link()
def centralize() -> Transform:
    """Take the mean over all axes but the first out of every gradient with more than one axis. Yong et al. 2020.

    >>> import numpy as np
    >>> centralize()({"w": np.array([[1.0, 3.0]])}, {}, 0, {})
    {'w': array([[-1.,  1.]])}
    """
    return Pure(
        lambda g, w: {
            path: a - _ops.mean(a, tuple(range(1, a.ndim)), keepdims=True) if a.ndim > 1 else a for path, a in g.items()
        }
    )


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
    plannable = True

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        total: Arrays = own.setdefault("sum", {})
        for path, a in g.items():
            total[path] = total[path] + a if path in total else np.array(a)
        own["calls"] = (own.get("calls", 0) + 1) % self.every
        if own["calls"]:
            return None
        mean = {path: total[path] / self.every for path in g}
        own["sum"] = {path: np.zeros_like(a) for path, a in total.items()}
        return mean

    def add_to(self, program: Program, own: dict[str, Any], scopes: ExitStack) -> None:
        paths, total, scope = program.paths, program.zeros(own, "sum"), program.scope

        def gather(v: Values) -> None:
            v.of(total).update({path: v.of(total)[path] + v.g[path] for path in paths})

        def finish(v: Values) -> None:
            sums = v.of(total)
            v.g.update({path: sums[path] / self.every for path in paths})
            sums.update({path: _ops.zeros_like(sums[path]) for path in paths})

        def turns(count: int) -> np.ndarray:
            calls = own.get("calls", 0) + 1
            return np.asarray(np.arange(calls, calls + count) % self.every == 0)

        def clock() -> Callable[[Callable[[int], int]], None]:
            before = own.get("calls", 0)
            return lambda times: own.update(calls=(before + times(scope)) % self.every)

        program.add(gather)
        program.after(clock)
        scopes.enter_context(program.within(turns=turns))
        program.add(finish)


@_link(k=whole(1))
def accumulate(k: int) -> Transform:
    """Step at every k-th call only, with the mean of the k gradients: k small batches make a large one."""
    return _Accumulate(k)


class _SkipNonfinite:
    plannable = True

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays | None:
        if all(np.isfinite(a).all() for a in g.values()):
            return g
        own["skipped"] = own.get("skipped", 0) + 1
        return None

    def add_to(self, program: Program, own: dict[str, Any], scopes: ExitStack) -> None:
        around = program.scope
        scopes.enter_context(program.when_finite())
        inside = program.scope

        def clock() -> Callable[[Callable[[int], int]], None]:
            before = own.get("skipped", 0)

            def skipped(times: Callable[[int], int]) -> None:
                own["skipped"] = before + times(around) - times(inside)
                if not own["skipped"]:
                    del own["skipped"]

            return skipped

        program.after(clock)


@_link()
def skip_nonfinite() -> Transform:
    """Make no step where a gradient has NaN or infinity in it; `opt.own["skipped"]` counts them."""
    return _SkipNonfinite()


@dataclass(frozen=True)
class _Freeze:
    patterns: tuple[str, ...]
    plannable = True

    def _left(self, paths: Collection[str]) -> list[str]:
        for pattern in self.patterns:
            if not any(fnmatchcase(path, pattern) for path in paths):
                raise ValueError(f"[freeze] no parameter fits '{pattern}'; there are {', '.join(paths)}")
        return [path for path in paths if not any(fnmatchcase(path, p) for p in self.patterns)]

    def __call__(self, g: Arrays, w: Mapping[str, Any], t: int, own: dict[str, Any]) -> Arrays:
        return {path: g[path] for path in self._left(g)}

    def add_to(self, program: Program, own: dict[str, Any], scopes: ExitStack) -> None:
        scopes.enter_context(program.only(self._left(program.paths)))


@_link()
def freeze(*patterns: str) -> Transform:
    """Leave the parameters alone whose path fits a pattern, such as ``0.*``; a pattern must fit one."""
    return _Freeze(patterns)
