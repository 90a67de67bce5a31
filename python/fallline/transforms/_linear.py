"""The linear map that a function is near a point: its products with vectors from either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from fallline import _core, _tree
from fallline._arguments import check, function
from fallline._array import Array, asarray
from fallline.transforms._derivatives import ON_UNUSED, begun_inside, grad, rebuild, refuse_unused, start

__all__ = ["Linear", "gnvp", "hvp", "jvp", "linearize", "vjp"]


class Linear:
    """A function near a point: what it gives there, and the products of its Jacobian J with vectors.

    Its leaves are arrays in the order of paths, through all primals.
    """

    def __init__(self, what: str, f: Callable[..., Any], primals: tuple[Any, ...], unused: str = "raise") -> None:
        __tracebackhide__ = True
        check(what, "f", function, f)
        check(what, "unused", ON_UNUSED, unused)
        self.what, self.primals = what, primals
        with ExitStack() as stack:
            starts = [start(primals, i, stack) for i in range(len(primals))]
            inner = begun_inside()
            self._out = f(*(tree for tree, _ in starts))
        self._starts = [leaves for _, leaves in starts]
        self.inputs = [leaf for leaves in self._starts for leaf in leaves.values()]
        self._outputs = {path: asarray(leaf) for path, leaf in _tree.flatten(self._out).items()}
        self.outputs = list(self._outputs.values())
        depends = any(leaf._tracked for leaf in self.outputs) or begun_inside() != inner
        if unused == "raise" and self.inputs and self.outputs and not depends:
            refuse_unused(what, f)

    def out(self) -> Any:
        """Return what the function gave, without this record."""
        return self.of_output(self.closed(self.outputs))

    def pull(self, cotangents: list[Array]) -> list[Array]:
        """Return v^T J."""
        return self.closed(_core.gradients(self.outputs, cotangents, self.inputs), cotangents)

    def push(self, tangents: list[Array]) -> list[Array]:
        """Return J v.

        v^T J is linear in v; its derivative in the direction of a tangent t is J t, for every v.
        """
        v = [_core.start_record(_core.ones(leaf)) for leaf in self.outputs]
        products = _core.gradients(self.outputs, v, self.inputs)
        return self.closed(_core.gradients(products, tangents, v), tangents)

    def closed(self, products: list[Array], vectors: Sequence[Array] = ()) -> list[Array]:
        """End this record in products, unless the vectors have a newer one, which would end with it."""
        if any(vector._tracked for vector in vectors):
            return products
        return [_core.close_record(product, self.inputs) for product in products]

    def of_output(self, leaves: list[Any]) -> Any:
        """Return leaves as a tree built as the output."""
        return _tree.unflatten(self._out, leaves)

    def of_inputs(self, leaves: list[Array]) -> tuple[Any, ...]:
        """Return leaves as trees built as the primals."""
        rest = iter(leaves)
        return tuple(rebuild(p, found, rest) for p, found in zip(self.primals, self._starts, strict=True))

    def cotangents(self, tree: Any) -> list[Array]:
        """Return the leaves of a tree that is built as the output."""
        return _leaves(self.what, "the cotangent", "the output", tree, self._outputs)

    def tangents(self, trees: tuple[Any, ...]) -> list[Array]:
        """Return the leaves of trees that are built as the primals."""
        if len(trees) != len(self.primals):
            raise ValueError(f"[{self.what}] got {len(trees)} vectors for {len(self.primals)} arguments")
        return [
            leaf
            for i, (tree, leaves) in enumerate(zip(trees, self._starts, strict=True))
            for leaf in _leaves(self.what, f"vector {i}", f"argument {i}", tree, leaves)
        ]


def vjp(f: Callable[..., Any], *primals: Any, unused: str = "raise") -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return ``f(*primals)`` and the function that pulls a cotangent of the output back to the primals.

    Parameters
    ----------
    f
        A function of trees that returns a tree of float arrays.
    *primals
        Where to linearize.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    out, pullback
        ``pullback(cotangent)`` takes a tree built as `out` and returns one gradient per primal: v^T J.

    Examples
    --------
    >>> import fallline as fl
    >>> out, pullback = fl.vjp(lambda x, y: x * y, 2.0, 5.0)
    >>> [g.item() for g in pullback(fl.asarray(1.0))]
    [5.0, 2.0]
    """
    __tracebackhide__ = True
    linear = Linear("vjp", f, primals, unused)
    return linear.out(), lambda cotangent: linear.of_inputs(linear.pull(linear.cotangents(cotangent)))


def linearize(f: Callable[..., Any], *primals: Any, unused: str = "raise") -> tuple[Any, Callable[..., Any]]:
    """Return ``f(*primals)`` and the linear function that is tangent to `f` there.

    Parameters
    ----------
    f
        A function of trees that returns a tree of float arrays.
    *primals
        Where to linearize.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    out, push
        ``push(*tangents)`` takes a tree for each primal, built as it, and returns J v, built as `out`. `f` is not
        called again.

    Notes
    -----
    Forward derivatives are derivatives of reverse ones, as of v^T J with respect to v: `f` runs once, and each J v
    costs about two passes over it. The memory is that of a reverse pass.

    Examples
    --------
    >>> import fallline as fl
    >>> out, push = fl.linearize(lambda x: x**3, 2.0)
    >>> out.item(), push(1.0).item(), push(0.5).item()
    (8.0, 12.0, 6.0)
    """
    __tracebackhide__ = True
    linear = Linear("linearize", f, primals, unused)
    return linear.out(), lambda *tangents: linear.of_output(linear.push(linear.tangents(tangents)))


def jvp(
    f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...], *, unused: str = "raise"
) -> tuple[Any, Any]:
    """Return ``f(*primals)`` and its derivative in the direction of the tangents, J v.

    Parameters
    ----------
    f
        A function of trees that returns a tree of float arrays.
    primals, tangents
        Tuples with a tree for each argument; a tangent is built as its primal.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    out, tangent_out
        Built as the output of `f`.

    Notes
    -----
    See :func:`fallline.linearize`, whose function is called once here.

    Examples
    --------
    >>> import fallline as fl
    >>> out, tangent = fl.jvp(lambda x, y: x * y, (2.0, 5.0), (1.0, 0.0))
    >>> out.item(), tangent.item()
    (10.0, 5.0)
    """
    __tracebackhide__ = True
    linear = Linear("jvp", f, _tuple("jvp", "primals", primals), unused)
    return linear.out(), linear.of_output(linear.push(linear.tangents(_tuple("jvp", "tangents", tangents))))


def hvp(
    f: Callable[..., Any], primals: tuple[Any, ...], vectors: tuple[Any, ...], *, unused: str = "raise"
) -> tuple[Any, ...]:
    """Return the Hessian of a scalar function times a vector, one part for each argument.

    Parameters
    ----------
    f
        A function of trees that returns a scalar.
    primals, vectors
        Tuples with a tree for each argument; a vector is built as its primal.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    tuple
        H v, a tree for each argument.

    Notes
    -----
    H is symmetric, so H v is v^T H, the product of a vector with the derivative of the gradient: about the time of
    two gradients, and no matrix.

    Examples
    --------
    >>> import fallline as fl
    >>> (product,) = fl.hvp(lambda x: (x**3).sum(), (fl.asarray([1.0, 2.0]),), (fl.asarray([1.0, 1.0]),))
    >>> product.tolist()
    [6.0, 12.0]
    """
    __tracebackhide__ = True
    primals = _tuple("hvp", "primals", primals)
    linear = Linear("hvp", grad(f, argnums=tuple(range(len(primals))), unused=unused), primals, unused)
    return linear.of_inputs(linear.pull(linear.tangents(_tuple("hvp", "vectors", vectors))))


def gnvp(
    f: Callable[..., Any],
    loss: Callable[[Any], Any],
    primals: tuple[Any, ...],
    vectors: tuple[Any, ...],
    *,
    unused: str = "raise",
) -> tuple[Any, ...]:
    """Return the Gauss-Newton matrix of ``loss(f(*primals))`` times a vector: J^T H J v, H the Hessian of the loss.

    Parameters
    ----------
    f
        A function of trees, such as a network of its parameters, that returns a tree of float arrays.
    loss
        A scalar function of that tree. Where it is convex the matrix has no negative eigenvalue.
    primals, vectors
        Tuples with a tree for each argument of `f`; a vector is built as its primal.
    unused
        As in :func:`fallline.grad`.

    Returns
    -------
    tuple
        A tree for each argument.

    References
    ----------
    Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent".

    Examples
    --------
    >>> import fallline as fl
    >>> w, v = fl.asarray([1.0, 3.0]), fl.asarray([1.0, 1.0])
    >>> (product,) = fl.gnvp(lambda w: w**2, lambda y: (y**2).sum(), (w,), (v,))
    >>> product.tolist()  # J = diag(2 w), H = 2
    [8.0, 72.0]
    """
    __tracebackhide__ = True
    linear = Linear("gnvp", f, _tuple("gnvp", "primals", primals), unused)
    tangents = linear.of_output(linear.push(linear.tangents(_tuple("gnvp", "vectors", vectors))))
    (curved,) = hvp(loss, (linear.out(),), (tangents,), unused=unused)
    return linear.of_inputs(linear.pull(linear.cotangents(curved)))


def _tuple(what: str, name: str, given: Any) -> tuple[Any, ...]:
    if not isinstance(given, tuple | list):
        raise TypeError(
            f"[{what}] {name} must be a tuple with one entry for each argument, got {type(given).__name__}: write (x,)"
        )
    return tuple(given)


def _leaves(what: str, name: str, other: str, tree: Any, like: dict[str, Array]) -> list[Array]:
    """Return the leaves of a vector, after seeing that it is built as `like`."""
    given = _tree.flatten(tree)
    if given.keys() != like.keys():
        raise ValueError(f"[{what}] {name} has the paths {sorted(given)}, {other} {sorted(like)}")
    found = [_core.astype(asarray(given[path]), leaf.dtype) for path, leaf in like.items()]
    for path, mine, leaf in zip(like, found, like.values(), strict=True):
        if mine.shape != leaf.shape:
            where = f" at '{path}'" if path else ""
            raise _core.ShapeError(f"[{what}] {name} has shape {mine.shape}{where}, {other} {leaf.shape}")
    return found
