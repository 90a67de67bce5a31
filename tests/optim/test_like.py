"""`like` gives other libraries' numbers: Optax by running it, Keras, MLX and the lecture notes by their formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fallline import optim
from fallline.optim._like import LIKE

Step = Callable[[np.ndarray, np.ndarray, dict[str, Any], int], np.ndarray]
sqrt = np.sqrt


def keras_momentum(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["m"] = 0.9 * s.get("m", 0) - 0.01 * g
    return w + s["m"]


def keras_nesterov(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["m"] = 0.9 * s.get("m", 0) - 0.01 * g
    return w + 0.9 * s["m"] - 0.01 * g


def keras_adagrad(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["v"] = s.get("v", 0.1) + g * g
    return w - 1e-3 * g / sqrt(s["v"] + 1e-7)


def keras_rmsprop(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    s["u"] = 0.5 * s.get("u", 0) + 1e-3 * g / sqrt(s["v"] + 1e-7)
    return w - s["u"]


def moments(g: Any, s: dict[str, Any]) -> tuple[Any, Any]:
    s["m"], s["v"] = 0.9 * s.get("m", 0) + 0.1 * g, 0.999 * s.get("v", 0) + 0.001 * g * g
    return s["m"], s["v"]


def keras_adam(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, v = moments(g, s)
    return w - 1e-3 * sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (sqrt(v) + 1e-7)


def keras_adamw(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    return keras_adam(w - 1e-3 * 4e-3 * w, g, s, t)


def keras_adamax(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["m"], s["u"] = 0.9 * s.get("m", 0) + 0.1 * g, np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return w - 1e-3 / (1 - 0.9**t) * s["m"] / (s["u"] + 1e-7)


def keras_adadelta(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["v"] = 0.95 * s.get("v", 0) + 0.05 * g * g
    d = sqrt(s.get("u", 0) + 1e-7) / sqrt(s["v"] + 1e-7) * g
    s["u"] = 0.95 * s.get("u", 0) + 0.05 * d * d
    return w - 1e-3 * d


def keras_lion(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m = s.get("m", 0)
    s["m"] = 0.99 * m + 0.01 * g
    return w - 1e-3 * np.sign(0.9 * m + 0.1 * g)


def mlx_momentum(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["v"] = 0.9 * s.get("v", 0) + (1 - 0.5) * g
    return w - 1e-3 * s["v"]


def mlx_adam(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, v = moments(g, s)
    return w - 1e-3 * m / (sqrt(v) + 1e-8)


def mlx_adamax(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["m"], s["u"] = 0.9 * s.get("m", 0) + 0.1 * g, np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return w - 2e-3 * s["m"] / (s["u"] + 1e-8)


def source_adagrad(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    before = s.get("v", np.zeros_like(g))
    s["v"] = before + g * g
    return w - 1e-2 * g / sqrt(before + 1e-8)


def source_rmsprop(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    return w - 1e-2 * g / sqrt(s["v"] + 1e-8)


def source_adam(w: Any, g: Any, s: dict[str, Any], t: int) -> Any:
    m, v = moments(g, s)
    return w - 1e-3 * (m / (1 - 0.9**t)) / sqrt(v / (1 - 0.999**t) + 1e-8)


FORMULAS: list[tuple[str, str, dict[str, Any], Step]] = [
    ("keras", "Momentum", {}, keras_momentum),
    ("keras", "Nesterov", {}, keras_nesterov),
    ("keras", "Adagrad", {}, keras_adagrad),
    ("keras", "RMSprop", {"momentum": 0.5}, keras_rmsprop),
    ("keras", "Adam", {}, keras_adam),
    ("keras", "AdamW", {}, keras_adamw),
    ("keras", "Adamax", {}, keras_adamax),
    ("keras", "Adadelta", {}, keras_adadelta),
    ("keras", "Lion", {}, keras_lion),
    ("mlx", "Momentum", {"dampening": 0.5}, mlx_momentum),
    ("mlx", "Adam", {}, mlx_adam),
    ("mlx", "Adamax", {}, mlx_adamax),
    ("source", "Adagrad", {}, source_adagrad),
    ("source", "RMSprop", {}, source_rmsprop),
    ("source", "Adam", {}, source_adam),
]


@pytest.mark.parametrize(("library", "name", "options", "step"), FORMULAS)
def test_200_steps_follow_the_formula(library: str, name: str, options: dict[str, Any], step: Step) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=20)
    twin, state, opt = w.copy(), {}, getattr(optim, name).like(library, **options)
    for t in range(1, 201):
        g = rng.normal(size=20)
        opt.step(w, g)
        twin = step(twin, g, state, t)
    np.testing.assert_allclose(w, twin, rtol=1e-11, atol=1e-13)


OPTAX: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("Momentum", {"lr": 0.1}, lambda o: o.sgd(0.1, momentum=0.9)),
    ("Nesterov", {"lr": 0.1}, lambda o: o.sgd(0.1, momentum=0.9, nesterov=True)),
    ("Adagrad", {"lr": 0.1}, lambda o: o.adagrad(0.1)),
    ("RMSprop", {"lr": 0.1}, lambda o: o.rmsprop(0.1)),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5}, lambda o: o.rmsprop(0.1, momentum=0.5)),
    ("RMSprop", {"lr": 0.1, "centered": True}, lambda o: o.rmsprop(0.1, centered=True)),
    ("Adadelta", {"lr": 0.1}, lambda o: o.adadelta(0.1)),
    ("Adam", {"lr": 0.1}, lambda o: o.adam(0.1)),
    ("AdamW", {"lr": 0.1}, lambda o: o.adamw(0.1)),
    ("Adamax", {"lr": 0.1}, lambda o: o.adamax(0.1)),
    ("NAdam", {"lr": 0.1}, lambda o: o.nadam(0.1)),
    ("RAdam", {"lr": 0.1}, lambda o: o.radam(0.1)),
    ("Lion", {"lr": 0.1}, lambda o: o.lion(0.1)),
]


@pytest.mark.parametrize(("name", "options", "theirs"), OPTAX)
def test_200_steps_are_optaxs(name: str, options: dict[str, Any], theirs: Callable[[Any], Any]) -> None:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    w = rng.normal(size=20)
    other, twin = theirs(optax), jax.numpy.asarray(w.copy())
    state, opt = other.init(twin), getattr(optim, name).like("optax", **options)
    step = jax.jit(lambda g, s, p: (lambda u, s: (optax.apply_updates(p, u), s))(*other.update(g, s, p)))
    for _ in range(200):
        g = rng.normal(size=20)
        opt.step(w, g)
        twin, state = step(g, state, twin)
    np.testing.assert_allclose(w, np.asarray(twin), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "library"), [(name, library) for name, row in LIKE.items() for library in row])
def test_every_row_makes_an_optimizer(name: str, library: str) -> None:
    opt = getattr(optim, name).like(library, lr=0.125)
    assert opt.hyperparameters()["lr"] == 0.125


def test_a_library_without_the_rule_is_told() -> None:
    with pytest.raises(ValueError, match=r"like\('jax'\) is not known; it has torch, keras, optax"):
        optim.Adam.like("jax")
    with pytest.raises(ValueError, match="there is none that has it"):
        optim.QHM.like("torch")
