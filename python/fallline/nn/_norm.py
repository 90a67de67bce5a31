"""Layers that bring their input to mean 0 and deviation 1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fallline import _core, _ops
from fallline._arguments import flag, optional, takes
from fallline._array import Array, asarray
from fallline.nn import init
from fallline.nn._kinds import at_least_zero, float_dtype, share, size
from fallline.nn._module import Buffer, Module
from fallline.transforms._effects import read_buffer, update_buffer


class _BatchNorm(Module):
    _ndims: ClassVar[tuple[int, ...]]

    @takes(
        num_features=size,
        eps=at_least_zero,
        momentum=optional(share),
        affine=flag,
        track_running_stats=flag,
        bias=flag,
        unbiased=flag,
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        bias: bool = True,
        *,
        unbiased: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.unbiased = unbiased
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = init.ones((num_features,), dtype=dtype) if affine else None
        self.bias = init.zeros((num_features,), dtype=dtype) if affine and bias else None
        if track_running_stats:
            self.running_mean: Any = Buffer(init.zeros((num_features,), dtype=dtype))
            self.running_var: Any = Buffer(init.ones((num_features,), dtype=dtype))
            self.num_batches_tracked: Any = Buffer(np.zeros((), np.int64))

    def forward(self, x: Any) -> Array:
        """Normalise each channel; in training by the batch's own mean and variance."""
        x = asarray(x)
        if x.ndim not in self._ndims or x.shape[1] != self.num_features:
            raise _core.ShapeError(
                f"[{type(self).__name__}] expected (n, {self.num_features}, ...) with "
                f"{' or '.join(map(str, self._ndims))} axes, got {x.shape}"
            )
        if x.size == 0:
            return _ops.copy(x)
        if self.training or not self.track_running_stats:
            mean, var = self._batch_statistics(x)
        else:
            mean, var = (self._along(x, a) for a in (self.running_mean, self.running_var))
        scale = 1.0 / _ops.sqrt(var + self.eps)
        if self.weight is not None:
            scale = self._along(x, self.weight) * scale
        y: Array = (x - mean) * scale
        return y if self.bias is None else y + self._along(x, self.bias)

    def _batch_statistics(self, x: Array) -> tuple[Array, Array]:
        axes = (0, *range(2, x.ndim))
        n = x.size // self.num_features
        if n < 2 and self.training:
            raise ValueError(
                f"[{type(self).__name__}] one value per channel has no variance; train with more, or call eval()"
            )
        mean = _ops.mean(x, axis=axes, keepdims=True)
        var = _ops.mean(_ops.square(x - mean), axis=axes, keepdims=True)
        if self.training and self.track_running_stats:
            with _core.no_grad():
                count = read_buffer(self.num_batches_tracked) + 1
                share = 1.0 / _ops.astype(count, x.dtype) if self.momentum is None else self.momentum
                flat = [_ops.reshape(_core.detach(a), (-1,)) for a in (mean, var)]
                kept = flat[1] * (n / (n - 1)) if self.unbiased else flat[1]
                for buffer, new in ((self.running_mean, flat[0]), (self.running_var, kept)):
                    old = read_buffer(buffer)
                    update_buffer(buffer, old + share * (new - old))
                update_buffer(self.num_batches_tracked, count)
        return mean, var

    def _along(self, x: Array, values: Array) -> Array:
        return _ops.reshape(values, (1, -1, *[1] * (x.ndim - 2)))

    def _describe(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


_TEXT = r"""Batch normalisation of {what}, channel by channel.

    .. math:: y = \gamma (x - \mu) / \sqrt{{\sigma^2 + \epsilon}} + \beta

    In training :math:`\mu` and :math:`\sigma^2` are the mean and the biased variance of the batch, and running ones are
    kept, the variance unbiased (PyTorch's convention; Keras and MLX keep the biased one, Keras with momentum 0.01 in
    these terms and eps 1e-3). In evaluation the running ones are used. Ioffe & Szegedy 2015.

    Parameters
    ----------
    num_features
        The number of channels, ``x.shape[1]``.
    eps
        Added to the variance.
    momentum
        The share of the new batch in the running statistics; None keeps the plain average of all batches.
    affine
        Whether there are :math:`\gamma` (``weight``) and :math:`\beta` (``bias``).
    track_running_stats
        Whether to keep running statistics; without them evaluation uses the batch's own.
    bias
        Whether there is :math:`\beta`, where there is :math:`\gamma`.
    unbiased
        Whether the running variance is that of n - 1.
    dtype
        float32 or float64; None takes the default dtype.

    Raises
    ------
    ShapeError
        When x has another number of channels or axes.
    ValueError
        In training, when a channel has a single value.
    """


class BatchNorm1d(_BatchNorm):
    __doc__ = _TEXT.format(what="features, (n, c) or (n, c, length)")
    _ndims = (2, 3)


class BatchNorm3d(_BatchNorm):
    __doc__ = _TEXT.format(what="volumes, (n, c, d, h, w)")
    _ndims = (5,)


class BatchNorm2d(_BatchNorm):
    __doc__ = _TEXT.format(what="images, (n, c, h, w)")
    _ndims = (4,)
