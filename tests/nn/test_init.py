"""Initialisers: the spread that each paper states, from the generator that is given."""

from __future__ import annotations

import numpy as np
import pytest

import fallline as fl
from fallline.nn import init

SHAPE = (300, 200)
DEVIATIONS = {
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "he_uniform": (2 / 200) ** 0.5,
    "he_normal": (2 / 200) ** 0.5,
    "lecun_normal": (1 / 200) ** 0.5,
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_weights_have_the_stated_deviation_and_no_mean(name: str) -> None:
    w = np.asarray(init.get(name)(SHAPE, rng=fl.random.default_rng(0)), np.float64)
    n = w.size
    assert abs(w.mean()) < 5 * DEVIATIONS[name] / n**0.5
    assert w.std() == pytest.approx(DEVIATIONS[name], rel=5 / (2 * n) ** 0.5)
    if "uniform" in name:
        assert np.abs(w).max() <= DEVIATIONS[name] * 3**0.5


def test_kernels_count_towards_the_fans() -> None:
    assert init.fans((8, 3, 5, 5)) == (75, 200)
    assert init.fans((7,)) == (7, 7)
    w = np.asarray(init.he_normal((64, 16, 3, 3), rng=fl.random.default_rng(1)))
    assert w.std() == pytest.approx((2 / 144) ** 0.5, rel=0.03)


def test_constants_and_plain_distributions() -> None:
    assert (np.asarray(init.zeros((2, 2))) == 0).all()
    assert (np.asarray(init.ones((3,))) == 1).all()
    assert np.asarray(init.constant(0.1)((2,))).tolist() == pytest.approx([0.1, 0.1])
    assert np.asarray(init.normal(0.5)((400, 100), rng=fl.random.default_rng(2))).std() == pytest.approx(0.5, rel=0.02)
    assert np.abs(np.asarray(init.uniform(0.25)((1000,)))).max() <= 0.25


def test_names_are_checked_and_functions_are_taken_as_they_are() -> None:
    with pytest.raises(ValueError, match="glorot_uniform"):
        init.get("glorot")
    layer = fl.nn.Linear(2, 3, weight_init=init.constant(0.5), bias_init="ones")
    assert (np.asarray(layer.weight) == 0.5).all()
    assert (np.asarray(layer.bias) == 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_the_one_asked_for(dtype: str) -> None:
    for name in (*DEVIATIONS, "zeros", "ones"):
        assert init.get(name)((3, 4), dtype=dtype).dtype == dtype
