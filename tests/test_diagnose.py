"""What diagnoses say of points whose answer is known: R70, R72, R74, R98."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import diagnose

pytest.importorskip("scipy")
RNG = np.random.default_rng(0)
POINTS = {  # function of two numbers, point, kind, eigenvalues
    "bowl": (lambda x: x[0] ** 2 + 3 * x[1] ** 2, (0.0, 0.0), "minimum", [6.0, 2.0]),
    "saddle": (lambda x: x[0] ** 2 - x[1] ** 2, (0.0, 0.0), "saddle", [2.0, -2.0]),
    "hill": (lambda x: -(x[0] ** 2) - x[1] ** 2 / 2, (0.0, 0.0), "maximum", [-1.0, -2.0]),
    "valley": (lambda x: (x[0] + x[1]) ** 2, (1.0, -1.0), "minimum", [4.0, 0.0]),
    "monkey saddle": (lambda x: x[0] ** 3 - 3 * x[0] * x[1] ** 2, (0.0, 0.0), "plateau", [0.0, 0.0]),
    "small bowl": (lambda x: 1e-6 * (x**2).sum(), (0.0, 0.0), "minimum", [2e-6, 2e-6]),
    "rosenbrock": (lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, (1.0, 1.0), "minimum", None),
}


@pytest.mark.parametrize("name", POINTS)
def test_the_kind_of_a_critical_point(name: str) -> None:
    f, at, kind, eigenvalues = POINTS[name]
    found = diagnose.critical_point(f, np.array(at))
    assert found.kind == kind and found.gradient_norm == 0
    expected = np.linalg.eigvalsh(np.asarray(fl.hessian(f)(np.array(at))))[::-1] if eigenvalues is None else eigenvalues
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-12, atol=1e-14)


def trained() -> tuple[Any, Any]:
    """Return a small net after some training, and its loss as a function of it."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(40, 1)).astype(np.float32)
    fl.random.seed(0)
    model = fl.nn.Sequential(fl.nn.Linear(3, 14), fl.nn.Tanh(), fl.nn.Linear(14, 1))
    fl.fit(model, x, y, loss="mse", optimizer="adam", epochs=20, progress=False)
    return model, lambda m: ((m(fl.asarray(x)) - y) ** 2).mean()


def dense_hessian(model: Any, loss: Any) -> np.ndarray:
    tree = fl.hessian(loss)(model)
    sizes = {path: a.size for path, a in model.parameters().items()}
    return np.block([[np.asarray(tree[a][b]).reshape(sizes[a], sizes[b]) for b in sizes] for a in sizes])


def test_eigenvalues_of_a_trained_net_are_those_of_its_dense_hessian() -> None:
    model, loss = trained()
    matrix = dense_hessian(model, loss)
    assert len(matrix) == 71 > diagnose.DENSE, "by Lanczos's method"
    expected = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(diagnose.top_eigenvalues(loss, model, 3), expected[:3], rtol=1e-3)
    found = diagnose.critical_point(loss, model)
    np.testing.assert_allclose(found.eigenvalues, [expected[0], expected[-1]], rtol=1e-2, atol=1e-4)
    gradient = fl.grad(loss)(model)
    norm = np.sqrt(sum((np.asarray(g, np.float64) ** 2).sum() for g in gradient.values()))
    np.testing.assert_allclose(found.gradient_norm, norm, rtol=1e-5)
    estimate = diagnose.hessian_trace(loss, model, samples=400)
    spread = np.sqrt(2 * ((matrix**2).sum() - (np.diag(matrix) ** 2).sum()) / 400)
    assert abs(estimate - np.trace(matrix)) < 4 * spread


def test_a_hundred_thousand_parameters_need_no_matrix() -> None:
    curvature = np.linspace(1.0, 2.0, 100_000)
    curvature[7], curvature[9] = 50.0, -30.0
    f = lambda x: (curvature * x * x).sum()  # noqa: E731
    found = diagnose.critical_point(f, np.zeros(100_000))
    assert found.kind == "saddle"
    np.testing.assert_allclose(found.eigenvalues[[0, -1]], [100.0, -60.0], rtol=1e-6)


def test_sharpness_is_that_of_the_box() -> None:
    # A bowl rises most at the corners: by sum a_i (2 |x_i| r_i + r_i^2), r_i = epsilon (|x_i| + 1).
    a, x, epsilon = np.array([1.0, 20.0]), np.array([0.5, -1.0]), 1e-2
    f = lambda x: (a * x * x).sum()  # noqa: E731
    r = epsilon * (np.abs(x) + 1)
    value = float((a * x * x).sum())
    expected = 100 * (a * (2 * np.abs(x) * r + r * r)).sum() / (1 + value)
    np.testing.assert_allclose(diagnose.sharpness(f, x, epsilon=epsilon), expected, rtol=1e-6)
    at_minimum = diagnose.sharpness(f, np.zeros(2), epsilon=epsilon)
    np.testing.assert_allclose(at_minimum, 100 * a.sum() * epsilon**2, rtol=1e-6)


def test_sharpness_takes_modules_and_leaves_them_as_they_are() -> None:
    model, loss = trained()
    before = {path: np.array(a) for path, a in model.parameters().items()}
    assert diagnose.sharpness(loss, model) > 0
    for path, array in model.parameters().items():
        np.testing.assert_array_equal(np.asarray(array), before[path])


def test_the_noise_scale_is_variance_over_squared_mean() -> None:
    x = np.random.default_rng(1).normal(size=(4000, 3)) * [1.0, 2.0, 0.5] + [1.0, 0.0, -1.0]
    loss = lambda w, x, y: ((w - x) ** 2).sum(axis=1).mean() / 2  # noqa: E731  (the gradient of a sample: w - x)
    w = np.array([3.0, 1.0, 0.0])
    found = diagnose.gradient_noise_scale(loss, w, x, np.zeros(4000), batch_size=20, batches=2000)
    signal, noise = ((w - x.mean(0)) ** 2).sum(), x.var(0, ddof=1).sum()
    np.testing.assert_allclose([found.noise, found.signal], [noise, signal], rtol=0.05)
    np.testing.assert_allclose(found.scale, noise / signal, rtol=0.06)


def test_the_error_of_a_tangent_grows_with_the_square_of_the_step() -> None:
    f = lambda p: (p["a"] ** 2).sum() + p["b"] * 3  # noqa: E731
    point = {"a": np.array([1.0, -2.0]), "b": np.array(0.5)}
    along = {"a": np.array([1.0, 1.0]), "b": np.array(7.0)}
    found = diagnose.linear_error(f, point, along, steps=(0.1, 0.2, 0.4))
    np.testing.assert_allclose(found.errors, [0.02, 0.08, 0.32], rtol=1e-12)
    down = diagnose.linear_error(f, point, steps=(0.5,))  # d = -g = (-2, 4, -3): |d_a|^2 s^2
    np.testing.assert_allclose(down.errors, [20 * 0.25], rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x: diagnose.top_eigenvalues(f, x, 3), r"\[top_eigenvalues\] k must be between 1 and the 2"),
        (lambda f, x: diagnose.hessian_trace(f, x, samples=0), "samples must be positive"),
        (lambda f, x: diagnose.sharpness(f, x, epsilon=0.0), "epsilon must be positive"),
        (lambda f, x: diagnose.critical_point(f, np.zeros(0)), "the point has no elements"),
        (lambda f, x: diagnose.gradient_noise_scale(f, x, np.ones(3), np.ones(3)), "below the 3 samples, got 32"),
        (lambda f, x: diagnose.gradient_noise_scale(f, x, np.ones(3), np.ones(4)), "x has 3 samples, y 4"),
        (lambda f, x: diagnose.linear_error(f, x, np.ones(3)), "expected 2 elements"),
    ],
)
def test_what_makes_no_sense_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(lambda x: (x * x).sum(), np.zeros(2))


def test_metrics_of_a_path() -> None:
    """R67: length, distance, and turns along each dimension; steps of zero are no turns."""
    points = np.array([[0.0, 0.0, 1.0], [3.0, 4.0, 1.0], [3.0, 8.0, 1.0], [3.0, 4.0, 1.0], [6.0, 8.0, 1.0]])
    found = diagnose.path_metrics(points)
    assert found.length == 5 + 4 + 4 + 5 and found.distance == 10
    assert found.sign_changes.tolist() == [0, 2, 0]
    way = fl.landscapes.path(fl.landscapes.ravine, (1.0, 1.0), fl.optim.SGD(0.01), 5)
    assert diagnose.path_metrics(way.points).length > 0
    assert diagnose.path_metrics(points[:1]) == (0.0, 0.0, pytest.approx([0, 0, 0]))
    with pytest.raises(fl.ShapeError, match=r"\[path_metrics\] expected points \(steps \+ 1, dimensions\), got \(3,\)"):
        diagnose.path_metrics(np.zeros(3))
