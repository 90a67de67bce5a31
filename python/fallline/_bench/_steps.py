"""How long does a training step take?  Rows S1 to S10: forward, backward and update, in microseconds per step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any

from fallline._bench import _trainers
from fallline._bench._measure import (
    Effort,
    Row,
    Wanted,
    in_turns,
    installed,
    leave_out_different,
    microseconds,
    peak,
    sweep,
)
from fallline._bench._networks import NETS, Net

ENOUGH = 40  # steps of a whole fit
COMPARED = 10  # steps whose mean loss all contenders must agree on


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each network that is wanted by name."""
    for net in NETS:
        if wanted(net.name):
            yield _row(net, effort)


def contenders(net: Net, effort: Effort) -> dict[str, Callable[..., _trainers.Train]]:
    """Return who can train this net here."""
    here = installed(["torch", "jax", "optax", "sklearn", "mlx.core"])
    found: dict[str, Callable[..., _trainers.Train]] = {"fallline": _trainers.fallline}
    if net.is_mlp:
        found["NumPy by hand"] = _trainers.numpy
        if "sklearn" in here and net.batch > 1:
            found["scikit-learn"] = _trainers.sklearn
        if "mlx.core" in here and net.parameters() < 1e6:  # its larger products take a second on a CPU
            found["MLX compile"] = _trainers.mlx
    if "torch" in here:
        found["PyTorch eager, fused"] = _trainers.torch
        if effort.thorough:
            found["torch.compile"] = partial(_trainers.torch, compiled=True)
    if {"jax", "optax"} <= set(here):
        found["JAX jit"] = _trainers.jax
        found["JAX scan"] = _trainers.jax_scan
    return found


def limit(net: Net) -> float:
    """Return the least seconds of a step: all products at the peak, one pass over parameters and state."""
    return net.flops() / peak() + sweep(net.parameters(), 4 if net.optimizer == "adam" else 2)


def _row(net: Net, effort: Effort) -> Row:
    seconds = (4 if effort.thorough else 1) * effort.seconds  # an epoch of some hundred steps
    longest = max(ENOUGH, int(min(50_000, seconds / limit(net), 2**25 / net.batch / prod(net.sample))))
    x, y = net.data(max(longest, COMPARED))
    trainers = {name: make(net, x, y) for name, make in contenders(net, effort).items()}
    losses = {name: train(COMPARED)[1] for name, train in trainers.items()}
    compared = {name: v for name, v in losses.items() if name != "scikit-learn"}
    different, note = leave_out_different(compared, 2e-3, net.name)
    for name in different:
        del trainers[name]
    trainers["fallline, shuffled"] = _trainers.fallline(net, x, y, shuffle=True, progress=True)
    steps = {name: _steps_for(name, train, seconds, longest) for name, train in trainers.items()}

    def timed(name: str, train: Any) -> Callable[[], float]:
        return lambda: train(steps[name])[0] / steps[name]

    times = in_turns({name: timed(name, train) for name, train in trainers.items()}, effort.rounds)
    return Row("training step", net.name, microseconds(times), 1e6 * limit(net), f"{note}: left out" if note else "")


def _steps_for(name: str, train: _trainers.Train, seconds: float, longest: int) -> int:
    """Return how many steps take so long; running them once warms up what is compiled for their number.

    Ours begin with what `fit` does once, so that there are never just a few of them.
    """
    least = ENOUGH if name.startswith("fallline") else 1
    train(COMPARED)
    once = train(COMPARED)[0] / COMPARED
    steps = max(least, min(longest, int(seconds / once)))
    if steps > 4 * COMPARED:  # the start of a run weighs less in a longer one
        steps = max(least, min(longest, int(seconds / (train(steps)[0] / steps))))
    train(steps)
    return steps
