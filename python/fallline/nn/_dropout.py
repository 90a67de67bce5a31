"""Dropout of whole channels, and dropout that keeps mean and variance."""

from __future__ import annotations

from typing import Any, ClassVar

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn._module import Module
from fallline.nn.functional._activations import SELU_ALPHA, SELU_SCALE
from fallline.transforms._effects import next_draw


class _Choosing(Module):
    """Chooses what to drop from the key of the step, as `Dropout` does."""

    channels: ClassVar[int] = 0  # spatial axes of which whole channels are dropped

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"[{type(self).__name__}] p must be in [0, 1), got {p}")
        self.p, self.inplace = p, inplace

    def _kept(self, x: Array) -> Array:
        """Return 1 / (1 - p) for what stays and 0 for what is dropped, to be broadcast against x."""
        if self.channels and x.ndim not in (self.channels + 1, self.channels + 2):
            raise _core.ShapeError(
                f"[{type(self).__name__}] expected (n, channels, ...) with {self.channels} spatial axes, got {x.shape}"
            )
        shape = (*x.shape[: x.ndim - self.channels], *[1] * self.channels)
        key, stream = next_draw()
        return _core.dropout(_ops.ones(shape, dtype=x.dtype), key, self.p, stream)

    def _describe(self) -> str:
        return f"{self.p}"


class _ChannelDropout(_Choosing):
    def forward(self, x: Any) -> Array:
        """Drop channels, in training."""
        x = asarray(x)
        y: Array = x * self._kept(x) if self.training and self.p else x
        return y


class _AlphaDropout(_Choosing):
    def forward(self, x: Any) -> Array:
        """Drop to the value where SELU ends, in training, and scale so that mean 0 and variance 1 stay."""
        given: Array = asarray(x)
        if not self.training or not self.p:
            return given
        low, p = -SELU_SCALE * SELU_ALPHA, self.p
        a = ((1 - p) * (1 + p * low * low)) ** -0.5
        kept = self._kept(given) * (1 - p)
        y: Array = a * (given * kept + low * (1 - kept)) - a * low * p
        return y


_CHANNELS = """In training, zero each channel of {what} with probability p and scale the others by 1 / (1 - p).

    Tompson et al. 2015.
    """


class Dropout1d(_ChannelDropout):
    __doc__ = _CHANNELS.format(what="(n, c, length)")
    channels = 1


class Dropout2d(_ChannelDropout):
    __doc__ = _CHANNELS.format(what="(n, c, h, w)")
    channels = 2


class Dropout3d(_ChannelDropout):
    __doc__ = _CHANNELS.format(what="(n, c, d, h, w)")
    channels = 3


class AlphaDropout(_AlphaDropout):
    """Dropout for SELU networks: mean 0 and variance 1 stay. Klambauer et al. 2017."""


class FeatureAlphaDropout(_AlphaDropout):
    """`AlphaDropout` of whole channels of images, (n, channels, h, w)."""

    channels = 2
