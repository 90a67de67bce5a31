"""Pooling and rearranging layers, with PyTorch's names, arguments and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from fallline import _ops
from fallline._arguments import Kind, optional
from fallline._array import Array
from fallline.nn import functional as F
from fallline.nn._functions import layer_of
from fallline.nn._kinds import margin, window
from fallline.nn._module import Module


def _sizes(axes: int) -> dict[str, Kind]:
    return {"kernel_size": window(axes), "stride": optional(window(axes)), "padding": margin(axes)}


# PyTorch's constructors have another order than its functions.


def _max(function: Callable[..., Any]) -> Callable[..., Any]:
    def max_pool(
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> Any:
        """Take the largest element of each window; with `return_indices` where it lies in the channel too."""
        return function(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    return max_pool


def _fractional(function: Callable[..., Any]) -> Callable[..., Any]:
    def fractional_max_pool(
        x: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        """Take the largest elements of windows whose places are drawn for each channel. Graham 2014."""
        return function(x, kernel_size, output_size, output_ratio, return_indices, _random_samples)

    return fractional_max_pool


MaxPool1d, MaxPool2d, MaxPool3d = (
    layer_of(f"MaxPool{n}d", _max(getattr(F, f"max_pool{n}d")), kinds=_sizes(n)) for n in (1, 2, 3)
)
AvgPool1d, AvgPool2d, AvgPool3d = (
    layer_of(f"AvgPool{n}d", getattr(F, f"avg_pool{n}d"), kinds=_sizes(n)) for n in (1, 2, 3)
)
LPPool1d, LPPool2d, LPPool3d = (layer_of(f"LPPool{n}d", getattr(F, f"lp_pool{n}d")) for n in (1, 2, 3))
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = (
    layer_of(f"AdaptiveAvgPool{n}d", getattr(F, f"adaptive_avg_pool{n}d")) for n in (1, 2, 3)
)
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = (
    layer_of(f"AdaptiveMaxPool{n}d", getattr(F, f"adaptive_max_pool{n}d")) for n in (1, 2, 3)
)
FractionalMaxPool2d, FractionalMaxPool3d = (
    layer_of(f"FractionalMaxPool{n}d", _fractional(getattr(F, f"fractional_max_pool{n}d"))) for n in (2, 3)
)


class _Unpool(Module):
    function: ClassVar[Callable[..., Array]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Any, indices: Any, output_size: Sequence[int] | None = None) -> Array:
        """Put each element where the pooling layer found it, zeros elsewhere."""
        return type(self).function(x, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_Unpool):
    """The way back from ``MaxPool1d(..., return_indices=True)``."""

    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_Unpool):
    """The way back from ``MaxPool2d(..., return_indices=True)``."""

    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_Unpool):
    """The way back from ``MaxPool3d(..., return_indices=True)``."""

    function = staticmethod(F.max_unpool3d)


Fold = layer_of("Fold", F.fold)
Unfold = layer_of("Unfold", F.unfold)
PixelShuffle = layer_of("PixelShuffle", F.pixel_shuffle)
PixelUnshuffle = layer_of("PixelUnshuffle", F.pixel_unshuffle)
ChannelShuffle = layer_of("ChannelShuffle", F.channel_shuffle)
Upsample = layer_of("Upsample", F.interpolate)
CosineSimilarity = layer_of("CosineSimilarity", F.cosine_similarity, inputs=2)
PairwiseDistance = layer_of("PairwiseDistance", F.pairwise_distance, inputs=2)
LocalResponseNorm = layer_of("LocalResponseNorm", F.local_response_norm)


class Unflatten(Module):
    """Split one axis into several, the inverse of `Flatten`.

    Parameters
    ----------
    dim
        The axis.
    unflattened_size
        Its new lengths; one may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> Array:
        """Split."""
        axis = self.dim % x.ndim
        return _ops.reshape(x, (*x.shape[:axis], *self.unflattened_size, *x.shape[axis + 1 :]))

    def _describe(self) -> str:
        return f"{self.dim}, {self.unflattened_size}"
