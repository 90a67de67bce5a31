"""Which optimizer of which library does `like` follow, made with the library's own defaults and with other options?

`tests/optim/test_peers.py` runs every row against the library, where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NONE: Mapping[str, Any] = MappingProxyType({})


class Peer(NamedTuple):
    """One pair: our class and the library's, which `make` returns for a learning rate."""

    name: str
    library: str
    make: Callable[[Any, float], Any]  # of the library's module
    options: Mapping[str, Any] = NONE  # ours, beside those of `like`
    near: float = 1e-12
    reason: str = ""  # why not nearer
    vectors: bool = True  # whether it also steps vectors
    transposed: bool = False  # whether its matrices lie the other way
    fixed: bool = False  # whether the function stays the same, as line searches and pairs need it
    steps: int = 40


def optax(name: str, **options: Any) -> Callable[[Any, float], Any]:
    def make(o: Any, lr: float) -> Any:
        for part in name.split("."):
            o = getattr(o, part)
        return o(lr, **options)

    return make


def keras(name: str, **options: Any) -> Callable[[Any, float], Any]:
    return lambda k, lr: getattr(k.optimizers, name)(lr, **options)


def torch(name: str, **options: Any) -> Callable[[Any, float], Any]:
    return lambda o, lr: lambda params: getattr(o.optim, name)(params, lr=lr, **options)


def tinygrad(name: str, **options: Any) -> Callable[[Any, float], Any]:
    return lambda o, lr: lambda params: getattr(o.nn.optim, name)(params, lr=lr, **options)


def mlx(name: str, **options: Any) -> Callable[[Any, float], Any]:
    return lambda o, lr: getattr(o, name)(lr, **options)


HALF = {"momentum": 0.5}
NESTEROV = {"nesterov": True}
SINGLE = "its state is float32"
SINGLE_STEP = "its power of the step is float32"
ROOT = "it multiplies by the reciprocal root"
BFLOAT16 = "it iterates in bfloat16, which keeps two digits"

PEERS: list[Peer] = [
    Peer("SGD", "torch", torch("SGD")),
    Peer("Momentum", "torch", torch("SGD", momentum=0.9)),
    Peer("Nesterov", "torch", torch("SGD", momentum=0.9, nesterov=True)),
    Peer("Adagrad", "torch", torch("Adagrad")),
    Peer("RMSprop", "torch", torch("RMSprop")),
    Peer("Adadelta", "torch", torch("Adadelta")),
    Peer("Adam", "torch", torch("Adam")),
    Peer("AdamW", "torch", torch("AdamW")),
    Peer("AMSGrad", "torch", torch("Adam", amsgrad=True)),
    Peer("Adamax", "torch", torch("Adamax")),
    Peer("NAdam", "torch", torch("NAdam")),
    Peer("NAdamW", "torch", torch("NAdam", decoupled_weight_decay=True, weight_decay=0.1), {"weight_decay": 0.1}),
    Peer("RAdam", "torch", torch("RAdam")),
    Peer("Rprop", "torch", torch("Rprop")),
    Peer("ASGD", "torch", torch("ASGD")),
    Peer("Adafactor", "torch", torch("Adafactor"), {"eps1": 2.220446049250313e-16}, 1e-10, "sums in another order"),
    Peer("Muon", "torch", torch("Muon"), NONE, 2e-2, BFLOAT16, vectors=False),
    Peer("LBFGS", "torch", torch("LBFGS"), NONE, 1e-10, "sums in another order", fixed=True, steps=5),
    Peer("SGD", "keras", keras("SGD")),
    Peer("SGD", "keras", keras("SGD", weight_decay=0.1), {"weight_decay": 0.1}),
    Peer("Momentum", "keras", keras("SGD", momentum=0.9)),
    Peer("Nesterov", "keras", keras("SGD", momentum=0.9, nesterov=True)),
    Peer("Adagrad", "keras", keras("Adagrad")),
    Peer("RMSprop", "keras", keras("RMSprop")),
    Peer("RMSprop", "keras", keras("RMSprop", momentum=0.5), HALF),
    Peer("Adadelta", "keras", keras("Adadelta")),
    Peer("Adam", "keras", keras("Adam")),
    Peer("AdamW", "keras", keras("AdamW")),
    Peer("AMSGrad", "keras", keras("Adam", amsgrad=True)),
    Peer("Adamax", "keras", keras("Adamax")),
    Peer("NAdam", "keras", keras("Nadam")),
    Peer("NAdamW", "keras", keras("Nadam", weight_decay=0.1), {"weight_decay": 0.1}),
    Peer("Lion", "keras", keras("Lion")),
    Peer("LAMB", "keras", keras("Lamb")),
    Peer("Adafactor", "keras", keras("Adafactor"), NONE, 1e-6, SINGLE_STEP),
    Peer("Muon", "keras", keras("Muon"), NONE, 1e-6, "its factor of the shape is float32"),
    Peer("FTRL", "keras", keras("Ftrl")),
    Peer("FTRL", "keras", keras("Ftrl", l1_regularization_strength=0.01, l2_regularization_strength=0.1, beta=0.5),
         {"l1": 0.01, "ridge": 0.2, "beta": 0.5}),
    Peer("SGD", "mlx", mlx("SGD")),
    Peer("Momentum", "mlx", mlx("SGD", momentum=0.9, dampening=0.5), {"dampening": 0.5}),
    Peer("Nesterov", "mlx", mlx("SGD", momentum=0.9, nesterov=True)),
    Peer("Adagrad", "mlx", mlx("Adagrad")),
    Peer("RMSprop", "mlx", mlx("RMSprop")),
    Peer("Adadelta", "mlx", mlx("AdaDelta")),
    Peer("Adam", "mlx", mlx("Adam")),
    Peer("AdamW", "mlx", mlx("AdamW")),
    Peer("Adamax", "mlx", mlx("Adamax")),
    Peer("Lion", "mlx", mlx("Lion")),
    Peer("Adafactor", "mlx", mlx("Adafactor", relative_step=False), {"relative_step": False}, 1e-6, SINGLE_STEP),
    Peer("Adafactor", "mlx", lambda o, lr: o.Adafactor(), {"lr": 1e-2}, 1e-6, SINGLE_STEP),
    Peer("Muon", "mlx", mlx("Muon"), NONE, 1e-5, "its products are float32", vectors=False),
    Peer("SGD", "tinygrad", tinygrad("SGD"), NONE, 1e-5, SINGLE, steps=8),
    Peer("Momentum", "tinygrad", tinygrad("SGD", momentum=0.9), NONE, 1e-5, SINGLE, steps=8),
    Peer("Nesterov", "tinygrad", tinygrad("SGD", momentum=0.9, nesterov=True), NONE, 1e-5, SINGLE, steps=8),
    Peer("Adam", "tinygrad", tinygrad("Adam"), NONE, 1e-5, SINGLE, steps=8),
    Peer("AdamW", "tinygrad", tinygrad("AdamW"), NONE, 1e-5, SINGLE, steps=8),
    Peer("LAMB", "tinygrad", tinygrad("LAMB"), NONE, 1e-5, SINGLE, steps=8),
    Peer("LARS", "tinygrad", tinygrad("LARS"), NONE, 1e-5, SINGLE, steps=8),
    Peer("Muon", "tinygrad", tinygrad("Muon"), NONE, 1e-4, SINGLE, vectors=False, steps=3),
    Peer("SGD", "optax", optax("sgd")),
    Peer("Momentum", "optax", optax("sgd", momentum=0.9)),
    Peer("Nesterov", "optax", optax("sgd", momentum=0.9, nesterov=True)),
    Peer("Adagrad", "optax", optax("adagrad")),
    Peer("RMSprop", "optax", optax("rmsprop")),
    Peer("RMSprop", "optax", optax("rmsprop", momentum=0.5), HALF),
    Peer("RMSprop", "optax", optax("rmsprop", centered=True), {"centered": True}, 1e-9, "a difference under a root"),
    Peer("RMSprop", "optax", optax("rmsprop", initial_scale=0.3), {"initial_accumulator": 0.3}),
    Peer("RMSprop", "optax", optax("rmsprop", bias_correction=True), {"bias_correction": True}),
    Peer("RMSprop", "optax", optax("rmsprop", bias_correction=True, initial_scale=0.3, centered=True),
         {"bias_correction": True, "initial_accumulator": 0.3, "centered": True}, 1e-9, "a difference under a root"),
    Peer("Adadelta", "optax", optax("adadelta")),
    Peer("Adam", "optax", optax("adam")),
    Peer("AdamW", "optax", optax("adamw")),
    Peer("AMSGrad", "optax", optax("amsgrad")),
    Peer("Adamax", "optax", optax("adamax")),
    Peer("NAdam", "optax", optax("nadam")),
    Peer("NAdamW", "optax", optax("nadamw")),
    Peer("RAdam", "optax", optax("radam")),
    Peer("Lion", "optax", optax("lion")),
    Peer("Signum", "optax", optax("signum")),
    Peer("Signum", "optax", optax("signum", beta=0.5), HALF),
    Peer("Adan", "optax", optax("adan")),
    Peer("AdaBelief", "optax", optax("adabelief")),
    Peer("Yogi", "optax", optax("yogi")),
    Peer("AdEMAMix", "optax", optax("contrib.ademamix")),
    Peer("ADOPT", "optax", optax("contrib.adopt")),
    Peer("LARS", "optax", optax("lars"), NONE, 1e-10, "sums in another order"),
    Peer("LAMB", "optax", optax("lamb"), NONE, 1e-10, "sums in another order"),
    Peer("NovoGrad", "optax", optax("novograd"), NONE, 1e-10, "sums in another order"),
    Peer("SM3", "optax", optax("sm3"), NONE, 1e-10, ROOT),
    Peer("MADGRAD", "optax", optax("contrib.madgrad"), NONE, 1e-6, "its root of the step is float32"),
    Peer("Prodigy", "optax", optax("contrib.prodigy"), NONE, 1e-10, "sums in another order"),
    Peer("Adafactor", "optax", optax("adafactor"), NONE, 1e-6, SINGLE_STEP),
    Peer("Muon", "optax", optax("contrib.muon"), NONE, 1e-10, "products are summed otherwise",
         vectors=False, transposed=True),
    Peer("ScheduleFreeSGD", "optax", optax("contrib.schedule_free_sgd"), NONE, 1e-9, "it computes x from y"),
    Peer("ScheduleFreeAdamW", "optax", optax("contrib.schedule_free_adamw"), NONE, 1e-9, "it computes x from y"),
]  # fmt: skip
