"""Targets: when they are classes, when numbers, and the way there and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from fallline.data import InputError, score
from fallline.data.target import Classification, Regression, Target, from_description
from fallline.data.task import cells_as_target, fit_target


def fit(values: NDArray[np.generic]) -> Target:
    return fit_target("y", values, np.arange(len(values)), [])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array(["a", "b"] * 9), Classification),
        (np.array([True, False] * 9), Classification),
        (np.array([0, 1, 2] * 9), Classification),
        (np.array([-1.0, 1.0] * 9), Classification),
        (np.tile(np.arange(100), 10), Classification),
        (np.tile(np.arange(100), 9), Regression),
        (np.arange(1900, 2000), Regression),
        (np.linspace(0, 1, 5), Regression),
    ],
)
def test_the_kind_of_a_target(values: NDArray[np.generic], kind: type[Target]) -> None:
    assert isinstance(fit(values), kind)


def test_a_word_among_many_numbers_is_named() -> None:
    with pytest.raises(InputError, match="column y must hold numbers, row 31 has 'oops'"):
        cells_as_target("y", [*map(str, range(30)), "oops"])
    assert cells_as_target("y", ["1", "2", "other"] * 9)[0].dtype.kind == "U"


def test_one_class_is_nothing_to_learn() -> None:
    for values in (np.array(["a"] * 5), np.full(5, 3), np.full(5, 2.5)):
        with pytest.raises(InputError, match="one class only"):
            fit(values)


def test_texts_that_never_repeat_are_no_classes() -> None:
    with pytest.raises(InputError, match="30 different texts in 30 rows"):
        fit(np.array([f"name {i}" for i in range(30)]))


def test_classes_go_to_indices_and_back() -> None:
    values = np.array([3.0, 1.0, 10.0, 3.0])
    target = fit(values)
    indices = target.encode(values)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(target.decode(np.eye(3)[indices]), ["3", "1", "10", "3"])
    assert from_description(json.loads(json.dumps(target.describe()))) == target


@pytest.mark.parametrize("strange", ["0", "zebra", "a0"])
def test_a_label_out_of_range_is_named(strange: str) -> None:
    target = fit(np.array(["a", "b"] * 3))
    with pytest.raises(InputError, match=f"label '{strange}' in row 2, out of the range of the 2 training classes"):
        target.encode(np.array(["a", strange]))


def test_numbers_are_standardised_inside_and_in_the_users_units_outside() -> None:
    values = np.random.default_rng(1).normal(2e5, 1e5, 50)
    target = fit_target("y", values, np.arange(30), [])
    z = target.encode(values)
    assert z.shape == (50, 1)
    assert abs(float(z[:30].mean())) < 1e-6
    np.testing.assert_allclose(target.decode(z), values, rtol=1e-5)
    assert from_description(json.loads(json.dumps(target.describe()))) == target


def test_scores_are_those_of_the_definition() -> None:
    target = Regression("y", mean=10.0, std=2.0)
    truth, outputs = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [1.0]])
    found = score(target, outputs, truth)
    assert found["rmse"] == pytest.approx(2 * np.sqrt(1 / 3))
    assert found["r2"] == pytest.approx(1 - 1 / 2)
    classes = Classification("y", ("a", "b"))
    assert score(classes, np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1, 1])) == {"accuracy": 0.5}
    assert score(classes, np.array([[-1.0], [2.0]]), np.array([[1.0], [1.0]])) == {"accuracy": 0.5}
