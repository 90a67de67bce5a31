"""Who trains?  fallline and its peers: each starts from the same weights and goes through the same batches in order.

A trainer's ``train(steps)`` begins anew and returns the seconds and the mean loss of that many steps.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fallline import get_num_threads, optim, train
from fallline._bench._networks import Net

Train = Callable[[int], tuple[float, float]]


def fallline(net: Net, x: np.ndarray, y: np.ndarray, **options: Any) -> Train:
    """Train by `fit`, a whole epoch, tracing and planning included."""
    start = net.weights()
    model = net.model()
    settings = {"shuffle": False, "progress": False} | options

    def run(steps: int) -> tuple[float, float]:
        for parameter, value in zip(model.parameters().values(), start, strict=True):
            np.asarray(parameter)[...] = value
        rule = optim.Adam(net.lr) if net.optimizer == "adam" else optim.SGD(net.lr)
        n = steps * net.batch
        begin = time.perf_counter()
        history = train.fit(model, x[:n], y[:n], loss=net.loss, optimizer=rule, batch_size=net.batch, **settings)
        return time.perf_counter() - begin, float(history["loss"][-1])

    return run


def numpy(net: Net, x: np.ndarray, y: np.ndarray) -> Train:
    """Train with the step that one writes by hand in NumPy: dense layers, relu or tanh."""

    def run(steps: int) -> tuple[float, float]:
        weights, total = net.weights(), 0.0
        m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
        begin = time.perf_counter()
        for t in range(steps):
            part = slice(t * net.batch, (t + 1) * net.batch)
            value, grads = _by_hand(net, weights, x[part], y[part])
            total += value
            for i, g in enumerate(grads):
                if net.optimizer == "sgd":
                    weights[i] -= net.lr * g
                    continue
                m[i] += 0.1 * (g - m[i])
                v[i] += 0.001 * (g * g - v[i])
                root = np.sqrt(v[i] / (1 - 0.999 ** (t + 1))) + 1e-8
                weights[i] -= net.lr / (1 - 0.9 ** (t + 1)) * m[i] / root
        return time.perf_counter() - begin, total / steps

    return run


def _by_hand(net: Net, weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[float, list[np.ndarray]]:
    hyperbolic = ("tanh",) in net.layers
    last = len(weights) // 2 - 1
    seen = [x]
    for i in range(last + 1):
        z = seen[-1] @ weights[2 * i].T + weights[2 * i + 1]
        seen.append(z if i == last else np.tanh(z) if hyperbolic else np.maximum(z, 0))
    out, rows = seen[-1], np.arange(net.batch)
    if net.loss == "mse":
        error = out - y
        value, g = float(np.mean(error * error)), 2 * error / error.size
    else:
        shifted = out - out.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(axis=1, keepdims=True)
        value = float(np.mean(np.log(total[:, 0]) - shifted[rows, y]))
        g = p / total
        g[rows, y] -= 1
        g /= net.batch
    grads: list[np.ndarray] = [out] * len(weights)
    for i in range(last, -1, -1):
        grads[2 * i], grads[2 * i + 1] = g.T @ seen[i], g.sum(axis=0)
        if i:
            g = g @ weights[2 * i]
            g = g * (1 - seen[i] * seen[i]) if hyperbolic else g * (seen[i] > 0)
    return value, grads


def sklearn(net: Net, x: np.ndarray, y: np.ndarray) -> Train:
    """Train scikit-learn's MLP for one epoch in order; it begins from its own weights."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    hidden = tuple(layer[2] for layer in net.layers if layer[0] == "linear")[:-1]
    options: dict[str, Any] = {"activation": "tanh" if ("tanh",) in net.layers else "relu", "alpha": 0.0}
    options |= {"solver": net.optimizer, "learning_rate_init": net.lr, "momentum": 0.0, "nesterovs_momentum": False}
    options |= {"batch_size": net.batch, "max_iter": 1, "shuffle": False, "random_state": 0}

    def run(steps: int) -> tuple[float, float]:
        n = steps * net.batch
        model = (MLPRegressor if net.loss == "mse" else MLPClassifier)(hidden_layer_sizes=hidden, **options)
        target = y[:n, 0] if net.loss == "mse" else y[:n]
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x[:n], target)
        return time.perf_counter() - begin, float("nan")

    return run


def torch(net: Net, x: np.ndarray, y: np.ndarray, *, compiled: bool = False) -> Train:
    """Train with PyTorch, the optimizer fused: eager, or forward and backward through torch.compile."""
    import torch as pt

    pt.set_num_threads(get_num_threads())
    model = _torch_model(net)
    start = [pt.tensor(w) for w in net.weights()]
    tx, ty = pt.from_numpy(x), pt.from_numpy(y)
    measure = pt.nn.functional.mse_loss if net.loss == "mse" else pt.nn.functional.cross_entropy

    def value(bx: Any, by: Any) -> Any:
        return measure(model(bx), by)

    if compiled:
        pt._dynamo.reset()  # else it gives up after a few nets that it takes for one function
    loss_of = pt.compile(value) if compiled else value
    rule = pt.optim.Adam if net.optimizer == "adam" else pt.optim.SGD

    def run(steps: int) -> tuple[float, float]:
        with pt.no_grad():
            for parameter, first in zip(model.parameters(), start, strict=True):
                parameter.copy_(first)
        opt = rule(list(model.parameters()), lr=net.lr, fused=True)
        total = 0.0
        begin = time.perf_counter()
        for i in range(0, steps * net.batch, net.batch):
            opt.zero_grad(set_to_none=True)
            loss = loss_of(tx[i : i + net.batch], ty[i : i + net.batch])
            loss.backward()
            opt.step()
            total += loss.detach().item()
        return time.perf_counter() - begin, total / steps

    return run


def _torch_model(net: Net) -> Any:
    import torch as pt

    make = {
        "linear": pt.nn.Linear,
        "conv": lambda i, o, k, p: pt.nn.Conv2d(i, o, k, padding=p),
        "relu": pt.nn.ReLU,
        "tanh": pt.nn.Tanh,
        "pool": lambda: pt.nn.MaxPool2d(2),
        "flatten": pt.nn.Flatten,
    }
    return pt.nn.Sequential(*(make[kind](*sizes) for kind, *sizes in net.layers))


def _jax_step(net: Net) -> tuple[Callable[..., Any], Any]:
    import jax
    import jax.numpy as jnp
    import optax

    rule = optax.adam(net.lr) if net.optimizer == "adam" else optax.sgd(net.lr)

    def forward(weights: Any, x: Any) -> Any:
        left = iter(weights)
        for kind, *sizes in net.layers:
            if kind == "linear":
                x = x @ next(left).T + next(left)
            elif kind == "conv":
                pad = [(sizes[3], sizes[3])] * 2
                x = jax.lax.conv_general_dilated(x, next(left), (1, 1), pad) + next(left)[:, None, None]
            elif kind == "pool":
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            elif kind == "flatten":
                x = x.reshape(len(x), -1)
            else:
                x = jnp.tanh(x) if kind == "tanh" else jnp.maximum(x, 0)
        return x

    def loss(weights: Any, x: Any, y: Any) -> Any:
        out = forward(weights, x)
        if net.loss == "mse":
            return jnp.mean((out - y) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(out, y).mean()

    def step(carry: Any, batch: Any) -> Any:
        weights, state = carry
        value, grads = jax.value_and_grad(loss)(weights, *batch)
        updates, state = rule.update(grads, state)
        return (optax.apply_updates(weights, updates), state), value

    return step, rule.init


def jax(net: Net, x: np.ndarray, y: np.ndarray) -> Train:
    """Train with JAX, one step under jit that may reuse its arguments, called from Python."""
    import jax as jx

    step, init = _jax_step(net)
    compiled = jx.jit(step, donate_argnums=0)

    def run(steps: int) -> tuple[float, float]:
        carry = jx.block_until_ready(_jax_start(net, init))
        values = []
        begin = time.perf_counter()
        for i in range(0, steps * net.batch, net.batch):
            carry, value = compiled(carry, (x[i : i + net.batch], y[i : i + net.batch]))
            values.append(value)
        jx.block_until_ready(carry)
        seconds = time.perf_counter() - begin
        return seconds, float(np.mean([float(v) for v in values]))

    return run


def jax_scan(net: Net, x: np.ndarray, y: np.ndarray) -> Train:
    """Train with JAX, the whole epoch as one scan under jit."""
    import jax as jx

    step, init = _jax_step(net)
    compiled = jx.jit(lambda carry, xs: jx.lax.scan(step, carry, xs))
    batches: dict[int, Any] = {}

    def run(steps: int) -> tuple[float, float]:
        if steps not in batches:
            n = steps * net.batch
            shaped = [a[:n].reshape(steps, net.batch, *a.shape[1:]) for a in (x, y)]
            batches[steps] = tuple(jx.numpy.asarray(a) for a in shaped)
            jx.block_until_ready(compiled(_jax_start(net, init), batches[steps]))
        carry = jx.block_until_ready(_jax_start(net, init))
        begin = time.perf_counter()
        _, values = jx.block_until_ready(compiled(carry, batches[steps]))
        return time.perf_counter() - begin, float(np.mean(values))

    return run


def _jax_start(net: Net, init: Any) -> Any:
    import jax.numpy as jnp

    weights = [jnp.asarray(w) for w in net.weights()]
    return weights, init(weights)


def mlx(net: Net, x: np.ndarray, y: np.ndarray) -> Train:
    """Train dense layers with MLX: the step and the update compiled, called from Python."""
    import mlx.core as mx
    from mlx import nn, optimizers

    starts = {str(i): mx.array(w) for i, w in enumerate(net.weights())}
    mx_x, mx_y = mx.array(x), mx.array(y)
    measure = nn.losses.mse_loss if net.loss == "mse" else nn.losses.cross_entropy
    hyperbolic = ("tanh",) in net.layers

    def loss(weights: dict[str, Any], bx: Any, by: Any) -> Any:
        for i in range(0, len(weights), 2):
            if i:
                bx = mx.tanh(bx) if hyperbolic else mx.maximum(bx, 0)
            bx = mx.addmm(weights[str(i + 1)], bx, weights[str(i)].T)
        return measure(bx, by, reduction="mean")

    rule = optimizers.Adam(net.lr, bias_correction=True) if net.optimizer == "adam" else optimizers.SGD(net.lr)
    rule.init(starts)
    fresh = rule.state

    def step(weights: Any, state: Any, bx: Any, by: Any) -> Any:
        value, grads = mx.value_and_grad(loss)(weights, bx, by)
        rule.state = state
        return value, rule.apply_gradients(grads, weights), rule.state

    compiled = mx.compile(step)

    def run(steps: int) -> tuple[float, float]:
        weights, state, total = starts, fresh, 0.0
        begin = time.perf_counter()
        for i in range(0, steps * net.batch, net.batch):
            value, weights, state = compiled(weights, state, mx_x[i : i + net.batch], mx_y[i : i + net.batch])
            mx.eval(value, weights, state)
            total += value.item()
        return time.perf_counter() - begin, total / steps

    return run
