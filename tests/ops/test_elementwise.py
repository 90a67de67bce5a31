"""Every elementwise function: NumPy's values, the same bits on every target, derivatives of any order."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import FLOATS, REFERENCE_OPS, WHOLE, OpRow, op_arguments

import fallline as fl
from fallline import _core
from fallline.testing import check_grads, use_target

TARGETS = _core.targets()
HEADERS = Path(__file__).parents[2] / "cpp" / "ops"
TABLE_ROW = re.compile(r"^  X\(\w+, (\w+)", re.MULTILINE)

FLOAT_OPS = [name for name, row in REFERENCE_OPS.items() if row.floats]
DIFFERENTIABLE = [name for name, row in REFERENCE_OPS.items() if row.differentiable]
WHOLE_OPS = [name for name, row in REFERENCE_OPS.items() if row.whole]


def call(name: str, *args: Any) -> np.ndarray:
    return np.asarray(getattr(_core, name)(*args))


def exact(row: OpRow, args: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return NumPy's value in the widest type."""
    with np.errstate(all="ignore"):
        return np.asarray(row.numpy(*(x.astype(np.longdouble) if x.dtype.kind == "f" else x for x in args)))


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether all bits are equal; one NaN is as good as another."""
    if x.tobytes() == y.tobytes():
        return True
    nan = np.isnan(x)
    return bool(np.array_equal(nan, np.isnan(y))) and x[~nan].tobytes() == y[~nan].tobytes()


def ulp_error(got: np.ndarray, want: np.ndarray, near: float) -> np.ndarray:
    """Return |got - want| in units of the last place of want, or of `near` where want is smaller."""
    info = np.finfo(got.dtype)
    _, exponent = np.frexp(np.maximum(np.abs(want), np.longdouble(max(near, float(info.tiny)))))
    return np.asarray(np.abs(got.astype(np.longdouble) - want) / np.ldexp(np.longdouble(1), exponent - 1 - info.nmant))


def limits(dtype: str) -> np.ndarray:
    info = np.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, 0.5, 1, 1.5, 2, 2.5, 1e4, info.max, np.inf]
    return np.array([*positive, *(-v for v in positive), np.nan], dtype)


def test_every_op_of_the_tables_has_a_row() -> None:
    listed = {name for h in ("elementwise.h", "plain.h") for name in TABLE_ROW.findall((HEADERS / h).read_text())}
    assert len(listed) > 50
    assert listed == set(REFERENCE_OPS)
    assert all(hasattr(_core, name) for name in listed)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FLOAT_OPS)
def test_floats_give_numpys_values_within_the_stated_error(name: str, target: str) -> None:
    for dtype in FLOATS:
        row, args = REFERENCE_OPS[name], op_arguments(name, dtype, 999, seed=1)
        want = exact(row, args)
        with use_target(target):
            got = call(name, *args)
        if want.dtype == bool:
            np.testing.assert_array_equal(got, want)
            continue
        assert got.dtype == dtype
        error = ulp_error(got, want, row.near)
        worst = int(np.argmax(error))
        at = tuple(x[worst] for x in args)
        slack = 1.0 if np.finfo(np.longdouble).nmant < 60 else 0.01  # long double may be double
        assert error[worst] <= row.ulp[FLOATS.index(dtype)] + slack, (
            f"{name}{at} = {got[worst]!r}, {error[worst]:.2f} ulp"
        )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FLOAT_OPS)
def test_nan_infinities_and_zeros_are_as_in_numpy(name: str, target: str) -> None:
    for dtype in FLOATS:
        row, values = REFERENCE_OPS[name], limits(dtype)
        args = tuple(np.ravel(x).copy() for x in np.meshgrid(*[values] * len(row.floats)))
        with np.errstate(all="ignore"):
            wide = np.asarray(row.numpy(*(x.astype(np.float64) for x in args)))
            want = wide if wide.dtype == bool else wide.astype(dtype)
        with use_target(target):
            got = call(name, *args)
        if want.dtype == bool:
            np.testing.assert_array_equal(got, want)
            continue
        for test in (np.isnan, np.isposinf, np.isneginf):
            wrong = np.flatnonzero(test(got) != test(want))
            assert not wrong.size, f"{name}{tuple(x[wrong[0]] for x in args)} = {got[wrong[0]]}, not {want[wrong[0]]}"
        zero = (want == 0) & (wide == 0)
        assert (got[zero] == 0).all()
        if row.zero_sign:
            np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "scalar"])
@pytest.mark.parametrize("name", FLOAT_OPS)
def test_targets_give_the_bits_of_scalar(name: str, target: str) -> None:
    for dtype in FLOATS:
        row = REFERENCE_OPS[name]
        values = op_arguments(name, dtype, 1000, seed=2)
        args = tuple(np.concatenate([limits(dtype), x]) for x in values)
        with use_target("scalar"):
            want = call(name, *args)
        with use_target(target):
            got = call(name, *args)
        if target == "sse4" and got.dtype != bool:  # it has no fused multiply-add
            got, want = got[len(limits(dtype)) :], want[len(limits(dtype)) :]
            assert ulp_error(got, want.astype(np.longdouble), row.near).max() <= 2 * row.ulp[FLOATS.index(dtype)] + 1
        else:
            assert same_bits(got, want)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FLOAT_OPS)
def test_every_count_and_alignment_gives_the_same_elements(name: str, target: str) -> None:
    for dtype in FLOATS:
        args = op_arguments(name, dtype, 80, seed=3)
        with use_target(target):
            whole = call(name, *args)
            for n in range(70):
                shift = n % 7
                part = call(name, *(x[shift : shift + n] for x in args))
                assert same_bits(part, whole[shift : shift + n]), f"{n} elements from {shift}"


def strided(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return arrays of shape (6, 4), laid out in different ways."""
    x = x[:24].reshape(6, 4)
    return {
        "columns": np.asfortranarray(x),
        "transposed": x.reshape(4, 6).T,
        "backwards": x[::-1, ::-1],
        "every other": np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
        "one row": np.broadcast_to(x[0], (6, 4)),
        "one column": np.broadcast_to(x[:, :1], (6, 4)),
        "one number": np.broadcast_to(x[0, 0], (6, 4)),
    }


@pytest.mark.parametrize("name", REFERENCE_OPS)
def test_memory_layout_does_not_matter(name: str) -> None:
    row = REFERENCE_OPS[name]
    for dtype in (FLOATS if row.floats else ()) + (("int16", "int64", "uint32") if row.whole else ()):
        args = [strided(x) for x in op_arguments(name, dtype, 24, seed=4)]
        for first in args[0]:
            for second in args[-1]:
                given = [args[0][first], args[1][second]] if len(args) == 2 else [args[0][first]]
                got, want = call(name, *given), call(name, *(np.ascontiguousarray(x) for x in given))
                assert same_bits(np.ascontiguousarray(got), np.ascontiguousarray(want)), (dtype, first, second)


@pytest.mark.parametrize("name", REFERENCE_OPS)
def test_empty_and_0d_arrays_work(name: str) -> None:
    row = REFERENCE_OPS[name]
    dtype = "float32" if row.floats else "int32"
    args = op_arguments(name, dtype, 3, seed=5)
    for shape in ((0,), (3, 0), (0, 2)):
        got = call(name, *(np.zeros(shape, dtype) for _ in args))
        assert got.shape == shape
    got = call(name, *(x[1] for x in args))
    assert got.shape == ()
    assert same_bits(got, call(name, *args)[1:2])


@pytest.mark.parametrize(
    "name", [name for name in REFERENCE_OPS if len(REFERENCE_OPS[name].floats or REFERENCE_OPS[name].whole) == 2]
)
def test_two_arguments_broadcast(name: str) -> None:
    dtype = "float64" if REFERENCE_OPS[name].floats else "int64"
    x, y = op_arguments(name, dtype, 12, seed=6)
    x, y = x[:6].reshape(2, 1, 3), y[:4].reshape(4, 1)
    got = call(name, x, y)
    assert got.shape == (2, 4, 3)
    assert same_bits(got, call(name, *(np.ascontiguousarray(a) for a in np.broadcast_arrays(x, y))))
    with pytest.raises(fl.ShapeError, match=re.escape("(2, 1, 3)")):
        call(name, x, y[:, 0][:2])


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("name", WHOLE_OPS)
def test_integers_give_numpys_values(name: str, dtype: str) -> None:
    args = op_arguments(name, dtype, 400, seed=7)
    with np.errstate(all="ignore"):
        want = REFERENCE_OPS[name].numpy(*args)
    got = call(name, *args)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", [name for name, row in REFERENCE_OPS.items() if row.booleans])
def test_bools_give_numpys_values(name: str) -> None:
    args = op_arguments(name, "bool", 50, seed=8)
    want = REFERENCE_OPS[name].numpy(*args)
    got = call(name, *args)
    assert got.dtype == want.dtype == np.bool_
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", [name for name, row in REFERENCE_OPS.items() if not row.floats])
def test_integer_ops_refuse_floats(name: str) -> None:
    with pytest.raises(fl.DTypeError, match="integers"):
        call(name, *(np.ones(3) for _ in REFERENCE_OPS[name].whole))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_are_right_to_order_2(name: str) -> None:
    args = op_arguments(name, "float64", 7, seed=9)
    check_grads(getattr(fl, name), args, order=2)


@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if len(REFERENCE_OPS[name].floats) == 2])
def test_derivatives_of_broadcast_arguments_are_summed(name: str) -> None:
    x, y = op_arguments(name, "float64", 12, seed=10)
    check_grads(getattr(fl, name), (x.reshape(3, 4), y[:4]), order=2)
    check_grads(getattr(fl, name), (x[:3].reshape(3, 1), y[0]), order=2)


def first_and_recorded(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the gradients by the fast kernels, and those that are recorded for an outer derivative."""
    numbers = tuple(range(len(args)))
    seen: list[Any] = []

    def outer(*at: Any) -> Any:
        inner = fl.grad(f, numbers)(*at)
        seen.extend(np.asarray(g.detach()) for g in inner)
        return sum((g * g).sum() for g in inner)

    fl.grad(outer, numbers)(*args)
    return [np.asarray(g) for g in fl.grad(f, numbers)(*args)], seen


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_fast_derivative_equals_the_recorded_rule_bitwise(name: str, target: str) -> None:
    for dtype in FLOATS:
        args = op_arguments(name, dtype, 70, seed=11)
        weights = fl.asarray(np.random.default_rng(12).normal(size=70).astype(dtype))
        with use_target(target):
            fast, recorded = first_and_recorded(lambda *at, w=weights: (getattr(fl, name)(*at) * w).sum(), args)
        for a, b in zip(fast, recorded, strict=True):
            assert same_bits(a, b)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_are_the_same_on_targets_with_fma(name: str) -> None:
    for dtype in FLOATS:
        args = op_arguments(name, dtype, 70, seed=13)
        f = fl.grad(lambda *at: getattr(fl, name)(*at).sum(), tuple(range(len(args))))
        with use_target("scalar"):
            want = [np.asarray(g) for g in f(*args)]
        for target in TARGETS:
            if target != "sse4":
                with use_target(target):
                    assert all(same_bits(np.asarray(g), w) for g, w in zip(f(*args), want, strict=True)), target


@pytest.mark.parametrize(("name", "at", "want"), [
    ("relu", 0.0, 0.0), ("abs", 0.0, 0.0), ("sigmoid", 800.0, 0.0), ("sigmoid", -800.0, 0.0), ("softplus", 800.0, 1.0),
    ("softplus", -800.0, 0.0), ("gelu", 40.0, 1.0), ("gelu", -40.0, 0.0), ("silu", 800.0, 1.0), ("silu", -800.0, 0.0),
    ("tanh", 400.0, 0.0), ("erf", 40.0, 0.0),
])  # fmt: skip
def test_derivatives_at_kinks_and_far_out_are_as_documented(name: str, at: float, want: float) -> None:
    for dtype in FLOATS:
        assert float(fl.grad(getattr(fl, name))(np.asarray(at, dtype))) == want


def test_ties_share_the_gradient_and_zero_to_the_zero_is_flat() -> None:
    for f in (fl.maximum, fl.minimum):
        gx, gy = fl.grad(lambda x, y, f=f: f(x, y), (0, 1))(2.0, 2.0)
        assert (gx.item(), gy.item()) == (0.5, 0.5)
    gx, gy = fl.grad(fl.power, (0, 1))(0.0, 0.0)
    assert (gx.item(), gy.item()) == (0.0, 0.0)
    gx, gy = fl.grad(fl.power, (0, 1))(0.0, 2.0)
    assert (gx.item(), gy.item()) == (0.0, 0.0)


@pytest.mark.parametrize("p", [0, 1, 2, 3, -1, 0.5, 2.5, -2])
def test_constant_powers_take_short_cuts_with_the_same_values_and_derivatives(p: float) -> None:
    x = np.linspace(0.2, 3, 17)
    np.testing.assert_allclose(np.asarray(fl.asarray(x) ** p), x**p, rtol=1e-15)
    check_grads(lambda v: v**p, (x,), order=2)
    whole = np.arange(5)
    if isinstance(p, int) and p >= 0:
        got = np.asarray(fl.asarray(whole) ** p)
        np.testing.assert_array_equal(got, whole**p)
        assert got.dtype == np.int64
