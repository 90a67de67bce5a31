"""Rules in Python: Optax's and PyTorch's numbers, one state, one formula for plain and recorded arrays, in fit too."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim

RULES: dict[str, Callable[..., optim.TensorRule]] = {
    name: getattr(optim, name)
    for name in (
        *("LARS", "LAMB", "NovoGrad", "Adafactor", "SM3"),
        *("MADGRAD", "Muon", "Prodigy", "SWATS", "Shampoo", "SOAP"),
    )
}
# What brings a parabola down in 1500 steps.
LR = {
    "Shampoo": 1.0,
    "LARS": 10.0,
    "SM3": 0.5,
    "Prodigy": 1.0,
    "MADGRAD": 0.05,
    "NovoGrad": 1e-2,
}


def tree(seed: int, dtype: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    w, a, b = (rng.normal(size=shape).astype(dtype) for shape in ((5, 4), 3, (2, 3, 2)))
    return {"w": w, "c": [a, b]}


def start(dtype: Any = np.float64) -> dict[str, Any]:
    return tree(0, dtype)


def grads(seed: int, dtype: Any = np.float64) -> dict[str, Any]:
    return tree(seed + 50, dtype)


DECAY = {"lr": 0.1, "weight_decay": 0.2, "betas": (0.5, 0.9)}
THEIRS = {"learning_rate": 0.1, "weight_decay": 0.2, "b1": 0.5, "b2": 0.9}
NESTEROV = {"lr": 0.1, "nesterov": True, "l2": 0.1, "momentum": 0.5}
OPTAX: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("LARS", {"lr": 0.1, "trust_coefficient": 0.01}, lambda o: o.lars(0.1, trust_coefficient=0.01)),
    (
        "LARS",
        {"lr": 0.1, "nesterov": True, "l2": 0.1, "momentum": 0.5},
        lambda o: o.lars(0.1, weight_decay=0.1, momentum=0.5, nesterov=True),
    ),
    ("LAMB", {"lr": 0.1}, lambda o: o.lamb(0.1)),
    (
        "LAMB",
        {"lr": 0.1, "weight_decay": 0.2, "betas": (0.5, 0.9)},
        lambda o: o.lamb(0.1, b1=0.5, b2=0.9, weight_decay=0.2),
    ),
    ("NovoGrad", {"lr": 0.1}, lambda o: o.novograd(0.1)),
    (
        "NovoGrad",
        {"lr": 0.1, "weight_decay": 0.2, "betas": (0.5, 0.9)},
        lambda o: o.novograd(0.1, b1=0.5, b2=0.9, weight_decay=0.2),
    ),
    ("SM3", {"lr": 0.1}, lambda o: o.sm3(0.1)),
    ("Prodigy", {"d0": 1e-3, "bias_correction": True}, lambda o: o.contrib.prodigy(estim_lr0=1e-3)),
]


@pytest.mark.parametrize("name, options, theirs", OPTAX, ids=lambda v: v if isinstance(v, str) else "")
def test_200_steps_are_optaxs(name: str, options: dict[str, Any], theirs: Callable[[Any], Any]) -> None:
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)
    other, mine = theirs(optax), RULES[name](**options)
    params = start()
    twin = jax.tree.map(jax.numpy.asarray, copy.deepcopy(params))
    state = other.init(twin)
    step = jax.jit(lambda g, s, p: (lambda u, s: (optax.apply_updates(p, u), s))(*other.update(g, s, p)))
    for seed in range(200):
        mine.step(params, grads(seed))
        twin, state = step(grads(seed), state, twin)
    for a, b in zip([params["w"], *params["c"]], [twin["w"], *twin["c"]], strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-10, atol=1e-12)


TORCH: list[tuple[str, dict[str, Any], dict[str, Any], float]] = [
    ("Adafactor", {"eps1": 2.220446049250313e-16}, {}, 1e-10),
    (
        "Adafactor",
        {"lr": 0.3, "eps1": 1e-6, "clip": 2.0, "weight_decay": 0.1},
        {"lr": 0.3, "eps": (1e-6, 1e-3), "d": 2.0, "weight_decay": 0.1},
        1e-10,
    ),
    ("Muon", {"lr": 0.1}, {"lr": 0.1}, 1e-10),
    (
        "Muon",
        {"lr": 0.1, "nesterov": False, "match_rms": True},
        {"lr": 0.1, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"},
        1e-10,
    ),
]


@pytest.mark.parametrize("name, mine, theirs, near", TORCH)
def test_20_steps_are_pytorchs(
    name: str, mine: dict[str, Any], theirs: dict[str, Any], near: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    # Muon would iterate in bfloat16, whose two digits hide a wrong rule.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    w = start()["w"]
    tensor = torch.tensor(w.copy(), requires_grad=True)
    opt, other = RULES[name](**mine), getattr(torch.optim, name)([tensor], **theirs)
    for seed in range(20):
        opt.step(w, grads(seed)["w"])
        tensor.grad = torch.tensor(grads(seed)["w"])
        other.step()
    np.testing.assert_allclose(w, tensor.detach().numpy(), rtol=near, atol=near)


@pytest.mark.parametrize("name", RULES)
def test_a_parabola_is_minimised(name: str) -> None:
    w, curvature = np.array([[3.0, -2.0], [1.0, 4.0]]), np.array([[1.0, 10.0], [3.0, 2.0]])
    opt = RULES[name](lr=optim.schedules.cosine(LR.get(name, 0.1), 1500))
    if name == "Muon":
        opt.set_hyperparameters(weight_decay=0.0)
    for _ in range(1500):
        opt.step(w, curvature * w)
    w = opt.averaged(w)
    assert (curvature * w * w).sum() < 1e-2


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_update_is_pure_and_equals_step(name: str, dtype: Any) -> None:
    opt, params = RULES[name](), start(dtype)
    pure, state = copy.deepcopy(params), None
    for seed in range(4):
        g = grads(seed, dtype)
        state = state or opt.init(pure)
        kept = copy.deepcopy((pure, state, g))
        new, new_state = opt.update(g, state, pure)
        np.testing.assert_equal((pure, state, g), kept)
        pure, state = new, new_state
    other = RULES[name]()
    for seed in range(4):
        other.step(params, grads(seed, dtype))
    np.testing.assert_equal(pure, params)
    for slots in other.state.values():
        assert {n: a.dtype for n, a in slots.items()} == {n: np.float64 if n in other.wide else dtype for n in slots}
    assert other.memory_bytes(params) == other.memory_bytes()


@pytest.mark.parametrize("name", RULES)
def test_a_saved_run_goes_on_with_the_same_bits(name: str) -> None:
    whole, parts = start(), start()
    first, second, third = RULES[name](), RULES[name](), RULES[name](lr=0.5)
    for seed in range(8):
        first.step(whole, grads(seed))
    for seed in range(4):
        second.step(parts, grads(seed))
    third.load_state_dict(second.state_dict())
    for seed in range(4, 8):
        third.step(parts, grads(seed))
    assert third.t == 8
    np.testing.assert_equal(parts, whole)
    with pytest.raises(ValueError, match="belongs to the rule"):
        third.load_state_dict({**second.state_dict(), "rule": "adam"})


@pytest.mark.parametrize("name", ["LARS", "LAMB", "NovoGrad", "MADGRAD"])
def test_the_slope_by_the_learning_rate_is_right(name: str) -> None:
    def loss(lr: Any) -> Any:
        opt = RULES[name](lr=lr)
        w = fl.asarray(np.array([[1.0, -2.0], [0.5, 3.0]]))
        state = opt.init(w)
        for _ in range(5):
            w, state = opt.update(w * np.array([[1.0, 2.0], [3.0, 0.5]]), state, w)
        return (w * w).sum()

    slope = float(fl.grad(loss)(fl.asarray(np.array(0.05))))
    step = 1e-6
    expected = (float(loss(0.05 + step)) - float(loss(0.05 - step))) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_fit_takes_it_and_goes_on_where_it_was(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 4)).astype(np.float32)
    y = (x[:, 0] * 2 - x[:, 1]).astype(np.float32)

    def model() -> fl.nn.Module:
        rng = fl.random.default_rng(1)
        return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.Tanh(), fl.nn.Linear(8, 1, rng=rng))

    once, twice = model(), model()
    a, b = RULES[name](), RULES[name]()
    history = fl.fit(once, x, y, loss="mse", optimizer=a, epochs=4, batch_size=16, progress=False)
    for _ in range(2):
        fl.fit(twice, x, y, loss="mse", optimizer=b, epochs=2, batch_size=16, progress=False)
    assert a.t == b.t == 20
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["grad_norm"]).all()
    for path, array in once.parameters().items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(twice.parameters()[path]))


def test_a_rule_of_ones_own_equals_its_native_twin_in_fit() -> None:
    class Own(optim.TensorRule):
        hypers = (("lr", 1e-2, "nonnegative"), ("momentum", 0.9, "unit"))

        def slots(self, shape: Any) -> Any:
            return {"v": shape}

        def formula(self, h: Any, t: int, g: Any, w: Any, s: Any) -> Any:
            v = h["momentum"] * s["v"] + g
            return w - h["lr"] * v, {"v": v}

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)).astype(np.float32), rng.integers(0, 3, 40)
    models = []
    for opt in (Own(), optim.Momentum(1e-2)):
        models.append(fl.nn.Linear(4, 3, rng=fl.random.default_rng(1)))
        fl.fit(
            models[-1],
            x,
            y,
            loss="cross_entropy",
            optimizer=opt,
            epochs=3,
            batch_size=16,
            clip_global_norm=0.5,
            progress=False,
        )
    for path, array in models[0].parameters().items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(models[1].parameters()[path]))


def test_what_does_not_fit_is_told_and_changes_nothing() -> None:
    w = np.ones((2, 2))
    opt = optim.LAMB()
    with pytest.raises(fl.ShapeError, match="its gradient"):
        opt.step(w, np.ones(2))
    with pytest.raises(TypeError, match="there is no hyper-parameter 'momentum'"):
        optim.LAMB(momentum=0.9)
    with pytest.raises(ValueError, match="lr must be"):
        optim.LAMB(lr=-1)
    opt.step({"a": w}, {"a": w})
    with pytest.raises(ValueError, match="belongs to other parameters"):
        opt.step({"b": w}, {"b": w})
    assert opt.t == 1


def test_shampoo_whitens_from_both_sides() -> None:
    rng = np.random.default_rng(0)
    w, opt = np.zeros((4, 3)), optim.Shampoo(0.1, momentum=0.5)
    left, right, u, twin = 1e-6 * np.eye(4), 1e-6 * np.eye(3), np.zeros((4, 3)), np.zeros((4, 3))

    def root(a: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(a)
        return np.asarray(vectors @ np.diag(values**-0.25) @ vectors.T)

    for _ in range(20):
        g = rng.normal(size=(4, 3))
        opt.step(w, g)
        left, right = left + g @ g.T, right + g.T @ g
        u = 0.5 * u + root(left) @ g @ root(right)
        twin = twin - 0.1 * u
        np.testing.assert_allclose(w, twin, rtol=1e-9)
    assert opt.routes({"k": np.zeros((4, 3, 2, 2)), "b": np.zeros(3)}) == {"k": "matrix", "b": "diagonal"}


def test_soap_is_adam_in_the_eigenbasis() -> None:
    rng = np.random.default_rng(0)
    w, opt = np.zeros((4, 3)), optim.SOAP(0.1, weight_decay=0.0, frequency=1e6)
    first = rng.normal(size=(4, 3))
    opt.step(w, first)
    np.testing.assert_array_equal(w, 0)
    ql, qr = opt.state[""]["left_basis"], opt.state[""]["right_basis"]
    np.testing.assert_allclose(ql @ np.diag(np.diag(ql.T @ first @ first.T @ ql)) @ ql.T, first @ first.T, atol=1e-12)
    rotated, adam = np.zeros((4, 3)), optim.Adam(0.1, betas=(0.95, 0.95), eps_hat=True)
    for _ in range(20):
        g = rng.normal(size=(4, 3))
        opt.step(w, g)
        adam.step(rotated, ql.T @ g @ qr)  # the same in coordinates of the basis, which stays
        np.testing.assert_allclose(w, ql @ rotated @ qr.T, rtol=1e-9, atol=1e-12)


def test_soap_is_pytorch_optimizers() -> None:
    """To the float32 in which it brings the bases up to date; before that, to the last bits."""
    torch, other = pytest.importorskip("torch"), pytest.importorskip("pytorch_optimizer")
    rng = np.random.default_rng(0)
    w = rng.normal(size=(5, 5))  # square, so that the first gradient leaves no direction out
    tensor = torch.tensor(w.copy(), requires_grad=True)
    opt = optim.SOAP(1e-2, betas=(0.8, 0.9), eps=1e-3, frequency=3)
    theirs = other.SOAP([tensor], lr=1e-2, betas=(0.8, 0.9), eps=1e-3, weight_decay=1e-2, precondition_frequency=3)
    for t in range(40):
        g = rng.normal(size=(5, 5))
        opt.step(w, g)
        tensor.grad = torch.tensor(g)
        theirs.step()
        np.testing.assert_allclose(w, tensor.detach().numpy(), rtol=0, atol=1e-15 if t < 4 else 1e-6)
