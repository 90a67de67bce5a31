"""Normalisation of each sample by itself, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _ops
from fallline._arguments import flag, optional, takes
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn import init
from fallline.nn._kinds import at_least_zero, float_dtype, share, size, windows
from fallline.nn._module import Buffer, Module
from fallline.nn.functional._norms import normalized, scaled
from fallline.transforms._effects import read_buffer, update_buffer


class LayerNorm(Module):
    r"""Bring the last axes of each sample to mean 0 and variance 1, then scale and shift. Ba et al. 2016.

    .. math:: y = \gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta

    Parameters
    ----------
    normalized_shape
        The lengths of those axes, or of the last one.
    eps
        Added to the variance.
    elementwise_affine, bias
        Whether there are :math:`\gamma` (``weight``) and :math:`\beta` (``bias``).
    dtype
        float32 or float64; None takes the default dtype.
    """

    @takes(normalized_shape=windows, eps=at_least_zero, elementwise_affine=flag, bias=flag, dtype=optional(float_dtype))
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(int(n) for n in normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = init.ones(self.normalized_shape, dtype=dtype) if elementwise_affine else None
        self.bias = init.zeros(self.normalized_shape, dtype=dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Array:
        """Normalise the last axes."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def _describe(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class RMSNorm(Module):
    r"""Divide the last axes of each sample by their root mean square, then scale. Zhang & Sennrich 2019.

    .. math:: y = \gamma x / \sqrt{\overline{x^2} + \epsilon}

    Parameters
    ----------
    normalized_shape
        The lengths of those axes, or of the last one.
    eps
        Added to the mean square; None takes the dtype's precision.
    elementwise_affine
        Whether there is :math:`\gamma` (``weight``).
    dtype
        float32 or float64; None takes the default dtype.
    """

    @takes(normalized_shape=windows, eps=optional(at_least_zero), elementwise_affine=flag, dtype=optional(float_dtype))
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(int(n) for n in normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = init.ones(self.normalized_shape, dtype=dtype) if elementwise_affine else None

    def forward(self, x: Any) -> Array:
        """Normalise the last axes."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def _describe(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Bring each group of channels of each sample, (n, c, ...), to mean 0 and variance 1, then scale and shift.

    Wu & He 2018.

    Parameters
    ----------
    num_groups, num_channels
        The channels are a multiple of the groups.
    eps
        Added to the variance.
    affine, bias
        Whether each channel is scaled, and then shifted too.
    dtype
        float32 or float64; None takes the default dtype.
    """

    @takes(num_groups=size, num_channels=size, eps=at_least_zero, affine=flag, bias=flag, dtype=optional(float_dtype))
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"[GroupNorm] num_channels must be a positive multiple of num_groups, "
                f"got {num_channels} and {num_groups}"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = init.ones((num_channels,), dtype=dtype) if affine else None
        self.bias = init.zeros((num_channels,), dtype=dtype) if affine and bias else None

    def forward(self, x: Any) -> Array:
        """Normalise each group."""
        x = asarray(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise _core.ShapeError(f"[GroupNorm] expected (n, {self.num_channels}, ...), got {x.shape}")
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def _describe(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class _InstanceNorm(Module):
    spatial: ClassVar[int]

    @takes(
        num_features=size,
        eps=at_least_zero,
        momentum=share,
        affine=flag,
        track_running_stats=flag,
        bias=flag,
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = init.ones((num_features,), dtype=dtype) if affine else None
        self.bias = init.zeros((num_features,), dtype=dtype) if affine and bias else None
        if track_running_stats:
            self.running_mean: Any = Buffer(init.zeros((num_features,), dtype=dtype))
            self.running_var: Any = Buffer(init.ones((num_features,), dtype=dtype))
            self.num_batches_tracked: Any = Buffer(np.zeros((), np.int64))

    def forward(self, x: Any) -> Array:
        """Normalise each channel of each sample."""
        x = asarray(x)
        alone = x.ndim == self.spatial + 1
        x = x[None] if alone else x
        if x.ndim != self.spatial + 2 or x.shape[1] != self.num_features:
            raise _core.ShapeError(
                f"[{type(self).__name__}] expected (n, {self.num_features}, ...) with {self.spatial} spatial axes, "
                f"got {x.shape}"
            )
        axes = tuple(range(2, x.ndim))
        if self.training or not self.track_running_stats:
            if x[0, 0].size < 2 and self.training:
                raise ValueError(f"[{type(self).__name__}] one value per channel has no variance, got {x.shape}")
            y = normalized(x, axes, self.eps)
            if self.training and self.track_running_stats:
                self._follow(_core.detach(x), axes)
        else:
            along = (1, -1, *[1] * self.spatial)
            mean, var = (_ops.reshape(a, along) for a in (self.running_mean, self.running_var))
            y = (x - mean) / _ops.sqrt(var + self.eps)
        y = scaled(y, self.weight, self.bias)
        return y[0] if alone else y

    def _follow(self, x: Array, axes: tuple[int, ...]) -> None:
        with _core.no_grad():
            found = (_ops.mean(x, axis=(0, *axes)), _ops.mean(_ops.var(x, axis=axes, correction=1), axis=0))
            for buffer, new in zip((self.running_mean, self.running_var), found, strict=True):
                old = read_buffer(buffer)
                update_buffer(buffer, old + self.momentum * (new - old))
            update_buffer(self.num_batches_tracked, read_buffer(self.num_batches_tracked) + 1)

    def _describe(self) -> str:
        return f"{self.num_features}, eps={self.eps}"


_INSTANCE = """Bring each channel of each sample, {what}, to mean 0 and variance 1. Ulyanov et al. 2016.

    Arguments as for batch normalisation; without scale, shift and running statistics by default.
    """


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _INSTANCE.format(what="(n, c, length)")
    spatial = 1


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _INSTANCE.format(what="(n, c, h, w)")
    spatial = 2


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _INSTANCE.format(what="(n, c, d, h, w)")
    spatial = 3
