"""Convolution and pooling: plain NumPy, PyTorch, derivatives to order 2, one result on all targets."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline as fl
from fallline import _core
from fallline.testing import check_grads, use_target

FUSED = [target for target in _core.targets() if target != "sse4"]


def conv2d(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    """Slide and sum in plain NumPy."""
    (top, bottom, left, right), (n, _, h, width) = padding, x.shape
    out, inside, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    oh = (h + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out, oh, ow), x.dtype)
    for o, i, j in itertools.product(range(out), range(oh), range(ow)):
        group = o // (out // groups)
        rows = slice(i * stride[0], i * stride[0] + dilation[0] * (kh - 1) + 1, dilation[0])
        columns = slice(j * stride[1], j * stride[1] + dilation[1] * (kw - 1) + 1, dilation[1])
        seen = padded[:, group * inside : (group + 1) * inside, rows, columns]
        y[:, o, i, j] = (seen * w[o]).sum((1, 2, 3)) + b[o]
    return y


def pool2d(f: Any, x: Any, size: Any, stride: Any, padding: Any, fill: float) -> np.ndarray:
    (p, q), (h, w) = padding, x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=fill)
    oh, ow = (h + 2 * p - size[0]) // stride[0] + 1, (w + 2 * q - size[1]) // stride[1] + 1
    y = np.zeros((*x.shape[:2], oh, ow), x.dtype)
    for i, j in itertools.product(range(oh), range(ow)):
        at = padded[:, :, i * stride[0] : i * stride[0] + size[0], j * stride[1] : j * stride[1] + size[1]]
        y[:, :, i, j] = f(at, axis=(2, 3))
    return y


# n, c, h, w, out, kh, kw, stride, padding, dilation, groups
CASES = [
    (1, 1, 1, 1, 1, 1, 1, (1, 1), 0, (1, 1), 1),
    (3, 1, 28, 28, 6, 5, 5, (1, 1), 0, (1, 1), 1),
    (16, 6, 12, 12, 16, 5, 5, (1, 1), 0, (1, 1), 1),
    (33, 3, 9, 7, 8, 3, 3, (1, 1), (1, 1), (1, 1), 1),
    (17, 4, 11, 13, 7, 3, 2, (2, 3), (2, 1), (1, 1), 1),
    (5, 4, 12, 10, 6, 3, 3, (1, 2), (2, 3), (2, 3), 2),
    (8, 6, 8, 8, 6, 3, 3, (1, 1), "same", (1, 1), 6),
    (2, 2, 8, 9, 3, 4, 4, (1, 1), "same", (1, 1), 1),
    (4, 2, 9, 9, 2, 3, 3, (3, 3), 1, (2, 2), 1),
    (2, 8, 5, 5, 13, 1, 1, (1, 1), 0, (1, 1), 1),
    (40, 3, 6, 6, 5, 1, 1, (2, 2), 0, (1, 1), 1),
]


def make(case: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any], tuple[int, ...]]:
    n, c, h, w, out, kh, kw, stride, padding, dilation, groups = case
    rng = np.random.default_rng(n + c)
    x = rng.normal(size=(n, c, h, w)).astype(dtype)
    weight = rng.normal(size=(out, c // groups, kh, kw)).astype(dtype)
    bias = rng.normal(size=out).astype(dtype)
    if padding == "same":
        down, across = dilation[0] * (kh - 1), dilation[1] * (kw - 1)
        sides = (down // 2, down - down // 2, across // 2, across - across // 2)
    else:
        p, q = (padding, padding) if isinstance(padding, int) else padding
        sides = (p, p, q, q)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, weight, bias, options, sides


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_a_convolution_slides_and_sums(case: Any, dtype: Any, target: str) -> None:
    x, w, b, options, sides = make(case, dtype)
    expected = conv2d(
        *(a.astype(np.float64) for a in (x, w, b)), options["stride"], sides, options["dilation"], options["groups"]
    )
    near = {"rtol": 1e-4, "atol": 2e-5 if dtype == np.float32 else 1e-12}
    with use_target(target):
        y = fl.conv2d(x, w, b, **options)
        assert y.dtype == dtype
        np.testing.assert_allclose(np.asarray(y), expected, **near)
        np.testing.assert_allclose(np.asarray(fl.conv2d(x, w, **options)), expected - b[:, None, None], **near)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_derivatives_have_the_same_bits_everywhere(case: Any, dtype: Any) -> None:
    x, w, b, options, _ = make(case, dtype)
    g = np.random.default_rng(1).normal(size=fl.conv2d(x, w, b, **options).shape).astype(dtype)
    seen = []
    for target, threads in [*((target, 2) for target in FUSED), (FUSED[-1], 1), (FUSED[-1], 5)]:
        fl.set_num_threads(threads)
        with use_target(target):
            y, pull = fl.vjp(lambda *a: fl.conv2d(*a, **options), x, w, b)
            seen.append([np.asarray(a) for a in (y, *pull(g))])
    for other in seen[1:]:
        for a, c in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("case", [c for c in CASES if c[0] < 10 and c[2] < 20])
def test_convolutions_have_right_derivatives_to_order_2(case: Any) -> None:
    x, w, b, options, _ = make((2, *case[1:]), np.float64)
    check_grads(lambda *a: fl.conv2d(*a, **options), (x, w, b), order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [c for c in CASES if c[8] != "same"])
def test_convolutions_and_derivatives_are_pytorchs(case: Any, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x, w, b, options, _ = make(case, dtype)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    theirs = torch.nn.functional.conv2d(*tensors, **options)
    g = np.random.default_rng(2).normal(size=theirs.shape).astype(dtype)
    theirs.backward(torch.tensor(g))
    y, pull = fl.vjp(lambda *a: fl.conv2d(*a, **options), x, w, b)
    near = {"rtol": 1e-3, "atol": 1e-3 if dtype == np.float32 else 1e-10}
    np.testing.assert_allclose(np.asarray(y), theirs.detach().numpy(), **near)
    for mine, tensor in zip(pull(g), tensors, strict=True):
        np.testing.assert_allclose(np.asarray(mine), tensor.grad.numpy(), **near)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_convolution_is_its_formula(data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.integers(1, 3))
    n, c, out = draw(st.integers(0, 18)), groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 8))
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    stride, dilation = draw(st.tuples(*[st.integers(1, 3)] * 2)), draw(st.tuples(*[st.integers(1, 3)] * 2))
    p, q = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    h = draw(st.integers(max(1, dilation[0] * (kh - 1) + 1 - 2 * p), 12))
    w = draw(st.integers(max(1, dilation[1] * (kw - 1) + 1 - 2 * q), 12))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    x, weight, b = rng.normal(size=(n, c, h, w)), rng.normal(size=(out, c // groups, kh, kw)), rng.normal(size=out)
    order = draw(st.sampled_from(["C", "F", "reversed"]))
    x = x[:, :, ::-1].copy()[:, :, ::-1] if order == "reversed" else x.copy(order=order)
    y, pull = fl.vjp(
        lambda *a: fl.conv2d(*a, stride=stride, padding=(p, q), dilation=dilation, groups=groups), x, weight, b
    )
    np.testing.assert_allclose(np.asarray(y), conv2d(x, weight, b, stride, (p, p, q, q), dilation, groups), atol=1e-12)
    # Both derivatives of a bilinear function give back the function: <g, conv(x, w)> = <gx, x> = <gw, w>.
    g = rng.normal(size=y.shape)
    gx, gw, gb = (np.asarray(a) for a in pull(g))
    whole = (g * (np.asarray(y) - b[:, None, None])).sum()
    np.testing.assert_allclose([(gx * x).sum(), (gw * weight).sum()], [whole] * 2, atol=1e-9)
    np.testing.assert_allclose(gb, g.sum((0, 2, 3)), atol=1e-10)


@pytest.mark.parametrize("n", [1, 7, 16, 17, 64, 100])
@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("size, stride, padding", [(2, 2, 0), (3, 2, 1), ((2, 3), (1, 2), (1, 0)), (1, 3, 0)])
def test_pooling_takes_the_largest_and_the_mean(n: int, target: str, size: Any, stride: Any, padding: Any) -> None:
    x = np.random.default_rng(n).normal(size=(n, 3, 8, 7))
    as_pair = [v if isinstance(v, tuple) else (v, v) for v in (size, stride, padding)]
    with use_target(target):
        for dtype, near in [(np.float32, 1e-6), (np.float64, 1e-14)]:
            y, m = (
                fl.max_pool2d(x.astype(dtype), size, stride, padding),
                fl.avg_pool2d(x.astype(dtype), size, stride, padding),
            )
            assert y.dtype == m.dtype == dtype
            np.testing.assert_array_equal(np.asarray(y), pool2d(np.max, x.astype(dtype), *as_pair, fill=-np.inf))
            np.testing.assert_allclose(np.asarray(m), pool2d(np.mean, x, *as_pair, fill=0), atol=near)


@pytest.mark.parametrize("pool", [fl.max_pool2d, fl.avg_pool2d])
@pytest.mark.parametrize("size, stride, padding", [(2, 2, 0), (3, 2, 1), ((2, 3), (1, 2), (1, 0))])
def test_pooling_has_right_derivatives_to_order_2(pool: Any, size: Any, stride: Any, padding: Any) -> None:
    x = np.random.default_rng(0).permutation(2 * 2 * 6 * 7).reshape(2, 2, 6, 7) / 7.0
    check_grads(lambda a: pool(a, size, stride, padding) ** 2, (x,), order=2)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("size, stride, padding", [(2, 2, 0), (3, 1, 1), (3, 2, 0)])
def test_pooling_and_its_derivative_are_pytorchs(name: str, size: int, stride: int, padding: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 5, size=(20, 3, 9, 8)).astype(np.float64)  # many equal elements
    tensor = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, name)(tensor, size, stride, padding)
    g = np.random.default_rng(1).normal(size=theirs.shape)
    theirs.backward(torch.tensor(g))
    y, pull = fl.vjp(lambda a: getattr(fl, name)(a, size, stride, padding), x)
    np.testing.assert_allclose(np.asarray(y), theirs.detach().numpy(), atol=1e-14)
    np.testing.assert_allclose(np.asarray(pull(g)[0]), tensor.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("target", FUSED)
def test_pooling_has_the_bits_of_scalar(target: str) -> None:
    x = np.random.default_rng(0).normal(size=(21, 3, 9, 8)).astype(np.float32)
    results = []
    for name in ("scalar", target):
        with use_target(name):
            for pool in (fl.max_pool2d, fl.avg_pool2d):
                y, pull = fl.vjp(lambda a, pool=pool: pool(a, 3, 2, 1), x)
                results.append((np.asarray(y), np.asarray(pull(np.cos(np.asarray(y)))[0])))
    for a, b in zip(results[:2], results[2:], strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


def test_nan_is_the_largest_and_infinity_counts() -> None:
    x = np.array([[1, np.nan, 3, 4], [5, 6, -np.inf, -np.inf]]).reshape(1, 1, 2, 4)
    np.testing.assert_array_equal(np.asarray(fl.max_pool2d(x, 2)).ravel(), [np.nan, 4])
    low = np.full((1, 1, 2, 2), -np.inf)
    np.testing.assert_array_equal(np.asarray(fl.max_pool2d(low, 2)).ravel(), [-np.inf])
    np.testing.assert_array_equal(
        np.asarray(fl.conv2d(x, np.ones((1, 1, 2, 1)))).ravel(), [6, np.nan, -np.inf, -np.inf]
    )


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: fl.conv2d(np.ones((2, 3, 4)), np.ones((1, 3, 2, 2))), "expected x (n, c, h, w)"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 2, 2, 2))), "do not fit with 1 groups"),
        (lambda: fl.conv2d(np.ones((2, 4, 4, 4)), np.ones((3, 2, 2, 2)), groups=2), "do not fit with 2 groups"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 5, 5))), "does not fit into images"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 2, 2)), np.ones(2)), "expected a bias of shape (1,)"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 2, 2)), stride=0), "at least 1"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 2, 2)), stride=(1, 2, 3)), "one whole number or two"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 2, 2)), stride=2, padding="same"), "needs stride 1"),
        (lambda: fl.conv2d(np.ones((2, 3, 4, 4)), np.ones((1, 3, 2, 2)), padding="full"), '"same", "valid"'),
        (lambda: fl.max_pool2d(np.ones((3, 4, 4)), 2), "expected x (n, c, h, w)"),
        (lambda: fl.max_pool2d(np.ones((2, 3, 4, 4)), 5), "does not fit into images"),
        (lambda: fl.avg_pool2d(np.ones((2, 3, 4, 4)), 2, padding=2), "at most half"),
        (lambda: fl.avg_pool2d(np.ones((2, 3, 4, 4)), 0), "at least 1"),
        (lambda: fl.nn.Conv2d(3, 4, 3, groups=2), "multiples of groups=2"),
    ],
)
def test_what_does_not_fit_is_told(call: Any, words: str) -> None:
    with pytest.raises((fl.ShapeError, ValueError)) as error:
        call()
    assert words in str(error.value)


def test_integers_become_floats_and_float64_wins() -> None:
    ones = np.ones((1, 1, 3, 3), np.int64)
    assert fl.conv2d(ones, ones).dtype == fl.max_pool2d(ones, 2).dtype == np.float32
    assert fl.conv2d(ones.astype(np.float32), ones.astype(np.float64)).dtype == np.float64
