"""Deep networks: every derivative against differences (R7), training of many layers (R12), one sample alone (R112)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "gelu": nn.GELU, "softplus": nn.Softplus}


def perceptron(widths: list[int], activation: Callable[[], nn.Module], dtype: str = "float32", seed: int = 0) -> Any:
    rng = fl.random.default_rng(seed)
    layers: list[nn.Module] = []
    for n, m in itertools.pairwise(widths):
        layers += [nn.Linear(n, m, rng=rng, dtype=dtype), activation()]
    return nn.Sequential(*layers[:-1])


def differences(model: nn.Module, loss: Callable[[], float], eps: float = 1e-5) -> dict[str, np.ndarray]:
    """Return central differences of fourth order, element by element."""
    found = {}
    for path, parameter in model.parameters().items():
        w = np.asarray(parameter)
        slopes = np.zeros_like(w)
        for at in np.ndindex(w.shape):
            here, values = w[at], {}
            for step in (-2, -1, 1, 2):
                w[at] = here + step * eps
                values[step] = loss()
            w[at] = here
            slopes[at] = (values[-2] - 8 * values[-1] + 8 * values[1] - values[2]) / (12 * eps)
        found[path] = slopes
    return found


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_gradient_of_every_parameter_of_seven_layers_is_that_of_differences(name: str, loss: str) -> None:
    rng = np.random.default_rng(1)
    model = perceptron([5, 6, 5, 6, 5, 6, 5, 3], ACTIVATIONS[name], "float64")
    for path, parameter in model.parameters().items():
        if path.endswith("bias"):
            np.asarray(parameter)[...] = rng.normal(0, 0.1, parameter.shape)
    x = rng.normal(size=(8, 5))
    y = rng.integers(0, 3, 8) if loss == "cross_entropy" else rng.normal(size=(8, 3))
    f = nn.losses.get(loss)
    gradient = fl.grad(lambda m: f(m(x), y))(model)
    wanted = differences(model, lambda: float(f(model(x), y)))
    assert len(gradient) == 14
    worst = {path: float(np.abs(np.asarray(gradient[path]) - wanted[path]).max()) for path in wanted}
    assert max(worst.values()) <= 1e-6, worst
    assert min(float(np.abs(slopes).max()) for slopes in wanted.values()) > 1e-4  # all of them matter


@pytest.mark.parametrize("depth", [2, 5, 10])
def test_networks_of_many_layers_learn(depth: int) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (1200, 2)).astype(np.float32)
    y = ((x**2).sum(1) < 0.6).astype(np.int64)  # inside of a circle: no single layer can tell
    model = perceptron([2, *[24] * depth, 2], nn.ReLU)
    assert len(model.parameters()) == 2 * (depth + 1)
    before = {path: np.array(a) for path, a in model.parameters().items()}
    fl.fit(model, x[:1000], y[:1000], loss="cross_entropy", optimizer=fl.optim.Adam(3e-3), epochs=40, progress=False)
    assert fl.evaluate(model, x[1000:], y[1000:], loss="cross_entropy", metrics=["accuracy"])["accuracy"] > 0.93
    assert all((np.asarray(a) != before[path]).mean() > 0.5 for path, a in model.parameters().items())
    line = perceptron([2, 2], nn.ReLU)
    fl.fit(line, x[:1000], y[:1000], loss="cross_entropy", optimizer=fl.optim.Adam(3e-3), epochs=40, progress=False)
    assert fl.evaluate(line, x[1000:], y[1000:], loss="cross_entropy", metrics=["accuracy"])["accuracy"] < 0.7


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: perceptron([7, 33, 16, 4], nn.Tanh), (7,)),
    "with normalisation": (
        lambda: nn.Sequential(nn.Linear(7, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3)),
        (7,),
    ),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 3)
        ),
        (2, 8, 8),
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_sample_alone_has_the_output_that_it_has_in_a_batch(name: str) -> None:
    make, shape = NETS[name]
    fl.random.seed(3)
    model, rng = make(), np.random.default_rng(4)
    x = rng.normal(size=(40, *shape)).astype(np.float32)
    fl.fit(model, x, rng.normal(size=np.asarray(fl.predict(model, x)).shape), loss="mse", epochs=2, progress=False)
    whole = np.asarray(fl.predict(model, x))
    alone = np.concatenate([np.asarray(fl.predict(model, x[i : i + 1])) for i in range(len(x))])
    np.testing.assert_array_equal(alone, whole)
    others = x.copy()
    others[1:] = 100 * rng.normal(size=others[1:].shape)
    np.testing.assert_array_equal(np.asarray(fl.predict(model, others))[0], whole[0])  # whoever else is in the batch
    for batch in (1, 7, 40):
        np.testing.assert_array_equal(np.asarray(fl.predict(model, x, batch_size=batch)), whole)
    model.eval()
    np.testing.assert_allclose(np.asarray(model(x[:1])), whole[:1], rtol=0, atol=2e-6)


# What layers are made of


def test_layers_draw_glorots_uniform_weights_and_zero_biases_by_default() -> None:
    """R116 and R118: not the functions alone, but what a layer uses when nothing is said."""
    layers: list[tuple[Callable[[Any], nn.Module], int]] = [
        (lambda rng: nn.Linear(300, 100, rng=rng), 400),
        (lambda rng: nn.Linear(100, 300, rng=rng), 400),
        (lambda rng: nn.Conv2d(24, 16, 3, rng=rng), (24 + 16) * 9),
        (lambda rng: nn.Conv2d(24, 16, (3, 5), groups=2, rng=rng), (12 + 16) * 15),
    ]
    for make, fans in layers:
        layer: Any = make(fl.random.default_rng(5))
        weight, limit = np.asarray(layer.weight), (6 / fans) ** 0.5
        assert not np.asarray(layer.bias).any()
        assert np.abs(weight).max() <= limit
        assert np.abs(weight).max() > 0.995 * limit
        assert weight.std() == pytest.approx(limit / 3**0.5, rel=0.03)
        assert abs(weight.mean()) < 0.03 * limit
        same = nn.init.glorot_uniform(weight.shape, rng=fl.random.default_rng(5))
        np.testing.assert_array_equal(weight, np.asarray(same))
