"""Inputs that are integers: cast where a model computes with them, and left alone where it looks rows up by them."""

from __future__ import annotations

import numpy as np
import pytest

import fallline as fl


def test_integers_stay_what_they_are_for_embeddings_and_are_cast_for_others() -> None:
    tokens, y = np.arange(12, dtype=np.int64).reshape(6, 2) % 5, np.array([0, 1, 0, 1, 1, 0])
    reader = fl.nn.Sequential(fl.nn.Embedding(5, 3), fl.nn.Flatten(), fl.nn.Linear(6, 2))
    for x in (tokens, tokens.astype(np.int32), tokens.astype(np.uint8)):
        fl.fit(reader, x, y, loss="cross_entropy", validation=(x, y), batch_size=4, progress=False)
        assert fl.predict(reader, x).shape == (6, 2)
        assert fl.predict(reader, x[:0]).shape == (0, 2)
    dense = fl.nn.Linear(2, 2)
    fl.fit(dense, tokens, y, loss="cross_entropy", progress=False)
    np.testing.assert_array_equal(fl.predict(dense, tokens), fl.predict(dense, tokens.astype(np.float32)))
    with pytest.raises(fl.DTypeError, match="must be integers, got float32"):
        fl.fit(reader, tokens + 0.5, y, loss="cross_entropy", progress=False)
    with pytest.raises(fl.ShapeError, match=r"\[linear\] expected x"):
        fl.fit(fl.nn.Linear(3, 2), tokens, y, loss="cross_entropy", progress=False)
