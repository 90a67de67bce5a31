"""Keras's recurrent layers, attention and initialisers: formulas in plain NumPy, and Keras itself beside them (R14).

Keras's own tests hold tables of numbers that constant weights give; here the formulas give them, for any weights.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn
from fallline.nn import functional as F
from fallline.nn import init

UNITS = 4
ROWS = np.arange(72.0).reshape(3, 6, 4) / 72  # three sequences of six elements of four features


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# One step in Keras's order of gates: (x, states, kernel, recurrent kernel, bias) -> states.
def simple(x: Any, s: Any, k: Any, r: Any, b: Any) -> Any:
    return (np.tanh(x @ k + s[0] @ r + b),)


def lstm(x: Any, s: Any, k: Any, r: Any, b: Any) -> Any:
    i, f, c, o = np.split(x @ k + s[0] @ r + b, 4, axis=1)
    carry = sigmoid(f) * s[1] + sigmoid(i) * np.tanh(c)
    return sigmoid(o) * np.tanh(carry), carry


def gru(x: Any, s: Any, k: Any, r: Any, b: Any) -> Any:
    (xz, xr, xh), (rz, rr, rh) = np.split(x @ k + b[0], 3, axis=1), np.split(s[0] @ r + b[1], 3, axis=1)
    z = sigmoid(xz + rz)
    return (z * s[0] + (1 - z) * np.tanh(xh + sigmoid(xr + rr) * rh),)


KINDS: dict[str, tuple[Callable[..., Any], int, int, Any]] = {  # the step, gates, states, and our layer
    "SimpleRNN": (simple, 1, 1, nn.RNN),
    "LSTM": (lstm, 4, 2, nn.LSTM),
    "GRU": (gru, 3, 1, nn.GRU),
}
WEIGHTS: dict[str, Callable[[tuple[int, ...]], np.ndarray]] = {
    "constant": lambda shape: np.full(shape, 0.05 / len(shape)),  # as in Keras's tables
    "random": lambda shape: np.random.default_rng(len(shape) + shape[-1]).normal(0, 0.5, shape),
}


def twin(name: str, k: np.ndarray, r: np.ndarray, b: np.ndarray) -> np.ndarray:
    step, _, states, _ = KINDS[name]
    state, out = (np.zeros((len(ROWS), UNITS)),) * states, []
    for t in range(ROWS.shape[1]):
        state = step(ROWS[:, t], state, k, r, b)
        out.append(state[0])
    return np.stack(out, axis=1)


def weights(name: str, draw: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gates = KINDS[name][1]
    bias = (2, gates * UNITS) if name == "GRU" else (gates * UNITS,)
    return draw((4, gates * UNITS)), draw((UNITS, gates * UNITS)), draw(bias)


def ours(name: str, k: np.ndarray, r: np.ndarray, b: np.ndarray) -> np.ndarray:
    layer = KINDS[name][3](4, UNITS, batch_first=True, dtype="float64")
    both = b if b.ndim == 2 else np.stack([b, np.zeros_like(b)])
    order = (1, 0, 2) if name == "GRU" else range(KINDS[name][1])  # Keras's z, r, h are r, z, n here

    def turned(a: np.ndarray) -> np.ndarray:
        parts = np.split(a, KINDS[name][1], axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1)

    state = {"weight_ih_l0": turned(k).T, "weight_hh_l0": turned(r).T}
    layer.load_state_dict({**state, "bias_ih_l0": turned(both[0]), "bias_hh_l0": turned(both[1])})
    return np.asarray(layer(ROWS)[0])


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("name", KINDS)
def test_a_recurrent_layer_is_kerass_formula(name: str, kind: str) -> None:
    given = weights(name, WEIGHTS[kind])
    np.testing.assert_allclose(ours(name, *given), twin(name, *given), rtol=1e-12, atol=1e-14)


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("name", KINDS)
def test_a_recurrent_layer_is_kerass(name: str, kind: str, keras: Any) -> None:
    given = weights(name, WEIGHTS[kind])
    layer = getattr(keras.layers, name)(UNITS, return_sequences=True)
    layer.build(ROWS.shape)
    layer.set_weights(given)
    found = keras.ops.convert_to_numpy(layer(ROWS.astype(np.float32)))
    np.testing.assert_allclose(ours(name, *given), found, rtol=2e-6, atol=2e-6)


def test_attention_is_kerass(keras: Any) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))
    found = keras.ops.convert_to_numpy(keras.layers.Attention()([q, v, k]))
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, k, v, scale=1.0), found, rtol=2e-5, atol=2e-6)
    scores = q @ k.transpose(0, 2, 1)
    twin = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True) @ v
    np.testing.assert_allclose(found, twin, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_with_heads_is_kerass(causal: bool, keras: Any) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 8)).astype(np.float32)
    theirs = keras.layers.MultiHeadAttention(2, 4)
    theirs.build(x.shape, x.shape)
    drawn = [rng.normal(0, 0.4, w.shape).astype(np.float32) for w in theirs.weights]
    theirs.set_weights(drawn)
    kernels, biases = ([drawn[i].reshape(-1, 8) for i in (0, 2, 4)], [drawn[i].ravel() for i in (1, 3, 5)])
    mine = nn.MultiheadAttention(8, 2, batch_first=True)
    mine.load_state_dict(
        {
            "in_proj_weight": np.concatenate([kernel.T for kernel in kernels]),
            "in_proj_bias": np.concatenate(biases),
            "out_proj.weight": drawn[6].reshape(8, 8).T,
            "out_proj.bias": drawn[7],
        }
    )
    found = keras.ops.convert_to_numpy(theirs(x, x, use_causal_mask=causal))
    np.testing.assert_allclose(mine(x, x, x, is_causal=causal)[0], found, rtol=2e-5, atol=5e-6)


SHAPE = (300, 200)  # ours are (out, in), Keras's (in, out)
SPREADS: dict[str, tuple[Any, float]] = {  # ours, and the variance that the papers state
    "GlorotUniform": (init.glorot_uniform, 2 / 500),
    "HeUniform": (init.he_uniform, 2 / 200),
    "LecunUniform": (init.lecun_uniform, 1 / 200),
    "GlorotNormal": (init.variance_scaling(1.0, "fan_avg"), 2 / 500),
    "HeNormal": (init.variance_scaling(2.0), 2 / 200),
    "LecunNormal": (init.variance_scaling(), 1 / 200),
}


@pytest.mark.parametrize("name", SPREADS)
def test_an_initialiser_has_kerass_range(name: str, keras: Any) -> None:
    """Same deviation, and the same largest number: where the uniform one ends, or the normal one is cut."""
    make, variance = SPREADS[name]
    mine = np.asarray(make(SHAPE, rng=fl.random.default_rng(0)), np.float64)
    theirs = keras.ops.convert_to_numpy(getattr(keras.initializers, name)(seed=0)(SHAPE[::-1])).astype(np.float64)
    for w in (mine, theirs):
        assert w.std() == pytest.approx(math.sqrt(variance), rel=0.015)
    end = math.sqrt(3 * variance) if "Uniform" in name else 2 * math.sqrt(variance) / init.CUT
    for w in (mine, theirs):
        assert 0.99 * end < np.abs(w).max() <= end * (1 + 1e-5)


def test_plain_initialisers_are_kerass(keras: Any) -> None:
    def their(name: str, *args: Any, **kwargs: Any) -> np.ndarray:
        found: np.ndarray = keras.ops.convert_to_numpy(getattr(keras.initializers, name)(*args, **kwargs)((6, 6)))
        return found

    np.testing.assert_array_equal(init.zeros((6, 6)), their("Zeros"))
    np.testing.assert_array_equal(init.ones((6, 6)), their("Ones"))
    np.testing.assert_array_equal(init.constant(0.25)((6, 6)), their("Constant", 0.25))
    np.testing.assert_array_equal(init.identity((6, 6)), their("Identity"))
    for w in (np.asarray(init.orthogonal((6, 6), gain=3.0)), their("Orthogonal", 3.0, seed=0)):
        np.testing.assert_allclose(w @ w.T, 9 * np.eye(6), atol=1e-5)
    for w in (np.asarray(init.truncated_normal(0.5)((40, 40))), their("TruncatedNormal", 0.0, 0.5, seed=0)):
        assert np.abs(w).max() <= 1.0
