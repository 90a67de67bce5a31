"""Recurrent layers and attention beyond PyTorch's table: masks, padding, training in native epochs (R14)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
KINDS = {"RNN": fl.nn.RNN, "LSTM": fl.nn.LSTM, "GRU": fl.nn.GRU}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_gives_what_each_sequence_gives_alone(kind: str, bidirectional: bool) -> None:
    layer = KINDS[kind](3, 4, num_layers=2, bidirectional=bidirectional, batch_first=True, dtype="float64")
    lengths = [5, 2, 7]
    x = RNG.normal(size=(3, 7, 3))
    mask = np.arange(7) < np.array(lengths)[:, None]
    output, state = layer(x, mask=mask)
    for row, length in enumerate(lengths):
        alone, end = layer(x[row : row + 1, :length])
        np.testing.assert_allclose(np.asarray(output)[row, :length], np.asarray(alone)[0], rtol=1e-12, atol=1e-14)
        assert not np.asarray(output)[row, length:].any()
        ends = zip(*((s if isinstance(s, tuple) else (s,)) for s in (state, end)), strict=True)
        for mine, expected in ends:
            np.testing.assert_allclose(np.asarray(mine)[:, row], np.asarray(expected)[:, 0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_elements_have_no_gradient(kind: str) -> None:
    layer = KINDS[kind](2, 3, bidirectional=True, dtype="float64")
    mask = np.array([[True, True, False], [True, True, True]]).T
    gradient = fl.grad(lambda x: (layer(x, mask=mask)[0] ** 2).sum())(RNG.normal(size=(3, 2, 2)))
    assert (np.asarray(gradient)[mask] != 0).all() and not np.asarray(gradient)[~mask].any()


class Last(fl.nn.Module):
    """Reads a sequence and answers at its end."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer, self.head = layer, fl.nn.Linear(layer.hidden_size, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_fit_trains_a_recurrent_net(kind: str) -> None:
    fl.random.seed(0)
    x = np.random.default_rng(1).normal(size=(200, 6, 2)).astype(np.float32)
    y = x[:, 0, :1] * 0.5 + x[:, 3, 1:]  # what was seen three and six steps ago
    model = Last(KINDS[kind](2, 16, batch_first=True))
    history = fl.fit(model, x, y, loss="mse", optimizer=fl.optim.Adam(1e-2), epochs=60, progress=False)
    assert history["loss"][-1] < 0.1 * history["loss"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_through_time_is_that_of_differences(kind: str) -> None:
    layer = KINDS[kind](2, 3, num_layers=2, dtype="float64")
    fl.testing.check_grads(lambda x: layer(x)[0] ** 2, (RNG.normal(size=(4, 2, 2)),), order=2)


def test_a_query_without_keys_gets_zeros() -> None:
    layer = fl.nn.MultiheadAttention(4, 2, batch_first=True, dtype="float64")
    x = RNG.normal(size=(2, 3, 4))
    hidden = np.array([[True, True, True], [False, True, False]])
    output, weights = layer(x, x, x, key_padding_mask=hidden)
    assert np.isfinite(np.asarray(output)).all() and not np.asarray(weights)[0].any()
    np.testing.assert_allclose(np.asarray(weights)[1].sum(axis=-1), 1, rtol=1e-12)
    gradient = fl.grad(lambda x: layer(x, x, x, key_padding_mask=hidden)[0].sum())(x)
    assert np.isfinite(np.asarray(gradient)).all()


def test_attention_as_a_function_is_the_formula() -> None:
    q, k, v = (RNG.normal(size=(2, 5, 4)) for _ in range(3))
    scores = q @ k.transpose(0, 2, 1) / 2
    scores = np.where(np.tri(5, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ v
    found = fl.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12)
    allowed = fl.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=np.tri(5, dtype=bool))
    np.testing.assert_allclose(np.asarray(allowed), expected, rtol=1e-12)


def test_fit_trains_a_transformer() -> None:
    fl.random.seed(0)
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, 5, (128, 6))
    labels = tokens[:, 0]  # attention has to look back to the first

    class Model(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = fl.nn.Embedding(5, 16)
            self.place = fl.nn.Embedding(6, 16)
            self.block = fl.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
            self.head = fl.nn.Linear(16, 5)

        def forward(self, x: Any) -> Any:
            x = self.table(fl.astype(x, np.int64)) + self.place(np.arange(6))
            return self.head(self.block(x)[:, -1])

    history = fl.fit(
        Model(), tokens, labels, loss="cross_entropy", optimizer=fl.optim.Adam(3e-3), epochs=40, progress=False
    )
    assert history["loss"][-1] < 0.2 * history["loss"][0]
