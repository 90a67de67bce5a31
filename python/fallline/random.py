"""Random numbers from counters: the same on every backend, splittable, and resumable from two integers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import check, whole
from fallline._array import Array, asarray
from fallline._explain import explained
from fallline._hints import module_names

__all__ = ["Generator", "default_rng", "get_default", "seed"]

Shape = int | Sequence[int] | None


class Generator:
    """A stream of random numbers: Philox4x32-10 (Salmon et al. 2011) at (key, counter).

    Parameters
    ----------
    seed
        The key; None takes one from the operating system.

    Attributes
    ----------
    key, counter
        The state: with both set again, the stream goes on from there.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None:
            seed = check("random", "seed", whole(0, 2**64 - 1), seed)
        self.key = int.from_bytes(os.urandom(8), "little") if seed is None else int(seed)
        self.counter = 0

    @explained
    def uniform(self, low: float = 0.0, high: float = 1.0, size: Shape = None, *, dtype: Any = None) -> Array:
        """Draw from [low, high)."""
        unit = self._draw(_core.random_uniform, size, dtype)
        return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low

    @explained
    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Shape = None, *, dtype: Any = None) -> Array:
        """Draw from the normal distribution (Box-Muller)."""
        standard = self._draw(_core.random_normal, size, dtype)
        return standard if (loc, scale) == (0.0, 1.0) else standard * scale + loc

    @explained
    def integers(self, low: int, high: int | None = None, size: Shape = None) -> Array:
        """Draw integers from [low, high), or [0, low); the bias of a range n is below n / 2**64."""
        low, high = (0, low) if high is None else (low, high)
        if high <= low:
            raise ValueError(f"[integers] the range [{low}, {high}) is empty")
        bits = np.asarray(self._draw(_core.random_bits, size, np.uint64))
        return asarray((bits % np.uint64(high - low)).astype(np.int64) + low)

    @explained
    def permutation(self, x: int | Any) -> Array:
        """Shuffle the integers below x, or a copy of x along its first axis."""
        n = x if isinstance(x, int) else len(x)
        order = self._draw(_core.random_order, n, np.int64)
        return order if isinstance(x, int) else asarray(x)[order]

    @explained
    def choice(self, a: int | Any, size: Shape = None, replace: bool = True) -> Array:
        """Draw from the integers below a, or from the rows of a."""
        n = a if isinstance(a, int) else len(a)
        count = int(np.prod(_shape(size)))
        if not replace and count > n:
            raise ValueError(f"[choice] cannot draw {count} of {n} without replacement")
        index = self.integers(n, size=count) if replace else self.permutation(n)[:count]
        index = index.reshape(_shape(size))
        return index if isinstance(a, int) else asarray(a)[index]

    @explained
    def spawn(self, n: int) -> list[Generator]:
        """Make n independent generators; this one goes on undisturbed."""
        first = self.counter
        self.counter += n
        return [Generator(_core.derive_key(self.key, first + i)) for i in range(n)]

    def _draw(self, function: Any, size: Shape, dtype: Any) -> Array:
        shape = _shape(size)
        out: Array = function(self.key, self.counter, shape, _core.default_dtype() if dtype is None else dtype)
        self.counter += out.size // 2 + 1
        return out

    def __repr__(self) -> str:
        return f"Generator(key={self.key}, counter={self.counter})"


def _shape(size: Shape) -> tuple[int, ...]:
    return () if size is None else (size,) if isinstance(size, int) else tuple(size)


def default_rng(seed: int | None = None) -> Generator:
    """Make a generator.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.random.default_rng(0).permutation(4).shape
    (4,)
    """
    return Generator(seed)


_default = Generator()


def get_default() -> Generator:
    """Return the generator that initialisers draw from unless they are given another."""
    return _default


def seed(value: int) -> None:
    """Start the generator that initialisers draw from anew."""
    global _default
    _default = Generator(value)


@contextmanager
def _seeded(value: int) -> Iterator[None]:
    """Let initialisers draw from a new generator for a while, and from the old one afterwards."""
    global _default
    before = _default
    _default = Generator(value)
    try:
        yield
    finally:
        _default = before


__getattr__, __dir__ = module_names(__name__)
