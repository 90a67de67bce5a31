"""Which optimizers does the command line offer, and at which rates do they start?  See `optim.names`.

`benchmarks/optimizer_rates.py` found the rates; `docs/command-line.md` has its figures. L-BFGS and Shampoo take long,
and start at the defaults of their classes.
"""

from __future__ import annotations

from fallline import optim

MEASURED: dict[str, float] = {
    "adabelief": 0.002,
    "adadelta": 1,
    "adafactor": 5,
    "adagrad": 0.1,
    "adam": 0.002,
    "adamax": 0.05,
    "adamw": 0.002,
    "adan": 0.05,
    "ademamix": 0.002,
    "adopt": 0.002,
    "aggmo": 0.01,
    "amsgrad": 0.002,
    "asgd": 0.2,
    "ftrl": 0.2,
    "lamb": 0.005,
    "lars": 5,
    "lion": 0.001,
    "madgrad": 0.001,
    "momentum": 0.05,
    "muon": 0.005,
    "nadam": 0.002,
    "nadamw": 0.002,
    "nesterov": 0.02,
    "nesterovlookahead": 0.02,
    "novograd": 0.01,
    "prodigy": 0.2,
    "qhadam": 0.05,
    "qhm": 1,
    "radam": 0.01,
    "rmsprop": 0.01,
    "rprop": 0.02,
    "schedulefreeadamw": 0.002,
    "schedulefreesgd": 0.2,
    "sgd": 0.2,
    "signum": 0.001,
    "sm3": 0.2,
    "soap": 0.002,
    "sophia": 0.002,
    "swats": 0.01,
    "yogi": 0.05,
}
RATES = {name: MEASURED.get(name) or optim.get(name).hyperparameters()["lr"] for name in optim.names()}
