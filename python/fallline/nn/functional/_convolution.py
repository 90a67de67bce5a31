"""Convolutions over one, two or three spatial axes: all of them are made of the two-dimensional one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn.functional._padding import pad
from fallline.nn.functional._windows import Sizes, Windows, batched, each


def convolution(
    op: str,
    spatial: int,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Slide a kernel over (n, channels, ...) or (channels, ...), without turning it round."""
    x, alone = batched(op, asarray(x), spatial)
    weight = asarray(weight)
    if weight.ndim != spatial + 2:
        raise _core.ShapeError(f"[{op}] the weight must have {spatial + 2} axes, got {weight.shape}")
    strides, dilations = each(op, "stride", stride, spatial), each(op, "dilation", dilation, spatial)
    sides = around(op, padding, weight.shape[2:], strides, dilations)
    y = _slid(spatial, x, weight, None if bias is None else asarray(bias), strides, sides, dilations, groups)
    return y[0] if alone else y


def around(
    op: str, padding: Sizes | str, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Return how many zeros stand before and after each axis."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if set(stride) != {1}:
            raise ValueError(f'[{op}] padding="same" needs stride 1, got {tuple(stride)}; give the padding as a number')
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(n // 2, n - n // 2) for n in total]
    if isinstance(padding, str):
        raise ValueError(f'[{op}] padding must be "same", "valid" or numbers, got {padding!r}')
    return [(p, p) for p in each(op, "padding", padding, len(kernel))]


def _slid(
    spatial: int,
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    sides: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    if spatial == 1:
        flat = _ops.expand_dims(x, axis=2), _ops.expand_dims(weight, axis=2)
        y = _core.conv2d(*flat, bias, (1, stride[0]), (0, 0, *sides[0]), (1, dilation[0]), groups)
        return _ops.squeeze(y, axis=2)
    if spatial == 2:
        return _core.conv2d(x, weight, bias, tuple(stride), (*sides[0], *sides[1]), tuple(dilation), groups)
    # Three axes: a sum over the places along the depth, each a convolution of all slices of all images.
    x = pad(x, (0, 0, 0, 0, *sides[0]))
    n, c, depth = x.shape[:3]
    span = dilation[0] * (weight.shape[2] - 1)
    count = (depth - span - 1) // stride[0] + 1
    if depth <= span:
        raise _core.ShapeError(f"[conv3d] a kernel of depth {weight.shape[2]} does not fit into {depth} slices")
    total: Any = None
    for place in range(weight.shape[2]):
        first = place * dilation[0]
        part = x[:, :, first : first + (count - 1) * stride[0] + 1 : stride[0]]
        images = _ops.reshape(_core.permute(part, [0, 2, 1, 3, 4]), (n * count, c, *x.shape[3:]))
        y = _core.conv2d(
            images,
            weight[:, :, place],
            bias if place == 0 else None,
            tuple(stride[1:]),
            (*sides[1], *sides[2]),
            tuple(dilation[1:]),
            groups,
        )
        total = y if total is None else total + y
    split = _ops.reshape(total, (n, count, *total.shape[1:]))
    return _core.permute(split, [0, 2, 1, 3, 4])


def transposed(
    op: str,
    spatial: int,
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """Take the derivative of `convolution` by its input: the weight is (in, out / groups, *kernel).

    It is a convolution of the input, with zeros between its elements, by the kernel turned round.
    """
    x, alone = batched(op, asarray(x), spatial)
    weight = asarray(weight)
    strides, dilations = each(op, "stride", stride, spatial), each(op, "dilation", dilation, spatial)
    sides, more = each(op, "padding", padding, spatial), each(op, "output_padding", output_padding, spatial)
    if any(m >= max(s, d) for m, s, d in zip(more, strides, dilations, strict=True)):
        raise ValueError(
            f"[{op}] output_padding must be below stride or dilation, got {more}, {strides} and {dilations}"
        )
    if weight.shape[0] != x.shape[1] or weight.shape[0] % groups:
        raise _core.ShapeError(f"[{op}] x has {x.shape[1]} channels, the weight {weight.shape} and groups={groups}")
    kernel = weight.shape[2:]
    for axis, s in enumerate(strides, 2):
        x = _spread(x, axis, s)
    room = []
    for k, s, p, d, m in zip(kernel, strides, sides, dilations, more, strict=True):
        room.append((d * (k - 1) - p, d * (k - 1) - p + m - (s - 1)))
    x = pad(x, [n for pair in reversed(room) for n in pair])
    back = (slice(None), slice(None), *[slice(None, None, -1)] * spatial)
    turned = weight[back]
    per_group, out = weight.shape[0] // groups, weight.shape[1]
    turned = _ops.reshape(turned, (groups, per_group, out, *kernel))
    turned = _ops.reshape(_core.permute(turned, [0, 2, 1, *range(3, spatial + 3)]), (groups * out, per_group, *kernel))
    none = [(0, 0)] * spatial
    y = _slid(spatial, x, turned, None if bias is None else asarray(bias), [1] * spatial, none, dilations, groups)
    return y[0] if alone else y


def _spread(x: Array, axis: int, step: int) -> Array:
    """Put step - 1 zeros after each element of an axis."""
    if step == 1:
        return x
    apart = pad(_ops.expand_dims(x, axis=axis + 1), [*[0, 0] * (x.ndim - axis - 1), 0, step - 1])
    return _ops.reshape(apart, (*x.shape[:axis], x.shape[axis] * step, *x.shape[axis + 1 :]))


def unfold(x: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Array:
    """Return the windows of (n, c, h, w) as columns: (n, c * kernel, windows). PyTorch's ``Unfold``."""
    x, alone = batched("unfold", asarray(x), 2)
    windows = Windows.over("unfold", x.shape[2:], kernel_size, stride, padding, dilation)
    padded = windows.padded(x, 0.0)
    columns = _ops.stack([windows.at(padded, offset) for offset in windows.offsets()], axis=2)
    y = _ops.reshape(columns, (x.shape[0], x.shape[1] * math.prod(windows.size), math.prod(windows.out)))
    return y[0] if alone else y


def fold(
    x: Any, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Array:
    """Add columns of windows up to images, the transpose of `unfold`. PyTorch's ``Fold``."""
    x = asarray(x)
    alone = x.ndim == 2
    x = x[None] if alone else x
    size = each("fold", "output_size", output_size, 2)
    windows = Windows.over("fold", size, kernel_size, stride, padding, dilation)
    places = math.prod(windows.size)
    if x.ndim != 3 or x.shape[1] % places or x.shape[2] != math.prod(windows.out):
        raise _core.ShapeError(
            f"[fold] expected (n, c * {places}, {math.prod(windows.out)}) for images {size}, got {x.shape}"
        )
    columns = _ops.reshape(x, (x.shape[0], x.shape[1] // places, places, *windows.out))
    whole = [n + 2 * p for n, p in zip(size, windows.padding, strict=True)]
    total: Any = None
    for place, offset in enumerate(windows.offsets()):
        part = columns[:, :, place]
        sides: list[int] = []
        for axis, (o, d, s, n) in enumerate(zip(offset, windows.dilation, windows.stride, whole, strict=True), 2):
            part = _spread(part, axis, s)
            sides = [o * d, n - o * d - part.shape[axis], *sides]
        part = pad(part, sides)
        total = part if total is None else total + part
    y = pad(total, [-p for pair in reversed(windows.padding) for p in (pair, pair)])
    return y[0] if alone else y
