"""Optimizers: update rules on arrays you have, schedules for their hyper-parameters."""

from fallline._explain import explain_all
from fallline._hints import module_names
from fallline.optim import schedules
from fallline.optim._base import Optimizer, get, names
from fallline.optim.adam import Adam, AdamW, AMSGrad
from fallline.optim.adaptive import Adadelta, Adagrad, RMSprop
from fallline.optim.averaging import MADGRAD, AggMo, ScheduleFreeAdamW, ScheduleFreeSGD
from fallline.optim.curvature import Sophia
from fallline.optim.distance import Prodigy
from fallline.optim.factored import SM3, Adafactor
from fallline.optim.kronecker import SOAP, Shampoo
from fallline.optim.layerwise import LAMB, LARS, NovoGrad
from fallline.optim.lbfgs import LBFGS
from fallline.optim.matrices import Muon
from fallline.optim.mixtures import ADOPT, Adan, AdEMAMix, QHAdam
from fallline.optim.moments import AdaBelief, Adamax, NAdam, NAdamW, RAdam, Yogi
from fallline.optim.online import ASGD, FTRL
from fallline.optim.plateau import ReduceOnPlateau
from fallline.optim.scaling import LossScale
from fallline.optim.sgd import QHM, SGD, Momentum, Nesterov
from fallline.optim.signs import Lion, Rprop, Signum
from fallline.optim.switching import SWATS, NesterovLookahead
from fallline.optim.tensorwise import TensorRule
from fallline.optim.transforms import (
    accumulate,
    adaptive_clip,
    add_noise,
    centralize,
    clip_global_norm,
    clip_norm,
    clip_value,
    freeze,
    skip_nonfinite,
)
from fallline.optim.weight_averages import EMA, SWA, Lookahead
from fallline.optim.wrappers import SAM, SwitchTo, chain, partition

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
    "EMA",
    "FTRL",
    "LAMB",
    "LARS",
    "LBFGS",
    "Lion",
    "Lookahead",
    "LossScale",
    "MADGRAD",
    "Momentum",
    "Muon",
    "NAdam",
    "NAdamW",
    "Nesterov",
    "NesterovLookahead",
    "NovoGrad",
    "Optimizer",
    "Prodigy",
    "QHAdam",
    "QHM",
    "RAdam",
    "RMSprop",
    "ReduceOnPlateau",
    "Rprop",
    "SAM",
    "SGD",
    "SM3",
    "SOAP",
    "SWA",
    "SWATS",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "Shampoo",
    "Signum",
    "Sophia",
    "SwitchTo",
    "TensorRule",
    "Yogi",
    "accumulate",
    "adaptive_clip",
    "add_noise",
    "centralize",
    "chain",
    "clip_global_norm",
    "clip_norm",
    "clip_value",
    "freeze",
    "get",
    "names",
    "partition",
    "schedules",
    "skip_nonfinite",
]

explain_all((name for name in __all__ if name not in ("Optimizer", "TensorRule")), globals())
__getattr__, __dir__ = module_names(__name__)
