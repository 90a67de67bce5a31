"""Derivatives of functions of trees of arrays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import wraps
from typing import Any, NoReturn

import numpy as np

from fallline import _core, _tree
from fallline._arguments import check, flag, function, one_of, places, shown
from fallline._array import Array, asarray

__all__ = ["backward", "grad", "no_grad", "start", "value_and_grad"]

no_grad = _core.no_grad


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, *, unused: str = "raise"
) -> Callable[..., Any]:
    """Return a function that gives ``f(*args)`` and its gradient.

    Parameters
    ----------
    f
        Returns a scalar; with `has_aux` a pair of the scalar and anything. Written with ``fl.*``, or with ``np.*``.
    argnums
        The arguments to differentiate by: an index, or several. Each may be a tree of float arrays, or a module.
    has_aux
        Whether `f` returns more than the scalar.
    unused
        What to do where nothing that `f` returns depends on any argument, so that every derivative would be zero:
        "raise" a ValueError, or give "zero".

    Returns
    -------
    callable
        Gives ``(value, gradient)``, or ``((value, aux), gradient)``. A gradient is built as its argument, as fl.Arrays;
        that of a module is a dict from path to array.

    Examples
    --------
    >>> import fallline as fl
    >>> value, g = fl.value_and_grad(lambda x: (x * x).sum())(fl.asarray([1.0, 2.0, 3.0]))
    >>> value.item(), g.tolist()
    (14.0, [2.0, 4.0, 6.0])
    """
    check("grad", "f", function, f)
    check("grad", "has_aux", flag, has_aux)
    check("grad", "unused", ON_UNUSED, unused)
    chosen = positions("grad", argnums)
    one = argnums if isinstance(argnums, int) else None

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        replaced = list(args)
        single = one is not None and -len(args) <= one < len(args) and type(args[one]) in _LEAVES
        if one is not None and single:  # no walk through a tree
            leaves = [_start_leaf("", args[one])]
            replaced[one] = leaves[0]
            inner = _inner.seen
            out = f(*replaced, **kwargs)
        else:
            found_at(args, chosen, "grad")
            with ExitStack() as stack:
                starts = [start(args, i, stack) for i in chosen]
                inner = _inner.seen
                for i, (tree, _) in zip(chosen, starts, strict=True):
                    replaced[i] = tree
                out = f(*replaced, **kwargs)
            leaves = [leaf for _, found in starts for leaf in found.values()]
        value, aux = _pair(out) if has_aux else (out, None)
        value = value if type(value) is Array else _scalar(value)
        constant = not value._tracked and _inner.seen == inner
        value, gradients = _core.scalar_gradients(value, leaves)
        if constant and unused == "raise" and leaves:
            refuse_unused("grad", f)
        if single:
            found: Any = gradients[0]
        else:
            rest = iter(gradients)
            trees = [rebuild(args[i], named, rest) for i, (_, named) in zip(chosen, starts, strict=True)]
            found = tuple(trees) if one is None else trees[0]
        return ((value, aux) if has_aux else value), found

    return wrapped


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, *, unused: str = "raise"
) -> Callable[..., Any]:
    """Return a function that gives the gradient of a scalar function; see `value_and_grad`.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.grad(fl.grad(lambda x: x**3))(2.0).item()  # the second derivative
    12.0
    """
    both = value_and_grad(f, argnums, has_aux, unused=unused)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def backward(self: Array, gradient: Any = None, *, retain_graph: bool = True, create_graph: bool = False) -> None:
    """Add the derivative of this array to ``grad`` of every array made with ``requires_grad=True`` that it came from.

    Parameters
    ----------
    gradient
        The cotangent; may be left out for a scalar, where it is 1.
    retain_graph
        Whether the record stays usable for another walk back; False frees what it keeps at once. (The record is freed
        in any case when the last array that came from it is.)
    create_graph
        Whether the gradients shall be differentiable themselves, which retains the record.

    Notes
    -----
    Gradients are added to what is there; ``x.grad = None`` begins anew.

    Examples
    --------
    >>> import fallline as fl
    >>> w = fl.asarray([1.0, 2.0], requires_grad=True)
    >>> for x in (3.0, 4.0):  # accumulates
    ...     (w * x).sum().backward()
    >>> w.grad.tolist()
    [7.0, 7.0]
    """
    if gradient is None:
        if self.size != 1:
            raise _core.ShapeError(f"[backward] an array of shape {self.shape} needs a gradient= of its shape")
        gradient = _core.ones(self)
    _core.backward(self, asarray(gradient), create_graph, retain_graph or create_graph)


Array.backward = backward  # type: ignore[method-assign]


_SCALARS = (Array, np.ndarray, np.generic, float, int)
_LEAVES = frozenset(_SCALARS)
ON_UNUSED = one_of("raise", "zero")


def positions(what: str, argnums: Any) -> tuple[int, ...]:
    """Return `argnums`, one or several, as a tuple."""
    found = check(what, "argnums", places, argnums)
    return found if isinstance(found, tuple) else (found,)


def found_at(args: tuple[Any, ...], chosen: Sequence[int], what: str) -> list[int]:
    """Return the positions that `argnums` name, counted from the first; each argument may be named once."""
    n = len(args)
    for i in chosen:
        if not -n <= i < n:
            raise ValueError(
                f"[{what}] argnums names argument {i}, but {n} {'was' if n == 1 else 'were'} given by position; "
                "what is differentiated by has to be"
            )
    at = [i % n for i in chosen]
    if len(set(at)) < len(at):
        raise ValueError(f"[{what}] argnums names an argument twice: {tuple(chosen)} of {n}")
    return at


def refuse_unused(what: str, f: Callable[..., Any]) -> NoReturn:
    """Say that every derivative would be zero."""
    raise ValueError(
        f"[{what}] what {getattr(f, '__name__', 'the function')} returns depends on none of the arguments that it is "
        "differentiated by, so every derivative would be zero; compute it from the argument (a function that closes "
        'over a model has to take it: lambda model: loss(model(x), y)), or pass unused="zero"'
    )


class _Inner(threading.local):
    """How often a derivative began at arrays that an outer one records: what comes out may rightly be constant then."""

    seen = 0


_inner = _Inner()


def begun_inside() -> int:
    """Return how often a derivative began at arrays of an outer one, in this thread."""
    return _inner.seen


def start(args: tuple[Any, ...], i: int, stack: ExitStack) -> tuple[Any, dict[str, Array]]:
    """Begin a record at the leaves of one argument; a module holds them until the stack closes."""
    tree = args[i]
    if type(tree) in _LEAVES:  # no walk through a tree
        leaf = _start_leaf("", tree)
        return leaf, {"": leaf}
    leaves = {path: _start_leaf(path, leaf) for path, leaf in _tree.flatten(tree).items()}
    return _hold(tree, iter(leaves.values()), stack), leaves


def _start_leaf(path: str, leaf: Any) -> Array:
    array = leaf if type(leaf) is Array else _array(path, leaf)
    if isinstance(leaf, int):
        array = _core.astype(array, _core.default_dtype())
    if array._tracked:
        _inner.seen += 1
    try:
        return _core.start_record(array)
    except _core.DTypeError:
        where = f" at '{path}'" if path else ""
        raise _core.DTypeError(
            f"[grad] only float32 and float64 arrays have derivatives, got {array.dtype}{where}; "
            "leave it out of argnums, or convert it"
        ) from None


def _pair(out: Any) -> tuple[Any, Any]:
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError(f"[grad] with has_aux=True the function must return (scalar, anything), got {shown(out)}")
    return out[0], out[1]


def _array(path: str, leaf: Any) -> Array:
    try:
        return asarray(leaf)
    except (TypeError, ValueError):
        where = f"the leaf '{path}' of the argument" if path else "the argument"
        raise TypeError(
            f"[grad] {where} must be an array or a number, got {shown(leaf)}; leave it out of what is "
            "differentiated by: close over it, or name the other arguments in argnums"
        ) from None


def _hold(tree: Any, leaves: Iterator[Array], stack: ExitStack) -> Any:
    """Return the tree with the recorded leaves in place; modules keep their identity and hold the leaves for now."""

    def hold(leaf: Any) -> Any:
        if not hasattr(leaf, "holding"):
            return next(leaves)
        stack.enter_context(leaf.holding({path: next(leaves) for path in leaf.parameters()}))
        return leaf

    return _tree.replace(tree, hold)


def rebuild(tree: Any, leaves: dict[str, Array], gradients: Any) -> Any:
    if type(tree) in _LEAVES:
        return next(gradients)
    return _tree.unflatten(tree, {path: next(gradients) for path in leaves})


def _scalar(value: Any) -> Array:
    if not isinstance(value, _SCALARS):
        raise TypeError(
            f"[grad] the function must return a scalar array, got {type(value).__name__}; "
            "with has_aux=True it returns a pair"
        )
    return asarray(value)
