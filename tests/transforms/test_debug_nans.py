"""The call that made the first NaN or infinity is named, with the user's line: at once, in plans, loops and `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import debug_nans

X = fl.asarray([-1.0, 2.0])


def bad(x: Any) -> Any:
    y = x * 2.0
    z = fl.log(y)  # the culprit
    return fl.tanh(z).sum()


WAYS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "at once": lambda f: f,
    "in a plan": fl.jit,
    "in a derivative": fl.grad,
    "in a planned derivative": lambda f: fl.jit(fl.grad(f)),
    "in a derivative of a plan": lambda f: fl.grad(fl.jit(f)),
    "in a checkpoint": lambda f: fl.grad(fl.checkpoint(f)),
    "in a loop": lambda f: lambda x: fl.scan(lambda c, row: (c + f(row), None), 0.0, fl.ones((3, 2)) * x)[0],
    "in a batch": lambda f: lambda x: fl.vmap(f)(fl.ones((3, 2)) * x),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_call_and_its_line_are_named(way: str) -> None:
    f = WAYS[way](bad)
    f(X)  # without checks it goes on, and what was traced then is not used below
    with debug_nans(), pytest.raises(FloatingPointError) as caught:
        f(X)
    message = str(caught.value)
    assert "log made NaN in float32 (" in message
    assert "test_debug_nans.py" in message
    assert "in bad: z = fl.log(y)  # the culprit" in message
    f(X)


def test_a_call_of_a_derivative_names_the_line_that_it_is_of() -> None:
    def root(x: Any) -> Any:
        return fl.sqrt(x).sum()  # at 0

    for f in (fl.grad(root), fl.jit(fl.grad(root)), fl.grad(fl.checkpoint(root))):
        with debug_nans(), pytest.raises(FloatingPointError, match=r"infinity.*the derivative of sqrt at .*# at 0"):
            f(fl.asarray([0.0, 1.0]))


def test_what_was_given_is_nobodys_fault() -> None:
    with debug_nans():
        given = fl.asarray([np.nan, np.inf, 1.0])
        assert np.isnan(np.asarray(fl.exp(given) + 1.0)[0])
        masked = fl.where(fl.asarray([True, False]), fl.asarray([1.0, 2.0]), -np.inf)
        assert fl.logsumexp(masked).item() == 1.0
    with debug_nans(), pytest.raises(FloatingPointError, match="exp made an infinity"):
        fl.exp(fl.asarray([1000.0]))


def test_a_training_says_where() -> None:
    class Net(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = fl.asarray(np.full((1, 2), 0.5, np.float32))

        def __call__(self, x: Any) -> Any:
            return fl.log(fl.linear(x, self.w))  # of a negative number

    x = np.full((8, 2), -1.0, np.float32)
    with debug_nans(), pytest.raises(FloatingPointError, match=r"log made NaN.*of a negative number"):
        fl.fit(Net(), x, np.ones((8, 1), np.float32), loss="mse", optimizer="sgd", progress=False)
