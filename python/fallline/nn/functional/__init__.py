"""The layers as functions, with PyTorch's names and arguments."""

from __future__ import annotations

from functools import partial
from typing import Any

from fallline._explain import explain_all
from fallline._ops import relu, sigmoid, silu, tanh
from fallline.nn.functional import _convolution, _pooling
from fallline.nn.functional._activations import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    prelu,
    relu6,
    rrelu,
    selu,
    softmax,
    softmax2d,
    softmin,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from fallline.nn.functional._attention import scaled_dot_product_attention
from fallline.nn.functional._convolution import fold, unfold
from fallline.nn.functional._dense import bilinear, dropout, linear
from fallline.nn.functional._embedding import embedding, embedding_bag
from fallline.nn.functional._norms import (
    cosine_similarity,
    group_norm,
    layer_norm,
    local_response_norm,
    normalize,
    pairwise_distance,
    rms_norm,
)
from fallline.nn.functional._padding import pad
from fallline.nn.functional._positions import alibi, rotary, sinusoidal
from fallline.nn.functional._shape import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle


def _named(name: str, function: Any, spatial: int) -> Any:
    """Return a function of any number of axes for one number of them, under PyTorch's name."""
    made = partial(function, name, spatial)
    made.__doc__ = function.__doc__
    return made


conv1d, conv2d, conv3d = (_named(f"conv{n}d", _convolution.convolution, n) for n in (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = (
    _named(f"conv_transpose{n}d", _convolution.transposed, n) for n in (1, 2, 3)
)
max_pool1d, max_pool2d, max_pool3d = (_named(f"max_pool{n}d", _pooling.max_pool, n) for n in (1, 2, 3))
max_unpool1d, max_unpool2d, max_unpool3d = (_named(f"max_unpool{n}d", _pooling.max_unpool, n) for n in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (_named(f"avg_pool{n}d", _pooling.avg_pool, n) for n in (1, 2, 3))
lp_pool1d, lp_pool2d, lp_pool3d = (_named(f"lp_pool{n}d", _pooling.lp_pool, n) for n in (1, 2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _named(f"adaptive_avg_pool{n}d", _pooling.adaptive_avg_pool, n) for n in (1, 2, 3)
)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (
    _named(f"adaptive_max_pool{n}d", _pooling.adaptive_max_pool, n) for n in (1, 2, 3)
)
fractional_max_pool2d, fractional_max_pool3d = (
    _named(f"fractional_max_pool{n}d", _pooling.fractional_max_pool, n) for n in (2, 3)
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "alibi",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "bilinear",
    "celu",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "dropout",
    "elu",
    "embedding",
    "embedding_bag",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gelu",
    "glu",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "normalize",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rotary",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "sinusoidal",
    "softmax",
    "softmax2d",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "unfold",
]

explain_all(__all__, globals())
