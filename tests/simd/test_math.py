"""The math functions: close to the exact value, right at the limits, and the same bits on every target with fma."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fallline as fl
from fallline import _core

TARGETS = _core.targets()
FUSED = [target for target in TARGETS if target != "sse4"]
VALIDATION = Path(np.__file__).parent / "_core" / "tests" / "data"
FLOATS = (np.float32, np.float64)
# Where long double is double, the exact value is known to half a unit only.
SLACK = 0.0 if np.finfo(np.longdouble).nmant > 60 else 1.0


class Row(NamedTuple):
    """One function: the errors that its header states and where it varies, in float32 and in float64."""

    ulp: tuple[float, float]
    where: tuple[tuple[float, float], tuple[float, float]]


ROWS = {
    "exp": Row((1.1, 1.0), ((-106, 90), (-750, 711))),
    "expm1": Row((1.3, 1.2), ((-20, 90), (-40, 711))),
    "tanh": Row((2.4, 2.3), ((-10, 10), (-20, 20))),
    "erf": Row((1.1, 1.1), ((-4.5, 4.5), (-6.5, 6.5))),
    "log": Row((1.1, 1.1), ((0, 4), (0, 4))),
    "log1p": Row((1.0, 1.1), ((-1, 4), (-1, 4))),
    "sin": Row((1.3, 1.3), ((-1e4, 1e4), (-1e5, 1e5))),
    "cos": Row((1.3, 1.3), ((-1e4, 1e4), (-1e5, 1e5))),
}
CASES = [pytest.param(name, dtype, id=f"{name}-{dtype.__name__}") for name in ROWS for dtype in FLOATS]


def run(name: str, target: str, *args: np.ndarray) -> np.ndarray:
    _core.set_target(target)
    return np.asarray(getattr(fl, name)(*(fl.asarray(x) for x in args)))


def exact(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        if name == "erf":  # NumPy has none; the C library's is within one unit of double
            return np.array([math.erf(v) for v in x.tolist()], np.longdouble)
        return np.asarray(getattr(np, name)(x.astype(np.longdouble)))


def errors(y: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Return |y - want| in units of the last place of want; 0 where both are NaN or y is the right infinity."""
    info = np.finfo(y.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(want)
        exponent = np.floor(np.log2(np.where(size > 0, size, 1)))
        unit = np.exp2(np.maximum(exponent, np.longdouble(info.minexp)) - info.nmant)
        error = np.abs(y.astype(np.longdouble) - want) / unit
        over = size >= np.longdouble(info.max) * (1 + np.longdouble(info.eps) / 4)
        right = (np.isnan(want) & np.isnan(y)) | (y == want) | (np.isinf(y) & over & (np.sign(y) == np.sign(want)))
        return np.where(right, 0, np.where(np.isnan(error), np.inf, error)).astype(np.float64)


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    same = (x == y) & (np.signbit(x) == np.signbit(y))
    return bool(np.all(same | (np.isnan(x) & np.isnan(y))))


def in_order(x: np.ndarray) -> np.ndarray:
    """Return whole numbers, one apart for neighbouring floats."""
    whole = x.view(f"i{x.itemsize}").astype(object)
    return np.where(whole < 0, -(2 ** (8 * x.itemsize - 1)) - whole, whole)


def limits(dtype: Any) -> np.ndarray:
    info = np.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, info.eps, 0.25, 0.5, 0.75, 1, 1.5, 2, info.max, np.inf]
    return np.array([*positive, *(-v for v in positive), np.nan], dtype)


def arguments(name: str, dtype: Any, n: int, seed: int) -> np.ndarray:
    """Return the limits, numbers of every size, and numbers where the function varies; an odd count."""
    rng = np.random.default_rng(seed)
    low, high = ROWS[name].where[FLOATS.index(dtype)]
    any_bits = rng.integers(0, 2**32, 2 * n, dtype=np.uint32).view(dtype)[:n]
    small = rng.normal(size=n) * np.exp(rng.uniform(-12, 1, n))
    parts = [limits(dtype), any_bits, rng.uniform(low, high, n), rng.uniform(0.5, 2, n), small]
    return np.concatenate([part.astype(dtype) for part in parts])


@pytest.mark.parametrize(("name", "dtype"), CASES)
@pytest.mark.parametrize("target", TARGETS)
def test_errors_are_as_stated(name: str, dtype: Any, target: str) -> None:
    seed = 7
    x = arguments(name, dtype, 2000, seed)
    if name in {"sin", "cos"}:  # beyond, the C library answers
        x = x[(np.abs(x) <= ROWS[name].where[FLOATS.index(dtype)][1]) | np.isinf(x) | np.isnan(x)]
    want = exact(name, x)
    error = errors(run(name, target, x), want)
    bound = ROWS[name].ulp[FLOATS.index(dtype)] + SLACK + (1.0 if name == "erf" and dtype is np.float64 else 0.0)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, f"{name}({x[worst]!r}) is {error[worst]:.2f} ulp off, seed {seed}"


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_targets_with_fma_give_the_same_bits(name: str, dtype: Any) -> None:
    x = arguments(name, dtype, 3000, seed=11)
    want = run(name, "scalar", x)
    for target in FUSED:
        assert same_bits(run(name, target, x), want), target


@pytest.mark.parametrize(("name", "dtype"), CASES)
@pytest.mark.parametrize("target", TARGETS)
def test_limits_are_those_of_numpy(name: str, dtype: Any, target: str) -> None:
    x = limits(dtype)
    y, want = run(name, target, x), exact(name, x).astype(dtype)
    special = ~np.isfinite(want) | (want == 0)
    assert same_bits(y[special], want[special]), f"{x[special]} gave {y[special]}, expected {want[special]}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [name for name in ROWS if name != "erf"])
def test_numpys_validation_set_holds(name: str, target: str) -> None:
    path = VALIDATION / f"umath-validation-set-{name}.csv"
    if not path.exists():
        pytest.skip("this NumPy comes without its validation sets")
    lines = [line.strip().split(",") for line in path.read_text().splitlines() if line.startswith("np.float")]
    for dtype in FLOATS:
        rows = [line for line in lines if line[0] == f"np.{dtype.__name__}"]
        assert len(rows) > 100
        bits = np.array([[int(line[1], 16), int(line[2], 16)] for line in rows], np.uint64)
        x, want = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype).T
        y = run(name, target, np.ascontiguousarray(x))
        apart = np.abs(in_order(y) - in_order(want))
        apart[np.isnan(y) & np.isnan(want)] = 0
        allowed = np.array([int(line[3]) for line in rows])
        worst = int(np.argmax(apart - allowed))
        assert apart[worst] <= allowed[worst], f"{name}({x[worst]!r}) = {y[worst]!r}, expected {want[worst]!r}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_power_has_the_special_cases_of_numpy(dtype: Any, target: str) -> None:
    values = np.concatenate([limits(dtype), np.array([3, -3, 2.5, -2.5, 1e10, -1e10, 0.1, -0.1], dtype)])
    x, y = (np.ascontiguousarray(v.ravel()) for v in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    got = run("power", target, x, y)
    error = errors(got, want)
    worst = int(np.argmax(error))
    assert error[worst] <= 1.6 + SLACK, f"{x[worst]!r} ** {y[worst]!r} = {got[worst]!r}, expected {want[worst]!r}"
    known = ~np.isnan(want)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(want[known].astype(dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_power_is_close_and_the_same_on_targets_with_fma(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    reach, n = (150 if dtype is np.float32 else 1100), 3001
    x = np.concatenate([np.exp(rng.uniform(-3, 3, n)), rng.uniform(0.9, 1.1, n), rng.uniform(-9, 9, n)]).astype(dtype)
    y = np.concatenate([rng.uniform(-reach, reach, n), rng.uniform(-4000, 4000, n), rng.integers(-20, 20, n)])
    y[:n] /= np.abs(np.log2(x[:n].astype(np.float64))) + 1e-9
    y = y.astype(dtype)
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    scalar = run("power", "scalar", x, y)
    for target in TARGETS:
        got = run("power", target, x, y)
        assert np.max(errors(got, want)) <= (1.3 if dtype is np.float32 else 1.6) + SLACK, target
        assert target == "sse4" or same_bits(got, scalar), target


@pytest.mark.parametrize("target", TARGETS)
def test_sine_near_multiples_of_half_pi_keeps_its_digits(target: str) -> None:
    for dtype, most in ((np.float32, 1e4), (np.float64, 1e5)):
        half_pi = np.longdouble("1.57079632679489661923132169163975144")
        near = (np.arange(1, int(most / 1.58), 7).astype(np.longdouble) * half_pi).astype(dtype)
        for name in ("sin", "cos"):
            assert np.max(errors(run(name, target, near), exact(name, near))) <= 1.3 + SLACK
