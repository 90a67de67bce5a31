"""Which rate does each optimizer of the command line start with?  Every rule on five tables, over a ladder of rates.

The recipe is the command line's: hidden layers of 128 and 64, relu, batches of 32, a cosine to nothing over 20 epochs.
A table's score is the accuracy, or R2, of its validation rows: the mean over two seeds, none below 0, 0 where training
diverged. A rule's rate is the one with the best mean over the tables; of those within 0.005 of it, the middle one.

    FALLLINE_DATA=folder-of-housing.csv python benchmarks/optimizer_rates.py [RULE ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np

import fallline as fl
from fallline.data import Arrays, Problem, Table, load, prepare, score

RATES = (1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SEEDS = (0, 1)
if os.environ.get("COARSE"):  # for rules whose steps go through Python: a quarter of the work
    RATES, SEEDS = RATES[1::2], SEEDS[:1]
EPOCHS, BATCH, HOUSES, CLOSE = 20, 32, 3000, 0.005


def moons() -> Arrays:
    from sklearn.datasets import make_moons

    x, y = make_moons(500, noise=0.2, random_state=0)
    return Arrays("moons", x, y)


def tables() -> Iterator[tuple[str, Table | Arrays, str | None]]:
    yield "moons", moons(), None
    for name in ("digits", "breast_cancer", "diabetes"):
        yield name, load(name), None
    folder = os.environ.get("FALLLINE_DATA")
    if folder:
        houses = load(str(Path(folder) / "housing.csv"))
        assert isinstance(houses, Table)
        rows = np.random.default_rng(0).permutation(houses.rows)[:HOUSES]
        yield "housing", houses.take(rows), "median_house_value"


def one(rule: str, rate: float, problem: Problem, seed: int) -> float:
    """Return the score of the validation rows."""
    fl.random.seed(seed)
    widths = [problem.features.size, 128, 64, problem.target.outputs]
    layers = [fl.nn.Linear(a, b) for a, b in pairwise(widths)]
    network = fl.nn.Sequential(layers[0], fl.nn.ReLU(), layers[1], fl.nn.ReLU(), layers[2])
    steps = EPOCHS * -(-len(problem.train.x) // BATCH)
    opt = fl.optim.get(rule, lr=fl.optim.schedules.cosine(rate, steps))
    loss = "cross_entropy" if hasattr(problem.target, "classes") else "mse"
    assert problem.validation is not None
    try:
        with np.errstate(all="ignore"):
            fl.fit(network, problem.train.x, problem.train.y, loss=loss, optimizer=opt, epochs=EPOCHS, seed=seed)
            outputs = np.asarray(fl.predict(network, problem.validation.x))
    except (fl.DivergedError, np.linalg.LinAlgError):
        return 0.0
    found = score(problem.target, outputs, problem.validation.y)
    value = found.get("accuracy", found.get("r2", 0.0))
    return max(0.0, value) if np.isfinite(value) else 0.0


def ladder(rule: str) -> tuple[str, np.ndarray, list[str]]:
    """Return the scores of a rule, by rate and table."""
    fl.set_num_threads(1)
    names, scores = [], []
    for name, data, target in tables():
        names.append(name)
        problems = [prepare(data, target, 0.2, 0.2, seed) for seed in SEEDS]
        scores.append(
            [np.mean([one(rule, rate, p, s) for p, s in zip(problems, SEEDS, strict=True)]) for rate in RATES]
        )
    print(rule, file=sys.stderr, flush=True)
    return rule, np.array(scores).T, names


def main() -> None:
    """Print a table of the rates with their scores."""
    rules = sys.argv[1:] or fl.optim.names()
    with ProcessPoolExecutor(int(os.environ.get("WORKERS", "2"))) as pool:
        for i, (rule, scores, names) in enumerate(pool.map(ladder, rules)):
            if i == 0:
                print(f"| optimizer | rate | {' | '.join(names)} | mean | rates within {CLOSE} of the best |")
                print("| --- |" + " ---: |" * (len(names) + 2) + " --- |")
            means = scores.mean(axis=1)
            close = np.flatnonzero(means >= means.max() - CLOSE)
            at = close[len(close) // 2]
            values = " | ".join(f"{v:.3f}" for v in (*scores[at], means[at]))
            print(f"| {rule} | {RATES[at]:g} | {values} | {', '.join(f'{RATES[k]:g}' for k in close)} |", flush=True)


if __name__ == "__main__":
    main()
