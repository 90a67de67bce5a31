"""What makes an optimizer compute what another library's does?  Arguments by class and library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Arguments = dict[str, Any]

_KERAS_EPS: Arguments = {"eps": 1e-7, "eps_hat": True}
_INSIDE: Arguments = {"eps": 0.0, "lr_in_velocity": True}

_PLAIN: Arguments = {}


def _same_rate(own: Arguments) -> Callable[[Arguments], Arguments]:
    """Return `own` with the learning rate of vectors that of matrices, which may be given."""
    return lambda given: {**own, **({"vector_lr": given["lr"]} if "lr" in given else {})}


# By class and library: arguments, or a function of those that are given. "source": the formulas of the lecture notes
# that this library began with, where they differ from the papers.
LIKE: dict[str, dict[str, Arguments | Callable[[Arguments], Arguments]]] = {
    "SGD": {"torch": {}, "keras": {"lr": 1e-2}, "optax": {}, "mlx": {}, "tinygrad": {}, "source": {}},
    "Momentum": {
        "torch": {},
        "keras": {"lr": 1e-2, "lr_in_velocity": True},
        "optax": {},
        "mlx": {"dampen_first": True},
        "tinygrad": {},
        "source": {},
    },
    "Nesterov": {
        "torch": {},
        "keras": {"lr": 1e-2, "lr_in_velocity": True},
        "optax": {},
        "mlx": {},
        "tinygrad": {},
        "source": {},
    },
    "NesterovLookahead": {"source": {"consistent": False}},
    "Adagrad": {
        "torch": {},
        "keras": {"lr": 1e-3, "eps": 0.0, "eps_root": 1e-7, "initial_accumulator": 0.1},
        "optax": {"eps": 0.0, "eps_root": 1e-7, "initial_accumulator": 0.1},
        "mlx": {"eps": 1e-8},
        "source": {"eps": 0.0, "eps_root": 1e-8, "include_current": False},
    },
    "RMSprop": {
        "torch": {},
        "keras": {"lr": 1e-3, "alpha": 0.9, "eps_root": 1e-7, **_INSIDE},
        "optax": {"alpha": 0.9, "eps_root": 1e-8, **_INSIDE},
        "mlx": {},
        "source": {"alpha": 0.9, "eps": 0.0, "eps_root": 1e-8},
    },
    "Adadelta": {"torch": {}, "keras": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7}, "optax": {}, "mlx": {}},
    "Adam": {
        "torch": {},
        "keras": _KERAS_EPS,
        "optax": {},
        "mlx": {"bias_correction": False},
        "tinygrad": {},
        "source": {"eps": 0.0, "eps_root": 1e-8},
    },
    "AdamW": {
        "torch": {"weight_decay": 1e-2},
        "keras": {**_KERAS_EPS, "weight_decay": 4e-3},
        "optax": {"weight_decay": 1e-4},
        "mlx": {"weight_decay": 1e-2, "bias_correction": False},
        "tinygrad": {"weight_decay": 1e-2},
    },
    "AMSGrad": {"torch": {}, "keras": _KERAS_EPS, "optax": {"max_of_corrected": True}},
    "Adamax": {
        "torch": {},
        "keras": {"lr": 1e-3, "eps": 0.0, "eps_outside": 1e-7},
        "optax": {},
        "mlx": {"eps": 0.0, "eps_outside": 1e-8, "bias_correction": False},
    },
    "NAdam": {
        "torch": {},
        "keras": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0},
        "optax": {"momentum_decay": math.inf},
    },
    "NAdamW": {
        "torch": {"weight_decay": 0.0},
        "keras": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0, "weight_decay": 0.0},
        "optax": {"momentum_decay": math.inf, "weight_decay": 1e-4},
    },
    "RAdam": {"torch": {}, "optax": {"eps_hat": False}},
    "Lion": {"keras": {"lr": 1e-3}, "optax": {"weight_decay": 1e-3}, "mlx": {}},
    "Adan": {"optax": {"eps_root": 1e-8, "small_difference": True}},
    "Rprop": {"torch": {}, "optax": {}},
    "ASGD": {"torch": {}},
    "FTRL": {"keras": {}},
    "LAMB": {"keras": {"eps": 1e-7}, "optax": {}, "tinygrad": {}},
    "LARS": {"optax": {}, "tinygrad": {"l2": 1e-4, "separate_norms": True}},
    "Adafactor": {
        "torch": {},
        "keras": {"lr": 1e-3, "add_eps": True, "eps1": 1e-30},
        "optax": {"add_eps": True, "eps1": 1e-30, "relative_step": False, "min_factored": 128},
        "mlx": {"add_eps": True, "eps1": 1e-30},
    },
    "Muon": {
        "torch": {},
        "keras": _same_rate(
            {"add_eps": True, "match_rms": True, "weight_decay": 4e-3, "vector_eps": 1e-7, "vector_eps_hat": True}
        ),
        "optax": _same_rate({"add_eps": True, "eps": 1e-8, "bias_correction": True, "weight_decay": 0.0}),
        "mlx": {"add_eps": True, "l2": 1e-2, "weight_decay": 0.0},
        "tinygrad": {"add_eps": True, "scaled": False},
    },
    "LBFGS": {"torch": {"line_search": None}, "optax": {"history_size": 10, "max_iter": 1}},
    "Sophia": {"optax": {"betas": (0.965, 0.99), "eps": 1e-8, "weight_decay": 1e-4}},
    "MADGRAD": {"optax": {"eps_in_lr": True}},
    "ScheduleFreeSGD": {"optax": {}},
    "ScheduleFreeAdamW": {"keras": {}, "optax": {}},
    "Prodigy": {"optax": {"bias_correction": True}},
    **{name: {"optax": _PLAIN} for name in ("Signum", "AdaBelief", "Yogi", "AdEMAMix", "ADOPT", "NovoGrad", "SM3")},
}

# Where the numbers are not those of the library for all that, and why.
APART: dict[tuple[str, str], str] = {
    ("LBFGS", "optax"): "another line search (zoom); the memory and one iteration a call are Optax's",
    ("Sophia", "optax"): "other random vectors; Optax steps before the curvature moves and corrects its mean",
    (
        "Muon",
        "optax",
    ): "matrices are (in, out) there and (out, in) here; vectors get NAdam there",
    ("Muon", "keras"): "weights of convolutions get AdamW there",
    ("Muon", "mlx"): "vectors step along their velocity there; give them another optimizer with `partition`",
    ("Rprop", "optax"): "every step is made one call late there",
    ("ScheduleFreeAdamW", "keras"): "equal where Keras runs on JAX; on PyTorch it reads z after z has moved",
    ("Nesterov", "source"): "the notes take the gradient elsewhere: that is NesterovLookahead",
}


def arguments(name: str, library: str, given: Arguments) -> Arguments:
    """Return the arguments that give a class another library's formula and defaults, with those that are given."""
    known = LIKE.get(name, {})
    if library not in known:
        there = f"it has {', '.join(known)}" if known else "there is none that has it"
        raise ValueError(f"[{name}] like({library!r}) is not known; {there}")
    row = known[library]
    return {**(row(given) if callable(row) else row), **given}
