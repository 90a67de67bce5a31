"""Optimizers: update rules on arrays you have, schedules for their hyper-parameters."""

from fallline.optim import schedules
from fallline.optim._base import Optimizer, get
from fallline.optim.adam import Adam, AdamW, AMSGrad
from fallline.optim.adaptive import Adadelta, Adagrad, RMSprop
from fallline.optim.mixtures import ADOPT, Adan, AdEMAMix, QHAdam
from fallline.optim.moments import AdaBelief, Adamax, NAdam, NAdamW, RAdam, Yogi
from fallline.optim.online import ASGD, FTRL
from fallline.optim.sgd import QHM, SGD, Momentum, Nesterov
from fallline.optim.signs import Lion, Rprop, Signum

__all__ = [
    "ADOPT",
    "AMSGrad",
    "ASGD",
    "AdEMAMix",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
    "FTRL",
    "Lion",
    "Momentum",
    "NAdam",
    "NAdamW",
    "Nesterov",
    "Optimizer",
    "QHAdam",
    "QHM",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "Signum",
    "Yogi",
    "get",
    "schedules",
]
