"""Layers for images, (n, c, h, w). Arguments are in PyTorch's order, weights have its shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline import _images, random
from fallline._arguments import flag, optional, takes
from fallline._array import Array
from fallline.nn import init
from fallline.nn._kinds import float_dtype, generator, initializer, margin, padding, size, window
from fallline.nn._module import Module

Pair = int | tuple[int, int]


class Conv2d(Module):
    """A convolution with a bias: see ``fl.conv2d``.

    Parameters
    ----------
    in_channels, out_channels
        How many channels x and y have; both are multiples of `groups`.
    kernel_size, stride, padding, dilation, groups
        As for ``fl.conv2d``.
    bias
        Whether to add b.
    weight_init, bias_init
        Initialisers, by name or as functions; by default Glorot's uniform one and zeros.
    rng
        The generator to draw from; None takes that of ``fl.random.seed``.
    dtype
        float32 or float64; None takes the default dtype.

    Attributes
    ----------
    weight
        (out_channels, in_channels / groups, kernel height, kernel width).
    bias
        (out_channels,), or None.
    """

    @takes(
        in_channels=size,
        out_channels=size,
        kernel_size=window,
        stride=window,
        padding=padding,
        dilation=window,
        groups=size,
        bias=flag,
        weight_init=initializer,
        bias_init=initializer,
        rng=optional(generator),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        weight_init: str | Callable[..., Array] = "glorot_uniform",
        bias_init: str | Callable[..., Array] = "zeros",
        rng: random.Generator | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"[Conv2d] the channels must be positive multiples of groups={groups}, "
                f"got {in_channels} and {out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = _images.pair("Conv2d", "kernel_size", kernel_size)
        self.stride, self.dilation = (
            _images.pair("Conv2d", "stride", stride),
            _images.pair("Conv2d", "dilation", dilation),
        )
        self.padding = padding if isinstance(padding, str) else _images.pair("Conv2d", "padding", padding)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = init.get(weight_init)(shape, rng=rng, dtype=dtype)
        self.bias = init.get(bias_init)((out_channels,), rng=rng, dtype=dtype) if bias else None

    def forward(self, x: Any) -> Array:
        """Slide the kernel over (n, in_channels, h, w)."""
        return _images.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def _describe(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"


class _Pool(Module):
    function: Callable[..., Array]

    @takes(kernel_size=window, stride=optional(window), padding=margin)
    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, x: Any) -> Array:
        """Move the window over (n, c, h, w)."""
        return type(self).function(x, self.kernel_size, self.stride, self.padding)

    def _describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool):
    """The largest element of each window: see ``fl.max_pool2d``."""

    function = staticmethod(_images.max_pool2d)


class AvgPool2d(_Pool):
    """The mean of each window: see ``fl.avg_pool2d``."""

    function = staticmethod(_images.avg_pool2d)
