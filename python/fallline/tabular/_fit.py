"""fit for tables: from a file or a frame to a model that predicts from such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fallline import random
from fallline._arguments import Kind, one_of, optional, takes, whole
from fallline.data import InputError, Problem, Table, prepare, raw
from fallline.data.encode import Columns
from fallline.data.kinds import TABULAR
from fallline.data.target import Classification, Quantiles
from fallline.data.task import TASKS
from fallline.nn import RealMLP
from fallline.tabular._aims import Aim, aim_of
from fallline.tabular._recipe import EFFORTS, Effort, pieces
from fallline.tabular._train import Told, Trained, train
from fallline.train import History, Predictor

__all__ = ["Fitted", "fit", "fit_problem"]

LEAST_ROWS = 10


class Fitted(NamedTuple):
    """A model, how it came to be, and what its members said of rows that they had not seen: outputs and targets."""

    model: Predictor
    history: History
    outputs: NDArray[np.float32]
    targets: NDArray[Any]


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


TARGET = Kind("the name of a column", _name, lambda value: "put it into the table as a column, and give its name")


def _kinds(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    return value


COLUMNS = Kind("a dict of names and kinds, such as {'zip': 'category'}", _kinds)


@takes(
    target=optional(TARGET),
    effort=one_of(*EFFORTS),
    task=optional(one_of(*TASKS)),
    columns=optional(COLUMNS),
    seed=whole(0, 2**63 - 1),
)
def fit(
    data: Any,
    target: str | None = None,
    *,
    task: str | None = None,
    effort: str = "default",
    columns: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Predictor:
    """Fit a network to a table, and find out how.

    The recipe is RealMLP's: robust scales, periodic embeddings of numbers, vectors for categories, three layers of 256.
    Several members learn side by side, each from all rows but one fold, which says when it was best; what is predicted
    is their mean.

    Parameters
    ----------
    data
        The path of a file, a frame of pandas, Polars or another library, or a dict of columns.
    target
        The column to predict; the last one without it.
    task
        "classification", "regression", "ordinal" (classes in an order), "count" (whole numbers from 0) or "quantile"
        (0.05, 0.25, 0.5, 0.75 and 0.95 of them); None decides by the target.
    effort
        "quick", "default" or "best": how many members, and how long.
    columns
        Kinds of columns where they are to be told: "number", "category", "date" or "ignore".
    seed
        Decides the folds, the initial weights and the order.

    Returns
    -------
    Predictor
        ``predict`` and ``predict_proba`` take new tables; ``fl.save`` writes it.

    References
    ----------
    Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data".

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> a = np.linspace(0, 1, 60)
    >>> model = fl.tabular.fit({"a": a, "price": 3 * a + 1}, target="price", effort="quick")
    >>> model.predict({"a": [0.5]}).shape
    (1,)
    """
    table = raw.opened(data)
    if not isinstance(table, Table):
        raise InputError("a table has columns with names: pass a file, a frame or a dict; for arrays there is fl.fit")
    problem = prepare(table, target, 0.0, 0.0, seed, task=task, told=columns, style=TABULAR)
    return fit_problem(problem, EFFORTS[effort], seed).model


def fit_problem(problem: Problem, effort: Effort, seed: int, told: Told = lambda done, of, cost: None) -> Fitted:
    """Fit to the training rows of a problem."""
    x, truth = problem.train.x, problem.train.y
    if len(x) < LEAST_ROWS:
        raise InputError(f"there are {len(x)} rows to learn from, fewer than {LEAST_ROWS}; name a wider table")
    target = problem.target
    aim = aim_of(target)
    with random._seeded(seed):
        network = made(problem, aim, effort)
        trained = train(network, x, truth.reshape(len(x)), aim, effort, seed, told)
    if isinstance(target, Classification):
        network.temperature._write(temperature(trained))  # type: ignore[attr-defined]
    if isinstance(target, Quantiles):
        target = target.calibrated(trained.outputs.astype(np.float64), trained.targets)
    model = Predictor(network, problem.features, target, aim.name)
    return Fitted(model, trained.history, *_flat(trained))


def made(problem: Problem, aim: Aim, effort: Effort) -> RealMLP:
    """Make the network of a problem, before it has learned anything."""
    features, target = problem.features, problem.target
    assert isinstance(features, Columns)
    numbers, codes, levels = features.layout
    return RealMLP(
        features.size,
        target.outputs,
        numbers,
        codes,
        levels,
        effort.members,
        activation=aim.activation,
        combine="probabilities" if aim.classes else "mean",
        pieces=pieces(len(problem.train.x), len(numbers)),
    )


def _flat(trained: Trained) -> tuple[NDArray[np.float32], NDArray[Any]]:
    return trained.outputs.reshape(-1, trained.outputs.shape[-1]), trained.targets.reshape(-1)


def temperature(trained: Trained) -> Any:
    """Return what to divide logits by, so that probabilities are as sure as the rows that judged bear out."""
    from fallline._array import asarray

    z, labels = _flat(trained)
    logits = z.astype(np.float64)

    def loss(t: float) -> float:
        scaled = logits / t
        scaled -= scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))

    grid = np.exp(np.linspace(np.log(0.05), np.log(5), 81))
    best = grid[int(np.argmin([loss(t) for t in grid]))]
    return asarray(np.array([best], np.float32))
