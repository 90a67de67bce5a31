"""Which optimizer is compared with which of another library, with which options, and how near must they stay?

`docs/optimizers.md` shows this table; `tests/optim/test_parity.py` runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fallline import optim
from fallline.optim import Optimizer


class Draw(NamedTuple):
    """Hyper-parameters, drawn anew for every run."""

    lr: float
    b1: float
    b2: float
    b3: float
    eps: float
    decay: float
    on: bool


class Row(NamedTuple):
    """Two optimizers that have to do the same."""

    ours: Callable[[Draw], Optimizer]
    library: str
    theirs: str
    options: Callable[[Draw], dict[str, Any]]
    near: float = 1e-12
    reason: str = ""


def betas(h: Draw) -> tuple[float, float]:
    return h.b1, h.b2


def apart(h: Draw) -> tuple[float, float, float]:
    return 0.3 * h.b3, 0.3 + 0.3 * h.b1, 0.7 + 0.25 * h.b2  # theirs are the keys of a dict


TORCH: list[Row] = [
    Row(lambda h: optim.SGD(h.lr, l2=h.decay, maximize=h.on), "torch", "SGD",
        lambda h: {"lr": h.lr, "weight_decay": h.decay, "maximize": h.on}),
    Row(lambda h: optim.Momentum(h.lr, momentum=h.b1, dampening=h.b3, l2=h.decay), "torch", "SGD",
        lambda h: {"lr": h.lr, "momentum": h.b1, "dampening": h.b3, "weight_decay": h.decay}),
    Row(lambda h: optim.Nesterov(h.lr, momentum=h.b1), "torch", "SGD",
        lambda h: {"lr": h.lr, "momentum": h.b1, "nesterov": True}),
    Row(lambda h: optim.Adagrad(h.lr, lr_decay=h.b3, initial_accumulator=h.decay, eps=h.eps, l2=h.decay),
        "torch", "Adagrad",
        lambda h: {"lr": h.lr, "lr_decay": h.b3, "initial_accumulator_value": h.decay, "eps": h.eps,
                   "weight_decay": h.decay}),
    Row(lambda h: optim.RMSprop(h.lr, alpha=h.b2, eps=h.eps, momentum=h.b1, l2=h.decay), "torch", "RMSprop",
        lambda h: {"lr": h.lr, "alpha": h.b2, "eps": h.eps, "momentum": h.b1, "weight_decay": h.decay}),
    Row(lambda h: optim.RMSprop(h.lr, alpha=h.b2, eps=h.eps, centered=True), "torch", "RMSprop",
        lambda h: {"lr": h.lr, "alpha": h.b2, "eps": h.eps, "centered": True}, 1e-9,
        "the difference of two nearly equal numbers stands under a root"),
    Row(lambda h: optim.Adadelta(h.lr, rho=h.b2, eps=h.eps, l2=h.decay), "torch", "Adadelta",
        lambda h: {"lr": h.lr, "rho": h.b2, "eps": h.eps, "weight_decay": h.decay}),
    Row(lambda h: optim.Adam(h.lr, betas=betas(h), eps=h.eps, l2=h.decay, maximize=h.on), "torch", "Adam",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "weight_decay": h.decay, "maximize": h.on}),
    Row(lambda h: optim.AMSGrad(h.lr, betas=betas(h), eps=h.eps), "torch", "Adam",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "amsgrad": True}),
    Row(lambda h: optim.AdamW(h.lr, betas=betas(h), eps=h.eps, weight_decay=h.decay), "torch", "AdamW",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "weight_decay": h.decay}),
    Row(lambda h: optim.Adamax(h.lr, betas=betas(h), eps=h.eps, l2=h.decay), "torch", "Adamax",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "weight_decay": h.decay}),
    Row(lambda h: optim.NAdam(h.lr, betas=betas(h), eps=h.eps, momentum_decay=h.b3, l2=h.decay), "torch", "NAdam",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "momentum_decay": h.b3, "weight_decay": h.decay}),
    Row(lambda h: optim.NAdamW(h.lr, betas=betas(h), eps=h.eps, weight_decay=h.decay), "torch", "NAdam",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "weight_decay": h.decay,
                   "decoupled_weight_decay": True}),
    Row(lambda h: optim.RAdam(h.lr, betas=betas(h), eps=h.eps, l2=h.decay), "torch", "RAdam",
        lambda h: {"lr": h.lr, "betas": betas(h), "eps": h.eps, "weight_decay": h.decay}),
    Row(lambda h: optim.Rprop(h.lr, etas=(0.3 + h.b1 / 2, 1.1 + h.b3), step_sizes=(1e-3, 0.2)), "torch", "Rprop",
        lambda h: {"lr": h.lr, "etas": (0.3 + h.b1 / 2, 1.1 + h.b3), "step_sizes": (1e-3, 0.2)}),
    Row(lambda h: optim.ASGD(h.lr, lambd=h.decay, alpha=h.b1, t0=50), "torch", "ASGD",
        lambda h: {"lr": h.lr, "lambd": h.decay, "alpha": h.b1, "t0": 50}, 1e-11,
        "their power is rounded as libm rounds it"),
]  # fmt: skip

OPTAX: list[Row] = [
    Row(lambda h: optim.Lion(h.lr, betas=betas(h), weight_decay=h.decay), "optax", "lion",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "weight_decay": h.decay}),
    Row(lambda h: optim.AdaBelief(h.lr, betas=betas(h), eps=h.eps, eps_root=h.eps), "optax", "adabelief",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps, "eps_root": h.eps}),
    Row(lambda h: optim.Yogi(h.lr, betas=betas(h), eps=h.eps), "optax", "yogi",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps}),
    Row(lambda h: optim.ADOPT(h.lr, betas=betas(h), eps=h.eps), "optax", "contrib.adopt",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps}),
    Row(lambda h: optim.NAdam.like("optax", lr=h.lr, betas=betas(h), eps=h.eps), "optax", "nadam",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps}),
    Row(lambda h: optim.Adam.like("optax", lr=h.lr, betas=betas(h), eps=h.eps, eps_root=h.eps), "optax", "adam",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps, "eps_root": h.eps}),
    Row(lambda h: optim.AdamW.like("optax", lr=h.lr, betas=betas(h), weight_decay=h.decay), "optax", "adamw",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "weight_decay": h.decay}),
    Row(lambda h: optim.Adamax.like("optax", lr=h.lr, betas=betas(h), eps=h.eps), "optax", "adamax",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps}),
    Row(lambda h: optim.RMSprop.like("optax", lr=h.lr, alpha=h.b2, eps_root=h.eps), "optax", "rmsprop",
        lambda h: {"learning_rate": h.lr, "decay": h.b2, "eps": h.eps}),
    Row(lambda h: optim.Momentum.like("optax", lr=h.lr, momentum=h.b1), "optax", "sgd",
        lambda h: {"learning_rate": h.lr, "momentum": h.b1}),
    Row(lambda h: optim.Nesterov.like("optax", lr=h.lr, momentum=h.b1), "optax", "sgd",
        lambda h: {"learning_rate": h.lr, "momentum": h.b1, "nesterov": True}),
    Row(lambda h: optim.Adagrad.like("optax", lr=h.lr, initial_accumulator=h.decay + 0.1, eps_root=h.eps),
        "optax", "adagrad",
        lambda h: {"learning_rate": h.lr, "initial_accumulator_value": h.decay + 0.1, "eps": h.eps}),
    Row(lambda h: optim.AdEMAMix(h.lr, betas=(h.b1, h.b2, 0.5 + h.b3 / 2), alpha=2.0, eps=h.eps),
        "optax", "contrib.ademamix",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "b3": 0.5 + h.b3 / 2, "alpha": 2.0, "eps": h.eps}),
    Row(lambda h: optim.Signum(h.lr, momentum=0.0), "optax", "sign_sgd", lambda h: {"learning_rate": h.lr}),
    Row(lambda h: optim.LAMB(h.lr, betas=betas(h), eps=h.eps, weight_decay=h.decay), "optax", "lamb",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps, "weight_decay": h.decay}, 1e-10,
        "norms of whole tensors are summed in another order"),
    Row(lambda h: optim.NovoGrad(h.lr, betas=betas(h), eps=h.eps, weight_decay=h.decay), "optax", "novograd",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps, "weight_decay": h.decay}, 1e-10,
        "norms of whole tensors are summed in another order"),
    Row(lambda h: optim.SM3(h.lr, momentum=h.b1), "optax", "sm3",
        lambda h: {"learning_rate": h.lr, "momentum": h.b1}, 1e-10, "their root is a reciprocal root"),
]  # fmt: skip

OPTAX += [
    Row(lambda h: optim.ScheduleFreeSGD(h.lr, momentum=h.b1), "optax", "contrib.schedule_free_sgd",
        lambda h: {"learning_rate": h.lr, "b1": h.b1}, 1e-9, "they compute x from y in every step"),
    Row(lambda h: optim.ScheduleFreeAdamW(h.lr, betas=betas(h), eps=h.eps), "optax", "contrib.schedule_free_adamw",
        lambda h: {"learning_rate": h.lr, "b1": h.b1, "b2": h.b2, "eps": h.eps}, 1e-9,
        "they compute x from y in every step"),
]  # fmt: skip

PYTORCH_OPTIMIZER: list[Row] = [
    Row(lambda h: optim.QHAdam(h.lr, betas=betas(h), nus=(h.b3, 0.7), eps=h.eps), "pytorch_optimizer", "QHAdam",
        lambda h: {"lr": h.lr, "betas": betas(h), "nus": (h.b3, 0.7), "eps": h.eps}, 1e-5,
        "their weights of the means are float32"),
    Row(lambda h: optim.QHM(h.lr, momentum=h.b1, nu=h.b3), "pytorch_optimizer", "QHM",
        lambda h: {"lr": h.lr, "momentum": h.b1, "nu": h.b3}),
    Row(lambda h: optim.Adan(h.lr, betas=(h.b1, 0.5 + h.b3 / 2, h.b2), eps=h.eps), "pytorch_optimizer", "Adan",
        lambda h: {"lr": h.lr, "betas": (h.b1, 0.5 + h.b3 / 2, h.b2), "eps": h.eps}),
    Row(lambda h: optim.FTRL(h.lr, l1=h.decay, ridge=h.b3, beta=h.b1, initial_accumulator=0.0),
        "pytorch_optimizer", "FTRL",
        lambda h: {"lr": h.lr, "lambda_1": h.decay, "lambda_2": h.b3, "beta": h.b1}),
    Row(lambda h: optim.Signum(h.lr, momentum=h.b1, weight_decay=h.decay), "pytorch_optimizer", "SignSGD",
        lambda h: {"lr": h.lr, "momentum": h.b1, "weight_decay": h.decay, "weight_decouple": True}),
    Row(lambda h: optim.AggMo(h.lr, betas=apart(h)), "pytorch_optimizer", "AggMo",
        lambda h: {"lr": h.lr, "betas": apart(h)}),
    Row(lambda h: optim.Lion(h.lr, betas=betas(h), weight_decay=h.decay), "pytorch_optimizer", "Lion",
        lambda h: {"lr": h.lr, "betas": betas(h), "weight_decay": h.decay, "weight_decouple": True}),
]  # fmt: skip

ROWS = [*TORCH, *OPTAX, *PYTORCH_OPTIMIZER]
