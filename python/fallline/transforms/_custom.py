"""Derivatives written by hand, and looks at those that are on their way back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from typing import Any, Generic, TypeVar

import numpy as np

from fallline import _core, _ops, _tree
from fallline._arguments import check, places, shown
from fallline._array import Array, asarray
from fallline.transforms._key import ARRAYS, any_recorded, arrays_of
from fallline.transforms._linear import vjp
from fallline.transforms._trace import fill, trace

__all__ = ["custom_jvp", "custom_vjp", "hook_gradient"]

F = TypeVar("F", bound=Callable[..., Any])


class _Custom(Generic[F]):
    """A function with a derivative written by hand."""

    __name__: str
    _what = "custom"

    def __init__(self, f: F, nondiff_argnums: int | Sequence[int] = ()) -> None:
        if not callable(f):
            raise TypeError(f"[{self._what}] expected a function, got {type(f).__name__}")
        update_wrapper(self, f)
        self._f = f
        given = check(self._what, "nondiff_argnums", places, nondiff_argnums)
        fixed = given if isinstance(given, tuple) else (given,)
        if wrong := [place for place in fixed if place < 0]:
            raise ValueError(f"[{self._what}] nondiff_argnums counts from 0, got {wrong[0]}")
        self._fixed = fixed

    def _rules(self, fixed: tuple[Any, ...]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return ``forward(*args) -> (out, residuals)`` and ``backward(residuals, g)``, of all the arguments."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns; where a derivative is recorded, with the one written by hand."""
        if kwargs:
            args = inspect.signature(self._f).bind(*args, **kwargs).args
        fixed = tuple(args[place] for place in self._fixed)
        free = [args[i] for i in range(len(args)) if i not in self._fixed]
        inputs = [asarray(a) for a in arrays_of(free)]
        if not _core.is_recording() or not any_recorded(inputs):
            return self._f(*args)
        forward, backward = self._rules(fixed)
        rule = _Rule(self._what, getattr(self, "__name__", "f"), free, forward, backward)
        return rule.as_step(inputs) if _core.outlives_trace(inputs) else rule.at_once(inputs)


class _Rule:
    """One call of a function with a derivative written by hand."""

    def __init__(
        self, what: str, name: str, args: list[Any], forward: Callable[..., Any], backward: Callable[..., Any]
    ) -> None:
        self.where, self.args, self.forward, self.backward = f"[{what}] {name}", args, forward, backward
        self.out: Any = None
        self.residuals: Any = None

    def at_once(self, inputs: list[Array]) -> Any:
        """Compute the results now, on arrays without a past."""
        clean = [_core.detach(a) for a in inputs]
        results, left = self.run(clean)
        places = {id(a): i for i, a in enumerate(clean)}
        sources = [places.get(id(a), -1) for a in left]

        def pull(given: list[Array], kept: list[Array], gs: list[Array | None]) -> Iterator[Array | None]:
            if any_recorded(given):
                mine = all(source >= 0 for source in sources)
                kept = [given[source] for source in sources] if mine else self.run(given)[1]
            return self.pull(given, kept, gs)

        outs = _core.remember_custom(inputs, [*results, *left], len(results), pull)
        return fill(self.out, iter(outs))

    def as_step(self, inputs: list[Array]) -> Any:
        """Let the call be one step of the body that is being traced, which will be differentiated later."""
        traced = trace(
            lambda *args: self.checked(self.forward(*args)),
            tuple(self.args),
            {},
            into=lambda run, specs: _core.trace_body(run, specs, 0, 0, True, False),
            within=True,
        )
        body, closed = traced.native
        if any_recorded(closed):
            raise self.closes_over()
        self.out, self.residuals = traced.out
        many, results = len(inputs), len(arrays_of(self.out))

        def pull(given: list[Array], kept: list[Array], gs: list[Array | None]) -> list[Array | None]:
            mine = given[1 : 1 + many]
            if any_recorded(mine):
                kept = self.run(mine)[1]
            return [None, *self.pull(mine, kept, gs), *[None] * len(closed)]

        key = asarray(np.zeros(2, np.uint64))
        return fill(self.out, iter(_core.call_custom(body, [key, *inputs, *closed], results, pull)))

    def run(self, inputs: list[Array]) -> tuple[list[Array], list[Array]]:
        """Return the arrays of the result, and those that are left for the way back."""
        args = fill(self.args, iter(inputs))
        self.out, self.residuals = self.checked(self.forward(*args))
        self.out = _tree.map(asarray, self.out)
        results, left = arrays_of(self.out), [asarray(a) for a in arrays_of(self.residuals)]
        if not any_recorded(inputs) and any_recorded([*results, *left]):
            raise self.closes_over()
        return results, left

    def pull(self, inputs: list[Array], kept: list[Array], gs: list[Array | None]) -> Iterator[Array | None]:
        """Return the gradients of the inputs."""
        full = [g if g is not None else _ops.zeros_like(y) for g, y in zip(gs, arrays_of(self.out), strict=True)]
        found = self.backward(fill(self.residuals, iter(kept)), fill(self.out, iter(full)))
        if not isinstance(found, tuple | list) or len(found) != len(self.args):
            raise TypeError(
                f"{self.where}: the derivative must be a tuple with a gradient, or None, for each of the "
                f"{len(self.args)} arguments, got {shown(found)}"
            )
        rest = iter(inputs)
        gradients: list[Array | None] = []
        for place, (arg, gradient) in enumerate(zip(self.args, found, strict=True)):
            named = {} if gradient is None else _tree.flatten(gradient)
            for path, leaf in _tree.flatten(arg).items():
                if isinstance(leaf, ARRAYS):
                    gradients.append(self.fitting(place, path, named.get(path), next(rest)))
        return iter(gradients)

    def fitting(self, place: int, path: str, gradient: Any, array: Array) -> Array | None:
        """Return a gradient in its array's dtype, after seeing that it has its shape."""
        if gradient is None or array.dtype.kind != "f":
            return None
        g = asarray(gradient)
        if g.shape != array.shape:
            where = f" at '{path}'" if path else ""
            raise _core.ShapeError(
                f"{self.where}: the gradient of argument {place}{where} has shape {g.shape}, the argument {array.shape}"
            )
        return _core.astype(g, array.dtype)

    def checked(self, pair: Any) -> tuple[Any, Any]:
        """Return the pair that a forward function must give."""
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{self.where}: the forward function must return (out, residuals), got {shown(pair)}")
        return pair[0], pair[1]

    def closes_over(self) -> Exception:
        """Return the error of a function that takes from outside what is being differentiated."""
        return _core.TapeError(
            f"{self.where} takes an array that is being differentiated from outside, where its derivative does not "
            "see it; make it an argument"
        )


class custom_vjp(_Custom[F]):
    """Give a function a derivative that you write yourself, from the results back to the arguments.

    Parameters
    ----------
    f
        A function of trees of arrays that returns a tree of arrays.
    nondiff_argnums
        Positions of arguments that have no derivative, such as functions: `backward` gets them first.

    Notes
    -----
    ``f.defvjp(forward, backward)`` says how: ``forward(*args)`` returns what `f` returns and anything that the way back
    needs, ``backward(residuals, g)`` a tuple with a gradient for each argument, or None where it is zero; `g` is built
    as the result. Where nothing is differentiated, `f` itself is called.

    Called at once, `forward` gets arrays with values, which it may hand to any other library by ``np.asarray``; the
    first derivative may, too. Higher derivatives are those of `backward`: it must then be written in ``fl.*`` or
    ``np.*``, and so must `forward`, which is called once more unless the residuals are arguments. In traced functions
    both are traced. An array that is being differentiated must be an argument: what `f` takes from outside counts as
    constant, and raises.

    Examples
    --------
    >>> import fallline as fl
    >>> @fl.custom_vjp
    ... def log1pexp(x):
    ...     return fl.log(1.0 + fl.exp(x))
    >>> log1pexp.defvjp(lambda x: (log1pexp(x), x), lambda x, g: (g * (1.0 - 1.0 / (1.0 + fl.exp(x))),))
    >>> fl.grad(log1pexp)(100.0).item()
    1.0
    """

    _what = "custom_vjp"
    _pair: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Say the derivative: ``forward(*args) -> (out, residuals)``, ``backward(residuals, g) -> gradients``."""
        self._pair = forward, backward

    def _rules(self, fixed: tuple[Any, ...]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        if self._pair is None:
            raise TypeError(f"[custom_vjp] {self.__name__} has no derivative yet: call defvjp(forward, backward)")
        forward, backward = self._pair
        return self._with(forward, fixed), lambda residuals, g: backward(*fixed, residuals, g)

    def _with(self, f: Callable[..., Any], fixed: tuple[Any, ...]) -> Callable[..., Any]:
        """Return the function of the other arguments."""

        def of_free(*free: Any) -> Any:
            args = list(free)
            for place, value in sorted(zip(self._fixed, fixed, strict=True), key=lambda pair: pair[0]):
                args.insert(place, value)
            return f(*args)

        return of_free if fixed else f


class custom_jvp(custom_vjp[F]):
    """Give a function a derivative that you write yourself, from the arguments on to the results.

    Parameters
    ----------
    f
        A function of trees of arrays that returns a tree of arrays.
    nondiff_argnums
        Positions of arguments that have no derivative, such as functions: the rule gets them first.

    Notes
    -----
    ``f.defjvp(push)`` says how: ``push(primals, tangents)`` takes two tuples and returns what `f` returns and its
    derivative in the direction of the tangents, which must be linear in them and written in ``fl.*`` or ``np.*``. The
    way back is found by transposing that. For the rest see :class:`fallline.custom_vjp`.

    Examples
    --------
    >>> import fallline as fl
    >>> @fl.custom_jvp
    ... def norm(x):
    ...     return fl.sqrt((x * x).sum())
    >>> @norm.defjvp
    ... def push(primals, tangents):
    ...     y = norm(primals[0])
    ...     return y, (primals[0] * tangents[0]).sum() / fl.where(y == 0, 1, y)
    >>> fl.grad(norm)(fl.asarray([3.0, 4.0])).tolist(), fl.grad(norm)(fl.zeros(2)).tolist()
    ([0.6000000238418579, 0.800000011920929], [0.0, 0.0])
    """

    _what = "custom_jvp"

    def defjvp(self, push: F) -> F:
        """Say the derivative: ``push(primals, tangents) -> (out, tangent_out)``; also as a decorator."""

        def forward(*args: Any) -> tuple[Any, Any]:
            return self._f(*args), args

        def backward(*given: Any) -> tuple[Any, ...]:
            *fixed, args, g = given
            free = tuple(args[i] for i in range(len(args)) if i not in self._fixed)

            def along(*tangents: Any) -> Any:
                pair = push(*fixed, free, tangents)
                if not isinstance(pair, tuple | list) or len(pair) != 2:
                    raise TypeError(f"[custom_jvp] the rule must return (out, tangent_out), got {shown(pair)}")
                return pair[1]

            zero = tuple(_tree.map(_zero_tangent, arg) for arg in free)
            return vjp(along, *zero, unused="zero")[1](g)

        self._pair = forward, backward
        return push


def _zero_tangent(leaf: Any) -> Array:
    x = asarray(leaf)
    return _ops.zeros(x.shape, dtype=x.dtype if x.dtype.kind == "f" else _core.default_dtype())


def hook_gradient(x: Any, hook: Callable[[Array], Any]) -> Array:
    """Return `x`; its gradient is shown to `hook` on the way back, which may return another one in its place.

    Parameters
    ----------
    x
        An array that derivatives pass through, such as an activation.
    hook
        Takes the gradient; returns the one that shall go on, or None to leave it as it is. In traced functions it sees
        arrays without values, once.

    Examples
    --------
    >>> import fallline as fl
    >>> seen = []
    >>> def f(x):
    ...     return (fl.hook_gradient(x * x, lambda g: seen.append(g.tolist())) * 3.0).sum()
    >>> fl.grad(f)(fl.asarray([1.0, 2.0])).tolist(), seen
    ([6.0, 12.0], [[3.0, 3.0]])
    """

    def backward(_: None, g: Array) -> tuple[Any]:
        other = hook(g)
        return (g if other is None else other,)

    seen = custom_vjp(lambda array: _core.reshape(array, array.shape))
    seen.__name__ = "hook_gradient"
    seen.defvjp(lambda array: (array, None), backward)
    found: Array = seen(asarray(x))
    return found
