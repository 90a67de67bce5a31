"""backward: what reaches the leaves, how deep a record may be, and what happens when recorded memory is written."""

from __future__ import annotations

import gc
import resource
from typing import Any

import numpy as np
import pytest
from reference import REFERENCE_OPS, op_arguments

import fallline as fl
from fallline import _core


def leaf(*values: float) -> fl.Array:
    return fl.asarray(np.array(values), requires_grad=True)


# Leaves


def test_leaves_accumulate_until_grad_is_cleared() -> None:
    x = leaf(1.0, 2.0)
    assert x.requires_grad
    assert x.grad is None
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 4]
    (3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    x.grad = None
    (x**3).sum().backward()
    assert x.grad.tolist() == [3, 12]


def test_a_leaf_used_in_many_places_gets_the_sum() -> None:
    x, y = leaf(2.0), leaf(5.0)
    z = x * y
    (z + z * x + x).sum().backward()
    assert x.grad.tolist() == [5 + 2 * 2 * 5 + 1]
    assert y.grad.tolist() == [2 + 4]


def test_a_record_can_be_walked_again() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [12]


def test_other_arrays_get_no_gradient() -> None:
    x, constant = leaf(1.0), fl.asarray([2.0])
    (x * constant).sum().backward()
    assert constant.grad is None
    assert not constant.requires_grad
    with pytest.raises(fl.TapeError, match="requires_grad=True"):
        constant.grad = fl.ones(1)


def test_a_cotangent_is_needed_unless_the_output_is_a_scalar() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(fl.ShapeError, match="gradient="):
        (x * x).backward()
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [2, 40]
    with pytest.raises(fl.ShapeError, match="cotangent"):
        (x * x).backward(np.ones(3))
    x.grad = None
    x[:1].backward()  # one element
    assert x.grad.tolist() == [1, 0]


def test_nothing_recorded_is_said() -> None:
    with pytest.raises(fl.TapeError, match="nothing was recorded"):
        fl.asarray([1.0]).sum().backward()
    x = leaf(1.0)
    with fl.no_grad():
        y = (x * x).sum()
    with pytest.raises(fl.TapeError, match="no_grad"):
        y.backward()


def test_create_graph_makes_gradients_differentiable() -> None:
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    assert g.tolist() == [12]
    assert g.requires_grad
    x.grad = None
    (g * g).sum().backward()
    assert x.grad.tolist() == [2 * 12 * 12]  # 2 g g', g' = 6 x


def test_leaves_of_float32_stay_float32() -> None:
    x = fl.asarray(np.ones(2, np.float32), requires_grad=True)
    (x.astype("float64") * np.array([1.5, 2.5])).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8"])
def test_only_floats_can_be_leaves(dtype: str) -> None:
    with pytest.raises(fl.DTypeError, match=dtype):
        fl.asarray(np.ones(2, dtype), requires_grad=True)


def test_gradients_of_leaves_alias_nothing() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    cotangent = np.array([1.0, 1.0])
    (x + y).backward(cotangent)
    gx, gy = np.asarray(x.grad), np.asarray(y.grad)
    assert not np.shares_memory(gx, gy)
    assert not np.shares_memory(gx, cotangent)
    assert not np.shares_memory(gx, np.asarray(x))


# Stopping


def test_stop_gradient_and_detach_make_constants() -> None:
    for stop in (fl.stop_gradient, lambda v: v.detach()):
        g = fl.grad(lambda x, s=stop: (x * s(x * x)).sum())(np.array([2.0, 3.0]))
        assert g.tolist() == [4, 9]
    x = leaf(1.0)
    assert not x.detach().requires_grad
    assert np.shares_memory(np.asarray(x.detach()), np.asarray(x))


def test_no_grad_records_nothing_and_ends_after_errors() -> None:
    x = leaf(2.0)
    with fl.no_grad():
        assert not (x * x).requires_grad
        with fl.no_grad():
            pass
        assert not (x * x).requires_grad
    assert (x * x).requires_grad
    with pytest.raises(ValueError, match="out"), fl.no_grad():
        raise ValueError("out")
    assert (x * x).requires_grad
    scope = fl.no_grad()
    for _ in range(2):
        with scope:
            assert not (x * x).requires_grad


@pytest.mark.parametrize("name", [name for name, row in REFERENCE_OPS.items() if row.floats])
def test_every_row_says_its_derivative(name: str) -> None:
    args = [fl.asarray(x, requires_grad=True) for x in op_arguments(name, "float64", 5, seed=0)]
    assert getattr(_core, name)(*args).requires_grad == REFERENCE_OPS[name].differentiable


@pytest.mark.parametrize(("f", "whole"), [(fl.remainder, np.floor), (fl.fmod, np.trunc)])
def test_remainders_have_their_derivatives(f: Any, whole: Any) -> None:
    x, y = np.array([7.5, -7.5, 7.5, -7.5, 6.0, 0.5]), np.array([2.0, 2.0, -2.0, -2.0, 3.0, 4.0])
    gx, gy = fl.grad(lambda x, y: f(x, y).sum(), argnums=(0, 1))(x, y)
    assert gx.tolist() == [1] * 6
    assert gy.tolist() == (-whole(x / y)).tolist()
    assert fl.grad(lambda x: x % 2.0)(3.5) == 1
    assert fl.grad(fl.grad(lambda y: 7.5 % y * y))(2.0) == -6  # (x - q y) y, twice by y: -2 q


def test_a_call_may_have_any_number_of_inputs() -> None:
    parts = [fl.asarray(np.full(2, float(i)), requires_grad=i % 3 == 0) for i in range(70)]
    weight = np.arange(140.0)
    (np.concatenate(parts) * weight).sum().backward()
    for i, part in enumerate(parts):
        assert part.grad is None if i % 3 else part.grad.tolist() == [2 * i, 2 * i + 1]

    def total(parts: list[Any]) -> Any:
        def body(c: Any, _: Any) -> Any:
            return sum((p * c[0] for p in parts), start=c * 0.5), None

        return fl.scan(body, fl.ones(2, dtype="float64"), length=2)[0].sum()

    every = fl.grad(total)
    wanted, found = every(parts), fl.jit(lambda parts: every(parts))([p.detach() for p in parts])
    for a, b in zip(wanted, found, strict=True):
        assert np.asarray(a).any()
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_a_derivative_that_does_not_exist_is_asked_for_in_vain() -> None:
    w = leaf(1.0, 2.0)
    hypers, t, g = fl.asarray(fl.optim.SGD(0.1).hyper_rows(0, 1)[0]), fl.asarray(0), fl.asarray(np.ones(2))
    (updated,) = _core.planned_step("sgd", "full", hypers, t, [g], [w], [])
    assert updated.tolist() == [0.9, 1.9]
    with pytest.raises(fl.TapeError, match=r"\[backward\] update has no derivative.*stop_gradient"):
        (updated * w).sum().backward()


def test_comparisons_and_indices_carry_no_record() -> None:
    x = leaf(1.0, 3.0)
    for y in (x > 2, fl.argmax(x), fl.isnan(x), x.astype("int64"), fl.floor_divide(x, 2.0)):
        assert not y.requires_grad


# Depth


def test_a_million_operations_are_walked_back_and_freed() -> None:
    n = 1_000_000
    x = fl.asarray(np.float64(1.0), requires_grad=True)
    y = x
    for _ in range(n):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    assert y.item() == n + 1
    del y
    gc.collect()


def test_a_long_chain_needs_memory_only_while_it_lives() -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def run() -> None:
        x = leaf(*np.ones(1000))
        y = x
        for _ in range(2000):
            y = fl.sin(y)
        y.sum().backward()

    run()
    before = peak()
    for _ in range(5):
        run()
    assert peak() - before < 30_000  # KiB: one run keeps 16 MB, five would keep 80


def test_a_wide_join_is_walked_back_once_per_node() -> None:
    """Doubling 60 times has 2^60 paths."""
    assert fl.grad(lambda x: _doubled(x, 60))(np.float64(1.0)).item() == 2.0**60


def _doubled(x: Any, times: int) -> Any:
    for _ in range(times):
        x = x + x
    return x


# Versions


@pytest.mark.parametrize("f", [
    fl.square, fl.sin, fl.log, fl.gelu, lambda v: v * v, lambda v: fl.max(v), lambda v: v @ v,
], ids=range(7))  # fmt: skip
def test_writing_a_recorded_array_is_noticed(f: Any) -> None:
    x = fl.asarray(np.array([1.0, 2.0]))
    w = leaf(3.0, 4.0)
    y = f(x * w).sum() + (x * w).sum()
    x[0] = 7.0
    with pytest.raises(fl.TapeError, match="written to after it was recorded; copy it before"):
        y.backward()
    assert w.grad is None


def test_writing_through_a_view_is_noticed() -> None:
    x = fl.asarray(np.ones((2, 2)))
    w = fl.asarray(np.ones((2, 2)), requires_grad=True)
    y = (x.T @ w).sum()
    x[1:, 0] = 5.0
    with pytest.raises(fl.TapeError, match="matmul"):
        y.backward()


def test_writing_what_no_rule_reads_is_allowed() -> None:
    x = fl.asarray(np.ones(2))
    w = leaf(1.0, 2.0)
    y = (x + w).sum()  # the derivative of a sum reads nothing
    x[...] = 9.0
    y.backward()
    assert w.grad.tolist() == [1, 1]


def test_an_optimizer_step_between_forward_and_backward_is_noticed() -> None:
    model = fl.nn.Linear(2, 1)
    params = {path: fl.asarray(array, requires_grad=True) for path, array in model.parameters().items()}
    x = leaf(1.0, 2.0)
    y = fl.linear(x.reshape(1, 2).astype("float32"), params["weight"], params["bias"]).sum()
    opt = fl.optim.SGD(0.1)
    opt.step(model, {path: fl.ones_like(array) for path, array in model.parameters().items()})
    with pytest.raises(fl.TapeError, match="written to"):
        y.backward()


def test_an_array_with_a_past_cannot_be_written() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2.0
    for target in (x, y):
        with pytest.raises(fl.TapeError, match="where, or detach"):
            target[0] = 1.0
    y.detach()[0] = 5.0
    assert y.tolist() == [5, 4]


# Traces


def test_reading_a_traced_value_says_the_way_out() -> None:
    def check(read: Any) -> None:
        def f(x: Any) -> list[Any]:
            error = BufferError if read is memoryview else fl.TraceError
            with pytest.raises(error, match=r"while its function is being traced.*use|buffer"):
                read(x)
            assert fl.is_tracing()
            return [x * 2.0]

        graph, outputs = _core.trace(f, [((3,), np.float32)])
        plan = _core.Plan(graph, outputs)
        assert plan.call([fl.ones(3)])[0].tolist() == [2, 2, 2]

    for read in (lambda x: float(x.sum()), np.asarray, lambda x: x.tolist(), lambda x: bool(x[0] > 0), memoryview,
                 lambda x: x.sum().item(), lambda x: x.__setitem__(0, 1.0), np.from_dlpack, lambda x: x[x > 0],
                 lambda x: x.__setitem__(x > 0, 1.0), lambda x: fl.ones(3)[fl.argmax(x) : 2]):  # fmt: skip
        check(read)
    assert not fl.is_tracing()


def test_a_traced_value_can_be_shown() -> None:
    shown = []
    _core.trace(lambda x: [shown.append(repr(x)), x][1:], [((3, 2), np.float64)])
    assert shown == ["Array(<traced>, shape=(3, 2), dtype=float64)"]


def test_what_is_written_or_filled_in_loses_no_gradient_in_silence() -> None:
    def written(c: fl.Array) -> fl.Array:
        a = fl.zeros(2)
        a[0] = c * 2
        return a.sum() + c

    with pytest.raises(fl.TapeError, match="would lose its recorded past"):
        fl.grad(written)(fl.asarray(2.0))
    for shape in (3, (3,), [1, 3]):
        assert float(fl.grad(lambda c, s=shape: fl.full(s, c).sum() + c)(fl.asarray(2.0))) == 4.0
    one = fl.asarray(1.0)
    filled = fl.full(2, one)
    filled[0] = 5.0
    assert (filled.tolist(), float(one)) == ([5.0, 1.0], 1.0)
