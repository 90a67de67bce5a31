"""Which optimizers does the command line offer, and at which rates do they start.

Every rule that is made from a name and a rate and trains with `fit`; `benchmarks/optimizer_rates.py` has the figures.
"""

from __future__ import annotations

from fallline import optim

MEASURED: dict[str, float] = {
    "adagrad": 0.02,
    "adam": 2e-3,
    "adamw": 2e-3,
    "momentum": 0.02,
    "nesterov": 0.02,
    "sgd": 0.1,
}
RATES = {name: MEASURED.get(name) or optim.get(name).hyperparameters()["lr"] for name in optim.names()}
