"""Optimizers: update rules on arrays you have, schedules for their hyper-parameters."""

from fallline.optim import schedules
from fallline.optim._base import Optimizer, get
from fallline.optim.adam import Adam, AdamW, AMSGrad
from fallline.optim.adaptive import Adadelta, Adagrad, RMSprop
from fallline.optim.averaging import MADGRAD, AggMo, ScheduleFreeAdamW, ScheduleFreeSGD
from fallline.optim.distance import Prodigy
from fallline.optim.factored import SM3, Adafactor
from fallline.optim.layerwise import LAMB, LARS, NovoGrad
from fallline.optim.matrices import Muon
from fallline.optim.mixtures import ADOPT, Adan, AdEMAMix, QHAdam
from fallline.optim.moments import AdaBelief, Adamax, NAdam, NAdamW, RAdam, Yogi
from fallline.optim.online import ASGD, FTRL
from fallline.optim.sgd import QHM, SGD, Momentum, Nesterov
from fallline.optim.signs import Lion, Rprop, Signum
from fallline.optim.tensorwise import TensorRule

__all__ = [
    "ADOPT",
    "AMSGrad",
    "ASGD",
    "AdEMAMix",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
    "AggMo",
    "FTRL",
    "LAMB",
    "LARS",
    "Lion",
    "MADGRAD",
    "Momentum",
    "Muon",
    "NAdam",
    "NAdamW",
    "Nesterov",
    "NovoGrad",
    "Optimizer",
    "Prodigy",
    "QHAdam",
    "QHM",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SM3",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "Signum",
    "TensorRule",
    "Yogi",
    "get",
    "schedules",
]
