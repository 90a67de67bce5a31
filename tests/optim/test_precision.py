"""Rules that decompose matrices are as stable in float32 as in float64, and say so where LAPACK fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim

RULES: dict[str, Callable[[], optim.Optimizer]] = {
    "Shampoo": lambda: optim.Shampoo(0.1),
    "SOAP": lambda: optim.SOAP(1e-3),
    "Muon": lambda: optim.Muon(3e-3),
}


# Of the largest step. In directions that no gradient has, any basis is an eigenbasis, and SOAP's first one is LAPACK's.
NEAR = {"Shampoo": 1e-4, "SOAP": 0.1, "Muon": 1e-4}


@pytest.mark.parametrize("rank", [1, 4])
@pytest.mark.parametrize("name", RULES)
def test_gradients_of_low_rank_make_the_steps_of_float64(name: str, rank: int) -> None:
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(2, 60, 20, rank))
    runs = []
    for dtype in (np.float64, np.float32):
        w, opt, path = np.zeros((20, 20), dtype), RULES[name](), []
        for a, b in zip(*sides, strict=True):
            before = w.copy()
            opt.step(w, (a @ b.T).astype(np.float32).astype(dtype))
            path.append(w - before)
        runs.append(np.array(path, np.float64))
    largest = np.abs(runs[0]).max()
    assert np.abs(runs[1] - runs[0]).max() < NEAR[name] * largest


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_step_of_shampoo_is_longer_than_the_rate(dtype: Any, size: float) -> None:
    """The singular values of L^-1/4 G R^-1/4 are at most 1, also where rounding is larger than eps."""
    rng = np.random.default_rng(0)
    w, opt = np.zeros((20, 20), dtype), optim.Shampoo(1.0)
    for _ in range(30):
        before = w.astype(np.float64)
        opt.step(w, (size * rng.normal(size=(20, 1)) @ rng.normal(size=(1, 20))).astype(dtype))
        assert np.linalg.norm(w - before, 2) < 1 + 1e-5


def last_losses(name: str, x: np.ndarray, y: np.ndarray, batch: int, seed: int) -> list[float]:
    found = []
    for dtype in ("float64", "float32"):
        rng = np.random.default_rng(seed)
        layers = [fl.nn.Linear(x.shape[1], 32, dtype=dtype), fl.nn.Tanh(), fl.nn.Linear(32, 10, dtype=dtype)]
        model = fl.nn.Sequential(*layers)
        start = {path: rng.normal(size=w.shape) / 8 for path, w in model.state_dict().items()}
        model.load_state_dict({path: w.astype(dtype) for path, w in start.items()})
        options = {"loss": "cross_entropy", "epochs": 2, "batch_size": batch, "progress": False, "seed": seed}
        found.append(fl.fit(model, x.astype(dtype), y, optimizer=RULES[name](), **options)["loss"][-1])
    return found


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RULES)
def test_digits_end_where_float64_does(name: str, seed: int) -> None:
    """Raw pixels, 0 to 16, eight at a time."""
    x, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    wide, narrow = last_losses(name, x[:240], y[:240], 8, seed)
    assert wide < 2.1
    np.testing.assert_allclose(narrow, wide, rtol=0.02)


@pytest.mark.parametrize("name", RULES)
def test_mnist_ends_where_float64_does(name: str, data_folder: Path) -> None:
    with np.load(data_folder / "mnist.npz") as mnist:
        x, y = mnist["x_train"][:1000].reshape(1000, -1) / 255, mnist["y_train"][:1000].astype(int)
    keep = x.std(0) > 0.3  # the middle of the picture: sides of some hundred, whose eigenvectors do not take long
    wide, narrow = last_losses(name, x[:, keep], y, 100, 0)
    assert wide < 2.4
    np.testing.assert_allclose(narrow, wide, rtol=0.02)


@pytest.mark.parametrize("name", ["Shampoo", "SOAP"])
def test_where_lapack_fails_the_last_matrix_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    w, opt = np.zeros((4, 3)), RULES[name]()
    failing = 1 if name == "SOAP" else 3

    real = np.linalg.eigh

    def eigh(a: np.ndarray) -> Any:
        if opt.t + 1 == failing and len(a) == 4 and not (opt.state and (a == opt.state[""]["left"]).all()):
            raise np.linalg.LinAlgError
        return real(a)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    for t in range(1, 6):
        before = {slot: a.copy() for slot, a in opt.state[""].items()} if opt.state else {}
        if t == failing:
            with pytest.warns(RuntimeWarning, match=rf"\[{name}\] LAPACK found no eigenvalues of a 4 x 4 matrix"):
                opt.step(w, rng.normal(size=(4, 3)))
            if name == "Shampoo":
                np.testing.assert_array_equal(opt.state[""]["left"], before["left"])
                assert (opt.state[""]["right"] != before["right"]).all()
            else:
                np.testing.assert_array_equal(opt.state[""]["left_basis"], np.eye(4))
        else:
            opt.step(w, rng.normal(size=(4, 3)))
        assert np.isfinite(w).all()
    assert np.abs(w).max() > 1e-3
