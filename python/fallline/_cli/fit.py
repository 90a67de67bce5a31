"""`fallline fit`: from a data set to a model file, a picture and a few honest numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

import fallline as fl
from fallline._cli import options as check
from fallline._cli import places
from fallline._cli.report import Results, draw_history, reason, show_results
from fallline.data import (
    Arrays,
    InputError,
    Part,
    Problem,
    Table,
    listed,
    load,
    memory,
    path_of,
    prepare,
    score,
    shown,
)
from fallline.data.problem import check_shares
from fallline.data.target import Classification, Quantiles
from fallline.data.task import TASKS
from fallline.train._checkpoint import to_bytes
from fallline.train._predictor import Predictor

INTERRUPTED = 130
EFFORTS = ("quick", "default", "best")
PLAIN = {"hidden": "128,64", "activation": "relu", "optimizer": "adam", "schedule": "cosine", "batch_size": 32}
EPOCHS, LEAST_UPDATES = 20, 1000
LINEAR_RATE = 0.02  # of Adam, without hidden layers: the way is longer there, and has no traps
OVERHEAD = 1_000_000  # bytes of a model's description and its picture


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
    epochs: int | None
    seed: int
    validation: float
    test: float
    output: str | None
    force: bool
    task: str | None = None
    columns: tuple[str, ...] = ()  # NAME=KIND
    effort: str | None = None  # None: a plain network


def plain_or_default(plain: Mapping[str, Any], effort: str | None) -> dict[str, Any]:
    """Return the options of a plain network, which is trained where one of them is given, and the effort."""
    given = [name for name, value in plain.items() if value is not None]
    if given and effort is not None:
        raise InputError(f"--effort chooses network and training itself; leave out --{given[0].replace('_', '-')}")
    chosen = {name: PLAIN.get(name) if value is None else value for name, value in plain.items()}
    return {**chosen, "effort": None if given else effort or "default"}


def run(o: Options) -> int:
    """Fit, report and save; 130 after Ctrl-C, when the parameters so far are kept."""
    place = _checked(o)
    data = load(o.data)
    target, said = _target(o, data)
    said = [*places.notes(place), *said]
    if o.effort is not None and isinstance(data, Table):
        from fallline._cli import tabular  # only here: few commands need it

        return _finish(place, *tabular.run(o, place, data, target, said))
    problem = prepare(data, target, o.validation, o.test, o.seed, task=o.task, told=check.kinds(o.columns))
    loss = _loss(o.loss, problem)
    problem = _for_loss(problem, loss)
    for note in (*said, *problem.notes):
        print(note)
    o = _with_epochs(o, len(problem.train.x))
    opt = _optimizer(o, len(problem.train.x))
    size = _check_size(o, problem, opt, loss)
    places.has_room(place, size)
    predictor = Predictor(_network(o, problem, loss), problem.features, problem.target, loss)
    history = _train(o, predictor.network, opt, problem, loss)
    if history.interrupted:
        print(f"stopped by Ctrl-C after {history.epochs} of {o.epochs} epochs; the parameters so far are kept")
    return _finish(place, predictor, opt, history, lambda: evaluate(predictor.network, problem, loss))


def _finish(
    place: places.Place,
    predictor: Predictor,
    opt: fl.optim.Optimizer | None,
    history: fl.History,
    results: Callable[[], Results],
) -> int:
    """Score, then save."""
    try:
        show_results(results())
    except KeyboardInterrupt:  # a person in a hurry keeps the model all the same
        history.interrupted = True
        print("stopped by Ctrl-C while scoring")
    failed = _save(place, to_bytes(predictor, opt, history), history)
    return INTERRUPTED if history.interrupted else int(failed)


def _with_epochs(o: Options, rows: int) -> Options:
    """Fill in the epochs where none are asked for: twenty, and more where that is few updates."""
    if o.epochs is not None:
        return o
    return replace(o, epochs=max(EPOCHS, -(-LEAST_UPDATES // -(-rows // o.batch_size))))


def _target(o: Options, data: Table | Arrays) -> tuple[str | None, list[str]]:
    """Return the column to predict: named, asked for where a person sits, else the last one, and that is said."""
    if isinstance(data, Arrays):
        if o.target is not None:
            raise InputError(f"--target names a column of a CSV file; {data.name} has its own y")
        return None, []
    if o.target is not None:
        return o.target, []
    last = list(data.columns)[-1]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return last, [f"target {shown(last)}: the last column of {data.name}, since --target names none"]
    import typer

    print(f"columns of {data.name}: {listed(data.columns)}")
    return str(typer.prompt("which one shall be predicted", default=last)), []


def _save(place: places.Place, model: bytes, history: fl.History) -> bool:
    """Write the model, elsewhere if it must be, then its picture; tell whether anything went wrong."""
    path, trouble = places.keep(place, model)
    if path is None:
        print(f"fallline: {trouble}", file=sys.stderr)
        return True
    written = [path]
    if history.epochs:
        try:
            picture = places.Place(path.with_suffix(".png"), replace=place.replace)
            written.append(picture.write(draw_history(history)))
        except OSError as error:
            trouble = trouble or f"the picture {path.with_suffix('.png')} could not be written ({reason(error)})"
    print("wrote " + " and ".join(map(str, written)))
    if trouble:
        print(f"fallline: {trouble}", file=sys.stderr)
    return bool(trouble)


def _checked(o: Options) -> places.Place:
    """Refuse what cannot work before any data are read, and say where the model goes."""
    check.widths(o.hidden)
    check.one_of("activation", o.activation, check.ACTIVATIONS)
    check.one_of("optimizer", o.optimizer, check.RATES)
    check.one_of("schedule", o.schedule, check.SCHEDULES)
    if o.loss is not None:
        check.one_of("loss", o.loss, check.LOSSES)
    check.at_least("batch-size", o.batch_size, 1)
    if o.epochs is not None:
        check.at_least("epochs", o.epochs, 1)
        check.at_most("epochs", o.epochs, 1_000_000)
    if o.effort is not None:
        check.one_of("effort", o.effort, EFFORTS)
    if o.task is not None:
        check.one_of("task", o.task, TASKS)
    check.kinds(o.columns)
    check.at_least("seed", o.seed, 0)
    if o.seed >= 2**63:
        raise InputError(f"--seed must be below 2^63, got {o.seed}")
    if o.lr is not None and not 0 < o.lr < float("inf"):
        raise InputError(f"--lr must be a positive number, got {o.lr:g}")
    check_shares({"--validation": o.validation, "--test": o.test})
    check.need("safetensors", "matplotlib")
    return places.for_model(o.output, o.force, [path_of(o.data)])


def _loss(name: str | None, problem: Problem) -> str:
    regression = not isinstance(problem.target, Classification)
    if name is None:
        return problem.target.LOSSES[0]
    name = name.lower()
    if name not in problem.target.LOSSES:
        kind = "numbers" if regression else "classes"
        raise InputError(f"--loss {name} does not fit a target of {kind}; these do: {', '.join(problem.target.LOSSES)}")
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
    return fl.nn.Sequential(*layers, fl.nn.Linear(width, _outputs(problem, loss)))


def _outputs(problem: Problem, loss: str) -> int:
    return 1 if loss == "binary_cross_entropy" else problem.target.outputs


def _check_size(o: Options, problem: Problem, opt: fl.optim.Optimizer, loss: str) -> int:
    """Refuse networks that memory does not hold, before they are made; return the bytes of the model file."""
    widths = [problem.features.size, *check.widths(o.hidden), _outputs(problem, loss)]
    parameters: dict[str, Any] = {}
    for i, (inside, out) in enumerate(pairwise(widths)):  # of these shapes, and of one number in memory
        parameters |= {f"{i}.weight": _shaped(out, inside), f"{i}.bias": _shaped(out)}
    held = 4 * sum(array.size for array in parameters.values())
    file = int(held + opt.memory_bytes(parameters))
    batch = 4 * min(o.batch_size, len(problem.train.x)) * sum(widths)
    # Parameters, gradients and state, what they were before the epoch, what a batch leaves for the way back, the file.
    memory.need(2 * held + 3 * file + 3 * batch, f"--hidden {shown(o.hidden)}", "take fewer or narrower layers")
    return file + OVERHEAD


def _shaped(*shape: int) -> Any:
    try:
        return np.broadcast_to(np.float32(0), shape)
    except (OverflowError, ValueError) as error:
        size = " x ".join(map(str, shape))
        raise InputError(f"--hidden asks for a layer of {size} weights; take a narrower one") from error


def _optimizer(o: Options, rows: int) -> fl.optim.Optimizer:
    assert o.epochs is not None
    steps = o.epochs * -(-rows // o.batch_size)
    return fl.optim.get(o.optimizer.lower(), lr=check.SCHEDULES[o.schedule.lower()](_rate(o), steps))


def _rate(o: Options) -> float:
    """Return the learning rate at the start."""
    if o.lr is not None:
        return o.lr
    if o.optimizer.lower() == "adam" and not check.widths(o.hidden):
        return LINEAR_RATE
    return check.RATES[o.optimizer.lower()]


def _train(o: Options, model: fl.nn.Module, opt: Any, problem: Problem, loss: str) -> fl.History:
    held = problem.validation
    assert o.epochs is not None
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
            on_interrupt="return",
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
    return {**score(target, outputs, y), "loss": _loss_of(target, loss, model, x, y)}


def _loss_of(target: Any, loss: str, model: fl.nn.Module, x: Any, y: Any) -> float:
    if not isinstance(target, Quantiles):
        return float(fl.evaluate(model, x, y, loss=loss)["loss"])
    from fallline.tabular._aims import aim_of

    return float(fl.evaluate(model, x, y.reshape(-1), loss=aim_of(target).loss)["loss"])
