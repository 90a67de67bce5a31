"""Functions of batches of images, (n, c, h, w): convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from fallline import _core
from fallline._array import Array
from fallline._explain import explained

__all__ = ["avg_pool2d", "conv2d", "max_pool2d"]


@explained
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Array:
    r"""Slide a kernel over images (without turning it round, as networks mean it).

    .. math:: y_{n,o,i,j} = b_o + \sum_{c,a,b} w_{o,c,a,b}\, x_{n,\,c,\;i s + a d - p,\;j s + b d - p}

    Parameters
    ----------
    x
        (n, channels, height, width).
    weight
        (out_channels, channels / groups, kernel height, kernel width).
    bias
        (out_channels,), or None.
    stride, dilation
        s and d, for both axes or as (vertical, horizontal).
    padding
        p zeros on every side, for both axes or as (vertical, horizontal); "valid" for none; "same" for as many as keep
        height and width, with the odd one below and to the right.
    groups
        Output channels of a group see the input channels of that group only.

    Returns
    -------
    Array
        (n, out_channels, oh, ow), oh = (height + 2 p - d (kernel height - 1) - 1) // s + 1. The number of the image is
        its innermost axis in memory.

    Raises
    ------
    ShapeError
        When the shapes do not fit each other, or the kernel does not fit into the padded images.
    ValueError
        For ``padding="same"`` with a stride above 1.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.conv2d(fl.ones((8, 3, 32, 32)), fl.ones((16, 3, 5, 5)), padding=2).shape
    (8, 16, 32, 32)
    """
    strides, dilations = pair("conv2d", "stride", stride), pair("conv2d", "dilation", dilation)
    sides = _sides(padding, _core.wrap(weight).shape[-2:], strides, dilations)
    return _core.conv2d(x, weight, bias, strides, sides, dilations, groups)


@explained
def max_pool2d(
    x: Any,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> Array:
    """Take the largest element of each window.

    Parameters
    ----------
    x
        (n, channels, height, width).
    kernel_size, stride, padding
        For both axes or as (vertical, horizontal). The stride is the size of the window unless it is given; padding is
        smaller than every number. Windows that do not fit at the end are left out.

    Notes
    -----
    The derivative goes to the first of equal elements; NaN counts as the largest.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.max_pool2d(fl.reshape(fl.arange(16.0), (1, 1, 4, 4)), 2).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    size, strides, sides = _window("max_pool2d", kernel_size, stride, padding)
    return _core.max_pool2d(x, size, strides, sides)


@explained
def avg_pool2d(
    x: Any,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> Array:
    """Take the mean of each window; parameters as for `max_pool2d`, but padding counts as zeros.

    Examples
    --------
    >>> import fallline as fl
    >>> fl.avg_pool2d(fl.reshape(fl.arange(16.0), (1, 1, 4, 4)), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    size, strides, sides = _window("avg_pool2d", kernel_size, stride, padding)
    return _core.avg_pool2d(x, size, strides, sides)


def pair(op: str, name: str, value: Any) -> tuple[int, int]:
    """Return (vertical, horizontal) of one number or two."""
    try:
        vertical, horizontal = value if isinstance(value, Sequence) else (value, value)
        return index(vertical), index(horizontal)
    except (TypeError, ValueError):
        raise ValueError(f"[{op}] {name} must be one whole number or two, got {value!r}") from None


def _window(op: str, size: Any, stride: Any, padding: Any) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    sizes = pair(op, "kernel_size", size)
    return sizes, sizes if stride is None else pair(op, "stride", stride), pair(op, "padding", padding)


def _sides(
    padding: Any, kernel: tuple[int, ...], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the zeros at the top, at the bottom, on the left and on the right."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f'[conv2d] padding="same" needs stride 1, got {stride}; give the padding as a number')
        down, across = (d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        return down // 2, down - down // 2, across // 2, across - across // 2
    if isinstance(padding, str):
        raise ValueError(f'[conv2d] padding must be "same", "valid" or numbers, got {padding!r}')
    vertical, horizontal = pair("conv2d", "padding", padding)
    return vertical, vertical, horizontal, horizontal
