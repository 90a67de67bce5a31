"""What makes an optimizer compute what another library's does?  Arguments by class and library."""

from __future__ import annotations

import math
from typing import Any

Arguments = dict[str, Any]

_KERAS_EPS: Arguments = {"eps": 1e-7, "eps_hat": True}
_INSIDE: Arguments = {"eps": 0.0, "lr_in_velocity": True}

# "source": the formulas of the lecture notes that this library began with, where they differ from the papers.
LIKE: dict[str, dict[str, Arguments]] = {
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
    },
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
    "AMSGrad": {"torch": {}, "keras": _KERAS_EPS},
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
    "RAdam": {"torch": {}, "optax": {"eps_hat": False}},
    "Lion": {"keras": {"lr": 1e-3}, "optax": {}, "mlx": {}},
    "LAMB": {"keras": {"eps": 1e-7}, "optax": {}},
    "Adafactor": {"torch": {}},
    "Muon": {"torch": {}},
    "Rprop": {"torch": {}},
    "ASGD": {"torch": {}},
    "FTRL": {"keras": {}},
    **{name: {"optax": {}} for name in ("Signum", "AdaBelief", "Yogi", "AdEMAMix", "ADOPT", "LARS", "NovoGrad", "SM3")},
    "Prodigy": {"optax": {"bias_correction": True}},
}


def arguments(name: str, library: str) -> Arguments:
    """Return the arguments that give a class another library's formula and defaults."""
    known = LIKE.get(name, {})
    if library not in known:
        there = f"it has {', '.join(known)}" if known else "there is none that has it"
        raise ValueError(f"[{name}] like({library!r}) is not known; {there}")
    return known[library]
