"""Convolutions over one, two and three spatial axes, and their transposes, with PyTorch's arguments and shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from fallline import random
from fallline._arguments import check, flag, optional, takes
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn import init
from fallline.nn._kinds import float_dtype, generator, initializer, margin, size, window
from fallline.nn._kinds import padding as paddings
from fallline.nn._module import Module
from fallline.nn.functional._convolution import around, convolution, transposed
from fallline.nn.functional._windows import each

PADDING = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class _Convolution(Module):
    """What convolutions and their transposes have in common: sizes, weights and how they begin."""

    spatial: ClassVar[int]

    def _prepare(
        self,
        channels: tuple[int, int],
        kernel_size: Any,
        stride: Any,
        dilation: Any,
        groups: int,
        weight_shape: tuple[int, int],
        bias: bool,
        initialisers: tuple[Any, Any],
        rng: random.Generator | None,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        if channels[0] % groups or channels[1] % groups:
            raise ValueError(
                f"[{name}] the channels must be positive multiples of groups={groups}, "
                f"got {channels[0]} and {channels[1]}"
            )
        self.in_channels, self.out_channels, self.groups = *channels, groups
        axes, kind = self.spatial, window(self.spatial)
        self.kernel_size = each(name, "kernel_size", check(name, "kernel_size", kind, kernel_size), axes)
        self.stride = each(name, "stride", check(name, "stride", kind, stride), axes)
        self.dilation = each(name, "dilation", check(name, "dilation", kind, dilation), axes)
        weight_init, bias_init = initialisers
        self.weight = init.get(weight_init)((*weight_shape, *self.kernel_size), rng=rng, dtype=dtype)
        self.bias = init.get(bias_init)((channels[1],), rng=rng, dtype=dtype) if bias else None

    def _describe(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"


class _Conv(_Convolution):
    @takes(
        in_channels=size,
        out_channels=size,
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
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        weight_init: str | Callable[..., Array] = "glorot_uniform",
        bias_init: str | Callable[..., Array] = "zeros",
        rng: random.Generator | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (out_channels, in_channels // max(groups, 1))
        sizes = ((in_channels, out_channels), kernel_size, stride, dilation, groups, shape)
        self._prepare(*sizes, bias, (weight_init, bias_init), rng, dtype)
        name = type(self).__name__
        if padding_mode not in PADDING:
            raise ValueError(f"[{name}] padding_mode must be one of {', '.join(PADDING)}, got {padding_mode!r}")
        padding = check(name, "padding", paddings(self.spatial), padding)
        self.padding = padding if isinstance(padding, str) else each(name, "padding", padding, self.spatial)
        self.padding_mode = padding_mode
        around(name, self.padding, self.kernel_size, self.stride, self.dilation)  # says what is wrong with it

    def forward(self, x: Any) -> Array:
        """Slide the kernel over (n, in_channels, ...) or (in_channels, ...)."""
        name, padding = type(self).__name__, self.padding
        if self.padding_mode != "zeros":
            sides = around(name, self.padding, self.kernel_size, self.stride, self.dilation)
            x = F.pad(x, [n for pair in reversed(sides) for n in pair], PADDING[self.padding_mode])
            padding = (0,) * self.spatial
        return convolution(
            name, self.spatial, x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class _ConvTranspose(_Convolution):
    @takes(
        in_channels=size,
        out_channels=size,
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
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        *,
        weight_init: str | Callable[..., Array] = "glorot_uniform",
        bias_init: str | Callable[..., Array] = "zeros",
        rng: random.Generator | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = (in_channels, out_channels // max(groups, 1))
        sizes = ((in_channels, out_channels), kernel_size, stride, dilation, groups, shape)
        self._prepare(*sizes, bias, (weight_init, bias_init), rng, dtype)
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f'[{name}] padding_mode must be "zeros", got {padding_mode!r}')
        self.padding_mode = padding_mode
        kind = margin(self.spatial)
        self.padding = each(name, "padding", check(name, "padding", kind, padding), self.spatial)
        more = check(name, "output_padding", kind, output_padding)
        self.output_padding = each(name, "output_padding", more, self.spatial)

    def forward(self, x: Any, output_size: Sequence[int] | None = None) -> Array:
        """Spread (n, in_channels, ...) or (in_channels, ...) with the kernel; `output_size` among those possible."""
        more = self.output_padding if output_size is None else self._missing(asarray(x).shape, output_size)
        name = type(self).__name__
        settings = (self.stride, self.padding, more, self.groups, self.dilation)
        return transposed(name, self.spatial, x, self.weight, self.bias, *settings)

    def _missing(self, shape: Sequence[int], output_size: Sequence[int]) -> tuple[int, ...]:
        found = []
        axes = zip(shape[-self.spatial :], output_size[-self.spatial :], self.stride, strict=True)
        for (n, wanted, s), p, d, k in zip(axes, self.padding, self.dilation, self.kernel_size, strict=True):
            least = (n - 1) * s - 2 * p + d * (k - 1) + 1
            if not least <= wanted < least + max(s, d):
                raise ValueError(
                    f"[{type(self).__name__}] output_size {tuple(output_size)} cannot come from {tuple(shape)}: "
                    f"expected {least} to {least + max(s, d) - 1}, got {wanted}"
                )
            found.append(wanted - least)
        return tuple(found)


_CONV = """A convolution over {axes}, with a bias.

    The kernel is not turned round, as networks mean it.

    Parameters
    ----------
    in_channels, out_channels
        How many channels x and y have; both are multiples of `groups`.
    kernel_size, stride, dilation
        One number for all axes, or one for each.
    padding
        Elements put on both sides of each axis; "same" keeps the lengths (stride 1), "valid" puts none.
    groups
        Output channels of a group see the input channels of that group only.
    bias
        Whether to add b.
    padding_mode
        What stands there: "zeros", "reflect", "replicate" or "circular".
    weight_init, bias_init
        Initialisers, by name or as functions; by default Glorot's uniform one and zeros.
    rng
        The generator to draw from; None takes that of ``fl.random.seed``.
    dtype
        float32 or float64; None takes the default dtype.

    Attributes
    ----------
    weight
        (out_channels, in_channels / groups, *kernel_size).
    bias
        (out_channels,), or None.
    """
_TRANSPOSED = """The transpose of a convolution over {axes}: each element of x spreads the kernel over y.

    Lengths become ``(n - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1``.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, groups, bias, dilation
        As for the convolution of which this is the transpose, with x and y exchanged.
    padding
        Elements taken away on both sides of y.
    output_padding
        Further elements at the end of y, below the stride: several lengths have the same convolution.
    padding_mode
        "zeros".
    weight_init, bias_init, rng, dtype
        As for the convolution.

    Attributes
    ----------
    weight
        (in_channels, out_channels / groups, *kernel_size).
    bias
        (out_channels,), or None.
    """
_AXES = {1: "sequences, (n, c, length)", 2: "images, (n, c, h, w)", 3: "volumes, (n, c, d, h, w)"}


class Conv1d(_Conv):
    __doc__ = _CONV.format(axes=_AXES[1])
    spatial = 1


class Conv2d(_Conv):
    __doc__ = _CONV.format(axes=_AXES[2])
    spatial = 2


class Conv3d(_Conv):
    __doc__ = _CONV.format(axes=_AXES[3])
    spatial = 3


class ConvTranspose1d(_ConvTranspose):
    __doc__ = _TRANSPOSED.format(axes=_AXES[1])
    spatial = 1


class ConvTranspose2d(_ConvTranspose):
    __doc__ = _TRANSPOSED.format(axes=_AXES[2])
    spatial = 2


class ConvTranspose3d(_ConvTranspose):
    __doc__ = _TRANSPOSED.format(axes=_AXES[3])
    spatial = 3
