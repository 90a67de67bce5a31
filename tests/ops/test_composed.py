"""NumPy's functions that are compositions of ours: its values, derivatives to order 2, the same bits in a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import fallline as fl
from fallline import _composed, _moves
from fallline._core import TraceError

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def positive(*shape: int) -> np.ndarray:
    return RNG.uniform(0.2, 0.9, size=shape)


BYTES = np.array([3, 100, 1, 100], np.uint8)


class Row(NamedTuple):
    """A call, and where it is made."""

    call: Callable[..., Any]
    args: tuple[np.ndarray, ...]
    order: int = 2  # of the derivatives that are checked
    plan: bool = True  # whether it may stand in a plan


SPD = (lambda m: m @ m.T + np.eye(4))(normal(4, 4))
M = normal(4, 3)
X, Y, V, CUBE = normal(3, 4), normal(3, 4), normal(5), normal(2, 3, 4)
borrowed = {"plan": False}

ROWS: dict[str, list[Row]] = {
    "arctan": [Row(np.arctan, (X,), **borrowed)],
    "arcsin": [Row(np.arcsin, (positive(3),), **borrowed)],
    "arccos": [Row(np.arccos, (positive(3),), **borrowed)],
    "arctan2": [Row(np.arctan2, (X, Y[0]), **borrowed)],
    "cbrt": [Row(np.cbrt, (positive(3),), **borrowed)],
    "tan": [Row(np.tan, (X,))],
    "sinh": [Row(np.sinh, (np.array([-30.0, -1.0, 1e-9, 0.5, 20.0]),), order=1), Row(np.sinh, (X,))],
    "cosh": [Row(np.cosh, (X,))],
    "arcsinh": [Row(np.arcsinh, (X,))],
    "arccosh": [Row(np.arccosh, (1 + positive(3),))],
    "arctanh": [Row(np.arctanh, (positive(3),))],
    "log2": [Row(np.log2, (positive(3),))],
    "log10": [Row(np.log10, (positive(3),))],
    "exp2": [Row(np.exp2, (X,))],
    "degrees": [Row(np.degrees, (X,))],
    "radians": [Row(np.radians, (X,))],
    "rad2deg": [Row(np.rad2deg, (X,))],
    "deg2rad": [Row(np.deg2rad, (X,))],
    "conjugate": [Row(np.conjugate, (X,))],
    "signbit": [Row(np.signbit, (X,), order=0, plan=False)],
    "hypot": [Row(np.hypot, (X, X)), Row(np.hypot, (np.array([1e200, 3.0]), np.array([1e200, -4.0])), order=0)],
    "logaddexp": [Row(np.logaddexp, (X, Y)), Row(np.logaddexp, (np.full(2, -np.inf), np.array([1.0, -np.inf])), 0)],
    "logaddexp2": [Row(np.logaddexp2, (X, Y))],
    "fmax": [Row(np.fmax, (X, Y)), Row(np.fmax, (np.array([np.nan, 1.0]), np.array([2.0, np.nan])), 0)],
    "fmin": [Row(np.fmin, (X, Y))],
    "float_power": [Row(lambda x: np.float_power(x, 1.5), (positive(3),))],
    "divmod": [Row(lambda x: np.divmod(x, 0.7), (X,))],
    "sort": [Row(lambda x: np.sort(x, axis=0), (CUBE,)), Row(lambda x: np.sort(x, None), (X,))],
    "argsort": [Row(np.argsort, (X,), 0), Row(lambda x: np.argsort(x, axis=0, kind="stable"), (np.round(CUBE),), 0)],
    "partition": [Row(lambda x: np.sort(np.partition(x, 2)[..., :2]), (X,))],
    "median": [Row(lambda x: np.median(x, axis=1), (X,)), Row(np.median, (V,))],
    "quantile": [Row(lambda x: np.quantile(x, [0.1, 0.6], axis=(0, 2), keepdims=True), (CUBE,))],
    "percentile": [Row(lambda x: np.percentile(x, 30), (X,))],
    "take_along_axis": [Row(lambda x: np.take_along_axis(x, np.array([[3, 0], [1, 1], [-1, 2]]), 1), (X,))],
    "moveaxis": [Row(lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (CUBE,))],
    "rollaxis": [Row(lambda x: np.rollaxis(x, 2), (CUBE,)), Row(lambda x: np.rollaxis(x, 0, 2), (CUBE,))],
    "flip": [Row(np.flip, (X,)), Row(lambda x: np.flip(x, 1), (CUBE,))],
    "fliplr": [Row(np.fliplr, (X,))],
    "flipud": [Row(np.flipud, (X,))],
    "roll": [Row(lambda x: np.roll(x, 2), (X,)), Row(lambda x: np.roll(x, (1, -1), (0, 1)), (CUBE,))],
    "rot90": [Row(lambda x, k=k: np.rot90(x, k), (X,)) for k in range(-1, 4)],
    "tile": [Row(lambda x: np.tile(x, (2, 1, 2)), (X,)), Row(lambda x: np.tile(x, 2), (CUBE,))],
    "repeat": [Row(lambda x: np.repeat(x, 2), (X,)), Row(lambda x: np.repeat(x, [1, 0, 2], axis=0), (X,))],
    "pad": [
        *(Row(lambda x, m=m: np.pad(x, ((1, 2), (0, 1)), m), (X,)) for m in _moves.PAD_MODES),
        Row(lambda x, c: np.pad(x * c, 2, constant_values=c), (X, np.array(2.5))),
        Row(lambda x: np.pad(x, ((1, 2),), constant_values=((0.1, 0.7),)), (V,)),
    ],
    "split": [Row(lambda x: np.split(x, [1, 3], axis=1), (X,))],
    "array_split": [Row(lambda x: np.array_split(x, 3), (V,))],
    "hsplit": [Row(lambda x: np.hsplit(x, 2), (X,))],
    "vsplit": [Row(lambda x: np.vsplit(x, 3), (X,))],
    "dsplit": [Row(lambda x: np.dsplit(x, 2), (CUBE,))],
    "vstack": [Row(lambda x, y: np.vstack([x, y]), (X, Y[0]))],
    "hstack": [Row(lambda x, y: np.hstack([x, y]), (X, Y)), Row(lambda x: np.hstack([x, x]), (V,))],
    "dstack": [Row(lambda x, y: np.dstack([x, y]), (X, Y))],
    "column_stack": [Row(lambda x, y: np.column_stack([x, y]), (V, normal(5, 2)))],
    "append": [Row(np.append, (X, V)), Row(lambda x, y: np.append(x, y, axis=1), (X, Y))],
    "atleast_1d": [Row(np.atleast_1d, (np.array(2.0),))],
    "atleast_2d": [Row(np.atleast_2d, (V,))],
    "atleast_3d": [Row(np.atleast_3d, (X,)), Row(np.atleast_3d, (V,))],
    "diagonal": [Row(lambda x: np.diagonal(x, 1, 1, 2), (CUBE,)), Row(lambda x: np.diagonal(x, -1), (X,))],
    "trace": [Row(np.trace, (CUBE,))],
    "diag": [Row(lambda x: np.diag(x, 1), (V,)), Row(lambda x: np.diag(x, -1), (X,))],
    "tril": [Row(lambda x: np.tril(x, 1), (CUBE,))],
    "triu": [Row(lambda x: np.triu(x, -1), (CUBE,))],
    "select": [Row(lambda x, y: np.select([x > 0.5, x > 0], [x, y * x], 2.0), (X, Y))],
    "meshgrid": [Row(lambda x, y: np.meshgrid(x, y), (V, X[0])), Row(lambda x: np.meshgrid(x, indexing="ij"), (V,))],
    "nan_to_num": [Row(np.nan_to_num, (np.array([1.0, np.nan, np.inf, -np.inf]),), 0), Row(np.nan_to_num, (X,))],
    "sinc": [Row(np.sinc, (np.array([0.0, 1e-6, 0.3, -2.5]),))],
    "real": [Row(np.real, (X,))],
    "imag": [Row(np.imag, (X,), 0)],
    "real_if_close": [Row(np.real_if_close, (X,))],
    "angle": [Row(np.angle, (X,), 0)],
    "iscomplex": [Row(np.iscomplex, (X,), 0)],
    "isreal": [Row(np.isreal, (X,), 0)],
    "linspace": [Row(lambda x, y: np.linspace(x, y, 4), (V, V + 2)), Row(lambda x: np.linspace(x, 1, 3, False), (V,))],
    "prod": [
        Row(np.prod, (BYTES,), 0),
        Row(np.prod, (X,)),
        Row(lambda x: np.prod(x, axis=(0, 2), keepdims=True), (CUBE,)),
    ]
    + [Row(np.prod, (np.array([2.0, 0.0, 3.0]),)), Row(np.prod, (np.array([0.0, 0.0, 3.0]),))],
    "cumsum": [Row(np.cumsum, (X,)), Row(lambda x: np.cumsum(x, axis=1), (CUBE,)), Row(np.cumsum, (BYTES,), 0)],
    "cumprod": [
        Row(lambda x: np.cumprod(x, axis=1), (X,)),
        Row(np.cumprod, (np.array([2.0, 0.0, 3.0]),)),
        Row(np.cumprod, (BYTES,), 0),
    ],
    "diff": [Row(lambda x: np.diff(x, 2), (X,)), Row(lambda x: np.diff(x, axis=0), (CUBE,))],
    "gradient": [
        Row(lambda x: np.gradient(x, 0.5), (V,)),
        Row(lambda x: np.gradient(x, axis=1), (X,)),
        Row(np.gradient, (BYTES,), 0),
    ],
    "average": [Row(lambda x, w, r=r: np.average(x, 1, w, returned=r), (X, positive(4))) for r in (False, True)],
    "nansum": [Row(lambda x: np.nansum(x, axis=0), (X,))],
    "nanmean": [Row(np.nanmean, (X,)), Row(np.nanmean, (np.array([1.0, np.nan, 4.0]),), 0)],
    "nanmax": [Row(lambda x: np.nanmax(x, axis=0), (X,))],
    "nanmin": [Row(np.nanmin, (X,))],
    "ptp": [Row(lambda x: np.ptp(x, axis=0), (X,))],
    "einsum": [
        Row(lambda x: np.einsum("ij->ji", x), (X,)),
        Row(lambda x: np.einsum("ii", x), (SPD,)),
        Row(lambda x: np.einsum("iij->ij", x), (normal(3, 3, 2),)),
        Row(lambda x, y: np.einsum("ij,kj->ik", x, y), (X, Y)),
        Row(lambda x, y: np.einsum("...ij,...jk", x, y), (CUBE, normal(4, 2))),
        Row(lambda x, y, z: np.einsum("bij,jk,bk->bi", x, y, z), (CUBE, normal(4, 5), normal(2, 5))),
        Row(lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (X, normal(4, 2))),
        Row(lambda x, y: np.einsum("ij,k->", x, y), (X, V)),
    ],
    "tensordot": [Row(lambda x, y: np.tensordot(x, y, 1), (CUBE, normal(4, 2)))]
    + [Row(lambda x, y: np.tensordot(x, y, ([0, 2], [1, 0])), (CUBE, normal(4, 2, 3)))],
    "inner": [Row(np.inner, (CUBE, X)), Row(lambda x: np.inner(x, x), (V,))],
    "vdot": [Row(np.vdot, (X, Y))],
    "kron": [Row(np.kron, (X, normal(2, 2))), Row(np.kron, (V, normal(2, 3)))],
    "cross": [Row(np.cross, (normal(4, 3), normal(3)))],
    "cov": [Row(np.cov, (X,))],
    "convolve": [
        Row(lambda x, y, m=m: np.convolve(x, y, m), (V, normal(k)))
        for m in ("full", "same", "valid")
        for k in (2, 3, 8)
    ],
    "full_like": [Row(lambda x: np.full_like(x, 2.0), (X,), 0)],
    "trapezoid": [Row(lambda x, y: np.trapezoid(x, y), (X, positive(4))), Row(np.trapezoid, (X,))],
    "matrix_transpose": [Row(np.matrix_transpose, (CUBE,))],
    "cumulative_sum": [Row(lambda x: np.cumulative_sum(x, axis=0), (X,))],
    "fftshift": [Row(np.fft.fftshift, (X,)), Row(lambda x: np.fft.fftshift(x, 0), (X,))],
    "ifftshift": [Row(np.fft.ifftshift, (X,))],
    "norm": [
        *(Row(lambda x, o=o: np.linalg.norm(x, o, 0), (X,)) for o in (None, 1, 2, 3, 0.5, np.inf, -np.inf)),
        *(
            Row(lambda x, o=o: np.linalg.norm(x, o), (M,), plan=o in ("fro", 1, np.inf))
            for o in ("fro", "nuc", 2, -2, 1, np.inf)
        ),
        Row(np.linalg.norm, (CUBE,)),
        Row(lambda x: np.linalg.norm(x, axis=(2, 0), keepdims=True), (CUBE,)),
    ],
    "inv": [Row(np.linalg.inv, (np.stack([SPD, SPD * 2]),), **borrowed)],
    "solve": [Row(np.linalg.solve, (SPD, normal(4)), **borrowed)]
    + [Row(np.linalg.solve, (np.stack([SPD, SPD * 2]), normal(4, 2)), **borrowed)],
    "det": [Row(np.linalg.det, (np.stack([SPD, SPD * 2]),), **borrowed)],
    "slogdet": [Row(lambda x: np.linalg.slogdet(x)[1], (SPD,), **borrowed)],
    "pinv": [Row(np.linalg.pinv, (M,), **borrowed), Row(np.linalg.pinv, (M.T,), **borrowed)],
    "cholesky": [Row(np.linalg.cholesky, (SPD,), **borrowed)],
    "eigh": [Row(lambda x: np.linalg.eigh(x)[0], (SPD,), **borrowed)]
    + [Row(lambda x: np.linalg.eigh(x, "U")[1] ** 2, (SPD,), **borrowed)],
    "eigvalsh": [Row(np.linalg.eigvalsh, (SPD,), **borrowed)],
    "svd": [Row(lambda x: np.linalg.svd(x, compute_uv=False), (M,), **borrowed)]
    + [Row(lambda x: [a * a for a in np.linalg.svd(x, full_matrices=False)], (m,), **borrowed) for m in (M, M.T, SPD)],
    "qr": [Row(np.linalg.qr, (m,), **borrowed) for m in (M, M.T, SPD)],
    "matrix_power": [Row(lambda x, n=n: np.linalg.matrix_power(x, n), (SPD,), plan=n >= 0) for n in (-2, 0, 1, 5)],
    "multi_dot": [Row(lambda x, y, z: np.linalg.multi_dot([x, y, z]), (X, M, normal(3, 2)))],
    "cond": [Row(np.linalg.cond, (M,), **borrowed), Row(lambda x: np.linalg.cond(x, 1), (SPD,), **borrowed)],
    "matrix_rank": [Row(np.linalg.matrix_rank, (M,), 0, plan=False)],
}
NOT_ARRAYS = {"iscomplexobj", "isrealobj"}
CASES = [(name, i) for name, rows in ROWS.items() for i in range(len(rows))]


def leaves(tree: Any) -> list[np.ndarray]:
    tree = list(tree) if isinstance(tree, tuple) else tree
    return [np.asarray(leaf) for leaf in fl.tree.flatten(tree).values()]


def test_every_function_has_a_row() -> None:
    known = {f.__name__ for f in {**_composed.FUNCTIONS, **_composed.UFUNCS}}
    assert known - NOT_ARRAYS == set(ROWS)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_values_are_numpys(name: str, place: int) -> None:
    row = ROWS[name][place]
    with np.errstate(all="ignore"):
        expected = leaves(row.call(*row.args))
    found = row.call(*map(fl.asarray, row.args))
    for a, b in zip(leaves(found), expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)
    if not row.plan:
        with pytest.raises(TraceError):
            fl.jit(row.call)(*map(fl.asarray, row.args))
        return
    for a, b in zip(leaves(fl.jit(row.call)(*map(fl.asarray, row.args))), leaves(found), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_derivatives_are_those_of_differences(name: str, place: int) -> None:
    row = ROWS[name][place]
    if row.order:
        fl.testing.check_grads(lambda *args: list(leaves_of(row.call(*args))), row.args, order=row.order)


def leaves_of(tree: Any) -> Any:
    tree = list(tree) if isinstance(tree, tuple) else tree
    return [leaf for leaf in fl.tree.flatten(tree).values() if leaf.dtype.kind == "f"]


def test_a_matrix_that_is_decomposed_by_its_lower_triangle_has_derivatives_there() -> None:
    for f in (lambda a: fl.linalg.eigh(a)[0].sum(), lambda a: fl.linalg.cholesky(a).sum()):
        g = np.asarray(fl.grad(f)(fl.asarray(SPD)))
        np.testing.assert_array_equal(np.triu(g, 1), 0)


def test_of_full_matrices_vectors_that_are_not_unique_have_no_derivative() -> None:
    u, s, v = np.linalg.svd(fl.asarray(M))
    assert u.shape == (4, 4)
    np.testing.assert_allclose((np.asarray(u)[:, :3] * np.asarray(s)) @ np.asarray(v), M, rtol=1e-12)
    with pytest.raises(fl.TapeError, match="not unique"):
        fl.grad(lambda m: np.linalg.svd(m)[1].sum())(fl.asarray(M))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: np.pad(fl.asarray(X), 1, mode="mean"), r"\[np.pad\] mode='mean'"),
        (lambda: np.quantile(fl.asarray(V), -0.1), r"\[np.quantile\] shares lie in 0 to 1"),
        (lambda: np.percentile(fl.asarray(V), [5, 101]), r"\[np.quantile\] shares lie in 0 to 1"),
        (lambda: np.median(fl.asarray(np.zeros((2, 0))), axis=1), r"\[np.quantile\] there are no elements"),
        (lambda: np.diff(fl.asarray(V), -1), r"\[np.diff\] n is the number"),
        (lambda: np.gradient(fl.asarray(V[:1])), r"\[np.gradient\] axis 0 needs at least 2 elements"),
    ],
)
def test_what_numpy_refuses_or_does_otherwise_is_refused(call: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call()
