"""Optimizers: update rules on arrays you have, schedules for their hyper-parameters."""

from fallline.optim import schedules
from fallline.optim._base import Optimizer, get
from fallline.optim.adam import Adam, AdamW, AMSGrad
from fallline.optim.adaptive import Adagrad, RMSprop
from fallline.optim.sgd import SGD, Momentum, Nesterov

__all__ = [
    "SGD",
    "AMSGrad",
    "Adagrad",
    "Adam",
    "AdamW",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
]
