"""Networks: modules, layers, initialisers and losses."""

from fallline._hints import module_names
from fallline.nn import init, losses
from fallline.nn._images import AvgPool2d, Conv2d, MaxPool2d
from fallline.nn._layers import (
    ELU,
    GELU,
    Dropout,
    Flatten,
    Identity,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from fallline.nn._module import Buffer, Module
from fallline.nn._norm import BatchNorm1d, BatchNorm2d

__all__ = [
    "ELU",
    "GELU",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "Dropout",
    "Flatten",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
    "losses",
]

__getattr__, __dir__ = module_names(__name__)
