"""Initialisers: how a weight starts. Fans are read from PyTorch's shape: (out, in, *kernel)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from fallline import _core, random
from fallline._arguments import number, one_of, takes
from fallline._array import Array, asarray
from fallline._explain import explain_all
from fallline._hints import module_names

__all__ = [
    "constant",
    "gain",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "sparse",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "zeros",
]

Initializer = Callable[..., Array]
Rng = random.Generator | None


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return how many inputs feed one output, and how many outputs one input feeds."""
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


_blanks: ContextVar[list[int] | None] = ContextVar("blanks", default=None)


@contextmanager
def blank(numbers: int) -> Iterator[list[int]]:
    """Let every initialiser of this package fill with zeros and draw nothing, for `numbers` elements in all.

    Layers that take their weights from a file are made like this: the file says how many there are, whatever its
    description of the layers says. The list that is yielded holds how many are left.
    """
    left = [numbers]
    token = _blanks.set(left)
    try:
        yield left
    finally:
        _blanks.reset(token)


def _filled(shape: Sequence[int], dtype: object, fill: Callable[[tuple[int, ...]], Array]) -> Array:
    left = _blanks.get()
    if left is None:
        _check_room(shape, np.dtype(dtype or _core.default_dtype()).itemsize)  # type: ignore[call-overload]
        return fill(tuple(shape))
    left[0] -= math.prod(shape)
    if left[0] < 0:
        raise ValueError(f"an array of {' x '.join(map(str, shape))} numbers is more than there are")
    return asarray(np.zeros(tuple(shape), dtype or _core.default_dtype()))


def _check_room(shape: Sequence[int], itemsize: int) -> None:
    """Raise MemoryError before drawing more than the machine holds: the system would only say so much later."""
    needed = math.prod(shape) * itemsize
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        there = 1 << 40
    if needed > there:
        raise MemoryError(
            f"[init] an array of {' x '.join(map(str, shape))} numbers needs {needed / 1e9:.4g} GB, "
            f"and this machine has {there / 1e9:.4g} GB"
        )


def _draw_uniform(shape: Sequence[int], limit: float, rng: Rng, dtype: object) -> Array:
    def fill(shape: tuple[int, ...]) -> Array:
        return (rng or random.get_default()).uniform(-limit, limit, shape, dtype=dtype)

    return _filled(shape, dtype, fill)


def _draw_normal(shape: Sequence[int], deviation: float, rng: Rng, dtype: object) -> Array:
    def fill(shape: tuple[int, ...]) -> Array:
        return (rng or random.get_default()).normal(0.0, deviation, shape, dtype=dtype)

    return _filled(shape, dtype, fill)


def glorot_uniform(shape: Sequence[int], *, gain: float = 1.0, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw from :math:`\pm\sqrt{6 / (fan_{in} + fan_{out})}` times `gain`, the default. Glorot & Bengio 2010, (16)."""
    return _draw_uniform(shape, gain * math.sqrt(6 / sum(fans(shape))), rng, dtype)


def glorot_normal(shape: Sequence[int], *, gain: float = 1.0, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw with deviation :math:`\sqrt{2 / (fan_{in} + fan_{out})}`. Glorot & Bengio 2010."""
    return _draw_normal(shape, gain * math.sqrt(2 / sum(fans(shape))), rng, dtype)


def he_uniform(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw from :math:`\pm\sqrt{6 / fan_{in}}`, for relu. He et al. 2015."""
    return _draw_uniform(shape, math.sqrt(6 / fans(shape)[0]), rng, dtype)


def he_normal(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw with deviation :math:`\sqrt{2 / fan_{in}}`, for relu. He et al. 2015, equation 10."""
    return _draw_normal(shape, math.sqrt(2 / fans(shape)[0]), rng, dtype)


def lecun_normal(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw with deviation :math:`\sqrt{1 / fan_{in}}`. LeCun et al. 1998, Efficient BackProp."""
    return _draw_normal(shape, math.sqrt(1 / fans(shape)[0]), rng, dtype)


def lecun_uniform(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    r"""Draw from :math:`\pm\sqrt{3 / fan_{in}}`. LeCun et al. 1998, Efficient BackProp."""
    return _draw_uniform(shape, math.sqrt(3 / fans(shape)[0]), rng, dtype)


def orthogonal(shape: Sequence[int], *, gain: float = 1.0, rng: Rng = None, dtype: object = None) -> Array:
    """Draw a matrix, the first axis by all others, whose rows or columns are orthonormal. Saxe et al. 2014.

    From the QR decomposition of normal numbers, with the signs of R's diagonal taken out: all are equally likely.
    """
    if len(shape) < 2:
        raise ValueError(f"[orthogonal] expected two axes or more, got {tuple(shape)}")

    def fill(shape: tuple[int, ...]) -> Array:
        rows, columns = shape[0], math.prod(shape[1:])
        tall = (max(rows, columns), min(rows, columns))
        drawn = np.asarray((rng or random.get_default()).normal(0.0, 1.0, tall, dtype=np.float64))
        q, r = np.linalg.qr(drawn)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        matrix = (q if rows >= columns else q.T).reshape(shape)
        kind: Any = dtype or _core.default_dtype()
        return asarray(np.ascontiguousarray(gain * matrix, kind))

    return _filled(shape, dtype, fill)


@takes(deviation=number("at least 0", lambda x: x >= 0))
def truncated_normal(deviation: float = 0.01) -> Initializer:
    """Return an initialiser that draws with this deviation, nothing beyond two of them; they are drawn again.

    As in PyTorch and Keras the deviation is that before the cut; afterwards it is 0.88 of it.
    """

    def initialise(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
        def fill(shape: tuple[int, ...]) -> Array:
            source = rng or random.get_default()
            values = np.array(source.normal(0.0, 1.0, shape, dtype=np.float64))
            while (beyond := np.abs(values) > 2).any():
                values[beyond] = np.asarray(source.normal(0.0, 1.0, (int(beyond.sum()),), dtype=np.float64))
            kind: Any = dtype or _core.default_dtype()
            return asarray((deviation * values).astype(kind))

        return _filled(shape, dtype, fill)

    return initialise


MODES = {
    "fan_in": lambda inputs, outputs: inputs,
    "fan_out": lambda inputs, outputs: outputs,
    "fan_avg": lambda inputs, outputs: (inputs + outputs) / 2,
}
CUT = 0.87962566103423978  # the deviation of standard normal numbers between -2 and 2


@takes(
    scale=number("positive", lambda x: x > 0),
    mode=one_of(*MODES),
    distribution=one_of("truncated_normal", "normal", "uniform"),
)
def variance_scaling(scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> Initializer:
    r"""Return an initialiser of variance `scale` over a fan, which has most others in it; Keras's ``VarianceScaling``.

    He's are ``scale=2``, LeCun's ``scale=1``, Glorot's ``mode="fan_avg"``; for transposed uses there is ``"fan_out"``.
    The truncated normal is widened so that the variance holds after the cut. He et al. 2015, equations 10 and 14.
    """

    def initialise(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
        deviation = math.sqrt(scale / MODES[mode](*fans(shape)))
        if distribution == "uniform":
            return _draw_uniform(shape, math.sqrt(3) * deviation, rng, dtype)
        if distribution == "normal":
            return _draw_normal(shape, deviation, rng, dtype)
        return truncated_normal(deviation / CUT)(shape, rng=rng, dtype=dtype)

    return initialise


@takes(sparsity=number("in [0, 1]", lambda x: 0 <= x <= 1), deviation=number("at least 0", lambda x: x >= 0))
def sparse(sparsity: float, deviation: float = 0.01) -> Initializer:
    """Return an initialiser of matrices that leaves a share of each column at zero, chosen anew, the rest normal.

    Martens 2010, "Deep learning via Hessian-free optimization", section 5.
    """

    def initialise(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
        if len(shape) != 2:
            raise ValueError(f"[sparse] expected two axes, got {tuple(shape)}")

        def fill(shape: tuple[int, ...]) -> Array:
            source, kind = rng or random.get_default(), np.dtype(dtype or _core.default_dtype())  # type: ignore[call-overload]
            values = np.array(source.normal(0.0, deviation, shape, dtype=kind))
            zeros = math.ceil(sparsity * shape[0])
            for column in range(shape[1]):
                values[np.asarray(source.permutation(shape[0]))[:zeros], column] = 0
            return asarray(values)

        return _filled(shape, dtype, fill)

    return initialise


def identity(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    """Fill with the identity matrix, (n, m); for kernels the middle element of equal channels (PyTorch's dirac)."""
    if len(shape) < 2:
        raise ValueError(f"[identity] expected two axes or more, got {tuple(shape)}")

    def fill(shape: tuple[int, ...]) -> Array:
        kind: Any = dtype or _core.default_dtype()
        values = np.zeros(shape, kind)
        same = np.arange(min(shape[:2]))
        middle: Any = (same, same, *(n // 2 for n in shape[2:]))
        values[middle] = 1
        return asarray(values)

    return _filled(shape, dtype, fill)


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """Return how much larger weights before an activation should be than Glorot's; PyTorch's ``calculate_gain``.

    >>> gain("tanh")
    1.6666666666666667
    """
    fixed = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in fixed:
        raise ValueError(f"[gain] expected one of {', '.join([*fixed, 'leaky_relu'])}, got {nonlinearity!r}")
    return fixed[nonlinearity]


@takes(deviation=number("at least 0", lambda x: x >= 0))
def normal(deviation: float = 0.01) -> Initializer:
    """Return an initialiser that draws with this deviation."""
    return lambda shape, *, rng=None, dtype=None: _draw_normal(shape, deviation, rng, dtype)


@takes(limit=number("at least 0", lambda x: x >= 0))
def uniform(limit: float = 0.05) -> Initializer:
    """Return an initialiser that draws from [-limit, limit)."""
    return lambda shape, *, rng=None, dtype=None: _draw_uniform(shape, limit, rng, dtype)


@takes(value=number("a finite number", lambda x: True))
def constant(value: float) -> Initializer:
    """Return an initialiser that fills with one value."""

    def fill(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
        kind = _core.default_dtype() if dtype is None else dtype
        return _filled(shape, kind, lambda shape: asarray(np.full(shape, value, kind)))

    return fill


def zeros(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    """Fill with zeros, the default of biases."""
    return constant(0.0)(shape, dtype=dtype)


def ones(shape: Sequence[int], *, rng: Rng = None, dtype: object = None) -> Array:
    """Fill with ones."""
    return constant(1.0)(shape, dtype=dtype)


_BY_NAME: dict[str, Initializer] = {
    f.__name__: f
    for f in (
        glorot_uniform,
        glorot_normal,
        he_uniform,
        he_normal,
        lecun_normal,
        lecun_uniform,
        orthogonal,
        identity,
        zeros,
        ones,
    )
}


def get(name: str | Initializer) -> Initializer:
    """Return the initialiser of that name; a callable is returned as it is."""
    if callable(name):
        return name
    if name not in _BY_NAME:
        raise ValueError(f"[init] no initialiser is named {name!r}; there are {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


explain_all(__all__, globals())
__getattr__, __dir__ = module_names(__name__)
