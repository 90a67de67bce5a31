"""How are the members trained?  Side by side in native epochs; each keeps what it was after its best one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fallline import optim
from fallline._array import asarray
from fallline.nn import RealMLP
from fallline.tabular._aims import Aim
from fallline.tabular._members import Shares, shares
from fallline.tabular._recipe import BETAS, DROPOUT, PHASES, WEIGHT_DECAY, Effort, Length, coslog4, flat_cos, length
from fallline.train import History, fit
from fallline.train.callbacks import Callback
from fallline.transforms import jit

INITIAL_ROWS = 1024  # that the beginning is drawn from
Told = Callable[[int, int, float], None]  # epochs done, of how many, and what the rows that judge say


class Trained(NamedTuple):
    """What came of a training: its history, and what every member said of the rows that judged it."""

    history: History
    outputs: NDArray[np.float32]  # (rows, members, out)
    targets: NDArray[Any]  # (rows, members)


class Best(Callback):
    """The parameters of each member after its best epoch, and what its rows said of it then."""

    last = True

    def __init__(
        self, network: RealMLP, judged: Callable[[], NDArray[np.float64]], told: Callable[[float], None], name: str
    ) -> None:
        self.network, self.judged, self.told, self.name = network, judged, told, name
        self.kept = {path: np.array(p) for path, p in network.parameters().items()}
        self.cost = np.full(network.members, np.inf)

    def epoch(self, run: Any) -> None:
        """Look at the members as they are now; the last of equals is kept."""
        cost = self.judged()
        run.history.put(run.history.epochs - 1, {self.name: cost.mean()})
        self.told(float(cost.mean()))
        better = cost <= self.cost
        self.cost[better] = cost[better]
        for path, parameter in self.network.parameters().items():
            now, kept = np.asarray(parameter), self.kept[path]
            per = len(now) // self.network.members  # a table holds the rows of one member after the other
            for m in np.flatnonzero(better).tolist():
                kept[m * per : (m + 1) * per] = now[m * per : (m + 1) * per]

    def restore(self) -> None:
        """Give every member its best parameters."""
        for path, parameter in self.network.parameters().items():
            parameter._write(asarray(self.kept[path]))


def train(
    network: RealMLP, x: NDArray[np.float32], y: NDArray[Any], aim: Aim, effort: Effort, seed: int, told: Told
) -> Trained:
    """Train all members on their shares of the rows."""
    rng = np.random.default_rng(seed)
    share = shares(y if aim.classes else None, len(x), network.members, effort.folds, rng)
    plan = length(len(share.learned), effort.passes)
    network.eval().start_from(x[share.learned[:INITIAL_ROWS]], rng)
    x_judged, y_judged = x[share.judged], y[share.judged]
    outputs = jit(lambda rows: network(rows))

    def judged() -> NDArray[np.float64]:
        with network.in_mode(training=False):
            return aim.cost(np.asarray(outputs(x_judged), np.float64), y_judged)

    done = iter(range(1, plan.epochs + 1))
    best = Best(network, judged, lambda cost: told(next(done), plan.epochs, cost), aim.watched)
    history = _epochs(network, x, y, aim, share, plan, seed, rng, best)
    best.restore()
    network.eval()
    return Trained(history, np.asarray(outputs(x_judged)), y_judged)


def _epochs(
    network: RealMLP,
    x: NDArray[np.float32],
    y: NDArray[Any],
    aim: Aim,
    share: Shares,
    plan: Length,
    seed: int,
    rng: np.random.Generator,
    best: Best,
) -> History:
    order = np.concatenate([rng.permuted(share.learned, axis=0) for _ in range(plan.repeats)])
    rows, targets = x[order], y[order]
    steps = plan.epochs * -(-len(order) // plan.batch)
    opt = optim.Adam(
        lambda step: aim.rate * coslog4(step / steps),
        betas=BETAS,
        weight_decay=lambda step: WEIGHT_DECAY * flat_cos(step / steps),
    )
    history = History()
    for first, end in phases(plan.epochs):
        network.dropout = DROPOUT * flat_cos((first + end) / 2 / plan.epochs)
        part = fit(
            network,
            rows,
            targets,
            loss=aim.loss,
            optimizer=opt,
            batch_size=plan.batch,
            epochs=end - first,
            callbacks=[best],
            seed=seed,
            progress=False,
            on_interrupt="return",
        )
        for epoch in range(part.epochs):
            history.put(history.epochs, {name: values[epoch] for name, values in part.items() if epoch < len(values)})
        if part.interrupted:
            history.interrupted = True
            break
    network.dropout = DROPOUT
    return history


def phases(epochs: int) -> list[tuple[int, int]]:
    """Cut a run where the dropout changes: one half as a whole, the other in parts."""
    marks = [0, *np.unique(np.linspace(epochs / 2, epochs, PHASES + 1).round().astype(int)).tolist()]
    return [(a, b) for a, b in pairwise(marks) if b > a]
