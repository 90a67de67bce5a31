"""Einstein's sums and other products of several axes, as products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fallline import _ops
from fallline._array import Array, asarray
from fallline._moves import axis_of, diagonal, moveaxis, pad

__all__ = ["cross", "einsum", "inner", "kron", "tensordot"]


def einsum(subscripts: Any, *operands: Any, optimize: Any = True, **kwargs: Any) -> Array:
    """Return Einstein's sum, pair by pair in the order that NumPy's `einsum_path` finds, each a product of matrices."""
    if not isinstance(subscripts, str):  # einsum(x, [0, 1], y, [1, 2], [0, 2])
        given = [subscripts, *operands]
        last = [given.pop()] if len(given) % 2 else []
        text = ",".join(map(_letters, given[1::2])) + ("->" + _letters(last[0]) if last else "")
        return einsum(text, *given[::2])
    if kwargs:
        raise TypeError(f"[np.einsum] {list(kwargs)} are not supported on fallline arrays")
    arrays = [asarray(x) for x in operands]
    terms, out = _terms(subscripts.replace(" ", ""), arrays)
    stand_ins = [np.broadcast_to(np.zeros((), np.int8), x.shape) for x in arrays]
    path = np.einsum_path(",".join(terms) + "->" + out, *stand_ins, optimize="greedy")[0][1:]
    for places in path:
        mine = [arrays[i] for i in places]
        mine_terms = [terms[i] for i in places]
        for i in sorted(places, reverse=True):
            del arrays[i], terms[i]
        needed = set("".join(terms) + out)
        made, term = mine[0], mine_terms[0]
        for other, other_term in zip(mine[1:], mine_terms[1:], strict=True):
            made, term = _pair(made, term, other, other_term, needed | set("".join(mine_terms[2:])))
        arrays.append(made)
        terms.append(term)
    return _settled(arrays[0], terms[0], out)


def _letters(numbers: Any) -> str:
    return "".join("..." if i is Ellipsis else chr(97 + i) for i in numbers)


def _terms(subscripts: str, arrays: list[Array]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, with letters for the axes of an ellipsis."""
    left, arrow, out = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"[einsum] '{subscripts}' names {len(terms)} operands, got {len(arrays)}")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in subscripts]
    most = 0
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        if "..." in term:
            extra = x.ndim - len(term) + 3
            most = max(most, extra)
            terms[i] = term.replace("...", "".join(spare[:most][-extra:] if extra else ""))
    for i, term in enumerate(left.split(",")):  # now that the longest is known: aligned to the right
        if "..." in term:
            extra = arrays[i].ndim - len(term) + 3
            terms[i] = term.replace("...", "".join(spare[most - extra : most]))
    if arrow:
        return terms, out.replace("...", "".join(spare[:most]))
    letters = "".join(terms)
    return terms, "".join(spare[:most]) + "".join(
        sorted(c for c in set(letters) if letters.count(c) == 1 and c not in spare[:most])
    )


def _without_repeats(x: Array, term: str) -> tuple[Array, str]:
    """Return the diagonal along letters that stand twice."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            a, b = term.index(c), term.index(c, term.index(c) + 1)
            x = diagonal(x, 0, a, b)
            term = "".join(t for i, t in enumerate(term) if i not in (a, b)) + c
    return x, term


def _settled(x: Array, term: str, out: str) -> Array:
    x, term = _without_repeats(x, term)
    gone = tuple(i for i, c in enumerate(term) if c not in out)
    x = _ops.sum(x, gone) if gone else x
    term = "".join(c for c in term if c in out)
    return _ops.permute_dims(x, [term.index(c) for c in out])


def _pair(x: Array, x_term: str, y: Array, y_term: str, needed: set[str]) -> tuple[Array, str]:
    """Return the product of two operands, as one of (stacks of) matrices."""
    x, x_term = _without_repeats(x, x_term)
    y, y_term = _without_repeats(y, y_term)
    keep_x, keep_y = (
        [c for c in term if c in needed or c in other] for term, other in ((x_term, y_term), (y_term, x_term))
    )
    x, x_term = _settled(x, x_term, "".join(keep_x)), "".join(keep_x)
    y, y_term = _settled(y, y_term, "".join(keep_y)), "".join(keep_y)
    size = dict(zip(y_term, y.shape, strict=True))
    for c, n in zip(x_term, x.shape, strict=True):
        size[c] = max(n, size.get(c, 1))
    both = [c for c in x_term if c in y_term and c in needed]
    summed = [c for c in x_term if c in y_term and c not in needed]
    mine, theirs = [c for c in x_term if c not in y_term], [c for c in y_term if c not in x_term]

    def as_matrices(a: Array, term: str, rows: list[str], columns: list[str]) -> Array:
        order = [*both, *rows, *columns]
        a = _ops.permute_dims(a, [term.index(c) for c in order])
        a = _ops.broadcast_to(a, [size[c] for c in order])
        lengths = [math.prod(size[c] for c in part) for part in (rows, columns)]
        return _ops.reshape(a, [*(size[c] for c in both), *lengths])

    product = as_matrices(x, x_term, mine, summed) @ as_matrices(y, y_term, summed, theirs)
    term = "".join([*both, *mine, *theirs])
    return _ops.reshape(product, [size[c] for c in term]), term


def tensordot(x: Any, y: Any, axes: Any = 2) -> Array:
    x, y = asarray(x), asarray(y)
    if isinstance(axes, int | np.integer):
        axes = (range(x.ndim - axes, x.ndim), range(axes))
    left, right = ([a] if isinstance(a, int) else list(a) for a in axes)
    left, right = [axis_of(x, a) for a in left], [axis_of(y, a) for a in right]
    names = [chr(97 + i) for i in range(x.ndim + y.ndim)]
    x_term, y_term = names[: x.ndim], names[x.ndim :]
    for a, b in zip(left, right, strict=True):
        y_term[b] = x_term[a]
    free = [c for i, c in enumerate(x_term) if i not in left] + [c for i, c in enumerate(y_term) if i not in right]
    return einsum(f"{''.join(x_term)},{''.join(y_term)}->{''.join(free)}", x, y)


def inner(x: Any, y: Any) -> Array:
    x, y = asarray(x), asarray(y)
    return x * y if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, (-1, -1))


def kron(x: Any, y: Any) -> Array:
    x, y = asarray(x), asarray(y)
    n = max(x.ndim, y.ndim)
    a, b = (1,) * (n - x.ndim) + x.shape, (1,) * (n - y.ndim) + y.shape
    both = _ops.reshape(x, [m for s in a for m in (s, 1)]) * _ops.reshape(y, [m for s in b for m in (1, s)])
    return _ops.reshape(both, [s * t for s, t in zip(a, b, strict=True)])


def cross(x: Any, y: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Array:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(x, axisa, -1), moveaxis(y, axisb, -1)
    if a.shape[-1] == 3 and b.shape[-1] == 3:
        ahead, behind = np.array([1, 2, 0]), np.array([2, 0, 1])
        found = _ops.take(a, ahead, axis=-1) * _ops.take(b, behind, axis=-1) - _ops.take(
            a, behind, axis=-1
        ) * _ops.take(b, ahead, axis=-1)
        return moveaxis(found, -1, axisc)
    if a.shape[-1] == 2 and b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (pad(v, [(0, 0)] * (v.ndim - 1) + [(0, 3 - v.shape[-1])]) for v in (a, b))
    return moveaxis(cross(a, b), -1, axisc)
