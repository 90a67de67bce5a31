"""Where do windows lie?  Sizes, strides and the slices of one offset, for any number of spatial axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from operator import index
from typing import Any, NamedTuple

from fallline import _core
from fallline._array import Array
from fallline.nn.functional._padding import pad

Sizes = int | Sequence[int]


def each(op: str, name: str, value: Any, count: int) -> tuple[int, ...]:
    """Return a number for each of some axes, of one for all or one for each."""
    try:
        found = tuple(index(n) for n in value) if isinstance(value, Sequence) else (index(value),) * count
        if len(found) == 1:
            found *= count
        if len(found) == count:
            return found
    except TypeError:
        pass
    raise ValueError(f"[{op}] {name} must be one whole number or {count}, got {value!r}")


def batched(op: str, x: Array, spatial: int) -> tuple[Array, bool]:
    """Return x with a batch axis, and whether it had none."""
    if x.ndim == spatial + 2:
        return x, False
    if x.ndim == spatial + 1:
        return x[None], True
    axes = ("length", "height, width", "depth, height, width")[spatial - 1]
    raise _core.ShapeError(f"[{op}] expected (n, channels, {axes}) or (channels, {axes}), got {x.shape}")


class Windows(NamedTuple):
    """The windows over the last axes of an array."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]  # how many windows there are

    @classmethod
    def over(
        cls, op: str, shape: Sequence[int], size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
    ) -> Windows:
        """Return the windows over axes of these lengths; with `ceil_mode` the last may reach beyond the end."""
        n = len(shape)
        sizes = each(op, "kernel_size", size, n)
        strides = sizes if stride is None or stride == () else each(op, "stride", stride, n)
        sides, dilations = each(op, "padding", padding, n), each(op, "dilation", dilation, n)
        if min(*sizes, *strides, *dilations) < 1 or min(sides) < 0:
            raise ValueError(
                f"[{op}] sizes, strides and dilations must be positive and padding not negative, got {sizes}, "
                f"{strides}, {dilations} and {sides}"
            )
        out = []
        for length, k, s, p, d in zip(shape, sizes, strides, sides, dilations, strict=True):
            room = length + 2 * p - d * (k - 1) - 1
            if room < 0:
                raise _core.ShapeError(f"[{op}] windows {sizes} do not fit into {tuple(shape)} with padding {sides}")
            count = room // s + 1
            if (
                ceil_mode and room % s and count * s < length + p
            ):  # a last window begins inside, or in the padding before
                count += 1
            out.append(count)
        return cls(sizes, strides, sides, dilations, tuple(out))

    def padded(self, x: Array, value: float) -> Array:
        """Return x with padding, and as much after it as the last window needs."""
        sides: list[int] = []
        for axis, (k, s, p, d, out) in enumerate(
            zip(self.size, self.stride, self.padding, self.dilation, self.out, strict=True)
        ):
            length = x.shape[x.ndim - len(self.size) + axis]
            sides = [p, max((out - 1) * s + d * (k - 1) + 1 - length - p, -length), *sides]
        return pad(x, sides, value=value)

    def offsets(self) -> Iterator[tuple[int, ...]]:
        """Go through the places in a window, row by row."""
        return itertools.product(*map(range, self.size))

    def at(self, x: Array, offset: tuple[int, ...]) -> Array:
        """Return the element at one place of every window of a padded array."""
        slices = [
            slice(o * d, o * d + (count - 1) * s + 1, s)
            for o, d, s, count in zip(offset, self.dilation, self.stride, self.out, strict=True)
        ]
        return x[(slice(None),) * (x.ndim - len(slices)) + tuple(slices)]
