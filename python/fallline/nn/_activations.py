"""Activations as layers, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

from typing import Any

from fallline._arguments import flag, optional, takes
from fallline._array import Array
from fallline.nn import functional as F
from fallline.nn import init
from fallline.nn._functions import layer_of
from fallline.nn._kinds import finite, float_dtype, size
from fallline.nn._module import Module

ReLU = layer_of("ReLU", F.relu, inplace=True)
Tanh = layer_of("Tanh", F.tanh)
Sigmoid = layer_of("Sigmoid", F.sigmoid)
SiLU = layer_of("SiLU", F.silu, inplace=True)
GELU = layer_of("GELU", F.gelu)
Softplus = layer_of("Softplus", F.softplus)
LeakyReLU = layer_of("LeakyReLU", F.leaky_relu, inplace=True)
ELU = layer_of("ELU", F.elu, inplace=True)
Softmax = layer_of("Softmax", F.softmax)
LogSoftmax = layer_of("LogSoftmax", F.log_softmax)
ReLU6 = layer_of("ReLU6", F.relu6, inplace=True)
RReLU = layer_of("RReLU", F.rrelu, inplace=True)
CELU = layer_of("CELU", F.celu, inplace=True)
SELU = layer_of("SELU", F.selu, inplace=True)
Mish = layer_of("Mish", F.mish, inplace=True)
LogSigmoid = layer_of("LogSigmoid", F.logsigmoid)
Softsign = layer_of("Softsign", F.softsign)
Softshrink = layer_of("Softshrink", F.softshrink)
Hardshrink = layer_of("Hardshrink", F.hardshrink)
Tanhshrink = layer_of("Tanhshrink", F.tanhshrink)
Threshold = layer_of("Threshold", F.threshold, inplace=True)
Hardtanh = layer_of("Hardtanh", F.hardtanh, inplace=True)
Hardsigmoid = layer_of("Hardsigmoid", F.hardsigmoid, inplace=True)
Hardswish = layer_of("Hardswish", F.hardswish, inplace=True)
GLU = layer_of("GLU", F.glu)
Softmin = layer_of("Softmin", F.softmin)
Softmax2d = layer_of("Softmax2d", F.softmax2d)


class PReLU(Module):
    """x where it is positive, else a trained slope times x: one slope, or one for each channel. He et al. 2015.

    Parameters
    ----------
    num_parameters
        1, or the number of channels (axis 1).
    init
        The slope to begin with.
    """

    @takes(num_parameters=size, init=finite, dtype=optional(float_dtype))
    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = _filled(num_parameters, init, dtype)

    def forward(self, x: Any) -> Array:
        """Apply."""
        return F.prelu(x, self.weight)

    def _describe(self) -> str:
        return f"{self.num_parameters}"


def _filled(count: int, value: float, dtype: Any) -> Array:
    return init.constant(value)((count,), dtype=dtype)


class Bilinear(Module):
    r""":math:`y_o = x_1^T A_o x_2 + b_o` along the last axes.

    Parameters
    ----------
    in1_features, in2_features, out_features
        The lengths of the last axes of both inputs and of the output.
    bias
        Whether to add b.
    dtype
        float32 or float64; None takes the default dtype.
    """

    @takes(in1_features=size, in2_features=size, out_features=size, bias=flag, dtype=optional(float_dtype))
    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = init.glorot_uniform((out_features, in1_features, in2_features), dtype=dtype)
        self.bias = init.zeros((out_features,), dtype=dtype) if bias else None

    def forward(self, x1: Any, x2: Any) -> Array:
        """Multiply both with each matrix."""
        return F.bilinear(x1, x2, self.weight, self.bias)

    def _describe(self) -> str:
        return f"{self.in1_features}, {self.in2_features}, {self.out_features}"
