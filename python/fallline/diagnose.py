"""What does a function look like around a point, and the way there?  Curvature, sharpness, noise, tangents, paths."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fallline import _core, _tree
from fallline._array import asarray
from fallline._paths import PathMetrics, path_metrics
from fallline.transforms import grad, hvp, jit, value_and_grad

__all__ = [
    "CriticalPoint",
    "LinearError",
    "NoiseScale",
    "PathMetrics",
    "critical_point",
    "gradient_noise_scale",
    "hessian_trace",
    "linear_error",
    "path_metrics",
    "sharpness",
    "top_eigenvalues",
]

DENSE = 64  # parameters up to which the whole Hessian is made


class CriticalPoint(NamedTuple):
    """What `critical_point` found."""

    kind: str  # 'minimum', 'saddle', 'maximum' or 'plateau'
    gradient_norm: float
    eigenvalues: np.ndarray  # of the Hessian, largest first: all of them, or the largest and the smallest


class NoiseScale(NamedTuple):
    """What `gradient_noise_scale` found."""

    scale: float  # samples: noise / signal
    noise: float  # the trace of the covariance of one sample's gradient
    signal: float  # the squared norm of the gradient over all samples of the population


class LinearError(NamedTuple):
    """What `linear_error` found."""

    steps: np.ndarray
    errors: np.ndarray  # |f(x + s d) - f(x) - s g.d|


def critical_point(f: Callable[..., Any], x: Any, *, tolerance: float | None = None) -> CriticalPoint:
    """Say whether a point of small gradient is a minimum, a saddle, a maximum or a plateau.

    Parameters
    ----------
    f
        A scalar function of one tree.
    x
        The point: a tree of float arrays, or a module.
    tolerance
        Eigenvalues of less than this times the largest count as zero; by default the square root of the dtype's
        precision (3e-4 in float32, 1.5e-8 in float64).

    Returns
    -------
    CriticalPoint
        ``kind, gradient_norm, eigenvalues``. A minimum has positive eigenvalues and no negative one (zeros are the
        directions of a valley), a maximum the other way round, a saddle both; a plateau has none that differ from zero.
        The kind speaks of the curvature alone: the point is critical only where `gradient_norm` is near zero.

    Notes
    -----
    Up to 64 parameters all eigenvalues of the Hessian; above, the largest and the smallest by Lanczos's method on
    Hessian products, which needs SciPy and no matrix.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> found = fl.diagnose.critical_point(lambda x: x[0] ** 2 - x[1] ** 2, np.zeros(2))
    >>> found.kind, found.gradient_norm, found.eigenvalues.tolist()
    ('saddle', 0.0, [2.0, -2.0])
    """
    vector = _Vector(x)
    gradient = vector.join(grad(f, unused="zero")(x))
    if vector.size <= DENSE:
        values = np.linalg.eigvalsh(_dense(f, vector))[::-1]
    else:
        values = np.concatenate([_lanczos(f, vector, 1, "LA"), _lanczos(f, vector, 1, "SA")])
    largest = float(np.abs(values).max(initial=0.0))
    near = np.finfo(vector.dtype).eps ** 0.5 if tolerance is None else tolerance
    # Where everything is flat, what is left is rounding of f.
    zero = max(near * largest, float(np.finfo(vector.dtype).eps) * 10)
    up, down = bool((values > zero).any()), bool((values < -zero).any())
    kind = {(True, True): "saddle", (True, False): "minimum", (False, True): "maximum"}.get((up, down), "plateau")
    return CriticalPoint(kind, float(np.linalg.norm(gradient)), values)


def top_eigenvalues(f: Callable[..., Any], x: Any, k: int = 1) -> np.ndarray:
    """Return the k largest eigenvalues of the Hessian of a scalar function, largest first.

    Parameters
    ----------
    f
        A scalar function of one tree.
    x
        The point: a tree of float arrays, or a module.
    k
        How many.

    Returns
    -------
    ndarray
        float64, of length k.

    Notes
    -----
    Lanczos's method on Hessian products (SciPy's ``eigsh``, residuals to 1e-4 of an eigenvalue) above 64 parameters:
    some dozens of products, each about two gradients, without a matrix.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> fl.diagnose.top_eigenvalues(lambda x: (np.arange(1.0, 4.0) * x * x).sum(), np.zeros(3), 2).tolist()
    [6.0, 4.0]
    """
    vector = _Vector(x)
    if not 1 <= k <= vector.size:
        raise ValueError(f"[top_eigenvalues] k must be between 1 and the {vector.size} parameters, got {k}")
    if vector.size <= max(DENSE, k + 1):
        values: np.ndarray = np.linalg.eigvalsh(_dense(f, vector))
        return values[::-1][:k]
    return _lanczos(f, vector, k, "LA")


def hessian_trace(f: Callable[..., Any], x: Any, *, samples: int = 100, seed: int = 0) -> float:
    """Estimate the trace of the Hessian of a scalar function, the sum of its eigenvalues.

    The mean of v.Hv over vectors of random signs v (Hutchinson 1990), whose expectation is the trace; its standard
    error falls as 1 / sqrt(samples), and is zero where the Hessian is diagonal.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> fl.diagnose.hessian_trace(lambda x: (x**2).sum(), np.zeros(5))
    10.0
    """
    if samples < 1:
        raise ValueError(f"[hessian_trace] samples must be positive, got {samples}")
    vector = _Vector(x)
    times, rng = _products(f, vector), np.random.default_rng(seed)
    signs = (rng.choice([-1.0, 1.0], vector.size) for _ in range(samples))
    return float(np.mean([v @ times(v) for v in signs]))


def sharpness(f: Callable[..., Any], x: Any, *, epsilon: float = 1e-3, iterations: int = 10) -> float:
    """Return by how many percent a scalar function rises in a small box around a point.

    ``100 (max f(x + y) - f(x)) / (1 + f(x))`` over ``|y_i| <= epsilon (|x_i| + 1)``, equation 4 of Keskar et al. with
    the whole space; the maximum is looked for by some iterations of L-BFGS-B (SciPy), as they do.

    Parameters
    ----------
    f
        A scalar function of one tree.
    x
        The point: a tree of float arrays, or a module.
    epsilon
        Half the width of the box.
    iterations
        Of the search.

    References
    ----------
    Keskar et al. 2017, "On large-batch training for deep learning: generalization gap and sharp minima", metric 2.1.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> flat, sharp = (fl.diagnose.sharpness(lambda x, a=a: a * (x**2).sum(), np.ones(2)) for a in (1.0, 10.0))
    >>> flat < sharp
    True
    """
    if not epsilon > 0:
        raise ValueError(f"[sharpness] epsilon must be positive, got {epsilon}")
    optimize = _scipy("optimize")
    vector = _Vector(x)
    start = vector.join(x)
    both = jit(lambda tree: value_and_grad(lambda p: vector.call(f, p), unused="zero")(tree))

    def falling(y: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(vector.split(y))
        return -float(value), -vector.join(gradient)

    reach = epsilon * (np.abs(start) + 1)
    low, _ = falling(start)
    # The gradient says nothing at a minimum itself: the search begins a little beside it.
    beside = start + reach * np.random.default_rng(0).uniform(-0.5, 0.5, vector.size)
    found = optimize.minimize(
        falling,
        beside,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([start - reach, start + reach], 1),
        options={"maxiter": iterations},
    )
    return float(100 * max(low - found.fun, 0.0) / (1 - low))


def gradient_noise_scale(
    f: Callable[..., Any], params: Any, x: Any, y: Any, *, batch_size: int = 32, batches: int = 50, seed: int = 0
) -> NoiseScale:
    """Estimate how noisy the gradient of a mini-batch is: the batch size at which noise and gradient are equal.

    Batches much smaller than the scale gain nearly in proportion to their size, much larger ones nearly nothing.

    Parameters
    ----------
    f
        ``f(params, x, y)``: the mean loss over the samples of a batch.
    params
        The point: a tree of float arrays, or a module.
    x, y
        All samples, along the first axis.
    batch_size, batches
        The samples and the number of the batches that are drawn, each without replacement.
    seed
        Of the draws.

    Returns
    -------
    NoiseScale
        ``scale, noise, signal``: B = tr(S) / |G|^2. A batch of b samples of n differs from all of them by
        ``E|g - G_n|^2 = tr(S) (1/b - 1/n)``, and ``|G|^2 = |G_n|^2 - tr(S) / n``, both without bias; `signal` can come
        out negative, and `scale` infinite, where the noise of all samples together hides the gradient.

    References
    ----------
    McCandlish et al. 2018, "An empirical model of large-batch training", appendix A.1.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.random.default_rng(0).normal(size=2000)
    >>> loss = lambda w, x, y: ((w - x) ** 2).mean()  # the gradient of one sample is 2 (w - x)
    >>> found = fl.diagnose.gradient_noise_scale(loss, np.array(1.0), x, x, batch_size=10, batches=1000)
    >>> 0.8 < found.scale < 1.2  # of variance 4 and gradient 2
    True
    """
    samples, targets = np.asarray(x), np.asarray(y)
    n = len(samples)
    if len(targets) != n:
        raise _core.ShapeError(f"[gradient_noise_scale] x has {n} samples, y {len(targets)}")
    if not 1 <= batch_size < n:
        raise ValueError(f"[gradient_noise_scale] batch_size must be below the {n} samples, got {batch_size}")
    vector, rng = _Vector(params), np.random.default_rng(seed)
    gradient = jit(lambda bx, by: grad(f, unused="zero")(params, bx, by))

    def over(rows: Any) -> np.ndarray:
        return vector.join(gradient(asarray(samples[rows]), asarray(targets[rows])))

    whole = over(slice(None))
    apart = [((over(rng.permutation(n)[:batch_size]) - whole) ** 2).sum() for _ in range(batches)]
    noise = float(np.mean(apart)) / (1 / batch_size - 1 / n)
    signal = float((whole**2).sum()) - noise / n
    return NoiseScale(noise / signal if signal > 0 else float("inf"), noise, signal)


def linear_error(
    f: Callable[..., Any], x: Any, direction: Any = None, *, steps: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0)
) -> LinearError:
    """Return how far a scalar function leaves its tangent along a direction: |f(x + s d) - f(x) - s g.d|.

    It grows with the square of the step, times half the curvature: the reason why a learning rate has to be small.

    Parameters
    ----------
    f
        A scalar function of one tree.
    x
        The point: a tree of float arrays, or a module.
    direction
        Built as x; by default downhill, the negative gradient.
    steps
        The multiples s of the direction.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> found = fl.diagnose.linear_error(lambda x: x[0] ** 2, np.array([1.0]), np.array([1.0]), steps=(0.5, 1.0))
    >>> found.errors.tolist()
    [0.25, 1.0]
    """
    vector = _Vector(x)
    value, gradient = value_and_grad(f, unused="zero")(x)
    start, slope = vector.join(x), vector.join(gradient)
    along = -slope if direction is None else vector.join(direction)
    sizes = np.asarray(steps, np.float64)
    values = np.array([float(vector.call(f, vector.split(start + s * along))) for s in sizes])
    return LinearError(sizes, np.abs(values - float(value) - sizes * (slope @ along)))


class _Vector:
    """A tree as one float64 vector."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.leaves = {path: asarray(leaf) for path, leaf in _tree.flatten(tree).items()}
        self.size = sum(leaf.size for leaf in self.leaves.values())
        if not self.size:
            raise ValueError("[diagnose] the point has no elements")
        self.dtype = max((leaf.dtype for leaf in self.leaves.values()), key=lambda d: np.finfo(d).eps)

    def join(self, tree: Any) -> np.ndarray:
        found = [np.ravel(np.asarray(leaf)).astype(np.float64) for leaf in _tree.flatten(tree).values()]
        joined = np.concatenate(found)
        if len(joined) != self.size:
            raise _core.ShapeError(f"[diagnose] expected {self.size} elements, as the point has, got {len(joined)}")
        return joined

    def split(self, vector: np.ndarray) -> Any:
        """Return the tree of a vector; that of a module is a dict."""
        parts, at = [], 0
        for leaf in self.leaves.values():
            parts.append(asarray(vector[at : at + leaf.size].reshape(leaf.shape).astype(leaf.dtype)))
            at += leaf.size
        return _tree.unflatten(self.tree, parts)

    def call(self, f: Callable[..., Any], tree: Any) -> Any:
        """Call f at a tree that came from `split`."""
        if not hasattr(self.tree, "holding"):
            return f(tree)
        with self.tree.holding(tree):
            return f(self.tree)


def _products(f: Callable[..., Any], vector: _Vector) -> Callable[[np.ndarray], np.ndarray]:
    """Return v -> Hv, as one plan."""
    times = jit(lambda v: hvp(f, (vector.tree,), (v,))[0])
    return lambda v: vector.join(times(vector.split(np.ravel(v))))


def _dense(f: Callable[..., Any], vector: _Vector) -> np.ndarray:
    times = _products(f, vector)
    matrix = np.stack([times(unit) for unit in np.eye(vector.size)])
    return np.asarray((matrix + matrix.T) / 2)


def _lanczos(f: Callable[..., Any], vector: _Vector, k: int, which: str) -> np.ndarray:
    linalg = _scipy("sparse.linalg")
    n = vector.size
    operator = linalg.LinearOperator((n, n), matvec=_products(f, vector), dtype=np.float64)
    start = np.random.default_rng(0).normal(size=n)  # ARPACK's own would differ from call to call
    found = linalg.eigsh(operator, k=k, which=which, v0=start, tol=1e-4, return_eigenvectors=False)
    return np.asarray(np.sort(found)[::-1])


def _scipy(name: str) -> Any:
    try:
        return importlib.import_module(f"scipy.{name}")
    except ImportError:
        raise ImportError("[diagnose] this needs SciPy: pip install scipy") from None
