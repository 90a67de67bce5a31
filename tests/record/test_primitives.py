"""Every primitive: NumPy's values in each dtype on each target; plans, scans, donation, maps; derivatives; edges."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from primitives import ELSEWHERE, PRIMITIVES, VIEWS, Row, Shape, arguments
from reference import FLOATS, REFERENCE_OPS

import fallline as fl
from fallline import _core
from fallline.testing import check_grads, use_target

TARGETS = _core.targets()
CPP = Path(__file__).parents[2] / "cpp"
FLOAT_ROWS = [name for name, row in PRIMITIVES.items() if row.floats]
SMOOTH = [name for name, row in PRIMITIVES.items() if row.floats and row.differentiable]


def given(args: list[np.ndarray]) -> list[Any]:
    return [fl.asarray(a.copy()) for a in args]


def dtypes(row: Row) -> tuple[str, ...]:
    return (*(FLOATS if row.floats else ()), *row.integers)


def exact(row: Row, args: list[np.ndarray]) -> np.ndarray:
    """Return NumPy's value, of floats in the widest type that it has here."""
    wide = {np.dtype("float32"): np.float64, np.dtype("float64"): np.longdouble}
    with np.errstate(all="ignore"):
        return np.asarray(row.numpy(*(a.astype(wide.get(a.dtype, a.dtype)) for a in args)))


def assert_same(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def assert_value(row: Row, found: np.ndarray, args: list[np.ndarray]) -> None:
    expected = exact(row, args)
    assert found.shape == expected.shape
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
    elif found.size:
        largest = np.abs(expected).max().astype(found.dtype)
        assert np.abs(found - expected).max() <= row.error * np.spacing(largest)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", PRIMITIVES)
def test_values_are_numpys_at_once_in_plans_in_scans_and_given_away(name: str, target: str) -> None:
    row = PRIMITIVES[name]
    with use_target(target):
        for dtype in dtypes(row):
            args = arguments(name, dtype)
            eager = np.asarray(row.call(*given(args)))
            assert_value(row, eager, args)
            assert_same(fl.jit(row.call)(*given(args)), eager)
            assert_same(fl.jit(row.call, donate=tuple(range(len(args))))(*given(args)), eager)
            twice = [fl.asarray(np.stack([a, a])) for a in args]
            _, stacked = fl.scan(lambda c, xs: (c, row.call(*xs)), fl.asarray(0.0), tuple(twice))
            assert_same(stacked, np.stack([eager, eager]))


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_map_is_a_loop(name: str) -> None:
    row = PRIMITIVES[name]
    for dtype in dtypes(row):
        many = [arguments(name, dtype, seed=seed) for seed in range(3)]
        each = [np.asarray(row.call(*given(args))) for args in many]
        found = np.asarray(fl.vmap(row.call)(*(fl.asarray(np.stack(column)) for column in zip(*many, strict=True))))
        assert found.dtype == each[0].dtype
        near = 0.0
        if found.dtype.kind == "f":
            near = 2 * row.error * np.spacing(found.dtype.type(max(np.abs(e).max() for e in each)))
        np.testing.assert_allclose(found, np.stack(each), rtol=0, atol=near)


def of_floats(row: Row, args: list[np.ndarray]) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Return the row as a function of its float arguments, and these."""
    places = [i for i in range(len(args)) if i not in row.indices]

    def call(*floats: Any) -> Any:
        whole: list[Any] = [fl.asarray(a) for a in args]
        for place, x in zip(places, floats, strict=True):
            whole[place] = x
        return row.call(*whole)

    return call, [args[i] for i in places]


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_right_to_order_2(name: str) -> None:
    row = PRIMITIVES[name]
    check_grads(*of_floats(row, arguments(name, "float64")), order=2)


@pytest.mark.parametrize("name", SMOOTH)
def test_both_modes_agree(name: str) -> None:
    """<u, J v> = <J^T u, v>."""
    f, args = of_floats(PRIMITIVES[name], arguments(name, "float64"))
    rng = np.random.default_rng(1)
    tangents = tuple(rng.normal(size=a.shape) for a in args)
    out, forward = fl.jvp(f, tuple(args), tangents)
    u = rng.normal(size=out.shape)
    back = fl.vjp(f, *args)[1](u)
    left = float(np.sum(u * np.asarray(forward)))
    right = sum(float(np.sum(np.asarray(b) * v)) for b, v in zip(back, tangents, strict=True))
    assert left == pytest.approx(right, rel=1e-10, abs=1e-10)


def gradient_of(name: str, dtype: str) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """Return the gradient of a weighted sum of a row's result, and where to take it."""
    f, args = of_floats(PRIMITIVES[name], arguments(name, dtype))
    size = np.asarray(f(*given(args))).size
    weights = fl.asarray(np.linspace(1.0, 2.0, size).astype(dtype))
    places = tuple(range(len(args)))
    return fl.grad(lambda *x: fl.sum(fl.ravel(f(*x)).astype(dtype) * weights), argnums=places), args


@pytest.mark.parametrize("name", SMOOTH)
def test_a_gradient_that_is_recorded_has_the_same_bits(name: str) -> None:
    """The kernel of a derivative, and the formula in functions that have derivatives themselves."""
    for dtype in FLOATS:
        gradient, args = gradient_of(name, dtype)
        plain = gradient(*given(args))
        recorded, _ = fl.vjp(lambda *x, g=gradient: list(g(*x)), *given(args), unused="zero")
        for a, b in zip(recorded, plain, strict=True):
            if name in REFERENCE_OPS:
                assert_same(a, b)
            else:
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_gradient_in_float32_is_that_in_float64(name: str) -> None:
    (narrow, args), (wide, _) = gradient_of(name, "float32"), gradient_of(name, "float64")
    for a, b in zip(narrow(*given(args)), wide(*(fl.asarray(x.astype(np.float64)) for x in args)), strict=True):
        expected = np.asarray(b)
        near = 2e-5 * np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(np.asarray(a), expected, rtol=1e-4, atol=near)


@pytest.mark.parametrize("name", [name for name in FLOAT_ROWS if name not in SMOOTH])
def test_what_has_no_slope_has_the_gradient_zero(name: str) -> None:
    row = PRIMITIVES[name]
    args = arguments(name, "float64")
    gradient = fl.grad(lambda x: fl.sum(row.call(x, *given(args[1:])).astype("float64")), unused="zero")
    assert not np.asarray(gradient(args[0])).any()


@pytest.mark.parametrize("kind", ["empty", "scalars"])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_no_elements_and_no_axes(name: str, kind: str) -> None:
    row = PRIMITIVES[name]
    shapes: tuple[Shape, ...] = getattr(row, kind)
    for dtype in dtypes(row) if shapes else ():
        args = arguments(name, dtype, shapes)
        try:
            exact(row, args)
        except ValueError:  # NumPy has no maximum of nothing either
            with pytest.raises(ValueError, match=r"\["):
                row.call(*given(args))
            continue
        eager = np.asarray(row.call(*given(args)))
        assert_value(row, eager, args)
        assert_same(fl.jit(row.call)(*given(args)), eager)


def spread(a: np.ndarray) -> Any:
    """Return the same values, of which neither rows nor elements are neighbours, in the order of memory from behind."""
    base = np.zeros(tuple(2 * n for n in a.shape), a.dtype).T
    view = base.T[tuple(slice(None, None, -2) for _ in a.shape)]
    view[...] = a
    return view


@pytest.mark.parametrize("name", PRIMITIVES)
def test_memory_layout_does_not_matter(name: str) -> None:
    row = PRIMITIVES[name]
    for dtype in dtypes(row):
        args = arguments(name, dtype)
        plain = np.asarray(row.call(*given(args)))
        strided = [fl.asarray(spread(a)) for a in args]
        for found in (row.call(*strided), fl.jit(row.call)(*strided)):
            assert np.asarray(found).shape == plain.shape
            assert_value(row, np.asarray(found), args)


@pytest.mark.parametrize("name", [name for name in FLOAT_ROWS if PRIMITIVES[name].nan])
def test_a_nan_reaches_what_it_reaches_in_numpy(name: str) -> None:
    row = PRIMITIVES[name]
    for dtype in FLOATS:
        for place in range(len(row.shapes)):
            args = arguments(name, dtype)
            if place in row.indices:
                continue
            args[place].flat[1] = np.nan
            expected = exact(row, args)
            for found in (row.call(*given(args)), fl.jit(row.call)(*given(args))):
                if expected.dtype.kind == "f":
                    np.testing.assert_array_equal(np.isnan(np.asarray(found)), np.isnan(expected))
                else:
                    np.testing.assert_array_equal(np.asarray(found), expected)


def plan_of(f: Callable[..., Any], args: list[Any]) -> str:
    compiled = fl.jit(f)
    compiled(*args)
    return str(compiled.plan(*args))


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_row_is_what_it_says(name: str) -> None:
    row = PRIMITIVES[name]
    args = arguments(name, dtypes(row)[0])
    for wanted in set(row.names) - VIEWS:
        assert re.search(rf"\b{wanted}\(", plan_of(row.call, given(args))), wanted
    if row.slopes:
        f, floats = of_floats(row, args)
        weights = fl.asarray(np.arange(1.0, 1 + np.asarray(row.call(*given(args))).size))

        def gradient(*x: Any) -> Any:
            return fl.grad(lambda *y: fl.sum(fl.ravel(f(*y)) * weights), argnums=tuple(range(len(x))))(*x)

        text = plan_of(gradient, given(floats))
        for wanted in row.slopes:
            assert re.search(rf"\b{wanted}\(", text), f"{wanted} in {text}"


def test_every_primitive_has_a_row() -> None:
    source = "\n".join(p.read_text() for p in CPP.rglob("*.cpp"))
    written = set(re.findall(r'\bprimitive\(\s*"(\w+)"', source)) | set(re.findall(r'loop_row\("(\w+)"\)', source))
    tables = "\n".join((CPP / "ops" / h).read_text() for h in ("elementwise.h", "plain.h"))
    written |= set(re.findall(r"^  X\(\w+, (\w+)", tables, re.MULTILINE))
    rows = {name for row in PRIMITIVES.values() for name in (*row.names, *row.slopes)}
    assert len(written) > 90
    assert written - rows == ELSEWHERE
