"""Callbacks: which events come when, what each of them does, and what they keep."""

from __future__ import annotations

import copy
import math
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train import callbacks as cb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def network(seed: int = 1) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.ReLU(), fl.nn.Linear(8, 2, rng=rng))


def fit(model: fl.nn.Module, *callbacks: Any, **facts: Any) -> fl.History:
    known = {"loss": "cross_entropy", "progress": False, "optimizer": fl.optim.SGD(0.1), **facts}
    return fl.fit(model, X, LABELS, callbacks=list(callbacks), **known)


def arrays(model: fl.nn.Module) -> list[np.ndarray]:
    return [np.array(a) for a in model.state_dict().values()]


def same(a: fl.nn.Module, b: fl.nn.Module) -> bool:
    return all(np.array_equal(one, two) for one, two in zip(arrays(a), arrays(b), strict=True))


# Events


class Note(cb.Callback):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begin(self, run: fl.train.Run) -> None:
        self.heard.append(("begin", run.step, run.steps))

    def batch(self, run: fl.train.Run) -> None:
        self.heard.append(("batch", run.epoch, run.step))
        assert set(run.values) == {"loss", "grad_norm"}

    def epoch(self, run: fl.train.Run) -> None:
        self.heard.append(("epoch", run.epoch, run.step, run.history.epochs))

    def end(self, run: fl.train.Run) -> None:
        self.heard.append(("end", run.finished))


RULES: dict[str, Callable[[], Any]] = {"native": fl.optim.Adam, "Python": lambda: fl.optim.EMA(fl.optim.Adam())}


@pytest.mark.parametrize("rule", RULES)
def test_events_come_in_their_order_and_change_no_bit(rule: str) -> None:
    note, one, two = Note(), network(), network()
    fit(one, note, optimizer=RULES[rule](), epochs=2)
    assert note.heard == [
        ("begin", 0, 8),
        *(("batch", 0, step) for step in (1, 2, 3, 4)), ("epoch", 0, 4, 1),
        *(("batch", 1, step) for step in (5, 6, 7, 8)), ("epoch", 1, 8, 2),
        ("end", True),
    ]  # fmt: skip
    fit(two, optimizer=RULES[rule](), epochs=2)
    assert same(one, two)


def test_the_values_of_a_step_are_those_of_the_history() -> None:
    seen: list[float] = []
    watch = cb.Lambda(batch=lambda run: seen.append(run.values["loss"]))
    history = fit(network(), watch, epochs=3, record_steps=True)
    np.testing.assert_array_equal(history.steps["loss"], seen)


def test_every_says_how_often_a_callback_hears_of_steps() -> None:
    third, seen = cb.Lambda(batch=lambda run: seen.append(run.step)), list[int]()
    third.every = 3
    fit(network(), third, epochs=3)
    assert seen == [3, 6, 9, 12]


def test_without_a_listener_no_step_waits_for_python(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    advance = fl._core.Trainer.advance

    class Counting(fl._core.Trainer):
        def advance(self, *limits: Any) -> None:
            calls.append(limits)
            advance(self, *limits)

    monkeypatch.setattr(fl._core, "Trainer", Counting)
    fit(network(), cb.EarlyStopping("loss"), lambda *_: None, epochs=3, batch_size=1)
    assert 3 <= len(calls) < 30  # 300 steps; more than one call for an epoch only where it takes over 0.1 s
    calls.clear()
    fit(network(), Note(), epochs=3, batch_size=1)
    assert len(calls) == 300


@pytest.mark.parametrize("rule", RULES)
def test_a_callback_ends_an_epoch_which_then_counts_with_its_steps(rule: str) -> None:
    one, opt = network(), RULES[rule]()
    stop = cb.Lambda(batch=lambda run: run.step == 6)
    history = fit(one, stop, optimizer=opt, epochs=9, record_steps=True)
    assert (history.epochs, opt.t, len(history.steps["loss"])) == (2, 6, 6)
    assert history["loss"][1] == pytest.approx(history.steps["loss"][4:].mean())
    rest = fit(one, optimizer=opt, epochs=1)  # the epoch that was broken off is begun anew
    assert rest.epochs == 1 and opt.t == 10


def test_an_error_or_ctrl_c_is_followed_by_the_end() -> None:
    for error in (RuntimeError("mine"), KeyboardInterrupt()):
        note = Note()

        def fail(epoch: int, *rest: Any, error: BaseException = error) -> None:
            if epoch == 1:
                raise error

        with pytest.raises(type(error)):
            fit(network(), note, fail, epochs=3)
        assert note.heard[-1] == ("end", False)


def test_many_epochs_begin_at_once() -> None:
    start = time.process_time()
    for size in (32, cb.BatchSizeSchedule(8, factor=2, every=3), cb.BatchSizeSchedule(8, factor=1)):
        opt = fl.optim.SGD(fl.optim.schedules.cosine(0.1))
        history = fit(network(), lambda epoch, *_: epoch == 9, epochs=10**9, batch_size=size, optimizer=opt)
        assert history.epochs == 10
    assert time.process_time() - start < 20


def test_clocks_of_runs_are_those_of_their_lengths() -> None:
    from fallline.optim._clock import Clock

    start = Clock.constant(4)
    for t in (0, 3, 4, 9):
        for runs in ([(4, 5)], [(7, 1), (4, 2)], [(2, 3), (2, 1), (5, 4)]):
            lengths = [length for length, times in runs for _ in range(times)]
            one, two = start.then_runs(t, runs), start.then(t, lengths)
            assert [one.epoch(i) for i in range(60)] == [two.epoch(i) for i in range(60)]
            assert [one.start(i) for i in range(12)] == [two.start(i) for i in range(12)]


# EarlyStopping


def watching(values: list[float], stopping: cb.Callback, **facts: Any) -> tuple[fl.History, list[Any], fl.nn.Module]:
    """Train while a quantity "v" has these values, one for each epoch; return the parameters after each too."""
    after: list[Any] = []

    def put(epoch: int, history: fl.History, model: fl.nn.Module, opt: Any) -> None:
        history.put(epoch, {"v": values[epoch]})
        after.append(arrays(model))

    model = network()
    return fit(model, put, stopping, epochs=len(values), **facts), after, model


STOPS: dict[str, tuple[list[float], dict[str, Any], int, int]] = {
    "falls": ([5, 4, 3, 2, 1], {"patience": 1}, 5, 4),
    "patience": ([3, 2, 2.5, 2.5, 2.5, 1], {"patience": 3}, 5, 1),
    "a better one comes in time": ([3, 2, 2.5, 2.5, 1, 1, 1, 1], {"patience": 3}, 8, 4),
    "none": ([3, 2, 2, 1], {"patience": 0}, 3, 1),
    "too small a step": ([3, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.5}, 3, 0),
    "small steps add up": ([3, 2.7, 2.4, 2.1], {"patience": 2, "min_delta": 0.5}, 4, 2),
    "max": ([1, 2, 3, 2, 1, 0], {"patience": 2, "mode": "max"}, 5, 2),
    "start": ([0, 5, 4, 3, 3, 3], {"patience": 2, "start_from": 1}, 6, 3),
    "not measured": ([3, math.nan, 4, math.nan, 4, 4], {"patience": 2}, 5, 0),
}


@pytest.mark.parametrize("name", STOPS)
def test_early_stopping_counts_and_gives_the_best_parameters_back(name: str) -> None:
    values, arguments, epochs, best = STOPS[name]
    stopping = cb.EarlyStopping("v", **arguments)
    history, after, model = watching(values, stopping)
    assert (history.epochs, stopping.best_epoch, stopping.best) == (epochs, best, values[best])
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), after[best], strict=True))
    kept = cb.EarlyStopping("v", restore_best=False, **arguments)
    _, after, model = watching(values, kept)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), after[-1], strict=True))


def test_accuracy_is_to_grow_and_loss_to_fall() -> None:
    stopping = cb.EarlyStopping("val_accuracy", patience=2)
    history = fit(network(), stopping, epochs=50, validation=(X, LABELS), metrics=["accuracy"])
    assert stopping.best == max(history["val_accuracy"])
    stopping = cb.EarlyStopping(patience=2)
    history = fit(network(), stopping, epochs=5, validation=(X, LABELS))
    assert stopping.best == min(history["val_loss"])


def test_the_best_parameters_are_those_that_were_evaluated() -> None:
    model, opt, stopping = network(), fl.optim.EMA(fl.optim.SGD(0.5), 0.9), cb.EarlyStopping()
    history = fit(model, stopping, optimizer=opt, epochs=4, validation=(X, LABELS))
    assert fl.evaluate(model, X, LABELS, loss="cross_entropy")["loss"] == min(history["val_loss"])


def test_after_an_error_the_parameters_stay_where_they_were() -> None:
    def fail(epoch: int, *rest: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    one, two = network(), network()
    fit(one, cb.EarlyStopping("grad_norm", mode="max"), fail, epochs=5, on_interrupt="return")
    fit(two, epochs=3)
    assert same(one, two)


# What goes into the history


def test_the_learning_rate_of_every_epoch_is_kept() -> None:
    rate = fl.optim.schedules.step(0.8, every=1, factor=0.5, per="epoch")
    history = fit(network(), cb.LearningRateMonitor(), optimizer=fl.optim.EMA(fl.optim.SGD(rate)), epochs=3)
    assert history["lr"] == [0.4, 0.2, 0.1]
    parts = fl.optim.partition({"*.bias": fl.optim.SGD(0.3), "*": fl.optim.SGD(rate)})
    history = fit(network(), cb.LearningRateMonitor(), optimizer=parts, epochs=2)
    assert (history["lr[*.bias]"], history["lr[*]"]) == ([0.3, 0.3], [0.4, 0.2])


def test_effective_learning_rates_are_logged_for_each_parameter() -> None:
    """R66: the rate itself for gradient descent, another for each parameter with Adam."""
    watch = cb.LearningRateMonitor(effective=True)
    history = fit(network(), watch, optimizer=fl.optim.SGD(0.25), epochs=2)
    names = [f"effective_lr {path}" for path in network().parameters()]
    for name in names:
        np.testing.assert_allclose(history[name], 0.25, rtol=1e-3)
    history = fit(network(), watch, optimizer=fl.optim.Adam(0.25), epochs=2)
    assert len({history[name][-1] for name in names}) == len(names)


def test_norms_of_gradients_and_dead_units_are_logged_for_each_layer() -> None:
    model = network()
    np.asarray(model[0].weight)[:3] = 0  # three of eight units that give relu(-1)
    np.asarray(model[0].bias)[:3] = -1
    history = fit(model, cb.GradientMonitor(samples=100), epochs=2, optimizer=fl.optim.SGD(0.01))
    dead = (np.asarray(model[1](model[0](fl.asarray(X)))) > 0).any(0)
    assert history["dead 1"] == [1 - dead.mean()] * 2
    assert history["dead 1"][0] >= 3 / 8
    grads = fl.grad(lambda m: fl.nn.losses.cross_entropy(m(X), LABELS))(model)
    for path, g in grads.items():
        assert history[f"grad_norm {path}"][-1] == pytest.approx(float(np.linalg.norm(np.asarray(g))), rel=1e-5)
    assert "forward" not in vars(model[1])


def test_a_timer_measures_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from fallline.train.callbacks import _monitors

    clock = [0.0]
    monkeypatch.setattr(_monitors.time, "monotonic", lambda: clock[0])

    def work(epoch: int, *rest: Any) -> None:
        clock[0] += 2.0

    timer = cb.Timer(limit=5)
    history = fit(network(), work, timer, epochs=9)
    assert history["seconds"] == [2.0, 2.0, 2.0]
    assert timer.seconds == 6.0
    assert "seconds" not in fit(network(), cb.Timer(record=False))


def test_reduce_on_plateau_is_that_of_fl_optim() -> None:
    values = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    opt = fl.optim.SGD(0.8)
    plateau, rate = cb.ReduceOnPlateau("v", factor=0.5, patience=1), cb.LearningRateMonitor()
    model = network()

    def put(epoch: int, history: fl.History, *rest: Any) -> None:
        history.put(epoch, {"v": values[epoch]})

    history = fit(model, put, plateau, rate, optimizer=opt, epochs=len(values))
    other, counted, rates = fl.optim.SGD(0.8), fl.optim.ReduceOnPlateau("v", factor=0.5, patience=1), []
    for epoch in range(len(values)):
        counted(epoch, {"v": values[: epoch + 1]}, None, other)
        rates.append(other.lr)
    assert history["lr"] == rates
    assert min(rates) == 0.2


# All of them


EACH: dict[str, Callable[[Path], cb.Callback]] = {
    "Checkpoint": lambda folder: cb.Checkpoint(folder / "run", monitor="loss"),
    "CSVLogger": lambda folder: cb.CSVLogger(folder / "h.csv"),
    "EarlyStopping": lambda folder: cb.EarlyStopping("loss", patience=3),
    "GradientMonitor": lambda folder: cb.GradientMonitor(),
    "JSONLogger": lambda folder: cb.JSONLogger(folder / "h.jsonl"),
    "Lambda": lambda folder: cb.Lambda(begin=print),
    "LearningRateMonitor": lambda folder: cb.LearningRateMonitor(),
    "Progress": lambda folder: cb.Progress(),
    "ReduceOnPlateau": lambda folder: cb.ReduceOnPlateau("loss"),
    "TensorBoard": lambda folder: cb.TensorBoard(folder),
    "Timer": lambda folder: cb.Timer(),
}


def test_the_table_has_every_callback() -> None:
    kinds = {name for name in cb.__all__ if issubclass(getattr(cb, name), cb.Callback)}
    assert kinds - {"Callback"} == EACH.keys()


@pytest.mark.parametrize("name", EACH)
def test_each_is_copied_pickled_and_restored_whole(name: str, tmp_path: Path) -> None:
    if name == "TensorBoard":
        pytest.importorskip("tensorboard")
    made = EACH[name](tmp_path)
    fit(network(), made, epochs=2)
    state = made.state_dict()
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert str(again.state_dict()) == str(state)
    fresh = EACH[name](tmp_path)
    fresh.load_state_dict(state)
    assert str(fresh.state_dict()) == str(state)
    assert name in repr(made)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cb.EarlyStopping(patience=-1), "patience must be a whole number of at least 0, got -1"),
        (lambda: cb.EarlyStopping(mode="least"), "mode must be 'auto' or 'min' or 'max'"),
        (lambda: cb.EarlyStopping(3), "monitor must be the name of a value in the history"),
        (lambda: cb.EarlyStopping(patince=3), "no argument 'patince'.*patience"),
        (lambda: fit(network(), cb.EarlyStopping("val_loss")), "no 'val_loss'; pass validation="),
        (lambda: fit(network(), cb.EarlyStopping("los")), "no 'los'.*loss"),
        (lambda: cb.Timer(limit=0), "limit must be positive"),
        (lambda: cb.CSVLogger(3), "path must be a path, got 3"),
        (lambda: cb.Lambda(batch=3), "batch must be a function"),
        (lambda: fit(network(), cb.EarlyStopping), r"callbacks\[0\] must be one of fl.train.callbacks.*make one first"),
        (lambda: fit(network(), 3), r"callbacks\[0\] must be one of fl.train.callbacks or a function"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call()
