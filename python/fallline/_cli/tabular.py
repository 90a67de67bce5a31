"""How does `fallline fit` treat a table, told nothing but the target?  By the recipe for tables, with a bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import fallline as fl
from fallline._cli import options as check
from fallline._cli import places
from fallline._cli.report import Results
from fallline.data import InputError, Problem, Table, memory, prepare, score
from fallline.data.kinds import TABULAR
from fallline.tabular._fit import LEAST_ROWS, Fitted, fit_problem
from fallline.tabular._recipe import EFFORTS, Effort, length
from fallline.train import Predictor

if TYPE_CHECKING:
    from fallline._cli.fit import Options

OVERHEAD = 1_000_000  # bytes of a model's description and its picture
WEIGHTS = 200_000  # of a member, roughly


def run(
    o: Options, place: places.Place, data: Table, target: str | None, said: list[str]
) -> tuple[Predictor, None, fl.History, Callable[[], Results]]:
    """Fit; return the model, its history, and what measures it."""
    problem = prepare(data, target, 0.0, o.test, o.seed, task=o.task, told=check.kinds(o.columns), style=TABULAR)
    for note in (*said, *problem.notes):
        print(note)
    effort = _effort(o)
    rows = len(problem.train.x)
    if rows < LEAST_ROWS:
        raise InputError(f"there are {rows} rows to learn from, fewer than {LEAST_ROWS}; take more, or lower --test")
    plan = length(rows - rows // effort.folds, effort.passes)
    passes = plan.epochs * plan.repeats
    said_members = f"{effort.members} networks, each with {passes} passes over all rows but 1 in {effort.folds}"
    print(f"effort {o.effort}: {said_members}")
    taken = problem.train.x.nbytes * effort.members * (plan.repeats + 2) + 16 * WEIGHTS * effort.members
    memory.need(taken, f"{effort.members} copies of the rows", "take fewer rows, or --effort quick")
    places.has_room(place, 4 * WEIGHTS * effort.members + OVERHEAD)
    bar = _Bar(plan.epochs)
    try:
        fitted = fit_problem(problem, effort, o.seed, bar.told)
    except fl.DivergedError as error:
        what = str(error).removeprefix("[fit] ").partition(";")[0]
        raise InputError(f"training diverged: {what}; name a plain network with --hidden") from error
    finally:
        bar.close()
    if fitted.history.interrupted:
        done = fitted.history.epochs
        print(f"stopped by Ctrl-C after {done} of {plan.epochs} epochs; the best parameters so far are kept")
    return fitted.model, None, fitted.history, lambda: _results(fitted, problem)


def _effort(o: Options) -> Effort:
    """Return what `--effort` names; a share for validation says how many folds there are."""
    assert o.effort is not None
    effort = EFFORTS[o.effort.lower()]
    folds = effort.folds if o.validation in (0.0, 0.2) else max(2, min(20, round(1 / o.validation)))
    return Effort(min(effort.members, folds), folds, effort.passes)


def _results(fitted: Fitted, problem: Problem) -> Results:
    """Measure: training and test rows by all networks, validation by what each said of rows that it had not seen."""
    from fallline._cli.fit import measure

    model = fitted.model
    found = {"train": measure(model.network, model.target, problem.train.x, problem.train.y, model.loss)}
    held = _as_outputs(model, fitted.outputs)
    found["validation"] = {**score(model.target, held, fitted.targets), "loss": _loss(fitted, held)}
    if problem.test is not None:
        found["test"] = measure(model.network, model.target, problem.test.x, problem.test.y, model.loss)
    return found


def _as_outputs(model: Predictor, outputs: Any) -> Any:
    """Bring what one member says into the form of what all say together."""
    if model.loss != "cross_entropy":
        return outputs
    temperature: Any = model.network.temperature
    return outputs / np.asarray(temperature)


def _loss(fitted: Fitted, outputs: Any) -> float:
    from fallline.tabular._aims import aim_of

    if fitted.model.loss == "cross_entropy":
        return float(fl.nn.losses.cross_entropy(outputs, fitted.targets))
    return float(aim_of(fitted.model.target).cost(outputs[:, None].astype(np.float64), fitted.targets[:, None])[0])


class _Bar:
    """A bar of epochs on a terminal, with the time that is left."""

    def __init__(self, epochs: int) -> None:
        self._bar: Any = None
        if not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return
        self._bar = tqdm(total=epochs, unit="epoch", leave=False, dynamic_ncols=True)

    def told(self, done: int, of: int, cost: float) -> None:
        """Go on."""
        if self._bar is not None:
            self._bar.set_postfix(validation=f"{cost:.4g}", refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
