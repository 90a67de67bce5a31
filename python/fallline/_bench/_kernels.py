"""How long does one operation take, called from Python?  Products, functions, chains of them, and tiny arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

import fallline as fl
from fallline._bench import _openblas
from fallline._bench._measure import (
    Effort,
    Row,
    Runner,
    Wanted,
    in_turns,
    installed,
    microseconds,
    peak,
    repeated,
    sweep,
)

Call = Callable[[], object]
SQUARES = (32, 64, 128, 256, 512, 1024, 2048)
SKINNY = ((32, 784, 512), (32, 512, 10), (128, 784, 512), (32, 64, 64))
FUNCTIONS = ("exp", "log", "tanh", "sigmoid", "erf")
SMALL, LARGE = 4096, 50_000_000


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each case that is wanted by name."""
    for name, build, limit in _cases(effort):
        if wanted(name):
            runners = {who: _runner(call, effort.seconds) for who, call in build().items() if call}
            times = in_turns(runners, effort.rounds)
            yield Row("kernel", name, microseconds(times), None if limit is None else 1e6 * limit())


def _runner(call: Call | _openblas.Product, seconds: float) -> Runner:
    return call.runner(seconds) if isinstance(call, _openblas.Product) else repeated(call, seconds)


Case = tuple[str, Callable[[], Mapping[str, Call | _openblas.Product | None]], Callable[[], float] | None]


def _products(*sizes: int) -> float:
    return 2.0 * prod(sizes) / peak()


def _cases(effort: Effort) -> Iterator[Case]:
    for n in SQUARES if effort.thorough else SQUARES[:-1]:
        yield f"matmul {n}", partial(_matmul, n, n, n, ""), partial(_products, n, n, n)
    for sizes in SKINNY:
        for turned in ("", ", left transposed", ", right transposed"):
            name = f"matmul {'x'.join(map(str, sizes))}{turned}"
            yield name, partial(_matmul, *sizes, turned), partial(_products, *sizes)
    for n in (SMALL, LARGE if effort.thorough else 1_000_000):
        for name in FUNCTIONS:
            yield f"{name} of {n:,}", partial(_function, name, n), partial(sweep, n, 2)
    for n in (10_000, 1_000_000, *((LARGE,) if effort.thorough else ())):
        yield f"gelu(x w + b) g - l tanh(x) of {n:,}", partial(_chain, n), partial(sweep, n, 2)
    for rows, classes in ((128, 10), (4096, 1000)):
        name = f"cross-entropy and gradient ({rows}, {classes})"
        yield name, partial(_cross_entropy, rows, classes), partial(sweep, rows * classes, 2)
    yield "x + y of 10", partial(_add, recorded=False), None
    yield "x + y of 10, recorded", partial(_add, recorded=True), None
    yield "100 operations on 10, forward and backward", partial(_hundred, traced=False), None
    yield "100 operations on 10, forward and backward, traced", partial(_hundred, traced=True), None


def _here() -> tuple[Any, Any]:
    """Return PyTorch and JAX, or None."""
    found: list[Any] = [None, None]
    if installed(["torch"]):
        import torch

        torch.set_num_threads(fl.get_num_threads())
        found[0] = torch
    if installed(["jax"]):
        import jax

        found[1] = jax
    return found[0], found[1]


def _matmul(m: int, k: int, n: int, turned: str) -> dict[str, Call | _openblas.Product | None]:
    torch, jax = _here()
    a, b = _openblas.operands(m, k, n, turned)
    fa, fb = fl.asarray(a), fl.asarray(b)
    calls: dict[str, Call | _openblas.Product | None] = {"fallline": lambda: fa @ fb, "NumPy": lambda: a @ b}
    if _openblas.is_mistaken():
        calls[_openblas.NAME] = _openblas.Product(m, k, n, turned)
    if torch:
        ta, tb = torch.from_numpy(a), torch.from_numpy(b)
        calls["PyTorch"] = lambda: ta @ tb
    if jax:
        turn = "left" in turned, "right" in turned
        product = jax.jit(lambda x, y: (x.T if turn[0] else x) @ (y.T if turn[1] else y))
        ja, jb = jax.numpy.asarray(a.T if turn[0] else a), jax.numpy.asarray(b.T if turn[1] else b)
        calls["JAX jit"] = lambda: product(ja, jb).block_until_ready()
    return calls


def _function(name: str, n: int) -> dict[str, Call | None]:
    torch, jax = _here()
    x = _openblas.numbers(n)
    fx, ours = fl.asarray(x), getattr(fl, name)
    calls: dict[str, Call | None] = {"fallline": lambda: ours(fx), "NumPy": None}
    if hasattr(np, name):
        calls["NumPy"] = lambda: getattr(np, name)(x)
    if torch:
        tx, theirs = torch.from_numpy(x), getattr(torch, name)
        calls["PyTorch"] = lambda: theirs(tx)
    if jax:
        places: dict[str, Any] = {"sigmoid": jax.nn, "erf": jax.scipy.special}
        compiled, jx = jax.jit(getattr(places.get(name, jax.numpy), name)), jax.numpy.asarray(x)
        calls["JAX jit"] = lambda: compiled(jx).block_until_ready()
    return calls


def _chain(n: int) -> dict[str, Call | None]:
    torch, jax = _here()
    x = _openblas.numbers(n)
    w, b, g, h = 1.5, 0.25, 0.75, 0.5

    def chain(x: Any, gelu: Any, tanh: Any) -> Any:
        return gelu(x * w + b) * g - h * tanh(x)

    ours, fx = fl.jit(lambda x: chain(x, fl.gelu, fl.tanh)), fl.asarray(x)
    calls: dict[str, Call | None] = {
        "fallline": lambda: ours(fx),
        "NumPy": lambda: chain(x, lambda z: 0.5 * z * (1 + np.tanh(0.7978846 * (z + 0.044715 * z * z * z))), np.tanh),
    }
    if installed(["numexpr"]):
        import numexpr

        text = "0.75 * 0.5 * z * (1 + tanh(0.7978846 * (z + 0.044715 * z * z * z))) - 0.5 * tanh(x)".replace(
            "z", "(x * 1.5 + 0.25)"
        )
        calls["numexpr"] = lambda: numexpr.evaluate(text, {"x": x})
    if torch:
        tx = torch.from_numpy(x)
        calls["PyTorch"] = lambda: chain(tx, torch.nn.functional.gelu, torch.tanh)
    if jax:
        compiled, jx = jax.jit(lambda x: chain(x, jax.nn.gelu, jax.numpy.tanh)), jax.numpy.asarray(x)
        calls["JAX jit"] = lambda: compiled(jx).block_until_ready()
    return calls


def _cross_entropy(rows: int, classes: int) -> dict[str, Call | None]:
    torch, jax = _here()
    x, labels = _openblas.numbers(rows, classes), np.arange(rows) % classes
    ours, fx, fy = fl.jit(fl.value_and_grad(fl.nn.losses.cross_entropy)), fl.asarray(x), fl.asarray(labels)
    calls: dict[str, Call | None] = {"fallline": lambda: ours(fx, fy)}
    if torch:
        tx, ty = torch.from_numpy(x).requires_grad_(), torch.from_numpy(labels)
        loss = torch.nn.functional.cross_entropy
        calls["PyTorch"] = lambda: torch.autograd.grad(loss(tx, ty), tx)
    if jax and installed(["optax"]):
        import optax

        def mean(x: Any, y: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()

        compiled = jax.jit(jax.value_and_grad(mean))
        jx, jy = jax.numpy.asarray(x), jax.numpy.asarray(labels)
        calls["JAX jit"] = lambda: jax.block_until_ready(compiled(jx, jy))
    return calls


def _add(*, recorded: bool) -> dict[str, Call | None]:
    torch, jax = _here()
    x = _openblas.numbers(10)
    fx, fy = fl.asarray(x, requires_grad=recorded), fl.asarray(x)
    calls: dict[str, Call | None] = {"fallline": lambda: fx + fy, "NumPy": None if recorded else lambda: x + x}
    if torch:
        tx, ty = torch.tensor(x, requires_grad=recorded), torch.tensor(x)
        calls["PyTorch"] = lambda: tx + ty
    if jax and not recorded:
        jx = jax.numpy.asarray(x)
        calls["JAX"] = lambda: jx + jx
    return calls


def _hundred(*, traced: bool) -> dict[str, Call | None]:
    torch, jax = _here()
    x = _openblas.numbers(10)

    def chain(x: Any) -> Any:
        for _ in range(50):
            x = x * 0.5 + 0.25
        return x.sum()

    gradient, fx = fl.jit(fl.grad(chain)) if traced else fl.grad(chain), fl.asarray(x)
    calls: dict[str, Call | None] = {"fallline": lambda: gradient(fx)}
    if torch and not traced:
        tx = torch.tensor(x, requires_grad=True)
        calls["PyTorch"] = lambda: torch.autograd.grad(chain(tx), tx)
    if jax and traced:
        theirs, jx = jax.jit(jax.grad(chain)), jax.numpy.asarray(x)
        calls["JAX jit"] = lambda: theirs(jx).block_until_ready()
    return calls
