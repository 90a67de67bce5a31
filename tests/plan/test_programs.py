"""Random programs have the same bits called at once, as plans, in scans, and with arguments given away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.nn.losses import cross_entropy

SEEDS = range(80)
Step = Callable[[list[Any]], Any]
Shape = tuple[int, ...]

UNARY = [fl.tanh, fl.exp, fl.relu, fl.sigmoid, fl.square, fl.abs, fl.sin, fl.gelu, fl.sign, lambda x: -x, fl.floor]
BINARY = [fl.add, fl.subtract, fl.multiply, fl.maximum, fl.minimum, fl.remainder, lambda x, y: x / (1.0 + y * y)]
SHAPES: list[Shape] = [(4, 6), (6,), (), (1, 6), (4, 1), (50, 40), (24,)]


class Program:
    """A list of steps, each of which takes values made before it; the shapes are known as it is written."""

    def __init__(self, rng: np.random.Generator, shapes: list[Shape], length: int) -> None:
        self.rng, self.shapes, self.steps = rng, list(shapes), list[Step]()
        while len(self.steps) < length:
            self.write()
        self.outputs = [int(i) for i in rng.choice(len(self.shapes), 3, replace=False)] + [len(self.shapes) - 1]

    def __call__(self, *inputs: Any) -> list[Any]:
        values = list(inputs)
        for step in self.steps:
            values.append(step(values))
        return [values[i] for i in self.outputs]

    def scalar(self, *inputs: Any) -> Any:
        """Return one number that depends on all outputs."""
        return sum((fl.tanh(y).sum() for y in self(*inputs)), start=fl.asarray(0.0, dtype="float32"))

    def pick(self, dims: int | None = None) -> int:
        fitting = [i for i, s in enumerate(self.shapes) if dims is None or len(s) == dims]
        # Late values more often: chains grow, and some values are read by several steps.
        return int(fitting[int(len(fitting) * self.rng.random() ** 0.6)]) if fitting else -1

    def add(self, shape: Shape, step: Step) -> None:
        self.shapes.append(shape)
        self.steps.append(step)

    def write(self) -> None:
        """Add a random step, if it fits to what there is."""
        kinds = [self.unary, self.binary, self.reduce, self.part, self.turn, self.product, self.choose, self.join]
        kinds += [self.unary, self.binary, self.pool, self.dense, self.loss, self.gather, self.inner]
        kinds[int(self.rng.integers(len(kinds)))]()

    def unary(self) -> None:
        i, f = self.pick(), UNARY[int(self.rng.integers(len(UNARY)))]
        self.add(self.shapes[i], lambda v: f(v[i]))

    def binary(self) -> None:
        i, f = self.pick(), BINARY[int(self.rng.integers(len(BINARY)))]
        fitting = [j for j, s in enumerate(self.shapes) if self.meet(self.shapes[i], s) is not None]
        j = int(self.rng.choice(fitting))
        shape = self.meet(self.shapes[i], self.shapes[j])
        assert shape is not None
        self.add(shape, lambda v: f(v[i], v[j]))

    @staticmethod
    def meet(a: Shape, b: Shape) -> Shape | None:
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            return None

    def reduce(self) -> None:
        i, f = self.pick(2), [fl.sum, fl.mean, fl.max, fl.logsumexp][int(self.rng.integers(4))]
        if i < 0:
            return
        axis = int(self.rng.integers(2))
        self.add(self.shapes[i][1 - axis : 2 - axis], lambda v: f(v[i], axis=axis))

    def part(self) -> None:
        i = self.pick(1)
        if i < 0 or self.shapes[i][0] < 4:
            return
        n = self.shapes[i][0]
        start, step = int(self.rng.integers(n - 3)), int(self.rng.choice([1, 2, -1]))
        where = slice(None, start, -1) if step < 0 else slice(start, start + 3, step)
        self.add((len(range(n)[where]),), lambda v: v[i][where])

    def turn(self) -> None:
        i = self.pick(2)
        if i < 0:
            return
        a, b = self.shapes[i]
        if self.rng.random() < 0.5:
            self.add((b, a), lambda v: v[i].T)
        else:
            self.add((a * b,), lambda v: v[i].reshape(-1))

    def product(self) -> None:
        i = self.pick(2)
        fitting = [j for j, s in enumerate(self.shapes) if len(s) == 2 and i >= 0 and s[0] == self.shapes[i][1]]
        if fitting:
            j = int(self.rng.choice(fitting))
            self.add((self.shapes[i][0], self.shapes[j][1]), lambda v: v[i] @ v[j])

    def choose(self) -> None:
        i = self.pick()
        same = [j for j, s in enumerate(self.shapes) if s == self.shapes[i]]
        j = int(self.rng.choice(same))
        self.add(self.shapes[i], lambda v: fl.where(v[i] > v[j] * 0.5, v[j], v[i] * 2.0))

    def join(self) -> None:
        i, j = self.pick(1), self.pick(1)
        if i >= 0 and self.shapes[i][0] + self.shapes[j][0] < 100:
            self.add((self.shapes[i][0] + self.shapes[j][0],), lambda v: np.concatenate([v[i], v[j]]))

    def pool(self) -> None:
        i = self.pick(2)
        if i >= 0 and min(self.shapes[i]) > 1:
            a, b = self.shapes[i]
            self.add(
                (a // 2, b // 2), lambda v: fl.max_pool2d(fl.relu(v[i].reshape(1, 1, a, b)), 2).reshape(a // 2, b // 2)
            )

    def dense(self) -> None:
        i = self.pick(2)
        if i < 0:
            return
        n = self.shapes[i][1]
        w, b = (fl.asarray(self.rng.normal(size=s).astype(np.float32)) for s in ((5, n), 5))
        f = fl.relu if self.rng.random() < 0.6 else fl.tanh
        self.add((self.shapes[i][0], 5), lambda v: f(fl.linear(v[i], w, b)))

    def loss(self) -> None:
        i = self.pick(2)
        if i < 0:
            return
        labels = fl.asarray(self.rng.integers(0, self.shapes[i][1], self.shapes[i][0]))
        self.add((), lambda v: cross_entropy(v[i], labels))

    def gather(self) -> None:
        i = self.pick(1)
        if i >= 0 and self.shapes[i][0]:
            indices = fl.asarray(self.rng.integers(0, self.shapes[i][0], 6))
            self.add((6,), lambda v: np.take(v[i], indices, axis=0))

    def inner(self) -> None:
        """Add a derivative inside of the program, or a body of its own."""
        i, kind = self.pick(1), int(self.rng.integers(3))
        if i < 0 or not self.shapes[i][0]:
            return
        shape = self.shapes[i]
        if kind == 0:
            self.add(shape, lambda v: fl.grad(lambda x: (fl.sin(x[:1]) * x[-1:] + x.sum() * x[0]).sum())(v[i]))
        elif kind == 1:
            self.add(shape, lambda v: fl.checkpoint(lambda x: fl.tanh(x) * x[0])(v[i]))
        else:
            self.add(shape, lambda v: fl.scan(lambda c, _: (fl.tanh(c) + c[0] * 0.5, None), v[i], length=3)[0])


def program(seed: int, length: int = 14) -> tuple[Program, list[fl.Array]]:
    rng = np.random.default_rng(seed)
    shapes = [SHAPES[int(i)] for i in rng.choice(len(SHAPES), 3)] + [(4, 6), (6,)]
    inputs = [fl.asarray(rng.normal(size=s).astype(np.float32)) for s in shapes]
    return Program(rng, shapes, length), inputs


def assert_same(found: Any, expected: Any) -> None:
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        x, y = np.asarray(a), np.asarray(b)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y, err_msg=f"result {i}")
        np.testing.assert_array_equal(np.signbit(x[x == 0]), np.signbit(y[y == 0]), err_msg=f"result {i}")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_has_the_bits_of_the_calls(seed: int) -> None:
    f, inputs = program(seed)
    planned = fl.jit(lambda *a: tuple(f(*a)))
    for _ in range(2):
        assert_same(planned(*inputs), f(*inputs))
    given = fl.jit(lambda *a: tuple(f(*a)), donate=tuple(range(len(inputs))))
    assert_same(given(*(fl.asarray(np.array(x)) + 0.0 for x in inputs)), f(*(x + 0.0 for x in inputs)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planned_derivative_has_the_bits_of_the_derivative(seed: int) -> None:
    f, inputs = program(seed, 10)
    places = tuple(range(len(inputs)))
    value, gradients = fl.value_and_grad(f.scalar, argnums=places)(*inputs)
    planned = fl.jit(lambda *a: fl.value_and_grad(f.scalar, argnums=places)(*a))(*inputs)
    assert_same([planned[0], *planned[1]], [value, *gradients])
    again = fl.value_and_grad(fl.checkpoint(f.scalar), argnums=places)(*inputs)
    assert_same([again[0]], [value])
    for a, b in zip(again[1], gradients, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scan_has_the_bits_of_the_loop(seed: int) -> None:
    f, inputs = program(seed, 8)
    rows = fl.asarray(np.random.default_rng(seed + 1000).normal(size=(3, 6)).astype(np.float32))

    def body(carry: Any, row: Any) -> Any:
        made = f(*carry[:-1], carry[-1] + row)
        total = sum((fl.tanh(y).mean() for y in made), start=fl.asarray(0.0, dtype="float32"))
        changed = [fl.tanh(x * 0.5 + total) for x in carry]
        for i in range(1, len(carry)):  # a carry may also become another
            if carry[i].shape == carry[0].shape:
                changed[0], changed[i] = (carry[i], changed[0]) if seed % 2 else (changed[i], changed[0])
        return changed, (total, made[0])

    def loop(*carry: Any) -> list[Any]:
        kept: Any = list(carry)
        gathered = []
        for i in range(3):
            kept, y = body(kept, rows[i])
            gathered.append(y)
        return [*kept, np.stack([y[0] for y in gathered]), np.stack([y[1] for y in gathered])]

    def scanned(*carry: Any) -> list[Any]:
        kept, (totals, made) = fl.scan(body, list(carry), rows)
        return [*kept, totals, made]

    expected = loop(*inputs)
    assert_same(scanned(*inputs), expected)
    assert_same(fl.jit(lambda *a: tuple(scanned(*a)))(*inputs), expected)
    given = fl.jit(lambda *a: tuple(scanned(*a)), donate=tuple(range(len(inputs))))
    assert_same(given(*(fl.asarray(np.array(x)) + 0.0 for x in inputs)), expected)

    def total(*carry: Any) -> Any:
        return sum((fl.sin(y).sum() for y in scanned(*carry)), start=fl.asarray(0.0, dtype="float32"))

    gradient = fl.grad(total, argnums=tuple(range(len(inputs))))
    assert_same(fl.jit(lambda *a: gradient(*a))(*inputs), gradient(*inputs))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_is_a_loop_over_its_examples(seed: int) -> None:
    f, inputs = program(seed, 10)
    rng = np.random.default_rng(seed + 2000)
    mapped = [True, *(bool(rng.random() < 0.6) for _ in inputs[1:])]
    given = [
        fl.asarray(rng.normal(size=(3, *x.shape)).astype(np.float32)) if many else x
        for x, many in zip(inputs, mapped, strict=True)
    ]
    at_once = fl.vmap(lambda *a: tuple(f(*a)), in_axes=tuple(0 if many else None for many in mapped))
    each = [f(*(x[i] if many else x for x, many in zip(given, mapped, strict=True))) for i in range(3)]
    expected = [np.stack([np.asarray(y) for y in column]) for column in zip(*each, strict=True)]
    planned = fl.jit(at_once)(*given)
    for found, same, wanted in zip(at_once(*given), planned, expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=2e-4, atol=2e-4)
        np.testing.assert_array_equal(np.asarray(same), np.asarray(found))
