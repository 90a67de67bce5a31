"""Matrices of derivatives: one native loop over the unit vectors of the smaller side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._arguments import check, function
from fallline._array import Array
from fallline.transforms._derivatives import ON_UNUSED, found_at, grad, positions
from fallline.transforms._linear import Linear
from fallline.transforms._scan import scan

__all__ = ["hessian", "jacobian"]


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, unused: str = "raise") -> Callable[..., Any]:
    """Return a function that gives all derivatives of all outputs of `f`.

    Parameters
    ----------
    f
        A function of trees that returns a tree of float arrays.
    argnums
        The arguments to differentiate by: an index, or several.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    callable
        For arrays, gives an array of the output's shape followed by the argument's. For trees, a tree built as the
        output whose leaves are trees built as the argument; with several argnums these are tuples.

    Notes
    -----
    Forward where there are fewer elements of arguments than of outputs, else in reverse: `f` runs once, and a native
    loop (:func:`fallline.scan`) multiplies with one unit vector after the other.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.jacobian(lambda x: x**2)(fl.asarray([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    check("jacobian", "f", function, f)
    check("jacobian", "unused", ON_UNUSED, unused)
    chosen = positions("jacobian", argnums)

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        places = found_at(args, chosen, "jacobian")

        @wraps(f)
        def of_chosen(*primals: Any) -> Any:
            __tracebackhide__ = True
            given = list(args)
            for place, primal in zip(places, primals, strict=True):
                given[place] = primal
            return f(*given, **kwargs)

        linear = Linear("jacobian", of_chosen, tuple(args[i] for i in places), unused)
        rows = _matrix(linear)
        trees = [linear.of_inputs(row) for row in rows]
        return linear.of_output([tree[0] if isinstance(argnums, int) else tree for tree in trees])

    return wrapped


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, unused: str = "raise") -> Callable[..., Any]:
    """Return a function that gives all second derivatives of a scalar function: the `jacobian` of its gradient.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.hessian(lambda x: x[0] ** 2 * x[1])(fl.asarray([1.0, 2.0])).tolist()
    [[4.0, 2.0], [2.0, 0.0]]
    """
    return jacobian(grad(f, argnums, unused=unused), argnums, unused=unused)


def _matrix(linear: Linear) -> list[list[Array]]:
    """Return, for each output, its derivative by each input, of shape output + input."""
    inputs, outputs = linear.inputs, linear.outputs
    if sum(leaf.size for leaf in inputs) < sum(leaf.size for leaf in outputs):
        columns = _products(linear, linear.push, inputs, outputs)
        return [[_turned(columns[i][o], leaf) for i, leaf in enumerate(inputs)] for o in range(len(outputs))]
    rows = _products(linear, linear.pull, outputs, inputs)
    return [
        [_ops.reshape(rows[o][i], (*out.shape, *leaf.shape)) for i, leaf in enumerate(inputs)]
        for o, out in enumerate(outputs)
    ]


def _products(
    linear: Linear, multiply: Callable[[list[Array]], list[Array]], sides: list[Array], results: list[Array]
) -> list[list[Array]]:
    """Return the products with all unit vectors of each array of one side, along a new first axis."""
    zeros = [_ops.zeros(leaf.shape, dtype=leaf.dtype) for leaf in sides]
    found = []
    for place, leaf in enumerate(sides):
        if leaf.size == 0:
            found.append([_ops.zeros((0, *result.shape), dtype=result.dtype) for result in results])
            continue

        def product(carry: Any, unit: Array, place: int = place) -> Any:
            return carry, multiply([unit if i == place else zero for i, zero in enumerate(zeros)])

        units = np.eye(leaf.size, dtype=leaf.dtype).reshape(leaf.size, *leaf.shape)
        found.append(linear.closed(scan(product, None, units)[1]))
    return found


def _turned(columns: Array, leaf: Array) -> Array:
    """Return products along a first axis of unit vectors with that axis last, in the shape of the vectors."""
    last = _core.permute(columns, [*range(1, columns.ndim), 0])
    return _ops.reshape(last, (*columns.shape[1:], *leaf.shape))
