"""Constant weights are harmful: all units of a layer stay equal, and fit says so before it begins (R119)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]
IMAGES = rng.normal(size=(8, 2, 6, 6)).astype(np.float32)
WORDS = rng.integers(0, 5, size=(8, 4))

Weights = str | Callable[..., fl.Array]


def dense(first: Weights, last: Weights = "glorot_uniform", **more: Any) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 8, weight_init=first, **more), nn.Tanh(), nn.Linear(8, 1, weight_init=last))


class Last(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(4, 1, weight_init="ones")

    def forward(self, x: Any) -> Any:
        out = self.layer(x)
        return self.head(out[0][:, -1] if isinstance(out, tuple) else out.mean(axis=(2, 3)) if out.ndim == 4 else out)


def filled(layer: nn.Module, value: float = 0.1) -> nn.Module:
    for path, array in layer.named_parameters():
        np.asarray(array)[...] = value if "weight" in path else 0.0
    return Last(layer)


STUCK: dict[str, tuple[Callable[[], nn.Module], np.ndarray, str]] = {
    "constants": (lambda: dense(nn.init.constant(0.5), "ones"), X, r"0 \(Linear\)"),
    "zeros": (lambda: dense("zeros", "zeros"), X, r"0 \(Linear\)"),
    "a convolution": (lambda: filled(nn.Conv2d(2, 4, 3)), IMAGES, r"layer \(Conv2d\)"),
    "a transposed convolution": (lambda: filled(nn.ConvTranspose2d(2, 4, 3)), IMAGES, r"layer \(ConvTranspose2d\)"),
    "gates": (lambda: filled(nn.LSTM(2, 4, batch_first=True)), X.reshape(-1, 3, 1).repeat(2, 2), r"layer \(LSTM\)"),
}
FREE: dict[str, tuple[Callable[[], nn.Module], np.ndarray]] = {
    "random weights": (lambda: dense("glorot_uniform"), X),
    "a last layer of zeros": (lambda: dense("glorot_uniform", "zeros"), X),
    "weights that the next layer tells apart": (lambda: dense(nn.init.constant(0.5)), X),
    "a single unit": (lambda: nn.Linear(3, 1, weight_init="zeros"), X),
    "random biases": (lambda: dense("zeros", "ones", bias_init=nn.init.uniform(0.5)), X),
    "frozen layers": (lambda: dense("ones", "ones").freeze("0.*"), X),
}


@pytest.mark.parametrize(("make", "x", "words"), STUCK.values(), ids=STUCK)
def test_units_that_cannot_part_are_said_and_do_not_part(make: Any, x: np.ndarray, words: str) -> None:
    fl.random.seed(0)
    model = make()
    y = rng.normal(size=(len(x), 1)).astype(np.float32)
    with pytest.warns(UserWarning, match=rf"\[fit\] all units of .*{words}.* start equal.*glorot_uniform") as caught:
        fl.fit(model, x, y, loss="mse", optimizer=fl.optim.Adam(0.01), epochs=3, progress=False)
    assert caught[0].filename == __file__
    weight = np.asarray(next(array for path, array in model.named_parameters() if "weight" in path))
    weight = weight.swapaxes(0, 1) if "Transpose" in words else weight
    units = weight.reshape(4 if "LSTM" in words else 1, -1, weight[0].size)
    units = units.reshape(4, 4, -1) if "LSTM" in words else units
    np.testing.assert_allclose(units, units[:, :1].repeat(units.shape[1], 1), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("make", "x"), FREE.values(), ids=FREE)
def test_where_units_part_nothing_is_said(make: Any, x: np.ndarray) -> None:
    fl.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fl.fit(make(), x, Y, loss="mse", epochs=1, progress=False)


def test_what_is_lost_and_that_random_weights_find_it() -> None:
    """Equal units learn what one unit can; the same net from random weights learns the product of two inputs."""
    lost = []
    for start in (nn.init.constant(0.5), "glorot_uniform"):
        fl.random.seed(0)
        model = nn.Sequential(nn.Linear(3, 16, weight_init=start), nn.Tanh(), nn.Linear(16, 1, weight_init=start))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = fl.fit(model, X, Y, loss="mse", optimizer=fl.optim.Adam(0.02), epochs=300, progress=False)
        lost.append(history["loss"][-1])
    assert lost[0] > 20 * lost[1]


def test_looking_draws_and_changes_nothing() -> None:
    fl.random.seed(5)
    layers = [nn.Linear(3, 4, weight_init="zeros"), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1)]
    model = nn.Sequential(*layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fl.fit(model, X, Y, loss="mse", epochs=0, progress=False)
    assert int(model[1].num_batches_tracked) == 0
    assert fl.random.get_default().normal(size=1).tolist() == _after(5).tolist()


def _after(seed: int) -> fl.Array:
    fl.random.seed(seed)
    nn.Linear(4, 1)
    return fl.random.get_default().normal(size=1)
