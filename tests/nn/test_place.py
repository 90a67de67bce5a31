"""Errors inside a model: the layer's path from the root, the shapes on the way, and no frames of ours in notebooks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

X = np.zeros((5, 4), np.float32)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(7, 8))

    def forward(self, x: Any) -> Any:
        return self.body(x) + x


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = fl.zeros((3, 3))

    def forward(self, x: Any) -> Any:
        half = x[:, :2]
        return x @ self.w + half


class Foreign(nn.Module):
    def forward(self, x: Any) -> Any:
        return {}["missing"]


class Net(nn.Module):
    def __init__(self, part: Any) -> None:
        super().__init__()
        self.head, self.blocks = nn.Linear(4, 8), [nn.ReLU(), part]

    def forward(self, x: Any) -> Any:
        x = self.head(x)
        for block in self.blocks:
            x = block(x)
        return x


ROWS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {  # the model, the error, what is said of the place
    "a layer in parts of one's own": (
        lambda: Net(Block()), fl.ShapeError,
        "in layer blocks.1.body.2 = Linear(7, 8), which got (5, 8); on the way: Net: x (5, 8) -> blocks.1: x (5, 8) -> "
        "(5, 8), blocks.1.body.0 Linear -> (5, 8), blocks.1.body.1 ReLU -> (5, 8), blocks.1.body.2 Linear"),
    "a forward of one's own": (
        lambda: Net(Product()), fl.ShapeError,
        "in layer blocks.1 = Product, which got (5, 8); on the way: Net: x (5, 8) -> blocks.1: x (5, 8), half (5, 2)"),
    "the root itself": (
        Product, fl.ShapeError, "in Product, which got (5, 4); on the way: Product: x (5, 4), half (5, 2)"),
    "an error of somebody else": (
        lambda: Net(Foreign()), KeyError, "in layer blocks.1 = Foreign(), which got (5, 8); on the way: Net: x (5, 8)"),
    "sequences in sequences": (
        lambda: nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(9, 1)))), fl.ShapeError,
        "in layer 1.1.0 = Linear(9, 1), which got (5, 8); on the way: (5, 4), 0 Linear -> (5, 8), 1 Sequential -> "
        "(5, 8), 1.0 ReLU -> (5, 8), 1.1 Sequential -> (5, 8), 1.1.0 Linear"),
    "a function in a sequence": (
        lambda: nn.Sequential(nn.Linear(4, 8), lambda x: x @ fl.zeros((3, 3))), fl.ShapeError,
        "in layer 1 = <lambda>, which got (5, 8); on the way: (5, 4), 0 Linear -> (5, 8), 1 <lambda>"),
}  # fmt: skip

CALLS: dict[str, Callable[[Any], Any]] = {
    "a call": lambda model: model(X),
    "a call by keyword": lambda model: model(x=X),
    "predict": lambda model: fl.predict(model, X),
    "fit": lambda model: fl.fit(model, X, np.zeros((5, 8), np.float32), loss="mse", epochs=1, progress=False),
    "grad": lambda model: fl.grad(lambda m: m(X).sum())(model),
    "jit": lambda model: fl.jit(model)(X),
    "vjp": lambda model: fl.vjp(lambda m: m(X), model),
    "jacobian": lambda model: fl.jacobian(lambda m: m(X))(model),
    "hvp": lambda model: fl.hvp(lambda m: m(X).sum(), (model,), (model,)),
    "scan": lambda model: fl.scan(lambda carry, x: (model(x), carry), X, X[None]),
    "checkpoint": lambda model: fl.checkpoint(model)(X),
}


def raised(call: str, make: Callable[[], Any], kind: type[Exception]) -> Exception:
    with pytest.raises(kind) as found:
        CALLS[call](make())
    return found.value


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("row", ROWS)
def test_the_layer_has_its_path_from_the_root_and_the_shapes_on_the_way_are_told(row: str, call: str) -> None:
    make, kind, place = ROWS[row]
    error = raised(call, make, kind)
    if kind is not KeyError:
        assert str(error).endswith(f"; {place}")
    elif sys.version_info >= (3, 11):
        assert str(error) == "'missing'"
        assert error.__notes__ == [place]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("row", ROWS)
def test_a_notebook_hides_all_our_frames(row: str, call: str) -> None:
    make, kind, _ = ROWS[row]
    trace, seen = raised(call, make, kind).__traceback__, []
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_locals.get("__tracebackhide__"):  # what IPython looks at
            seen.append(frame.f_code.co_filename)
        trace = trace.tb_next
    assert set(seen) == {__file__}
    assert len(seen) >= 2  # the test, and the call of it that failed
