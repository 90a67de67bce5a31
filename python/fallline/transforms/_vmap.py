"""Many examples at once: a function of one example, traced once, with each of its calls made for all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import index
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import shown
from fallline._array import Array, asarray
from fallline._tree import MODULE, kind_of
from fallline.transforms._effects import in_step, next_draw
from fallline.transforms._key import TraceCache, any_recorded, arrays_of
from fallline.transforms._trace import Entry, fill, layout, trace

__all__ = ["vmap"]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """Return a function that computes `f` for every example of a batch at once.

    Parameters
    ----------
    f
        A function of the arrays of one example, in trees, that returns a tree of arrays.
    in_axes
        Along which axis of its arguments the examples lie: a number for all arguments, or a tuple with an entry for
        each. An entry is a number; None for an argument that is the same for all examples; or a tree built as the
        argument. Modules, plain numbers and keyword arguments are the same for all.
    out_axes
        Along which axis of the results they shall lie: a number, or a tree built as the result. None for a result that
        does not depend on the example.

    Returns
    -------
    callable
        Takes what `f` takes, with one axis more.

    Notes
    -----
    `f` is traced, as by :func:`fallline.jit`: its arrays have the shapes of one example and no values. Then each of its
    calls is made once for all examples, by the rule of its primitive, so a plan has as many steps for a thousand
    examples as for one. It may be used in other transforms and they in it, also in itself: ``vmap(grad(loss))`` gives
    the gradient of every example, ``vmap(vmap(f))`` works on two axes.

    Dropout draws anew for each example. Running statistics, as of batch normalization, belong to no single example and
    raise.

    Examples
    --------
    >>> import fallline as fl
    >>> loss = lambda w, x, y: ((x @ w - y) ** 2).sum()
    >>> w, x, y = fl.asarray([1.0, 1.0]), fl.asarray([[1.0, 2.0], [0.0, 1.0]]), fl.asarray([1.0, 1.0])
    >>> fl.vmap(fl.grad(loss), in_axes=(None, 0, 0))(w, x, y).tolist()  # one gradient for each example
    [[4.0, 8.0], [0.0, 0.0]]
    """
    many = _Many(f, "vmap")

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return many(args, kwargs, in_axes, out_axes)

    return wrapped


class _Many(TraceCache):
    """A function of one example, by the layouts of its arguments."""

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any], in_axes: Any, out_axes: Any) -> Any:
        if isinstance(in_axes, list | tuple) and len(in_axes) != len(args):
            raise ValueError(f"[vmap] in_axes has {len(in_axes)} entries, but {len(args)} arguments were given")
        axes = _axes_of("in_axes", tuple(in_axes) if isinstance(in_axes, list) else in_axes, args, "the arguments")
        given = [asarray(a) for a in arrays_of((args, kwargs))]
        axes += [None] * (len(given) - len(axes))
        size = _size(given, axes)
        given = [a if axis is None else _core.permute(a, _first(a, axis)) for a, axis in zip(given, axes, strict=True)]
        mapped = [axis is not None for axis in axes]
        of_one = [layout(a.shape[many:], a.dtype) for a, many in zip(given, mapped, strict=True)]
        args, kwargs = fill((args, kwargs), iter(of_one))
        recorded = _core.is_recording() and any_recorded(given)
        entry, _ = self._entry(args, kwargs, in_step(), recorded)
        if not recorded and _core.is_recording() and any_recorded(entry.closed):  # known only now
            entry, _ = self._entry(args, kwargs, in_step(), True)
        inputs = [_keys(size) if entry.keyed else np.zeros(2, np.uint64), *given, *entry.closed]
        batched = [entry.keyed, *mapped, *[False] * len(entry.closed)]
        if size == 0:  # of one example made of nothing, no example
            inputs = [
                np.zeros((1, *a.shape[1:]), a.dtype) if many else a for a, many in zip(inputs, batched, strict=True)
            ]
        found, is_batched = _core.call_batched(entry.program, inputs, batched, size or 1)
        found = [y[:size] if many else y for y, many in zip(found, is_batched, strict=True)]
        like = entry.rebuild(found)
        places = iter(_axes_of("out_axes", out_axes, like, "the result"))
        return entry.rebuild([_result(y, many, size, next(places)) for y, many in zip(found, is_batched, strict=True)])

    def _trace(self, args: Any, kwargs: Any, arrays: list[Any], alive: tuple[Any, ...], *more: Any) -> Entry:
        recorded = more[1]
        traced = trace(
            self._f, args, kwargs, into=lambda run, specs: _core.trace_body(run, specs, 0, 0, True, recorded)
        )
        if traced.buffers:
            raise _core.TraceError(
                "[vmap] running statistics, as of batch normalization, belong to no single example; call model.eval() "
                "first"
            )
        body, closed = traced.native
        return Entry(body, traced.rebuild, alive, keyed=traced.effects.draws > 0, closed=closed, lasts=not closed)


def _axes_of(name: str, axes: Any, tree: Any, what: str) -> list[int | None]:
    """Return the axis of each array of a tree, from a number, None, or a tree of these."""
    kind = kind_of(type(tree))
    if isinstance(axes, bool) or (kind is None and not _is_axis(axes)):
        raise ValueError(f"[vmap] {name} has {shown(axes)} where {what} has {shown(tree)}: expected a number or None")
    if kind is MODULE and axes is not None and name == "in_axes":
        raise ValueError(
            f"[vmap] a {type(tree).__name__} is the same for all examples: give it None in in_axes; to map over "
            "parameters, take them as a dict"
        )
    if kind is None or kind is MODULE or (_is_axis(axes) and axes is None):
        return [axes] * len(arrays_of(tree))
    children = list(kind.children(tree))
    if _is_axis(axes):
        parts = [axes] * len(children)
    else:
        mine = kind_of(type(axes))
        if mine is None or list(mine.names(axes)) != list(kind.names(tree)):
            raise ValueError(f"[vmap] {name} is built otherwise than {what}: {shown(axes)} for {shown(tree)}")
        parts = list(mine.children(axes))
    return [axis for part, child in zip(parts, children, strict=True) for axis in _axes_of(name, part, child, what)]


def _is_axis(axes: Any) -> bool:
    if axes is None:
        return True
    try:
        index(axes)
    except TypeError:
        return False
    return True


def _size(arrays: list[Array], axes: list[int | None]) -> int:
    """Return how many examples there are."""
    sizes = set()
    for a, axis in zip(arrays, axes, strict=True):
        if axis is None:
            continue
        if not -a.ndim <= axis < a.ndim:
            raise _core.ShapeError(f"[vmap] in_axes says axis {axis} for an array of shape {a.shape}")
        sizes.add(a.shape[axis])
    if not sizes:
        raise ValueError("[vmap] no argument has an axis of examples: in_axes must name one of at least one array")
    if len(sizes) > 1:
        raise _core.ShapeError(f"[vmap] the arguments have different numbers of examples: {sorted(sizes)}")
    return int(sizes.pop())


def _first(x: Array, axis: int) -> list[int]:
    """Return the order of axes with this one first."""
    axis %= x.ndim
    return [axis, *(i for i in range(x.ndim) if i != axis)]


def _result(y: Array, batched: bool, size: int, axis: int | None) -> Array:
    if axis is None:
        if batched:
            raise ValueError("[vmap] out_axes says None for a result that depends on the example; name an axis")
        return y
    y = y if batched else _core.broadcast_to(y, (size, *y.shape))
    if not -y.ndim <= axis < y.ndim:
        raise _core.ShapeError(f"[vmap] out_axes says axis {axis} for a result of shape {y.shape}")
    order = list(range(1, y.ndim))
    order.insert(axis % y.ndim, 0)
    return _core.permute(y, order) if axis % y.ndim else y


def _keys(size: int) -> Array:
    """Return a key for each example, none of which another call has."""
    key, stream = next_draw()
    places = np.zeros((size, 2), np.uint64)
    places[:, 1] = (np.arange(size, dtype=np.uint64) << np.uint64(32)) + np.uint64(stream << 16)
    return _core.add(key, places)
