"""Positions in sequences: the papers' formulas, element by element, and what they promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn
from fallline.nn import functional as F

rng = np.random.default_rng(0)


def test_waves_are_the_papers() -> None:
    found = F.sinusoidal(50, 6, base=100.0)
    for t in range(50):
        for i in range(3):
            angle = t / 100.0 ** (2 * i / 6)
            assert found[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-14)
            assert found[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-14)


@pytest.mark.parametrize("batch_first", [False, True])
def test_waves_are_added_along_the_length(batch_first: bool) -> None:
    layer = nn.PositionalEncoding(4, batch_first=batch_first, base=50.0)
    x = rng.normal(size=(2, 3, 4))
    waves = F.sinusoidal(3 if batch_first else 2, 4, 50.0)
    np.testing.assert_allclose(layer(x), x + (waves if batch_first else waves[:, None]), rtol=1e-15)
    np.testing.assert_allclose(layer(x[0]), x[0] + F.sinusoidal(3, 4, 50.0), rtol=1e-15)
    assert layer(x.astype(np.float32)).dtype == np.float32
    assert list(layer.state_dict()) == []
    dropped = np.asarray(nn.PositionalEncoding(4, 0.5)(np.ones((100, 4))))
    assert 0.3 < (dropped == 0).mean() < 0.7


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dims", [None, 4])
def test_pairs_are_turned(interleaved: bool, dims: int | None) -> None:
    x, d, base = rng.normal(size=(2, 5, 6)), dims or 6, 30.0
    expected = x.copy()
    for t in range(5):
        for i in range(d // 2):
            one, two = (2 * i, 2 * i + 1) if interleaved else (i, i + d // 2)
            turn = np.exp(1j * (t + 7) * base ** (-2 * i / d))
            z = (x[:, t, one] + 1j * x[:, t, two]) * turn
            expected[:, t, one], expected[:, t, two] = z.real, z.imag
    found = F.rotary(x, dims, base, interleaved, offset=7)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(nn.RoPE(dims, base, interleaved)(x, offset=7), found)
    assert F.rotary(x.astype(np.float32)).dtype == np.float32
    fl.testing.check_grads(lambda x: F.rotary(x, dims, base, interleaved).sum(), (x,))


def test_products_depend_on_distance_alone() -> None:
    q, k = rng.normal(size=(2, 1, 8))
    turned = [np.asarray(F.rotary(np.repeat(a, 9, 0))) for a in (q, k)]
    products = turned[0] @ turned[1].T
    for distance in range(-8, 9):
        np.testing.assert_allclose(
            np.diag(products, distance), products[max(0, -distance), max(0, distance)], rtol=1e-10
        )


def test_slopes_are_the_papers() -> None:
    np.testing.assert_array_equal(F.alibi(8, 1, 2)[:, 0, 0], -(0.5 ** np.arange(1, 9)))
    sixteen = -F.alibi(16, 1, 2)[:, 0, 0]
    np.testing.assert_allclose(sixteen, 2.0 ** (-0.5 * np.arange(1, 17)), rtol=1e-15)
    # 12 heads, as in the authors' code: those of 8, then every other of those of 16.
    np.testing.assert_allclose(-F.alibi(12, 1, 2)[:, 0, 0], [*(0.5 ** np.arange(1, 9)), *sixteen[::2][:4]], rtol=1e-15)
    biases = F.alibi(2, 3, 5)
    assert biases.shape == (2, 3, 5)
    np.testing.assert_array_equal(biases[0] / biases[0, 0, 0] * 2, [[2, 1, 0, 1, 2], [3, 2, 1, 0, 1], [4, 3, 2, 1, 0]])
    scores = rng.normal(size=(4, 2, 3, 5))
    np.testing.assert_array_equal(nn.ALiBi(2)(scores), scores + biases)


def by_hand(layer: nn.MultiheadAttention, x: np.ndarray, positions: str) -> np.ndarray:
    """Attend with two heads of plain NumPy."""
    w, b = np.asarray(layer.in_proj_weight), np.asarray(layer.in_proj_bias)
    q, k, v = (x @ w[i * 8 : (i + 1) * 8].T + b[i * 8 : (i + 1) * 8] for i in range(3))
    out = []
    for head in range(2):
        qh, kh, vh = (a[:, head * 4 : (head + 1) * 4] for a in (q, k, v))
        if positions == "rotary":
            qh, kh = (np.asarray(F.rotary(a)) for a in (qh, kh))
        scores = qh @ kh.T / 2
        if positions == "alibi":
            scores = scores - [2.0**-4, 2.0**-8][head] * abs(np.subtract.outer(np.arange(5), np.arange(5)))
        weights = np.exp(scores)
        out.append(weights / weights.sum(1, keepdims=True) @ vh)
    return np.concatenate(out, 1) @ np.asarray(layer.out_proj.weight).T + np.asarray(layer.out_proj.bias)


@pytest.mark.parametrize("positions", ["rotary", "alibi"])
def test_attention_knows_them(positions: str) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True, positions=positions, dtype="float64")
    x = rng.normal(size=(3, 5, 8))
    np.testing.assert_allclose(layer(x, x, x)[0][1], by_hand(layer, x[1], positions), rtol=1e-10, atol=1e-12)
    causal = layer(x, x, x, is_causal=True)[0]
    np.testing.assert_allclose(causal[:, :3], layer(x[:, :3], x[:, :3], x[:, :3], is_causal=True)[0], rtol=1e-10)
    more = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True, positions=positions)
    assert more(x.astype("f"), x.astype("f"), x.astype("f"))[1].shape == (5, 3, 5)


@pytest.mark.parametrize("positions", [None, "rotary"])
def test_a_transformer_learns_where_things_stand(positions: str | None) -> None:
    """Say the first token of each sequence at each place: only positions can tell which one it was."""
    fl.random.seed(0)
    x = np.random.default_rng(0).integers(0, 4, size=(256, 6))
    y = np.repeat(x[:, :1], 6, axis=1)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, positions=positions)
    model = nn.Sequential(nn.Embedding(4, 16), layer, nn.TransformerEncoder(layer, 1), nn.Linear(16, 4))
    loss: Any = lambda out, y: nn.losses.cross_entropy(out.reshape(-1, 4), y.reshape(-1))  # noqa: E731
    history = fl.fit(model, x, y, loss=loss, optimizer=fl.optim.Adam(0.01), epochs=12, progress=False)
    assert (history["loss"][-1] < 0.5) == (positions is not None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.PositionalEncoding(5), r"\[sinusoidal\] features come in pairs: dims must be even, got 5"),
        (lambda: F.rotary(np.ones((3, 5))), r"\[rotary\] features come in pairs: dims must be even, got 5"),
        (lambda: F.rotary(np.ones((3, 4)), dims=6), r"\[rotary\] dims=6 features shall be turned, x has 4"),
        (lambda: F.rotary(np.ones(4)), r"\[rotary\] expected \(\.\.\., length, features\), got \(4,\)"),
        (lambda: nn.MultiheadAttention(6, 2, positions="rotary"), r"embed_dim / num_heads must be even, got 6 / 2"),
        (
            lambda: nn.MultiheadAttention(6, 2, positions="sine"),
            r"\[MultiheadAttention\] positions must be 'rotary' or",
        ),
        (
            lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"),
            r"activation must be 'relu' or 'gelu', or a func",
        ),
        (lambda: nn.TransformerEncoder(3, 2), r"\[TransformerEncoder\] the layer must be a module, got 3"),
    ],
)
def test_what_is_wrong_is_said(make: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()
