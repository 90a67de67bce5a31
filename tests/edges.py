"""What does each optimizer do at the edges: at its first step, after zeros, with tiny, huge and missing numbers?

Words are "moves", "still" and "nan". `tests/optim/test_edges.py` runs every row in both dtypes; facts stand on the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NONE: Mapping[str, Any] = MappingProxyType({})


class Edge(NamedTuple):
    """A class of fl.optim, and where it is not like most."""

    name: str
    options: Mapping[str, Any] = NONE
    lr: float = 0.125
    first: str = "moves"  # one gradient of ordinary size at t = 1
    zeros: str = "still"  # ten gradients that are zero
    then: str = "moves"  # an ordinary one after them
    tiny: tuple[str, str] = ("moves", "moves")  # three of 1e-30, in float32 and float64, from a parameter of zero
    huge: str = "moves"  # three of 1e20, then one of 1
    enormous: str = "moves"  # the same with 1e30
    bounded: bool = True  # no step is longer than 100 learning rates, whatever the gradient
    nan: str = "element"  # which elements one NaN reaches: "element", "row and column", "tensor" or "none"
    steps_nan: int = 1  # after so many steps
    infinite: str = "shows"  # an infinite gradient: the parameter is not finite afterwards, or "steps" by the sign
    minimizes: bool = False  # it takes gradients where it wants them
    no_rate: str = "still"  # lr = 0 with an ordinary gradient
    schedules: tuple[str, ...] = ("lr",)  # the hyper-parameters that are put on a schedule, one at a time


BETAS = ("lr", "beta1", "beta2")
STEPS = {"line_search": None, "max_iter": 1}

EDGES: list[Edge] = [
    Edge("SGD", bounded=False),
    Edge("Momentum", schedules=("lr", "momentum"), bounded=False),
    Edge("Nesterov", schedules=("lr", "momentum"), bounded=False),
    Edge("QHM", schedules=("lr", "momentum", "nu"), bounded=False),
    Edge("AggMo", schedules=(*BETAS, "beta3"), bounded=False),
    Edge("Adagrad"),
    Edge("RMSprop", schedules=("lr", "alpha")),
    Edge("RMSprop", {"momentum": 0.5}, schedules=("lr", "alpha", "momentum")),
    Edge("RMSprop", {"centered": True}, schedules=("lr", "alpha")),
    Edge("RMSprop", {"eps": 0.0}, schedules=("lr",)),
    Edge("Adadelta", schedules=("lr", "rho")),
    Edge("Adam", schedules=BETAS),
    Edge("Adam", {"eps": 0.0}, schedules=("lr",)),
    Edge("AdamW", {"weight_decay": 0.0}, schedules=BETAS),
    Edge("AMSGrad", schedules=BETAS),
    Edge("Adamax", schedules=BETAS),
    Edge("NAdam", schedules=BETAS),
    Edge("NAdamW", {"weight_decay": 0.0}, schedules=BETAS),
    Edge("RAdam", schedules=BETAS, bounded=False),
    Edge("AdaBelief", schedules=BETAS),
    Edge("Yogi", {"initial_accumulator": 0.0}, schedules=BETAS),
    Edge("Yogi", {"initial_accumulator": 0.0, "eps": 0.0}, schedules=("lr",)),
    Edge("AdEMAMix", schedules=(*BETAS, "beta3")),
    Edge("ADOPT", first="still", then="moves", steps_nan=2, schedules=BETAS),
    Edge("QHAdam", schedules=BETAS),
    Edge("Adan", schedules=(*BETAS, "beta3")),
    Edge("Lion", infinite="steps", schedules=BETAS),
    Edge("Signum", infinite="steps", schedules=("lr", "momentum")),
    Edge("Rprop", infinite="steps", no_rate="in part", schedules=()),
    Edge("ASGD", {"lambd": 0.1}, zeros="moves", bounded=False),
    Edge("FTRL", zeros="moves", no_rate="moves"),
    Edge("ScheduleFreeSGD", bounded=False),
    Edge("ScheduleFreeAdamW", schedules=("lr", "beta2")),
    Edge("MADGRAD", schedules=("lr", "momentum"), bounded=False),
    Edge("LARS", schedules=("lr", "momentum"), nan="tensor"),
    Edge("LAMB", schedules=BETAS, nan="tensor"),
    Edge("NovoGrad", schedules=BETAS, nan="tensor"),
    Edge("Adafactor", nan="tensor"),
    Edge("SM3", schedules=("lr", "momentum"), nan="row and column"),
    Edge("Muon", {"weight_decay": 0.0}, schedules=("lr", "momentum"), nan="tensor"),
    Edge("Prodigy", schedules=BETAS, nan="tensor"),
    Edge("SWATS", schedules=BETAS),
    Edge("Shampoo", schedules=("lr", "momentum"), nan="tensor"),
    Edge("SOAP", {"weight_decay": 0.0}, first="still", steps_nan=2, schedules=BETAS, nan="tensor"),
    Edge("NesterovLookahead", minimizes=True, schedules=("lr", "momentum"), bounded=False),
    Edge("Sophia", minimizes=True, infinite="steps", schedules=("lr", "beta1")),
    # It asks for values: where one is not finite it stays. 1e-30 is less than its tolerance.
    Edge("LBFGS", STEPS, tiny=("still", "still"), minimizes=True, nan="none", infinite="stays"),
    Edge("LBFGS", {**STEPS, "tolerance_grad": 0.0}, minimizes=True, nan="none", infinite="stays"),
]
