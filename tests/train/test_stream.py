"""Gradients of large weights go to the update rule tile by tile: the same bits, and no memory of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.testing import use_target
from fallline.train._steps import Task, training_plan
from fallline.train.metrics._meter import Meter

ROWS, IN, OUT = 40, 1100, 1003  # 1.1 million weights; edges in every direction


def data(dtype: Any, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, IN)).astype(dtype), rng.standard_normal((rows, 3)).astype(dtype)


def model(dtype: Any, width: int = IN) -> fl.nn.Module:
    rng = fl.random.default_rng(1)
    return fl.nn.Sequential(
        fl.nn.Linear(width, OUT, rng=rng, dtype=dtype), fl.nn.Tanh(), fl.nn.Linear(OUT, 3, rng=rng, dtype=dtype)
    )


def arena_bytes(stream: bool, width: int = IN) -> int:
    x, y = data(np.float32)
    x = x[:, :width].copy()
    task = Task(model(np.float32, width), fl.nn.losses.get("mse"), Meter())
    text = str(training_plan(task, ROWS, fl.asarray(x), fl.asarray(y), stream=stream).plan)
    return int(text.split("arena ")[1].split()[0])


def test_a_streamed_gradient_has_no_memory() -> None:
    assert arena_bytes(False) - arena_bytes(True) >= IN * OUT * 4


def test_smaller_gradients_are_not_streamed() -> None:
    assert arena_bytes(False, 1000) == arena_bytes(True, 1000)


@pytest.mark.parametrize(
    ("rule", "dtype", "threads"),
    [
        (fl.optim.Adam, np.float32, 2),
        pytest.param(fl.optim.SGD, np.float64, 1, marks=pytest.mark.slow),
        pytest.param(fl.optim.AMSGrad, np.float32, 3, marks=pytest.mark.slow),
    ],
)
def test_it_trains_to_the_same_bits(rule: Any, dtype: Any, threads: int) -> None:
    x, y = data(dtype)
    before = fl.get_num_threads()
    trained = []
    try:
        for limit in (None, 1e30):  # a limit needs the whole gradient first
            fl.set_num_threads(threads if limit is None else 1)
            net = model(dtype)
            facts: dict[str, Any] = {"loss": "mse", "batch_size": 16, "epochs": 1, "progress": False}
            history = fl.fit(net, x, y, optimizer=rule(1e-3), clip_global_norm=limit, **facts)
            trained.append((net.state_dict(), history["grad_norm"][0]))
    finally:
        fl.set_num_threads(before)
    (one, norm), (two, whole_norm) = trained
    for path, array in one.items():
        np.testing.assert_array_equal(array, two[path], err_msg=path)
    assert norm == pytest.approx(whole_norm, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["scalar", "avx2"])
def test_norms_do_not_depend_on_the_target(target: str) -> None:
    if target not in fl.info()["simd_targets"]:
        pytest.skip(f"this machine has no {target}")
    x, y = data(np.float32)
    norms = []
    for name in (target, fl.info()["simd_target"]):
        with use_target(name):
            norms.append(fl.fit(model(np.float32), x, y, loss="mse", optimizer="adam", progress=False)["grad_norm"])
    assert norms[0] == norms[1]


@pytest.mark.slow
def test_weights_that_the_other_gradient_reads_are_not_streamed() -> None:
    """The gradient of a in (a b) is a product with b itself, which may change first."""

    class Product(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            rng = np.random.default_rng(0)
            self.a = fl.asarray(rng.standard_normal((2048, 2048), np.float32) / 64, requires_grad=True)
            self.b = fl.asarray(rng.standard_normal((2048, 2048), np.float32) / 64, requires_grad=True)

        def forward(self, x: Any) -> Any:
            return x @ (self.a @ self.b)

    x = np.random.default_rng(1).standard_normal((8, 2048)).astype(np.float32)
    nets = [Product(), Product()]
    for net, limit in zip(nets, (None, 1e30), strict=True):
        fl.fit(net, x, x, loss="mse", optimizer=fl.optim.SGD(0.1), clip_global_norm=limit, progress=False)
    np.testing.assert_array_equal(nets[0].a, nets[1].a)
    np.testing.assert_array_equal(nets[0].b, nets[1].b)


@pytest.mark.slow
def test_a_diverged_epoch_gives_the_parameters_back() -> None:
    x, y = data(np.float32)
    net = model(np.float32)
    before = {path: np.array(array) for path, array in net.state_dict().items()}
    y[-1] = 3e38  # its square is infinite
    with pytest.raises(fl.DivergedError):
        fl.fit(net, x, y, loss="mse", batch_size=8, shuffle=False, progress=False, optimizer=fl.optim.Adam(1e-3))
    for path, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[path], err_msg=path)
