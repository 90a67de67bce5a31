"""`fallline fit`: from a data set to a model file, a picture and a few honest numbers."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fallline as fl
from fallline._cli import options as check
from fallline._cli.report import Results, draw_history, show_results
from fallline._data import InputError, Part, Problem, load, prepare, score
from fallline._data.target import Regression
from fallline.train._checkpoint import write_atomically

INTERRUPTED = 130


@dataclass(frozen=True)
class Options:
    """What the user asked for, option by option."""

    data: str
    target: str | None
    hidden: str
    activation: str
    loss: str | None
    optimizer: str
    lr: float | None
    schedule: str
    batch_size: int
    epochs: int
    seed: int
    validation: float
    test: float
    output: str


def run(o: Options) -> int:
    """Fit, save and report; 130 after Ctrl-C, when the parameters so far are kept."""
    output = _checked(o)
    problem = prepare(load(o.data), o.target, o.validation, o.test, o.seed)
    loss = _loss(o.loss, problem)
    problem = _for_loss(problem, loss)
    for note in problem.notes:
        print(note)
    model = _network(o, problem, loss)
    opt = _optimizer(o, len(problem.train.x))
    history = _train(o, model, opt, problem, loss)
    if history.interrupted:
        print(f"stopped by Ctrl-C after {history.epochs} of {o.epochs} epochs; the parameters so far are kept")
    results = evaluate(model, problem, loss)
    picture = draw_history(history) if history.epochs else None
    described = {"features": problem.features.describe(), "target": problem.target.describe(), "loss": loss}
    fl.save(output, model, opt, history, metadata={key: json.dumps(value) for key, value in described.items()})
    if picture:
        write_atomically(output.with_suffix(".png"), picture)
    show_results(results)
    print(f"wrote {output}" + (f" and {output.with_suffix('.png')}" if picture else ""))
    return INTERRUPTED if history.interrupted else 0


def _checked(o: Options) -> Path:
    """Refuse what cannot work before any data are read, and say where the model goes."""
    check.widths(o.hidden)
    check.one_of("activation", o.activation, check.ACTIVATIONS)
    check.one_of("optimizer", o.optimizer, check.optimizer_names())
    check.one_of("schedule", o.schedule, check.SCHEDULES)
    if o.loss is not None:
        check.one_of("loss", o.loss, (*check.CLASS_LOSSES, *check.REGRESSION_LOSSES))
    check.at_least("batch-size", o.batch_size, 1)
    check.at_least("epochs", o.epochs, 1)
    check.at_least("seed", o.seed, 0)
    if o.seed >= 2**63:
        raise InputError(f"--seed must be below 2^63, got {o.seed}")
    if o.lr is not None and not 0 < o.lr < float("inf"):
        raise InputError(f"--lr must be a positive number, got {o.lr:g}")
    check.need("safetensors", "matplotlib")
    return check.model_path(o.output)


def _loss(name: str | None, problem: Problem) -> str:
    regression = isinstance(problem.target, Regression)
    if name is None:
        return "mse" if regression else "cross_entropy"
    name = name.lower()
    if regression != (name in check.REGRESSION_LOSSES):
        kind, fitting = ("numbers", check.REGRESSION_LOSSES) if regression else ("classes", check.CLASS_LOSSES)
        raise InputError(f"--loss {name} does not fit a target of {kind}; these do: {', '.join(fitting)}")
    if name == "binary_cross_entropy" and problem.target.outputs != 2:
        raise InputError(f"--loss {name} is for two classes, the target has {problem.target.outputs}")
    return name


def _for_loss(problem: Problem, loss: str) -> Problem:
    """Give the targets the form of the loss: binary_cross_entropy takes 0.0 and 1.0 in one column."""
    if loss != "binary_cross_entropy":
        return problem

    def column(part: Part | None) -> Part | None:
        return None if part is None else Part(part.x, part.y.astype("float32")[:, None])

    train = column(problem.train)
    assert train is not None
    return Problem(
        train, column(problem.validation), column(problem.test), problem.features, problem.target, problem.notes
    )


def _network(o: Options, problem: Problem, loss: str) -> fl.nn.Sequential:
    fl.random.seed(o.seed)
    activation = getattr(fl.nn, check.ACTIVATIONS[o.activation.lower()])
    layers: list[fl.nn.Module] = []
    width = problem.features.size
    for hidden in check.widths(o.hidden):
        layers += [fl.nn.Linear(width, hidden), activation()]
        width = hidden
    outputs = 1 if loss == "binary_cross_entropy" else problem.target.outputs
    return fl.nn.Sequential(*layers, fl.nn.Linear(width, outputs))


def _optimizer(o: Options, rows: int) -> fl.optim.Optimizer:
    steps = o.epochs * -(-rows // o.batch_size)
    rule: type[Any] = check.optimizer_names()[o.optimizer.lower()]
    opt: fl.optim.Optimizer = rule(check.SCHEDULES[o.schedule.lower()](_rate(o), steps))
    return opt


def _rate(o: Options) -> float:
    """Return the learning rate at the start."""
    name = o.optimizer.lower()
    if o.lr is not None:
        return o.lr
    return check.LEARNING_RATES.get(name) or float(check.optimizer_names()[name]().hyperparameters()["lr"])


def _train(o: Options, model: fl.nn.Module, opt: Any, problem: Problem, loss: str) -> fl.History:
    held = problem.validation
    try:
        return fl.fit(
            model,
            problem.train.x,
            problem.train.y,
            loss=loss,
            optimizer=opt,
            batch_size=o.batch_size,
            epochs=o.epochs,
            validation=None if held is None else (held.x, held.y),
            metrics=["accuracy"] if loss == "cross_entropy" else [],
            seed=o.seed,
            progress=sys.stderr.isatty(),
        )
    except fl.DivergedError as error:
        what = str(error).removeprefix("[fit] ").partition(";")[0]
        raise InputError(f"training diverged: {what}; lower --lr (it was {_rate(o):g})") from error


def evaluate(model: fl.nn.Module, problem: Problem, loss: str) -> Results:
    """Measure every split that there is."""
    results: Results = {}
    for name, part in (("train", problem.train), ("validation", problem.validation), ("test", problem.test)):
        if part is not None:
            results[name] = measure(model, problem.target, part.x, part.y, loss)
    return results


def measure(model: fl.nn.Module, target: Any, x: Any, y: Any, loss: str) -> dict[str, float]:
    """Score predictions in the user's units, and the loss as it was trained."""
    outputs = np.asarray(fl.predict(model, x))
    return {**score(target, outputs, y), "loss": float(fl.evaluate(model, x, y, loss=loss)["loss"])}
