"""Batch normalisation: its formula, PyTorch's numbers, running statistics eager and inside fit, derivatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import check_grads

SHAPES = [("BatchNorm1d", (7, 3)), ("BatchNorm1d", (4, 3, 5)), ("BatchNorm2d", (6, 3, 4, 5))]


def normalised(x: np.ndarray, eps: float) -> np.ndarray:
    axes = (0, *range(2, x.ndim))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


@pytest.mark.parametrize("name, shape", SHAPES)
def test_the_batch_is_normalised_and_running_statistics_follow(name: str, shape: Any) -> None:
    x = np.random.default_rng(0).normal(3, 2, size=shape)
    layer = getattr(fl.nn, name)(3, dtype=np.float64)
    np.testing.assert_allclose(np.asarray(layer(x)), normalised(x, 1e-5), atol=1e-12)
    axes = (0, *range(2, x.ndim))
    np.testing.assert_allclose(np.asarray(layer.running_mean), 0.1 * x.mean(axes), atol=1e-12)
    np.testing.assert_allclose(np.asarray(layer.running_var), 0.9 + 0.1 * x.var(axes, ddof=1), atol=1e-12)
    assert int(layer.num_batches_tracked) == 1
    layer.eval()
    before = np.asarray(layer.running_mean).copy()
    y = np.asarray(layer(x))
    np.testing.assert_array_equal(np.asarray(layer.running_mean), before)
    mean, var = (np.asarray(a).reshape(1, 3, *[1] * (x.ndim - 2)) for a in (layer.running_mean, layer.running_var))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), atol=1e-12)


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("name, shape", SHAPES)
def test_numbers_and_gradients_are_pytorchs(name: str, shape: Any, momentum: float | None) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    both = [(fl.nn, "float64"), (torch.nn, torch.float64)]
    mine, theirs = (getattr(nn, name)(3, 1e-3, momentum, dtype=dtype) for nn, dtype in both)
    weights = {"weight": rng.normal(size=3), "bias": rng.normal(size=3)}
    for path, value in weights.items():
        mine.parameters()[path]._write(fl.asarray(value))
        getattr(theirs, path).data = torch.tensor(value)
    for _ in range(3):
        x, g = rng.normal(2, 3, size=shape), rng.normal(size=shape)
        tensor = torch.tensor(x, requires_grad=True)
        expected = theirs(tensor)
        expected.backward(torch.tensor(g))
        y, pull = fl.vjp(mine, x)
        np.testing.assert_allclose(np.asarray(y), expected.detach().numpy(), atol=1e-10)
        np.testing.assert_allclose(np.asarray(pull(g)[0]), tensor.grad.numpy(), atol=1e-10)
    for path in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_allclose(np.asarray(getattr(mine, path)), getattr(theirs, path).numpy(), atol=1e-12)
    x = rng.normal(2, 3, size=shape)
    np.testing.assert_allclose(np.asarray(mine.eval()(x)), theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-12)
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in mine.state_dict().items()})


@pytest.mark.parametrize("name, shape", SHAPES)
def test_derivatives_are_right_to_order_2(name: str, shape: Any) -> None:
    layer = getattr(fl.nn, name)(3, track_running_stats=False, dtype=np.float64)
    check_grads(lambda x: layer(x) ** 3, (np.random.default_rng(0).normal(size=shape),), order=2)


def net() -> fl.nn.Module:
    rng = fl.random.Generator(5)
    return fl.nn.Sequential(
        fl.nn.Conv2d(1, 4, 3, rng=rng, dtype="float64"),
        fl.nn.BatchNorm2d(4, dtype="float64"),
        fl.nn.ReLU(),
        fl.nn.Flatten(),
        fl.nn.Linear(4 * 36, 3, rng=rng, dtype="float64"),
        fl.nn.BatchNorm1d(3, momentum=None, dtype="float64"),
    )


def test_fit_moves_running_statistics_as_the_eager_loop_does() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, size=(50, 1, 8, 8)), rng.integers(0, 3, 50)
    planned, eager = net(), net()
    opt = fl.optim.SGD(0.05)
    fl.fit(planned, x, y, loss="cross_entropy", optimizer=opt, epochs=2, batch_size=16, shuffle=False, progress=False)
    opt = fl.optim.SGD(0.05)
    for begin in [0, 16, 32, 48] * 2:
        params = eager.parameters()

        def loss(p: Any, begin: int = begin) -> Any:
            with eager.holding(p):
                return fl.nn.losses.cross_entropy(eager(x[begin : begin + 16]), y[begin : begin + 16])

        opt.step(params, fl.grad(loss)(params))
    for path, value in eager.state_dict().items():
        np.testing.assert_allclose(np.asarray(planned.state_dict()[path]), np.asarray(value), atol=1e-12, err_msg=path)
    assert int(planned[1].num_batches_tracked) == 8
    assert "1.running_mean" not in planned.parameters()


def test_a_saved_network_comes_back_with_its_statistics(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 2, size=(32, 1, 8, 8)), rng.integers(0, 3, 32)
    model = net()
    fl.fit(model, x, y, loss="cross_entropy", optimizer=fl.optim.SGD(0.05), epochs=1, progress=False)
    fl.save(tmp_path / "m.safetensors", model)
    again = fl.load(tmp_path / "m.safetensors")
    assert int(again[1].num_batches_tracked) == 1
    np.testing.assert_array_equal(np.asarray(fl.predict(again, x)), np.asarray(fl.predict(model, x)))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: fl.nn.BatchNorm2d(3)(np.ones((2, 3))), "with 4 axes"),
        (lambda: fl.nn.BatchNorm1d(3)(np.ones((2, 4))), "expected (n, 3"),
        (lambda: fl.nn.BatchNorm1d(3)(np.ones((1, 3))), "no variance"),
        (lambda: fl.nn.BatchNorm1d(0), "num_features must be a positive whole number"),
        (lambda: fl.nn.BatchNorm1d(3, momentum=2), "momentum must be in"),
        (lambda: fl.nn.BatchNorm1d(3, eps=-1), "eps must be at least 0"),
    ],
)
def test_what_does_not_fit_is_told(call: Any, words: str) -> None:
    with pytest.raises((fl.ShapeError, ValueError)) as error:
        call()
    assert words in str(error.value)


def test_the_running_variance_is_unbiased_or_biased() -> None:
    """R115: PyTorch's, or Keras's and MLX's."""
    x = np.random.default_rng(0).normal(3, 2, size=(5, 3))
    for unbiased in (True, False):
        layer = fl.nn.BatchNorm1d(3, momentum=0.25, unbiased=unbiased, dtype=np.float64)
        layer(x)
        np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var(0, ddof=int(unbiased)), rtol=1e-12)
